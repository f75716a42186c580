"""runc's log, which callers read: logfmt or JSON lines, to stderr or to a file (`--log`, `--log-format`)."""

import json
import os
import sys
import time


class Log:
    def __init__(self, path: str, style: str, *, debug: bool = False) -> None:
        """Opens the file right away, since later the container may be all around; raises OSError."""
        self._style = style
        self._debug = debug
        self._file: int | None = None
        if path and path != "/dev/stderr":
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(path, flags, 0o644)

    def error(self, message: str) -> None:
        self._write("error", message)
        if self._file is not None:
            # people look at stderr, programs at the file
            sys.stderr.write(message + "\n")
            sys.stderr.flush()

    def warning(self, message: str) -> None:
        self._write("warning", message)

    def debug(self, message: str) -> None:
        if self._debug:
            self._write("debug", message)

    def _write(self, level: str, message: str) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self._style == "json":
            line = json.dumps({"level": level, "msg": message, "time": moment}, separators=(",", ":"))
        else:
            line = f'time="{moment}" level={level} msg={json.dumps(message, ensure_ascii=False)}'
        raw = (line + "\n").encode("utf-8", "surrogateescape")
        os.write(2 if self._file is None else self._file, raw)
