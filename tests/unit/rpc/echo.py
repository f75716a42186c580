"""A service to be called in tests: its messages are bytes as they are."""

import concurrent.futures
import queue
import threading
import time

from boxship.rpc import methods, status


def method(name, *, requests=False, responses=False):
    return methods.Method(
        service="test.Echo",
        name=name,
        encode_request=bytes,
        decode_request=_decode,
        encode_response=bytes,
        decode_response=bytes,
        streams_requests=requests,
        streams_responses=responses,
    )


def _decode(message):
    if message == b"undecodable":
        raise ValueError("bad wire type")
    return message


QUICK, SLOW, SIZED = method("Quick"), method("Slow"), method("Sized")
FAIL, BREAK, FUTURE, WAIT, METADATA = (
    method("Fail"),
    method("Break"),
    method("Future"),
    method("Wait"),
    method("Metadata"),
)
COUNT, FLOOD, FEED = (method(name, responses=True) for name in ("Count", "Flood", "Feed"))
COLLECT = method("Collect", requests=True)
TALK = method("Talk", requests=True, responses=True)


class Feed:
    def __init__(self):
        self.items = queue.SimpleQueue()
        self.callback = None
        self.closed = threading.Event()

    def put(self, item):
        self.items.put(item)
        if self.callback is not None:
            self.callback()

    def poll(self):
        try:
            item = self.items.get_nowait()
        except queue.Empty:
            return None
        if item is StopIteration:
            raise StopIteration
        return item

    def on_ready(self, callback):
        self.callback = callback

    def close(self):
        self.closed.set()


class Echo:
    """The handlers, and what a test wants to know of them."""

    def __init__(self):
        self.canceled = threading.Semaphore(0)
        self.futures = queue.SimpleQueue()
        self.feeds = queue.SimpleQueue()
        self.closed = threading.Event()
        self.calls = queue.SimpleQueue()

    def handlers(self):
        quick = {"Quick", "Sized", "Fail", "Future", "Wait", "Feed", "Metadata"}
        listed = (QUICK, SLOW, SIZED, FAIL, BREAK, FUTURE, WAIT, METADATA, COUNT, FLOOD, FEED, COLLECT, TALK)
        return [
            methods.Handler(method=one, function=getattr(self, one.name), quick=one.name in quick) for one in listed
        ]

    def Quick(self, request, call):
        return request

    def Slow(self, request, call):
        return request

    def Sized(self, request, call):
        return bytes(int(request))

    def Fail(self, request, call):
        raise status.Status(status.Code.NOT_FOUND, "snapshot 'ü%': not found", b"\x08\x05")

    def Break(self, request, call):
        raise KeyError("within")

    def Future(self, request, call):
        future = concurrent.futures.Future()
        threading.Thread(target=future.set_result, args=(b"later " + request,)).start()
        return future

    def Wait(self, request, call):
        call.on_cancel(self.canceled.release)
        future = concurrent.futures.Future()
        self.futures.put(future)
        return future

    def Metadata(self, request, call):
        self.calls.put(call)
        call.initial_metadata = {"first": "one"}
        call.trailing_metadata = {"last-bin": b"\0\xff"}
        return request

    def Count(self, request, call):
        return (b"%d" % number for number in range(int(request)))

    def Flood(self, request, call):
        try:
            while True:
                yield bytes(100_000)
        finally:
            self.closed.set()

    def Feed(self, request, call):
        feed = Feed()
        self.feeds.put(feed)
        return feed

    def Collect(self, requests, call):
        return b"%d" % sum(len(request) for request in requests)

    def Talk(self, requests, call):
        try:
            for request in requests:
                if request == b"fail":
                    raise status.Status(status.Code.NOT_FOUND, "no words")
                yield b"you said " + request
                if request == b"enough":
                    return
        except status.Status:
            self.canceled.release()
            raise


def translate(failure):
    return status.Status(status.Code.UNKNOWN, f"{type(failure).__name__}")


def eventually(condition, seconds=10.0):
    """Poll a condition which another thread makes true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.001)
