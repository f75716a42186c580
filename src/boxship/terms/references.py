"""References name images: `host[:port]/path[:tag][@digest]`.

`parse` reads them as containerd does, who takes names as they are and asks only for a host; `normalize` completes the
short names that people type, as Docker does (`alpine` is `docker.io/library/alpine:latest`) and checks them.
"""

import dataclasses
import re

from boxship.terms import digests, errors

LONGEST = 4096
"""Characters in a whole reference; containerd has no limit, its keys end at this length."""

DEFAULT_HOST = "docker.io"
DEFAULT_TAG = "latest"
_LONGEST_NAME = 255

# OCI distribution-spec, "Pulling manifests": <name> and <reference>; the host as distribution's reference grammar has it.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?", re.ASCII)
# What may stand in the host of a URL (RFC 3986, 3.2.2), with its port.
_URL_HOST = re.compile(r"(?:\[[0-9A-Za-z:.%]+\]|[^\s/?#@\\\[\]:%<>\"^`{|}]*)(?::[0-9]*)?")
_HEX_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where an image lies, and which one is meant.

    Attributes:
        host: the registry's name and port, as written: `docker.io`, `127.0.0.1:5000`.
        repository: the path on that host; empty when the name has none.
        tag: without its colon; empty when there is none.
        digest: without its `@`; empty when there is none. `parse` does not check it, `normalize` does.
    """

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def name(self) -> str:
        """Host and repository, which containerd calls the locator."""
        return f"{self.host}/{self.repository}" if self.repository else self.host

    @property
    def target(self) -> str:
        """What a registry is asked for: the digest if there is one, else the tag."""
        return self.digest or self.tag

    @property
    def familiar(self) -> str:
        """The short form that people read: without Docker's default host and folder."""
        name = self.name.removeprefix(f"{DEFAULT_HOST}/library/").removeprefix(f"{DEFAULT_HOST}/")
        return str(self).replace(self.name, name, 1)


def parse(text: str) -> Reference:
    """Split a full name, leaving it as it is.

    Raises:
        InvalidArgument: there is no host, or the name cannot be taken apart.
    """
    if not text or len(text) > LONGEST or "://" in text or _has_controls(text):
        raise _invalid(text, "it must look like host/path:tag or host/path@sha256:...")
    host, _, path = text.partition("/")
    if not host:
        raise errors.InvalidArgument(f"reference {text!r}: hostname required")
    if not _URL_HOST.fullmatch(host) or not host.strip("."):
        raise _invalid(text, f"{host[:100]!r} is no host")
    end = next((at for at, letter in enumerate(path) if letter in ":@"), len(path))
    path, rest = path[:end], path[end:]
    tag, at, digest = rest.removeprefix(":").partition("@")
    if at and not digest:
        raise _invalid(text, "nothing follows the @")
    parts = [part for part in path.split("/") if part]
    if rest and not parts:
        raise _invalid(text, "a tag or digest follows no repository")
    if any(part in {".", ".."} or set(part) & set("?#%\\") for part in parts):
        raise _invalid(text, f"{path[:100]!r} is no repository")
    return Reference(host=host, repository="/".join(parts), tag=tag, digest=digest)


def normalize(text: str) -> Reference:
    """Complete and check what a person typed.

    A first part without a dot or a colon that is not `localhost` and has no capitals is a folder of Docker Hub; a name
    without tag and digest gets the tag `latest`; a tag beside a digest is kept.

    Raises:
        InvalidArgument: the name breaks the grammar of registries; the message says where.
    """
    if _HEX_ID.fullmatch(text):
        raise _invalid(text, "64 hex digits are an id, not a name")
    if len(text) > LONGEST:
        raise _invalid(text, "it is too long")
    rest, at, digest = text.partition("@")
    host, repository = _split_host(rest)
    colon = repository.find(":")
    repository, tag = (repository, "") if colon < 0 else (repository[:colon], repository[colon + 1 :])
    _check(text, host, repository)
    if (colon >= 0 or tag) and not _TAG.fullmatch(tag):
        raise _invalid(text, f"{tag[:140]!r} is no tag: up to 128 letters, digits, '_', '.' and '-'")
    if at:
        digest = digests.parse(digest)
    elif not tag:
        tag = DEFAULT_TAG
    return Reference(host=host, repository=repository, tag=tag, digest=digest)


def _split_host(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    host, repository = (first, rest) if is_host else (DEFAULT_HOST, name)
    if host == "index.docker.io":
        host = DEFAULT_HOST
    if host == DEFAULT_HOST and "/" not in repository:
        repository = f"library/{repository}"
    return host, repository


def _check(text: str, host: str, repository: str) -> None:
    if not _HOST.fullmatch(host):
        raise _invalid(text, f"{host[:100]!r} is no host")
    if not _REPOSITORY.fullmatch(repository):
        if repository.lower() != repository and _REPOSITORY.fullmatch(repository.lower()):
            raise _invalid(text, "the repository's name must be lower case")
        raise _invalid(
            text, f"{repository[:100]!r} is no repository: lower-case letters, digits, and . _ - between them"
        )
    if len(repository) > _LONGEST_NAME:
        raise _invalid(text, f"the repository's name is longer than {_LONGEST_NAME} characters")


def _has_controls(text: str) -> bool:
    return any(letter < " " or letter == "\x7f" or "\ud800" <= letter <= "\udfff" for letter in text)


def _invalid(text: str, cause: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(f"invalid reference {text[:200]!r}: {cause}")
