"""io.containerd.gc.v1.scheduler: collects what the book says nobody needs."""

from dataclasses import dataclass
from typing import Any

from boxship.core import gc, kinds
from boxship.plugins.gc import schedule, scheduler
from boxship.wiring import parts
from boxship.wiring.sections import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`[plugins."io.containerd.gc.v1.scheduler"]`; the names and defaults are containerd's."""

    pause_threshold: float = 0.02
    deletion_threshold: int = 0
    mutation_threshold: int = 100
    schedule_delay: Duration = Duration(0)  # noqa: RUF009 - immutable
    startup_delay: Duration = Duration(0.1)  # noqa: RUF009 - immutable


def _make(config: Config, needs: parts.Needs) -> gc.Collector:
    book: Any = needs.one(kinds.METADATA)
    if not hasattr(book, "collect_through"):
        raise parts.Skip("the metadata part collects by itself")
    made = scheduler.Scheduler(
        book,
        schedule.Config(
            pause_threshold=config.pause_threshold,
            deletion_threshold=config.deletion_threshold,
            mutation_threshold=config.mutation_threshold,
            schedule_delay=float(config.schedule_delay),
            startup_delay=float(config.startup_delay),
        ),
    )
    book.collect_through(made)
    book.on_mutation(made.mutated)
    return made


REGISTRATION = parts.Registration(
    kind=kinds.GC, name="scheduler", requires=(kinds.METADATA,), config=Config, make=_make
)
