import json
import os

import pytest

from boxship.client import wishes
from boxship.core import mounts, specs
from boxship.linux import capabilities
from boxship.terms import errors, oci, platforms


def config(**told):
    return oci.ImageConfig(platform=platforms.default(), diff_ids=(), **told)


def spec(wished=None, args=("true",), **told):
    return wishes.spec("space", "box", config(**told), args, wished or {}, None)


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "args", "wished", "runs"),
    [
        (("a",), ("b",), None, None, ["a", "b"]),
        (("a",), ("b",), ["c"], None, ["a", "c"]),
        (("a",), ("b",), None, ["d"], ["d"]),
        (("a",), ("b",), ["c"], ["d"], ["d", "c"]),
        (("a",), ("b",), ["c"], [], ["c"]),
        ((), ("b",), None, None, ["b"]),
        ((), (), ["c"], None, ["c"]),
    ],
)
def test_what_runs_is_settled_as_docker_does(entrypoint, cmd, args, wished, runs):
    assert wishes.command(config(entrypoint=entrypoint, cmd=cmd), args, wished) == runs


def test_nothing_to_run_is_refused():
    with pytest.raises(errors.InvalidArgument, match="no command"):
        spec(args=None)


def test_the_callers_environment_goes_before_the_images():
    made = spec({"env": ["A=mine", "GONE"]}, env=("A=theirs", "B=theirs", "GONE=x"))
    assert made["process"]["env"] == [specs.PATH, "A=mine", "B=theirs"]
    assert spec({"env": {"A": "b=c"}})["process"]["env"] == [specs.PATH, "A=b=c"]


@pytest.mark.parametrize(
    ("told", "wished", "found"), [("", "", "/"), ("app", "", "/app"), ("/a", "", "/a"), ("/a", "/b", "/b")]
)
def test_the_working_folder(told, wished, found):
    assert spec({"cwd": wished}, working_dir=told)["process"]["cwd"] == found


def test_confined_by_default():
    made = spec()
    assert made["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert made["process"]["noNewPrivileges"] is True
    assert made["process"]["capabilities"]["bounding"] == list(specs.CAPABILITIES)
    assert {"type": "network"} in made["linux"]["namespaces"]
    assert made["hostname"] == "box"


def test_security_options(tmp_path):
    assert "seccomp" not in spec({"security_opt": ["seccomp=unconfined"]})["linux"]
    assert spec({"security_opt": ["no-new-privileges=false"]})["process"]["noNewPrivileges"] is False
    assert spec({"security_opt": ["no-new-privileges:true"]})["process"]["noNewPrivileges"] is True
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_LOG"}))
    assert spec({"security_opt": [f"seccomp={profile}"]})["linux"]["seccomp"] == {"defaultAction": "SCMP_ACT_LOG"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_LOG", "archMap": []}))
    for bad in (
        f"seccomp={profile}",
        f"seccomp={tmp_path}/none",
        "label=disable",
        "no-new-privileges=maybe",
        "seccomp",
    ):
        with pytest.raises(errors.InvalidArgument):
            spec({"security_opt": [bad]})


def test_privileged_is_everything_and_not_confined(monkeypatch):
    monkeypatch.setattr(capabilities, "bounding", lambda: ~0)
    made = spec({"privileged": True})
    assert made["process"]["capabilities"]["bounding"] == list(specs.ALL_CAPABILITIES)
    assert "seccomp" not in made["linux"]
    assert all(each["path"].startswith("/dev/") for each in made["linux"]["devices"])
    assert "/dev/null" not in [each["path"] for each in made["linux"]["devices"]]


def test_nobody_gets_what_the_machine_does_not_give(monkeypatch):
    monkeypatch.setattr(capabilities, "bounding", lambda: ~(1 << capabilities.BITS["CAP_SYS_RESOURCE"]))
    for wished in ({"privileged": True}, {"cap_add": ["ALL"]}):
        found = spec(wished)["process"]["capabilities"]["bounding"]
        assert set(specs.ALL_CAPABILITIES) - set(found) == {"CAP_SYS_RESOURCE"}
    assert "CAP_SYS_RESOURCE" in spec({"cap_add": ["SYS_RESOURCE"]})["process"]["capabilities"]["bounding"]


def test_capabilities_change_what_the_filter_allows():
    def allowed(made):
        return {name for rule in made["linux"]["seccomp"]["syscalls"] for name in rule["names"]
                if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")}  # fmt: skip

    assert "mount" not in allowed(spec())
    assert "mount" in allowed(spec({"cap_add": ["SYS_ADMIN"]}))


def test_the_hosts_network_brings_its_names():
    made = spec({"network": "host"})
    assert {"type": "network"} not in made["linux"]["namespaces"]
    files = {path for path in ("/etc/hosts", "/etc/resolv.conf") if os.path.exists(path)}
    assert files <= {each["destination"] for each in made["mounts"]}
    with pytest.raises(errors.InvalidArgument, match="bridge"):
        spec({"network": "bridge"})


def test_limits_and_root():
    made = spec({"memory": 8 << 20, "cpus": 1.5, "pids_limit": 7, "read_only": True})
    resources = made["linux"]["resources"]
    assert (resources["memory"], resources["pids"]) == ({"limit": 8 << 20}, {"limit": 7})
    assert resources["cpu"] == {"quota": 150_000, "period": 100_000}
    assert made["root"]["readonly"] is True


def test_limits_that_are_none():
    resources = spec({"memory": 0, "cpus": 0.0, "pids_limit": 0})["linux"]["resources"]
    assert "memory" not in resources
    assert "cpu" not in resources
    assert resources["pids"] == {"limit": -1}


@pytest.mark.parametrize("wished", [{"memory": 1 << 20}, {"memory": -1}, {"cpus": -1.0}, {"cpus": 0.001}])
def test_limits_with_which_nothing_runs(wished):
    with pytest.raises(errors.InvalidArgument):
        spec(wished)


def test_the_size_of_a_terminal():
    assert spec({"terminal": True, "console_size": (97, 31)})["process"]["consoleSize"] == {"width": 97, "height": 31}
    assert "consoleSize" not in spec({"console_size": (97, 31)})["process"]


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/a:/b", mounts.Mount(type="bind", source="/a", target="/b", options=("rbind", "rw"))),
        ("/a:/b:ro", mounts.Mount(type="bind", source="/a", target="/b", options=("rbind", "ro"))),
        ("/a:/b:ro,rslave", mounts.Mount(type="bind", source="/a", target="/b", options=("rbind", "ro", "rslave"))),
    ],
)
def test_volumes(text, mount):
    assert wishes.volume(text) == mount


@pytest.mark.parametrize("text", ["/a", "a:/b", "/a:b", "/a:/b:ro:x", ""])
def test_what_is_no_volume(text):
    with pytest.raises(errors.InvalidArgument):
        wishes.volume(text)


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("type=bind,src=/a,dst=/b,options=rbind:ro", ("bind", "/a", "/b", ("rbind", "ro"))),
        ("src=/a,target=/b,readonly", ("bind", "/a", "/b", ("rbind", "ro"))),
        ("src=/a,target=/b,ro=false", ("bind", "/a", "/b", ("rbind",))),
        ("type=tmpfs,destination=/t,options=size=1m", ("tmpfs", "tmpfs", "/t", ("size=1m",))),
    ],
)
def test_mounts(text, mount):
    found = wishes.mount_of(text)
    assert (found.type, found.source, found.target, found.options) == mount


@pytest.mark.parametrize("text", ["", "type=bind,src=/a", "dst=/b,colour=red", "src"])
def test_what_is_no_mount(text):
    with pytest.raises(errors.InvalidArgument):
        wishes.mount_of(text)


def test_an_exec_is_another_process_of_the_same_container(monkeypatch):
    made = spec({"terminal": True, "env": ["A=b"]}, args=["sh"])
    wishes.change_for_exec(made, ["id"], env=["C=d"], cwd="/tmp", terminal=False, privileged=False)
    process = made["process"]
    assert (process["args"], process["cwd"], process["terminal"]) == (["id"], "/tmp", False)
    assert {"A=b", "C=d"} <= set(process["env"])
    assert process["capabilities"]["bounding"] == list(specs.CAPABILITIES)
    monkeypatch.setattr(capabilities, "bounding", lambda: ~0)
    wishes.change_for_exec(made, ["id"], env=[], cwd="", terminal=False, privileged=True)
    assert process["capabilities"]["bounding"] == list(specs.ALL_CAPABILITIES)


def test_slips_that_python_would_let_pass():
    with pytest.raises(TypeError, match="no option 'memroy'"):
        spec({"memroy": 5})
    with pytest.raises(TypeError, match="memory must be a number, not '64m'"):
        spec({"memory": "64m"})
    for args in ("echo hi", b"echo", ["echo", 5]):
        with pytest.raises(TypeError, match="must be a sequence of strings"):
            spec(args=args)
    with pytest.raises(TypeError, match="env must be"):
        spec({"env": "A=b"})


def test_environments_and_mounts_as_people_write_them():
    made = spec({"env": {"A": "b", "PATH": None, "N": "5"}, "mounts": ["/here:/there:ro"]})
    assert {"A=b", "N=5"} <= set(made["process"]["env"])
    assert not any(each.startswith("PATH=") for each in made["process"]["env"])
    (mount,) = [each for each in made["mounts"] if each["destination"] == "/there"]
    assert (mount["source"], mount["options"]) == ("/here", ["rbind", "ro"])
