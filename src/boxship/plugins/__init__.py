"""Implementations of the core's Protocols on disks, mounts and processes: one room each, which never meet.

content     blobs on a file system
snapshots   file systems that build on each other: overlayfs, native
layers      archives into files and files into archives

A room is built by the daemon from its Registration, knows core, terms and linux, and no other room of this floor.
"""
