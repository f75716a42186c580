"""boxship beside the real containerd on this machine, in one run: `./dev bench`.

Both daemons get the same configuration, a root each on an ext4 in memory, and the same client, ctr. Their runs
alternate, so that a machine whose speed drifts drifts for both. Printed are medians, their ratio, and the goal.
Without containerd only our own figures are shown. Needs root and the programs ctr and mkfs.ext4.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import sys

import daemons
import disk
import pictures
import profiles
import sections

HERE = pathlib.Path(__file__).parent
OURS = f"{sys.executable} -m boxship.daemon.main"


def main() -> int:
    options = _parse()
    for program in ("ctr", "mkfs.ext4"):
        if shutil.which(program) is None:
            print(f"{program} is not installed: apt-get install containerd e2fsprogs", file=sys.stderr)
            return 1
    if os.geteuid() != 0:
        print("measuring containers needs root", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that all is taken away
    try:
        with disk.in_memory() as work:
            return _profile(options, work) if options.profile else _compare(options, work)
    except daemons.Failed as failure:
        print(failure, file=sys.stderr)
        return 1


def _compare(options: argparse.Namespace, work: pathlib.Path) -> int:
    found: list[sections.Figure] = []
    commands = {"ours": options.ours}
    if shutil.which(options.peer.split()[0]):
        commands["peer"] = options.peer
    else:
        print(f"{options.peer} is not installed: our own figures only")
    try:
        with _setting(options, work, commands, options.only) as setting:
            for name in options.only:
                for figure in sections.SECTIONS[name](setting):
                    found.append(figure)
                    print(_line(figure), flush=True)
    finally:
        if options.json:
            told = [{**dataclasses.asdict(each), "ratio": each.ratio, "met": each.met} for each in found]
            pathlib.Path(options.json).write_text(json.dumps(told, indent=1) + "\n")
    return 0


def _profile(options: argparse.Namespace, work: pathlib.Path) -> int:
    report = work / "report"
    commands = {"ours": f"{sys.executable} {HERE / 'sampled.py'} {report}"}
    with _setting(options, work, commands, [options.profile]) as setting:
        said = profiles.of(
            setting.both[0].process.pid,
            lambda: print(*map(_line, sections.SECTIONS[options.profile](setting)), sep="\n"),
        )
    print(f"(the sampler slows the daemon down)\n\n{said}\n\n{report.read_text()}")
    return 0


@contextlib.contextmanager
def _setting(options, work, commands, wanted):
    """Daemons that run and have the small image."""
    with contextlib.ExitStack() as ends:
        host = ends.enter_context(pictures.served(work / "registry", big="pull" in wanted))
        both = []
        for name, command in commands.items():
            both.append(daemons.Daemon(name, command, work / name))
            ends.callback(both[-1].stop)
        setting = sections.Setting(both=both, work=work, host=host, runs=options.runs)
        for daemon in both:
            daemon.ctr("images", "pull", "--plain-http", setting.small)
        yield setting


def _line(figure: sections.Figure) -> str:
    line = f"{figure.measure:22} ours {figure.ours:10.2f} {figure.unit:6}"
    if figure.ratio is None:
        return line
    sign = ">=" if figure.unit.endswith("/s") else "<="
    verdict = "met" if figure.met else "falls short"
    return f"{line} peer {figure.peer:10.2f} {figure.unit:6} ratio {figure.ratio:6.2f}  goal {sign} {figure.goal:<4} {verdict}"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ",".join(sections.SECTIONS)
    parser.add_argument("--only", default=names, metavar="SECTION,...", type=_sections, help=f"of {names}")
    parser.add_argument(
        "--profile", choices=sections.SECTIONS, help="say where the time of one section goes, on our side"
    )
    parser.add_argument("-n", "--runs", type=int, default=15, help="of what is quick (default 15)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures there")
    parser.add_argument("--ours", default=OURS, metavar="COMMAND", help="another daemon of ours; -c CONFIG is appended")
    parser.add_argument("--peer", default="containerd", metavar="COMMAND", help="whom to compare with")
    return parser.parse_args()


def _sections(text: str) -> list[str]:
    wanted = text.split(",")
    for name in wanted:
        if name not in sections.SECTIONS:
            raise argparse.ArgumentTypeError(f"there is no section {name!r}")
    return wanted


if __name__ == "__main__":
    sys.exit(main())
