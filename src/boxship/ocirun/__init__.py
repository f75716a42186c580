"""The OCI runtime: from a `config.json` and a root file system to a running process, and back to nothing.

It is used in two ways: in process by the shim, and as the command `boxship-oci`, which has runc's command line.
It knows neither the daemon nor containerd's words, imports `boxship.linux` and a light shelf of the standard library
only, and everything it needs inside a container is imported before the container's root is entered.

The API in process
------------------
The caller has ONE thread, is root (or holds CAP_SYS_ADMIN), and leaves the children it did not make alone: nothing
here reaps a process except the helpers that it started itself (hooks, short-lived stages). Whatever is returned as a
`pid` is a direct child of the caller; the caller waits for it with its `pidfd` (`os.waitid(os.P_PIDFD, …)`, readable
in `select`/`poll` when the process has ended). No SIGCHLD handler may call `waitpid(-1)` while a function of this room
runs. Calls block for the few milliseconds that the kernel needs (hooks: as long as they run).

    from boxship.ocirun import container, create, start, exec, kill, delete, update, errors

    box = create.create(
        spec,                        # dict: config.json as parsed
        id="c1", bundle="/path/of/bundle",
        rootfs=None,                 # str; default: spec["root"]["path"], relative to the bundle
        stdio=(0, 1, 2),             # descriptors that become the process's 0, 1, 2; ignored with process.terminal;
                                     #   they stay the caller's, who closes them
        preserve_fds=0,              # 3 … 3+n-1 of the caller pass into the container under the same numbers
        no_pivot=False, no_new_keyring=False, systemd_cgroup=False,
        seccomp_cache=None,          # folder (made 0700) where compiled filters are kept: 0.1 ms instead of 13
        warn=lambda text: None,      # told what was passed over (oom_score_adj, an unknown capability, …)
    ) -> container.Container         # raises errors.Fault; nothing is left behind then

    class container.Container:       # a created or running container, as its maker sees it
        id: str; bundle: str; rootfs: str; spec: dict
        pid: int; pidfd: int         # of init; pidfd is CLOEXEC and closed by delete()
        console: int | None          # the pty's master when process.terminal, the caller's to read, write and close
        cgroup: linux.cgroups.Cgroup
        created: int                 # ns since the epoch
        started: bool

    start.start(box)                 # releases execve, returns when it has happened; raises errors.Fault if it failed.
                                     # runs startContainer (inside) and poststart (outside) hooks
    process = exec.execute(
        box,                         # a Container, or exec.Target(id=…, pid=…, cgroup=…, spec=…) of a container not made here
        process,                     # dict: the OCI process object (args, env, cwd, user, capabilities, …)
        stdio=(0, 1, 2), preserve_fds=0, no_new_keyring=False, seccomp_cache=None, warn=lambda text: None,
    ) -> container.Process           # pid, pidfd, console as above; already executing; raises errors.Fault
    kill.kill(box, signal, everyone=False)      # everyone: each process of the cgroup; raises ProcessLookupError if gone
    kill.pause(box); kill.resume(box)           # freezer; raises errors.Fault (wrong state), OSError (did not stop)
    box.cgroup.pids() -> list[int]              # all processes, subgroups included
    box.cgroup.statistics() -> dict             # see linux.cgroups; {"version": 1 | 2, "pids": {…}, "cpu": {…}, …}
    box.cgroup.oom_watch() -> cgroups.OomWatch  # fileno() becomes readable; read() -> number of OOM kills since last read;
                                                #   close()
    update.update(box, resources)               # dict: the OCI LinuxResources object, only the given keys change
    delete.delete(box, force=False)             # after init has been reaped by the caller (force: kills it, reaps it);
                                     # kills what is left in the cgroup, removes it, runs poststop hooks,
                                     # closes pidfd; never the console, never the bundle. Does not fail half way:
                                     # raises errors.Fault at the end for what could not be removed
    container.state(box) -> dict     # the OCI state object {ociVersion, id, status, pid, bundle, annotations}
    tty.resize(fd, rows, columns)    # linux.tty

`statistics()` has containerd's shape of metrics: for version 1 the fields of `io.containerd.cgroups.v1.Metrics`
(hugetlb, pids, cpu{usage, throttling}, memory{cache, rss, …, usage{limit, usage, max, failcnt}, swap, kernel,
kernel_tcp}, blkio{io_service_bytes_recursive: [{op, device, major, minor, value}], …}, memory_oom_control), for
version 2 those of `io.containerd.cgroups.v2.Metrics` (pids, cpu, memory, rdma, io, hugetlb, memory_events), names in
snake case as in the messages, plain ints, lists and dicts; a controller that is missing has no key.

A caller that was started anew (or did not make the container) has `cgroups.find(paths)` from a noted
`dict(box.cgroup.paths)`, and makes a `container.Container(id=…, bundle=…, rootfs=…, spec=…, pid=…,
pidfd=os.pidfd_open(pid), cgroup=…, created=…, started=True)` of what it wrote down.

`errors.Fault` is what went wrong: `str()` is one line in runc's words, as clients show it
(`exec: "foo": executable file not found in $PATH`); `.step`, `.path`, `.errno` are its parts, `.advice` a sentence
for people or "". `errors.describe(fault, "create" | "exec" | "start")` is the whole line that containerd's clients show:
`OCI runtime create failed: runc create failed: unable to start container process: exec: …`.

`plan.build(spec, …)` is the list of operations that a container consists of, each with `describe()`; nothing touches
the kernel until they are executed.

Only the shim and the command `boxship-oci` enter here.
"""
