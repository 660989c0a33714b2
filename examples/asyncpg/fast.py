#!/usr/bin/env python3
"""Prepared statements and many values at once with asyncpg.

    fast.py [pooled]        pooled: through PgBouncer in transaction mode
"""
import asyncio
import sys
import asyncpg

ANY = b"\x00\xff\\x41"
PUT = "SELECT mvstore_put_bytea('things', $1, $2)"
GET = "SELECT mvstore_get_bytea('things', $1)"
POOLED = "pooled" in sys.argv[1:]


async def main():
    # A pooler in transaction mode gives each transaction any of its server connections, and
    # a statement prepared on one is not there on the others: nothing in the cache then.
    conn = await asyncpg.connect(**({"statement_cache_size": 0} if POOLED else {}))
    await conn.execute("DROP TABLE IF EXISTS things")
    await conn.execute("SELECT mvstore_create('things')")

    # The same text is prepared once, and kept; prepare() does so by hand.
    for i in range(10):
        await conn.fetchval(PUT, f"k{i}", ANY)
        assert await conn.fetchval(GET, f"k{i}") == ANY
    if POOLED:
        async with conn.transaction():  # one server connection until it ends
            get = await conn.prepare(GET)
            assert await get.fetchval("k0") == ANY and await get.fetchval("k") is None
    else:
        get = await conn.prepare(GET)
        assert await get.fetchval("k0") == ANY and await get.fetchval("k") is None
        kept = await conn.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE statement = $1", PUT)
        assert kept == 1, kept

    # executemany is pipelined: a thousand puts in one transaction, so of one version.
    pairs = [(f"p{i:03}", bytes([i % 256])) for i in range(1000)]
    async with conn.transaction():
        await conn.executemany(PUT, pairs)
    got = await conn.fetch("SELECT key, value, version FROM mvstore_scan_bytea('things', from_key := $1)", "p")
    assert [(r["key"], r["value"]) for r in got] == pairs and len({r["version"] for r in got}) == 1

    # The same as one statement with two arrays.
    keys, values = [k for k, _ in pairs], [v for _, v in reversed(pairs)]
    await conn.fetchval("SELECT mvstore_put_many_bytea('things', $1, $2)", keys, values)
    got = await conn.fetch("SELECT value FROM mvstore_get_many_bytea('things', $1)", keys)
    assert [r["value"] for r in got] == values
    await conn.close()


asyncio.run(main())
