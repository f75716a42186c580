"""What a runtime can, as its shim says when it is called with `-info` (containerd docs/runtime-v2.md)."""

import json
import subprocess
from collections.abc import Mapping, Sequence

from boxship.terms import errors

SECONDS = 30.0
_ANSWER_LIMIT = 1 << 20


def ask(shim: Sequence[str], options: bytes, environment: Mapping[str, str]) -> bytes:
    """An encoded containerd.types.RuntimeInfo.

    Args:
        shim: the words it is called with, without `-info`.
        options: the encoded Any of the runtime's options.
        environment: its variables.

    Raises:
        Unknown: it said nothing, as containerd words it.
    """
    command = [*shim, "-info"]
    what = f"failed to run [{' '.join(command)}]"
    try:
        done = subprocess.run(
            command, input=options, capture_output=True, timeout=SECONDS, check=False, env=environment, process_group=0
        )
    except subprocess.TimeoutExpired as error:
        raise errors.Unknown(f"{what}: no answer in {SECONDS:.0f} seconds") from error
    except OSError as error:
        raise errors.Unknown(f"{what}: {error.strerror}") from error
    if done.returncode:
        said = json.dumps(done.stderr[:_ANSWER_LIMIT].decode("utf-8", "replace"), ensure_ascii=False)
        raise errors.Unknown(f"{what}: exit status {done.returncode} (stderr: {said})")
    return done.stdout[:_ANSWER_LIMIT]
