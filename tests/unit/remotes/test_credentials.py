import base64
import json
import os
import signal
import time

import pytest

from boxship.remotes import credentials, keychains
from boxship.terms import errors


def config(tmp_path, **fields):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(fields))
    return credentials.DockerConfig(str(path), folders=[str(tmp_path)])


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def helper(tmp_path, script, name="test"):
    path = tmp_path / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_accounts_in_the_file(tmp_path):
    source = config(
        tmp_path, auths={"example.com:5000": {"auth": encoded("user:pass:word")}, "other": {"identitytoken": "T"}}
    )
    assert source.lookup("example.com:5000") == credentials.Credential(username="user", secret="pass:word")
    assert source.lookup("other") == credentials.Credential(identity_token="T")
    assert source.lookup("example.com") is None
    assert source.lookup("ample.com:5000") is None


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io"])
def test_docker_hub_has_several_names(tmp_path, key):
    assert config(tmp_path, auths={key: {"auth": encoded("u:p")}}).lookup("docker.io").secret == "p"


def test_old_entries_are_urls(tmp_path):
    source = config(
        tmp_path,
        auths={"https://example.com/v1/": {"auth": encoded("u:p")}, "example.org/team": {"auth": encoded("x:y")}},
    )
    assert source.lookup("example.com").secret == "p"
    assert source.lookup("example.org") is None


def test_no_file_is_nobody(tmp_path):
    assert credentials.DockerConfig(str(tmp_path / "none")).lookup("x") is None


def test_a_helper_is_asked(tmp_path):
    helper(
        tmp_path, 'read host; echo "{\\"ServerURL\\":\\"$host\\",\\"Username\\":\\"u\\",\\"Secret\\":\\"for $host\\"}"'
    )
    source = config(tmp_path, credsStore="test", auths={"example.com": {}})
    assert source.lookup("example.com") == credentials.Credential(username="u", secret="for example.com")
    assert source.lookup("docker.io").secret == "for https://index.docker.io/v1/"


def test_a_helper_can_give_an_identity_token(tmp_path):
    helper(tmp_path, 'echo \'{"Username":"<token>","Secret":"T"}\'')
    assert config(tmp_path, credHelpers={"a": "test"}).lookup("a") == credentials.Credential(identity_token="T")


def test_a_helper_for_one_host_goes_before_the_common_one(tmp_path):
    helper(tmp_path, 'echo \'{"Username":"common","Secret":"s"}\'', "common")
    helper(tmp_path, 'echo \'{"Username":"own","Secret":"s"}\'', "own")
    source = config(tmp_path, credsStore="common", credHelpers={"a": "own"})
    assert source.lookup("a").username == "own"
    assert source.lookup("b").username == "common"


def test_a_helper_that_knows_nobody(tmp_path):
    helper(tmp_path, "echo credentials not found in native keychain; exit 1")
    assert config(tmp_path, credsStore="test").lookup("a") is None


@pytest.mark.parametrize("script", ["echo SECRET; exit 1", "echo SECRET", "exec cat /dev/zero", "kill -9 $$"])
def test_a_helper_that_fails_is_no_reason_to_take_another_account(tmp_path, script):
    helper(tmp_path, script)
    source = config(tmp_path, credHelpers={"a": "test"}, auths={"a": {"auth": encoded("u:p")}})
    with pytest.raises(errors.FailedPrecondition) as caught:
        source.lookup("a")
    assert "SECRET" not in str(caught.value)


def test_a_helper_that_hangs_is_ended_with_its_children(tmp_path, monkeypatch):
    """The shell's child holds the output, and lives on when only the shell is killed."""
    monkeypatch.setattr(keychains, "PATIENCE", 0.3)
    helper(tmp_path, f"echo $$ > {tmp_path}/pid\nsleep 60\nsleep 60")
    begin = time.monotonic()
    with pytest.raises(errors.FailedPrecondition, match="did not answer"):
        config(tmp_path, credsStore="test").lookup("a")
    assert time.monotonic() - begin < 10
    group = int((tmp_path / "pid").read_text())
    while time.monotonic() - begin < 10 and _exists(group):
        time.sleep(0.01)
    assert not _exists(group)


def _exists(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_a_helper_leaves_behind_is_not_waited_for(tmp_path):
    helper(tmp_path, """sleep 60 & echo $! > $(dirname "$0")/pid; echo '{"Username":"u","Secret":"s"}'""")
    begin = time.monotonic()
    try:
        assert config(tmp_path, credsStore="test").lookup("a").username == "u"
        assert time.monotonic() - begin < 10
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("name", ["../../bin/sh", "a/b", "none-such", ""])
def test_only_helpers_with_a_plain_name_are_run(tmp_path, name):
    source = config(tmp_path, credHelpers={"a": name})
    if not name:
        assert source.lookup("a") is None
        return
    with pytest.raises(errors.FailedPrecondition, match=r"helper|docker-credential"):
        source.lookup("a")


@pytest.mark.parametrize(
    "text",
    [
        '{"auths":{"a":{"auth":"SECRET"}}}',
        '{"auths":{"a":{"auth":"U0VDUkVU"}}}',
        '{"auths": SECRET',
        '{"auths":1,"x":"SECRET"}',
        '{"auths":{"a":{"password":1}}}',
    ],
)
def test_a_broken_file_is_told_without_its_content(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(errors.FailedPrecondition) as caught:
        credentials.DockerConfig(str(path)).lookup("a")
    assert str(path) in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(errors.FailedPrecondition, match="regular"):
        credentials.DockerConfig(str(tmp_path / "config.json")).lookup("a")


def test_secrets_are_not_shown():
    shown = repr(credentials.Credential(username="u", secret="S1", identity_token="S2", registry_token="S3"))
    assert "u" in shown
    assert "S1" not in shown
    assert "S2" not in shown
    assert "S3" not in shown
    assert "S1" not in repr(credentials.Fixed({"h": credentials.Credential(secret="S1")}))
