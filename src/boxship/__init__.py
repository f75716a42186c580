"""boxship: a container runtime that speaks containerd's API, written in Python.

`boxship.client.connect()` talks to a daemon, `boxship.daemon.embed()` runs one inside the program.
This package imports nothing by itself, so that every command loads only what it uses.
"""

__version__ = "0.1.0"
