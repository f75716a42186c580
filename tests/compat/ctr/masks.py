"""What legally differs between two runs of one command, hidden: times, pids, paths, counters."""

import re

from compat.ctr import steps

MASKS = [
    (re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\x00|\^@"), ""),  # a terminal's, and what a client asks of it
    (re.compile(r"[^\n]*DEPRECATION: The support for cgroup v1 [^\n]*\n"), ""),  # said of the machine
    (
        re.compile(
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+ ?(?:Z|[+-][0-9:]{4,5})?(?: UTC| [A-Z]{3,4})?(?: m=[+0-9.]+)?"
        ),
        "<TIME>",
    ),
    (re.compile(r"\b[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}\b"), "<TIME>"),  # of ls
    (re.compile(r"(?:[0-9]+ (?:seconds?|minutes?)|Less than a second|About a minute)(?: ago)?"), "<AGO>"),
    (re.compile(r"\b[0-9.]+ ?(?:ns|µs|ms|s|m)\b"), "<SPAN>"),
    (re.compile(r"elapsed: [0-9.]+ *<?[A-Za-z]*>?.*"), "<ELAPSED>"),
    (re.compile(r"total: .*"), "<TOTAL>"),
    (re.compile(r"\([0-9.]+ [KMG]?i?B/s\)"), "<SPEED>"),
    (re.compile(r"snapshots/[0-9]+/"), "snapshots/<N>/"),
    (re.compile(r"extract-[0-9]+-[A-Za-z0-9_-]+"), "<EXTRACT>"),
    (re.compile(r"containerd/fifo/[0-9]+/"), "containerd/fifo/<N>/"),
    (re.compile(r"(containerd-mount|checkpoint|edit-)[0-9]+"), r"\1<N>"),
    (re.compile(r"(<NAMESPACE>)/[0-9]+(?=/)"), r"\1/<N>"),  # a snapshotter's own count
]
PASSING = re.compile(r": (?:resolving|waiting|downloading|uploading|committing|unresolved)\b|<ELAPSED>")


def hide(text: str, step: steps.Step, *, home: str, namespace: str) -> str:
    """The text as it is compared; `home` and `namespace` are those of the daemon."""
    text = text.replace(home, "<HOME>").replace(namespace, "<NAMESPACE>")
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    for own in step.masks:
        text = re.sub(own, "<MASKED>", text)
    lines = [_sort_labels(re.sub(r"[ \t]+", " ", line).strip()) for line in re.split(r"[\r\n]+", text)]
    found = [line for line in lines if line and not any(re.search(pattern, line) for pattern in step.drops)]
    if step.progress:
        # what two downloads share is "done" for one and "exists" for the other
        found = sorted({line.replace(": exists |", ": done |") for line in found if not PASSING.search(line)})
    return "\n".join(sorted(found) if step.unordered else found)


def _sort_labels(line: str) -> str:
    """Go prints maps in any order."""
    words = line.split(" ")
    return " ".join(",".join(sorted(word.split(","))) if "," in word and "=" in word else word for word in words)
