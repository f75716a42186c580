"""The registries as one caller wants to see them: accounts, encryption, and where their configuration lies."""

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boxship.terms import references

if TYPE_CHECKING:
    from boxship.remotes import credentials, registry

DOCKER_CONFIG = "~/.docker/config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a pull or push was told about its registry."""

    plain_http: bool = False
    insecure: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    hosts_dir: str = ""

    def registry(self, reference: str) -> "registry.Registry":
        """For one reference: accounts and exceptions hold for its host and no other."""
        from boxship.remotes import hosts, registry

        host = references.parse(reference).host
        roots = (self.hosts_dir,) if self.hosts_dir else hosts.DEFAULT_ROOTS
        where = hosts.Hosts(
            roots,
            plain_http=[host] if self.plain_http else (),
            skip_verify=[host] if self.insecure else (),
        )
        return registry.Registry(where, self._accounts(host))

    def _accounts(self, host: str) -> "credentials.Source":
        from boxship.remotes import credentials

        if self.username or self.password:
            return credentials.Fixed({host: credentials.Credential(username=self.username, secret=self.password)})
        return credentials.DockerConfig(os.path.expanduser(DOCKER_CONFIG))
