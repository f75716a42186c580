"""Removing a detached container once it has ended, for `run -d --rm`: a small process, since the caller does not stay."""

import subprocess
import sys
import time

from boxship.cli.session import Session
from boxship.terms import errors

_PATIENCE = 24 * 3600.0
"""Seconds that a daemon may be away until its container is left to whoever finds it."""
_PAUSES = (0.1, 0.5, 2.0, 5.0)


def start(session: Session, id: str) -> None:
    """See to it that a container that runs goes when it ends; returns at once."""
    subprocess.Popen(
        [sys.executable, "-m", __name__, session.address, session.namespace, id],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env=dict(session.around.environment),
    ).returncode = 0  # it is on its own from here: nobody waits for it


def main(address: str, namespace: str, id: str) -> int:
    """Wait for the end, through restarts of the daemon, and remove."""
    missed, since = 0, time.monotonic()
    while time.monotonic() - since < _PATIENCE:
        try:
            _remove(address, namespace, id)
        except errors.NotFound:
            return 0
        except (errors.Unavailable, errors.Canceled, OSError):
            time.sleep(_PAUSES[min(missed, len(_PAUSES) - 1)])
            missed += 1
        except errors.Error:
            return 1
        else:
            return 0
    return 1


def _remove(address: str, namespace: str, id: str) -> None:
    import boxship

    with boxship.connect(address, namespace=namespace) as client:
        container = client.containers.get(id)
        container.wait()
        container.remove()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
