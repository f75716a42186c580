"""A conversation with one HTTP/2 connection: what the peer sends, what we tell, what we answer."""

from typing import NamedTuple

from boxship.rpc.http2 import blocks, connection, frames, headers

REQUEST = blocks.encode(
    [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/s/M"), (b":authority", b"a"), (b"te", b"trailers")]
)
RESPONSE = blocks.encode([(b":status", b"200")])
TRAILERS = blocks.encode([(b"grpc-status", b"0")])


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


def cut(data):
    """The frames in these bytes."""
    out, at = [], 0
    while at < len(data):
        upper, lower, kind, flags, stream = frames.HEADER.unpack_from(data, at)
        end = at + 9 + (upper << 8 | lower)
        assert end <= len(data)
        out.append(Frame(kind, flags, stream, data[at + 9 : end]))
        at = end
    return out


class Peer:
    """The other side of the connection under test, by hand."""

    def __init__(self, *, client=False, limits=None, settings=None, interpret=None):
        check = interpret or (headers.check_response if client else headers.check_request)

        def interpreted(pairs):
            check(pairs)
            return dict(pairs)

        self.us = connection.Connection(client=client, interpret=interpreted, limits=limits or connection.Limits())
        self.now = 0.0
        self.greeting = cut(self.us.take().removeprefix(frames.PREFACE))
        self.events = self.sends((b"" if client else frames.PREFACE) + frames.settings(settings or {}))
        self.answered()

    def sends(self, *pieces):
        self.events = self.us.receive(b"".join(pieces), self.now)
        return self.events

    def answered(self):
        return cut(self.us.take())

    def request(self, number, *, end=True):
        return self.sends(frames.headers(number, REQUEST, end_stream=end, frame_size=16384))[0].stream

    def goaway(self):
        """The code of the GOAWAY which we sent; None when there is none."""
        found = [frame for frame in self.answered() if frame.kind == frames.GOAWAY]
        return int.from_bytes(found[-1].payload[4:8], "big") if found else None

    def resets(self):
        return [
            (frame.stream, int.from_bytes(frame.payload, "big"))
            for frame in self.answered()
            if frame.kind == frames.RST_STREAM
        ]
