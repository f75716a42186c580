"""What a container of yesterday knows."""

from boxship.shim import containers, loop, stdio


class Runtime:
    shares_pids = True
    cgroup = None

    def restore(self, state):
        pass


class Children:
    def __init__(self):
        self.watched = []

    def watch(self, pid, ended):
        self.watched.append(pid)


def process(id, pid, status=2):
    names = {"stdin": "", "stdout": "", "stderr": "", "terminal": False}
    said = {"id": id, "names": names, "streams": None, "pid": pid, "status": status}
    return {**said, "exit_status": 0, "exited_at": None}


def restored(init_exit):
    plan = {"id": "c", "bundle": "/none", "mounted": False}
    children = Children()
    made = containers.Container(
        plan,
        events=loop.Loop(),
        children=children,
        runtime=Runtime(),
        owner=stdio.Owner(id="c", namespace="tests"),
        ended=lambda _container, _process: None,
    )
    execs = [process("running", 11), process("ended", 12, status=3), process("to be started", 0, status=1)]
    state = {"plan": plan, "init": process("", 10), "init_exit": init_exit, "execs": execs}
    made.restore({**state, "specs": {}, "oom": None, "runtime": {}})
    return children.watched


def test_who_runs_is_watched():
    assert restored(None) == [10, 11]


def test_an_init_that_has_ended_before_its_execs_is_not_watched_again():
    # its number may be another's by now
    assert restored([3, 1]) == [11]
