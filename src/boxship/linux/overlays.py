"""Overlay mounts whose options do not fit into the page that mount(2) gives them.

Linux 6.7 takes the layers one by one (`lowerdir+`); before, they are shortened to the names of descriptors, which
overlay resolves while it mounts.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from boxship.linux import mountfds, mountflags

_VALUE_LIMIT = 255  # fsconfig(2) takes strings of less than 256 bytes


def lower_folders(value: str) -> Iterator[tuple[str, bool]]:
    r"""The folders of a `lowerdir=` with whether each holds data only; `\:` is a colon, `::` comes before data."""
    current: list[str] = []
    data_only = False
    position = 0
    while position < len(value):
        letter = value[position]
        if letter == "\\" and position + 1 < len(value):
            position += 1
            current.append(value[position])
        elif letter == ":":
            if current:
                yield "".join(current), data_only
            else:
                data_only = True
            current = []
        else:
            current.append(letter)
        position += 1
    if current:
        yield "".join(current), data_only


def _split(data: str) -> list[str]:
    parts: list[str] = []
    for part in data.split(","):
        # a comma in a path comes escaped
        if parts and parts[-1].endswith("\\"):
            parts[-1] = parts[-1][:-1] + "," + part
        else:
            parts.append(part)
    return parts


def mount_by_parts(source: str, target: str, flags: int, data: str) -> None:
    """Mount an overlay layer by layer; raises OSError, EINVAL where the kernel has no `lowerdir+`."""
    options = [option.partition("=") for option in _split(data)]
    with ExitStack() as stack:
        context = stack.enter_context(mountfds.closing(mountfds.fsopen("overlay")))
        mountfds.set_string(context, "source", source)
        for key, equals, value in options:
            if key == "lowerdir":
                for path, data_only in lower_folders(value):
                    name = "datadir+" if data_only else "lowerdir+"
                    mountfds.set_string(context, name, _short(stack, path))
            elif not equals:
                mountfds.set_flag(context, key)
            else:
                mountfds.set_string(context, key, _short(stack, value))
        if flags & mountflags.MS_RDONLY:
            mountfds.set_flag(context, "ro")
        mountfds.create(context)
        made = stack.enter_context(mountfds.closing(mountfds.fsmount(context, mountfds.attributes(flags))))
        mountfds.move_to_path(made, target)


def _short(stack: ExitStack, path: str) -> str:
    if len(os.fsencode(path)) <= _VALUE_LIMIT or not path.startswith("/"):
        return path
    return _descriptor_name(stack, path)


def _descriptor_name(stack: ExitStack, path: str) -> str:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    return f"/proc/self/fd/{descriptor}"


@contextmanager
def shortened(data: str) -> Iterator[str]:
    """`data` with its lower folders named by descriptors, which stay open while the context does."""
    with ExitStack() as stack:
        words: list[str] = []
        for option in _split(data):
            key, equals, value = option.partition("=")
            if key == "lowerdir":
                value = ":".join(_descriptor_name(stack, path) for path, _ in lower_folders(value))
            words.append(key + equals + value)
        yield ",".join(words)
