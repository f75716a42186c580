"""Tasks: the manager of shims.

`service` is the whole: the tasks of all namespaces, and each namespace's `core.tasks.Manager` (`manager`). A task is a
bundle on disk (`bundles`) and a shim that runs it (`shims`): our own, forked by the zygote (`own`), or a foreign one,
started by its binary (`foreign`). Shims outlive the daemon: `recovery` finds them again.

Knows core, proxies, zygote, linux and terms. The daemon builds it and hands in the containers' book, the events'
publisher and the zygote.
"""
