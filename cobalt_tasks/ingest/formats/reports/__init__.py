"""Reports of vulnerability scanners: their hosts, ports and services."""
