"""Code that runs only in the worker pools: tasks, their life cycle, and the probes."""
