"""Registries: resolving names, fetching and pushing content, and the archives that carry images without a registry.

    hosts        which servers answer for a name (hosts.toml), in which order, over which TLS
    credentials  who we are there (Docker's config.json and its helpers)
    auth         challenges and tokens
    transport    one HTTP request: connections, redirects, limits, retries; urls says where nobody may send us
    registry     Registry(hosts.Hosts(...), credentials).resolve/fetch/push, the Protocols of core.registries
    archives     import and export of OCI layouts and `docker save` archives

Every byte that comes from a registry is bounded here and verified by who stores it. Importing these modules is cheap:
urllib3 and ssl come with the first request. Who may enter: daemon, cli, client, testing.
"""
