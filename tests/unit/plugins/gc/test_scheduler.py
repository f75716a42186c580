import threading

import pytest

from boxship.core import gc
from boxship.plugins.gc import schedule, scheduler
from boxship.terms import errors

PATIENCE = 10.0


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Collector:
    """Counts; fails or waits when told to."""

    def __init__(self):
        self.count = 0
        self.fault = None
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(1000)

    def collect(self):
        self.begun.release()
        assert self.may_end.acquire(timeout=PATIENCE)
        self.count += 1
        if self.fault:
            raise self.fault
        return gc.Stats(seconds=0.001, content=self.count)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def collector():
    return Collector()


@pytest.fixture
def running(collector, clock):
    with scheduler.Scheduler(collector, schedule.Config(startup_delay=0), clock=clock) as made:
        yield made


def test_who_asks_gets_a_collection(running, collector):
    assert running.collect().content == 1
    assert running.collect().content == 2


def test_those_who_ask_before_it_begins_share_one(running, collector):
    collector.may_end = threading.Semaphore(0)
    first = running.request()
    assert collector.begun.acquire(timeout=PATIENCE)
    others = [running.request() for _ in range(5)]
    collector.may_end.release(2)
    assert first.result(PATIENCE).content == 1
    assert {other.result(PATIENCE).content for other in others} == {2}


def test_the_first_one_comes_by_itself(collector, clock):
    with scheduler.Scheduler(collector, schedule.Config(startup_delay=60), clock=clock) as made:
        made.wake()
        assert collector.count == 0
        clock.now = 60.0
        made.wake()
        assert collector.begun.acquire(timeout=PATIENCE)


def test_deletions_bring_it_about(running, collector, clock):
    running.mutated(False)
    assert not collector.begun.acquire(blocking=False)
    running.mutated(True)
    assert collector.begun.acquire(timeout=PATIENCE)


def test_a_failure_reaches_who_waits_and_stops_nothing(running, collector):
    collector.fault = errors.DataLoss("broken")
    with pytest.raises(errors.DataLoss):
        running.collect()
    collector.fault = None
    assert running.collect().content == 2


def test_one_that_gave_up_waiting_is_passed_over(running, collector):
    collector.may_end = threading.Semaphore(0)
    first = running.request()
    assert collector.begun.acquire(timeout=PATIENCE)
    given_up, other = running.request(), running.request()
    assert given_up.cancel()
    collector.may_end.release(2)
    assert first.result(PATIENCE).content == 1
    assert other.result(PATIENCE).content == 2


def test_after_the_end_nobody_waits_for_ever(collector, clock):
    made = scheduler.Scheduler(collector, schedule.Config(startup_delay=0), clock=clock)
    made.close()
    with pytest.raises(errors.Unavailable):
        made.collect()
    made.close()
