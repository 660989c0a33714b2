#!/usr/bin/env python3
"""What psycopg 3 says where the type is not that of the function: nothing is stored."""
import psycopg
from psycopg import errors

with psycopg.connect(autocommit=True) as conn:
    def refused(error, query, *args):
        try:
            conn.execute(query, args)
        except error as e:
            return str(e)
        raise AssertionError(f"not refused: {query} {args}")

    conn.execute("DROP TABLE IF EXISTS things")
    conn.execute("SELECT mvstore_create('things')")

    # bytes to the functions of text: there is no such function, whatever the bytes.
    refused(errors.UndefinedFunction, "SELECT mvstore_put('things', %s, %s)", "k", b"\x00\xff")
    refused(errors.UndefinedFunction, "SELECT mvstore_put('things', %s, %s)", "k", b"text")
    refused(errors.UndefinedFunction, "SELECT mvstore_get('things', %s)", b"k")
    refused(errors.UndefinedFunction, "SELECT mvstore_put_many('things', %s, %s)", ["k"], [b"v"])
    refused(errors.UndefinedFunction, "SELECT mvstore_put_raw('things', %s, %s)", b"k", 1)

    # A character with the code 0 is no text: psycopg refuses it itself.
    refused(psycopg.DataError, "SELECT mvstore_put('things', %s, %s)", "k", "a\x00b")

    refused(errors.UndefinedFunction, "SELECT mvstore_put_bytea('things', %s, %s::text)", "k", "v")

    # A str to the functions of bytes, in a list too, is what PostgreSQL's input of bytea makes of it.
    conn.execute("SELECT mvstore_put_bytea('things', %s, %s)", ["s", "\\x41"])
    assert conn.execute("SELECT mvstore_get('things', 's')").fetchone()[0] == "A"
    conn.execute("SELECT mvstore_put_many_bytea('things', %s, %s)", [["s"], ["\\x42"]])
    assert conn.execute("SELECT mvstore_get('things', 's')").fetchone()[0] == "B"

    # None is "not given" for a ttl, and never a key, a value, a version or all keys.
    null = errors.NullValueNotAllowed
    refused(null, "SELECT mvstore_put('things', %s, %s)", "k", None)
    refused(null, "SELECT mvstore_put('things', %s, %s)", None, "v")
    refused(null, "SELECT mvstore_put(%s, 'k', 'v')", None)
    refused(null, "SELECT mvstore_put_if('things', 'k', 'v', %s)", None)
    refused(null, "SELECT mvstore_get('things', 'k', as_of := %s)", None)
    refused(null, "SELECT mvstore_put_many('things', %s, %s)", [None], ["v"])
    refused(null, "SELECT mvstore_drop('things', %s)", None)

    # Bytes that are no text, read as text: the error says which function reads them.
    conn.execute("SELECT mvstore_put_bytea('things', 'blob', %s)", [b"\x00\xff"])
    no_text = errors.CharacterNotInRepertoire
    assert "mvstore_get_bytea" in refused(no_text, "SELECT mvstore_get('things', %s)", "blob")
    assert "mvstore_scan_bytea" in refused(no_text, "SELECT * FROM mvstore_scan('things')")

    stored = conn.execute("SELECT key FROM mvstore_scan_bytea('things')").fetchall()
    assert stored == [("blob",), ("s",)], stored
