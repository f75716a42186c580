"""One call of the command: the caller's world, which daemon and namespace are meant, and the client once it is needed."""

import os
from typing import TYPE_CHECKING

from boxship.cli import world

if TYPE_CHECKING:
    from boxship.client._sync import client as clients

_LOG = "/var/log/boxship/boxshipd.log"


class Session:
    """Made by the group, handed to every command as the context's object."""

    def __init__(
        self,
        around: world.World,
        *,
        address: str | None,
        namespace: str | None,
        debug: bool = False,
        starts: bool = True,
    ) -> None:
        """`starts`: whether a daemon may be started."""
        self._starts = starts
        told = around.environment
        self.around = around
        self.debug = debug
        self.address = address or told.get("BOXSHIP_ADDRESS") or told.get("CONTAINERD_ADDRESS") or world.DEFAULT_ADDRESS
        self.namespace = namespace or told.get("BOXSHIP_NAMESPACE") or told.get("CONTAINERD_NAMESPACE") or "default"
        self._client: clients.Client | None = None

    @property
    def client(self) -> "clients.Client":
        """Connected at the first use; a daemon is started if none listens at our own default address."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    @property
    def is_default(self) -> bool:
        return self.address.removeprefix("unix://") == world.DEFAULT_ADDRESS

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _connect(self) -> "clients.Client":
        import boxship
        from boxship.terms import errors

        try:
            return boxship.connect(self.address, namespace=self.namespace)
        except errors.Unavailable:
            if not (self.is_default and self._starts):
                raise
        from boxship.cli import starter

        if os.geteuid() == 0:
            self.around.say("boxship: no daemon is running, starting one")
        starter.start(world.DEFAULT_ADDRESS, log=_LOG, environment=self.around.environment)
        return boxship.connect(self.address, namespace=self.namespace)
