#!/usr/bin/env python3
"""What asyncpg says where the type is not that of the function: nothing is stored."""
import asyncio
import asyncpg
from asyncpg import exceptions


async def main():
    conn = await asyncpg.connect()

    async def refused(error, query, *args):
        try:
            await conn.fetch(query, *args)
        except error as e:
            return str(e)
        raise AssertionError(f"not refused: {query} {args}")

    await conn.execute("DROP TABLE IF EXISTS things")
    await conn.execute("SELECT mvstore_create('things')")

    # The server says what types the parameters have; asyncpg refuses others itself.
    wrong = exceptions.DataError
    assert "expected str, got bytes" in await refused(
        wrong, "SELECT mvstore_put('things', $1, $2)", "k", b"\x00\xff")
    await refused(wrong, "SELECT mvstore_put('things', $1, $2)", "k", b"text")
    await refused(wrong, "SELECT mvstore_get('things', $1)", b"k")
    await refused(wrong, "SELECT mvstore_put_many('things', $1, $2)", ["k"], [b"v"])
    await refused(wrong, "SELECT mvstore_put_bytea('things', $1, $2)", "k", "v")
    await refused(wrong, "SELECT mvstore_put_many_raw('things', $1, $2)", ["k"], [b"v"])
    await refused(wrong, "SELECT mvstore_put('things', $1, $2)", "k", 1)
    await refused(exceptions.UndefinedFunctionError, "SELECT mvstore_put('things', $1::bytea, $2)", b"k", "v")

    # A character with the code 0 is no text: PostgreSQL refuses it.
    text = exceptions.CharacterNotInRepertoireError
    await refused(text, "SELECT mvstore_put('things', $1, $2)", "k", "a\x00b")

    # None is "not given" for a ttl, and never a key, a value, a version or all keys.
    null = exceptions.NullValueNotAllowedError
    await refused(null, "SELECT mvstore_put('things', $1, $2)", "k", None)
    await refused(null, "SELECT mvstore_put('things', $1, $2)", None, "v")
    await refused(null, "SELECT mvstore_put($1, 'k', 'v')", None)
    await refused(null, "SELECT mvstore_put_if('things', 'k', 'v', $1)", None)
    await refused(null, "SELECT mvstore_get('things', 'k', as_of := $1)", None)
    await refused(null, "SELECT mvstore_put_many('things', $1, $2)", [None], ["v"])
    await refused(null, "SELECT mvstore_drop('things', $1)", None)

    # Bytes that are no text, read as text: the error says which function reads them.
    await conn.fetch("SELECT mvstore_put_bytea('things', 'blob', $1)", b"\x00\xff")
    assert "mvstore_get_bytea" in await refused(text, "SELECT mvstore_get('things', $1)", "blob")
    assert "mvstore_scan_bytea" in await refused(text, "SELECT * FROM mvstore_scan('things')")

    assert await conn.fetch("SELECT key FROM mvstore_scan_bytea('things')") == [("blob",)]
    await conn.close()


asyncio.run(main())
