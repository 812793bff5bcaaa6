"""The output formats of tshark."""
