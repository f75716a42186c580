"""What the shim says to -info."""

import json

import pytest

from boxship.api import any_pb2, runc_options_pb2, types_pb2
from boxship.shim import information


def _options(binary: str) -> bytes:
    value = runc_options_pb2.Options(binary_name=binary).SerializeToString()
    return any_pb2.Any(type_url="containerd.runc.v1.Options", value=value).SerializeToString()


def test_of_our_own_runtime() -> None:
    info = types_pb2.RuntimeInfo.FromString(information.describe("1.2", b""))
    assert (info.name, info.version.version) == ("io.containerd.boxship.v1", "1.2")
    assert not info.HasField("options")
    assert "hooks" in json.loads(info.features.value)


def test_of_the_program_that_the_options_name(tmp_path) -> None:
    program = tmp_path / "crun"
    program.write_text('#!/bin/sh\ntest "$1" = features && echo \'{"ociVersionMin": "9"}\'\n')
    program.chmod(0o755)
    options = _options(str(program))
    info = types_pb2.RuntimeInfo.FromString(information.describe("1.2", options))
    assert info.options.SerializeToString() == options
    assert json.loads(info.features.value) == {"ociVersionMin": "9"}


def test_of_a_program_without_features(tmp_path) -> None:
    program = tmp_path / "old"
    program.write_text("#!/bin/sh\necho no such command\nexit 1\n")
    program.chmod(0o755)
    info = types_pb2.RuntimeInfo.FromString(information.describe("1.2", _options(str(program))))
    assert not info.HasField("features")


@pytest.mark.parametrize(
    ("binary", "reason"),
    [
        ("/missing/runc", "stat /missing/runc: no such file or directory"),
        ("no-such-runc", "executable file not found in [$]PATH"),
        ("/etc/passwd", "permission denied"),
    ],
)
def test_of_a_program_that_is_not_there(binary: str, reason: str) -> None:
    with pytest.raises(LookupError, match=f'failed to look up the path of "{binary}": exec: "{binary}": {reason}'):
        information.describe("1.2", _options(binary))
