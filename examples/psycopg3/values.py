#!/usr/bin/env python3
"""mvstore with psycopg 3: str to the plain functions, bytes to ..._bytea and ..._raw.

    values.py [pooled]      pooled: through PgBouncer in transaction mode

Where the server is comes from PGHOST, PGDATABASE, ..., as for psql.
"""
import datetime
import sys
import psycopg

ANY = b"\x00\xff\\x41"                  # no text in any encoding

POOLED = "pooled" in sys.argv[1:]       # no statements are prepared then

with psycopg.connect(autocommit=True, prepare_threshold=None if POOLED else 5) as conn:
    def one(query, *args):              # the first column of the only row
        return conn.execute(query, args).fetchone()[0]

    def rows(query, *args):
        return conn.execute(query, args).fetchall()

    conn.execute("DROP TABLE IF EXISTS things")
    one("SELECT mvstore_create('things')")

    # Text, and what is not there.
    v1 = one("SELECT mvstore_put('things', %s, %s)", "apple", "größer")
    assert one("SELECT mvstore_get('things', %s)", "apple") == "größer"
    assert one("SELECT mvstore_get('things', %s)", "pear") is None

    # Bytes under a text key, and under a key of bytes.
    one("SELECT mvstore_put_bytea('things', %s, %s)", "blob", ANY)
    assert one("SELECT mvstore_get_bytea('things', %s)", "blob") == ANY
    one("SELECT mvstore_put_raw(%s, %s, %s)", "things", ANY, b"")
    assert one("SELECT mvstore_get_raw('things', %s)", ANY) == b""

    # Arguments by name; None is "not given" where the function has a default.
    day = datetime.timedelta(days=1)
    one("SELECT mvstore_put('things', %s, %s, ttl := %s)", "apple", "red", day)
    one("SELECT mvstore_put('things', %s, %s, ttl := %s)", "apple", "ripe", None)
    assert one("SELECT mvstore_get('things', %s, as_of := %s)", "apple", v1) == "größer"

    # history: the newest first; a value of None is a tombstone.
    one("SELECT mvstore_delete('things', %s)", "apple")
    history = rows("SELECT * FROM mvstore_history('things', %s)", "apple")
    assert [h[1] for h in history] == [None, "ripe", "red", "größer"]
    assert history[2][2] > datetime.datetime.now(datetime.timezone.utc) and history[1][2] is None
    assert rows("SELECT * FROM mvstore_history_raw('things', %s)", ANY)[0][1] == b""

    # put_if: with the version that was read, 0 for "must be absent"; None: somebody was first.
    v = one("SELECT mvstore_put_if('things', %s, %s, %s)", "n", "1", 0)
    assert one("SELECT mvstore_put_if('things', %s, %s, %s)", "n", "1", 0) is None
    assert one("SELECT mvstore_put_if('things', %s, %s, %s)", "n", "2", v) > v
    assert one("SELECT mvstore_put_if_bytea('things', %s, %s, %s)", "n", ANY, v) is None

    # Lists are arrays; in put_many, None deletes.
    one("SELECT mvstore_put_many('things', %s, %s)", ["k1", "k2", "n"], ["a", "b", None])
    assert [(k, x) for k, _, x, _ in rows("SELECT * FROM mvstore_get_many('things', %s)",
                                          ["k2", "n", "k1"])] == [("k2", "b"), ("n", None), ("k1", "a")]
    assert one("SELECT mvstore_put_many('things', %s, %s)", [], []) is None
    one("SELECT mvstore_put_many_bytea('things', %s, %s)", ["k3", "k4"], [ANY, b"\xff"])
    one("SELECT mvstore_put_many_raw('things', %s, %s)", [b"\xfe", ANY], [b"\xff", None])
    assert rows("SELECT value FROM mvstore_get_many_raw('things', %s)", [ANY, b"\xfe"]) == [(None,), (b"\xff",)]

    # Pages of a scan: bounds of None are open; the next page begins behind the last key.
    seen, start = [], None
    while page := rows("""SELECT key, value FROM mvstore_scan_bytea('things',
                            from_key := %s, to_key := %s, max_rows := %s)""", start, "l", 2):
        seen += page
        start = page[-1][0] + "\x01"
    assert seen == [("blob", ANY), ("k1", b"a"), ("k2", b"b"), ("k3", ANY), ("k4", b"\xff")]
    assert rows("SELECT key, value FROM mvstore_scan('things', %s, %s)", "k", "k3") == [("k1", "a"), ("k2", "b")]
