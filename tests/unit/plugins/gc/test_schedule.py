import pytest

from boxship.plugins.gc.schedule import Config, Schedule


def made(**config):
    return Schedule(Config(**config), 0.0)


def settled(**config):
    """After the first collection, which took 10 ms at second 1."""
    schedule = made(**config)
    schedule.requested(1.0)
    schedule.started()
    schedule.finished(1.0, 0.010)
    return schedule


def test_the_first_comes_soon_after_the_start():
    schedule = made()
    assert schedule.next == pytest.approx(0.1)
    assert not schedule.is_due(0.09)
    assert schedule.is_due(0.1)


def test_no_start_up_delay_means_none_at_the_start():
    assert made(startup_delay=0).next is None
    assert not made(startup_delay=0).is_due(1e9)


def test_who_asks_is_served_at_once():
    schedule = settled(startup_delay=0)
    schedule.requested(1.1)
    assert schedule.next == 1.1
    assert schedule.is_due(1.1)


def test_a_delay_gathers_requests():
    schedule = settled(schedule_delay=0.2)
    schedule.requested(1.1)
    schedule.requested(1.2)
    assert schedule.next == pytest.approx(1.3)


def test_the_interval_keeps_the_pauses_below_the_threshold():
    schedule = settled(pause_threshold=0.02)
    assert schedule.next == pytest.approx(1.0 + 0.010 / 0.02 - 0.010)
    schedule.finished(2.0, 0.050)  # on average 30 ms
    assert schedule.next == pytest.approx(2.0 + 0.030 / 0.02 - 0.030)


def test_quick_collections_count_as_five_milliseconds():
    schedule = made(pause_threshold=0.5)
    schedule.finished(1.0, 0.000_001)
    assert schedule.next == pytest.approx(1.005)


def test_without_a_threshold_it_looks_each_second():
    assert settled(pause_threshold=0).next == pytest.approx(2.0)


def test_thresholds_are_within_reason():
    config = Config(pause_threshold=3, mutation_threshold=-1, schedule_delay=-1, startup_delay=-1)
    assert (config.pause_threshold, config.mutation_threshold) == (0.5, 0)
    assert (config.schedule_delay, config.startup_delay) == (0, 0)
    assert Config(pause_threshold=-1).pause_threshold == 0


def test_nothing_happened_nothing_is_done():
    schedule = settled()
    interval = schedule.next - 1.0
    assert not schedule.is_due(schedule.next)
    assert schedule.next == pytest.approx(1.0 + 2 * interval)


def test_a_deletion_calls_for_the_next_regular_one():
    schedule = settled()
    due = schedule.next
    schedule.mutated(1.1, dirty=True)
    assert schedule.next == due
    assert schedule.is_due(due)


@pytest.mark.parametrize(("changes", "due"), [(99, False), (100, True)])
def test_many_changes_call_for_the_next_regular_one(changes, due):
    schedule = settled(mutation_threshold=100)
    for _ in range(changes):
        schedule.mutated(1.1, dirty=False)
    assert schedule.is_due(schedule.next) is due


def test_enough_deletions_do_not_wait():
    schedule = settled(deletion_threshold=3)
    for count in range(3):
        assert not schedule.is_due(1.1), count
        schedule.mutated(1.1, dirty=True)
    assert schedule.is_due(1.1)


def test_before_the_first_a_deletion_is_enough():
    schedule = made(startup_delay=0)
    schedule.mutated(5.0, dirty=False)
    assert schedule.next is None
    schedule.mutated(5.0, dirty=True)
    assert schedule.is_due(5.0)


def test_what_happens_meanwhile_counts_for_the_next():
    schedule = settled()
    schedule.requested(1.1)
    schedule.started()
    schedule.requested(1.15)
    schedule.mutated(1.15, dirty=True)
    schedule.finished(1.2, 0.01)
    assert schedule.is_due(1.2)


def test_a_failure_is_followed_by_a_pause():
    schedule = settled()
    schedule.mutated(1.1, dirty=True)
    interval = schedule.next - 1.0
    schedule.started()
    schedule.failed(2.0)
    assert schedule.next == pytest.approx(2.0 + interval + 1.0)
    assert schedule.is_due(schedule.next)
