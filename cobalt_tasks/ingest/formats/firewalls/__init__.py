"""Logs of packet filters: Linux (iptables, nftables, UFW) and pfSense."""
