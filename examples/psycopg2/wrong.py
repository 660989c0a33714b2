#!/usr/bin/env python3
"""What psycopg2 says where the type is not that of the function: nothing is stored."""
import psycopg2
from psycopg2 import errors

conn = psycopg2.connect("")
conn.autocommit = True
cursor = conn.cursor()


def refused(error, query, *args):
    try:
        cursor.execute(query, args)
    except error as e:
        return str(e)
    raise AssertionError(f"not refused: {query} {args}")


cursor.execute("DROP TABLE IF EXISTS things")
cursor.execute("SELECT mvstore_create('things')")

# bytes to the functions of text: there is no such function, whatever the bytes.
refused(errors.UndefinedFunction, "SELECT mvstore_put('things', %s, %s)", "k", b"\x00\xff")
refused(errors.UndefinedFunction, "SELECT mvstore_put('things', %s, %s)", "k", b"text")
refused(errors.UndefinedFunction, "SELECT mvstore_get('things', %s)", b"k")
refused(errors.UndefinedFunction, "SELECT mvstore_put_many('things', %s, %s)", ["k"], [b"v"])

# str in arrays to the functions of bytes: neither, as ARRAY['v'] is one of text.
refused(errors.UndefinedFunction, "SELECT mvstore_put_many_bytea('things', %s, %s)", ["k"], ["v"])
refused(errors.UndefinedFunction, "SELECT mvstore_put_bytea('things', %s, %s::text)", "k", "v")

# A character with the code 0 is no text: psycopg2 refuses it itself.
refused(ValueError, "SELECT mvstore_put('things', %s, %s)", "k", "a\x00b")

# A str to the functions of bytes is what PostgreSQL's input of bytea makes of it.
cursor.execute("SELECT mvstore_put_bytea('things', %s, %s)", ["s", "\\x41"])
cursor.execute("SELECT mvstore_get('things', 's')")
assert cursor.fetchone()[0] == "A"

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
cursor.execute("SELECT mvstore_put_bytea('things', 'blob', %s)", [b"\x00\xff"])
no_text = errors.CharacterNotInRepertoire
assert "mvstore_get_bytea" in refused(no_text, "SELECT mvstore_get('things', %s)", "blob")
assert "mvstore_scan_bytea" in refused(no_text, "SELECT * FROM mvstore_scan('things')")

cursor.execute("SELECT key FROM mvstore_scan_bytea('things')")
assert cursor.fetchall() == [("blob",), ("s",)]
