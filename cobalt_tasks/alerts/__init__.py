"""Alerts: rules over what changed, messages that wait for their delivery, and the receivers."""
