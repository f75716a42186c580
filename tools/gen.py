"""Write src/boxship/api from proto/, or with --check say what is stale.

protoc (of grpcio-tools) reads the files and writes the stubs; the modules themselves are ours: a serialized descriptor
that goes into our own pool (`boxship.api.pool`), so that they neither meet other packages' messages nor depend on the
version of protobuf that they were made with.
"""

import argparse
import difflib
import re
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
API = ROOT / "src" / "boxship" / "api"
PACKAGE = "boxship.api"

STUB_IMPORT = re.compile(r"^import (\w+_pb2) as (\w+)$", re.MULTILINE)


def compile_protos(into: Path) -> list[descriptor_pb2.FileDescriptorProto]:
    """Let protoc write the stubs into a folder; return the descriptors of all files."""
    from grpc_tools import protoc

    everything = into / "all.pb"
    sources = [str(path) for path in sorted(PROTO.glob("*.proto"))]
    status = protoc.main(
        ["protoc", f"--proto_path={PROTO}", f"--pyi_out={into}", f"--descriptor_set_out={everything}", *sources]
    )
    if status:
        raise SystemExit(status)
    files = list(descriptor_pb2.FileDescriptorSet.FromString(everything.read_bytes()).file)
    for file in files:
        for message in file.message_type:
            drop_json_names(message)
    return files


def drop_json_names(message: descriptor_pb2.DescriptorProto) -> None:
    """protoc spells out what the names imply anyway."""
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        drop_json_names(nested)


def module_name(proto: str) -> str:
    return proto.removesuffix(".proto") + "_pb2"


def module_text(file: descriptor_pb2.FileDescriptorProto) -> str:
    imports = "".join(
        f"from {PACKAGE} import {module_name(name)} as _{module_name(name)}\n" for name in sorted(file.dependency)
    )
    return (
        f'"""Written by ./dev gen from proto/{file.name}; not to be edited."""\n\n'
        f"{imports}from {PACKAGE} import pool as _pool\n\n"
        f"DESCRIPTOR, __getattr__ = _pool.load(globals(), {file.SerializeToString(deterministic=True)!r})\n"
    )


def stub_text(text: str) -> str:
    return STUB_IMPORT.sub(rf"from {PACKAGE} import \1 as \2", text)


def generate() -> dict[str, str]:
    """File name in src/boxship/api -> text, for all that is generated."""
    with tempfile.TemporaryDirectory() as folder:
        files = compile_protos(Path(folder))
        made = {f"{module_name(file.name)}.py": module_text(file) for file in files}
        stubs = {path.name: stub_text(path.read_text()) for path in Path(folder).glob("*.pyi")}
    return dict(sorted((made | stubs).items()))


def present() -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(API.glob("*_pb2.py*"))}


def write(wanted: dict[str, str]) -> None:
    there = present()
    for name in there.keys() - wanted.keys():
        (API / name).unlink()
    for name, text in wanted.items():
        if there.get(name) != text:
            (API / name).write_text(text)
            print(f"wrote src/boxship/api/{name}")


def stale(wanted: dict[str, str]) -> list[str]:
    """Names that differ between what is there and what should be."""
    there = present()
    return sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./dev gen", description="Write src/boxship/api from proto/.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something is stale")
    wanted = generate()
    if not parser.parse_args(arguments).check:
        write(wanted)
        return 0
    names = stale(wanted)
    there = present()
    for name in names:
        lines = difflib.unified_diff(
            there.get(name, "").splitlines(), wanted.get(name, "").splitlines(), f"{name} (there)", name, "", n=1
        )
        print("\n".join(line[:160] for line in lines))
    if names:
        print(f"stale in src/boxship/api: {', '.join(names)}; ./dev gen writes them", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
