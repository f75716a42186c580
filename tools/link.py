"""Put the checkout itself into the environment that runs this: its sources on the path, its commands in bin.

What an editable install would do, without the build.
"""

import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

COMMAND = """#!{python}
import sys

from {module} import {function}

sys.exit({function}())
"""


def main() -> None:
    site, bin = Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("scripts"))
    (site / "boxship.pth").write_text(f"{ROOT / 'src'}\n")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, target in project["scripts"].items():
        module, function = target.split(":")
        command = bin / name
        command.write_text(COMMAND.format(python=sys.executable, module=module, function=function))
        command.chmod(0o755)


if __name__ == "__main__":
    main()
