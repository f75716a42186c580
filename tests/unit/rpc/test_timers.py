import threading
import time

from boxship.rpc import timers


def test_callbacks_run_in_their_order():
    clock, out, done = timers.Timers(), [], threading.Event()
    now = time.monotonic()
    clock.add(now + 0.03, done.set)
    clock.add(now + 0.02, lambda: out.append(2))
    clock.add(now + 0.01, lambda: out.append(1))
    clock.add(now + 0.015, lambda: out.append("canceled")).cancel()
    assert done.wait(10)
    assert out == [1, 2]
    clock.close()


def test_a_failing_callback_harms_nobody(caplog):
    clock, done = timers.Timers(), threading.Event()
    clock.add(0.0, lambda: 1 / 0)
    clock.add(time.monotonic(), done.set)
    assert done.wait(10)
    assert "ZeroDivisionError" in caplog.text
    clock.close()


def test_canceled_timers_do_not_pile_up():
    clock = timers.Timers()
    for _ in range(10_000):
        clock.add(time.monotonic() + 1000, int).cancel()
    assert len(clock._heap) < 1000
    clock.close()
