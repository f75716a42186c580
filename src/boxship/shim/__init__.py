"""The shim: the process that stays with a container, so that the daemon may come and go.

It serves containerd's task API (`containerd.task.v3.Task`, `…v2.Task`) over ttrpc on a socket of its own, makes the
container through `ocirun` in process or through a foreign OCI runtime's command line, carries its output, reaps its
processes, keeps their exit statuses until they are asked for, and tells the daemon what happened.

One thread and one loop (`loop`), no asyncio: a shim costs what it writes, and writes little. A host may run hundreds.
`run` is the process as the zygote forks it, `main` the command `containerd-shim-boxship-v1` as containerd calls it.

Imports `linux`, `ocirun`, `api`, `terms`, `rpc.ttrpc` and the light modules of `wire`; never `core`, HTTP/2, asyncio.
Only `daemon` names its entry points; nobody imports it.
"""
