"""Where an address is, and whose: local databases first, then every provider within one shared budget."""
