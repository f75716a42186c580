"""Whatever arrives: no undeclared exception, no endless memory."""

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.rpc import echo
from unit.rpc.http2 import playbook

from boxship.rpc import exchanges, running
from boxship.rpc.grpc import client, heads, server
from boxship.rpc.http2 import frames
from boxship.rpc.ttrpc import calling, session

ROUTES = exchanges.Routes({handler.method.path: running.Route(handler) for handler in echo.Echo().handlers()})
FRAME = st.one_of(
    st.builds(
        frames.frame,
        st.integers(0, 11),
        st.integers(0, 255),
        st.integers(0, 9),
        st.one_of(
            st.binary(max_size=40), st.just(playbook.REQUEST), st.just(playbook.RESPONSE), st.just(playbook.TRAILERS)
        ),
    ),
    st.binary(max_size=30),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAME, max_size=15))
def test_a_server_survives_any_frames(pieces):
    serving = server.Session(heads.Heads(ROUTES))
    serving.receive(frames.PREFACE + frames.settings({}), 0.0)
    for piece in pieces:
        serving.receive(piece, 0.0)
        serving.resume()
    playbook.cut(serving.take())


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAME, max_size=15))
def test_a_client_survives_any_frames(pieces):
    calls = client.Session()
    calls.receive(frames.settings({}), 0.0)
    for _ in range(3):
        calls.start("/s/M", [], b"x")
    for piece in pieces:
        calls.receive(piece, 0.0)
        calls.resume()
    assert calls.take()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_ttrpc_survives_any_bytes(pieces):
    serving, calls = session.Session(ROUTES), calling.Session()
    for piece in pieces:
        serving.receive(piece, 0.0)
        calls.receive(piece, 0.0)
    assert serving.connection.reader.missing >= 0
