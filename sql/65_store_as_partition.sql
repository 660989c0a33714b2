--
-- A store that is a partition takes only rows within its bounds, so the
-- partitioned table finds them all.
--
\pset null '(null)'
SELECT mvstore_create('s');
CREATE TABLE parent (key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz)
  PARTITION BY RANGE (version);
ALTER TABLE parent ATTACH PARTITION s FOR VALUES FROM (1) TO (100);
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'v');
SELECT mvstore_put_raw('s', 'k'::bytea, 'v'::bytea);
SELECT mvstore_put_at('s', 'k', 'v', 100);
\set VERBOSITY default
SELECT count(*) FROM s;
SELECT mvstore_put_at('s', 'k', 'v10', 10), mvstore_put_at('s', 'k', 'v99', 99);
SELECT version, convert_from(value, 'UTF8') AS value FROM parent WHERE version BETWEEN 1 AND 99 ORDER BY version;
SELECT mvstore_drop('s', 'k');
SELECT mvstore_flush();
SELECT version, value FROM mvstore_history('s', 'k');
-- With room for what is to come it is a store as any other.
ALTER TABLE parent DETACH PARTITION s;
ALTER TABLE parent ATTACH PARTITION s FOR VALUES FROM (1) TO (MAXVALUE);
SELECT mvstore_put('s', 'k', 'v') > 99 AS put;
SELECT count(*) FROM parent WHERE version > 99;
SELECT mvstore_delete('s', 'k') > 99 AS deleted;
-- The partitioned table itself is none.
\set VERBOSITY sqlstate
SELECT mvstore_put('parent', 'k', 'v');
SELECT mvstore_get('parent', 'k');
\set VERBOSITY default
DROP TABLE parent;
SELECT count(*) FROM mvstore_stores;
