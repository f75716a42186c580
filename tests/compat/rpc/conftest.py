import os
import shutil
import socket
import subprocess
import time

import pytest
from compat.rpc import interop

from boxship.rpc import server, status


def find(*names):
    """A peer's program, from the folder in BOXSHIP_PEERS or from PATH; the test is skipped without it."""
    folder = os.environ.get("BOXSHIP_PEERS", "")
    for name in names:
        found = shutil.which(name, path=folder) if folder else None
        if found := found or shutil.which(name):
            return found
    pytest.skip(f"{names[0]} is not installed")


@pytest.fixture
def port():
    """Our server with the interop service, on a port of loopback."""
    serving = server.Server(
        interop.Service().handlers(), translate=lambda failure: status.Status(status.Code.UNKNOWN, repr(failure))
    )
    listener = socket.create_server(("127.0.0.1", 0))
    serving.serve(listener, protocol="grpc")
    yield listener.getsockname()[1]
    serving.shutdown(1)


@pytest.fixture(scope="module")
def their_port():
    """grpc-go's interop server."""
    program = find("grpc-interop-server", "interop_server")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with subprocess.Popen([program, f"-port={port}"], stderr=subprocess.DEVNULL) as running:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < end, "it does not listen"
                time.sleep(0.02)
        yield port
        running.kill()
