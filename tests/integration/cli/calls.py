"""Calling the command: inside this program, which is quick, or as the process that people start."""

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass

from boxship.cli import main, world

PROGRAM = (sys.executable, "-m", "boxship.cli.main")


@dataclass(frozen=True, repr=False)
class Said:
    """How a call ended and what it wrote."""

    code: int
    raw: bytes
    errors: str

    def __repr__(self):
        return f"code {self.code}, output {self.raw[:2000]}, errors {self.errors[:2000]}"

    @property
    def text(self):
        return self.raw.decode()

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def json(self):
        return json.loads(self.raw)


class Started(subprocess.Popen):
    """A process that a failed test does not wait for."""

    def __exit__(self, kind, value, traceback):
        if kind is not None:
            self.kill()
        super().__exit__(kind, value, traceback)


class Boxship:
    """The command for one daemon and namespace. Called with words it runs here; `start` makes a process."""

    def __init__(self, address, namespace, **environment):
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ},
            "BOXSHIP_ADDRESS": address,
            "BOXSHIP_NAMESPACE": namespace,
            **environment,
        }

    def __call__(self, *words, stdin=b"", code=0):
        """`code`: what it must end with; None for whatever comes. Never a traceback."""
        inside, out, err = (io.TextIOWrapper(io.BytesIO(data), newline="\n") for data in (stdin, b"", b""))
        ended = main.run(words, world.World(stdin=inside, stdout=out, stderr=err, environment=self.environment))
        for stream in (out, err):
            stream.flush()
        said = Said(ended, out.buffer.getvalue(), err.buffer.getvalue().decode())
        assert code is None or ended == code, said
        assert "Traceback" not in said.errors, said.errors
        return said

    def start(self, *words, **how):
        environment = {**self.environment, **how.pop("environment", {})}
        return Started([*PROGRAM, *words], env=environment, **how)

    def process(self, *words, stdin=b"", code=0, **how):
        """The same as a call, by a process of its own."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.start(*words, **{**streams, **how}) as started:
            try:
                out, err = started.communicate(stdin if started.stdin else None, timeout=30)
            except subprocess.TimeoutExpired:
                started.kill()
                raise
        said = Said(started.returncode, out or b"", (err or b"").decode())
        assert code is None or said.code == code, said
        assert "Traceback" not in said.errors, said.errors
        return said
