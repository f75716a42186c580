"""HTTP/2 (RFC 9113) and HPACK (RFC 7541) without I/O, as much of it as gRPC can meet: bytes in, events out.

`frames` builds frames; `huffman`, `tables` and `blocks` are HPACK, `headers` remembers and judges lists; `streams` and
`book` know which streams there are, `receiving` and `sending` are the two halves, `calm` judges floods, `connection` is
one connection in either role. Nothing here knows gRPC, sockets, threads or clocks: the time comes in as a number.
"""
