"""The registries as one caller wants to see them: accounts, encryption, and where their configuration lies."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boxship.terms import references

if TYPE_CHECKING:
    from boxship.remotes import credentials, registry

DOCKER_FOLDER = "~/.docker"


def own_environment() -> Mapping[str, str]:
    """This program's: proxies and accounts are told where every program of its user looks for them."""
    return os.environ  # noqa: TID251 -- a library's caller expects its requests to go the way of all others


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a pull or push was told about its registry.

    Attributes:
        environment: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, DOCKER_CONFIG, and PATH for credential helpers are read.
    """

    plain_http: bool = False
    insecure: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    hosts_dir: str = ""
    environment: Mapping[str, str] = field(default_factory=own_environment, repr=False)

    def registry(self, reference: str) -> "registry.Registry":
        """For one reference: accounts and exceptions hold for its host and no other."""
        from boxship.remotes import hosts, proxies, registry

        host = references.parse(reference).host
        roots = (self.hosts_dir,) if self.hosts_dir else hosts.DEFAULT_ROOTS
        where = hosts.Hosts(
            roots,
            plain_http=[host] if self.plain_http else (),
            skip_verify=[host] if self.insecure else (),
        )
        return registry.Registry(where, self._accounts(host), proxies.Proxies.of(self.environment))

    def _accounts(self, host: str) -> "credentials.Source":
        from boxship.remotes import credentials

        if self.username or self.password:
            return credentials.Fixed({host: credentials.Credential(username=self.username, secret=self.password)})
        folder = self.environment.get("DOCKER_CONFIG") or os.path.expanduser(DOCKER_FOLDER)
        # Docker looks for helpers like a shell; what is beside the caller by chance is none.
        path = [each for each in self.environment.get("PATH", "").split(":") if each.startswith("/")]
        return credentials.DockerConfig(os.path.join(folder, "config.json"), folders=path or credentials.HELPER_FOLDERS)
