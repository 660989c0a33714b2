--
-- A table that lets NULL keys or versions in is not taken for a store: the
-- functions say so, the worker waits, and all goes on once it is put right.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', 'k', 'v10', 10), mvstore_put_at('s', 'k', 'v20', 20);
ALTER TABLE s REPLICA IDENTITY DEFAULT;
ALTER TABLE s ALTER key DROP NOT NULL;
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'k');
INSERT INTO s (key, version, value) VALUES (NULL, 1, 'x');
SELECT mvstore_get('s', 'k');
SELECT * FROM mvstore_scan('s');
SELECT * FROM mvstore_scan('s', reverse := true);
SELECT * FROM mvstore_history('s', 'k');
SELECT mvstore_put('s', 'k', 'v');
SELECT mvstore_delete('s', 'k');
SELECT mvstore_put_at('s', 'k', 'v', 30);
SELECT mvstore_drop('s', 'k');
\set VERBOSITY default
DELETE FROM s WHERE key IS NULL;
ALTER TABLE s ALTER key SET NOT NULL;
SELECT mvstore_get('s', 'k'), (SELECT count(*) FROM mvstore_scan('s')) AS keys;
-- The version likewise.
ALTER TABLE s ALTER version DROP NOT NULL;
INSERT INTO s (key, version, value) VALUES ('k', NULL, 'x');
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'k');
SELECT * FROM mvstore_scan('s');
SELECT mvstore_put('s', 'k', 'v');
\set VERBOSITY default
DELETE FROM s WHERE version IS NULL;
ALTER TABLE s ALTER version SET NOT NULL;
SELECT mvstore_put('s', 'k', 'v30') > 20 AS put;
SELECT mvstore_drop('s', 'k');
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'k');

-- A sweep meets them: it does nothing, until the table is a store again.
SELECT mvstore_create('p', keep_versions := 1);
INSERT INTO p (key, version, value) VALUES ('k', 10, 'v10'), ('k', 20, 'v20');
BEGIN;
SELECT mvstore_sweep('p');
ALTER TABLE p REPLICA IDENTITY DEFAULT;
ALTER TABLE p ALTER key DROP NOT NULL;
INSERT INTO p (key, version, value) VALUES (NULL, 1, 'x');
COMMIT;
SELECT mvstore_flush('100 ms');
SELECT count(*) FROM p;
SELECT mvstore_put('s', 'k', 'the server lives') > 0 AS put;
DELETE FROM p WHERE key IS NULL;
ALTER TABLE p ALTER key SET NOT NULL;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('p', 'k');
DROP TABLE s, p;
