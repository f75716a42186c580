"""The nouns: one module each, with its Protocols, its frozen values and the algorithms that need no disk.

A Protocol here is spoken by three kinds of parts: the implementation (plugins, metadata), the proxy that
reaches it over the wire, and the fakes of boxship.testing. Nothing here knows a message, a file or a socket.
"""
