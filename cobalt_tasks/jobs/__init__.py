"""Jobs from creation to their final state, and the messages that carry them."""
