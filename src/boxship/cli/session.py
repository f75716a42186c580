"""One call of the command: the caller's world, which daemon and namespace are meant, and the client once it is needed."""

import os
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from boxship.cli import world

if TYPE_CHECKING:
    from boxship.client._sync import client as clients
    from boxship.client._sync import container as containers
    from boxship.proxies._sync import tasks as tasks_proxy

T = TypeVar("T")

_PATIENCE = 60.0
"""Seconds for a daemon to come back."""
_PAUSE = 0.05
_DIGITS = re.compile(r"[0-9a-f]{3,11}", re.ASCII)
_MADE_UP = re.compile(r"[0-9a-f]{12}", re.ASCII)
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

    def container(self, name: str) -> "containers.Container":
        """A container by its name, or by the first digits of one that was made up. Raises NotFound; InvalidArgument."""
        from boxship.terms import errors

        try:
            return self.client.containers.get(name)
        except errors.NotFound:
            if not _DIGITS.fullmatch(name):
                raise
            found = [
                each for each in self.client.containers.list(filters=[f'id~="^{name}"']) if _MADE_UP.fullmatch(each.id)
            ]
            if len(found) > 1:
                several = ", ".join(each.id for each in found)
                raise errors.InvalidArgument(f"{name} may be any of {several}: write more of it") from None
            if not found:
                raise
            return found[0]

    def patiently(self, ask: "Callable[[clients.Client], T]") -> T:
        """An answer that may take long, such as the end of a container, through restarts of the daemon.

        Raises:
            Unavailable: no daemon came back.
        """
        from boxship.terms import errors

        told = False
        while True:
            client = self.client
            try:
                return ask(client)
            except errors.Unavailable:
                if not told:
                    self.around.say("boxship: the daemon has gone away; containers go on, waiting for another daemon")
                told = True
                self._await_another()

    def _await_another(self) -> None:
        from boxship.terms import errors

        self.close()
        deadline = time.monotonic() + _PATIENCE
        while self._client is None:
            try:
                self._client = self._open()
            except errors.Unavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)

    @property
    def tasks(self) -> "tasks_proxy.TasksProxy":
        """Of the client as it is now. Raises Unavailable while there is none."""
        from boxship.terms import errors

        client = self._client
        if client is None:
            raise errors.Unavailable("there is no daemon at the moment")
        return client.tasks

    @property
    def is_default(self) -> bool:
        return self.address.removeprefix("unix://") == world.DEFAULT_ADDRESS

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connect(self) -> "clients.Client":
        from boxship.terms import errors

        try:
            return self._open()
        except errors.Unavailable:
            if not (self.is_default and self._starts):
                raise
        from boxship.cli import starter

        if os.geteuid() == 0:
            self.around.say("boxship: no daemon is running, starting one")
        starter.start(world.DEFAULT_ADDRESS, log=_LOG, environment=self.around.environment)
        return self._open()

    def _open(self) -> "clients.Client":
        import boxship

        return boxship.connect(self.address, namespace=self.namespace)
