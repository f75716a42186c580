"""ttrpc (github.com/containerd/ttrpc, PROTOCOL.md) as frames and state: bytes in, events out, bytes to send.

No socket, no clock, no thread, and nothing of HTTP/2 or asyncio: the shim, which must stay small, drives it with
selectors. `frames` cuts the stream of bytes, `envelopes` reads and writes the two messages which wrap every call,
`server` and `client` are the two ends of a connection.
"""
