"""boxship beside the real containerd: each measure as a ratio of medians taken in turns.

    ./dev bench [--only SECTION,...] [--runs N] [--json FILE] [--peer COMMAND] [--ctr CLIENT]

Sections: run parallel memory content calls pull.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import measures
import places

from boxship.testing import machine, registry


def main() -> int:
    options = _options()
    missing = [name for name in (shlex.split(options.peer)[0], options.ctr) if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        print(f"this comparison needs root and {', '.join(missing) or 'root'}", file=sys.stderr)
        return 1
    found: dict[str, measures.Figures] = {}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(places.memory_disk())
        served = stack.enter_context(registry.Registry())
        served.push_image("bench/box", "1", [machine.layer()], {"Cmd": ["true"], "Env": ["PATH=/bin"]})
        image = f"{served.host}/bench/box:1"
        daemons = []
        for name, command in (("peer", options.peer), ("ours", options.ours)):
            daemons.append(places.Daemon(name, shlex.split(command), folder / name, options.ctr))
            stack.callback(daemons[-1].stop)
            daemons[-1].run("images", "pull", "--plain-http", image)
        for section in options.only.split(","):
            for measure, figures in measures.SECTIONS[section](daemons, image, options.runs):
                found[measure] = figures
                _print(measure, figures)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=1))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(measures.SECTIONS))
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", help="also write the figures to this file")
    parser.add_argument("--ours", default=f"{sys.executable} -m boxship.daemon.main")
    parser.add_argument("--peer", default="containerd")
    parser.add_argument("--ctr", default="ctr")
    options = parser.parse_args()
    unknown = set(options.only.split(",")) - set(measures.SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    return options


def _print(measure: str, figures: measures.Figures) -> None:
    ratio = figures["ours"] / figures["peer"]
    goal = measures.GOALS[measure]
    better = ratio >= goal if measure.endswith("/s") else ratio <= goal
    print(
        f"{measure:22} ours {figures['ours']:10.2f}  peer {figures['peer']:10.2f}  ratio {ratio:5.2f}"
        f"  goal {goal:4.2f} {'met' if better else 'not met'}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
