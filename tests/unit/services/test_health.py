import threading

import pytest

from boxship.api import health_pb2 as pb
from boxship.rpc import calls
from boxship.services.health import HealthService
from boxship.terms import errors

SERVING = pb.HealthCheckResponse.SERVING
CALL = calls.Call(metadata={})


def test_the_server_serves_until_it_stops():
    health = HealthService()
    assert health.Check(pb.HealthCheckRequest(), CALL).status == SERVING
    assert health.List(pb.HealthListRequest(), CALL).statuses[""].status == SERVING
    health.stop()
    assert health.Check(pb.HealthCheckRequest(), CALL).status == pb.HealthCheckResponse.NOT_SERVING


def test_only_the_whole_is_known():
    with pytest.raises(errors.NotFound, match="unknown service"):
        HealthService().Check(pb.HealthCheckRequest(service="x"), CALL)


def test_a_watch_tells_the_state_and_its_changes():
    health = HealthService()
    watch = health.Watch(pb.HealthCheckRequest(), CALL)
    ready = threading.Event()
    watch.on_ready(ready.set)
    assert ready.is_set()
    assert watch.poll().status == SERVING
    assert watch.poll() is None
    ready.clear()
    health.stop()
    assert ready.is_set()
    assert watch.poll().status == pb.HealthCheckResponse.NOT_SERVING
    watch.close()
    health.stop()
    assert watch.poll() is None


def test_watching_what_is_unknown_says_so_and_stays():
    watch = HealthService().Watch(pb.HealthCheckRequest(service="x"), CALL)
    assert watch.poll().status == pb.HealthCheckResponse.SERVICE_UNKNOWN
    assert watch.poll() is None
