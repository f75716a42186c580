"""boxship: a container runtime that speaks containerd's API, written in Python.

    with boxship.connect() as client:
        print(client.containers.run("alpine", ["echo", "hello"]).output)

`connect` talks to a daemon, `embed` runs one inside the program; `connect_async` and `embed_async` are their awaited
halves. What goes wrong is one of `boxship.errors`. `Client` and its parts are here for annotations. This package
imports nothing by itself, so that every command loads only what it uses; the types are in `__init__.pyi`.
"""

__version__ = "0.1.0"
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

_PUBLIC = {
    "AsyncClient": "boxship.client._async.client:AsyncClient",
    "AsyncContainer": "boxship.client._async.container:AsyncContainer",
    "AsyncProcess": "boxship.client._async.processes:AsyncProcess",
    "Client": "boxship.client._sync.client:Client",
    "Container": "boxship.client._sync.container:Container",
    "Mount": "boxship.core.mounts:Mount",
    "Process": "boxship.client._sync.processes:Process",
    "Progress": "boxship.plugins.transfer.progress:Progress",
    "Result": "boxship.client.results:Result",
    "connect": "boxship.client._sync.opening:connect",
    "connect_async": "boxship.client._async.opening:async_connect",
    "embed": "boxship.daemon.embedding:embed",
    "embed_async": "boxship.daemon.embedding:embed_async",
    "errors": "boxship.terms.errors:",
}


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'boxship' has no attribute {name!r}")
    import importlib

    module, _, attribute = _PUBLIC[name].partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    return __all__
