"""Strangers call our server: h2spec, grpc-go's interop client, and Python's grpcio."""

import re
import subprocess

import pytest
from compat.rpc import conftest, interop

pytestmark = [pytest.mark.peer, pytest.mark.slow]

CASES = [
    *("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream"),
    *("timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response"),
    *("status_code_and_message", "special_status_message", "custom_metadata"),
    *("unimplemented_method", "unimplemented_service", "pick_first_unary"),
    *("rpc_soak", "channel_soak", "orca_per_rpc", "orca_oob"),
]
ORCA_POLICY = '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}'


@pytest.mark.parametrize("case", CASES)
def test_grpc_go_calls_us(port, case):
    program = conftest.find("grpc-interop-client", "interop_client")
    arguments = [program, "-server_host=127.0.0.1", f"-server_port={port}", f"-test_case={case}"]
    if case.startswith("orca"):
        arguments.append(f"-service_config_json={ORCA_POLICY}")
    if "soak" in case:
        arguments += ["-soak_iterations=20", "-soak_overall_timeout_seconds=20"]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]


def test_h2spec(port):
    program = conftest.find("h2spec")
    arguments = [program, "-h", "127.0.0.1", "-p", str(port), "-o", "2"]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=120)
    passed = re.search(r"(\d+) tests, (\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    assert int(passed[2]) >= 144, done.stdout[done.stdout.index("Failures:") :]


@pytest.fixture
def grpcio(port):
    grpc = pytest.importorskip("grpc")
    limits = [("grpc.max_receive_message_length", 17 << 20), ("grpc.max_send_message_length", 17 << 20)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=limits) as channel:
        yield channel


def test_grpcio_calls_us(grpcio):
    unary = grpcio.unary_unary(interop.UNARY.path)
    for size in (0, 1, 100_000, 15 << 20):
        request = interop.encode_simple(interop.Request(size=size, payload=bytes(size)))
        assert len(interop.decode_answer(unary(request))) == size


def test_grpcio_streams(grpcio):
    sizes = [31415, 9, 2653, 58979] * 50
    request = interop.encode_streaming(interop.Request(sizes=sizes))
    answers = grpcio.unary_stream(interop.OUTPUT.path)(request)
    assert [len(interop.decode_answer(answer)) for answer in answers] == sizes
    requests = (interop.encode_input(interop.Request(payload=bytes(size))) for size in sizes)
    assert interop.INPUT.decode_response(grpcio.stream_unary(interop.INPUT.path)(requests)) == sum(sizes)


def test_grpcio_hears_why(grpcio):
    import grpc

    request = interop.encode_simple(interop.Request(code=9, message="näher: 100%\n"))
    with pytest.raises(grpc.RpcError) as failure:
        grpcio.unary_unary(interop.UNARY.path)(request)
    assert failure.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.value.details() == "näher: 100%\n"


def test_grpcio_compresses_and_is_refused(grpcio):
    import grpc

    request = interop.encode_simple(interop.Request(payload=bytes(1000)))
    with pytest.raises(grpc.RpcError) as failure:
        grpcio.unary_unary(interop.UNARY.path)(request, compression=grpc.Compression.Gzip)
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
