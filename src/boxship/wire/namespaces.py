"""Namespaces."""

from boxship.api import namespaces_pb2 as pb
from boxship.core import namespaces


def message(info: namespaces.Info) -> pb.Namespace:
    return pb.Namespace(name=info.name, labels=info.labels)


def value(message: pb.Namespace) -> namespaces.Info:
    return namespaces.Info(name=message.name, labels=dict(message.labels))
