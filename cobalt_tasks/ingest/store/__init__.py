"""What ingest writes to the ledger: sources, batches, rejects."""
