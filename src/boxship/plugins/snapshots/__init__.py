"""Snapshotters: file systems that build on each other.

`overlayfs` stacks folders with the kernel's overlay, `native` copies them whole and works anywhere. Both are a
`FolderSnapshotter` (`folders`), which keeps its records in a small database (`records`) and one numbered folder per
snapshot; `trees` measures, removes and copies what strangers have put into such folders.

Folders are named by number, never by a key. Nothing here mounts, except once to see whether overlay works.
"""
