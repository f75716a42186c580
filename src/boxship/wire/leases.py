"""Leases and what they hold."""

from boxship.api import leases_pb2 as pb
from boxship.core import leases
from boxship.wire import times


def message(lease: leases.Lease) -> pb.Lease:
    return pb.Lease(id=lease.id, created_at=times.message(lease.created_at), labels=lease.labels)


def value(message: pb.Lease) -> leases.Lease:
    return leases.Lease(id=message.id, created_at=times.value(message, "created_at"), labels=dict(message.labels))


def resource_message(resource: leases.Resource) -> pb.Resource:
    return pb.Resource(id=resource.id, type=resource.type)


def resource(message: pb.Resource) -> leases.Resource:
    return leases.Resource(id=message.id, type=message.type)
