"""The way in: `boxship.connect`."""

from typing import TYPE_CHECKING

from boxship.client import endpoints
from boxship.client._async import client
from boxship.core import namespaces

if TYPE_CHECKING:
    import ssl


async def async_connect(
    address: str | None = None,
    *,
    namespace: str = namespaces.DEFAULT,
    timeout: float = 10.0,  # noqa: ASYNC109 - it is also the socket's
    tls: "ssl.SSLContext | None" = None,
) -> client.AsyncClient:
    """Connect to a daemon: boxshipd, or any containerd from 1.6 on.

    Args:
        address: "unix:///path", "/path" or "tcp://host:port"; boxshipd's usual socket without it.
        namespace: what the client is bound to.
        timeout: seconds to wait for the connection.
        tls: for tcp, with the client's certificate.

    Raises:
        Unavailable: nobody answers there.
        PermissionDenied: the socket is for others.
        InvalidArgument: no such address.
    """
    there = endpoints.Endpoint(address=address or endpoints.DEFAULT_ADDRESS, timeout=timeout, tls=tls)
    return await client.AsyncClient.open(there, namespace)
