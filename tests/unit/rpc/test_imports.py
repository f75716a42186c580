import subprocess
import sys

import pytest

HEAVY = ["asyncio", "boxship.rpc.http2", "hpack", "ssl", "logging", "concurrent.futures"]


@pytest.mark.parametrize("module", ["boxship.rpc.ttrpc.server", "boxship.rpc.ttrpc.client"])
def test_the_shim_s_half_stays_light(module):
    source = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", source],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.split() == []
