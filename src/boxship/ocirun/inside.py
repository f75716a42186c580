"""The way of a process from its fork into the container: what init and an exec'd process have in common.

From here on the process must be quiet: it loads nothing, and after the pivot it opens nothing but what the
specification names. Everything it needs was imported by its parent, and the import machinery is taken away.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable

from boxship.linux import bare, processes, seccomp, tty
from boxship.ocirun import channel as channels
from boxship.ocirun import errors, identity, programs
from boxship.ocirun.process import Process

# Terminating by default, which init of a pid namespace would not notice: they end a container that was not started.
_ENDING = [
    int(number)
    for number in (
        *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT),
        *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM),
    )
]


def forget_imports() -> None:
    """Whatever is not loaded by now does not exist; a module planted in an image is never found."""
    sys.meta_path.clear()
    sys.path_hooks.clear()
    sys.path.clear()
    sys.path_importer_cache.clear()
    gc.disable()  # a collection would touch, and so copy, each page that is shared with the parent


def forget_signals() -> None:
    """The parent's handlers, wakeup descriptor, ignored and blocked signals are not the container's."""
    processes.reset_signals()
    for number in _ENDING:
        bare.handle(number, _end)


def _end(number: int, frame: object) -> None:  # noqa: ARG001
    os._exit(128 + number)


def guard(letters: channels.Channel, body: Callable[[], None]) -> None:
    """Run `body`, which ends in execve; whatever goes wrong is told through the channel. Never returns."""
    try:
        body()
        fault = errors.Fault("container init came back", step="init")
    except errors.Fault as failure:
        fault = failure
    except OSError as failure:
        fault = errors.from_os_error("error during container init", failure)
    except BaseException as failure:
        fault = errors.Fault(f"error during container init: {type(failure).__name__}: {failure}", step="init")
    try:
        letters.send(channels.FAULT, errors.encode(fault))
    finally:
        os._exit(1)


def arrange_descriptors(stdio: tuple[int, int, int], preserve: int) -> None:
    """Make 0, 1, 2 the container's; all others but `preserve` after them are closed by execve."""
    copies = [os.dup(descriptor) for descriptor in stdio]
    high = [_lift(copy) for copy in copies]
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, number, inheritable=True)
        os.close(descriptor)
    processes.close_range(3 + preserve, on_exec=True)
    for number in range(3, 3 + preserve):
        os.set_inheritable(number, True)


def _lift(descriptor: int) -> int:
    """The same file under a number that no standard stream has."""
    while descriptor < 3:
        lower, descriptor = descriptor, os.dup(descriptor)
        os.close(lower)
    return descriptor


def take_console(inner: int) -> None:
    """Make the pty's inner end the controlling terminal and all three streams."""
    tty.make_controlling(inner)
    for number in range(3):
        os.dup2(inner, number, inheritable=True)


def join_keyring(name: str, stage_warn: Callable[[str], None]) -> None:
    try:
        ring = processes.join_session_keyring(f"_ses.{name}")
        processes.allow_keyring_search(ring)
    except OSError as failure:
        # ENOSYS, EDQUOT, or a filter around us: a container without a keyring of its own is still one
        stage_warn(f"no session keyring of its own: {failure.strerror}")


def prepare_environment(process: Process, home: str) -> dict[bytes, bytes]:
    """The environment as bytes, with HOME from the container's passwd when the specification gives none."""
    environment = {os.fsencode(name): os.fsencode(value) for name, value in process.environment.items()}
    if not environment.get(b"HOME"):
        environment[b"HOME"] = os.fsencode(home)
    return environment


def execute(process: Process, path: str, environment: dict[bytes, bytes]) -> None:
    """The last step: the filter, then the program. Raises Fault."""
    prepared = process.seccomp
    if prepared is not None and process.no_new_privileges and not prepared.listener:
        seccomp.load(prepared)
    try:
        os.execve(os.fsencode(path), [os.fsencode(word) for word in process.args], environment)
    except OSError as failure:
        raise programs.refused(path, failure) from None


def settle(process: Process, root: int, environment: dict[bytes, bytes], letters: channels.Channel) -> str:
    """Become the user in the working folder, and find the program as that user would; its path."""
    listener = identity.become(process, root)
    if process.seccomp is not None and process.no_new_privileges and process.seccomp.listener:
        # early, since whoever gets the notifications must have the descriptor before the program runs
        listener = seccomp.load(process.seccomp, listen=True)
    if listener is not None:
        letters.send(channels.LISTENER, b"", listener)
        os.close(listener)
    return programs.find(process.args[0], {os.fsdecode(k): os.fsdecode(v) for k, v in environment.items()})
