import pytest

from boxship.api import cgroups_v1_pb2 as v1
from boxship.api import cgroups_v2_pb2 as v2
from boxship.core import metrics, tasks
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import metrics as wire


def metric(message, name):
    return tasks.Metric(id="x", timestamp=7, data=TypedBytes(type_url=name, value=message.SerializeToString()))


def test_version_one():
    found = v1.Metrics()
    found.cpu.usage.total = 5
    found.memory.usage.usage, found.memory.usage.limit, found.memory.total_inactive_file = 100, 0x7FFFFFFFFFFFF000, 30
    found.pids.current, found.pids.limit = 3, 9
    found.blkio.io_service_bytes_recursive.add(op="Read", value=10)
    found.blkio.io_service_bytes_recursive.add(op="Read", value=1)
    found.blkio.io_service_bytes_recursive.add(op="Write", value=20)
    found.blkio.io_service_bytes_recursive.add(op="Total", value=31)
    assert wire.stats(metric(found, "io.containerd.cgroups.v1.Metrics")) == metrics.Stats(
        timestamp=7, cpu=5, memory=70, memory_limit=0, pids=3, pids_limit=9, read=11, written=20
    )


def test_version_two():
    found = v2.Metrics()
    found.cpu.usage_usec = 5
    found.memory.usage, found.memory.usage_limit, found.memory.inactive_file = 100, 200, 300
    found.pids.current, found.pids.limit = 3, (1 << 64) - 1
    found.io.usage.add(rbytes=10, wbytes=20)
    assert wire.stats(metric(found, "type.googleapis.com/io.containerd.cgroups.v2.Metrics")) == metrics.Stats(
        timestamp=7, cpu=5000, memory=0, memory_limit=200, pids=3, pids_limit=0, read=10, written=20
    )


def test_what_is_not_understood():
    with pytest.raises(errors.NotImplemented):
        wire.stats(metric(v1.Metrics(), "some.other.Metrics"))
    with pytest.raises(errors.InvalidArgument):
        wire.stats(
            tasks.Metric(
                id="x", timestamp=7, data=TypedBytes(type_url="io.containerd.cgroups.v1.Metrics", value=b"\xff")
            )
        )
