"""Our daemon under a sampler: `python bench/sampled.py REPORT [boxshipd's options]`.

A thread looks at all others every two milliseconds. The processor time that a thread has used since the last look
belongs to the function in which it is found; waiting costs nothing. When the daemon ends, REPORT says where the time
went.
"""

import collections
import os
import sys
import threading
import time
from types import CodeType, FrameType

INTERVAL = 0.002  # seconds
MOST = 30
Times = "collections.Counter[CodeType]"


class Sampler(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="sampler", daemon=True)
        self.own: Times = collections.Counter()
        self.total: Times = collections.Counter()
        self._used: dict[int, int] = {}

    def run(self) -> None:
        while True:
            time.sleep(INTERVAL)
            natives = {thread.ident: thread.native_id for thread in threading.enumerate() if thread is not self}
            for ident, frame in sys._current_frames().items():
                if (native := natives.get(ident)) is not None:
                    self._note(frame, self._since_last(native))

    def _since_last(self, native: int) -> int:
        """Nanoseconds on a processor (proc_pid_schedstat)."""
        try:
            with open(f"/proc/self/task/{native}/schedstat") as file:
                used = int(file.read().split()[0])
        except OSError:
            return 0
        before = self._used.get(native, used)
        self._used[native] = used
        return used - before

    def _note(self, frame: FrameType | None, used: int) -> None:
        if not used or frame is None:
            return
        self.own[frame.f_code] += used
        seen = set()
        while frame is not None:
            if frame.f_code not in seen:
                seen.add(frame.f_code)
                self.total[frame.f_code] += used
            frame = frame.f_back

    def report(self) -> str:
        whole = sum(self.own.values()) or 1
        lines = [f"{whole / 1e9:.2f} s of processor time in the daemon's threads"]
        for title, times in (("by the function itself", self.own), ("with what it calls", self.total)):
            lines += ["", f"{title}:"]
            lines += [f"{used / whole:6.1%}  {_name(code)}" for code, used in times.most_common(MOST)]
        return "\n".join(lines) + "\n"


def _name(code: CodeType) -> str:
    place = code.co_filename
    for folder in sorted(sys.path, key=len, reverse=True):
        if folder and place.startswith(f"{folder}{os.sep}"):
            place = place[len(folder) + 1 :]
            break
    return f"{code.co_qualname}  {place}:{code.co_firstlineno}"


def main() -> int:
    report, *options = sys.argv[1:]
    sampler = Sampler()
    sampler.start()
    from boxship.daemon import main as daemon

    try:
        return daemon.main(options)
    finally:
        with open(report, "w", encoding="utf-8") as file:
            file.write(sampler.report())


if __name__ == "__main__":
    sys.exit(main())
