"""gRPC over HTTP/2 (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md) without I/O: calls as messages, metadata and status.

`messages` cuts data into messages, `fields` reads and writes gRPC's headers, `server` and `client` are the two ends of
a connection; each sits on an `http2.connection.Connection` and knows neither sockets nor threads nor clocks.
"""
