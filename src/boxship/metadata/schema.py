"""The tables of the book and how older files become newer ones.

Labels are JSON objects in a column: a thing is one row, read in one step. Times are nanoseconds since the epoch.
`backend` columns name the thing in the content store or the snapshotter: `NAMESPACE/NUMBER/NAME`, with a number that
is never used twice, so that what is left over from a crash is never taken for something new.
"""

import sqlite3

from boxship.terms import errors

APPLICATION = 0x626F7873
"""SQLite's application_id of our files: "boxs"."""

_FIRST = """
CREATE TABLE namespaces (
    name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
    labels TEXT NOT NULL DEFAULT '{}' CHECK (json_type(labels) = 'object')
) STRICT, WITHOUT ROWID;

CREATE TABLE images (
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    name TEXT NOT NULL CHECK (name <> ''),
    media_type TEXT NOT NULL CHECK (media_type <> ''),
    digest TEXT NOT NULL CHECK (digest LIKE '_%:_%'),
    size INTEGER NOT NULL CHECK (size > 0),
    annotations TEXT NOT NULL DEFAULT '{}' CHECK (json_type(annotations) = 'object'),
    labels TEXT NOT NULL DEFAULT '{}' CHECK (json_type(labels) = 'object'),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE containers (
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    id TEXT NOT NULL CHECK (id <> ''),
    image TEXT NOT NULL,
    runtime TEXT NOT NULL CHECK (runtime <> ''),
    options_type TEXT,
    options BLOB,
    spec_type TEXT NOT NULL,
    spec BLOB NOT NULL,
    snapshotter TEXT NOT NULL,
    snapshot_key TEXT NOT NULL CHECK (snapshot_key = '' OR snapshotter <> ''),
    labels TEXT NOT NULL DEFAULT '{}' CHECK (json_type(labels) = 'object'),
    extensions TEXT NOT NULL DEFAULT '{}' CHECK (json_type(extensions) = 'object'),
    sandbox_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, id),
    CHECK ((options IS NULL) = (options_type IS NULL))
) STRICT;

CREATE TABLE blobs (
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    digest TEXT NOT NULL CHECK (digest LIKE '_%:_%'),
    size INTEGER NOT NULL CHECK (size >= 0),
    labels TEXT NOT NULL DEFAULT '{}' CHECK (json_type(labels) = 'object'),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX blobs_by_digest ON blobs (digest);

CREATE TABLE ingests (
    namespace TEXT NOT NULL REFERENCES namespaces (name) ON DELETE CASCADE,
    ref TEXT NOT NULL CHECK (ref <> ''),
    backend TEXT NOT NULL UNIQUE,
    expected TEXT NOT NULL DEFAULT '',
    expires_at INTEGER,
    PRIMARY KEY (namespace, ref)
) STRICT, WITHOUT ROWID;
CREATE INDEX ingests_by_expected ON ingests (expected) WHERE expected <> '';

CREATE TABLE snapshots (
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    snapshotter TEXT NOT NULL CHECK (snapshotter <> ''),
    key TEXT NOT NULL CHECK (key <> ''),
    backend TEXT NOT NULL,
    parent TEXT,
    labels TEXT NOT NULL DEFAULT '{}' CHECK (json_type(labels) = 'object'),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, snapshotter, key),
    FOREIGN KEY (namespace, snapshotter, parent) REFERENCES snapshots (namespace, snapshotter, key)
        DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshots_by_parent ON snapshots (namespace, snapshotter, parent) WHERE parent IS NOT NULL;
CREATE INDEX snapshots_by_backend ON snapshots (snapshotter, backend);

-- A commit on its way: written before the snapshotter is told, struck out with the change of the rows.
CREATE TABLE commits (
    namespace TEXT NOT NULL,
    snapshotter TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    backend TEXT NOT NULL,
    parent TEXT,
    labels TEXT NOT NULL DEFAULT '{}' CHECK (json_type(labels) = 'object'),
    lease TEXT NOT NULL,
    PRIMARY KEY (namespace, snapshotter, key),
    FOREIGN KEY (namespace, snapshotter, key) REFERENCES snapshots (namespace, snapshotter, key)
        ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    namespace TEXT NOT NULL REFERENCES namespaces (name) ON DELETE CASCADE,
    id TEXT NOT NULL CHECK (id <> ''),
    labels TEXT NOT NULL DEFAULT '{}' CHECK (json_type(labels) = 'object'),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE leased (
    namespace TEXT NOT NULL,
    lease TEXT NOT NULL,
    type TEXT NOT NULL CHECK (type IN ('content', 'images', 'ingests') OR type LIKE 'snapshots/_%'),
    id TEXT NOT NULL,
    PRIMARY KEY (namespace, lease, type, id),
    FOREIGN KEY (namespace, lease) REFERENCES leases (namespace, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE numbers (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO numbers VALUES ('backend', 0);
"""

MIGRATIONS: tuple[str, ...] = (_FIRST,)
"""Script N brings a file of version N to version N + 1; the version is SQLite's user_version. Only ever append."""


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> int:
    """Bring a file to the newest version, each step in a transaction of its own; the number of steps taken.

    Raises:
        FailedPrecondition: the file was written by a newer boxship, or by something else.
    """
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    found = version(connection)
    if application not in {0, APPLICATION} or (application == 0 and found):
        raise errors.FailedPrecondition("metadata database belongs to another program")
    if found > len(MIGRATIONS):
        raise errors.FailedPrecondition(
            f"metadata database has schema {found}, and this version knows {len(MIGRATIONS)}: start a newer boxshipd"
        )
    for number in range(found, len(MIGRATIONS)):
        connection.executescript(
            f"BEGIN IMMEDIATE; {MIGRATIONS[number]} PRAGMA application_id = {APPLICATION};"
            f" PRAGMA user_version = {number + 1}; COMMIT;"
        )
    return len(MIGRATIONS) - found
