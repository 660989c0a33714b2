--
-- What an error of the worker says is for who may read the store, for the owner of
-- the database, and for who monitors the server: it names things that others have
-- no business with.
--
CREATE ROLE regress_mvstore_stranger;
CREATE ROLE regress_mvstore_reader;
CREATE ROLE regress_mvstore_dba;
CREATE ROLE regress_mvstore_monitor IN ROLE pg_read_all_stats;
SELECT mvstore_create('secret');
GRANT SELECT ON secret TO regress_mvstore_reader;
SELECT count(mvstore_put_at('secret', 'k', 'v', v)) FROM generate_series(1, 2) v;

-- A request that fails.
SELECT mvstore_pause();
SELECT mvstore_drop('secret', 'k');
DO $$BEGIN EXECUTE format('DROP INDEX %I', (SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'secret'::regclass)); END$$;
SELECT mvstore_resume();
DO $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '30 s';
BEGIN
  WHILE NOT EXISTS (SELECT FROM mvstore_requests WHERE store = 'secret'::regclass AND attempts > 0) AND clock_timestamp() < deadline LOOP
    COMMIT;
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;

-- Who sees what.
CREATE VIEW seen AS
SELECT (SELECT last_error LIKE '%secret%' FROM mvstore_stats WHERE database = current_database()) AS stats,
       (SELECT last_error LIKE '%secret%' FROM mvstore_requests WHERE store = 'secret'::regclass) AS requests,
       (SELECT bool_or(holds_back LIKE '%secret%') FROM mvstore_blockers WHERE kind = 'error') AS blockers;
ALTER VIEW seen SET (security_invoker = true);
GRANT SELECT ON seen TO PUBLIC;
SELECT * FROM seen;
SET ROLE regress_mvstore_stranger;
SELECT * FROM seen;
-- that there is something is no secret
SELECT kind, holds_back FROM mvstore_blockers WHERE store = 'secret'::regclass;
SELECT last_error IS NULL AS hidden, last_error_at IS NOT NULL AS "is there" FROM mvstore_stats WHERE database = current_database();
SET ROLE regress_mvstore_reader;
SELECT * FROM seen;
SET ROLE regress_mvstore_monitor;
SELECT * FROM seen;
RESET ROLE;
SELECT current_user AS owner, current_database() AS database \gset
ALTER DATABASE :"database" OWNER TO regress_mvstore_dba;
SET ROLE regress_mvstore_dba;
SELECT * FROM seen;
RESET ROLE;
ALTER DATABASE :"database" OWNER TO :"owner";

-- Mended, it is done.
CREATE UNIQUE INDEX ON secret (key, version DESC);
SELECT mvstore_flush();
SELECT count(*) FROM secret;
DROP VIEW seen;
DROP TABLE secret;
DROP ROLE regress_mvstore_stranger, regress_mvstore_reader, regress_mvstore_dba, regress_mvstore_monitor;
