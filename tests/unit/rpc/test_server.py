import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest
from unit.rpc import echo
from unit.rpc.http2 import playbook

from boxship.rpc import client, methods, server, status
from boxship.rpc.http2 import blocks, frames, headers


@pytest.fixture
def raw(connect):
    """A connection on which frames are written by hand; the greeting has been exchanged."""
    connection = connect("grpc")
    connection.settimeout(10)
    connection.sendall(frames.PREFACE + frames.settings({}))
    return connection


def exchange(connection, *pieces):
    """Send; what comes back until a stream ends: the lists of headers, and the data."""
    connection.sendall(b"".join(pieces))
    reader, lists, data, received = headers.Reader(list_limit=1 << 20), [], b"", b""
    while True:
        part = connection.recv(1 << 16)
        assert part, "the connection was closed"
        received += part
        while len(received) >= 9 and len(received) >= 9 + int.from_bytes(received[:3], "big"):
            size = 9 + int.from_bytes(received[:3], "big")
            (frame,), received = playbook.cut(received[:size]), received[size:]
            if frame.kind == frames.HEADERS:
                lists.append(dict(reader.read(frame.payload).headers))
            elif frame.kind == frames.DATA:
                data += frame.payload
            if frame.kind in (frames.HEADERS, frames.DATA) and frame.flags & frames.END_STREAM:
                return lists, data


def head(*, method=b"POST", path=b"/test.Echo/Quick", kind=b"application/grpc", more=()):
    pairs = [(b":method", method), (b":scheme", b"http"), (b":path", path), (b"content-type", kind), *more]
    return frames.headers(1, blocks.encode(pairs), end_stream=False, frame_size=16384)


EMPTY = frames.frame(frames.DATA, frames.END_STREAM, 1, bytes(5))


def test_an_answer_has_the_parts_grpc_wants(raw):
    (first, last), data = exchange(raw, head(kind=b"application/grpc+proto"), EMPTY)
    assert first == {b":status": b"200", b"content-type": b"application/grpc"}
    assert last == {b"grpc-status": b"0"}
    assert data == bytes(5)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"method": b"GET"}, b"405"),
        ({"kind": b"application/json"}, b"415"),
        ({"kind": b"application/grpcx"}, b"415"),
    ],
)
def test_what_is_not_grpc_is_told_so_in_http(raw, asked, wanted):
    (first,), data = exchange(raw, head(**asked), EMPTY)
    assert first[b":status"] == wanted
    assert data


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        ({"path": b"/test.Echo/None"}, 12, b"unknown method None for service test.Echo"),
        ({"path": b"/test.None/Quick"}, 12, b"unknown service test.None"),
        ({"path": b"test.Echo/Quick"}, 12, b'malformed method name: "test.Echo/Quick"'),
        ({"more": [(b"grpc-timeout", b"soon")]}, 13, b"malformed grpc-timeout: 'soon'"),
        ({"more": [(b"x-bin", b"!")]}, 13, b"malformed binary metadata"),
    ],
)
def test_what_cannot_be_called_is_refused_without_data(raw, asked, code, text):
    (only,), data = exchange(raw, head(**asked), EMPTY)
    assert (only[b":status"], only[b"grpc-status"], data) == (b"200", b"%d" % code, b"")
    assert only[b"grpc-message"].startswith(text)


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", 13), (bytes(10), 13), (bytes(4), 13), (b"\1\0\0\0\0", 13), (b"\0\xff\0\0\0", 8)],
    ids=["nothing", "two messages", "half a prefix", "compressed", "too long"],
)
def test_a_request_that_is_not_one_message(raw, body, code):
    (only,), _ = exchange(raw, head(), frames.frame(frames.DATA, frames.END_STREAM, 1, body))
    assert only[b"grpc-status"] == b"%d" % code


def test_a_compressed_request_is_refused_as_grpc_wants(raw):
    more = [(b"grpc-encoding", b"gzip")]
    (only,), _ = exchange(raw, head(more=more), frames.frame(frames.DATA, 1, 1, b"\1\0\0\0\1x"))
    assert (only[b"grpc-status"], b"gzip" in only[b"grpc-message"]) == (b"12", True)


def test_a_slow_quick_handler_holds_up_its_own_connection_only(service):
    entered, leave = threading.Event(), threading.Event()

    def stuck(request, call):
        entered.set()
        leave.wait(10)
        return b"at last"

    stuck_method = echo.method("Stuck")
    handlers = [*service.handlers(), methods.Handler(method=stuck_method, function=stuck, quick=True)]
    serving = server.Server(handlers, translate=echo.translate)
    channels = []
    for _ in range(3):
        near, far = socket.socketpair()
        serving.adopt(far)
        channels.append(client.Channel(near))
    try:
        waiting = [channel.call_async(stuck_method, b"") for channel in channels[:2]]
        assert entered.wait(10)
        for _ in range(100):
            assert channels[2].call(echo.QUICK, b"x", timeout=5) == b"x"
        leave.set()
        assert [call.result(10) for call in waiting] == [b"at last"] * 2
        assert channels[0].call(echo.QUICK, b"x", timeout=5) == b"x"
    finally:
        leave.set()
        for channel in channels:
            channel.close()
        serving.shutdown(0)


def test_shutting_down_waits_for_what_runs(service, tmp_path):
    entered, leave = threading.Event(), threading.Event()

    def work(request, call):
        entered.set()
        leave.wait(10)
        return b"done"

    long = echo.method("Long")
    handlers = [*service.handlers(), methods.Handler(method=long, function=work)]
    serving = server.Server(handlers, translate=echo.translate)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    serving.serve(listener, protocol="grpc")
    with client.Channel.connect(f"unix://{tmp_path}/s") as channel:
        call = channel.call_async(long, b"")
        assert entered.wait(10)
        stopping = threading.Thread(target=serving.shutdown, args=(10,))
        stopping.start()

        def refused():
            try:
                channel.call(echo.QUICK, b"", timeout=5)
            except status.Status as failure:
                return failure.code is status.Code.UNAVAILABLE
            return False

        echo.eventually(refused)
        with pytest.raises(OSError, match="refused"):
            client.Channel.connect(f"{tmp_path}/s")
        leave.set()
        assert call.result(10) == b"done"
        stopping.join(10)
        assert not stopping.is_alive()


def test_shutting_down_does_not_wait_for_what_waits(service, serving, connect):
    with client.Channel(connect("grpc")) as channel:
        waiting = channel.call_async(echo.WAIT, b"")
        service.futures.get(timeout=10)
        feed = channel.stream(echo.FEED, b"")
        closed = service.feeds.get(timeout=10).closed
        start = time.monotonic()
        serving.shutdown(60)
        assert time.monotonic() - start < 30
        for ended in (lambda: waiting.result(10), lambda: next(feed)):
            with pytest.raises(status.Status) as failure:
                ended()
            assert failure.value.code is status.Code.UNAVAILABLE
        assert closed.wait(10)


def test_shutting_down_waits_no_longer_than_it_may(service, serving, connect):
    with client.Channel(connect("grpc")) as channel:
        channel.call_async(echo.WAIT, b"")
        service.futures.get(timeout=10)
        start = time.monotonic()
        serving.shutdown(0.05)
        assert time.monotonic() - start < 5
    assert service.canceled.acquire(timeout=10)


def test_a_server_leaves_no_thread_behind(service):
    before = threading.active_count()
    serving = server.Server(service.handlers(), translate=echo.translate)
    near, far = socket.socketpair()
    serving.adopt(far)
    with client.Channel(near) as channel:
        assert channel.call(echo.SLOW, b"x", timeout=9) == b"x"
    serving.shutdown(0)
    echo.eventually(lambda: threading.active_count() <= before, 15)


def test_uploads_leave_threads_for_others(service):
    limits = server.Limits(threads=1, upload_threads=2, queue=2)
    serving = server.Server(service.handlers(), translate=echo.translate, limits=limits)
    near, far = socket.socketpair()
    serving.adopt(far)
    with client.Channel(near) as channel:
        uploads = [channel.stream(echo.TALK) for _ in range(5)]
        with pytest.raises(status.Status) as failure:
            next(uploads[-1])
        assert failure.value.code is status.Code.RESOURCE_EXHAUSTED
        assert channel.call(echo.SLOW, b"x", timeout=5) == b"x"
        for upload in uploads[:4]:
            upload.send(b"hello")
            assert next(upload) == b"you said hello"
            upload.done_sending()
            assert list(upload) == []
    serving.shutdown(0)


def test_more_connections_than_allowed_are_closed(service):
    serving = server.Server(service.handlers(), translate=echo.translate, limits=server.Limits(connections=1))
    pairs = [socket.socketpair() for _ in range(2)]
    for _, far in pairs:
        serving.adopt(far)
    with client.Channel(pairs[0][0]) as first, client.Channel(pairs[1][0]) as second:
        assert first.call(echo.QUICK, b"x") == b"x"
        with pytest.raises(status.Status) as failure:
            second.call(echo.QUICK, b"x")
        assert failure.value.code is status.Code.UNAVAILABLE
    serving.shutdown(0)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate for localhost which is its own authority."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    arguments = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    subprocess.run([program, *arguments, *names, *files], check=True, capture_output=True)
    return folder


def context(folder, purpose, *, certificate=True):
    made = ssl.create_default_context(purpose, cafile=folder / "cert")
    if certificate:
        made.load_cert_chain(folder / "cert", folder / "key")
    if purpose is ssl.Purpose.CLIENT_AUTH:
        made.verify_mode = ssl.CERT_REQUIRED
    return made


@pytest.fixture
def secure(serving, authority):
    listener = socket.create_server(("127.0.0.1", 0))
    serving.serve(listener, protocol="grpc", tls=context(authority, ssl.Purpose.CLIENT_AUTH))
    return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def test_tls_with_a_client_certificate(secure, authority):
    tls = context(authority, ssl.Purpose.SERVER_AUTH)
    with client.Channel.connect(secure, timeout=10, tls=tls, server_name="localhost") as channel:
        for size in (0, 100, 3_000_000):
            assert channel.call(echo.QUICK, bytes(size), timeout=10) == bytes(size)
        assert len(list(channel.stream(echo.COUNT, b"500"))) == 500


def test_tls_without_a_client_certificate_is_refused(secure, authority):
    tls = context(authority, ssl.Purpose.SERVER_AUTH, certificate=False)
    with pytest.raises((ssl.SSLError, ConnectionError, status.Status)):
        client.Channel.connect(secure, timeout=10, tls=tls, server_name="localhost").call(echo.QUICK, b"", timeout=10)


def test_tls_for_another_name_is_refused(secure, authority):
    tls = context(authority, ssl.Purpose.SERVER_AUTH)
    with pytest.raises(ssl.SSLCertVerificationError):
        client.Channel.connect(secure, timeout=10, tls=tls, server_name="example.org")


def test_plain_http2_at_a_tls_port_is_refused(secure):
    with client.Channel.connect(secure) as channel, pytest.raises(status.Status):
        channel.call(echo.QUICK, b"", timeout=10)
