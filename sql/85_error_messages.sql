--
-- Every error names what it is about, and what to do where something can be done.
--
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', 'k', 'v10', 10), mvstore_put_at('s', 'k', 'v20', 20);
CREATE TABLE plain (i int);
CREATE TABLE shaped (LIKE s INCLUDING ALL);
\set VERBOSITY default

-- 42809: names the relation, and says what would make it a store
SELECT mvstore_get('plain', 'k');
SELECT mvstore_get('shaped', 'k');
SELECT mvstore_get('s_key_version_idx', 'k');
-- 3F000: the schema
SELECT mvstore_create('nowhere.s');
-- 54000: the length and the limit
SELECT mvstore_put('s', repeat('k', 2001), 'v');
-- 22004: the argument
SELECT mvstore_put('s', NULL, 'v');
SELECT mvstore_put('s', 'k', NULL::text);
SELECT mvstore_get('s', 'k', as_of := NULL);
SELECT mvstore_get(NULL, 'k');
SELECT mvstore_drop('s', 'k', keep := NULL);
SELECT mvstore_drop('s', 'k', before := NULL);
-- 22023: the argument
SELECT mvstore_create('t', keep_versions := 0);
SELECT mvstore_create('t', keep_for := '1 month');
SELECT mvstore_create('t', ttl := '0');
SELECT mvstore_put('s', 'k', 'v', ttl := '1 month');
SELECT mvstore_put_at('s', 'k', 'v', 0);
SELECT mvstore_get('s', 'k', -1);
SELECT mvstore_drop('s', 'k', keep := 0);
SELECT mvstore_drop('s', 'k', before := -1);
SELECT mvstore_scan('s', 'b', 'a');
SELECT mvstore_scan('s', max_rows := -1);
SELECT mvstore_history('s', 'k', -1);
-- 22021
SELECT mvstore_put_bytea('s', 'bytes', '\xff'::bytea) > 0 AS put;
SELECT mvstore_get('s', 'bytes');
SELECT mvstore_scan('s');
SELECT mvstore_get_many('s', ARRAY['bytes']);
SELECT mvstore_put_raw('s', '\x80', 'x') > 0 AS put;
SELECT mvstore_scan('s', 'z');
SELECT mvstore_scan_bytea('s', 'z');
SELECT mvstore_erase_raw('s', '\x80');
-- 2202E
SELECT mvstore_put_many('s', '{a,b}', '{x}'::text[]);
-- 23505
SELECT mvstore_put_at('s', 'k', 'v', 20);
-- 55000: the future (the details tell the time)
\set VERBOSITY terse
SELECT mvstore_get('s', 'k', as_of := 9223372036854775806);
SELECT mvstore_put_at('s', 'k', 'v', 9223372036854775806);
\set VERBOSITY default
INSERT INTO s VALUES ('future', 9000000000000000000, 'v', NULL);
SELECT mvstore_put('s', 'future', 'v');
-- 72000: the store, the version, the floor
SELECT mvstore_drop('s', 'k');
SELECT mvstore_flush();
SELECT mvstore_get('s', 'k', as_of := 15);
SELECT mvstore_scan('s', as_of := 15);
SELECT mvstore_put_at('s', 'k', 'v', 15);
SELECT mvstore_pin('p', 15, store := 's');
-- 25006
BEGIN READ ONLY;
SELECT mvstore_put('s', 'k', 'v');
ROLLBACK;
BEGIN READ ONLY;
SELECT mvstore_drop('s', 'k');
ROLLBACK;
-- 42501
CREATE ROLE regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT mvstore_create('theirs');
SELECT mvstore_get('s', 'k');
SELECT mvstore_drop('s', 'k');
RESET ROLE;
-- 0A000
GRANT ALL ON s TO regress_mvstore_user;
ALTER TABLE s ENABLE ROW LEVEL SECURITY;
SET ROLE regress_mvstore_user;
SELECT mvstore_get('s', 'k');
RESET ROLE;
ALTER TABLE s DISABLE ROW LEVEL SECURITY;
DROP OWNED BY regress_mvstore_user;
DROP ROLE regress_mvstore_user;
SELECT mvstore_create('pg_temp.s');
-- 39P01
CREATE FUNCTION regress_no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER regress_no BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION regress_no();
SELECT mvstore_put('s', 'k', 'v');
DROP TRIGGER regress_no ON s;
DROP FUNCTION regress_no;
-- 55000: no index
SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index WHERE indrelid = 's'::regclass \gexec
SELECT mvstore_get('s', 'k');
DROP TABLE s, plain, shaped;
