"""What every test is subject to."""

import os
import signal

import hypothesis
import pytest

# The same examples each time, however long each takes: whether a change is well must not hang on luck or on the
# machine's mood. `pytest --hypothesis-profile=wandering` looks for new ones.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.register_profile("wandering", deadline=None, print_blob=True)
hypothesis.settings.load_profile("steady")

# Whoever starts us in the background may have it ignored, and what we start would ignore it as well.
signal.signal(signal.SIGINT, signal.default_int_handler)

_FORKING = ("tests/unit/linux", "tests/integration/ocirun", "tests/integration/unified")


def pytest_collection_modifyitems(items):
    # Some fork this process without executing anything, and must come before there are threads in it: a lock that
    # another thread holds or asks for at that moment, the interpreter's for one, is never free again in the child.
    items.sort(key=lambda item: not item.nodeid.startswith(_FORKING))
    if os.geteuid() == 0:
        return
    skip = pytest.mark.skip(reason="needs root")
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(skip)
