"""Launchers: how a shim comes to be, and what is done when one has died without cleaning up."""

from typing import Protocol

from boxship.core import tasks
from boxship.plugins.tasks.bundles import Bundle
from boxship.terms.typed import TypedBytes
from boxship.wire import shims


class Launcher(Protocol):
    """One way to start shims."""

    def launch(self, bundle: Bundle, options: TypedBytes | None) -> shims.Endpoint:
        """Start a shim for the bundle, or find the one of its group; it is noted in the bundle.

        Raises:
            errors.Error: it did not come up; nothing is left of it.
        """

    def leaving_seconds(self, bundle: Bundle) -> float:
        """How long to wait for a shim that was told to go until its connection ends."""

    def clean_up(self, bundle: Bundle) -> tasks.Exit:
        """After a dead shim: end what it left, and tell how the task's init ended (137 when nobody knows).

        Raises:
            errors.Error: it could not be told; what was left may be left still.
        """
