"""A terminal with a person at it, played by a test."""

import fcntl
import os
import re
import select
import struct
import termios
import time


class Screen:
    """The other side of a pseudo terminal. `start` makes the process at it, from what Popen takes."""

    def __init__(self, start, *, columns=80, rows=24):
        self._side, theirs = os.openpty()
        self.resize(columns, rows)
        self.process = start(
            stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        self._theirs = theirs
        self.screen = b""

    def resize(self, columns, rows):
        fcntl.ioctl(self._side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self._side, text.encode())

    def until(self, pattern, seconds=15.0):
        """Read until the screen matches; gives the match, and forgets what was before its end."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern.encode(), self.screen)):
            assert time.monotonic() < deadline, self.screen
            if select.select([self._side], [], [], 0.1)[0]:
                self.screen += os.read(self._side, 65536)
        self.screen = self.screen[found.end() :]
        return found

    def end(self, seconds=15.0):
        """Read to the end; gives everything and the exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None or select.select([self._side], [], [], 0.05)[0]:
            assert time.monotonic() < deadline, self.screen
            if select.select([self._side], [], [], 0.05)[0]:
                self.screen += os.read(self._side, 65536)
        return self.screen.decode(), self.process.returncode

    def settings(self):
        return termios.tcgetattr(self._theirs)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        os.close(self._side)
        os.close(self._theirs)
