"""What type checkers see of the package, which loads these names only when they are used."""

from boxship.client._async.opening import async_connect as connect_async
from boxship.client._sync.opening import connect as connect
from boxship.daemon.embedding import embed as embed
from boxship.daemon.embedding import embed_async as embed_async

__version__: str
__all__ = ["__version__", "connect", "connect_async", "embed", "embed_async"]
