--
-- Nothing is read from, written to or dropped from a relation that is not a
-- store, however much it looks like one. The error says what would make it one:
-- without that, whoever restored or detached a table looks for the word "attach".
--
CREATE TABLE lookalike (key bytea NOT NULL, version bigint NOT NULL, value bytea,
                        expires_at timestamptz);
CREATE UNIQUE INDEX ON lookalike (key, version DESC);
INSERT INTO lookalike VALUES ('k', 1, 'v', NULL);
CREATE VIEW lookalike_view AS TABLE lookalike;
CREATE SEQUENCE lookalike_sequence;

\set VERBOSITY sqlstate
SELECT mvstore_get('lookalike', 'k');
SELECT mvstore_get_raw('lookalike', '\x6b'::bytea);
SELECT mvstore_get_bytea('lookalike', 'k');
SELECT mvstore_get_entry('lookalike', 'k');
SELECT mvstore_contains('lookalike', 'k');
SELECT mvstore_previous('lookalike', 'k');
SELECT mvstore_history('lookalike', 'k');
SELECT mvstore_scan('lookalike');
SELECT mvstore_scan_raw('lookalike');
SELECT mvstore_scan_prefix('lookalike', 'k');
SELECT mvstore_put('lookalike', 'k', 'w');
SELECT mvstore_put_bytea('lookalike', 'k', 'w'::bytea);
SELECT mvstore_put_raw('lookalike', 'k'::bytea, 'w'::bytea);
SELECT mvstore_put_at('lookalike', 'k', 'w', 2);
SELECT mvstore_delete('lookalike', 'k');
SELECT mvstore_delete_at('lookalike', 'k', 2);
SELECT mvstore_drop('lookalike', 'k');
\set VERBOSITY default
-- Other kinds of relation.
CREATE MATERIALIZED VIEW lookalike_kept AS TABLE lookalike;
CREATE TABLE lookalike_parts (LIKE lookalike) PARTITION BY RANGE (key);
CREATE FOREIGN DATA WRAPPER regress_mvstore;
CREATE SERVER regress_mvstore FOREIGN DATA WRAPPER regress_mvstore;
CREATE FOREIGN TABLE lookalike_foreign (key bytea NOT NULL) SERVER regress_mvstore;
SELECT mvstore_get('lookalike_view', 'k');
SELECT mvstore_put('lookalike_view', 'k', 'w');
SELECT mvstore_put('lookalike_kept', 'k', 'w');
SELECT mvstore_put('lookalike_parts', 'k', 'w');
SELECT mvstore_put('lookalike_foreign', 'k', 'w');
SELECT mvstore_put('lookalike_sequence', 'k', 'w');
SELECT mvstore_put('lookalike_key_version_idx', 'k', 'w');
SELECT mvstore_attach('lookalike_view');
SELECT mvstore_put('pg_class', 'k', 'w');
SELECT mvstore_put('mvstore_policy', 'k', 'w');
DROP FOREIGN DATA WRAPPER regress_mvstore CASCADE;
DROP TABLE lookalike_parts;
DROP MATERIALIZED VIEW lookalike_kept;
-- What a table lacks; mvstore_attach() says the same of columns.
CREATE FUNCTION regress_lack(columns text, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text; hint text;
BEGIN
  EXECUTE format('CREATE TABLE x (%s)', columns);
  EXECUTE format('SELECT %s', call);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', SQLSTATE, SQLERRM, detail, hint);
END $$;
SELECT regress_lack(columns, call) FROM unnest(ARRAY[
  'key bytea NOT NULL, version bigint NOT NULL, value bytea',
  'key text NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz',
  'key bytea NOT NULL, version bigint, value bytea, expires_at timestamptz',
  'key bytea NOT NULL, version bigint NOT NULL, value bytea GENERATED ALWAYS AS (key) STORED, expires_at timestamptz',
  'key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz']) columns,
  unnest(ARRAY[$$mvstore_get('x', 'k')$$, $$mvstore_attach('x')$$]) call;
DROP FUNCTION regress_lack;
-- What lacks nothing.
SELECT mvstore_get('lookalike', 'k');
\set VERBOSITY sqlstate
-- A name that is nothing, and a number that is nothing.
SELECT mvstore_get('no_such_table', 'k');
SELECT mvstore_get(4294967294::oid::regclass, 'k');
\set VERBOSITY default

SELECT convert_from(key, 'UTF8') AS key, version, convert_from(value, 'UTF8') AS value FROM lookalike;

-- What the hint says, works.
SELECT mvstore_attach('lookalike', floor := 0);
SELECT mvstore_get('lookalike', 'k');
SELECT mvstore_detach('lookalike');

-- A store that was made unlogged would lose its history at a crash: refused, and
-- so is a temporary table. What the hints say, works.
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', 'k', 'v', 1);
ALTER TABLE s SET UNLOGGED;
SELECT mvstore_put('s', 'k', 'w');
SELECT mvstore_get('s', 'k');
ALTER TABLE public.s SET LOGGED;
SELECT mvstore_put('s', 'k', 'w') > 0 AS put;
CREATE TEMP TABLE short_lived (LIKE lookalike INCLUDING ALL);
INSERT INTO short_lived TABLE lookalike;
DO $$ BEGIN PERFORM mvstore_attach('short_lived'); EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% %', SQLSTATE, SQLERRM; END $$;
CREATE TABLE long_lived (LIKE short_lived INCLUDING ALL);
INSERT INTO long_lived TABLE short_lived;
SELECT mvstore_attach('long_lived', floor := 0);
SELECT mvstore_get('long_lived', 'k');
DROP TABLE s, short_lived, long_lived;

DROP VIEW lookalike_view;
DROP SEQUENCE lookalike_sequence;
DROP TABLE lookalike;
