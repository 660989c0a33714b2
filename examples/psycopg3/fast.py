#!/usr/bin/env python3
"""Prepared statements, pipelines and binary format with psycopg 3.

    fast.py [pooled]        pooled: through PgBouncer in transaction mode
"""
import sys
import psycopg

POOLED = "pooled" in sys.argv[1:]
ANY = b"\x00\xff\\x41"
PUT = "SELECT mvstore_put_bytea('things', %s, %s)"
GET = "SELECT mvstore_get_bytea('things', %s)"

# A pooler in transaction mode gives each transaction any of its server connections, and
# a statement prepared on one is not there on the others: no prepare_threshold then.
with psycopg.connect(autocommit=True, prepare_threshold=None if POOLED else 5) as conn:
    conn.execute("DROP TABLE IF EXISTS things")
    conn.execute("SELECT mvstore_create('things')")

    # Prepared at the first call; without prepare=True, at the sixth of the same text.
    for i in range(10):
        conn.execute(PUT, (f"k{i}", ANY), prepare=None if POOLED else True)
        assert conn.execute(GET, (f"k{i}",)).fetchone()[0] == ANY
    if not POOLED:
        prepared = conn.execute("SELECT statement FROM pg_prepared_statements").fetchall()
        assert len(prepared) == 2, prepared

    # A pipeline: a thousand puts, sent without waiting for answers, one transaction and
    # so one version.
    with conn.pipeline(), conn.transaction():
        cursors = [conn.execute(PUT, (f"p{i:03}", bytes([i % 256]))) for i in range(1000)]
        versions = {cursor.fetchone()[0] for cursor in cursors}
    assert len(versions) == 1, versions
    version = versions.pop()
    rows = conn.execute("""SELECT key, version, value
                             FROM mvstore_scan_bytea('things', from_key := %s)""", ["p"]).fetchall()
    assert rows == [(f"p{i:03}", version, bytes([i % 256])) for i in range(1000)]

    # The same as one statement: an array costs less than a pipeline.
    keys, values = [f"m{i:03}" for i in range(1000)], [bytes([i % 256]) for i in range(1000)]
    conn.execute("SELECT mvstore_put_many_bytea('things', %s, %s)", (keys, values))
    got = conn.execute("SELECT key, value FROM mvstore_get_many_bytea('things', %s)", (keys,)).fetchall()
    assert got == list(zip(keys, values))

    # A past state for a whole transaction: set for it alone, as a pooler wants.
    with conn.transaction():
        conn.execute("SELECT set_config('mvstore.as_of', %s, true)", (str(version),))
        assert conn.execute("SELECT count(*) FROM mvstore_scan_bytea('things', 'm')").fetchone()[0] == 1000
    assert conn.execute("SELECT count(*) FROM mvstore_scan_bytea('things', 'm')").fetchone()[0] == 2000

    # Binary results, and binary parameters (%b): no text form of bytea on the way.
    with conn.cursor(binary=True) as cursor:
        cursor.execute("SELECT mvstore_put_bytea('things', %b, %b)", ("binary", ANY))
        assert cursor.execute(GET, ("binary",)).fetchone()[0] == ANY
        cursor.execute("SELECT mvstore_put_many('things', %b, %b)", (["a", "b"], ["x", None]))
        assert cursor.execute("SELECT mvstore_get('things', %b)", ("a",)).fetchone()[0] == "x"
