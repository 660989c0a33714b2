#!/usr/bin/env python3
"""A cache of a store in memory, kept right by the changes, compacted.

    cache.py SOURCE STORE               SOURCE: a connection string

Reads lines "key" or "key version" and answers each with the value as JSON. With a version, such as
mvstore_put returned to somebody, the answer is at least as new. Keys have no blanks here.

It needs SELECT on the store, and nothing else on the server: who is late gets the newest entry
of each key that has changed; who is too late begins anew. See doc/changes.md.
"""
import datetime
import json
import sys
import threading
import time
import psycopg

BEGIN_ANEW = ("72000", "55000")         # keys went unseen; the store is at an earlier state


class Cache:
    def __init__(self, source, store):
        self.source, self.store = source, store
        self.entries = {}               # key: (value, expires_at)
        self.version = None             # what this is the state of; None: nothing yet
        self.changed = threading.Condition()
        threading.Thread(target=self.run, daemon=True).start()

    def get(self, key, version=0, timeout=30):
        """The value, None if there is none, as of the version or a later one."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.version is not None and self.version >= version, timeout):
                raise TimeoutError(f"the cache is behind version {version}")
            value, expires_at = self.entries.get(key, (None, None))
        # Nobody tells that an entry expires: it says when.
        return None if expires_at and expires_at <= datetime.datetime.now(datetime.timezone.utc) else value

    def run(self):
        """Follow the store. While the server is away, the cache stays as it is, and then goes on."""
        while True:
            try:
                with psycopg.connect(self.source, autocommit=True) as conn:
                    while True:
                        self.advance(conn)
            except psycopg.Error as error:
                if error.sqlstate in BEGIN_ANEW:
                    with self.changed:
                        self.version = None     # who reads waits
                time.sleep(0.1)

    def advance(self, conn):
        """Wait for changes, and take over all there are: so readers see whole transactions."""
        if self.version is None:
            self.begin(conn)
            return
        conn.execute("CALL mvstore_wait_changes(%s, %s, '10 s')", (self.store, self.version))
        stable, = conn.execute("SELECT mvstore_stable_version()").fetchone()
        rows = conn.execute("""SELECT version, key, value, expires_at, deleted
                                 FROM mvstore_changes(%s, %s, compacted => true)""",
                            (self.store, self.version)).fetchall()
        with self.changed:
            for _, key, value, expires_at, deleted in rows:
                self.entries[key] = (value, expires_at)
                if deleted:
                    del self.entries[key]
            # The changes go up to what was stable before they were asked for, or further.
            self.version = max([stable, self.version] + [row[0] for row in rows])
            self.changed.notify_all()

    def begin(self, conn):
        """Take the whole store, as of one version."""
        with conn.transaction():
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            version, = conn.execute("SELECT mvstore_stable_version()").fetchone()
            rows = conn.execute("SELECT key, value, expires_at FROM mvstore_scan(%s, as_of => %s)",
                                (self.store, version)).fetchall()
        with self.changed:
            self.entries = {key: (value, expires_at) for key, value, expires_at in rows}
            self.version = version
            self.changed.notify_all()


if __name__ == "__main__":
    cache = Cache(*sys.argv[1:])
    for line in sys.stdin:
        key, _, version = line.strip().partition(" ")
        print(json.dumps(cache.get(key, int(version or 0))), flush=True)
