"""What SQLite's recovery left out of a write-ahead log (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).

A daemon that is killed leaves at most one transaction in its log that is not whole. Recovery goes up to the first
frame that is wrong and says nothing of what lies behind. If further transactions of the same log lie there, the log
was not cut short but damaged.
"""

import os
import struct

_HEADER = struct.Struct(">IIIIIIII")
_FRAME = struct.Struct(">IIIIII")
_MAGIC = {0x377F0682, 0x377F0683}
_RECOVERED_AT = 16
"""Where the log's index keeps the number of valid frames, in the machine's byte order (walformat.html, mxFrame)."""


def transactions(log: str) -> list[int]:
    """For each transaction that was written to the log, the number of frames up to its end; no checksum is looked at."""
    try:
        file = open(log, "rb")  # noqa: SIM115  closed below
    except FileNotFoundError:
        return []
    with file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return []
        magic, _version, page, _sequence, *salt = _HEADER.unpack(header)[:6]
        if magic not in _MAGIC or not 512 <= page <= 65536:
            return []
        ends: list[int] = []
        count = max(os.fstat(file.fileno()).st_size - _HEADER.size, 0) // (_FRAME.size + page)
        for number in range(count):
            file.seek(_HEADER.size + number * (_FRAME.size + page))
            _page, size_after, *found = _FRAME.unpack(file.read(_FRAME.size))[:4]
            if found == salt and size_after:
                ends.append(number + 1)
        return ends


def recovered(index: str) -> int:
    """How many frames of the log SQLite took, while a connection is open that has read from the file."""
    try:
        with open(index, "rb") as file:
            file.seek(_RECOVERED_AT)
            return int(struct.unpack("=I", file.read(4))[0])
    except (FileNotFoundError, struct.error):
        return 0


def lost(ends: list[int], taken: int) -> int:
    """How many transactions were left out; the last one does not count, since it may have been under way."""
    return max(sum(1 for end in ends if end > taken) - 1, 0)
