#!/usr/bin/env python3
"""mvstore with asyncpg: str to the plain functions, bytes to ..._bytea and ..._raw.

    values.py [pooled]      pooled: through PgBouncer in transaction mode
Where the server is comes from PGHOST, PGDATABASE, ..., as for psql.
"""
import asyncio
import datetime
import sys
import asyncpg

ANY = b"\x00\xff\\x41"                  # no text in any encoding
POOLED = "pooled" in sys.argv[1:]


async def main():
    # asyncpg prepares every statement; with no cache, one that is used once and goes.
    conn = await asyncpg.connect(**({"statement_cache_size": 0} if POOLED else {}))
    one, rows = conn.fetchval, conn.fetch
    await conn.execute("DROP TABLE IF EXISTS things")
    await one("SELECT mvstore_create('things')")

    # Text, and what is not there.
    v1 = await one("SELECT mvstore_put('things', $1, $2)", "apple", "größer")
    assert await one("SELECT mvstore_get('things', $1)", "apple") == "größer"
    assert await one("SELECT mvstore_get('things', $1)", "pear") is None

    # Bytes under a text key, and under a key of bytes.
    await one("SELECT mvstore_put_bytea('things', $1, $2)", "blob", ANY)
    assert await one("SELECT mvstore_get_bytea('things', $1)", "blob") == ANY
    await one("SELECT mvstore_put_raw($1, $2, $3)", "things", ANY, b"")
    assert await one("SELECT mvstore_get_raw('things', $1)", ANY) == b""

    # Arguments by name; None is "not given" where the function has a default.
    day = datetime.timedelta(days=1)
    await one("SELECT mvstore_put('things', $1, $2, ttl := $3)", "apple", "red", day)
    await one("SELECT mvstore_put('things', $1, $2, ttl := $3)", "apple", "ripe", None)
    assert await one("SELECT mvstore_get('things', $1, as_of := $2)", "apple", v1) == "größer"

    # history: the newest first; a value of None is a tombstone.
    await one("SELECT mvstore_delete('things', $1)", "apple")
    history = await rows("SELECT * FROM mvstore_history('things', $1)", "apple")
    assert [h["value"] for h in history] == [None, "ripe", "red", "größer"]
    assert history[2]["expires_at"] > datetime.datetime.now(datetime.timezone.utc)
    assert await one("SELECT value FROM mvstore_history_raw('things', $1)", ANY) == b""

    # put_if: with the version that was read, 0 for "must be absent"; None: somebody was first.
    v = await one("SELECT mvstore_put_if('things', $1, $2, $3)", "n", "1", 0)
    assert await one("SELECT mvstore_put_if('things', $1, $2, $3)", "n", "1", 0) is None
    assert await one("SELECT mvstore_put_if('things', $1, $2, $3)", "n", "2", v) > v
    assert await one("SELECT mvstore_put_if_bytea('things', $1, $2, $3)", "n", ANY, v) is None

    # Lists are arrays; in put_many, None deletes.
    await one("SELECT mvstore_put_many('things', $1, $2)", ["k1", "k2", "n"], ["a", "b", None])
    got = await rows("SELECT * FROM mvstore_get_many('things', $1)", ["k2", "n", "k1"])
    assert [(r["key"], r["value"]) for r in got] == [("k2", "b"), ("n", None), ("k1", "a")]
    assert await one("SELECT mvstore_put_many('things', $1, $2)", [], []) is None
    await one("SELECT mvstore_put_many_bytea('things', $1, $2)", ["k3", "k4"], [ANY, b"\xff"])
    await one("SELECT mvstore_put_many_raw('things', $1, $2)", [b"\xfe", ANY], [b"\xff", None])
    got = await rows("SELECT value FROM mvstore_get_many_raw('things', $1)", [ANY, b"\xfe"])
    assert got == [(None,), (b"\xff",)]

    # Pages of a scan: bounds of None are open; the next page begins behind the last key.
    seen, start = [], None
    while page := await rows("""SELECT key, value FROM mvstore_scan_bytea('things',
                                  from_key := $1, to_key := $2, max_rows := $3)""", start, "l", 2):
        seen += page
        start = page[-1]["key"] + "\x01"
    assert seen == [("blob", ANY), ("k1", b"a"), ("k2", b"b"), ("k3", ANY), ("k4", b"\xff")]
    got = await rows("SELECT key, value FROM mvstore_scan('things', $1, $2)", "k", "k3")
    assert got == [("k1", "a"), ("k2", "b")]
    await conn.close()


asyncio.run(main())
