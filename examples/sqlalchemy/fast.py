#!/usr/bin/env python3
"""Many values at once with SQLAlchemy: arrays in one call, many calls in one transaction.

    fast.py [URL [pooled]]      postgresql+psycopg2:// if not given;
                                pooled: through PgBouncer in transaction mode
"""
import sys
from sqlalchemy import ARRAY, LargeBinary, Text, create_engine, func, literal, select, text

url, pooled = (sys.argv[1:] + ["postgresql+psycopg2://"])[0], sys.argv[2:] == ["pooled"]
options = {"prepare_threshold": None} if pooled and "psycopg:" in url else {}
engine = create_engine(url, connect_args=options, future=True)
keys, values = [f"m{i:03}" for i in range(1000)], [bytes([i % 256]) for i in range(1000)]

with engine.begin() as conn:
    conn.execute(text("DROP TABLE IF EXISTS things"))
    conn.execute(text("SELECT mvstore_create('things')"))

# A thousand values as one statement with two arrays.
with engine.begin() as conn:
    version = conn.execute(select(func.mvstore_put_many_bytea(
        "things", literal(keys, ARRAY(Text)), literal(values, ARRAY(LargeBinary))))).scalar_one()
with engine.begin() as conn:
    many = func.mvstore_get_many_bytea("things", literal(keys, ARRAY(Text))).table_valued("key", "version", "value")
    got = [(k, v, bytes(x)) for k, v, x in conn.execute(select(many))]
    assert got == [(k, version, x) for k, x in zip(keys, values)]

# A list of parameters is executemany of the driver: one transaction, so one version. psycopg
# sends it as a pipeline and, if not told otherwise, prepares what it sends often.
with engine.begin() as conn:
    conn.execute(text("SELECT mvstore_put_bytea('things', :k, :v)"),
                 [{"k": k, "v": v} for k, v in zip(keys, reversed(values))])
with engine.begin() as conn:
    scan = func.mvstore_scan_bytea("things", "m", "n").table_valued("key", "version", "value")
    got = conn.execute(select(scan.c.version, scan.c.value).order_by(scan.c.key)).all()
    assert len({v for v, _ in got}) == 1 and [bytes(x) for _, x in got] == values[::-1]
    assert got[0][0] > version
