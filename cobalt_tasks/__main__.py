"""`python -m cobalt_tasks`: the command `cobalt`."""

from cobalt_tasks.cli import main

main()
