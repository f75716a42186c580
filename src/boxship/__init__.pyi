"""What type checkers see of the package, which loads these names only when they are used."""

from boxship.client._async.client import AsyncClient as AsyncClient
from boxship.client._async.container import AsyncContainer as AsyncContainer
from boxship.client._async.opening import async_connect as connect_async
from boxship.client._async.processes import AsyncProcess as AsyncProcess
from boxship.client._sync.client import Client as Client
from boxship.client._sync.container import Container as Container
from boxship.client._sync.opening import connect as connect
from boxship.client._sync.processes import Process as Process
from boxship.client.results import Result as Result
from boxship.core.mounts import Mount as Mount
from boxship.daemon.embedding import embed as embed
from boxship.daemon.embedding import embed_async as embed_async
from boxship.plugins.transfer.progress import Progress as Progress
from boxship.terms import errors as errors

__version__: str
__all__ = [
    "AsyncClient",
    "AsyncContainer",
    "AsyncProcess",
    "Client",
    "Container",
    "Mount",
    "Process",
    "Progress",
    "Result",
    "__version__",
    "connect",
    "connect_async",
    "embed",
    "embed_async",
    "errors",
]
