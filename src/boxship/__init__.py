"""boxship: a container runtime that speaks containerd's API, written in Python.

    with boxship.connect() as client:
        print(client.containers.run("alpine", ["echo", "hello"]).output)

`connect` talks to a daemon, `embed` runs one inside the program; `connect_async` and `embed_async` are their awaited
halves. This package imports nothing by itself, so that every command loads only what it uses; their types are in
`__init__.pyi`.
"""

__version__ = "0.1.0"
__all__ = ["__version__", "connect", "connect_async", "embed", "embed_async"]

_PUBLIC = {
    "connect": ("boxship.client._sync.opening", "connect"),
    "connect_async": ("boxship.client._async.opening", "async_connect"),
    "embed": ("boxship.daemon.embedding", "embed"),
    "embed_async": ("boxship.daemon.embedding", "embed_async"),
}


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'boxship' has no attribute {name!r}")
    import importlib

    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(module), attribute)
