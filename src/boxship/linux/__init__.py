"""The kernel: syscalls, mounts, namespaces, cgroups, capabilities, seccomp, pidfds, terminals.

Universal wrappers through ctypes, no policy: a function does one thing and raises `OSError` with the name of the
call and the path it was about, and with advice where the kernel refuses for a reason that a person can change.
Paths are `str`, open files are descriptors, flags are the kernel's own names.

Nobody above is known here. Everybody may enter; only light modules of the standard library are imported, since the
shim's template and the process that becomes a container's init carry all of this.
"""
