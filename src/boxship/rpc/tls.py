"""A connected socket that speaks TLS. Apart from `wires`, since OpenSSL takes 6 MB and few connections need it."""

from __future__ import annotations

import socket
import ssl

from boxship.rpc import wires


class TlsWire(wires.Wire):
    """TLS over the same socket. The cipher works on memory, so that reading and writing never meet in it."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, *, server_name: str | None = None) -> None:
        super().__init__(connection)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.protocol == ssl.PROTOCOL_TLS_SERVER
        self._tls = context.wrap_bio(self._in, self._out, server_side=server, server_hostname=server_name)
        self._shaken = False
        self._early: list[bytes] = []  # what was sent before the handshake was done

    def shake_hands(self) -> None:
        """Before anything else, for a thread that may wait. Raises OSError (ssl.SSLError)."""
        while not self._step():
            data = self.socket.recv(wires.READ_SIZE)
            if not data:
                raise ConnectionResetError("the peer left in the middle of the TLS handshake")
            self._in.write(data)

    def decode(self, data: bytes) -> bytes:
        """Also goes on with the handshake. Raises OSError (ssl.SSLError)."""
        self._in.write(data)
        if not self._shaken and not self._step():
            return b""
        parts = []
        try:
            while part := self._tls.read(wires.READ_SIZE):
                parts.append(part)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        self._emit()
        return b"".join(parts)

    def _step(self) -> bool:
        try:
            self._tls.do_handshake()
            self._shaken = True
            if self._early:
                self.send(b"")
        except ssl.SSLWantReadError:
            pass
        finally:
            self._emit()
        return self._shaken

    def send(self, data: bytes) -> bool:
        if not self._shaken:
            self._early.append(data)
            return True
        if self._early:
            data = b"".join((*self._early, data))
            self._early.clear()
        self._tls.write(data)
        return self._emit()

    def _emit(self) -> bool:
        data = self._out.read()
        return self._push(data) if data else not self._left
