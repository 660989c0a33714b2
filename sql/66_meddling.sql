--
-- What an owner or a superuser should not have done is told, and can be undone.
--
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', 'k', 'v' || v, v) FROM generate_series(1, 3) v;
\set VERBOSITY sqlstate
-- A column of another name.
BEGIN;
ALTER TABLE s RENAME COLUMN value TO renamed;
SELECT mvstore_get('s', 'k');
ROLLBACK;
-- A catalog table of another name.
BEGIN;
ALTER TABLE mvstore_floor RENAME TO renamed;
SELECT mvstore_put_at('s', 'k', 'v', 4);
ROLLBACK;
-- One with other columns, or with NULLs: rows are not read at a guess.
BEGIN;
ALTER TABLE mvstore_floor ADD COLUMN more integer;
SELECT mvstore_put_at('s', 'k', 'v', 4);
ROLLBACK;
BEGIN;
ALTER TABLE mvstore_journal ALTER key DROP NOT NULL;
SELECT mvstore_drop('s', 'k');
COMMIT;
-- The extension's triggers called by hand, or for something else.
SELECT mvstore_truncated();
SELECT mvstore_forget();
CREATE TABLE t (i int);
CREATE TRIGGER t AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION mvstore_truncated();
INSERT INTO t VALUES (1);
DROP TRIGGER t ON t;
\set VERBOSITY default
-- TRUNCATE of what is no store is none of our business.
CREATE TRIGGER t AFTER TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION mvstore_truncated();
TRUNCATE t;
-- Nor is DROP TABLE, where the catalog cannot be found.
BEGIN;
ALTER TABLE mvstore_policy RENAME TO renamed;
DROP TABLE t;
ROLLBACK;
DROP TABLE t;
SELECT mvstore_get('s', 'k'), mvstore_get('s', 'k', as_of := 1);
DROP TABLE s;
