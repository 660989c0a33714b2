#!/usr/bin/env python3
"""What SQLAlchemy says where the type is not that of the function: nothing is stored.

    wrong.py [URL]              postgresql+psycopg2:// if not given
"""
import sys
from sqlalchemy import ARRAY, LargeBinary, Text, create_engine, func, literal, select, text
from sqlalchemy.exc import DBAPIError

url = (sys.argv[1:] + ["postgresql+psycopg2://"])[0]
engine = create_engine(url, isolation_level="AUTOCOMMIT", future=True)

with engine.connect() as conn:
    def refused(sqlstate, call):
        try:
            conn.execute(call if isinstance(call, type(text(""))) else select(call)).all()
        except DBAPIError as e:
            got = getattr(e.orig, "sqlstate", None) or getattr(e.orig, "pgcode", None)
            assert got == sqlstate, e
            return str(e)
        raise AssertionError(f"not refused: {call}")

    conn.execute(text("DROP TABLE IF EXISTS things"))
    conn.execute(text("SELECT mvstore_create('things')"))

    # bytes to the functions of text: there is no such function, whatever the bytes.
    no_function = "42883"
    refused(no_function, func.mvstore_put("things", "k", b"\x00\xff"))
    refused(no_function, func.mvstore_put("things", "k", b"text"))
    refused(no_function, func.mvstore_get("things", b"k"))
    refused(no_function, text("SELECT mvstore_put('things', 'k', :v)").bindparams(v=b"\x00\xff"))
    refused(no_function, func.mvstore_put_many(
        "things", literal(["k"], ARRAY(Text)), literal([b"v"], ARRAY(LargeBinary))))
    refused(no_function, text("SELECT mvstore_put_bytea('things', 'k', CAST(:v AS text))").bindparams(v="v"))
    if engine.dialect.driver == "psycopg":      # psycopg2 sends a str as input of bytea
        refused(no_function, func.mvstore_put_bytea("things", "k", "v"))
    # A number is no text either: no cast is made.
    refused(no_function, func.mvstore_put("things", "k", 1))

    # None is "not given" for a ttl, and never a key, a value, a version or all keys.
    null = "22004"
    refused(null, func.mvstore_put("things", "k", None))
    refused(null, func.mvstore_put("things", None, "v"))
    refused(null, func.mvstore_put_if("things", "k", "v", None))
    refused(null, text("SELECT mvstore_get('things', 'k', as_of := :v)").bindparams(v=None))
    refused(null, func.mvstore_put_many("things", literal([None], ARRAY(Text)), literal(["v"], ARRAY(Text))))
    refused(null, func.mvstore_drop("things", None))

    # Bytes that are no text, read as text: the error says which function reads them.
    conn.execute(select(func.mvstore_put_bytea("things", "blob", b"\x00\xff"))).all()
    assert "mvstore_get_bytea" in refused("22021", func.mvstore_get("things", "blob"))
    assert "mvstore_scan_bytea" in refused("22021", text("SELECT * FROM mvstore_scan('things')"))

    assert conn.execute(text("SELECT key FROM mvstore_scan_bytea('things')")).all() == [("blob",)]
