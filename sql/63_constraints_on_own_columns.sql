--
-- What a table says of further columns and their defaults holds for puts as it
-- does for INSERT, with the same errors.
--
\pset null '(null)'
SELECT mvstore_create('s');
ALTER TABLE s ADD COLUMN weight int DEFAULT 5 CONSTRAINT s_weight CHECK (weight > 0);
ALTER TABLE s ADD COLUMN source text NOT NULL DEFAULT 'put';
SELECT mvstore_put('s', 'k', 'v1') > 0 AS put;
SELECT weight, source, convert_from(value, 'UTF8') AS value FROM s;
ALTER TABLE s ALTER weight SET DEFAULT 0;
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'v2');
SELECT mvstore_put_raw('s', 'new'::bytea, 'v2'::bytea);
SELECT mvstore_put_at('s', 'k', 'v2', 10);
SELECT mvstore_delete('s', 'k');
SELECT mvstore_delete_at('s', 'k', 10);
ALTER TABLE s ALTER weight DROP DEFAULT, ALTER source DROP DEFAULT;
SELECT mvstore_put('s', 'k', 'v2');
\set VERBOSITY default
-- Over two columns, and with one that is generated.
ALTER TABLE s ALTER source SET DEFAULT 'put';
ALTER TABLE s ADD COLUMN size int GENERATED ALWAYS AS (length(value)) STORED;
ALTER TABLE s ADD CONSTRAINT s_size CHECK (size <= 5 AND source <> convert_from(key, 'UTF8'));
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'too long');
SELECT mvstore_put('s', 'put', 'v');
\set VERBOSITY default
SELECT mvstore_put('s', 'k', 'short') > 0 AS put;
-- Whoever may put but has no right on these columns is told of the constraint
-- alone, not of the row.
CREATE ROLE regress_mvstore_writer;
GRANT INSERT ON s TO regress_mvstore_writer;
SET ROLE regress_mvstore_writer;
SELECT mvstore_put('s', 'k', 'too long');
RESET ROLE;
SELECT value FROM mvstore_history('s', 'k');
-- A domain may refuse NULL, where there is no default.
CREATE DOMAIN regress_must AS text NOT NULL;
CREATE DOMAIN regress_short AS text CHECK (length(VALUE) < 3);
SELECT mvstore_create('d');
ALTER TABLE d ADD COLUMN tag regress_short;
SELECT mvstore_put('d', 'k', 'v1') > 0 AS put;
ALTER TABLE d ADD COLUMN who regress_must DEFAULT 'me';
SELECT mvstore_put('d', 'k', 'v2') > 0 AS put;
ALTER TABLE d ALTER who DROP DEFAULT;
\set VERBOSITY sqlstate
SELECT mvstore_put('d', 'k', 'v3');
SELECT mvstore_put_many('d', '{k,l}', '{v3,v3}');
SELECT mvstore_delete('d', 'k');
\set VERBOSITY default
SELECT value FROM mvstore_history('d', 'k');
DROP TABLE d;
DROP DOMAIN regress_must, regress_short;
DROP TABLE s;
DROP ROLE regress_mvstore_writer;
