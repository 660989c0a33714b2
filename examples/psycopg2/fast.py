#!/usr/bin/env python3
"""Many values at once with psycopg2, which has neither pipelines nor prepared statements
of its own: arrays, several statements at once, and PREPARE.

    fast.py [pooled]        pooled: through PgBouncer in transaction mode
"""
import sys
import psycopg2
from psycopg2.extras import execute_batch

ANY = b"\x00\xff\\x41"
POOLED = "pooled" in sys.argv[1:]

with psycopg2.connect("") as conn, conn.cursor() as cursor:     # one transaction
    cursor.execute("DROP TABLE IF EXISTS things")
    cursor.execute("SELECT mvstore_create('things')")

# A thousand values as one statement with two arrays.
keys, values = [f"m{i:03}" for i in range(1000)], [bytes([i % 256]) for i in range(1000)]
with conn, conn.cursor() as cursor:
    cursor.execute("SELECT mvstore_put_many_bytea('things', %s, %s)", (keys, values))
    version, = cursor.fetchone()
with conn, conn.cursor() as cursor:
    cursor.execute("SELECT * FROM mvstore_get_many_bytea('things', %s)", (keys,))
    assert [(k, v, bytes(x)) for k, v, x, _ in cursor] == [(k, version, x) for k, x in zip(keys, values)]

# execute_batch sends a hundred statements at a time; their results are not seen.
with conn, conn.cursor() as cursor:
    execute_batch(cursor, "SELECT mvstore_put_bytea('things', %s, %s)", zip(keys, reversed(values)))
with conn, conn.cursor() as cursor:
    cursor.execute("SELECT count(DISTINCT version), string_agg(value, '') FROM mvstore_scan_bytea('things')")
    versions, together = cursor.fetchone()
    assert versions == 1 and bytes(together) == b"".join(reversed(values))

# PREPARE names a statement of the session: a pooler in transaction mode gives the next
# transaction another session, so prepare there for one transaction.
with conn, conn.cursor() as cursor:
    cursor.execute("PREPARE put AS SELECT mvstore_put_bytea('things', $1, $2)")
    for i in range(10):
        cursor.execute("EXECUTE put (%s, %s)", (f"k{i}", ANY))
        assert cursor.fetchone()[0] > version
    if POOLED:
        cursor.execute("DEALLOCATE put")
with conn, conn.cursor() as cursor:
    if not POOLED:
        cursor.execute("EXECUTE put (%s, %s)", ("k10", ANY))
    cursor.execute("SELECT bool_and(value = %s), count(*) FROM mvstore_scan_bytea('things', 'k', 'l')", (ANY,))
    assert cursor.fetchone() == (True, 10 if POOLED else 11)
