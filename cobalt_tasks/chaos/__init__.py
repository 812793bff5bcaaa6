"""`cobalt chaos`: a whole stack of its own on loopback, fed with known input while its processes are killed, and an audit.

What is checked is what the program did not compute itself: lines fed, calls a provider received, and a log of every
transition that triggers of this package write into tables without unique keys.
"""
