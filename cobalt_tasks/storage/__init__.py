"""The ledger: tables, and one file of queries per concern. The only part that speaks SQL."""
