"""The same commands against both daemons, as a table: what is equal, what differs, and why.

    ./dev exec python tests/compat/ctr/compare.py [--client 1.6|2.3] [--only GROUP] [--verbose]

Each client meets boxshipd and the daemon of its own age: Debian's ctr 1.6.20 boxshipd and containerd 1.6.20; ctr 2.3.4
boxshipd and containerd 2.3.4, both from the folder $BOXSHIP_PEERS or ~/.cache/boxship/peers (`./dev peers` fills it).

The commands are the lines of `commands/*.txt`. Equal means: same exit code, same output and same error text once times,
pids and paths are masked. What differs is run again, slowly, and counts when it differs again. A difference that is
meant is excused by a reason below its command; a reason is outdated, and counts as a difference, when nothing differs.

For each client this prints every difference in full; what is excused, by reason; a table of groups with their number of
commands, how many are the same, excused and different; and how much of ctr, by its own --help, was used. It ends with
status 1 when anything differs. Needs root; leaves nothing behind.
"""

import argparse
import pathlib
import sys

if not __package__:  # run as a program
    sys.path[0] = str(pathlib.Path(__file__).parents[2])

from compat.ctr import report, session, steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", choices=(steps.OLD, steps.NEW), help="this client alone; without it, both")
    parser.add_argument("--only", default="", metavar="GROUP", help="the groups in whose name this word is")
    parser.add_argument("--verbose", action="store_true", help="show what is the same, and what is excused in full")
    options = parser.parse_args()
    failed = False
    for client in [options.client] if options.client else [steps.OLD, steps.NEW]:
        if absent := session.missing(client):
            print(f"ctr {client} is left out: there is no {', no '.join(absent)}", file=sys.stderr)
            failed = True
            continue
        comparison = session.compare(client, options.only)
        report.tell(comparison, verbose=options.verbose)
        failed |= any(result.bad for result in comparison.results)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
