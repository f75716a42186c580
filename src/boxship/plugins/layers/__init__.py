"""Layers: archives into files, and the difference of two file systems into an archive.

`differ` is the door (core.diff). The work itself is done in a process of its own, forked by the zygote with limits on
memory, time and descriptors, since archives come from strangers and parsing them would hold the daemon's interpreter:
`worker` is its entry point. In there `applying` writes files below one folder and nowhere else, `comparing` walks two
trees, `codecs` inflates, `compressors` deflate, `streams` lets inflating and hashing overlap with writing, `flushing` lets
the disk.

Nothing here mounts, except `targets` for mounts that cannot be written directly.
"""
