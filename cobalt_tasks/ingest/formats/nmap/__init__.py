"""The output formats of nmap, and those that masscan writes in its manner."""
