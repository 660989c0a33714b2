#!/usr/bin/env python3
"""mvstore with SQLAlchemy: func for plain calls, text() for arguments by name.

    values.py [URL [pooled]]    postgresql+psycopg2:// if not given;
                                pooled: through PgBouncer in transaction mode
Where the server is comes from PGHOST, PGDATABASE, ..., as for psql.
"""
import datetime
import sys
from sqlalchemy import ARRAY, LargeBinary, Text, create_engine, func, literal, select, text

ANY = b"\x00\xff\\x41"                  # no text in any encoding
url, pooled = (sys.argv[1:] + ["postgresql+psycopg2://"])[0], sys.argv[2:] == ["pooled"]
# psycopg (3) prepares what is used often; psycopg2 prepares nothing.
options = {"prepare_threshold": None} if pooled and "psycopg:" in url else {}
engine = create_engine(url, isolation_level="AUTOCOMMIT", connect_args=options, future=True)

with engine.connect() as conn:
    def one(call):                      # the value of a function
        return conn.execute(select(call)).scalar_one()

    def rows(query, **args):
        return [tuple(row) for row in conn.execute(text(query), args)]

    def texts(values):                  # a list as text[], and as bytea[]
        return literal(values, ARRAY(Text))

    def blobs(values):
        return literal(values, ARRAY(LargeBinary))

    conn.execute(text("DROP TABLE IF EXISTS things"))
    conn.execute(text("SELECT mvstore_create('things')"))

    # Text, and what is not there.
    v1 = one(func.mvstore_put("things", "apple", "größer"))
    assert one(func.mvstore_get("things", "apple")) == "größer"
    assert one(func.mvstore_get("things", "pear")) is None

    # Bytes under a text key, and under a key of bytes. The type of a result has to be said.
    one(func.mvstore_put_bytea("things", "blob", ANY))
    assert one(func.mvstore_get_bytea("things", "blob", type_=LargeBinary)) == ANY
    one(func.mvstore_put_raw("things", ANY, b""))
    assert one(func.mvstore_get_raw("things", ANY, type_=LargeBinary)) == b""

    # Arguments by name: text(). None is "not given" where the function has a default.
    put = "SELECT mvstore_put('things', :key, :value, ttl := :ttl)"
    rows(put, key="apple", value="red", ttl=datetime.timedelta(days=1))
    rows(put, key="apple", value="ripe", ttl=None)
    assert rows("SELECT mvstore_get('things', :key, as_of := :v)", key="apple", v=v1) == [("größer",)]

    # history: the newest first; a value of None is a tombstone.
    one(func.mvstore_delete("things", "apple"))
    history = rows("SELECT * FROM mvstore_history('things', :key)", key="apple")
    assert [h[1] for h in history] == [None, "ripe", "red", "größer"]

    # put_if: with the version that was read, 0 for "must be absent"; None: somebody was first.
    v = one(func.mvstore_put_if("things", "n", "1", 0))
    assert one(func.mvstore_put_if("things", "n", "1", 0)) is None
    assert one(func.mvstore_put_if("things", "n", "2", v)) > v
    assert one(func.mvstore_put_if_bytea("things", "n", ANY, v)) is None

    # Lists are arrays, with their type; in put_many, None deletes.
    one(func.mvstore_put_many("things", texts(["k1", "k2", "n"]), texts(["a", "b", None])))
    many = func.mvstore_get_many("things", texts(["k2", "n", "k1"])).table_valued("key", "value")
    assert conn.execute(select(many.c.key, many.c.value)).all() == [("k2", "b"), ("n", None), ("k1", "a")]
    assert one(func.mvstore_put_many("things", texts([]), texts([]))) is None
    one(func.mvstore_put_many_bytea("things", texts(["k3", "k4"]), blobs([ANY, b"\xff"])))
    one(func.mvstore_put_many_raw("things", blobs([b"\xfe", ANY]), blobs([b"\xff", None])))

    # Pages of a scan: bounds of None are open; the next page begins behind the last key.
    seen, start = [], None
    while page := rows("""SELECT key, value FROM mvstore_scan_bytea('things', from_key := :start,
                            to_key := :stop, max_rows := 2)""", start=start, stop="l"):
        seen += [(key, bytes(value)) for key, value in page]
        start = page[-1][0] + "\x01"
    assert seen == [("blob", ANY), ("k1", b"a"), ("k2", b"b"), ("k3", ANY), ("k4", b"\xff")]
    scan = func.mvstore_scan("things", "k", "k3").table_valued("key", "version", "value")
    assert conn.execute(select(scan.c.value).where(scan.c.version > v)).scalars().all() == ["a", "b"]
