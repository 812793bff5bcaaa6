"""The output formats of Suricata."""
