"""`boxship.embed`: an engine inside this program, and the client of it."""

import contextlib
import os
import tempfile

from boxship.client import endpoints
from boxship.client._async import client as async_client
from boxship.client._sync import client
from boxship.core import namespaces
from boxship.daemon import engine


def embed(
    root: str | os.PathLike[str] | None = None,
    state: str | os.PathLike[str] | None = None,
    *,
    namespace: str = namespaces.DEFAULT,
) -> client.Client:
    """Run an engine in this program, without a daemon; closing the client ends it, and containers go on.

    Args:
        root: what lasts is kept here. Without it everything lies in a temporary folder that goes with the client.
        state: what is gone after a reboot; `root/state` without it.
        namespace: what the client is bound to.

    Raises:
        locks.Held: another engine has one of the folders.
    """
    there = _endpoint(root, state)
    try:
        return client.Client.open(there, namespace)
    except BaseException:
        there.let_go()
        raise


async def embed_async(
    root: str | os.PathLike[str] | None = None,
    state: str | os.PathLike[str] | None = None,
    *,
    namespace: str = namespaces.DEFAULT,
) -> async_client.AsyncClient:
    """`embed`, awaited. The engine itself works in threads."""
    there = _endpoint(root, state)
    try:
        return await async_client.AsyncClient.open(there, namespace)
    except BaseException:
        there.let_go()
        raise


def _endpoint(root: str | os.PathLike[str] | None, state: str | os.PathLike[str] | None) -> endpoints.Endpoint:
    with contextlib.ExitStack() as kept:
        if root is None:
            root = kept.enter_context(tempfile.TemporaryDirectory(prefix="boxship-"))
        made = engine.embed(root, state if state is not None else os.path.join(root, "state"))
        kept.callback(made.close)
        address = f"embedded:{os.path.abspath(root)}"
        return endpoints.Endpoint(address=address, dial=made.connect, let_go=kept.pop_all().close)
