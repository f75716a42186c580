import queue
import threading

import pytest
from unit.rpc import echo

from boxship.rpc import pool


def test_tasks_run_and_threads_are_reused():
    lane, done = pool.Lane(threads=8, queued=8), queue.SimpleQueue()
    for _ in range(50):
        lane.submit(lambda: done.put(threading.get_ident()))
        thread = done.get(timeout=10)
        echo.eventually(lambda: lane._free == 1)
    assert lane._running == 1
    assert thread
    lane.close()


def test_what_finds_no_thread_waits_and_then_is_refused():
    lane, leave, done = pool.Lane(threads=2, queued=3), threading.Event(), queue.SimpleQueue()
    for _ in range(2):
        lane.submit(leave.wait)
    echo.eventually(lambda: lane._tasks.qsize() == 0)
    for number in range(3):
        lane.submit(lambda number=number: done.put(number))
    with pytest.raises(pool.Full):
        lane.submit(leave.wait)
    leave.set()
    assert sorted(done.get(timeout=10) for _ in range(3)) == [0, 1, 2]
    echo.eventually(lambda: lane._free == 2)
    lane.close()
    echo.eventually(lambda: lane._tasks.qsize() == 0)


def test_a_burst_gets_as_many_threads_as_it_needs():
    lane, together = pool.Lane(threads=20, queued=100), threading.Barrier(21)
    for _ in range(20):
        lane.submit(lambda: together.wait(10))
    together.wait(10)
    lane.close()


def test_a_failing_task_harms_nobody(caplog):
    lane, done = pool.Lane(threads=1, queued=8), threading.Event()
    lane.submit(lambda: 1 / 0)
    lane.submit(done.set)
    assert done.wait(10)
    assert "ZeroDivisionError" in caplog.text
    lane.close()


def test_after_closing_nothing_is_taken():
    lane = pool.Lane(threads=1, queued=8)
    lane.close()
    with pytest.raises(pool.Full):
        lane.submit(int)


def test_long_tasks_leave_short_ones_their_threads():
    both, leave, done = pool.Pool(threads=1, long_threads=2), threading.Event(), threading.Event()
    for _ in range(5):
        both.submit(leave.wait, long=True)
    both.submit(done.set)
    assert done.wait(10)
    leave.set()
    both.close()
