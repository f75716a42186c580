import pytest

from boxship.rpc.http2 import book, calm, faults, sending


@pytest.fixture
def streams():
    budget = calm.Budget()
    return book.Book(client=False, sender=sending.Sender(budget), budget=budget, limit=1, window=100)


def test_memory_for_refused_streams_is_bounded(streams):
    streams.theirs(1)
    for number in range(3, 8000, 2):
        streams._budget.earned += calm.FINISHED
        with pytest.raises(faults.StreamFault) as fault:
            streams.theirs(number)
        assert streams.broken(fault.value) is None
    assert len(streams._closed) <= 1000


def test_late_frames_are_expected_of_streams_we_gave_up(streams):
    streams.abandon(streams.theirs(1), faults.ErrorCode.CANCEL)
    assert streams.theirs(1) is None
    streams.late_data(1)


def test_late_frames_of_streams_that_ended_break_the_protocol(streams):
    stream = streams.theirs(1)
    streams.end_remote(stream)
    streams.end_local(stream)
    with pytest.raises(faults.ConnectionFault):
        streams.theirs(1)
    with pytest.raises(faults.StreamFault):
        streams.late_data(1)
