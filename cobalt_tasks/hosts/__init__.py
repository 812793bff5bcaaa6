"""What is known about hosts and ports: facts, and the queries that read them."""
