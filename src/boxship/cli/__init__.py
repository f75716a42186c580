"""The command `boxship`: one file per command, imported when it is called.

A command takes its streams, arguments and environment from a `world.World`; nothing here reads them at import, so
that a process which has everything imported can run commands for many callers.
"""
