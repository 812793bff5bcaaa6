"""The output formats of ProjectDiscovery's tools: naabu, tlsx, httpx, fingerprintx."""
