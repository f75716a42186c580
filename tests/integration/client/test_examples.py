"""Every example does what it says."""

import asyncio
import importlib.util
import pathlib

import pytest
from integration.client import pictures

import boxship
from boxship.testing import registry

pytestmark = [pytest.mark.root, pytest.mark.slow]

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "examples"
SAID = {
    "run": ["hello from box", "oops", "exit status: 3", "good morning from user 1000"],
    "pull": ["unpacking", "is sha256:", "it would run ['echo', 'from the image']"],
    "exec": ["inside: THROUGH STANDARD INPUT", "exit status of false: 1", "['serving', 'leaving']"],
    "events": ["/tasks/start", "'exit_status': 7", "/containers/delete"],
    "content": ["read back: b'some bytes", "mount: "],
    "async_many": ["11 squared is 121, exit status 11"],
    "embed": ["engine in embedded:", "no daemon needed"],
}


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def image():
    with registry.Registry() as made:
        yield pictures.push(made, config={"Cmd": ["echo", "from the image"]})


def test_every_example_is_tried():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SAID)


@pytest.mark.parametrize("name", sorted(SAID))
def test_an_example(name, image, tmp_path, capsys):
    main = load(name).main

    async def awaited():
        async with await boxship.embed_async(tmp_path) as client:
            await main(client, image)

    if name.startswith("async"):
        asyncio.run(awaited())
    elif name == "embed":
        main(image)
    else:
        with boxship.embed(tmp_path) as client:
            main(client, image)
    said = capsys.readouterr().out
    for words in SAID[name]:
        assert words in said
