"""The output formats of Zeek."""
