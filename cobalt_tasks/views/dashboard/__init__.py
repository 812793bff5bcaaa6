"""The HTTP API and the page, on port 8080."""
