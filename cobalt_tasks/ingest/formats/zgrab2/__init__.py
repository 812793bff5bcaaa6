"""The output format of zgrab2."""
