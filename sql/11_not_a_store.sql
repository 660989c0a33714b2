--
-- Nothing is read from, written to or dropped from a relation that is not a
-- store, however much it looks like one.
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
-- Other kinds of relation.
SELECT mvstore_get('lookalike_view', 'k');
SELECT mvstore_put('lookalike_view', 'k', 'w');
SELECT mvstore_put('lookalike_sequence', 'k', 'w');
SELECT mvstore_put('lookalike_key_version_idx', 'k', 'w');
SELECT mvstore_put('pg_class', 'k', 'w');
SELECT mvstore_put('mvstore_policy', 'k', 'w');
-- A name that is nothing, and a number that is nothing.
SELECT mvstore_get('no_such_table', 'k');
SELECT mvstore_get(4294967294::oid::regclass, 'k');
\set VERBOSITY default

SELECT convert_from(key, 'UTF8') AS key, version, convert_from(value, 'UTF8') AS value FROM lookalike;

-- A store that was made unlogged would lose its history at a crash: refused.
SELECT mvstore_create('s');
ALTER TABLE s SET UNLOGGED;
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'w');
\set VERBOSITY default
DROP TABLE s;

DROP VIEW lookalike_view;
DROP SEQUENCE lookalike_sequence;
DROP TABLE lookalike;
