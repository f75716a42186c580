"""When the next collection is due. Only arithmetic: times are seconds of a clock that somebody else reads."""

import dataclasses

_LEAST = 0.005
"""Seconds that a collection counts as taking at least, so that quick ones do not follow each other at once."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """containerd's parameters of `io.containerd.gc.v1.scheduler`.

    Attributes:
        pause_threshold: part of the time that collections may take, at most 0.5.
        deletion_threshold: number of deletions after which a collection is due at once; 0: never for that reason.
        mutation_threshold: number of changes after which the next regular collection takes place; 0: any number is too few.
        schedule_delay: seconds from being due to being done.
        startup_delay: seconds from the start to the first collection; 0: none at the start.
    """

    pause_threshold: float = 0.02
    deletion_threshold: int = 0
    mutation_threshold: int = 100
    schedule_delay: float = 0.0
    startup_delay: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "pause_threshold", min(max(self.pause_threshold, 0.0), 0.5))
        for name in ("deletion_threshold", "mutation_threshold", "schedule_delay", "startup_delay"):
            object.__setattr__(self, name, max(getattr(self, name), 0))


class Schedule:
    """What happened since the last collection, and when the next is due (`next`; None: not before something happens)."""

    def __init__(self, config: Config, now: float) -> None:
        self._config = config
        self._interval = 1.0
        self._seconds = 0.0
        self._collections = 0
        self._collected = False
        self._requested = False
        self._deletions = 0
        self._mutations = 0
        self.next: float | None = now + config.startup_delay if config.startup_delay else None

    def mutated(self, now: float, *, dirty: bool) -> None:
        """Something was written; `dirty` when something has been deleted since the last collection."""
        self._mutations += 1
        self._deletions += dirty
        config = self._config
        many = 0 < config.deletion_threshold <= self._deletions
        if self.next is None and not many:
            many = (not config.deletion_threshold and self._deletions > 0) or self._is_much_changed()
        if many:
            self._soon(now)

    def requested(self, now: float) -> None:
        """Somebody waits for a collection."""
        self._requested = True
        self._soon(now)

    def is_due(self, now: float) -> bool:
        """Whether to collect now. When nothing calls for it, the next look is an interval away."""
        if self.next is None or now < self.next:
            return False
        if self._collected and not self._requested and not self._deletions and not self._is_much_changed():
            self.next = now + self._interval
            return False
        return True

    def started(self) -> None:
        """What happens from now on counts for the next collection."""
        self._requested = False
        self._deletions = self._mutations = 0

    def finished(self, now: float, seconds: float) -> None:
        """A collection took so long; the next one leaves as much time as the threshold asks."""
        self._collected = True
        self._seconds += seconds
        self._collections += 1
        if self._config.pause_threshold:
            average = max(self._seconds / self._collections, _LEAST)
            self._interval = average / self._config.pause_threshold - average
        self.next = now + self._interval
        if self._requested:
            self._soon(now)

    def failed(self, now: float) -> None:
        """A collection failed: try again after a pause."""
        self._deletions += 1
        self.next = now + (self._interval if self._collected else 0.0) + 1.0
        if self._requested:
            self._soon(now)

    def _is_much_changed(self) -> bool:
        return 0 < self._config.mutation_threshold <= self._mutations

    def _soon(self, now: float) -> None:
        soon = now + self._config.schedule_delay
        if self.next is None or self.next > soon:
            self.next = soon
