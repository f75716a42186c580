"""Images for the comparisons, made from this machine's static busybox and pushed into a registry."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import urllib.request

OCI = "application/vnd.oci.image."
BUSYBOX = "/bin/busybox"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(*entries: tuple[str, bytes | None] | tuple[str, bytes | None, int], busybox: bool = False) -> bytes:
    """A tar: folders (None) and files; with busybox and its links when asked for."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data, *mode in entries:
            entry = tarfile.TarInfo(name)
            entry.mtime = 1_600_000_000
            entry.mode = mode[0] if mode else (0o755 if data is None else 0o644)
            entry.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            entry.size = len(data or b"")
            tar.addfile(entry, io.BytesIO(data or b""))
        if busybox:
            _add_busybox(tar)
    return buffer.getvalue()


def _add_busybox(tar: tarfile.TarFile) -> None:
    entry = tarfile.TarInfo("bin/busybox")
    entry.size, entry.mode, entry.mtime = os.stat(BUSYBOX).st_size, 0o755, 1_600_000_000
    with open(BUSYBOX, "rb") as file:
        tar.addfile(entry, file)
    names = [
        "sh",
        "true",
        "false",
        "sleep",
        "cat",
        "echo",
        "ls",
        "id",
        "env",
        "pwd",
        "stat",
        "mount",
        "kill",
        "ps",
        "head",
        "tail",
        "dd",
        "hostname",
        "yes",
        "seq",
        "grep",
        "sed",
        "cut",
        "wc",
        "touch",
        "nproc",
        "stty",
        "ip",
        "readlink",
    ]
    for name in names:
        link = tarfile.TarInfo(f"bin/{name}")
        link.type, link.linkname, link.mode = tarfile.LNKTYPE, "bin/busybox", 0o755
        tar.addfile(link)


BASE = layer(
    *[(name, None) for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "root", "home")],
    ("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home:/bin/sh\n"),
    ("etc/group", b"root:x:0:root\napp:x:1001:\nextra:x:2000:app\n"),
    busybox=True,
)
MORE = layer(("etc/more", b"more\n"), ("home/old", b"old\n"))
WHITEOUT = layer(("home/.wh.old", b""), ("home/new", b"new\n"))


class Pusher:
    """A registry to fill."""

    def __init__(self, host: str) -> None:
        self.host = host

    def call(self, method: str, url: str, data: bytes | None = None, kind: str = "application/octet-stream"):
        if url.startswith("/"):
            url = f"http://{self.host}{url}"
        request = urllib.request.Request(url, data, {"Content-Type": kind}, method=method)
        return urllib.request.urlopen(request, timeout=30)

    def blob(self, repository: str, data: bytes) -> dict[str, object]:
        location = self.call("POST", f"/v2/{repository}/blobs/uploads/", b"").headers["Location"]
        self.call("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest(data)}", data)
        return {"digest": digest(data), "size": len(data)}

    def manifest(self, repository: str, layers: list[bytes], **config: object) -> bytes:
        described = [
            {"mediaType": f"{OCI}layer.v1.tar+gzip", **self.blob(repository, gzip.compress(data, 3, mtime=0))}
            for data in layers
        ]
        platform = config.pop("platform", {"architecture": "amd64", "os": "linux"})
        document = {
            **platform,
            "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"], **config},
            "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]},
        }
        stored = self.blob(repository, json.dumps(document).encode())
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{OCI}manifest.v1+json",
                "config": {"mediaType": f"{OCI}config.v1+json", **stored},
                "layers": described,
            }
        ).encode()

    def image(self, repository: str, tag: str, layers: list[bytes], **config: object) -> str:
        data = self.manifest(repository, layers, **config)
        self.call("PUT", f"/v2/{repository}/manifests/{tag}", data, f"{OCI}manifest.v1+json")
        return f"{self.host}/{repository}:{tag}"

    def index(self, repository: str, tag: str, layers: list[bytes]) -> str:
        entries = []
        for platform in ({"architecture": "amd64", "os": "linux"}, {"architecture": "arm64", "os": "linux"}):
            data = self.manifest(repository, layers, platform=platform)
            self.call("PUT", f"/v2/{repository}/manifests/{digest(data)}", data, f"{OCI}manifest.v1+json")
            entries.append(
                {"mediaType": f"{OCI}manifest.v1+json", "digest": digest(data), "size": len(data), "platform": platform}
            )
        document = {"schemaVersion": 2, "mediaType": f"{OCI}index.v1+json", "manifests": entries}
        self.call("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(document).encode(), f"{OCI}index.v1+json")
        return f"{self.host}/{repository}:{tag}"


def fill(host: str) -> dict[str, str]:
    """The images by short name."""
    pusher = Pusher(host)
    return {
        "BOX": pusher.image("lib/box", "1", [BASE]),
        "THREE": pusher.image(
            "lib/three", "1", [BASE, MORE, WHITEOUT], User="app", WorkingDir="/home", Labels={"a": "b"}
        ),
        "MANY": pusher.index("lib/many", "1", [BASE]),
        "HOST": host,
    }
