import threading

from boxship.metadata import holds

PATIENCE = 10.0


def test_what_is_held_is_not_free():
    busy = holds.Holds()
    with busy.holding("a"), busy.holding("a", "b"):
        with busy.removing("a") as free:
            assert not free
        with busy.removing("c") as free:
            assert free
    with busy.removing("a") as free:
        assert free


def test_one_removes_at_a_time():
    busy = holds.Holds()
    with busy.removing("a") as first, busy.removing("a") as second:
        assert (first, second) == (True, False)


def test_who_wants_it_waits_for_the_removal():
    busy = holds.Holds()
    held = threading.Event()

    def hold():
        with busy.holding("b", "a"):
            held.set()

    with busy.removing("a"):
        thread = threading.Thread(target=hold)
        thread.start()
        assert not held.wait(0.01)
    assert held.wait(PATIENCE)
    thread.join()


def test_turns_are_taken_one_by_one():
    turns = holds.Turns()
    inside: list[int] = []
    seen: list[int] = []

    def work(names):
        for _ in range(200):
            with turns.turn(*names):
                inside.append(1)
                seen.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work, args=(names,)) for names in (("a", "b"), ("b", "a"), ("a", "a"), ("a",))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert seen == [1] * 800
