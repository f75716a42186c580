"""HTTP/2 (RFC 9113) and HPACK (RFC 7541) without I/O, as much of it as gRPC can meet: bytes in, events out.

`frames` builds and cuts frames, `headers` turns header blocks into lists and back, `flow` holds what may be sent and
received, `calm` judges floods, `connection` is the state of one connection in either role. Nothing here knows gRPC,
sockets, threads or clocks: the time comes in as a number.
"""
