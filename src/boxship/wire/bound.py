"""Which book a call is about: the namespace, and the lease, that its headers name."""

from boxship.core import book
from boxship.rpc import calls
from boxship.wire import headers


def to_book(books: book.Books, call: calls.Call) -> book.Book:
    """Raises FailedPrecondition without a namespace; InvalidArgument for one that is no identifier."""
    return books.namespace(headers.namespace(call.metadata), headers.lease(call.metadata))
