"""Both ends over a socketpair, both protocols: what a caller may rely on."""

import threading

import pytest
from unit.rpc import echo

from boxship.rpc import client, status


@pytest.mark.parametrize("method", [echo.QUICK, echo.SLOW])
@pytest.mark.parametrize("size", [0, 1, 16_384, 3_000_000])
def test_an_answer_comes_back_whole(channel, method, size):
    assert channel.call(method, bytes(size)) == bytes(size)


def test_sixteen_mebibytes_travel_both_ways_over_grpc(grpc):
    request = b"x" * (16 << 20)
    assert grpc.call(echo.QUICK, request) == request


def test_a_request_too_long_is_not_sent(channel):
    with pytest.raises(status.Status) as failure:
        channel.call(echo.QUICK, bytes((16 << 20) + 1))
    assert failure.value.code is status.Code.RESOURCE_EXHAUSTED
    assert channel.call(echo.QUICK, b"still") == b"still"


@pytest.mark.parametrize("name", ["grpc", "ttrpc"])
def test_an_answer_too_long_fails_its_call_alone(request, name):
    channel = request.getfixturevalue(name)
    size = {"grpc": 16 << 20, "ttrpc": 4 << 20}[name] + 1
    with pytest.raises(status.Status) as failure:
        channel.call(echo.SIZED, b"%d" % size)
    assert failure.value.code is status.Code.RESOURCE_EXHAUSTED
    assert channel.call(echo.QUICK, b"still") == b"still"


def test_a_status_arrives_with_its_text_and_details(channel):
    with pytest.raises(status.Status) as failure:
        channel.call(echo.FAIL, b"")
    assert failure.value.code is status.Code.NOT_FOUND
    if isinstance(channel, client.Channel):
        assert failure.value.message == "snapshot 'ü%': not found"
        assert failure.value.details == b"\x08\x05"


def test_what_a_handler_did_not_mean_to_raise_is_translated(channel):
    with pytest.raises(status.Status) as failure:
        channel.call(echo.BREAK, b"")
    assert (failure.value.code, failure.value.message) == (status.Code.UNKNOWN, "KeyError")


def test_a_request_that_cannot_be_read_is_an_internal_error(channel):
    with pytest.raises(status.Status, match="bad wire type") as failure:
        channel.call(echo.QUICK, b"undecodable")
    assert failure.value.code is status.Code.INTERNAL


def test_a_method_nobody_serves(channel):
    with pytest.raises(status.Status, match="Nothing") as failure:
        channel.call(echo.method("Nothing"), b"")
    assert failure.value.code is status.Code.UNIMPLEMENTED


def test_a_future_is_answered_when_it_is_done(channel):
    assert channel.call(echo.FUTURE, b"x") == b"later x"


def test_a_deadline_ends_the_call_on_both_sides(channel, service):
    with pytest.raises(status.Status) as failure:
        channel.call(echo.WAIT, b"", timeout=0.05)
    assert failure.value.code is status.Code.DEADLINE_EXCEEDED
    assert service.canceled.acquire(timeout=10)
    service.futures.get().set_result(b"too late")
    assert channel.call(echo.QUICK, b"next") == b"next"


def test_answers_stream(channel):
    assert list(channel.stream(echo.COUNT, b"1000")) == [b"%d" % number for number in range(1000)]


def test_requests_stream(channel):
    with channel.stream(echo.COLLECT) as stream:
        for _ in range(50):
            stream.send(bytes(100_000))
        stream.done_sending()
        assert list(stream) == [b"5000000"]


def test_a_conversation(channel):
    with channel.stream(echo.TALK) as stream:
        for word in (b"a", bytes(3_000_000), b""):
            stream.send(word)
            assert next(stream) == b"you said " + word
        stream.done_sending()
        assert list(stream) == []


def test_a_conversation_without_words(channel):
    with channel.stream(echo.TALK) as stream:
        stream.done_sending()
        assert list(stream) == []


def over(channel, stream):
    """Another call brings in what the server sent meanwhile."""
    return channel.call(echo.QUICK, b"") == b"" and not stream.send(b"more")


def test_a_server_that_has_heard_enough(channel):
    with channel.stream(echo.TALK) as stream:
        stream.send(b"enough")
        echo.eventually(lambda: over(channel, stream))
        assert list(stream) == [b"you said enough"]


def test_a_server_that_ends_a_conversation_with_an_error(channel):
    with channel.stream(echo.TALK) as stream:
        stream.send(b"fail")
        echo.eventually(lambda: over(channel, stream))
        with pytest.raises(status.Status, match="no words") as failure:
            next(stream)
        assert failure.value.code is status.Code.NOT_FOUND


def test_a_request_too_long_in_a_conversation_is_told_at_once(channel):
    with channel.stream(echo.TALK) as stream:
        with pytest.raises(status.Status) as failure:
            stream.send(bytes((16 << 20) + 1))
        assert failure.value.code is status.Code.RESOURCE_EXHAUSTED


def test_leaving_a_stream_cancels_it_at_the_server(grpc, service):
    with grpc.stream(echo.TALK) as stream:
        stream.send(b"hello")
        assert next(stream) == b"you said hello"
    assert service.canceled.acquire(timeout=10)


def test_a_stream_canceled_from_another_thread(channel):
    stream = channel.stream(echo.TALK)
    canceling = threading.Timer(0.02, stream.cancel)
    canceling.start()
    with pytest.raises(status.Status) as failure:
        next(stream)
    assert failure.value.code is status.Code.CANCELLED
    canceling.join()


def test_a_stream_nobody_reads_stops_its_handler_and_no_other_call(grpc, service):
    with grpc.stream(echo.FLOOD, b"") as stream:
        assert len(next(stream)) == 100_000
        for _ in range(20):
            assert grpc.call(echo.SLOW, b"x") == b"x"
        assert not service.closed.is_set()
    assert service.closed.wait(10)


def test_a_feed_moves_when_it_has_something(channel, service):
    stream = channel.stream(echo.FEED, b"")
    feed = service.feeds.get(timeout=10)
    for number in range(100):
        feed.put(b"%d" % number)
        assert next(stream) == b"%d" % number
    feed.put(StopIteration)
    assert list(stream) == []
    assert feed.closed.wait(10)


def test_a_feed_is_closed_when_the_client_goes(channel, service):
    channel.stream(echo.FEED, b"")
    feed = service.feeds.get(timeout=10)
    channel.close()
    assert feed.closed.wait(10)


def test_a_feed_waits_for_a_client_that_does_not_read(grpc, service):
    stream = grpc.stream(echo.FEED, b"")
    feed = service.feeds.get(timeout=10)
    for _ in range(200):
        feed.put(bytes(100_000))
    assert grpc.call(echo.QUICK, b"x") == b"x"
    assert feed.items.qsize() > 0
    assert sum(len(next(stream)) for _ in range(200)) == 20_000_000


def test_thousands_of_open_calls_cost_no_thread(channel, service):
    before = threading.active_count()
    calls = [channel.call_async(echo.WAIT, b"") for _ in range(2000)]
    futures = [service.futures.get(timeout=10) for _ in calls]
    assert threading.active_count() <= before + 2
    for future in futures:
        future.set_result(b"done")
    assert {call.result(10) for call in calls} == {b"done"}


def test_many_threads_share_a_channel(channel):
    failures = []

    def work(name):
        try:
            for number in range(100):
                word = b"%d %d" % (name, number)
                assert channel.call(echo.QUICK if number % 2 else echo.SLOW, word) == word
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert not any(thread.is_alive() for thread in threads)


def test_metadata_travels(grpc, service):
    with grpc.stream(echo.METADATA, b"x", metadata={"containerd-namespace": "k8s.io", "Key-bin": b"\0\1"}) as stream:
        assert stream.initial_metadata["first"] == ("one",)
        assert list(stream) == [b"x"]
        assert stream.trailing_metadata["last-bin"] == (b"\0\xff",)
    metadata = service.calls.get().metadata
    assert metadata["containerd-namespace"] == ("k8s.io",)
    assert metadata["key-bin"] == (b"\0\1",)


def test_ttrpc_metadata_and_deadline(ttrpc, service):
    ttrpc.call(echo.METADATA, b"x", metadata={"containerd-namespace-ttrpc": "moby"}, timeout=60)
    call = service.calls.get()
    assert call.metadata == {"containerd-namespace-ttrpc": ("moby",)}
    assert call.deadline is not None


def test_the_peer_of_a_unix_socket_is_known(channel, service):
    import os

    channel.call(echo.METADATA, b"")
    peer = service.calls.get().peer
    assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.getuid(), os.getgid())


def test_a_lost_connection_ends_every_call_and_is_told(channel, serving, service):
    gone = threading.Event()
    channel.on_close(gone.set)
    waiting = channel.call_async(echo.WAIT, b"")
    service.futures.get(timeout=10)
    serving.shutdown(0)
    assert gone.wait(10)
    with pytest.raises(status.Status) as failure:
        waiting.result(10)
    assert failure.value.code is status.Code.UNAVAILABLE
    with pytest.raises(status.Status) as failure:
        channel.call(echo.QUICK, b"")
    assert failure.value.code is status.Code.UNAVAILABLE
    assert service.canceled.acquire(timeout=10)


def test_closing_ends_what_waits(channel, service):
    caught = []

    def wait():
        try:
            channel.call(echo.WAIT, b"")
        except status.Status as failure:
            caught.append(failure.code)

    waiting = threading.Thread(target=wait)
    waiting.start()
    service.futures.get(timeout=10)
    channel.close()
    waiting.join(10)
    assert caught == [status.Code.CANCELLED]


def test_an_address_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="vsock"):
        client.Channel.connect("vsock://2:1024")


def test_nobody_listens(tmp_path):
    with pytest.raises(FileNotFoundError):
        client.Channel.connect(f"unix://{tmp_path}/none.sock")


def test_who_leads_ends_what_is_closed_before_he_resigns(channel):
    port = channel._port
    with port.lock:
        port._lead()
    channel.close()
    assert port._wire.fileno() >= 0
    port._resign()
    assert port._wire.fileno() == -1
