"""What every other part uses: the catalog, records, settings, errors, addresses, text."""
