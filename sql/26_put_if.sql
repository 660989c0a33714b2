--
-- A conditional write is made if the live entry is the one that was read, and
-- only then.
--
\pset null '(null)'
SELECT mvstore_create('s');

-- 0: there must be none.
SELECT mvstore_put_if('s', 'k', 'one', 0) AS v1 \gset
SELECT :v1 > 0 AS written, mvstore_get('s', 'k'), (mvstore_get_entry('s', 'k')).version = :v1 AS "its version";
SELECT mvstore_put_if('s', 'k', 'other', 0);
SELECT mvstore_put_if('s', 'k', 'other', expected := 0);
-- The version that was read.
SELECT mvstore_put_if('s', 'k', 'two', :v1) AS v2 \gset
SELECT :v2 > :v1 AS "versions rise", mvstore_get('s', 'k');
-- Not an older one, nor one on either side, nor the newest that there may be.
SELECT mvstore_put_if('s', 'k', 'other', :v1), mvstore_put_if('s', 'k', 'other', :v2 - 1),
       mvstore_put_if('s', 'k', 'other', :v2 + 1), mvstore_put_if('s', 'k', 'other', 9223372036854775807);
SELECT rank() OVER (ORDER BY version), value FROM mvstore_history('s', 'k') ORDER BY 1 DESC;
-- A key that is absent has no version but 0.
SELECT mvstore_put_if('s', 'absent', 'v', 1), mvstore_put_if('s', 'absent', 'v', :v2);
SELECT mvstore_contains('s', 'absent');

-- Deletes.
SELECT mvstore_delete_if('s', 'k', :v1), mvstore_delete_if('s', 'k', :v2 + 1), mvstore_delete_if('s', 'k', 0);
SELECT mvstore_get('s', 'k');
SELECT mvstore_delete_if('s', 'k', :v2) AS v3 \gset
SELECT :v3 > :v2 AS "versions rise", mvstore_get('s', 'k');
-- A deleted key is absent: no version of its own matches, and 0 has nothing to
-- delete.
SELECT mvstore_delete_if('s', 'k', :v3), mvstore_delete_if('s', 'k', :v2), mvstore_delete_if('s', 'k', 0),
       mvstore_delete_if('s', 'absent', 0), mvstore_delete_if('s', 'absent', expected := 1);
SELECT mvstore_put_if('s', 'k', 'other', :v3), mvstore_put_if('s', 'k', 'other', :v2);
SELECT count(*) FROM mvstore_history('s', 'k');
-- It can be put as one that is absent; then it went and came back, and what was
-- read before does not match.
SELECT mvstore_put_if('s', 'k', 'three', 0) AS v4 \gset
SELECT :v4 > :v3 AS "versions rise";
SELECT mvstore_put_if('s', 'k', 'other', :v1), mvstore_put_if('s', 'k', 'other', :v2), mvstore_put_if('s', 'k', 'other', :v3),
       mvstore_delete_if('s', 'k', :v2);
SELECT value FROM mvstore_history('s', 'k');

-- An expired head is absent, too.
BEGIN;
SELECT mvstore_put('s', 'short', 'v', ttl := '1 microsecond') AS short \gset
SELECT mvstore_put_if('s', 'short', 'other', :short), mvstore_delete_if('s', 'short', :short), mvstore_delete_if('s', 'short', 0);
SELECT mvstore_put_if('s', 'short', 'again', 0) = :short AS written;
SELECT value, expires_at FROM mvstore_get_entry('s', 'short');
COMMIT;
SELECT mvstore_put('s', 'short', 'v', ttl := '1 microsecond') AS short \gset
SELECT mvstore_delete_if('s', 'short', :short);
SELECT mvstore_put_if('s', 'short', 'other', :short);
SELECT mvstore_put_if('s', 'short', 'again', 0) > :short AS written;
-- One that has not yet expired is there.
SELECT mvstore_put('s', 'long', 'v', ttl := '1 day') AS long \gset
SELECT mvstore_put_if('s', 'long', 'other', 0);
SELECT mvstore_put_if('s', 'long', 'w', :long) > :long AS written;
-- The ttl is that of the argument, or else the store's.
SELECT mvstore_put_if('s', 'ttl', 'v', 0, ttl := '2 hours') > 0 AS written, mvstore_put_if('s', 'none', 'v', 0, NULL) > 0 AS written;
SELECT expires_at - mvstore_time_of(version) BETWEEN '01:59:59' AND '02:01' AS "two hours" FROM mvstore_get_entry('s', 'ttl');
SELECT expires_at FROM mvstore_get_entry('s', 'none');
SELECT mvstore_create('t', ttl := '3 hours');
SELECT mvstore_put_if('t', 'k', 'v', 0) AS v \gset
SELECT expires_at - mvstore_time_of(version) BETWEEN '02:59:59' AND '03:01' AS "three hours" FROM mvstore_get_entry('t', 'k');
-- A tombstone does not expire.
SELECT mvstore_delete_if('t', 'k', :v) > :v AS deleted;
SELECT value, expires_at FROM mvstore_previous('t', 'k');

-- Bytes, and bytes under a text key.
SELECT mvstore_put_if_raw('s', '\x00ff'::bytea, '\xff'::bytea, 0) AS b1 \gset
SELECT mvstore_put_if_raw('s', '\x00ff'::bytea, ''::bytea, 0);
SELECT mvstore_put_if_raw('s', '\x00ff'::bytea, ''::bytea, :b1) > :b1 AS written;
SELECT value FROM mvstore_history_raw('s', '\x00ff'::bytea);
SELECT mvstore_delete_if_raw('s', '\x00ff'::bytea, :b1);
SELECT mvstore_delete_if_raw('s', '\x00ff'::bytea, (mvstore_get_entry_raw('s', '\x00ff'::bytea)).version) > :b1 AS deleted;
SELECT mvstore_put_if_bytea('s', 'mixed', '\xff00'::bytea, 0) AS m1 \gset
SELECT mvstore_put_if_bytea('s', 'mixed', '\xff01'::bytea, 0), mvstore_put_if_raw('s', 'mixed'::bytea, '\xff01'::bytea, 0);
SELECT mvstore_put_if_bytea('s', 'mixed', '\xff01'::bytea, expected := :m1, ttl := '1 day') > :m1 AS written;
SELECT value FROM mvstore_history_raw('s', 'mixed'::bytea);
SELECT mvstore_delete_if('s', 'mixed', (mvstore_get_entry_raw('s', 'mixed'::bytea)).version) > :m1 AS deleted;

-- A transaction has one version: what it has written itself is matched by it,
-- whatever it was.
BEGIN;
SELECT mvstore_put_if('s', 'own', 'one', 0) AS own \gset
SELECT mvstore_put_if('s', 'own', 'other', 0);
SELECT mvstore_put_if('s', 'own', 'two', :own) = :own AS "same version";
SELECT mvstore_delete_if('s', 'own', :own) = :own AS "same version";
SELECT mvstore_put_if('s', 'own', 'other', :own), mvstore_delete_if('s', 'own', :own);
SELECT mvstore_put_if('s', 'own', 'three', 0) = :own AS "same version";
COMMIT;
SELECT version = :own AS "one entry", value FROM mvstore_history('s', 'own');

-- In one statement each call sees those before it.
SELECT count(mvstore_put_if('s', 'once', 'v' || i, 0)) AS written FROM generate_series(1, 5) i;
SELECT value FROM mvstore_history('s', 'once');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(mvstore_put_if('s', 'twice', 'v' || i, 0)) AS written FROM generate_series(1, 5) i;
SELECT mvstore_put_if('s', 'twice', 'w', version) = version AS "same version" FROM mvstore_get_entry('s', 'twice');
COMMIT;
SELECT value FROM mvstore_history('s', 'twice');

-- What a savepoint takes back is not there to be matched.
BEGIN;
SELECT mvstore_put('s', 'save', 'one') AS own \gset
SAVEPOINT sp;
SELECT mvstore_put_if('s', 'save', 'two', :own) = :own AS "same version";
SELECT mvstore_put_if('s', 'other', 'v', 0) = :own AS "same version";
ROLLBACK TO sp;
SELECT mvstore_get('s', 'save');
SELECT mvstore_put_if('s', 'other', 'w', :own);
SELECT mvstore_put_if('s', 'other', 'w', 0) = :own AS "same version";
SAVEPOINT sp;
SELECT mvstore_delete_if('s', 'save', :own) = :own AS "same version";
SELECT mvstore_put_if('s', 'save', 'three', :own);
ROLLBACK TO sp;
SELECT mvstore_put_if('s', 'save', 'four', :own) = :own AS "same version";
COMMIT;
SELECT mvstore_get('s', 'save'), mvstore_get('s', 'other');

-- A counter by compare and set.
DO $$
DECLARE
  found record;
BEGIN
  FOR i IN 1..20 LOOP
    SELECT * INTO found FROM mvstore_get_entry('s', 'counter');
    IF mvstore_put_if('s', 'counter', (coalesce(found.value::int, 0) + 1)::text, coalesce(found.version, 0)) IS NULL THEN
      RAISE 'nobody else was there';
    END IF;
    COMMIT;
  END LOOP;
END $$;
SELECT mvstore_get('s', 'counter'), (SELECT count(*) FROM mvstore_history('s', 'counter')) AS entries;

-- A policy sees what was superseded; what was not written supersedes nothing.
SELECT mvstore_create('p', keep_versions := 1);
SELECT mvstore_put('p', 'k', 'one') AS p1 \gset
SELECT mvstore_put_if('p', 'k', 'other', 0);
SELECT mvstore_put_if('p', 'k', 'two', :p1) > :p1 AS written;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('p', 'k');
SELECT mvstore_delete_if('p', 'k', (mvstore_get_entry('p', 'k')).version) > :p1 AS deleted;
SELECT mvstore_flush();
SELECT count(*) FROM p;
-- Counted is what was written.
SELECT puts, deletes FROM mvstore_store_stats WHERE store = 'p'::regclass;

-- Wrong arguments.
\set VERBOSITY sqlstate
SELECT mvstore_put_if(NULL::regclass, 'k', 'v', 0);
SELECT mvstore_put_if('s', NULL, 'v', 0);
SELECT mvstore_put_if('s', 'k', NULL, 0);
SELECT mvstore_put_if('s', 'k', 'v', NULL);
SELECT mvstore_put_if_raw('s', NULL::bytea, 'v'::bytea, 0);
SELECT mvstore_put_if_raw('s', 'k'::bytea, NULL::bytea, 0);
SELECT mvstore_put_if_raw('s', 'k'::bytea, 'v'::bytea, NULL);
SELECT mvstore_put_if_bytea('s', NULL, 'v'::bytea, 0);
SELECT mvstore_put_if_bytea('s', 'k', NULL::bytea, 0);
SELECT mvstore_put_if_bytea('s', 'k', 'v'::bytea, NULL);
SELECT mvstore_delete_if(NULL::regclass, 'k', 0);
SELECT mvstore_delete_if('s', NULL, 0);
SELECT mvstore_delete_if('s', 'k', NULL);
SELECT mvstore_delete_if_raw('s', NULL::bytea, 0);
SELECT mvstore_delete_if_raw('s', 'k'::bytea, NULL);
SELECT mvstore_put_if('s', 'k', 'v', -1);
SELECT mvstore_put_if_raw('s', 'k'::bytea, 'v'::bytea, -1);
SELECT mvstore_put_if('s', 'k', 'v', (-9223372036854775808)::bigint);
SELECT mvstore_delete_if('s', 'k', -1);
SELECT mvstore_delete_if_raw('s', 'k'::bytea, -1);
SELECT mvstore_put_if('s', 'k', 'v', 0, ttl := '0');
SELECT mvstore_put_if('s', 'k', 'v', 0, ttl := '-1 s');
SELECT mvstore_put_if('s', 'k', 'v', 0, ttl := '1 month');
SELECT mvstore_put_if('s', repeat('k', 2001), 'v', 0);
SELECT mvstore_delete_if('s', repeat('k', 2001), 0);
SELECT mvstore_put_if_raw('s', decode(repeat('00', 2001), 'hex'), 'v'::bytea, 0);
SELECT mvstore_put_if('pg_class', 'k', 'v', 0);
SELECT mvstore_delete_if('pg_class', 'k', 0);
SELECT mvstore_put_if(1::regclass, 'k', 'v', 0);
-- Said also where the condition does not hold.
BEGIN READ ONLY;
SELECT mvstore_put_if('s', 'k', 'v', 1);
ROLLBACK;
BEGIN READ ONLY;
SELECT mvstore_delete_if('s', 'absent', 0);
ROLLBACK;
-- The ttl must fit the end of time, but only if there is something to write.
SELECT mvstore_put_if('s', 'k', 'v', 1, ttl := '106751000 days');
SELECT mvstore_put_if('s', 'absent', 'v', 0, ttl := '106751000 days');
\set VERBOSITY default
SELECT mvstore_get('s', 'k'), mvstore_contains('s', 'absent');

-- Rights: both, as what is returned tells of the key.
CREATE ROLE regress_mvstore_user;
GRANT INSERT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
\set VERBOSITY sqlstate
SELECT mvstore_put_if('s', 'k', 'v', 0);
SELECT mvstore_put_if_raw('s', 'k'::bytea, 'v'::bytea, 0);
SELECT mvstore_put_if_bytea('s', 'k', 'v'::bytea, 0);
SELECT mvstore_delete_if('s', 'k', 0);
SELECT mvstore_delete_if_raw('s', 'k'::bytea, 0);
RESET ROLE;
REVOKE INSERT ON s FROM regress_mvstore_user;
GRANT SELECT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT mvstore_put_if('s', 'k', 'v', 0);
SELECT mvstore_delete_if('s', 'k', 0);
RESET ROLE;
GRANT INSERT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT mvstore_put_if('s', 'k', 'v', 0);
SELECT mvstore_put_if('s', 'k', 'v', :v4) > :v4 AS written;
SELECT mvstore_delete_if('s', 'k', :v4);
RESET ROLE;
\set VERBOSITY default

-- A key is held to the end of the transaction, whether it is there or not. (That
-- others wait for it is told in specs/.)
SELECT mvstore_lock('s', 'k'), mvstore_lock('s', 'never'), mvstore_lock_raw('s', '\x00'::bytea);
SELECT count(*) AS "held behind the statement" FROM pg_locks WHERE locktype = 'advisory' AND classid = 's'::regclass AND pid = pg_backend_pid();
BEGIN;
SELECT mvstore_lock('s', 'k');
SELECT mvstore_lock('s', 'k');
SELECT mvstore_put('s', 'k', 'locked') > 0 AS put;
SELECT mvstore_put('s', 'k2', 'not locked') > 0 AS put;
SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory' AND classid = 's'::regclass AND pid = pg_backend_pid();
SAVEPOINT sp;
SELECT mvstore_lock('s', 'never'), mvstore_lock_raw('s', '\x00'::bytea);
SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory' AND classid = 's'::regclass AND pid = pg_backend_pid();
ROLLBACK TO sp;
SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory' AND classid = 's'::regclass AND pid = pg_backend_pid();
-- A lock writes nothing.
SELECT mvstore_contains('s', 'never'), (SELECT count(*) FROM mvstore_history('s', 'never')) AS entries;
COMMIT;
BEGIN;
SELECT mvstore_stable_version() AS before \gset
SELECT mvstore_lock('s', 'k');
SELECT mvstore_stable_version() >= :before AS "no version is taken";
COMMIT;
SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory' AND classid = 's'::regclass AND pid = pg_backend_pid();
\set VERBOSITY sqlstate
SELECT mvstore_lock(NULL::regclass, 'k');
SELECT mvstore_lock('s', NULL);
SELECT mvstore_lock_raw('s', NULL::bytea);
SELECT mvstore_lock('s', repeat('k', 2001));
SELECT mvstore_lock_raw('s', decode(repeat('00', 2001), 'hex'));
SELECT mvstore_lock('pg_class', 'k');
BEGIN READ ONLY;
SELECT mvstore_lock('s', 'k');
ROLLBACK;
REVOKE ALL ON s FROM regress_mvstore_user;
GRANT SELECT, UPDATE, DELETE ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT mvstore_lock('s', 'k');
RESET ROLE;
GRANT INSERT ON s TO regress_mvstore_user;
REVOKE SELECT, UPDATE, DELETE ON s FROM regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT mvstore_lock('s', 'k'), mvstore_lock_raw('s', 'k'::bytea);
RESET ROLE;
\set VERBOSITY default

DROP TABLE s, t, p;
DROP ROLE regress_mvstore_user;
