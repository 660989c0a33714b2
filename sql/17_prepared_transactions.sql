--
-- Transactions that are prepared for two-phase commit: whatever they have done to stores
-- is done when they are committed, not before, and once; rolled back, nothing is left.
--
SELECT mvstore_create('s'), mvstore_create('kept', keep_versions := 1), mvstore_create('p');
CREATE VIEW regress_blockers AS
SELECT kind, pid, name, since <= clock_timestamp() AS since, store, holds_back FROM mvstore_blockers
 WHERE name LIKE 'regress _%' AND kind <> 'snapshot' ORDER BY kind, name, store::text;
-- All that is dropped at last, and what is left.
CREATE VIEW regress_left AS
SELECT (SELECT string_agg(value, ' ' ORDER BY version) FROM mvstore_history('s', 'k')) AS s,
       (SELECT string_agg(value, ' ' ORDER BY version) FROM mvstore_history('kept', 'k')) AS kept,
       (SELECT count(*) FROM mvstore_journal) AS journal, (SELECT count(*) FROM mvstore_prepared) AS prepared;
SELECT mvstore_put('s', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('s', 'k', 'v2') > 0 AS put, mvstore_put('kept', 'k', 'v1') > 0 AS put;

-- Puts, a policy's drop and one that somebody asks for; of what was rolled back, nothing.
BEGIN;
SELECT mvstore_put('s', 'k', 'v3') > 0 AS put;
SELECT mvstore_put('kept', 'k', 'v2') > 0 AS put;
SELECT mvstore_drop('s', 'k');
SAVEPOINT sp;
SELECT mvstore_put('s', 'undone', 'v') > 0 AS put;
SELECT mvstore_drop('s', 'undone');
ROLLBACK TO sp;
SAVEPOINT sp;
SELECT mvstore_delete('s', 'k') > 0 AS deleted;
ROLLBACK TO sp;
SAVEPOINT sp;
SELECT mvstore_put('s', 'other', 'v') AS version \gset
RELEASE sp;
SELECT mvstore_stable_version() < :version AS below;
PREPARE TRANSACTION 'regress 1';

-- Nobody sees it. What it holds back is told by its name, and its version is not stable.
SELECT * FROM regress_left;
SELECT count(*) FROM mvstore_requests;
SELECT mvstore_stable_version() = :version - 1 AS below;
SELECT * FROM regress_blockers;
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'other', :version);
\set VERBOSITY default
SELECT mvstore_wait_stable(:version, '10 ms');
-- Nothing of it is there to be waited for.
SELECT mvstore_flush();
SELECT * FROM regress_left;
-- Others write beside it, and wait for its keys.
SELECT mvstore_put('s', 'third', 'v') > :version AS put;
SET lock_timeout = '10 ms';
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'v4');
SELECT mvstore_put_if('kept', 'k', 'v4', 0);
SELECT mvstore_lock('s', 'other');
TRUNCATE s;
DROP TABLE kept;
DROP EXTENSION mvstore CASCADE;
\set VERBOSITY default
RESET lock_timeout;
COMMIT PREPARED 'regress 1';
SELECT mvstore_flush();
SELECT * FROM regress_left;
SELECT mvstore_get('s', 'other', :version) AS other, mvstore_stable_version() >= :version AS stable;
SELECT * FROM regress_blockers;

-- Rolled back.
BEGIN;
SELECT mvstore_put('s', 'k', 'v4') > 0 AS put, mvstore_put('kept', 'k', 'v3') > 0 AS put;
SELECT mvstore_drop('s', 'k');
PREPARE TRANSACTION 'regress 2';
SELECT mvstore_put('s', 'third', 'v2') AS version \gset
SELECT mvstore_wait_stable(:version, '10 ms');
ROLLBACK PREPARED 'regress 2';
SELECT mvstore_wait_stable(:version);
SELECT mvstore_flush();
SELECT * FROM regress_left;

-- The past, pins, erasures, policies, new stores; counters.
SELECT mvstore_stats_reset();
BEGIN;
SELECT mvstore_put_at('p', 'past', 'v', 1);
SELECT mvstore_erase('s', 'third');
PREPARE TRANSACTION 'regress 3';
SELECT * FROM regress_blockers;
COMMIT PREPARED 'regress 3';
SELECT mvstore_get('p', 'past', 1) AS past, mvstore_contains('s', 'third') AS third;
BEGIN;
SELECT mvstore_pin('regress', ttl := '1 h') > 0 AS pinned;
PREPARE TRANSACTION 'regress 4';
SELECT count(*) FROM mvstore_pins;
COMMIT PREPARED 'regress 4';
SELECT name FROM mvstore_pins;
SELECT mvstore_put('kept', 'k', 'v3') > 0 AS put;
SELECT mvstore_put('kept', 'k', 'v4') > 0 AS put;
SELECT mvstore_flush();
SELECT * FROM regress_left;
BEGIN;
SELECT mvstore_unpin('regress');
SELECT mvstore_create('fresh', keep_versions := 1);
SELECT mvstore_put('fresh', 'k', 'v1') > 0 AS put;
SELECT mvstore_set_policy('s', keep_versions := 1);
PREPARE TRANSACTION 'regress 5';
SELECT count(*) FROM mvstore_pins;
COMMIT PREPARED 'regress 5';
SELECT mvstore_put('s', 'k', 'v4') > 0 AS put, mvstore_put('fresh', 'k', 'v2') > 0 AS put;
SELECT mvstore_flush();
SELECT * FROM regress_left;
SELECT string_agg(value, ' ' ORDER BY version) AS fresh FROM mvstore_history('fresh', 'k');
SELECT store, puts, deletes, requests FROM mvstore_store_stats ORDER BY store::text;
-- A table that goes in one takes its counters along.
BEGIN;
DROP TABLE fresh;
PREPARE TRANSACTION 'regress 6';
COMMIT PREPARED 'regress 6';
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_stat_stores() WHERE store NOT IN ('s'::regclass, 'kept'::regclass, 'p'::regclass);

-- A pause.
BEGIN;
SELECT mvstore_pause();
PREPARE TRANSACTION 'regress 7';
COMMIT PREPARED 'regress 7';
SELECT mvstore_flush() AS "nothing is left";
SELECT mvstore_put('kept', 'k', 'v5') > 0 AS put;
SELECT mvstore_flush('1 min'), kept FROM regress_left;
BEGIN;
SELECT mvstore_resume();
PREPARE TRANSACTION 'regress 8';
COMMIT PREPARED 'regress 8';
SELECT mvstore_flush();
SELECT * FROM regress_left;

-- Cleared, and dropped from as a whole.
BEGIN;
SELECT mvstore_clear('kept');
SELECT mvstore_put('kept', 'k', 'w1') > 0 AS put;
PREPARE TRANSACTION 'regress 9';
COMMIT PREPARED 'regress 9';
SELECT mvstore_set_policy('s');
SELECT mvstore_put('s', 'k', 'v5') > 0 AS put, mvstore_put('kept', 'k', 'w2') > 0 AS put;
BEGIN;
SELECT mvstore_compact('s', before := mvstore_stable_version());
SELECT mvstore_drop_prefix('s', 'o');
PREPARE TRANSACTION 'regress 10';
SELECT mvstore_flush();
SELECT * FROM regress_left;
COMMIT PREPARED 'regress 10';
SELECT mvstore_flush();
SELECT * FROM regress_left;

SET client_min_messages = warning;
DROP VIEW regress_left, regress_blockers;
DROP TABLE s, kept, p;
