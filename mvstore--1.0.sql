/* mvstore--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION mvstore" to load this file. \quit

--
-- Catalog. Written by the C code only, whatever the rights of its caller.
--

-- One row per store. incarnation counts the lives of its contents: TRUNCATE
-- begins the next, and drops requested in an earlier life are void.
CREATE TABLE mvstore_policy (
	store			regclass	NOT NULL PRIMARY KEY,
	keep_versions	integer,
	keep_for		interval,
	ttl				interval,
	incarnation		bigint		NOT NULL
);

-- The greatest version at which something removed from the store was
-- superseded: reads as of it, or later, are complete.
CREATE TABLE mvstore_floor (
	store			regclass	NOT NULL PRIMARY KEY,
	floor			bigint		NOT NULL
);

-- Drop requests that a committed transaction has made and the worker has not
-- yet worked off. system and database say where a row was made, so that rows
-- that arrive by a restore are told from the worker's own. A policy's own
-- request (keep 0) has a row only when it has failed for good.
CREATE TABLE mvstore_journal (
	id				bigint		NOT NULL,
	system			bigint		NOT NULL,
	database		oid			NOT NULL,
	store			regclass	NOT NULL,
	incarnation		bigint		NOT NULL,
	key				bytea		NOT NULL,
	keep			integer		NOT NULL,
	before			bigint		NOT NULL,
	spilled			boolean		NOT NULL,	-- there was no room in the queue
	attempts		integer		NOT NULL,	-- that failed
	error			text,					-- of the last of them
	PRIMARY KEY (id, system, database)
);

-- A row while the worker is to drop nothing.
CREATE TABLE mvstore_paused (
	paused			boolean		NOT NULL PRIMARY KEY CHECK (paused),
	since			timestamptz	NOT NULL,
	role			name		NOT NULL
);

-- No version above its value has been handed out: the durable high-water mark.
CREATE SEQUENCE mvstore_clock;

-- One row: whoever sees it sees the ends of all transactions with versions up to
-- its own. For standbys and old snapshots; of no use after a restore.
CREATE TABLE mvstore_stable (
	version			bigint		NOT NULL
);
INSERT INTO mvstore_stable VALUES (0);

REVOKE ALL ON mvstore_policy, mvstore_floor, mvstore_journal, mvstore_paused, mvstore_stable
  FROM PUBLIC;
REVOKE ALL ON SEQUENCE mvstore_clock FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('mvstore_policy', '');
SELECT pg_catalog.pg_extension_config_dump('mvstore_floor', '');
SELECT pg_catalog.pg_extension_config_dump('mvstore_journal', '');
SELECT pg_catalog.pg_extension_config_dump('mvstore_clock', '');

--
-- Stores
--

CREATE FUNCTION mvstore_create(store text, keep_versions integer DEFAULT NULL,
							   keep_for interval DEFAULT NULL, ttl interval DEFAULT NULL)
RETURNS regclass
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_create(text, integer, interval, interval) IS
'create a store: a table of every version of a key';

CREATE FUNCTION mvstore_truncated() RETURNS trigger
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_truncated() IS
'trigger on every store: TRUNCATE begins its next incarnation';

CREATE FUNCTION mvstore_forget() RETURNS event_trigger
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mvstore_forget() FROM PUBLIC;

COMMENT ON FUNCTION mvstore_forget() IS
'event trigger: DROP TABLE forgets the store';

CREATE EVENT TRIGGER mvstore_forget ON sql_drop
EXECUTE FUNCTION mvstore_forget();
-- A dropped store is forgotten whatever session_replication_role says.
ALTER EVENT TRIGGER mvstore_forget ENABLE ALWAYS;

CREATE VIEW mvstore_stores AS
SELECT p.store, p.keep_versions, p.keep_for, p.ttl, p.incarnation,
	   pg_catalog.pg_total_relation_size(p.store) AS size
  FROM mvstore_policy p
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.store;
GRANT SELECT ON mvstore_stores TO PUBLIC;

COMMENT ON VIEW mvstore_stores IS
'the stores of this database: policy, incarnation, bytes on disk with index and TOAST';

--
-- Writes
--

CREATE FUNCTION mvstore_put(store regclass, key text, value text, ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put(regclass, text, text, interval) IS
'write a value under a key; returns the version';

CREATE FUNCTION mvstore_put(store regclass, key bytea, value bytea, ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'mvstore_put_bytea' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put(regclass, bytea, bytea, interval) IS
'write a value under a key; returns the version';

CREATE FUNCTION mvstore_put(store regclass, key text, value bytea, ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'mvstore_put_text_bytea' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put(regclass, text, bytea, interval) IS
'write a value under a key; returns the version';

CREATE FUNCTION mvstore_put_if(store regclass, key text, value text, expected bigint,
								ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_if(regclass, text, text, bigint, interval) IS
'write a value if the live version is the one expected, 0 being none; NULL if it is not';

CREATE FUNCTION mvstore_put_if(store regclass, key bytea, value bytea, expected bigint,
								ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'mvstore_put_if_bytea' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_if(regclass, bytea, bytea, bigint, interval) IS
'write a value if the live version is the one expected, 0 being none; NULL if it is not';

CREATE FUNCTION mvstore_put_if(store regclass, key text, value bytea, expected bigint,
								ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'mvstore_put_if_text_bytea' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_if(regclass, text, bytea, bigint, interval) IS
'write a value if the live version is the one expected, 0 being none; NULL if it is not';

CREATE FUNCTION mvstore_put_many(store regclass, keys text[], "values" text[])
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_many(regclass, text[], text[]) IS
'write many values at one version, a NULL value being a delete; NULL if nothing was written';

CREATE FUNCTION mvstore_put_many_bytea(store regclass, keys bytea[], "values" bytea[])
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_many_bytea(regclass, bytea[], bytea[]) IS
'write many values at one version, a NULL value being a delete; NULL if nothing was written';

CREATE FUNCTION mvstore_put_at(store regclass, key text, value text, version bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_at(regclass, text, text, bigint) IS
'write a value into the past, for imports and replays';

CREATE FUNCTION mvstore_put_at(store regclass, key bytea, value bytea, version bigint)
RETURNS void
AS 'MODULE_PATHNAME', 'mvstore_put_at_bytea' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_at(regclass, bytea, bytea, bigint) IS
'write a value into the past, for imports and replays';

CREATE FUNCTION mvstore_put_at(store regclass, key text, value bytea, version bigint)
RETURNS void
AS 'MODULE_PATHNAME', 'mvstore_put_at_text_bytea' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_at(regclass, text, bytea, bigint) IS
'write a value into the past, for imports and replays';

CREATE FUNCTION mvstore_delete(store regclass, key text)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete(regclass, text) IS
'write a tombstone; returns the version, NULL if there was nothing to delete';

CREATE FUNCTION mvstore_delete(store regclass, key bytea)
RETURNS bigint
AS 'MODULE_PATHNAME', 'mvstore_delete_bytea' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete(regclass, bytea) IS
'write a tombstone; returns the version, NULL if there was nothing to delete';

CREATE FUNCTION mvstore_delete_if(store regclass, key text, expected bigint)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete_if(regclass, text, bigint) IS
'write a tombstone if the live version is the one expected; NULL if it is not';

CREATE FUNCTION mvstore_delete_if(store regclass, key bytea, expected bigint)
RETURNS bigint
AS 'MODULE_PATHNAME', 'mvstore_delete_if_bytea' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete_if(regclass, bytea, bigint) IS
'write a tombstone if the live version is the one expected; NULL if it is not';

CREATE FUNCTION mvstore_delete_at(store regclass, key text, version bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete_at(regclass, text, bigint) IS
'write a tombstone into the past, for imports and replays';

CREATE FUNCTION mvstore_delete_at(store regclass, key bytea, version bigint)
RETURNS void
AS 'MODULE_PATHNAME', 'mvstore_delete_at_bytea' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete_at(regclass, bytea, bigint) IS
'write a tombstone into the past, for imports and replays';

CREATE FUNCTION mvstore_lock(store regclass, key text)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_lock(regclass, text) IS
'keep others from writing a key until the transaction ends';

CREATE FUNCTION mvstore_lock(store regclass, key bytea)
RETURNS void
AS 'MODULE_PATHNAME', 'mvstore_lock_bytea' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_lock(regclass, bytea) IS
'keep others from writing a key until the transaction ends';

--
-- Reads
--

CREATE FUNCTION mvstore_support(internal) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION mvstore_support(internal) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_support(internal) IS
'planner support: how many rows the functions return that return many';

CREATE FUNCTION mvstore_get(store regclass, key text, as_of bigint DEFAULT 9223372036854775807)
RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_get(regclass, text, bigint) IS
'the value under a key; NULL if absent, deleted or expired';

CREATE FUNCTION mvstore_get(store regclass, key bytea, as_of bigint DEFAULT 9223372036854775807)
RETURNS bytea
AS 'MODULE_PATHNAME', 'mvstore_get_bytea' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_get(regclass, bytea, bigint) IS
'the value under a key; NULL if absent, deleted or expired';

CREATE FUNCTION mvstore_get_bytea(store regclass, key text,
								  as_of bigint DEFAULT 9223372036854775807)
RETURNS bytea
AS 'MODULE_PATHNAME', 'mvstore_get_text_bytea' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_get_bytea(regclass, text, bigint) IS
'the value under a text key, as bytes';

CREATE FUNCTION mvstore_get_entry(store regclass, key text,
								  as_of bigint DEFAULT 9223372036854775807, OUT key text,
								  OUT version bigint, OUT value text,
								  OUT expires_at timestamptz)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_get_entry(regclass, text, bigint) IS
'the live entry under a key, with its own version';

CREATE FUNCTION mvstore_get_entry(store regclass, key bytea,
								  as_of bigint DEFAULT 9223372036854775807, OUT key bytea,
								  OUT version bigint, OUT value bytea,
								  OUT expires_at timestamptz)
RETURNS record
AS 'MODULE_PATHNAME', 'mvstore_get_entry_bytea' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_get_entry(regclass, bytea, bigint) IS
'the live entry under a key, with its own version';

CREATE FUNCTION mvstore_get_many(store regclass, keys text[],
									as_of bigint DEFAULT 9223372036854775807)
RETURNS TABLE (key text, version bigint, value text)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_get_many(regclass, text[], bigint) IS
'a row for each of the keys, in their order; version and value are NULL where there is none';

CREATE FUNCTION mvstore_get_many_bytea(store regclass, keys bytea[],
										as_of bigint DEFAULT 9223372036854775807)
RETURNS TABLE (key bytea, version bigint, value bytea)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_get_many_bytea(regclass, bytea[], bigint) IS
'a row for each of the keys, in their order; version and value are NULL where there is none';

CREATE FUNCTION mvstore_contains(store regclass, key text,
								 as_of bigint DEFAULT 9223372036854775807)
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_contains(regclass, text, bigint) IS
'whether a key has a value';

CREATE FUNCTION mvstore_contains(store regclass, key bytea,
								 as_of bigint DEFAULT 9223372036854775807)
RETURNS boolean
AS 'MODULE_PATHNAME', 'mvstore_contains_bytea' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_contains(regclass, bytea, bigint) IS
'whether a key has a value';

CREATE FUNCTION mvstore_previous(store regclass, key text,
								 before bigint DEFAULT 9223372036854775807, OUT key text,
								 OUT version bigint, OUT value text, OUT expires_at timestamptz)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_previous(regclass, text, bigint) IS
'the newest entry of a key below a version, tombstones included';

CREATE FUNCTION mvstore_previous(store regclass, key bytea,
								 before bigint DEFAULT 9223372036854775807, OUT key bytea,
								 OUT version bigint, OUT value bytea,
								 OUT expires_at timestamptz)
RETURNS record
AS 'MODULE_PATHNAME', 'mvstore_previous_bytea' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_previous(regclass, bytea, bigint) IS
'the newest entry of a key below a version, tombstones included';

CREATE FUNCTION mvstore_scan(store regclass, from_key text DEFAULT NULL,
							 to_key text DEFAULT NULL, as_of bigint DEFAULT 9223372036854775807,
							 max_rows bigint DEFAULT NULL, reverse boolean DEFAULT false)
RETURNS TABLE (key text, version bigint, value text)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 1000
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_scan(regclass, text, text, bigint, bigint, boolean) IS
'the keys in [from_key, to_key) that have a value, in byte order';

CREATE FUNCTION mvstore_scan_bytea(store regclass, from_key bytea DEFAULT NULL,
								   to_key bytea DEFAULT NULL,
								   as_of bigint DEFAULT 9223372036854775807,
								   max_rows bigint DEFAULT NULL, reverse boolean DEFAULT false)
RETURNS TABLE (key bytea, version bigint, value bytea)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 1000
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_scan_bytea(regclass, bytea, bytea, bigint, bigint, boolean) IS
'the keys in [from_key, to_key) that have a value, in byte order';

CREATE FUNCTION mvstore_scan_prefix(store regclass, prefix text,
									as_of bigint DEFAULT 9223372036854775807,
									max_rows bigint DEFAULT NULL, reverse boolean DEFAULT false)
RETURNS TABLE (key text, version bigint, value text)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_scan_prefix(regclass, text, bigint, bigint, boolean) IS
'the keys that begin with a prefix and have a value, in byte order';

CREATE FUNCTION mvstore_scan_prefix(store regclass, prefix bytea,
									as_of bigint DEFAULT 9223372036854775807,
									max_rows bigint DEFAULT NULL, reverse boolean DEFAULT false)
RETURNS TABLE (key bytea, version bigint, value bytea)
AS 'MODULE_PATHNAME', 'mvstore_scan_prefix_bytea' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_scan_prefix(regclass, bytea, bigint, bigint, boolean) IS
'the keys that begin with a prefix and have a value, in byte order';

CREATE FUNCTION mvstore_count(store regclass, from_key text DEFAULT NULL,
								to_key text DEFAULT NULL,
								as_of bigint DEFAULT 9223372036854775807)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_count(regclass, text, text, bigint) IS
'how many keys in [from_key, to_key) have a value';

CREATE FUNCTION mvstore_count_bytea(store regclass, from_key bytea DEFAULT NULL,
									to_key bytea DEFAULT NULL,
									as_of bigint DEFAULT 9223372036854775807)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_count_bytea(regclass, bytea, bytea, bigint) IS
'how many keys in [from_key, to_key) have a value';

CREATE FUNCTION mvstore_diff(store regclass, from_version bigint,
								to_version bigint DEFAULT 9223372036854775807,
								prefix text DEFAULT NULL)
RETURNS TABLE (key text, old_version bigint, old_value text, new_version bigint,
			   new_value text)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_diff(regclass, bigint, bigint, text) IS
'the keys whose live entry is another as of to_version than as of from_version';

CREATE FUNCTION mvstore_diff_bytea(store regclass, from_version bigint,
									to_version bigint DEFAULT 9223372036854775807,
									prefix bytea DEFAULT NULL)
RETURNS TABLE (key bytea, old_version bigint, old_value bytea, new_version bigint,
			   new_value bytea)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_diff_bytea(regclass, bigint, bigint, bytea) IS
'the keys whose live entry is another as of to_version than as of from_version';

CREATE FUNCTION mvstore_history(store regclass, key text, max_rows bigint DEFAULT NULL)
RETURNS TABLE (version bigint, value text, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_history(regclass, text, bigint) IS
'every entry of a key, newest first, tombstones included';

CREATE FUNCTION mvstore_history(store regclass, key bytea, max_rows bigint DEFAULT NULL)
RETURNS TABLE (version bigint, value bytea, expires_at timestamptz)
AS 'MODULE_PATHNAME', 'mvstore_history_bytea' LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_history(regclass, bytea, bigint) IS
'every entry of a key, newest first, tombstones included';

--
-- Versions
--

CREATE FUNCTION mvstore_stable_version()
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_stable_version() IS
'the newest version of which a read never changes';

CREATE FUNCTION mvstore_wait_stable(version bigint, timeout interval DEFAULT '30 s')
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_wait_stable(bigint, interval) IS
'wait until a version is stable; false on timeout';

CREATE FUNCTION mvstore_version_at(at timestamptz)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_version_at(timestamptz) IS
'a time as a version: microseconds since 1970';

CREATE FUNCTION mvstore_time_of(version bigint)
RETURNS timestamptz
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_time_of(bigint) IS
'a version as a time';

--
-- Drops
--

CREATE FUNCTION mvstore_drop(store regclass, key text, keep integer DEFAULT 1,
							 before bigint DEFAULT 9223372036854775807)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_drop(regclass, text, integer, bigint) IS
'enqueue a drop of the superseded entries of a key beyond the newest keep';

CREATE FUNCTION mvstore_drop(store regclass, key bytea, keep integer DEFAULT 1,
							 before bigint DEFAULT 9223372036854775807)
RETURNS void
AS 'MODULE_PATHNAME', 'mvstore_drop_bytea' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_drop(regclass, bytea, integer, bigint) IS
'enqueue a drop of the superseded entries of a key beyond the newest keep';

CREATE FUNCTION mvstore_flush(timeout interval DEFAULT '30 s')
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_flush(interval) IS
'wait until every drop requested by now is done; false on timeout';

--
-- Operation
--

CREATE FUNCTION mvstore_pause()
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mvstore_pause() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_pause() TO pg_signal_backend;

COMMENT ON FUNCTION mvstore_pause() IS
'have the drop worker of this database drop nothing until mvstore_resume()';

CREATE FUNCTION mvstore_resume()
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mvstore_resume() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_resume() TO pg_signal_backend;

COMMENT ON FUNCTION mvstore_resume() IS
'have the drop worker go on, also with requests that a restore has brought';

CREATE FUNCTION mvstore_retry_failed(store regclass)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mvstore_retry_failed(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_retry_failed(regclass) TO pg_signal_backend;

COMMENT ON FUNCTION mvstore_retry_failed(regclass) IS
'try the failed drop requests of a store again; returns how many there are';

CREATE FUNCTION mvstore_cancel_request(id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mvstore_cancel_request(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_cancel_request(bigint) TO pg_signal_backend;

COMMENT ON FUNCTION mvstore_cancel_request(bigint) IS
'void a drop request of mvstore_requests; false if there is none with that id';

CREATE FUNCTION mvstore_request_state(system bigint, database oid, before bigint, spilled boolean,
									  attempts integer)
RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_request_state(bigint, oid, bigint, boolean, integer) IS
'what a row of the journal waits for; read it through mvstore_requests';

CREATE FUNCTION mvstore_queued_requests(OUT store regclass, OUT key bytea, OUT keep integer,
										OUT before bigint, OUT requested_at timestamptz,
										OUT state text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 100;

COMMENT ON FUNCTION mvstore_queued_requests() IS
'requests in the queue that have no row in the journal; read it through mvstore_requests';

CREATE VIEW mvstore_requests AS
SELECT j.id, j.store,
	   CASE WHEN pg_catalog.has_table_privilege(j.store, 'SELECT')
			 AND NOT pg_catalog.row_security_active(j.store) THEN j.key END AS key,
	   CASE WHEN j.keep OPERATOR(pg_catalog.>) 0 THEN j.keep END AS keep, j.before, 
	   mvstore_time_of(j.id) AS requested_at, j.attempts, j.error AS last_error,
	   mvstore_request_state(j.system, j.database, j.before, j.spilled, j.attempts) AS state
  FROM mvstore_journal j
UNION ALL
SELECT NULL, q.store, q.key, q.keep, q.before, q.requested_at, 0, NULL, q.state
  FROM mvstore_queued_requests() q;
GRANT SELECT ON mvstore_requests TO PUBLIC;

COMMENT ON VIEW mvstore_requests IS
'the drop requests of this database that are not yet done; a policy''s own have no id and no keep';

--
-- Stats
--

CREATE FUNCTION mvstore_stat_databases(OUT database oid, OUT worker_pid integer,
	OUT worker_state text, OUT queue_length bigint, OUT queue_bytes bigint,
	OUT queue_capacity bigint, OUT queue_high_water bigint, OUT oldest_request timestamptz,
	OUT requests_enqueued bigint, OUT requests_merged bigint, OUT requests_overflowed bigint,
	OUT requests_processed bigint, OUT requests_held bigint, OUT requests_failed bigint,
	OUT entries_dropped bigint, OUT bytes_dropped bigint, OUT batches bigint,
	OUT last_batch_at timestamptz, OUT last_batch_duration interval,
	OUT lag_mean interval, OUT lag_max interval, OUT sweeps bigint,
	OUT last_error text, OUT last_error_at timestamptz, OUT stats_since timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 8;

COMMENT ON FUNCTION mvstore_stat_databases() IS
'what shared memory counts for each database; read it through mvstore_stats';

CREATE VIEW mvstore_stats AS
SELECT d.datname AS database, s.worker_pid, s.worker_state,
	   s.queue_length, s.queue_bytes, s.queue_capacity, s.queue_high_water,
	   pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) s.oldest_request AS oldest_request_age,
	   s.requests_enqueued, s.requests_merged, s.requests_overflowed,
	   s.requests_processed, s.requests_held, s.requests_failed,
	   s.entries_dropped, s.bytes_dropped, s.batches, s.last_batch_at, s.last_batch_duration,
	   s.lag_mean, s.lag_max, s.sweeps, s.last_error, s.last_error_at, s.stats_since
  FROM mvstore_stat_databases() s
  JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.database;
GRANT SELECT ON mvstore_stats TO PUBLIC;

COMMENT ON VIEW mvstore_stats IS
'the drop queue and the drop worker, one row per database with stores';

CREATE FUNCTION mvstore_stat_stores(OUT store oid, OUT puts bigint, OUT deletes bigint,
	OUT requests bigint, OUT entries_dropped bigint, OUT bytes_dropped bigint,
	OUT keys_purged bigint, OUT keys_expired bigint, OUT last_sweep timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION mvstore_stat_stores() IS
'what shared memory counts for each store of this database; read it through mvstore_store_stats';

CREATE VIEW mvstore_store_stats AS
SELECT p.store,
	   coalesce(s.puts, 0) AS puts, coalesce(s.deletes, 0) AS deletes,
	   coalesce(s.requests, 0) AS requests,
	   coalesce(s.entries_dropped, 0) AS entries_dropped,
	   coalesce(s.bytes_dropped, 0) AS bytes_dropped,
	   coalesce(s.keys_purged, 0) AS keys_purged,
	   coalesce(s.keys_expired, 0) AS keys_expired,
	   f.floor, s.last_sweep,
	   pg_catalog.pg_stat_get_dead_tuples(p.store) AS dead_tuples
  FROM mvstore_policy p
  LEFT JOIN mvstore_floor f ON f.store OPERATOR(pg_catalog.=) p.store
  LEFT JOIN mvstore_stat_stores() s ON s.store OPERATOR(pg_catalog.=) p.store;
GRANT SELECT ON mvstore_store_stats TO PUBLIC;

COMMENT ON VIEW mvstore_store_stats IS
'what was written to and dropped from each store of this database';

CREATE FUNCTION mvstore_stat_writers(OUT pid integer, OUT version bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION mvstore_stat_writers() IS
'the transactions that are writing to stores of this database; read it through mvstore_blockers';

CREATE FUNCTION mvstore_stat_troubles(OUT kind text, OUT store oid, OUT since timestamptz,
									  OUT requests bigint, OUT message text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION mvstore_stat_troubles() IS
'the stores that the drop worker cannot get at; read it through mvstore_blockers';

-- Everything that keeps old versions, or their dead rows, from going.
CREATE VIEW mvstore_blockers AS
SELECT 'writer' AS kind, w.pid, a.usename AS name, mvstore_time_of(w.version) AS since,
	   NULL::regclass AS store,
	   'what was superseded since: ' OPERATOR(pg_catalog.||)
	   coalesce(d.requests_held, 0)::text OPERATOR(pg_catalog.||) ' requests held' AS holds_back
  FROM mvstore_stat_writers() w
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) w.pid
  LEFT JOIN mvstore_stats d ON d.database OPERATOR(pg_catalog.=) pg_catalog.current_database()
UNION ALL
SELECT 'put_at', l.pid, a.usename, a.xact_start, l.classid::regclass,
	   'all drops from the store'
  FROM pg_catalog.pg_locks l
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
 WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'
   AND l."database" OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database
										   WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
   AND l.objsubid OPERATOR(pg_catalog.=) 19714	-- MVS_LOCK_DROP
   AND l.mode OPERATOR(pg_catalog.=) 'ShareLock' AND l.granted
UNION ALL
SELECT t.kind, l.pid, a.usename, t.since, t.store::regclass,
	   coalesce(t.message, t.requests::text OPERATOR(pg_catalog.||) ' requests')
  FROM mvstore_stat_troubles() t
  LEFT JOIN pg_catalog.pg_locks l
	ON t.kind OPERATOR(pg_catalog.=) 'lock' AND l.relation OPERATOR(pg_catalog.=) t.store
   AND l.granted AND l.mode OPERATOR(pg_catalog.=) ANY ('{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}')
   AND l."database" OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database
											 WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
UNION ALL
SELECT 'error', NULL, NULL, pg_catalog.min(mvstore_time_of(j.id)), j.store,
	   pg_catalog.count(*)::text OPERATOR(pg_catalog.||) ' requests failed, see mvstore_requests'
  FROM mvstore_journal j
 WHERE j.attempts OPERATOR(pg_catalog.>=) 5
 GROUP BY j.store
UNION ALL
SELECT 'paused', NULL, p.role, p.since, NULL, 'all drops of the database'
  FROM mvstore_paused p
UNION ALL
SELECT 'slot', NULL, NULL, NULL, NULL, 'all drops of the database, for lack of a worker slot'
  FROM mvstore_stats d
 WHERE d.database OPERATOR(pg_catalog.=) pg_catalog.current_database()
   AND d.worker_state OPERATOR(pg_catalog.=) 'no free worker slot'
UNION ALL
SELECT 'snapshot', a.pid, a.usename, a.xact_start, NULL,
	   'the space of what went in the last ' OPERATOR(pg_catalog.||)
	   pg_catalog.age(coalesce(a.backend_xmin, a.backend_xid))::text OPERATOR(pg_catalog.||)
	   ' transactions'
  FROM pg_catalog.pg_stat_activity a
 WHERE coalesce(a.backend_xmin, a.backend_xid) IS NOT NULL
   AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
   -- A standby, told of by its WAL sender, holds back all databases.
   AND (a.datname IS NULL OR a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
UNION ALL
SELECT 'snapshot', s.active_pid, s.slot_name, NULL, NULL,
	   'the space of what went in the last ' OPERATOR(pg_catalog.||)
	   pg_catalog.age(s.xmin)::text OPERATOR(pg_catalog.||) ' transactions'
  FROM pg_catalog.pg_replication_slots s
 WHERE s.xmin IS NOT NULL
UNION ALL
SELECT 'snapshot', NULL, x.gid, x.prepared, NULL,
	   'the space of what went in the last ' OPERATOR(pg_catalog.||)
	   pg_catalog.age(x.transaction)::text OPERATOR(pg_catalog.||) ' transactions'
  FROM pg_catalog.pg_prepared_xacts x
 WHERE x."database" OPERATOR(pg_catalog.=) pg_catalog.current_database();
GRANT SELECT ON mvstore_blockers TO PUBLIC;

COMMENT ON VIEW mvstore_blockers IS
'what keeps old versions, or the space of dropped ones, from going';
