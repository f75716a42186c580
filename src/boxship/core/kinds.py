"""The kinds of parts that a daemon is made of, by containerd's names for them, each with what its parts are.

A part of another distribution registers under one of these (see wiring.assembly.strangers).
"""

from collections.abc import Callable, Sequence
from typing import Any

from boxship.core import book, content, diff, events, gc, introspection, snapshots, tasks
from boxship.wiring.kinds import Kind

CONTENT = Kind[content.Store]("io.containerd.content.v1")
"""Blobs and ingests, of no namespace."""

SNAPSHOTTER = Kind[snapshots.Snapshotter]("io.containerd.snapshotter.v1")
"""File systems, of no namespace, under the part's name."""

METADATA = Kind[book.Books]("io.containerd.metadata.v1")
"""The namespaced book over content and snapshotters."""

GC = Kind[gc.Collector]("io.containerd.gc.v1")
EVENTS = Kind[events.Exchange]("io.containerd.event.v1")

DIFFER = Kind[Callable[[content.Store], diff.Service]]("io.containerd.differ.v1")
"""What applies and compares layers, given the content they are in."""

TASKS = Kind[Callable[[str], tasks.Manager]]("io.containerd.runtime.v2")
"""The tasks of a namespace, given its name."""

INTROSPECTION = Kind[introspection.Introspector]("io.containerd.service.v1")

GRPC = Kind[Sequence[Any]]("io.containerd.grpc.v1")
"""What answers over gRPC: handlers of rpc."""

TTRPC = Kind[Sequence[Any]]("io.containerd.ttrpc.v1")
"""What answers shims over ttrpc: handlers of rpc."""
