"""What people know from other tools and write here: said in our words, or why it is not there."""

from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "build": "images are not built here: use another builder, then `boxship load`",
    "container": "write the command itself: `boxship ps`, `boxship rm`",
    "cp": "show a folder of this machine inside: `boxship run -v HERE:THERE`",
    "create": "containers are made by `boxship run -d`",
    "image": "write the command itself: `boxship images`, `boxship pull`, `boxship rmi`",
    "import": "write `boxship load`",
    "export": "write `boxship save`",
    "login": "credentials are read from ~/.docker/config.json, or given by --user",
    "ls": "write `boxship ps` for containers, `boxship images` for images",
    "network": "a container has no network, or this machine's: `boxship run --network none|host`",
    "pause": "write `boxship tasks pause NAME`",
    "ns": "write `boxship namespaces`",
    "restart": "write `boxship stop NAME && boxship start NAME`",
    "top": "write `boxship tasks ps NAME`, or `boxship stats`",
    "unpause": "write `boxship tasks resume NAME`",
    "volume": "show a folder of this machine inside: `boxship run -v HERE:THERE`",
}
"""By the name of a command that there is not."""

_NO_PORTS = "ports cannot be published yet; --network host uses those of this machine"
_NO_NAMES = "host names cannot be set yet; mount a file: -v FILE:/etc/hosts"

OPTIONS: Mapping[str, str] = {
    "-p": _NO_PORTS,
    "-P": _NO_PORTS,
    "--publish": _NO_PORTS,
    "--net": "write --network",
    "--add-host": _NO_NAMES,
    "--dns": "name servers cannot be set yet; mount a file: -v FILE:/etc/resolv.conf",
    "--tmpfs": "write --mount type=tmpfs,target=FOLDER",
    "--gpus": "there is no way to them yet",
    "--device": "single devices cannot be given yet; --privileged gives all",
    "--init": "there is no such program here; the image may bring one",
    "--no-trunc": "tables are cut only at a terminal's edge; write `| cat`, or --format json",
}
"""By the name of an option that a command does not have."""
