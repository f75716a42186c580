import pytest

from boxship.wiring import assembly, graph, parts
from boxship.wiring.kinds import Kind

ENGINE = Kind[str]("test.engine")
WHEEL = Kind[str]("test.wheel")
CAR = Kind[str]("test.car")
GIVEN = Kind[int]("test.given")


class Closable:
    def __init__(self, name, log):
        self.name, self.log = name, log

    def close(self):
        self.log.append(self.name)
        if self.name == "broken":
            raise RuntimeError("does not close")


def make(value):
    return lambda _config, _needs: value


def assembled(*registrations, **more):
    """An assembly of registrations that need no module."""

    class Ready:
        def __init__(self, registration):
            self.registration = registration
            self.kind, self.name, self.uri = registration.kind.uri, registration.name, registration.uri
            self.where = "here"

        def load(self):
            if self.registration.make is None:
                raise ImportError("no module named nothing")
            return self.registration

    return assembly.assemble([Ready(each) for each in registrations], **more)


def state(found, uri):
    return next((part.state, part.reason) for part in found.tried if part.uri == uri)


def test_what_is_required_comes_first():
    car = parts.Registration(
        kind=CAR,
        name="a",
        requires=(WHEEL, ENGINE),
        make=lambda _, needs: needs.one(ENGINE) + ",".join(needs.all(WHEEL)),
    )
    found = assembled(
        car,
        parts.Registration(kind=WHEEL, name="left", make=make("l")),
        parts.Registration(kind=WHEEL, name="right", make=make("r")),
        parts.Registration(kind=ENGINE, name="e", make=make("vroom:")),
    )
    assert [part.name for part in found.tried] == ["left", "right", "e", "a"]
    assert found.one(CAR) == "vroom:left,right"


def test_a_loop_is_walked():
    with pytest.raises(graph.Loop, match=r"test.car.a requires test.wheel.w requires test.car.a"):
        assembled(
            parts.Registration(kind=CAR, name="a", requires=(WHEEL,), make=make("")),
            parts.Registration(kind=WHEEL, name="w", requires=(CAR,), make=make("")),
        )


def test_a_part_that_fails_leaves_the_others_and_its_reason():
    def fail(_config, _needs):
        raise ValueError("no fuel")

    found = assembled(
        parts.Registration(kind=ENGINE, name="e", make=fail),
        parts.Registration(kind=WHEEL, name="w", make=make("w")),
        parts.Registration(kind=CAR, name="a", requires=(ENGINE,), make=lambda _, needs: needs.one(ENGINE)),
    )
    assert found.all(WHEEL) == {"w": "w"}
    assert state(found, "test.engine.e") == (parts.State.FAILED, "no fuel")
    assert state(found, "test.car.a") == (parts.State.FAILED, "no part of kind test.engine is there (e: no fuel)")


def test_a_part_may_skip_itself():
    def skip(_config, _needs):
        raise parts.Skip("not on this road")

    found = assembled(parts.Registration(kind=ENGINE, name="e", make=skip))
    assert state(found, "test.engine.e") == (parts.State.SKIPPED, "not on this road")


def test_what_cannot_be_imported_says_so():
    found = assembled(parts.Registration(kind=ENGINE, name="e", make=None))
    assert state(found, "test.engine.e") == (
        parts.State.FAILED,
        "here cannot be imported: no module named nothing",
    )


def test_what_is_disabled_is_not_there():
    found = assembled(
        parts.Registration(kind=ENGINE, name="e", make=make("x")), disabled=lambda uri: uri == "test.engine.e"
    )
    assert found.tried == ()
    with pytest.raises(parts.Missing):
        found.one(ENGINE)


def test_only_what_is_required_may_be_asked_for():
    found = assembled(
        parts.Registration(kind=ENGINE, name="e", make=make("x")),
        parts.Registration(kind=CAR, name="a", make=lambda _, needs: needs.one(ENGINE)),
    )
    assert "not among that" in state(found, "test.car.a")[1]


def test_what_is_given_is_there():
    given = parts.Part(kind=GIVEN.uri, name="g", state=parts.State.MADE, value=7)
    found = assembled(
        parts.Registration(kind=CAR, name="a", requires=(GIVEN,), make=lambda _, needs: str(needs.one(GIVEN))),
        given=[given],
    )
    assert found.one(CAR) == "7"


def test_parts_tell_of_themselves():
    def tell(_config, needs):
        needs.tell(parts.About(exports={"root": "/x"}, capabilities=("fast",)))
        return ""

    found = assembled(parts.Registration(kind=CAR, name="a", make=tell))
    assert found.tried[0].about == parts.About(exports={"root": "/x"}, capabilities=("fast",))


def test_closing_goes_backwards_and_on():
    log = []
    found = assembled(
        *(
            parts.Registration(kind=WHEEL, name=name, make=make(Closable(name, log)))
            for name in ("one", "broken", "two")
        )
    )
    found.close()
    assert log == ["two", "broken", "one"]


def test_builtins_are_dotted_strings():
    builtin = parts.Builtin("io.containerd.content.v1", "content", "boxship.daemon.parts.content:REGISTRATION")
    assert builtin.load().uri == builtin.uri == "io.containerd.content.v1.content"
