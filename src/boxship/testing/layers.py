"""Hostile layers: archives that try to reach out of the folder they are applied to, and a witness of what they touch.

`cases()` names them; each is built for a place, a folder to apply to with a canary tree beside it. Whoever applies
layers applies each of them; afterwards the canary must be what it was, to the inode.
"""

import functools
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boxship.core import tar, tar_output

Member = tuple[tar.Entry, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`root` is what layers are applied to; `canary` is what nobody may touch."""

    root: Path
    canary: Path

    @classmethod
    def below(cls, folder: Path) -> "Place":
        """Make both, the root with some content of lower layers in it: a file, a folder, links that lead out."""
        place = cls(root=folder / "root", canary=folder / "canary")
        (place.root / "old").mkdir(parents=True)
        (place.root / "old/file").write_text("old")
        (place.canary / "folder/below").mkdir(parents=True)
        for name in ("file", "folder/file", "folder/below/file"):
            (place.canary / name).write_text(f"canary {name}")
            (place.canary / name).chmod(0o640)
        (place.canary / "link").symlink_to("file")
        os.mkfifo(place.canary / "fifo")
        (place.root / "out").symlink_to(place.canary / "folder")
        (place.root / "out-file").symlink_to("../canary/file")
        return place

    def witness(self) -> dict[str, object]:
        """All that can be known of the canary, but when it was last read."""
        found: dict[str, object] = {}
        for path in [self.canary, *sorted(self.canary.rglob("*"))]:
            about = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(about.st_mode) else ""
            attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in _attributes(path)}
            times = (about.st_mtime_ns, about.st_ctime_ns)
            owner = (about.st_uid, about.st_gid)
            found[str(path)] = (about.st_ino, about.st_mode, owner, about.st_nlink, times, content, attributes)
        found["beside"] = sorted(path.name for path in self.canary.parent.iterdir())
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`build` makes the archive; `refused` is whether applying it must fail, None where either will do."""

    name: str
    build: Callable[[Place], list[Member]]
    refused: bool | None = None


def file(name: str | bytes, data: bytes = b"new", **fields: Any) -> Member:
    return _entry(tar.Kind.FILE, name, size=len(data), **fields), data


def folder(name: str | bytes, **fields: Any) -> Member:
    return _entry(tar.Kind.DIRECTORY, name, **{"mode": 0o755, **fields}), b""


def symlink(name: str | bytes, target: str | bytes | Path, **fields: Any) -> Member:
    return _entry(tar.Kind.SYMLINK, name, linkname=os.fsencode(target), mode=0o777, **fields), b""


def link(name: str | bytes, target: str | bytes | Path, **fields: Any) -> Member:
    return _entry(tar.Kind.LINK, name, linkname=os.fsencode(target), **fields), b""


def node(kind: tar.Kind, name: str | bytes, **fields: Any) -> Member:
    return _entry(kind, name, **fields), b""


def archive(members: list[Member]) -> bytes:
    return (
        b"".join(tar_output.header(entry) + data + tar_output.padding(len(data)) for entry, data in members)
        + tar_output.END
    )


def cases() -> list[Case]:
    """Every operation at every place that leads out, and the cases that have made history."""
    found = [
        Case(name=f"{what} at {where}", build=functools.partial(_led, lead, do))
        for where, lead in _LEADS.items()
        for what, do in _OPERATIONS.items()
    ]
    found += [
        Case(name=f"a chain of {depth} links, then a file", build=functools.partial(_chain, depth))
        for depth in (1, 2, 5, 10, 20, 39, 40, 41, 50)
    ]
    return found + list(_named())


def _entry(kind: tar.Kind, name: str | bytes, **fields: Any) -> tar.Entry:
    return tar.Entry(kind=kind, name=os.fsencode(name))._replace(**{"mtime": 1_700_000_000 * 10**9, **fields})


def _attributes(path: Path) -> list[str]:
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []


Do = Callable[[str], list[Member]]

_OPERATIONS: dict[str, Do] = {
    "write": lambda name: [file(name, b"overwritten")],
    "truncate": lambda name: [file(name, b"")],
    "mode and owner": lambda name: [file(name, b"x", mode=0o4777, uid=1234, gid=1234)],
    "folder": lambda name: [folder(name, mode=0o777, uid=1234, gid=1234)],
    "folder, then a file in it": lambda name: [folder(name), file(f"{name}/new")],
    "attribute": lambda name: [file(name, b"x", xattrs={b"user.evil": b"1"})],
    "folder's attribute": lambda name: [folder(name, xattrs={b"trusted.evil": b"1"})],
    "time": lambda name: [folder(name, mtime=10**9)],
    "fifo": lambda name: [node(tar.Kind.FIFO, name)],
    "device": lambda name: [node(tar.Kind.CHARACTER, name, device=(1, 3), mode=0o666)],
    "link": lambda name: [symlink(name, "/nowhere")],
    "hard link to it, then write": lambda name: [link("hard", name), file("hard", b"overwritten")],
    "hard link to it, then mode": lambda name: [link("hard", name, mode=0o777, uid=1234)],
    "hard link onto it": lambda name: [file("inner"), link(name, "inner")],
    "whiteout": lambda name: [file(f"{os.path.dirname(name)}/.wh.{os.path.basename(name)}".lstrip("/"), b"")],
    "opaque": lambda name: [file(f"{name}/.wh..wh..opq", b"")],
    "sparse": lambda name: [file(name, b"", mode=0o600), file(name, b"y" * 5000)],
}

_LEADS: dict[str, Callable[[Place, Do], list[Member]]] = {
    "the end of an absolute link": lambda place, do: [symlink("l", place.canary / "file"), *do("l")],
    "the end of a relative link": lambda _, do: [symlink("l", "../canary/file"), *do("l")],
    "the end of a link to a folder": lambda place, do: [symlink("l", place.canary / "folder"), *do("l")],
    "a file behind a link": lambda place, do: [symlink("l", place.canary), *do("l/file")],
    "a folder behind a relative link": lambda _, do: [symlink("l", "../canary"), *do("l/folder")],
    "a file two links away": lambda place, do: [symlink("a", place.canary), symlink("l", "a/folder"), *do("l/file")],
    "dots": lambda _, do: do("../canary/file"),
    "dots behind a folder": lambda _, do: [folder("d"), *do("d/../../canary/file")],
    "an absolute name": lambda place, do: do(str(place.canary / "file")),
    "a hard link to a link": lambda place, do: [symlink("s", place.canary / "file"), link("l", "s"), *do("l")],
    "an old link": lambda _, do: do("out-file"),
    "a file behind an old link": lambda _, do: do("out/file"),
    "a link that replaced a folder": lambda place, do: [
        folder("d"),
        file("d/file"),
        symlink("d", place.canary),
        *do("d/file"),
    ],
}


def _led(lead: Callable[[Place, Do], list[Member]], do: Do, place: Place) -> list[Member]:
    return lead(place, do)


def _chain(depth: int, place: Place) -> list[Member]:
    links = [symlink("l0", place.canary), *(symlink(f"l{n}", f"l{n - 1}") for n in range(1, depth))]
    return [*links, file(f"l{depth - 1}/file", b"overwritten")]


def _named() -> Iterator[Case]:
    def case(name: str, *members: Member, refused: bool | None = False) -> Case:
        return Case(name=name, build=lambda _: list(members), refused=refused)

    for name in (".", "/", "./", "..", "../..", "/..", "a/..", "//", "./."):
        yield case(f"the root as a link: {name}", symlink(name, "../canary"), file("file", b"overwritten"))
        yield case(f"the root as a file: {name}", file(name))
        yield case(f"the root as a fifo: {name}", node(tar.Kind.FIFO, name), folder("d"))
    for name in (".wh.", ".wh..", ".wh...", "old/.wh.", "old/.wh..", "old/.wh..."):
        yield case(f"whiteout without a name: {name}", file(name, b""), refused=True)
    yield case("whiteout of what is not there", file(".wh.nothing", b""))
    yield case("whiteout of a whiteout", file(".wh..wh.old", b""))
    yield case("opaque root", file(".wh..wh..opq", b""))
    yield case("opaque through dots", file("old/../../canary/.wh..wh..opq", b""))
    yield case("a link to itself", symlink("l", "l"), file("l/file"), refused=True)
    yield case("links in a circle", symlink("a", "b"), symlink("b", "a"), file("a/file"), refused=True)
    yield case("a link to the root of the world", symlink("l", "/"), file("l/etc/passwd"))
    yield case("a link to the parent", symlink("l", ".."), file("l/canary/file", b"overwritten"))
    yield case("a link through /proc", symlink("l", "/proc/self/root"), file("l/etc/evil"))
    yield case("a link without a target", symlink("l", ""), refused=True)
    yield case("a link that leads nowhere", symlink("l", "made/later"), file("l/file"))
    yield case("a hard link to nothing", link("l", "nothing"), refused=True)
    yield case("a hard link to itself", link("l", "l"), refused=True)
    yield case("a hard link to the root", link("l", "."), refused=True)
    yield case("a hard link to a folder", folder("d"), link("l", "d"), refused=True)
    yield case("a hard link to a later file", link("l", "later"), file("later"), refused=True)
    yield case("a hard link by dots", link("l", "../canary/file"), refused=True)
    yield case("a file in a file", file("f"), file("f/g"), refused=True)
    yield case("a long name", file("n" * 256), refused=True)
    yield case("a name of 255 bytes", file("n" * 255))
    yield case("a long path", file("/".join(["n" * 200] * 25)), refused=True)
    yield case("a strange name", file(b"\xff\n\x1b[31m\\..\\x"))
    yield case("a DOS name", file("C:\\..\\..\\canary\\file"))
    yield case("an owner that means none", file("f", uid=2**32 - 1), refused=True)
    yield case("a group that means none", folder("f", gid=2**32 - 1), refused=True)
    yield case("an owner below zero", symlink("f", "x", uid=-1), refused=True)
    yield case("an owner above all", file("f", uid=2**32), refused=True)
    yield case("a big owner", file("f", uid=2**32 - 2, gid=2**31))
    yield case("a device of too many bits", node(tar.Kind.BLOCK, "b", device=(1 << 12, 0)), refused=True)
    yield case("a device of too many minor bits", node(tar.Kind.CHARACTER, "b", device=(1, 1 << 20)), refused=True)
    yield case("a time before time", file("f", mtime=-(10**18)))
    yield case("a time after time", file("f", mtime=2**63 * 1000))
    yield case("overlay's own marks", folder("d", xattrs={b"trusted.overlay.redirect": b"/../canary"}), file("d/f"))
    yield case("an attribute without a name", file("f", xattrs={b"user.": b"1"}), refused=True)
    yield case("an attribute of a strange kind", file("f", xattrs={b"evil.x": b"1"}))
    yield case("an attribute too long", file("f", xattrs={b"user." + b"n" * 300: b"1"}), refused=True)
    yield case("an attribute on a link", symlink("l", "x", xattrs={b"user.x": b"1"}))
    yield case("everything over everything", *_over())
    yield case("a folder over a link over a folder", folder("d"), symlink("d", "/"), folder("d"), file("d/f"))
    yield case("one name many times", *(file("f", b"%d" % n) for n in range(200)))
    yield case("a deep path", file("/".join("d" * 1000)))


def _over() -> Iterator[Member]:
    makers: list[Callable[[str], Member]] = [
        file,
        folder,
        lambda name: symlink(name, "../canary/file"),
        lambda name: node(tar.Kind.FIFO, name),
        lambda name: link(name, "old/file"),
    ]
    for first in makers:
        for second in makers:
            yield first("x")
            yield second("x")
