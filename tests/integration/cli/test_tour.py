"""The README tells the truth: its first tour and its ten lines of Python, run as they stand there.

Where they say `alpine` and `nginx`, this machine's busybox comes, from a registry that stands in for the usual one.
"""

import io
import pathlib
import re
import shutil
import tarfile

import pytest
from integration.cli import test_daemon
from integration.client import pictures

from boxship.testing import registry

pytestmark = test_daemon.pytestmark
private = test_daemon.private

README = (pathlib.Path(__file__).resolve().parents[3] / "README.md").read_text()
SERVER = b"#!/bin/sh\n[ $1 ] && echo nginx version >&2 && exit\ntrap exit TERM\necho serving\nwhile true; do sleep 0.1; done\n"


def blocks(heading):
    """The fenced blocks of a section."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```\w*\n(.*?)```", section, re.DOTALL)


def server():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("bin/nginx")
        entry.size, entry.mode = len(SERVER), 0o755
        tar.addfile(entry, io.BytesIO(SERVER))
    return buffer.getvalue()


@pytest.fixture
def everyday():
    """A start of a script in which `alpine` and `nginx` can be pulled.

    In a namespace of its own: control groups are the machine's, and somebody's `web` may run on it.
    """
    with registry.Registry() as remote:
        env = {"Env": ["PATH=/bin"]}
        remote.push_image("library/alpine", "latest", [pictures.layer()], {"Cmd": ["sh"], **env})
        remote.push_image("library/nginx", "latest", [pictures.layer(), server()], {"Cmd": ["nginx"], **env})
        yield f"""
            export BOXSHIP_NAMESPACE=boxship-tour CONTAINERD_NAMESPACE=boxship-tour
            mkdir -p /etc/containerd
            mount -t tmpfs private /etc/containerd
            mkdir -p /etc/containerd/certs.d/docker.io
            echo 'server = "http://{remote.host}"' > /etc/containerd/certs.d/docker.io/hosts.toml
        """


def test_the_first_tour(private, everyday):
    tour = blocks("A first tour")[0]
    lines = [line.partition("  #")[0].strip() for line in tour.splitlines()]
    assert len(lines) > 5
    script = "cd /run; echo bytes > layer; decrypt() { cat; }\n"
    for line in lines:
        command = f"timeout 2 env BASH_ENV= {line}" if "-f" in line.split() else line
        script += f"echo '$ {line}'; ( {command.replace('env BASH_ENV= boxship', '$PYTHON -m boxship.cli.main')} ) </dev/null; echo \"-> $?\"\n"
    said = private(everyday + script)
    told = dict(re.findall(r"^\$ (.*)\n((?:.*\n)*?)-> (?=\d+$)", said, re.MULTILINE))
    codes = dict(re.findall(r"^\$ (.*)\n(?:(?!\$ ).*\n)*?-> (\d+)$", said, re.MULTILINE))
    assert list(codes) == lines
    followed = [line for line in lines if "-f" in line.split()]
    assert {line: code for line, code in codes.items() if code != "0"} == dict.fromkeys(followed, "124")
    assert "no daemon is running, starting one" in told[lines[0]]
    assert told[lines[0]].endswith("hello\n")
    assert "serving" in told["boxship logs -f web"]
    assert "web" in told["boxship ps"]
    assert "sha256:" in told[lines[-2]]


def test_the_ten_lines(private, everyday):
    (program,) = [block for block in blocks("The library") if "import boxship" in block]
    program = program.replace("connect()", "connect(namespace='boxship-tour')")
    said = private(
        f"{everyday}\nboxship daemon start\n$PYTHON - <<'END'\n{program}\nEND\necho \"-> $?\"\nboxship ps -aq\n"
    )
    assert said.splitlines()[-2:] == ["b'nginx version\\n'", "-> 0"]
    assert "0 b'hi\\n'" in said
    assert "State.DONE" in said


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("ctr") is None, reason="needs ctr")
def test_clients_of_containerd_need_the_socket_only(private, everyday):
    host = re.search(r"http://([\d.:]+)", everyday)[1]
    pull, run = (line.replace("docker.io", host) for line in blocks("A first tour")[1].strip().splitlines())
    said = private(
        f"{everyday}\nboxship daemon start\n{pull.replace('pull ', 'pull --plain-http ')} >/dev/null && {run}"
    )
    assert said.splitlines()[-1] == "hello"
