"""The output formats of masscan."""
