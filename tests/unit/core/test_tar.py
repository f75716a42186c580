import io
import subprocess
import tarfile
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boxship.core import tar, tar_headers, tar_output
from boxship.terms import errors


def entries(data: bytes, chunk: int = 1 << 20) -> list[tuple[tar.Entry, bytes]]:
    stream = io.BytesIO(data)
    reader = tar.Reader(lambda size: stream.read(min(size, chunk)))
    return [(entry, b"".join(reader.chunks())) for entry in reader]


def archive(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as file:
        for info, data in members:
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


def raw(name: bytes = b"x", *, size: bytes = b"00000000000", flag: bytes = b"0", link: bytes = b"") -> bytes:
    block = bytearray(512)
    block[:100] = name.ljust(100, b"\0")[:100]
    block[100:108] = block[108:116] = block[116:124] = b"0000644\0"
    block[124:136] = size.ljust(12, b"\0")
    block[136:148] = b"00000000000\0"
    block[156:157] = flag
    block[157:257] = link.ljust(100, b"\0")
    block[257:265] = b"ustar\x0000"
    return summed(block)


def summed(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def special(flag: bytes, data: bytes) -> bytes:
    return raw(b"special", size=b"%011o" % len(data), flag=flag) + data + bytes(-len(data) % 512)


def record(key: bytes, value: bytes) -> bytes:
    return tar_output._record(key, value)


names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=300).filter(
    lambda text: text.strip("/") == text
)


def _info(name, mode, uid, mtime, kind, link):
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid, info.mtime, info.type = mode, uid, uid // 2, mtime, kind
    if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
        info.linkname = link
    return info


infos = st.builds(
    _info,
    names,
    st.integers(0, 0o7777),
    st.integers(0, 2**32),
    st.integers(0, 2**40) | st.floats(0, 2**33).map(lambda value: round(value, 3)),
    st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]),
    names,
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(infos, st.binary(max_size=1500)), max_size=6),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    st.sampled_from([1, 100, 512, 513, 1 << 20]),
)
def test_agrees_with_the_standard_library(members, form, chunk) -> None:
    members = [(info, data if info.type == tarfile.REGTYPE else b"") for info, data in members]
    if form == tarfile.GNU_FORMAT:
        for info, _ in members:
            info.mtime = int(info.mtime)
    data = archive(*members, form=form)
    theirs = tarfile.open(fileobj=io.BytesIO(data))  # noqa: SIM115
    ours = entries(data, chunk)
    expected = theirs.getmembers()
    assert len(ours) == len(expected)
    for (entry, payload), info in zip(ours, expected, strict=True):
        assert entry.kind.value == info.type
        assert entry.name.decode("utf-8", "surrogateescape").rstrip("/") == info.name
        assert entry.linkname.decode("utf-8", "surrogateescape") == info.linkname
        assert (entry.mode, entry.uid, entry.gid, entry.size) == (info.mode, info.uid, info.gid, info.size)
        assert entry.mtime == pytest.approx(info.mtime * 10**9, abs=10_000)  # a float of this size is no finer
        if info.isreg():
            assert payload == theirs.extractfile(info).read()
            assert entry.stored == info.size
            assert data[entry.offset : entry.offset + entry.stored] == payload


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(infos, st.binary(max_size=1500)), max_size=5))
def test_what_is_written_is_read_back(members) -> None:
    out = b""
    written = []
    for info, payload in members:
        kind = tar.Kind(info.type)
        data = payload if kind is tar.Kind.FILE else b""
        mtime = int(info.mtime * 1000) * 10**6
        entry = tar.Entry(
            kind,
            info.name.encode(),
            info.linkname.encode(),
            info.mode,
            info.uid,
            info.gid,
            len(data),
            mtime,
            xattrs={b"user.k": b"v\0="},
        )
        out += tar_output.header(entry) + data + tar_output.padding(len(data))
        written.append((entry, data))
    back = entries(out + tar_output.END)
    assert [(entry._replace(offset=0, stored=0), data) for entry, data in back] == written
    for entry, _ in back:
        assert entry.xattrs == {b"user.k": b"v\0="}
    with tarfile.open(fileobj=io.BytesIO(out + tar_output.END)) as theirs:
        assert theirs.getnames() == [info.name for info, _ in members]


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=3000), st.integers(0, 2000), st.integers(0, 255))
def test_damage_is_told_as_such(data, at, byte) -> None:
    good = bytearray(archive((_info("a" * 120, 0o644, 5, 1.5, b"0", ""), b"hello" * 200)) + data)
    good[at] = byte
    for damaged in (bytes(good), data, data + bytes(512)):
        try:
            for entry, _ in entries(damaged):
                assert entry.size >= 0
        except errors.InvalidArgument:
            pass


@pytest.mark.parametrize("form", ["old", "0.0", "0.1", "1.0"])
def test_reads_what_gnu_tar_writes_sparsely(tmp_path, form) -> None:
    path = tmp_path / "file"
    extents = [(0, 4096), *((2 * n * 65536, 4096) for n in range(1, 30))]
    with path.open("wb") as file:
        for offset, length in extents:
            file.seek(offset)
            file.write(bytes([offset // 65536 % 250 + 1]) * length)
        file.truncate(1 << 22)
    options = ["--format=gnu"] if form == "old" else ["--format=pax", f"--sparse-version={form}"]
    made = subprocess.run(
        ["tar", "-cSf", "-", *options, "-C", tmp_path, "file"], check=True, capture_output=True
    ).stdout
    [(entry, payload)] = entries(made)
    assert entry.name == b"file"
    assert entry.size == 1 << 22
    assert entry.sparse is not None
    whole = bytearray(entry.size)
    at = 0
    for offset, length in entry.sparse:
        whole[offset : offset + length] = payload[at : at + length]
        at += length
    assert bytes(whole) == path.read_bytes()
    assert made[entry.offset : entry.offset + entry.stored] == payload


def test_xattrs_and_overrides_of_pax_records() -> None:
    data = b"".join(
        [
            record(b"path", b"long/\xff name"),
            record(b"size", b"5"),
            record(b"uid", b"70000000000"),
            record(b"mtime", b"-1.25"),
            record(b"SCHILY.xattr.user.a", b"\0\1"),
            record(b"SCHILY.xattr.user.b", b""),
            record(b"comment", b"passed over"),
            record(b"gid", b""),
        ]
    )
    header = raw(b"short", size=b"00000000000")
    [(entry, payload)] = entries(special(b"g", b"junk") + special(b"x", data) + header + b"hello".ljust(512, b"\0"))
    assert (entry.name, entry.size, payload) == (b"long/\xff name", 5, b"hello")
    assert (entry.uid, entry.gid, entry.mtime) == (70000000000, 0o644, -1_250_000_000)
    assert entry.xattrs == {b"user.a": b"\0\1", b"user.b": b""}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (raw()[:511], "unexpected EOF"),
        (raw(size=b"00000001000") + b"x" * 511, "unexpected EOF"),
        (raw(size=b"-0000000001"), "is no number"),
        (raw(size=b"\xff" * 12), "size -1"),
        (raw(size=b"\x80" + b"\x7f" * 11), "size"),
        (raw(size=b"1_0"), "is no number"),
        (raw(size=b"0o17"), "is no number"),
        (raw().replace(b"ustar", b"usbar"), "checksum"),
        (special(b"x", b"12 path=xxxxx\n") + raw(), "pax record"),
        (special(b"x", b"99999999999999999999 path=x\n") + raw(), "pax record"),
        (special(b"x", record(b"path", b"a\0b")) + raw(), "NUL in pax record"),
        (special(b"x", record(b"a\0b", b"1")) + raw(), "NUL in pax record"),
        (special(b"x", record(b"size", b"-5")) + raw(), "size -5"),
        (special(b"x", record(b"size", b"9" * 19)) + raw(), "size"),
        (special(b"x", record(b"size", b"1e3")) + raw(), "is no number"),
        (special(b"x", record(b"mtime", b"1.x")) + raw(), "is no number"),
        (raw(b"p", size=b"%011o" % ((1 << 20) + 1), flag=b"x"), "header field too long"),
        (raw(b"p", size=b"%011o" % (1 << 29), flag=b"L"), "header field too long"),
        (bytes(512) + raw(), "a lone block of zeros"),
        (
            special(b"x", record(b"GNU.sparse.map", b"0,1,0,1") + record(b"GNU.sparse.size", b"9")) + raw(),
            "out of order",
        ),
        (special(b"x", record(b"GNU.sparse.map", b"8,2") + record(b"GNU.sparse.size", b"9")) + raw(), "out of bounds"),
        (special(b"x", record(b"GNU.sparse.map", b"0,2") + record(b"GNU.sparse.size", b"9")) + raw(), "2 bytes, 0"),
        (special(b"x", record(b"GNU.sparse.map", b"-1,2") + record(b"GNU.sparse.size", b"9")) + raw(), "out of order"),
        (special(b"x", record(b"GNU.sparse.map", b"1") + record(b"GNU.sparse.size", b"9")) + raw(), "odd number"),
        (
            special(b"x", record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.minor", b"0"))
            + raw(size=b"%011o" % 512)
            + b"7" * 512,
            "without end",
        ),
    ],
)
def test_broken_archives(data, said) -> None:
    with pytest.raises(errors.InvalidArgument, match=said):
        entries(data)


def test_tolerates_what_others_tolerate() -> None:
    assert entries(b"") == []
    assert entries(bytes(512)) == []
    assert len(entries(raw())) == 1
    assert len(entries(raw() + bytes(512))) == 1
    assert entries(raw(size=b"00000000003") + b"abc")[0][1] == b"abc"
    assert entries(raw(b"d/", flag=b"\0"))[0][0].kind is tar.Kind.DIRECTORY
    assert entries(raw(b"d", flag=b"Z"))[0][0].kind is tar.Kind.UNKNOWN


def test_a_negative_checksum_as_old_tars_made_it() -> None:
    block = bytearray(raw(b"\xe4"))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(byte - 256 if byte > 127 else byte for byte in block)
    assert entries(bytes(block))[0][0].name == b"\xe4"


def test_a_payload_is_bounded_when_read_whole() -> None:
    stream = io.BytesIO(archive((tarfile.TarInfo("a"), b"x" * 100)))
    reader = tar.Reader(stream.read)
    next(iter(reader))
    with pytest.raises(errors.ResourceExhausted):
        reader.read(99)
    assert reader.read(100) == b"x" * 100


def test_drain_reads_to_the_very_end() -> None:
    stream = io.BytesIO(archive((tarfile.TarInfo("a"), b"x")) + b"t" * 3_000_000)
    reader = tar.Reader(stream.read)
    assert len(list(reader)) == 1
    reader.drain()
    assert stream.read() == b""


def test_the_checksum_is_exact_for_heavy_bytes() -> None:
    block = bytearray(b"\xff" * 512)
    block[148:156] = b" " * 8
    total = sum(block)
    assert tar_headers.verify_checksum(bytes(block), total)
    assert not tar_headers.verify_checksum(bytes(block), total - 65521)


@pytest.mark.slow
def test_many_entries_take_little_time() -> None:
    data = b"".join(
        tar_output.header(tar.Entry(tar.Kind.FILE, b"usr/share/doc/%d" % n, uid=1, size=100, mtime=n * 10**9))
        + bytes(512)
        for n in range(20_000)
    )
    best = min(_timed(data) for _ in range(3))
    assert best < 20_000 * 40e-6  # 40 µs each is four times what it takes on a slow machine


def _timed(data: bytes) -> float:
    reader = tar.Reader(io.BytesIO(data).read)
    begin = time.perf_counter()
    for _ in reader:
        for _ in reader.chunks():
            pass
    return time.perf_counter() - begin
