"""Import budgets, by module names: those are the same on every machine, milliseconds are not."""

import ast

import pytest
from architecture import rooms

LIGHT = {
    "__future__", "array", "base64", "binascii", "collections", "collections.abc", "contextlib", "ctypes", "dataclasses", "enum",
    "errno", "fcntl", "functools", "gc", "hashlib", "itertools", "json", "math", "os", "re", "resource", "select",
    "selectors", "signal", "socket", "stat", "struct", "sys", "termios", "time", "types", "typing", "unicodedata",
}  # fmt: skip
"""The shelf of the standard library for ocirun and linux. Whatever these pull in is allowed as well."""

LIGHT_OF_THE_SHIM = LIGHT | {"bisect", "heapq", "random", "tempfile", "threading"}

NOT_FOR_HELP = {"google", "asyncio", "sqlite3", "ssl", "urllib3", "rich", "grpc", "hpack", "isal", "zstandard"}


def modules_of(room):
    """Every module of a room, except those that are meant to be executed (__main__)."""
    for path in sorted((rooms.SOURCE / room).rglob("*.py")):
        name = ".".join(path.relative_to(rooms.SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        if not name.endswith("__main__"):
            yield name


def shelf(names):
    return rooms.loaded("import " + ", ".join(sorted(names)))


def beyond(room, allowed):
    """What loading all of a room brings into memory that neither the shelf nor the allowed packages explain."""
    if room not in rooms.present():
        pytest.skip(f"boxship.{room} is not written yet")
    shelf_names, packages = allowed
    found = rooms.loaded("import " + ", ".join(modules_of(room)))
    return found - shelf(shelf_names) - rooms.within(found, packages) - {"boxship"}


@pytest.mark.slow
def test_linux_stays_light():
    assert beyond("linux", (LIGHT, {"boxship.linux"})) == set()


@pytest.mark.slow
def test_ocirun_stays_light():
    assert beyond("ocirun", (LIGHT, {"boxship.ocirun", "boxship.linux"})) == set()


@pytest.mark.slow
def test_the_shim_stays_light():
    allowed = {"boxship", "google"}  # which rooms of ours it may know, the layers say
    assert beyond("shim", (LIGHT_OF_THE_SHIM | {"google.protobuf.internal.well_known_types"}, allowed)) == set()


@pytest.mark.slow
def test_the_shim_knows_neither_asyncio_nor_http2():
    rooms.need("boxship.shim.main")
    found = rooms.loaded("import boxship.shim.main")
    forbidden = {"asyncio", "hpack", "boxship.rpc.http2", "boxship.core", "ssl", "sqlite3", "urllib3", "click", "rich"}
    assert rooms.within(found, forbidden) == set()


@pytest.mark.slow
def test_terms_need_nothing_but_the_standard_library():
    found = rooms.loaded("import " + ", ".join(modules_of("terms")))
    assert rooms.within(found, {"google", "asyncio", "ssl", "click", "rich", "urllib3"}) == set()
    assert {name for name in found if name.startswith("boxship.")} == rooms.within(found, {"boxship.terms"})


@pytest.mark.slow
def test_messages_load_no_pure_python_protobuf():
    found = rooms.loaded("from boxship.api import content_pb2, task_v3_pb2; content_pb2.Info")
    heavy = {"google.protobuf.internal.python_message", "google.protobuf.text_format", "pickle"}
    assert rooms.within(found, heavy) == set()


@pytest.mark.slow
def test_help_is_quick_to_say():
    rooms.need("boxship.cli.main")
    found = rooms.loaded("from boxship.cli import main, world; main.run(['--help'], world.World.real())")
    assert rooms.within(found, NOT_FOR_HELP) == set()


@pytest.mark.slow
def test_the_most_frequent_commands_load_little():
    """Each of these costs a command that only lists containers more than it takes to ask the daemon."""
    found = rooms.loaded("import boxship.cli.ps, boxship.client._sync.opening, boxship.client._sync.containers")
    heavy = {"boxship.plugins", "boxship.remotes", "boxship.metadata", "boxship.terms.oci", "boxship.core.seccomp",
             "boxship.client.wishes", "hashlib", "shutil", "tempfile", "difflib", "subprocess"}  # fmt: skip
    assert rooms.within(found, (NOT_FOR_HELP - {"google", "hpack"}) | heavy) == set()


def imports_asyncio(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if any(name.split(".")[0] == "asyncio" for name in names):
            return True
    return False


def is_async_half(path):
    room, *rest = path.relative_to(rooms.SOURCE).parts
    halves = ("aio", "_async", "async_")
    return room in {"rpc", "proxies", "client"} and any(part.startswith(halves) for part in rest)


def test_asyncio_is_kept_where_it_belongs():
    """The engine is threads; asyncio is for the async half of the client alone."""
    users = {path for path in rooms.SOURCE.rglob("*.py") if imports_asyncio(path)}
    assert {str(path) for path in users if not is_async_half(path)} == set()
