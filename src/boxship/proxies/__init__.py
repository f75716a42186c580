"""Asking: one module per service, a core Protocol spoken over the wire.

`_async` is written by hand; `_sync` is generated from it by tools/unasync.py and never edited; its classes are the core
Protocols. Both go through a caller (`callers`), which is a channel bound to a namespace and perhaps a lease, and which
turns statuses back into errors. The other end may be boxshipd or any containerd from 1.6 on: what an older one does not
know falls back to what it does. Whoever speaks to a daemon enters: client, cri, and shims' proxies beside them.
"""
