"""Messages of containerd's API, as protobuf classes.

One module per file under `proto/`; `./dev gen` writes them, nobody edits them. Only `pool` is written by hand.
Not here: meaning. What a message stands for is said in `wire`.
May enter: wire, proxies, services, shim, cri.
"""
