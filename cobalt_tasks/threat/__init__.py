"""Threat rules, blocklists, findings and scores."""
