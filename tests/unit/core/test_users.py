"""USER of an image, after the published tables of the CVEs that got it wrong."""

import pytest

from boxship.core import specs, users
from boxship.terms import errors

PASSWD = b"""root:x:0:0:root:/root:/bin/sh
daemon:x:1:1::/:/bin/false
app:x:1000:1001:an app:/home/app:/bin/sh
odd:x:99999999999:0::/:/bin/sh
99999999999999999999:x:0:0::/:/bin/sh
1234:x:0:0::/:/bin/sh
broken
"""
GROUP = b"root:x:0:root\nwheel:x:10:root,app\napp:x:1001:\nmany:x:20:app,\n"


@pytest.mark.parametrize(
    ("text", "uid", "gid", "extra"),
    [
        ("", 0, 0, (0, 10)),
        ("root", 0, 0, (0, 10)),
        ("app", 1000, 1001, (10, 20, 1001)),
        ("1000", 1000, 1001, (10, 20, 1001)),
        ("app:wheel", 1000, 10, (10,)),
        ("app:7", 1000, 7, (7,)),
        ("5:wheel", 5, 10, (10,)),
        ("4242", 4242, 0, (0,)),
        ("1234", 1234, 0, (0,)),
        (":wheel", 0, 10, (10,)),
        ("1:", 1, 1, (1,)),
    ],
)
def test_users_become_numbers(text: str, uid: int, gid: int, extra: tuple[int, ...]) -> None:
    assert users.resolve(text, PASSWD, GROUP) == specs.User(uid=uid, gid=gid, additional_gids=extra)


@pytest.mark.parametrize(
    "text",
    ["2147483648", "4294967295", "4294967296:0", "99999999999999999999", "0:4294967296", "nobody", "app:none", "odd"],
)
def test_nothing_turns_into_root_by_accident(text: str) -> None:
    with pytest.raises(errors.InvalidArgument):
        users.resolve(text, PASSWD, GROUP)


def test_without_files_numbers_still_work() -> None:
    assert users.resolve("7:8") == specs.User(uid=7, gid=8, additional_gids=(8,))
