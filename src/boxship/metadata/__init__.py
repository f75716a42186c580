"""The namespaced book: what every client stored, kept in one SQLite file, and the mark and sweep over it.

Here keys get their namespace, leases get their members and labels get their meaning. Bytes and file systems are kept
by the content store and the snapshotters, which are handed in as core Protocols and never seen by a client directly.
The daemon enters, and tests.
"""
