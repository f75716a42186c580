"""Memory that goes back: what the C library keeps of what it was given (mallopt(3), malloc_trim(3))."""

import contextlib
import ctypes
import gc

_ARENA_MAX = -8  # malloc.h


def economize() -> None:
    """Let all threads share one arena. Before there are threads.

    By default each gets its own, which keeps what its largest message took: 5 MB after one image. Python's own lock
    keeps threads from meeting at it.
    """
    with contextlib.suppress(AttributeError):  # not in every C library
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def give_back() -> None:
    """What nobody uses any more, to the kernel. Takes a few milliseconds, however many things there are."""
    gc.collect(1)
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def settle() -> None:
    """What has been made until now stays: the collector need not look at it again, and forks share it."""
    gc.collect()
    gc.freeze()
    give_back()
