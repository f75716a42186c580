from boxship.rpc import methods


class Adapter:
    @methods.quick
    def Get(self, request, call):
        return request

    def Wait(self, request, call):
        return request


def test_a_mark_is_seen_through_a_bound_method():
    adapter = Adapter()
    assert (methods.is_quick(adapter.Get), methods.is_quick(adapter.Wait)) == (True, False)


def test_a_path():
    method = methods.Method(
        service="a.v1.B",
        name="C",
        encode_request=bytes,
        decode_request=bytes,
        encode_response=bytes,
        decode_response=bytes,
    )
    assert method.path == "/a.v1.B/C"
