"""Leases that DHCP servers keep: which host had which address."""
