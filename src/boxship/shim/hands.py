"""A helping hand: a process that does one heavy thing for the shim and is gone.

Making a container touches much of the interpreter's memory, and what a process touches is no longer shared with the
template it was forked from. Done in a child, the memory goes with the child; the processes that it has born become
ours when it ends, since we are their subreaper.
"""

import json
import os
from collections.abc import Callable
from typing import Any

from boxship.linux import namespaces, processes, sockets
from boxship.ocirun import errors

Work = Callable[[], tuple[dict[str, Any], list[int]]]
"""What a hand does: facts that JSON can carry, and descriptors."""


def lend(work: Work) -> tuple[dict[str, Any], list[int]]:
    """Have the work done and wait for it. What it opened is close-on-exec here, too.

    Raises:
        errors.Fault: as the work did.
        OSError: there is no process to be had, or the work raised one.
    """
    ours, theirs = sockets.pair()
    with ours:
        with theirs:
            pid, pidfd = namespaces.clone(0)
            if pid == 0:
                _do(work, theirs)
        message, fds = sockets.receive(ours)
        # Only when it is gone are its children ours.
        processes.exit_status(pidfd)
        os.close(pidfd)
    facts: dict[str, Any] = json.loads(message) if message else {"died": True}
    if "fault" in facts:
        fault = errors.decode(bytes.fromhex(facts["fault"]))
        # The class decides what stands before the message.
        fault.__class__ = errors.SpecFault if facts["spec"] else errors.Fault
        raise fault
    if "number" in facts:
        raise OSError(facts["number"], facts["text"])
    if "died" in facts:
        raise errors.Fault("the process that makes the container died")
    return facts, fds


def _do(work: Work, theirs: Any) -> None:
    fds: list[int] = []
    facts: dict[str, Any]
    try:
        facts, fds = work()
    except errors.Fault as fault:
        facts = {"fault": errors.encode(fault).hex(), "spec": isinstance(fault, errors.SpecFault)}
    except OSError as error:
        facts = {"number": error.errno or 0, "text": str(error)}
    except BaseException as error:  # the main of a process
        facts = {"fault": errors.encode(errors.Fault(f"{type(error).__name__}: {error}")).hex(), "spec": False}
    try:
        sockets.send(theirs, json.dumps(facts).encode(), tuple(fds))
    finally:
        os._exit(0)
