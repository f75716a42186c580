"""Floods: what a peer may ask of us without giving anything useful.

Every frame which costs us work and carries nothing (PING, SETTINGS, RST_STREAM, empty DATA, PRIORITY, WINDOW_UPDATE,
refused streams) takes from a budget. The budget refills with time and with useful traffic: a finished call, a frame of
data received or sent. So a client that pings while it downloads is never disturbed, and one that does nothing but
reset, ping or set is stopped within a fraction of a second (CVE-2019-9511 to 9518, CVE-2023-44487, VU#421644).
"""

from __future__ import annotations

from boxship.rpc.http2 import faults

BURST = 10_000.0
PER_SECOND = 2_000.0

CONTROL = 1  # PING, PRIORITY, WINDOW_UPDATE, CONTINUATION, unknown kinds, empty DATA
SETTINGS = 4
FAULT = 10  # a stream reset by the peer, refused, or broken
FINISHED = 12  # earned by a call that ran to its end: more than a reset costs
FRAME = 2  # earned by a frame of data, either way


class Budget:
    """A bucket of tokens on the driver's clock. Time is looked at only when the bucket is empty."""

    __slots__ = ("_at", "_left", "earned", "now")

    def __init__(self) -> None:
        self._left = BURST
        self._at = 0.0  # when it was last refilled
        self.now = 0.0  # on the driver's clock, when it last handed bytes in
        self.earned = 0  # by useful traffic, since something was spent; whoever earns adds to it

    def spend(self, tokens: int, what: str) -> None:
        """Raises ConnectionFault ENHANCE_YOUR_CALM when nothing is left."""
        left = self._left + self.earned
        self.earned = 0
        self._left = (min(BURST, left)) - tokens
        if self._left < 0:
            self._left = min(BURST, self._left + (self.now - self._at) * PER_SECOND)
            self._at = self.now
            if self._left < 0:
                raise faults.ConnectionFault(faults.ErrorCode.ENHANCE_YOUR_CALM, f"too many frames: {what}")
