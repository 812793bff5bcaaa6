"""`cobalt report`: one HTML file about what is known, for people who have no access to the page."""
