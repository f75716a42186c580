"""Logging to standard error in containerd's two formats: text as logrus writes it, or one JSON object a line."""

import datetime as dt
import json
import logging
import re
import sys
from typing import TextIO

TRACE = 5
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL,
}
_PLAIN = re.compile(r"[A-Za-z0-9._/@^+-]+", re.ASCII)


def start(level: str, style: str, stream: TextIO | None = None) -> None:
    """Take over the root logger."""
    logging.addLevelName(TRACE, "TRACE")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS.get(level, logging.INFO))


class TextFormatter(logging.Formatter):
    """`time="2026-01-01T00:00:00.000000000Z" level=info msg="..."`."""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{key}={_quoted(value)}" for key, value in _fields(self, record).items())


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_fields(self, record), sort_keys=True)


def _fields(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, str]:
    moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
    fields = {
        "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}000Z",
        "level": _level(record.levelno),
        "msg": record.getMessage(),
    }
    if record.exc_info:
        fields["error"] = formatter.formatException(record.exc_info)
    return fields


def _level(number: int) -> str:
    for name in ("fatal", "error", "warning", "info", "debug"):
        if number >= LEVELS[name]:
            return name
    return "trace"


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
