"""A server of its own process, so that its memory can be looked at: `python flooded.py SOCKET`."""

import socket
import sys
import threading

from unit.rpc import echo

from boxship.rpc import server

if __name__ == "__main__":
    sys.setswitchinterval(0.0002)
    serving = server.Server(echo.Echo().handlers(), translate=echo.translate)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(128)
    serving.serve(listener, protocol="grpc")
    print("listening", flush=True)
    threading.Event().wait()
