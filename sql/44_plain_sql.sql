--
-- A store is a table: what plain SQL writes and removes, mvstore reads as it is.
--
\pset null '(null)'
SELECT mvstore_create('s');
INSERT INTO s (key, version, value) VALUES ('k', 10, 'v10'), ('k', 20, NULL), ('k', 30, 'v30'), ('l', 10, 'l10');
SELECT version, value FROM mvstore_history('s', 'k');
SELECT mvstore_get('s', 'k', 15), mvstore_get('s', 'k', 25), mvstore_get('s', 'k');
COPY s FROM stdin;
m	10	m10	\N
m	20	m20	\N
m	30	m30	\N
\.
SELECT version, value FROM mvstore_history('s', 'm');
DELETE FROM s WHERE key = 'l';
UPDATE s SET value = 'rewritten' WHERE key = 'k' AND version = 10;
SELECT mvstore_contains('s', 'l'), mvstore_get('s', 'k', 15);
-- The next put of such a key is newer, and a drop applies to what it finds.
SELECT mvstore_put('s', 'm', 'now') > 30 AS newer;
SELECT mvstore_drop('s', 'm', keep := 2);
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'm');
-- So does a policy.
SELECT mvstore_create('p', keep_versions := 2);
INSERT INTO p (key, version, value) VALUES ('k', 10, 'v10'), ('k', 20, 'v20'), ('k', 30, 'v30');
SELECT mvstore_put('p', 'k', 'now') > 30 AS newer;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('p', 'k');
DROP TABLE p;
-- A head from the future is not overtaken: it is named.
INSERT INTO s (key, version, value) VALUES ('future', 9000000000000000000, 'v');
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'future', 'w');
SELECT mvstore_delete('s', 'future');
BEGIN;
SELECT mvstore_put('s', 'before', 'v') > 0 AS put;
SELECT mvstore_put('s', 'future', 'w');
ROLLBACK;
SELECT mvstore_put_many('s', '{before,future}', '{v,w}');
\set VERBOSITY default
SELECT mvstore_get('s', 'future');
ANALYZE s;
VACUUM s;
SELECT key, count(*) FROM s GROUP BY key ORDER BY key;
DROP TABLE s;
