#!/usr/bin/env python3
"""What of mvstore works through PgBouncer in transaction mode, and what does not.

It wants a pool of more than one connection, which PgBouncer hands out in turn
(server_round_robin = 1), and max_prepared_transactions above 0.
"""
import threading
import psycopg

# Prepared statements are those of a server's connection: PgBouncer before 1.21 keeps none.
one = psycopg.connect(prepare_threshold=None, autocommit=True)
two = psycopg.connect(prepare_threshold=None, autocommit=True)


def value(conn, query, *args):
    return conn.execute(query, args).fetchone()[0]


one.execute("DROP TABLE IF EXISTS things")
one.execute("SELECT mvstore_create('things')")
first = value(one, "SELECT mvstore_put('things', 'apple', 'green')")
value(one, "SELECT mvstore_put('things', 'apple', 'red')")
assert value(two, "SELECT mvstore_get('things', 'apple')") == "red"

# The past, for one transaction: SET LOCAL, or set_config(..., true).
with one.transaction():
    one.execute("SELECT set_config('mvstore.as_of', %s, true)", [str(first)])
    assert value(one, "SELECT mvstore_get('things', 'apple')") == "green"
assert {value(two, "SELECT mvstore_get('things', 'apple')") for _ in range(9)} == {"red"}

# The lock on a key ends with the transaction, and so does not stay with the connection.
with one.transaction():
    one.execute("SELECT mvstore_lock('things', 'apple')")
    waiter = threading.Thread(target=value, args=(two, "SELECT mvstore_put('things', 'apple', 'ripe')"))
    waiter.start()
    value(one, "SELECT mvstore_put('things', 'apple', 'locked')")
waiter.join()
assert value(one, "SELECT mvstore_get('things', 'apple')") == "ripe"

# A transaction is prepared on one connection and ended on whichever comes.
with one.transaction():
    value(one, "SELECT mvstore_put('things', 'pear', 'yellow')")
    one.execute("PREPARE TRANSACTION 'pooled'")
two.execute("COMMIT PREPARED 'pooled'")
assert value(one, "SELECT mvstore_get('things', 'pear')") == "yellow"

# What waits has a connection of the pool for so long.
assert value(one, "SELECT mvstore_flush()")
assert value(one, "SELECT mvstore_wait_stable(%s, '5 s')", first)

# SET without LOCAL stays with the server's connection, and whoever gets that reads the past.
one.execute("SELECT set_config('mvstore.as_of', %s, false)", [str(first)])
assert {value(two, "SELECT mvstore_get('things', 'apple')") for _ in range(9)} == {"green", "ripe"}
for _ in range(9):
    two.execute("RESET mvstore.as_of")
assert {value(two, "SELECT mvstore_get('things', 'apple')") for _ in range(9)} == {"ripe"}
