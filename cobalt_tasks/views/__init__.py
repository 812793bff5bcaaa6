"""What people and programs see of the ledger: commands, exports, metrics, the HTTP API and the page. Nothing here writes."""
