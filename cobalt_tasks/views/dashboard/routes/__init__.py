"""The routes of the API, one module for each subject: /api/hosts is in `hosts`."""
