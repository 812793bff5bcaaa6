"""An example of a package that extends Cobalt; pyproject.toml lists what it adds."""
