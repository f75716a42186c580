"""What a client of the content service sees on the wire, message by message."""

import hashlib
import os
import socket

import pytest

from boxship.api import content_pb2 as pb
from boxship.core.leases import Resource
from boxship.proxies import callers
from boxship.rpc import client, server
from boxship.services.content import ContentService
from boxship.terms import errors
from boxship.testing.metadata import open_database
from boxship.wire import errors as wire_errors
from boxship.wire import methods

METHODS = methods.of(ContentService.SERVICE)
DATA = bytes(range(256)) * 2000
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture
def books(tmp_path):
    with open_database(tmp_path) as opened:
        yield opened


@pytest.fixture
def caller(books):
    ours, theirs = socket.socketpair()
    made = server.Server(
        methods.handlers(ContentService.SERVICE, ContentService(books)), translate=wire_errors.to_status
    )
    made.adopt(ours)
    with client.Channel(theirs) as channel:
        yield callers.Caller(channel, "n")
    made.shutdown(0)


def write(caller, *requests):
    """The answers to some requests of one call, each sent after the last answer came."""
    answers = []
    with caller.stream(METHODS["Write"]) as call:
        for request in requests:
            call.send(pb.WriteContentRequest(**request))
            answer = call.receive()
            if answer is None:
                return answers
            answers.append(answer)
        call.done_sending()
        assert call.receive() is None
    return answers


def read(caller, **request):
    with caller.stream(METHODS["Read"], pb.ReadContentRequest(digest=DIGEST, **request)) as answers:
        return list(answers)


@pytest.fixture
def blob(caller):
    write(caller, {"action": pb.COMMIT, "ref": "blob", "data": DATA, "total": len(DATA), "expected": DIGEST})


def test_the_first_message_names_the_ref(caller):
    with pytest.raises(errors.InvalidArgument) as raised:
        write(caller, {"action": pb.WRITE, "data": b"x"})
    assert str(raised.value) == "first message must have a reference: invalid argument"


def test_a_call_without_messages_ends_well(caller):
    assert write(caller) == []


def test_every_message_is_answered_and_commit_ends_the_call(caller):
    stat, first, last = write(
        caller,
        {"action": pb.STAT, "ref": "r", "total": 6, "expected": f"sha256:{hashlib.sha256(b'abcdef').hexdigest()}"},
        {"action": pb.WRITE, "ref": "r", "data": b"abc"},
        {"action": pb.COMMIT, "ref": "r", "offset": 3, "data": b"def", "labels": {"a": "b"}},
    )
    assert (stat.action, stat.offset, stat.total) == (pb.STAT, 0, 6)
    assert stat.HasField("started_at")
    assert (first.action, first.offset, first.digest) == (pb.WRITE, 3, f"sha256:{hashlib.sha256(b'abc').hexdigest()}")
    assert not first.HasField("started_at")
    digest = f"sha256:{hashlib.sha256(b'abcdef').hexdigest()}"
    assert (last.action, last.offset, last.digest) == (pb.COMMIT, 6, digest)
    info = caller.call(METHODS["Info"], pb.InfoRequest(digest=digest)).info
    assert (info.size, dict(info.labels)) == (6, {"a": "b"})


def test_an_ingest_goes_on_where_it_stopped(caller):
    write(caller, {"action": pb.WRITE, "ref": "r", "data": b"abc"})
    (answer,) = write(caller, {"action": pb.STAT, "ref": "r"})
    assert answer.offset == 3
    with pytest.raises(errors.OutOfRange, match="write @2 must occur at current offset 3"):
        write(caller, {"action": pb.WRITE, "ref": "r", "offset": 2, "data": b"x"})
    (answer,) = write(caller, {"action": pb.WRITE, "ref": "r", "offset": 3, "data": b"d"})
    assert answer.offset == 4


def test_data_at_offset_0_starts_over(caller):
    write(caller, {"action": pb.WRITE, "ref": "r", "data": b"abc"})
    (answer,) = write(caller, {"action": pb.WRITE, "ref": "r", "data": b"xy"})
    assert (answer.offset, answer.digest) == (2, f"sha256:{hashlib.sha256(b'xy').hexdigest()}")


def test_commit_checks_size_and_digest(caller):
    with pytest.raises(errors.FailedPrecondition, match="size"):
        write(caller, {"action": pb.COMMIT, "ref": "r", "data": b"abc", "total": 4})
    with pytest.raises(errors.FailedPrecondition, match="unexpected commit digest"):
        write(caller, {"action": pb.COMMIT, "ref": "s", "data": b"abc", "expected": DIGEST})


@pytest.mark.usefixtures("blob")
class TestWithABlob:
    def test_what_is_there_is_not_written_again(self, caller):
        with pytest.raises(errors.AlreadyExists):
            write(caller, {"action": pb.STAT, "ref": "r", "expected": DIGEST})

    def test_what_turns_out_to_be_there_drops_the_ingest(self, caller):
        with pytest.raises(errors.AlreadyExists, match=f"blob with expected digest {DIGEST} exists"):
            write(
                caller,
                {"action": pb.WRITE, "ref": "r", "data": b"abc"},
                {"action": pb.WRITE, "ref": "r", "offset": 3, "data": b"d", "expected": DIGEST},
            )
        with pytest.raises(errors.NotFound):
            caller.call(METHODS["Status"], pb.StatusRequest(ref="r"))

    def test_what_turns_out_to_be_there_stays_for_the_lease(self, caller, books):
        books.namespace("n").leases.create("l")
        with pytest.raises(errors.AlreadyExists, match=f"blob with expected digest {DIGEST} exists"):
            write(
                caller.bind(lease="l"),
                {"action": pb.WRITE, "ref": "r", "data": b"abc"},
                {"action": pb.COMMIT, "ref": "r", "offset": 3, "expected": DIGEST},
            )
        assert list(books.namespace("n").leases.list_resources("l")) == [Resource(type="content", id=DIGEST)]
        books.collect()
        assert read(caller, size=1)

    @pytest.mark.parametrize(
        ("offset", "size", "wanted"),
        [
            (0, 0, DATA),
            (0, 10, DATA[:10]),
            (100, 200_000, DATA[100:200_100]),
            (500_000, 0, DATA[500_000:]),
            (511_990, 1000, DATA[511_990:]),
            (-5, 3, DATA[:3]),
            (len(DATA), 0, b""),
        ],
    )
    def test_reading(self, caller, offset, size, wanted):
        answers = read(caller, offset=offset, size=size)
        assert b"".join(answer.data for answer in answers) == wanted
        at = 0
        for answer in answers:  # offsets count from where reading began
            assert answer.offset == at
            at += len(answer.data)

    def test_reading_behind_the_end(self, caller):
        with pytest.raises(errors.OutOfRange, match=f"read past object length {len(DATA)} bytes"):
            read(caller, offset=len(DATA) + 1)

    def test_what_was_read_and_is_deleted_is_gone(self, caller):
        assert read(caller, size=10)
        caller.call(METHODS["Delete"], pb.DeleteContentRequest(digest=DIGEST))
        with pytest.raises(errors.NotFound):
            read(caller, size=10)

    def test_what_is_read_in_pieces_is_opened_once_and_closed(self, caller):
        before = len(os.listdir("/proc/self/fd"))
        for number in range(50):
            (answer,) = read(caller, offset=number * 1000, size=1000)
            assert answer.data == DATA[number * 1000 :][:1000]
        assert len(os.listdir("/proc/self/fd")) <= before + 1

    def test_a_namespace_sees_its_own(self, caller):
        other = caller.bind("other")
        with pytest.raises(errors.NotFound):
            read(other)
        with pytest.raises(errors.FailedPrecondition, match="namespace is required"):
            read(callers.Caller(caller.channel))


def test_what_is_no_digest_is_refused(caller):
    with pytest.raises(errors.InvalidArgument):
        caller.call(METHODS["Info"], pb.InfoRequest(digest="sha256:../../etc/passwd"))
    with pytest.raises(errors.NotFound):
        read(caller)


def test_long_lists_come_in_batches(caller):
    for number in range(103):
        write(caller, {"action": pb.COMMIT, "ref": f"r{number}", "data": b"%d" % number})
    with caller.stream(METHODS["List"], pb.ListContentRequest()) as answers:
        assert [len(answer.info) for answer in answers] == [100, 3]
