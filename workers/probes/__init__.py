"""One probe for each kind of job that speaks to the network: `async def probe(job, net) -> Outcome`."""
