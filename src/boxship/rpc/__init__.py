"""How messages travel: gRPC over HTTP/2 and ttrpc, as frames and state without I/O, then their servers and clients.

A message is opaque here. The table which turns it into bytes and back (`methods.Method`) is handed in, so this room
knows no protobuf and no container word. `http2`, `grpc` and `ttrpc` hold the protocols: bytes in, events out, no socket
and no clock. `server` and `client` drive them with threads, `aio` with asyncio; the shim drives `ttrpc` with selectors,
for which it needs nothing of HTTP/2.

Everybody from `wire` upwards may enter.
"""
