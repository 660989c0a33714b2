#!/usr/bin/env python3
"""Moves money between two servers, by psycopg's calls for two-phase commit.

    transfer.py FIRST SECOND

FIRST and SECOND are connection strings, of two servers or of two databases of one; these need
max_prepared_transactions above 0. Each transfer is one version on both, so who reads as of a
version that is stable on both sees it whole or not at all.

The first server decides: a transfer has happened once it is committed there, with a row of the
table "decided". So what a program leaves that dies can be ended by the next of its name: what
has that row is committed on the second server, the rest is rolled back. See doc/two-phase.md.
"""
import random
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
import psycopg
from psycopg import errors

URLS = sys.argv[1:]
ACCOUNTS = [f"a{i}" for i in range(5)]
TOTAL = 2 * len(ACCOUNTS) * 1000
AGAIN = errors.SerializationFailure, errors.LockNotAvailable


class Killed(Exception):
    """Where this program plays that it is killed."""


class Bank:
    """Connections to both servers, in which transfers of one name are made."""

    def __init__(self, name):
        self.name = name
        self.conns = [psycopg.connect(url) for url in URLS]
        # One of a name at a time, so what is in doubt under it is nobody's who lives. The lock also
        # waits for commands that one who was killed may have left under way.
        for conn in self.conns:
            conn.execute("SELECT pg_advisory_lock(hashtext(%s))", (name,))
            conn.commit()
        self.recover()

    def close(self):
        for conn in self.conns:
            conn.close()

    def in_doubt(self, conn):
        return [xid for xid in conn.tpc_recover()
                if xid.database == conn.info.dbname and xid.gtrid.startswith(self.name + ":")]

    def recover(self):
        """End what is in doubt, the first server's first: nothing is committed there after that."""
        first, second = self.conns
        for xid in self.in_doubt(first):
            first.tpc_rollback(xid)
        decided = {row[0] for row in first.execute("SELECT transfer FROM decided")}
        first.rollback()
        for xid in self.in_doubt(second):
            if xid.gtrid in decided:
                second.tpc_commit(xid)
            else:
                second.tpc_rollback(xid)
        first.execute("DELETE FROM decided WHERE starts_with(transfer, %s)", (self.name + ":",))
        first.commit()

    def begin(self, transfer):
        """Begin on both, under one version: above all that either has handed out."""
        for conn, branch in zip(self.conns, ("first", "second")):
            conn.tpc_begin(conn.xid(1, transfer, branch))
        versions = []
        for conn in self.conns:
            conn.execute("SET LOCAL lock_timeout = '1s'")
            versions.append(conn.execute("SELECT mvstore_current_version()").fetchone()[0])
        for conn in self.conns:
            conn.execute("SELECT mvstore_use_version(%s)", (max(versions) + 1,))
        return max(versions) + 1

    def together(self, work, killed=None):
        """Let work(first, second) happen on both or on none, and return its version."""
        first, second = self.conns
        while True:
            transfer = f"{self.name}:{uuid.uuid4()}"
            try:
                version = self.begin(transfer)
                work(first, second)
                first.execute("INSERT INTO decided VALUES (%s)", (transfer,))
                first.tpc_prepare()
                second.tpc_prepare()
                break
            except AGAIN:               # a server has got further meanwhile, or a key is in doubt
                first.tpc_rollback()
                second.tpc_rollback()
        if killed == "prepared":
            raise Killed
        first.tpc_commit()              # it has happened
        if killed == "decided":
            raise Killed
        second.tpc_commit()
        first.execute("DELETE FROM decided WHERE transfer = %s", (transfer,))
        first.commit()
        return version

    def move(self, payer, payee, amount, killed=None):
        """Move an amount from an account of the first server to one of the second."""
        def work(first, second):        # in this order always, so nobody waits in a circle
            change(first, payer, -amount)
            change(second, payee, amount)
        return self.together(work, killed)


def change(conn, account, amount):
    conn.execute("SELECT mvstore_lock('balance', %s)", (account,))
    conn.execute("SELECT mvstore_put('balance', %s, %s)", (account, str(balance(conn, account) + amount)))


def balance(conn, account):
    return int(conn.execute("SELECT mvstore_get('balance', %s)", (account,)).fetchone()[0])


def open_accounts(first, second):
    for conn in first, second:
        for account in ACCOUNTS:
            conn.execute("SELECT mvstore_put('balance', %s, '1000')", (account,))
            got, = conn.execute("SELECT mvstore_get('balance', %s)", (account,)).fetchone()
            assert got == "1000", got


# ---- Reads over both servers -----------------------------------------------

def stable(conns):
    """The last version that both servers show whole."""
    return min(conn.execute("SELECT mvstore_stable_version()").fetchone()[0] for conn in conns)


def wait_stable(conns, version):
    while stable(conns) < version:
        time.sleep(0.01)


def total(conns, version):
    query = "SELECT sum(value::bigint) FROM mvstore_scan('balance', as_of => %s)"
    return sum(conn.execute(query, (version,)).fetchone()[0] for conn in conns)


def connect():
    return [psycopg.connect(url, autocommit=True) for url in URLS]


# ---- Whether it holds -------------------------------------------------------

def teller(name):
    bank = Bank(name)
    for _ in range(20):
        bank.move(random.choice(ACCOUNTS), random.choice(ACCOUNTS), random.randint(-100, 100))
    bank.close()


def read(ended):
    conns = connect()
    count = 0
    while not (ended.is_set() and count):
        version = stable(conns)
        assert total(conns, version) == TOTAL, f"{total(conns, version)} as of {version}"
        count += 1


def kill_and_recover(conns, moment, happens):
    """One of its name dies at that moment, and the next ends what it began."""
    before = [balance(conn, "a0") for conn in conns]
    bank = Bank("killed")
    try:
        bank.move("a0", "a0", 10, killed=moment)
    except Killed:
        bank.close()
    assert bank.in_doubt(conns[1]), "nothing is in doubt"
    assert total(conns, stable(conns)) == TOTAL, f"half a transfer, {moment}"

    bank = Bank("killed")
    moved = 10 if happens else 0
    after = [balance(conn, "a0") for conn in conns]
    assert after == [before[0] - moved, before[1] + moved], (moment, before, after)
    assert not any(bank.in_doubt(conn) for conn in bank.conns), "something is in doubt"
    wait_stable(conns, bank.move("a1", "a1", 1))
    assert total(conns, stable(conns)) == TOTAL, "money is lost"
    bank.close()


def main():
    conns = connect()
    conns[0].execute("CREATE TABLE IF NOT EXISTS decided (transfer text PRIMARY KEY)")
    names = [f"teller {i}" for i in range(4)]
    for name in (*names, "killed", "opening"):     # what an earlier run may have left
        Bank(name).close()
    for conn in conns:
        conn.execute("DROP TABLE IF EXISTS balance")
        conn.execute("SELECT mvstore_create('balance')")
    bank = Bank("opening")
    wait_stable(conns, bank.together(open_accounts))
    bank.close()

    ended = threading.Event()
    with ThreadPoolExecutor() as threads:
        reader = threads.submit(read, ended)
        tellers = [threads.submit(teller, name) for name in names]
        wait(tellers)
        ended.set()
        for thread in (*tellers, reader):
            thread.result()
    kill_and_recover(conns, "prepared", happens=False)
    kill_and_recover(conns, "decided", happens=True)
    assert conns[0].execute("SELECT count(*) FROM decided").fetchone()[0] == 0


if __name__ == "__main__":
    main()
