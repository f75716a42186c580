"""Moving images: from a registry into content and snapshots (pull, unpack), and out again (push).

Works on core Protocols only, so it runs in the daemon on the stores themselves and in a client on proxies.
It never parses names of hosts and holds no credentials: registries do (core.registries).
"""
