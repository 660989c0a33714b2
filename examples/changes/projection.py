#!/usr/bin/env python3
"""A copy of a store in another database, right however often this program is killed.

    projection.py SOURCE TARGET STORE complete|compacted

SOURCE and TARGET are connection strings: of the store's database, and of the copy's. There it
fills three tables: "item" has what the store has; "log", if complete, each change since it
began; "position", how far it is. Whoever reads "item" leaves out what has expired.

What a page changes and the position are one transaction of TARGET, so each change takes effect
once. Complete, it pins what it has not read. It needs SELECT on the store and, for the pin,
EXECUTE on mvstore_pin. See doc/changes.md.
"""
import sys
import time
import psycopg

SOURCE, TARGET, STORE, PROMISE = sys.argv[1:]
COMPLETE = PROMISE == "complete"
NAME = f"projection of {STORE}"         # of the pin
PAGE = 100                              # rows

TABLES = """
    CREATE TABLE IF NOT EXISTS item (key text PRIMARY KEY, value text, expires_at timestamptz);
    CREATE TABLE IF NOT EXISTS log (version bigint, key text, value text, deleted boolean);
    CREATE TABLE IF NOT EXISTS position (version bigint, key text, began bigint);
    INSERT INTO position SELECT NULL, NULL, NULL WHERE NOT EXISTS (TABLE position)"""
PUT = """INSERT INTO item VALUES (%s, %s, %s)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"""


def begin(source, target):
    """Replace all that is there by what the store has as of one version."""
    if COMPLETE:                        # without a version: what is stable now, or later
        source.execute("SELECT mvstore_pin(%s, store => %s)", (NAME, STORE))
    with source.transaction():
        source.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        version, = source.execute("SELECT mvstore_stable_version()").fetchone()
        rows = source.execute("SELECT key, value, expires_at FROM mvstore_scan(%s, as_of => %s)",
                              (STORE, version)).fetchall()
    with target.transaction():
        target.execute("UPDATE position SET version = %s, key = NULL, began = %s", (version, version))
        target.execute("DELETE FROM item")
        target.execute("DELETE FROM log")
        target.cursor().executemany(PUT, rows)


def take_page(source, target):
    """Take over a page, and return the new position."""
    with target.transaction():
        # The lock also waits for a commit that a killed one of us may have left under way.
        version, key = target.execute("SELECT version, key FROM position FOR UPDATE").fetchone()
        stable, = source.execute("SELECT mvstore_stable_version()").fetchone()
        rows = source.execute("""SELECT version, key, value, expires_at, deleted
                                   FROM mvstore_changes(%s, %s, %s, %s, compacted => %s)""",
                              (STORE, version, key, PAGE, not COMPLETE)).fetchall()
        for version, key, value, expires_at, deleted in rows:
            if COMPLETE:
                target.execute("INSERT INTO log VALUES (%s, %s, %s, %s)", (version, key, value, deleted))
            if deleted:
                target.execute("DELETE FROM item WHERE key = %s", (key,))
            else:
                target.execute(PUT, (key, value, expires_at))
        if len(rows) < PAGE:            # nothing is left up to what was stable before
            version, key = max(version, stable), None
        target.execute("UPDATE position SET version = %s, key = %s", (version, key))
    if COMPLETE:                        # a key: more of this version is unread, maybe
        source.execute("SELECT mvstore_pin(%s, %s, store => %s)",
                       (NAME, version if key is None else version - 1, STORE))
    return version, key


with psycopg.connect(SOURCE, autocommit=True) as source, \
        psycopg.connect(TARGET, autocommit=True) as target:
    target.execute(TABLES)
    while True:
        try:
            if target.execute("SELECT version IS NULL FROM position").fetchone()[0]:
                begin(source, target)
            version, key = take_page(source, target)
            if key is None:
                source.execute("CALL mvstore_wait_changes(%s, %s, '10 s')", (STORE, version))
        except psycopg.Error as error:
            # Changes have gone unread, or the store went back to an earlier state.
            if error.sqlstate not in ("72000", "55000"):
                raise
            target.execute("UPDATE position SET version = NULL")
            time.sleep(0.1)             # a store emptied just now cannot be read yet
