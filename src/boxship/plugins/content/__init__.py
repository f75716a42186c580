"""Blobs on a file system, in containerd's layout, durable before anybody is told that they exist.

`store` is the whole, `writer` one ingest being written, `ingests` what lies in the folder of an ingest, `timestamps`
how Go writes times. Labels are not kept here: they belong to namespaces, which the book keeps.
"""
