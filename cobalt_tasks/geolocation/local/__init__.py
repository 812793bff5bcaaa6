"""Local geolocation databases: installing and reading them."""
