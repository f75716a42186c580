import pytest

from boxship.terms import errors
from boxship.wire import headers


def test_the_first_value_wins():
    assert headers.namespace({"containerd-namespace": ("one", "two")}) == "one"
    assert headers.lease({"containerd-lease": ("l",)}) == "l"
    assert headers.lease({}) == ""


def test_shims_have_a_header_of_their_own():
    assert headers.namespace({"containerd-namespace-ttrpc": ("one",)}) == "one"


@pytest.mark.parametrize("metadata", [{}, {"containerd-namespace": ()}, {"containerd-namespace": ("",)}])
def test_a_namespace_is_required(metadata):
    with pytest.raises(errors.FailedPrecondition) as raised:
        headers.namespace(metadata)
    assert str(raised.value) == "namespace is required: failed precondition"


def test_a_namespace_is_an_identifier():
    with pytest.raises(errors.InvalidArgument, match=r'^namespace validation: identifier "a b" must match'):
        headers.namespace({"containerd-namespace": ("a b",)})


def test_what_is_bound_is_understood():
    bound = {key: (value,) for key, value in headers.bound("n", "l").items()}
    assert (headers.namespace(bound), headers.lease(bound)) == ("n", "l")
    assert headers.LEASE not in headers.bound("n")
