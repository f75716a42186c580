import socket

import pytest
from unit.rpc import echo

from boxship.rpc import client, server


@pytest.fixture
def service():
    return echo.Echo()


@pytest.fixture
def serving(service):
    running = server.Server(service.handlers(), translate=echo.translate)
    yield running
    running.shutdown(0)


@pytest.fixture
def connect(serving):
    """A connected socket whose other end is served."""
    ends = []

    def connected(protocol):
        near, far = socket.socketpair()
        serving.adopt(far, protocol=protocol)
        ends.append(near)
        return near

    yield connected
    for end in ends:
        end.close()


@pytest.fixture
def grpc(connect):
    with client.Channel(connect("grpc")) as channel:
        yield channel


@pytest.fixture
def ttrpc(connect):
    with client.TtrpcChannel(connect("ttrpc")) as channel:
        yield channel


@pytest.fixture(params=["grpc", "ttrpc"])
def channel(request):
    return request.getfixturevalue(request.param)
