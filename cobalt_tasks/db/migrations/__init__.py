"""The ledger's migrations, applied by schema.py."""
