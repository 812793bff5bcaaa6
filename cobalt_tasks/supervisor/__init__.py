"""`cobalt up`: everything on this machine, as children of one process that starts, watches and ends them."""
