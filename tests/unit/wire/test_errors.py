import logging

import pytest

from boxship.rpc import status
from boxship.rpc.status import Code
from boxship.terms import errors as classes
from boxship.wire import errors


@pytest.mark.parametrize("cls", classes.CLASSES)
@pytest.mark.parametrize("message", ['image "x"', "", "a: b"])
def test_every_class_survives_the_wire(cls, message):
    again = errors.from_status(errors.to_status(cls(message)))
    assert type(again) is cls
    assert str(again) == str(cls(message))


@pytest.mark.parametrize(
    ("exc", "code", "text"),
    [
        (classes.NotFound('image "x"'), Code.NOT_FOUND, 'image "x": not found'),
        (classes.NotFound("task x not found", whole=True), Code.NOT_FOUND, "task x not found"),
        (classes.Conflict("x"), Code.FAILED_PRECONDITION, "x: conflict"),
        (classes.NotModified(), Code.FAILED_PRECONDITION, "not modified"),
        (classes.NotImplemented("x"), Code.UNIMPLEMENTED, "x: not implemented"),
        (classes.Unknown("x"), Code.UNKNOWN, "x"),
    ],
)
def test_the_tail_travels(exc, code, text):
    ended = errors.to_status(exc)
    assert (ended.code, ended.message) == (code, text)


@pytest.mark.parametrize(
    ("code", "message", "cls", "text"),
    [
        (Code.NOT_FOUND, "gone", classes.NotFound, "gone: not found"),
        (
            Code.FAILED_PRECONDITION,
            "conflict of interests",
            classes.FailedPrecondition,
            "conflict of interests: failed precondition",
        ),
        (Code.FAILED_PRECONDITION, "x: conflict", classes.Conflict, "x: conflict"),
        (Code.FAILED_PRECONDITION, "conflict", classes.Conflict, "conflict"),
        (Code.UNKNOWN, "unexpected status 403", classes.Unknown, "unexpected status 403"),
    ],
)
def test_what_others_send(code, message, cls, text):
    found = errors.from_status(status.Status(code, message))
    assert type(found) is cls
    assert str(found) == text


def test_a_status_goes_out_as_it_is():
    chosen = status.Status(Code.ABORTED, "x")
    assert errors.to_status(chosen) is chosen


def test_a_fault_is_unknown_and_logged_with_its_place(caplog):
    with caplog.at_level(logging.ERROR):
        ended = errors.to_status(ZeroDivisionError("division by zero"))
    assert (ended.code, ended.message) == (Code.UNKNOWN, "division by zero")
    assert caplog.records[0].exc_info


def test_a_fault_without_words_gives_its_name():
    assert errors.to_status(RecursionError()).message == "RecursionError"
