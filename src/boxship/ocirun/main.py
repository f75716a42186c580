"""`boxship-oci`: an OCI runtime with runc's command line.

What enters a container runs from a sealed copy of the interpreter in memory, so that `/proc/self/exe` is no way back
to the machine's (CVE-2019-5736); the first thing that happens is to start over from that copy.
"""

import os
import sys

# create, run and exec enter a container; nothing else needs the copy
_ENTERING = {"create", "run", "exec"}
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from boxship.ocirun import main; sys.exit(main.inner_main())"


def main() -> int:
    """The entry point: start over from the sealed copy where that matters, then run the command."""
    if _ENTERING.intersection(sys.argv[1:]) and "--dry-run" not in sys.argv:
        _start_over()
    return inner_main()


def _start_over() -> None:
    from boxship.linux import memfds

    try:
        own = os.open("/proc/self/exe", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if memfds.is_sealed(own):
                return
        finally:
            os.close(own)
        copy = memfds.sealed_copy("/proc/self/exe", "boxship-oci")
        packages = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        words = [sys.executable, "-I", "-S", "-c", _BOOT, packages, *sys.argv[1:]]
        os.execve(copy, words, {**os.environ})
    except OSError as failure:
        sys.stderr.write(f"boxship-oci: cannot run from a sealed copy of the interpreter: {failure}\n")
        sys.exit(1)


def inner_main() -> int:
    """Run the command of `sys.argv`; its exit status."""
    from boxship.ocirun import commandline

    return commandline.run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
