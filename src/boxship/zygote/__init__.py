"""Processes that are ready when asked for.

A template, one small single-threaded process, imports whatever its entry points need and waits. Each request forks it
twice: the grandchild leads a session of its own, has init as its parent, holds the descriptors that were handed to it
and nothing else, and runs an entry point. It starts in some two milliseconds with the imports done and their memory
shared, and it may enter namespaces, which a process with threads cannot.

The room knows neither shims nor layers nor commands, only the entry points that it is given by name. `client` is for
those who ask; `template` is the other process, started as a script.

Everybody may enter; only `daemon`, `shim` and `cli` decide which entry points there are.
"""
