"""Start: the user's program runs."""

from collections.abc import Callable

from boxship.ocirun import channel as channels
from boxship.ocirun import container, errors, hooks


def start(box: container.Container, *, warn: Callable[[str], None] = lambda _: None) -> None:
    """Release init into execve; returns when that has happened, raises Fault when it failed or was done before."""
    letters = box.letters
    if letters is None or box.started:
        raise errors.SpecFault("cannot start an already running container", step="start")
    try:
        letters.send(channels.GO)
    except BrokenPipeError:
        raise errors.Fault("container init is gone", step="start") from None
    try:
        await_execve(letters, warn)
    finally:
        letters.close()
        box.letters = None
    box.started = True
    hooks.run(box.spec, "poststart", container.state(box, phase="running"))


def await_execve(letters: channels.Channel, warn: Callable[[str], None]) -> None:
    """Until the inner end closes: execve does that. Raises the Fault that came instead."""
    while True:
        kind, content, _ = letters.receive()
        if kind == channels.FAULT:
            raise errors.decode(content)
        if kind == channels.WARNING:
            warn(content.decode("utf-8", "replace"))
        if kind == b"":
            return
