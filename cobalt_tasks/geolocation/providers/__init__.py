"""Online geolocation providers, one file each."""
