"""What a command knows of its caller: streams, environment, terminal. Only `World.real` looks at the process."""

import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, TextIO

DEFAULT_ADDRESS = "/run/boxship/boxship.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Streams are text with a binary `buffer`; `environment` is the caller's, not this process's."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    environment: Mapping[str, str]

    @classmethod
    def real(cls) -> "World":
        """This process's own; a stream that the caller has closed is one that is empty, or goes nowhere.

        Characters that the caller's locale does not have become question marks.
        """
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        return cls(
            stdin=sys.stdin or open(os.devnull, encoding="utf-8"),
            stdout=sys.stdout or open(os.devnull, "w", encoding="utf-8"),
            stderr=sys.stderr or open(os.devnull, "w", encoding="utf-8"),
            environment=os.environ,
        )

    @property
    def width(self) -> int:
        """Columns of the terminal; wide when output goes elsewhere, so that nothing is cut for a program."""
        return _screen(self.stdout)[0] if self.stdout.isatty() else 10_000

    def screen(self) -> tuple[int, int]:
        """Columns and rows of the terminal on which progress is shown."""
        return _screen(self.stderr)

    @property
    def watched(self) -> bool:
        """Whether a person sees the errors, so that progress is worth showing."""
        return self.stderr.isatty() and self.environment.get("TERM") != "dumb"

    @property
    def coloured(self) -> bool:
        """Whether that person wants colours (no-color.org)."""
        return self.watched and not self.environment.get("NO_COLOR")

    def draw(self, text: str) -> None:
        """Something that is drawn over later; not for files."""
        self.stderr.write(text)
        self.stderr.flush()

    def output(self, data: bytes) -> None:
        self.stdout.buffer.write(data)
        self.stdout.buffer.flush()

    def errors(self, data: bytes) -> None:
        self.stderr.buffer.write(data)
        self.stderr.buffer.flush()

    @property
    def input(self) -> BinaryIO:
        return self.stdin.buffer

    def say(self, text: str) -> None:
        """A remark for a person: on the error stream, so that it never mixes with output."""
        end = "\r\n" if self._raw else "\n"
        self.stderr.write(text.replace("\n", end) + end)
        self.stderr.flush()

    @property
    def _raw(self) -> bool:
        """Whether a container has the terminal: then the end of a line does not begin the next one."""
        if not self.stderr.isatty():
            return False
        import termios

        try:
            return not termios.tcgetattr(self.stderr.fileno())[1] & termios.OPOST
        except (OSError, termios.error):
            return False

    def print(self, text: str) -> None:
        self.stdout.write(f"{text}\n")


def _screen(stream: TextIO) -> tuple[int, int]:
    try:
        found = os.get_terminal_size(stream.fileno())
    except OSError:
        return 80, 24
    return found.columns or 80, found.lines or 24
