"""The formats of exports: one file each, and one entry in `registry`."""
