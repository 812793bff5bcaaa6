"""The search language: one grammar and one table of fields for the command line, the page, the API and exports."""
