"""What producers, views and workers share. The database is the ledger, Redis is the doorbell."""
