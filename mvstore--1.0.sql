/* mvstore--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION mvstore" to load this file. \quit

--
-- In this order, as a view needs what it reads:
--
--	the functions, as in doc/reference.md: a name fixes the types, see there;
--	the catalog: a type, tables, and what guards them;
--	triggers of stores;
--	functions below the views, not meant for use;
--	the views, as in doc/reference.md.
--


--
-- Stores
--

CREATE FUNCTION mvstore_create(store text, keep_versions integer DEFAULT NULL,
							   keep_for interval DEFAULT NULL, ttl interval DEFAULT NULL,
							   feed boolean DEFAULT false, if_not_exists boolean DEFAULT false)
RETURNS regclass
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_create(text, integer, interval, interval, boolean, boolean) IS
'create a store: a table of every version of a key';

CREATE FUNCTION mvstore_set_policy(store regclass, keep_versions integer DEFAULT NULL,
								   keep_for interval DEFAULT NULL, ttl interval DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_set_policy(regclass, integer, interval, interval) IS
'give a store another policy, as a whole; what is there is judged by it';

CREATE FUNCTION mvstore_set_feed(store regclass, feed boolean)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_set_feed(regclass, boolean) IS
'give a store an index in the order of versions, by which changes are found, or take it away';

CREATE FUNCTION mvstore_detach(store regclass)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_detach(regclass) IS
'make a store a plain table';

CREATE FUNCTION mvstore_attach(store regclass, keep_versions integer DEFAULT NULL,
							   keep_for interval DEFAULT NULL, ttl interval DEFAULT NULL,
							   floor bigint DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_attach(regclass, integer, interval, interval, bigint) IS
'make a store of a table that has the shape of one; its history is complete as of floor or later';

CREATE FUNCTION mvstore_clear(store regclass)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_clear(regclass) IS
'remove every entry of a store at once, as TRUNCATE does';

--
-- Writes
--

CREATE FUNCTION mvstore_put(store regclass, key text, value text, ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put(regclass, text, text, interval) IS
'write a value under a key; returns the version';

CREATE FUNCTION mvstore_put_bytea(store regclass, key text, value bytea,
								  ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_bytea(regclass, text, bytea, interval) IS
'write a value under a key; returns the version';

CREATE FUNCTION mvstore_put_raw(store regclass, key bytea, value bytea,
								ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_raw(regclass, bytea, bytea, interval) IS
'write a value under a key; returns the version';

CREATE FUNCTION mvstore_put_if(store regclass, key text, value text, expected bigint,
							   ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_if(regclass, text, text, bigint, interval) IS
'write a value if the live version is the one expected, 0 being none; NULL if it is not';

CREATE FUNCTION mvstore_put_if_bytea(store regclass, key text, value bytea, expected bigint,
									 ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_if_bytea(regclass, text, bytea, bigint, interval) IS
'write a value if the live version is the one expected, 0 being none; NULL if it is not';

CREATE FUNCTION mvstore_put_if_raw(store regclass, key bytea, value bytea, expected bigint,
								   ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_if_raw(regclass, bytea, bytea, bigint, interval) IS
'write a value if the live version is the one expected, 0 being none; NULL if it is not';

CREATE FUNCTION mvstore_put_many(store regclass, keys text[], new_values text[],
								 ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_many(regclass, text[], text[], interval) IS
'write many values at one version, a NULL value being a delete; NULL if nothing was written';

CREATE FUNCTION mvstore_put_many_bytea(store regclass, keys text[], new_values bytea[],
									   ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_many_bytea(regclass, text[], bytea[], interval) IS
'write many values at one version, a NULL value being a delete; NULL if nothing was written';

CREATE FUNCTION mvstore_put_many_raw(store regclass, keys bytea[], new_values bytea[],
									 ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_many_raw(regclass, bytea[], bytea[], interval) IS
'write many values at one version, a NULL value being a delete; NULL if nothing was written';

CREATE FUNCTION mvstore_delete(store regclass, key text)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete(regclass, text) IS
'write a tombstone; returns the version, NULL if there was nothing to delete';

CREATE FUNCTION mvstore_delete_raw(store regclass, key bytea)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete_raw(regclass, bytea) IS
'write a tombstone; returns the version, NULL if there was nothing to delete';

CREATE FUNCTION mvstore_delete_if(store regclass, key text, expected bigint)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete_if(regclass, text, bigint) IS
'write a tombstone if the live version is the one expected; NULL if it is not';

CREATE FUNCTION mvstore_delete_if_raw(store regclass, key bytea, expected bigint)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete_if_raw(regclass, bytea, bigint) IS
'write a tombstone if the live version is the one expected; NULL if it is not';

CREATE FUNCTION mvstore_lock(store regclass, key text)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_lock(regclass, text) IS
'keep others from writing a key until the transaction ends';

CREATE FUNCTION mvstore_lock_raw(store regclass, key bytea)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_lock_raw(regclass, bytea) IS
'keep others from writing a key until the transaction ends';

CREATE FUNCTION mvstore_put_at(store regclass, key text, value text, version bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_at(regclass, text, text, bigint) IS
'write a value into the past, for imports and replays';

CREATE FUNCTION mvstore_put_at_bytea(store regclass, key text, value bytea, version bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_at_bytea(regclass, text, bytea, bigint) IS
'write a value into the past, for imports and replays';

CREATE FUNCTION mvstore_put_at_raw(store regclass, key bytea, value bytea, version bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_put_at_raw(regclass, bytea, bytea, bigint) IS
'write a value into the past, for imports and replays';

CREATE FUNCTION mvstore_delete_at(store regclass, key text, version bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete_at(regclass, text, bigint) IS
'write a tombstone into the past, for imports and replays';

CREATE FUNCTION mvstore_delete_at_raw(store regclass, key bytea, version bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_delete_at_raw(regclass, bytea, bigint) IS
'write a tombstone into the past, for imports and replays';

CREATE FUNCTION mvstore_revert(store regclass, to_version bigint, prefix text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_revert(regclass, bigint, text) IS
'write what makes the state that as of a version again; returns how many keys were written';

CREATE FUNCTION mvstore_revert_raw(store regclass, to_version bigint, prefix bytea DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_revert_raw(regclass, bigint, bytea) IS
'write what makes the state that as of a version again; returns how many keys were written';

--
-- Reads
--

-- Declared first, as the others name it.
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

CREATE FUNCTION mvstore_get_bytea(store regclass, key text,
								  as_of bigint DEFAULT 9223372036854775807)
RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_get_bytea(regclass, text, bigint) IS
'the value under a key; NULL if absent, deleted or expired';

CREATE FUNCTION mvstore_get_raw(store regclass, key bytea,
								as_of bigint DEFAULT 9223372036854775807)
RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_get_raw(regclass, bytea, bigint) IS
'the value under a key; NULL if absent, deleted or expired';

CREATE FUNCTION mvstore_get_entry(store regclass, key text,
								  as_of bigint DEFAULT 9223372036854775807, OUT key text,
								  OUT version bigint, OUT value text,
								  OUT expires_at timestamptz)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_get_entry(regclass, text, bigint) IS
'the live entry under a key, with its own version';

CREATE FUNCTION mvstore_get_entry_bytea(store regclass, key text,
										as_of bigint DEFAULT 9223372036854775807, OUT key text,
										OUT version bigint, OUT value bytea,
										OUT expires_at timestamptz)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_get_entry_bytea(regclass, text, bigint) IS
'the live entry under a key, with its own version';

CREATE FUNCTION mvstore_get_entry_raw(store regclass, key bytea,
									  as_of bigint DEFAULT 9223372036854775807, OUT key bytea,
									  OUT version bigint, OUT value bytea,
									  OUT expires_at timestamptz)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_get_entry_raw(regclass, bytea, bigint) IS
'the live entry under a key, with its own version';

CREATE FUNCTION mvstore_get_many(store regclass, keys text[],
								 as_of bigint DEFAULT 9223372036854775807)
RETURNS TABLE (key text, version bigint, value text, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_get_many(regclass, text[], bigint) IS
'a row for each of the keys, in their order; all but the key is NULL where there is none';

CREATE FUNCTION mvstore_get_many_bytea(store regclass, keys text[],
									   as_of bigint DEFAULT 9223372036854775807)
RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_get_many_bytea(regclass, text[], bigint) IS
'a row for each of the keys, in their order; all but the key is NULL where there is none';

CREATE FUNCTION mvstore_get_many_raw(store regclass, keys bytea[],
									 as_of bigint DEFAULT 9223372036854775807)
RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_get_many_raw(regclass, bytea[], bigint) IS
'a row for each of the keys, in their order; all but the key is NULL where there is none';

CREATE FUNCTION mvstore_contains(store regclass, key text,
								 as_of bigint DEFAULT 9223372036854775807)
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_contains(regclass, text, bigint) IS
'whether a key has a value';

CREATE FUNCTION mvstore_contains_raw(store regclass, key bytea,
									 as_of bigint DEFAULT 9223372036854775807)
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_contains_raw(regclass, bytea, bigint) IS
'whether a key has a value';

CREATE FUNCTION mvstore_previous(store regclass, key text,
								 before bigint DEFAULT 9223372036854775807, OUT key text,
								 OUT version bigint, OUT value text,
								 OUT expires_at timestamptz)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_previous(regclass, text, bigint) IS
'the newest entry of a key below a version, tombstones included';

CREATE FUNCTION mvstore_previous_bytea(store regclass, key text,
									   before bigint DEFAULT 9223372036854775807, OUT key text,
									   OUT version bigint, OUT value bytea,
									   OUT expires_at timestamptz)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_previous_bytea(regclass, text, bigint) IS
'the newest entry of a key below a version, tombstones included';

CREATE FUNCTION mvstore_previous_raw(store regclass, key bytea,
									 before bigint DEFAULT 9223372036854775807, OUT key bytea,
									 OUT version bigint, OUT value bytea,
									 OUT expires_at timestamptz)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_previous_raw(regclass, bytea, bigint) IS
'the newest entry of a key below a version, tombstones included';

CREATE FUNCTION mvstore_scan(store regclass, from_key text DEFAULT NULL,
							 to_key text DEFAULT NULL,
							 as_of bigint DEFAULT 9223372036854775807,
							 max_rows bigint DEFAULT NULL, reverse boolean DEFAULT false)
RETURNS TABLE (key text, version bigint, value text, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 1000
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_scan(regclass, text, text, bigint, bigint, boolean) IS
'the keys in [from_key, to_key) that have a value, in byte order';

CREATE FUNCTION mvstore_scan_bytea(store regclass, from_key text DEFAULT NULL,
								   to_key text DEFAULT NULL,
								   as_of bigint DEFAULT 9223372036854775807,
								   max_rows bigint DEFAULT NULL, reverse boolean DEFAULT false)
RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 1000
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_scan_bytea(regclass, text, text, bigint, bigint, boolean) IS
'the keys in [from_key, to_key) that have a value, in byte order';

CREATE FUNCTION mvstore_scan_raw(store regclass, from_key bytea DEFAULT NULL,
								 to_key bytea DEFAULT NULL,
								 as_of bigint DEFAULT 9223372036854775807,
								 max_rows bigint DEFAULT NULL, reverse boolean DEFAULT false)
RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 1000
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_scan_raw(regclass, bytea, bytea, bigint, bigint, boolean) IS
'the keys in [from_key, to_key) that have a value, in byte order';

CREATE FUNCTION mvstore_scan_prefix(store regclass, prefix text,
									as_of bigint DEFAULT 9223372036854775807,
									max_rows bigint DEFAULT NULL,
									reverse boolean DEFAULT false)
RETURNS TABLE (key text, version bigint, value text, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_scan_prefix(regclass, text, bigint, bigint, boolean) IS
'the keys that begin with a prefix and have a value, in byte order';

CREATE FUNCTION mvstore_scan_prefix_bytea(store regclass, prefix text,
										  as_of bigint DEFAULT 9223372036854775807,
										  max_rows bigint DEFAULT NULL,
										  reverse boolean DEFAULT false)
RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_scan_prefix_bytea(regclass, text, bigint, bigint, boolean) IS
'the keys that begin with a prefix and have a value, in byte order';

CREATE FUNCTION mvstore_scan_prefix_raw(store regclass, prefix bytea,
										as_of bigint DEFAULT 9223372036854775807,
										max_rows bigint DEFAULT NULL,
										reverse boolean DEFAULT false)
RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_scan_prefix_raw(regclass, bytea, bigint, bigint, boolean) IS
'the keys that begin with a prefix and have a value, in byte order';

CREATE FUNCTION mvstore_count(store regclass, from_key text DEFAULT NULL,
							  to_key text DEFAULT NULL,
							  as_of bigint DEFAULT 9223372036854775807)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_count(regclass, text, text, bigint) IS
'how many keys in [from_key, to_key) have a value';

CREATE FUNCTION mvstore_count_raw(store regclass, from_key bytea DEFAULT NULL,
								  to_key bytea DEFAULT NULL,
								  as_of bigint DEFAULT 9223372036854775807)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_count_raw(regclass, bytea, bytea, bigint) IS
'how many keys in [from_key, to_key) have a value';

CREATE FUNCTION mvstore_count_prefix(store regclass, prefix text,
									 as_of bigint DEFAULT 9223372036854775807)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_count_prefix(regclass, text, bigint) IS
'how many keys that begin with a prefix have a value';

CREATE FUNCTION mvstore_count_prefix_raw(store regclass, prefix bytea,
										 as_of bigint DEFAULT 9223372036854775807)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_count_prefix_raw(regclass, bytea, bigint) IS
'how many keys that begin with a prefix have a value';

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
								   prefix text DEFAULT NULL)
RETURNS TABLE (key text, old_version bigint, old_value bytea, new_version bigint,
			   new_value bytea)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_diff_bytea(regclass, bigint, bigint, text) IS
'the keys whose live entry is another as of to_version than as of from_version';

CREATE FUNCTION mvstore_diff_raw(store regclass, from_version bigint,
								 to_version bigint DEFAULT 9223372036854775807,
								 prefix bytea DEFAULT NULL)
RETURNS TABLE (key bytea, old_version bigint, old_value bytea, new_version bigint,
			   new_value bytea)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 100
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_diff_raw(regclass, bigint, bigint, bytea) IS
'the keys whose live entry is another as of to_version than as of from_version';

CREATE FUNCTION mvstore_history(store regclass, key text, max_rows bigint DEFAULT NULL)
RETURNS TABLE (version bigint, value text, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_history(regclass, text, bigint) IS
'every entry of a key, newest first, tombstones included';

CREATE FUNCTION mvstore_history_bytea(store regclass, key text, max_rows bigint DEFAULT NULL)
RETURNS TABLE (version bigint, value bytea, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_history_bytea(regclass, text, bigint) IS
'every entry of a key, newest first, tombstones included';

CREATE FUNCTION mvstore_history_raw(store regclass, key bytea, max_rows bigint DEFAULT NULL)
RETURNS TABLE (version bigint, value bytea, expires_at timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SUPPORT mvstore_support;

COMMENT ON FUNCTION mvstore_history_raw(regclass, bytea, bigint) IS
'every entry of a key, newest first, tombstones included';

--
-- Changes
--

CREATE FUNCTION mvstore_changes(store regclass, after_version bigint,
								after_key text DEFAULT NULL, max_rows bigint DEFAULT NULL,
								wait interval DEFAULT NULL, compacted boolean DEFAULT false,
								synced_at bigint DEFAULT NULL)
RETURNS TABLE (version bigint, key text, value text, expires_at timestamptz, deleted boolean)
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;

COMMENT ON FUNCTION mvstore_changes(regclass, bigint, text, bigint, interval, boolean, bigint) IS
'the entries of a store behind a position, up to the stable version, in order of version and key';

CREATE FUNCTION mvstore_changes_bytea(store regclass, after_version bigint,
									  after_key text DEFAULT NULL,
									  max_rows bigint DEFAULT NULL, wait interval DEFAULT NULL,
									  compacted boolean DEFAULT false,
									  synced_at bigint DEFAULT NULL)
RETURNS TABLE (version bigint, key text, value bytea, expires_at timestamptz, deleted boolean)
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;

COMMENT ON FUNCTION mvstore_changes_bytea(regclass, bigint, text, bigint, interval, boolean, bigint) IS
'the entries of a store behind a position, up to the stable version, in order of version and key';

CREATE FUNCTION mvstore_changes_raw(store regclass, after_version bigint,
									after_key bytea DEFAULT NULL, max_rows bigint DEFAULT NULL,
									wait interval DEFAULT NULL,
									compacted boolean DEFAULT false,
									synced_at bigint DEFAULT NULL)
RETURNS TABLE (version bigint, key bytea, value bytea, expires_at timestamptz, deleted boolean)
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;

COMMENT ON FUNCTION mvstore_changes_raw(regclass, bigint, bytea, bigint, interval, boolean, bigint) IS
'the entries of a store behind a position, up to the stable version, in order of version and key';

CREATE PROCEDURE mvstore_wait_changes(store regclass, after_version bigint,
									  timeout interval DEFAULT '30 s')
AS 'MODULE_PATHNAME' LANGUAGE C;

COMMENT ON PROCEDURE mvstore_wait_changes(regclass, bigint, interval) IS
'wait until a store has changes above a version, without holding a snapshot';

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

CREATE FUNCTION mvstore_current_version()
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_current_version() IS
'the newest version that can have been handed out: no lower one will be';

CREATE FUNCTION mvstore_use_version(version bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_use_version(bigint) IS
'have a version that was chosen outside as this transaction''s, before it writes';

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

CREATE FUNCTION mvstore_drop_raw(store regclass, key bytea, keep integer DEFAULT 1,
								 before bigint DEFAULT 9223372036854775807)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_drop_raw(regclass, bytea, integer, bigint) IS
'enqueue a drop of the superseded entries of a key beyond the newest keep';

CREATE FUNCTION mvstore_drop_prefix(store regclass, prefix text, keep integer DEFAULT 1,
									before bigint DEFAULT 9223372036854775807)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_drop_prefix(regclass, text, integer, bigint) IS
'enqueue one drop for all keys that begin with a prefix';

CREATE FUNCTION mvstore_drop_prefix_raw(store regclass, prefix bytea, keep integer DEFAULT 1,
										before bigint DEFAULT 9223372036854775807)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_drop_prefix_raw(regclass, bytea, integer, bigint) IS
'enqueue one drop for all keys that begin with a prefix';

CREATE FUNCTION mvstore_drop_range(store regclass, from_key text, to_key text,
								   keep integer DEFAULT 1,
								   before bigint DEFAULT 9223372036854775807)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_drop_range(regclass, text, text, integer, bigint) IS
'enqueue one drop for all keys in [from_key, to_key)';

CREATE FUNCTION mvstore_drop_range_raw(store regclass, from_key bytea, to_key bytea,
									   keep integer DEFAULT 1,
									   before bigint DEFAULT 9223372036854775807)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_drop_range_raw(regclass, bytea, bytea, integer, bigint) IS
'enqueue one drop for all keys in [from_key, to_key)';

CREATE FUNCTION mvstore_compact(store regclass, before bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_compact(regclass, bigint) IS
'enqueue a drop of all that reads as of a version, or later, do not need';

CREATE FUNCTION mvstore_sweep(store regclass)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_sweep(regclass) IS
'ask for a full pass of the policy over a store';

CREATE FUNCTION mvstore_flush(timeout interval DEFAULT '30 s')
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_flush(interval) IS
'wait until every drop requested by now is done; false on timeout';

--
-- Erasing
--

CREATE FUNCTION mvstore_erase(store regclass, key text)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_erase(regclass, text) IS
'remove a key as if it had never been, in this transaction; returns how many entries went';

CREATE FUNCTION mvstore_erase_raw(store regclass, key bytea)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_erase_raw(regclass, bytea) IS
'remove a key as if it had never been, in this transaction; returns how many entries went';

CREATE FUNCTION mvstore_erase_prefix(store regclass, prefix text)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_erase_prefix(regclass, text) IS
'remove all keys that begin with a prefix as if they had never been; returns how many entries went';

CREATE FUNCTION mvstore_erase_prefix_raw(store regclass, prefix bytea)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_erase_prefix_raw(regclass, bytea) IS
'remove all keys that begin with a prefix as if they had never been; returns how many entries went';

--
-- Pins
--

CREATE FUNCTION mvstore_pin(name text, version bigint DEFAULT NULL,
							ttl interval DEFAULT '1 hour', store regclass DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mvstore_pin(text, bigint, interval, regclass) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_pin(text, bigint, interval, regclass) IS
'have reads as of a version stay complete for a time; returns the version';

CREATE FUNCTION mvstore_unpin(name text)
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_unpin(text) IS
'give a pin up; false if there is none of that name';

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

CREATE FUNCTION mvstore_stats_reset()
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mvstore_stats_reset() FROM PUBLIC;

COMMENT ON FUNCTION mvstore_stats_reset() IS
'set the counters of this database and of its stores to zero';

-- The names stand here in the order of doc/reference.md, as that of the catalog is another one
-- after pg_upgrade.
CREATE FUNCTION mvstore_help(OUT function text, OUT arguments text, OUT result text,
							 OUT family text, OUT comment text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
AS $$
SELECT p.proname::pg_catalog.text,
	   pg_catalog.regexp_replace(pg_catalog.pg_get_function_arguments(p.oid),
								 '::[a-z ]+', '', 'g'),
	   pg_catalog.pg_get_function_result(p.oid),
	   CASE WHEN p.proargnames OPERATOR(pg_catalog.&&) '{key,keys,from_key,prefix}'::pg_catalog.text[]
			THEN f.family END,
	   pg_catalog.obj_description(p.oid, 'pg_proc')
  FROM pg_catalog.unnest('{
		create, set_policy, set_feed, detach, attach, clear, put, put_if, put_many, delete,
		delete_if, lock, put_at, delete_at, revert, get, get_entry, get_many, contains, previous,
		scan, scan_prefix, count, count_prefix, diff, history, changes, wait_changes, stable_version, wait_stable,
		current_version, use_version, version_at, time_of, drop, drop_prefix, drop_range,
		compact, sweep, flush, erase, erase_prefix, pin, unpin, pause, resume, retry_failed, cancel_request, stats_reset, help
	   }'::pg_catalog.text[]) WITH ORDINALITY AS listed (name, place)
 CROSS JOIN (VALUES (1, '', 'plain'), (2, '_bytea', '_bytea'), (3, '_raw', '_raw'))
	   AS f (place, suffix, family)
  JOIN pg_catalog.pg_proc p
	ON p.proname OPERATOR(pg_catalog.=) pg_catalog.concat('mvstore_', listed.name, f.suffix)
  JOIN pg_catalog.pg_depend d
	ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
   AND d.objid OPERATOR(pg_catalog.=) p.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
   AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
  JOIN pg_catalog.pg_extension e
	ON e.oid OPERATOR(pg_catalog.=) d.refobjid AND e.extname OPERATOR(pg_catalog.=) 'mvstore'
 ORDER BY listed.place, f.place
$$;

COMMENT ON FUNCTION mvstore_help() IS
'the functions that there are for users, in the order of the reference';

--
-- The catalog. Written by the C code only, whatever the rights of its caller. It finds tables
-- and indexes by their names: so these are given, and if something is there that has one, it
-- is in the way.
--
-- A publication of all tables takes it along, so every table has a key; and on a subscriber
-- mvstore_guard() keeps away what is another server's.
--

-- A store in the catalog: regclass, but that the apply of a subscription may name what is
-- not there.
CREATE TYPE mvstore_regclass;

CREATE FUNCTION mvstore_regclass_in(cstring) RETURNS mvstore_regclass
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_regclass_in(cstring) IS
'input function of mvstore_regclass';

CREATE FUNCTION mvstore_regclass_out(mvstore_regclass) RETURNS cstring
AS 'regclassout' LANGUAGE internal STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_regclass_out(mvstore_regclass) IS
'output function of mvstore_regclass';

CREATE FUNCTION mvstore_regclass_recv(internal) RETURNS mvstore_regclass
AS 'regclassrecv' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_regclass_recv(internal) IS
'binary input function of mvstore_regclass';

CREATE FUNCTION mvstore_regclass_send(mvstore_regclass) RETURNS bytea
AS 'regclasssend' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_regclass_send(mvstore_regclass) IS
'binary output function of mvstore_regclass';

CREATE TYPE mvstore_regclass (
	INPUT = mvstore_regclass_in,
	OUTPUT = mvstore_regclass_out,
	RECEIVE = mvstore_regclass_recv,
	SEND = mvstore_regclass_send,
	LIKE = pg_catalog.oid,
	CATEGORY = 'N'
);

COMMENT ON TYPE mvstore_regclass IS
'a store in the catalog of mvstore';

CREATE CAST (mvstore_regclass AS regclass) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (mvstore_regclass AS oid) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (regclass AS mvstore_regclass) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (oid AS mvstore_regclass) WITHOUT FUNCTION AS ASSIGNMENT;

-- One row per store. incarnation counts the lives of its contents: TRUNCATE
-- begins the next, and drops requested in an earlier life are void. storage is the
-- file node of the table as of the beginning of its last full pass, or its creation:
-- in another one, what has been dropped may be back.
CREATE TABLE mvstore_policy (
	store			mvstore_regclass	NOT NULL,
	keep_versions	integer,
	keep_for		interval,
	ttl				interval,
	incarnation		bigint		NOT NULL,
	storage			oid,
	CONSTRAINT mvstore_policy_pkey PRIMARY KEY (store)
) USING heap;

-- The greatest version at which something removed from the store was
-- superseded: reads as of it, or later, are complete.
CREATE TABLE mvstore_floor (
	store			mvstore_regclass	NOT NULL,
	floor			bigint		NOT NULL,
	entries			bigint		NOT NULL,	-- greatest version of an entry that was removed
	keys			bigint		NOT NULL,	-- of the newest entry of a key that was removed whole
	CONSTRAINT mvstore_floor_pkey PRIMARY KEY (store)
) USING heap;

-- Versions of transactions that changed the past of a store otherwise than by drops:
-- who followed the changes up to a lower one has missed something. The greatest counts.
CREATE TABLE mvstore_rewrite (
	store			mvstore_regclass	NOT NULL,
	version			bigint		NOT NULL,
	CONSTRAINT mvstore_rewrite_pkey PRIMARY KEY (store, version)
) USING heap;

-- Drop requests that a committed transaction has made and the worker has not
-- yet worked off. system and database say where a row was made, so that rows
-- that arrive by a restore are told from the worker's own. A policy's own
-- request has a row only when it has failed for good.
CREATE TABLE mvstore_journal (
	id				bigint		NOT NULL,
	system			bigint		NOT NULL,
	database		oid			NOT NULL,
	store			mvstore_regclass	NOT NULL,
	incarnation		bigint		NOT NULL,
	kind			text		NOT NULL,	-- drop, range, compact, policy
	key				bytea		NOT NULL,	-- of a range: from this one on
	to_key			bytea,					-- and up to this one; NULL: all
	keep			integer		NOT NULL,
	before			bigint		NOT NULL,
	spilled			boolean		NOT NULL,	-- there was no room in the queue
	attempts		integer		NOT NULL,	-- that failed
	error			text,					-- of the last of them
	CONSTRAINT mvstore_journal_pkey PRIMARY KEY (id, system, database)
) USING heap;

-- Keys to be looked at when "ends" is as long ago as the policy of the store wants,
-- or past. Each key stands behind four bytes, its length. Of no use after a restore.
CREATE TABLE mvstore_calendar (
	store			mvstore_regclass	NOT NULL,
	ends			bigint		NOT NULL,
	id				bigint		NOT NULL,	-- tells rows of one end apart
	keys			bytea		NOT NULL,
	CONSTRAINT mvstore_calendar_ends PRIMARY KEY (store, ends, id)
) USING heap;

-- Pins: reads of the store as of the version stay complete until then.
CREATE TABLE mvstore_pin (
	name			name		NOT NULL,
	system			bigint		NOT NULL,
	database		oid			NOT NULL,
	owner			name		NOT NULL,
	store			mvstore_regclass,				-- NULL: all stores
	version			bigint		NOT NULL,
	created			timestamptz	NOT NULL,
	expires			timestamptz	NOT NULL,
	CONSTRAINT mvstore_pin_pkey PRIMARY KEY (name, system, database)
) USING heap;

-- What a transaction leaves that is prepared for two-phase commit: a row for all of it,
-- and one a store. The worker takes them out when it has committed. Until then they tell
-- a server that starts again of its version. Of no use after a restore.
CREATE TABLE mvstore_prepared (
	transaction		xid8		NOT NULL,
	store			oid			NOT NULL,	-- 0: all of the transaction
	version			bigint,					-- NULL: it has taken none
	puts			bigint		NOT NULL,
	deletes			bigint		NOT NULL,
	requests		bigint		NOT NULL,
	marked			boolean		NOT NULL,	-- the store is to be swept
	forgotten		boolean		NOT NULL,	-- it was dropped
	journal			boolean		NOT NULL,	-- it has left rows in mvstore_journal
	recheck			boolean		NOT NULL,	-- requests may be void, or due
	erased			boolean		NOT NULL,	-- keys were erased
	pins			boolean		NOT NULL,	-- pins have come or gone
	paused			boolean		NOT NULL,	-- so has a row of mvstore_paused
	CONSTRAINT mvstore_prepared_pkey PRIMARY KEY (transaction, store)
) USING heap;

-- A row while the worker is to drop nothing.
CREATE TABLE mvstore_paused (
	paused			boolean		NOT NULL CHECK (paused),
	since			timestamptz	NOT NULL,
	role			name		NOT NULL,
	CONSTRAINT mvstore_paused_pkey PRIMARY KEY (paused)
) USING heap;

-- No version above its value has been handed out: the durable high-water mark. Its start value tells when
-- the extension was created: CREATE EXTENSION sets it, as no restore does.
CREATE SEQUENCE mvstore_clock;

-- One row: whoever sees it sees the ends of all transactions with versions up to
-- its own. For standbys and old snapshots; of no use after a restore.
CREATE TABLE mvstore_stable (
	version			bigint		NOT NULL,
	stable			boolean		NOT NULL CHECK (stable),
	CONSTRAINT mvstore_stable_pkey PRIMARY KEY (stable)
) USING heap;
INSERT INTO mvstore_stable VALUES (0, true);

REVOKE ALL ON mvstore_policy, mvstore_floor, mvstore_rewrite, mvstore_journal, mvstore_calendar,
  mvstore_pin, mvstore_prepared, mvstore_paused, mvstore_stable FROM PUBLIC;
REVOKE ALL ON SEQUENCE mvstore_clock FROM PUBLIC;

-- pg_dump as the owner of the database reads what it takes along.
GRANT SELECT ON mvstore_policy, mvstore_floor, mvstore_rewrite, mvstore_journal, mvstore_pin
  TO pg_database_owner;
GRANT SELECT ON SEQUENCE mvstore_clock TO pg_database_owner;

-- Of tables that are gone, as where event triggers are off, nothing is dumped: their numbers may be those of others where it
-- is restored.
SELECT pg_catalog.pg_extension_config_dump('mvstore_policy', 'WHERE store::oid IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('mvstore_floor', 'WHERE store::oid IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('mvstore_rewrite', 'WHERE store::oid IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('mvstore_journal', '');
SELECT pg_catalog.pg_extension_config_dump('mvstore_pin', 'WHERE store IS NULL OR store::oid IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('mvstore_clock', '');

CREATE FUNCTION mvstore_guard() RETURNS trigger
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mvstore_guard() FROM PUBLIC;

COMMENT ON FUNCTION mvstore_guard() IS
'trigger on the catalog: keeps away rows of a publisher, and joins those of a restore';

CREATE TRIGGER mvstore_guard BEFORE INSERT OR UPDATE OR DELETE ON mvstore_policy
FOR EACH ROW EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard BEFORE INSERT OR UPDATE OR DELETE ON mvstore_floor
FOR EACH ROW EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard BEFORE INSERT OR UPDATE OR DELETE ON mvstore_rewrite
FOR EACH ROW EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard BEFORE INSERT OR UPDATE OR DELETE ON mvstore_journal
FOR EACH ROW EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard BEFORE INSERT OR UPDATE OR DELETE ON mvstore_calendar
FOR EACH ROW EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard BEFORE INSERT OR UPDATE OR DELETE ON mvstore_pin
FOR EACH ROW EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard BEFORE INSERT OR UPDATE OR DELETE ON mvstore_prepared
FOR EACH ROW EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard BEFORE INSERT OR UPDATE OR DELETE ON mvstore_paused
FOR EACH ROW EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard BEFORE INSERT OR UPDATE OR DELETE ON mvstore_stable
FOR EACH ROW EXECUTE FUNCTION mvstore_guard();

-- A subscription's apply fires no others.
ALTER TABLE mvstore_policy ENABLE ALWAYS TRIGGER mvstore_guard;
ALTER TABLE mvstore_floor ENABLE ALWAYS TRIGGER mvstore_guard;
ALTER TABLE mvstore_rewrite ENABLE ALWAYS TRIGGER mvstore_guard;
ALTER TABLE mvstore_journal ENABLE ALWAYS TRIGGER mvstore_guard;
ALTER TABLE mvstore_calendar ENABLE ALWAYS TRIGGER mvstore_guard;
ALTER TABLE mvstore_pin ENABLE ALWAYS TRIGGER mvstore_guard;
ALTER TABLE mvstore_prepared ENABLE ALWAYS TRIGGER mvstore_guard;
ALTER TABLE mvstore_paused ENABLE ALWAYS TRIGGER mvstore_guard;
ALTER TABLE mvstore_stable ENABLE ALWAYS TRIGGER mvstore_guard;

-- What empties all tables of a schema is not to empty these, here or on a subscriber.
CREATE TRIGGER mvstore_guard_truncate BEFORE TRUNCATE ON mvstore_policy
FOR EACH STATEMENT EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard_truncate BEFORE TRUNCATE ON mvstore_floor
FOR EACH STATEMENT EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard_truncate BEFORE TRUNCATE ON mvstore_rewrite
FOR EACH STATEMENT EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard_truncate BEFORE TRUNCATE ON mvstore_journal
FOR EACH STATEMENT EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard_truncate BEFORE TRUNCATE ON mvstore_calendar
FOR EACH STATEMENT EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard_truncate BEFORE TRUNCATE ON mvstore_pin
FOR EACH STATEMENT EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard_truncate BEFORE TRUNCATE ON mvstore_prepared
FOR EACH STATEMENT EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard_truncate BEFORE TRUNCATE ON mvstore_paused
FOR EACH STATEMENT EXECUTE FUNCTION mvstore_guard();
CREATE TRIGGER mvstore_guard_truncate BEFORE TRUNCATE ON mvstore_stable
FOR EACH STATEMENT EXECUTE FUNCTION mvstore_guard();

CREATE FUNCTION mvstore_keep_guard() RETURNS event_trigger
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mvstore_keep_guard() FROM PUBLIC;

COMMENT ON FUNCTION mvstore_keep_guard() IS
'event trigger: the guard of the catalog fires whatever pg_restore --disable-triggers leaves';

CREATE EVENT TRIGGER mvstore_keep_guard ON ddl_command_end WHEN TAG IN ('ALTER TABLE')
EXECUTE FUNCTION mvstore_keep_guard();
ALTER EVENT TRIGGER mvstore_keep_guard ENABLE ALWAYS;

--
-- Triggers of stores: what tells that one was emptied or dropped
--

CREATE FUNCTION mvstore_truncated() RETURNS trigger
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION mvstore_truncated() IS
'trigger on every store: TRUNCATE begins its next incarnation';

CREATE FUNCTION mvstore_forget() RETURNS event_trigger
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mvstore_forget() FROM PUBLIC;

COMMENT ON FUNCTION mvstore_forget() IS
'event trigger: DROP TABLE forgets the store; a dropped trigger may have exchanged its storage';

CREATE EVENT TRIGGER mvstore_forget ON sql_drop
EXECUTE FUNCTION mvstore_forget();
-- A dropped store is forgotten whatever session_replication_role says.
ALTER EVENT TRIGGER mvstore_forget ENABLE ALWAYS;

--
-- Below the views
--

-- What the C code and the views both know: it is written there alone.
CREATE FUNCTION mvstore_drop_lock_class() RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_drop_lock_class() IS
'objsubid, in pg_locks, of the locks on drops; read it through mvstore_blockers';

CREATE FUNCTION mvstore_max_attempts() RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_max_attempts() IS
'failed attempts after which a request is set aside; read it through mvstore_blockers';

CREATE FUNCTION mvstore_request_state(id bigint, system bigint, database oid, before bigint, spilled boolean,
									  attempts integer, store regclass)
RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_request_state(bigint, bigint, oid, bigint, boolean, integer, regclass) IS
'what a row of the journal waits for; read it through mvstore_requests';

CREATE FUNCTION mvstore_queued_requests(OUT store regclass, OUT kind text, OUT key bytea,
										OUT to_key bytea, OUT keep integer, OUT before bigint,
										OUT requested_at timestamptz, OUT state text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 100;

COMMENT ON FUNCTION mvstore_queued_requests() IS
'requests in the queue that have no row in the journal; read it through mvstore_requests';

CREATE FUNCTION mvstore_pin_lives(expires timestamptz)
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_pin_lives(timestamptz) IS
'whether a pin that expires then lives, wherever the clock was set; read it through mvstore_pins';

CREATE FUNCTION mvstore_stat_writers(OUT pid integer, OUT version bigint, OUT transaction xid)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION mvstore_stat_writers() IS
'the transactions that are writing to stores of this database; read it through mvstore_blockers';

CREATE FUNCTION mvstore_stat_troubles(OUT locked boolean, OUT store oid, OUT since timestamptz,
									  OUT requests bigint, OUT message text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION mvstore_stat_troubles() IS
'the stores that the drop worker cannot get at; read it through mvstore_blockers';

CREATE FUNCTION mvstore_stat_databases(OUT database oid, OUT worker_pid integer,
	OUT worker_state text, OUT workers integer, OUT lacks_assistant boolean, OUT lacks_slot boolean, OUT lacks_launcher boolean,
	OUT queue_length bigint, OUT queue_bytes bigint, OUT queue_capacity bigint, OUT queue_high_water bigint, OUT oldest_request timestamptz,
	OUT requests_enqueued bigint, OUT requests_merged bigint, OUT requests_overflowed bigint,
	OUT requests_processed bigint, OUT requests_held bigint, OUT requests_failed bigint,
	OUT entries_dropped bigint, OUT bytes_dropped bigint, OUT batches bigint,
	OUT last_batch_at timestamptz, OUT last_batch_duration interval,
	OUT lag_count bigint, OUT lag_sum interval, OUT lag_max interval, OUT sweeps bigint, OUT keys_due bigint,
	OUT yields bigint, OUT maintenance_runs bigint, OUT last_maintenance_at timestamptz,
	OUT last_error text, OUT last_error_at timestamptz, OUT stats_since timestamptz,
	OUT throttled_since timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 8;

COMMENT ON FUNCTION mvstore_stat_databases() IS
'what shared memory counts for each database; read it through mvstore_stats';

CREATE FUNCTION mvstore_stat_stores(OUT store oid, OUT puts bigint, OUT deletes bigint,
	OUT requests bigint, OUT entries_dropped bigint, OUT bytes_dropped bigint,
	OUT keys_purged bigint, OUT keys_expired bigint, OUT last_sweep timestamptz,
	OUT entries_swept bigint, OUT keys_due bigint, OUT reads_refused bigint, OUT retries bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION mvstore_stat_stores() IS
'what shared memory counts for each store of this database, and without one; read it through mvstore_store_stats';

CREATE FUNCTION mvstore_stat_feed(store oid)
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_stat_feed(oid) IS
'whether a store has an index in the order of versions; read it through mvstore_stores';

CREATE FUNCTION mvstore_stat_progress(OUT pid integer, OUT command text, OUT store oid,
									  OUT phase text, OUT done bigint, OUT total bigint,
									  OUT unit text, OUT started_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION mvstore_stat_progress() IS
'how far long operations of this database have got; read it through mvstore_progress';

CREATE FUNCTION mvstore_stat_size(store oid)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_stat_size(oid) IS
'bytes of a store, without waiting for a lock; read it through mvstore_store_metrics';

CREATE FUNCTION mvstore_stat_launcher()
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE;

COMMENT ON FUNCTION mvstore_stat_launcher() IS
'whether the launcher runs; read it through mvstore_metrics';

CREATE FUNCTION mvstore_seconds(span interval)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT coalesce(greatest(pg_catalog.date_part('epoch', span), 0), 0) $$;

COMMENT ON FUNCTION mvstore_seconds(interval) IS
'an interval as a number that is not below 0; read it through mvstore_metrics';

--
-- Views
--

CREATE VIEW mvstore_requests AS
SELECT j.id, j.store::regclass, j.kind,
	   CASE WHEN v.visible THEN j.key END AS key,
	   CASE WHEN v.visible THEN j.to_key END AS to_key,
	   CASE WHEN j.keep OPERATOR(pg_catalog.>) 0 THEN j.keep END AS keep, j.before,
	   mvstore_time_of(j.id) AS requested_at, j.attempts,
	   CASE WHEN v.visible OR u.informed THEN j.error END AS last_error,
	   mvstore_request_state(j.id, j.system, j.database, j.before, j.spilled, j.attempts,
							 j.store::regclass) AS state
  FROM mvstore_journal j,
	   (SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
			OR pg_catalog.pg_has_role('pg_database_owner', 'USAGE') AS informed) u,
	   LATERAL (SELECT pg_catalog.has_table_privilege(j.store, 'SELECT')
				   AND NOT pg_catalog.row_security_active(j.store) AS visible) v
UNION ALL
SELECT NULL, q.store, q.kind, q.key, q.to_key, q.keep, q.before, q.requested_at, 0, NULL, q.state
  FROM mvstore_queued_requests() q;
GRANT SELECT ON mvstore_requests TO PUBLIC;

COMMENT ON VIEW mvstore_requests IS
'the drop requests of this database that are not yet done; a policy''s own have no id and no keep';
COMMENT ON COLUMN mvstore_requests.id IS
'names the request, for mvstore_cancel_request(); NULL: it has no row in the journal';
COMMENT ON COLUMN mvstore_requests.store IS
'the store; a number, if it has been dropped';
COMMENT ON COLUMN mvstore_requests.kind IS
'drop (one key), range (a prefix or range), compact (the whole store), policy (a policy''s own)';
COMMENT ON COLUMN mvstore_requests.key IS
'the key, or where the range begins; NULL: all, or not for everybody to see';
COMMENT ON COLUMN mvstore_requests.to_key IS
'the key that the range ends before; NULL: there is none, or as for key';
COMMENT ON COLUMN mvstore_requests.keep IS
'as given to mvstore_drop(); NULL: a compaction, or a policy''s own';
COMMENT ON COLUMN mvstore_requests.before IS
'what was superseded at or before this version may go';
COMMENT ON COLUMN mvstore_requests.requested_at IS
'when the transaction that made it committed';
COMMENT ON COLUMN mvstore_requests.attempts IS
'how often it has failed';
COMMENT ON COLUMN mvstore_requests.last_error IS
'with what message; NULL: not yet, or not for everybody to see';
COMMENT ON COLUMN mvstore_requests.state IS
'what it waits for: queued, held, spilled, failed or restored';

CREATE VIEW mvstore_pins AS
SELECT p.name, p.owner, p.store::regclass, p.version, p.created, p.expires
  FROM mvstore_pin p
 WHERE mvstore_pin_lives(p.expires);
GRANT SELECT ON mvstore_pins TO PUBLIC;

COMMENT ON VIEW mvstore_pins IS
'the pins of this database that live; store NULL: on all stores';
COMMENT ON COLUMN mvstore_pins.name IS
'its name';
COMMENT ON COLUMN mvstore_pins.owner IS
'the role that may renew it and give it up';
COMMENT ON COLUMN mvstore_pins.store IS
'the store that it covers; NULL: all stores';
COMMENT ON COLUMN mvstore_pins.version IS
'reads as of this version or later stay complete';
COMMENT ON COLUMN mvstore_pins.created IS
'when it was made';
COMMENT ON COLUMN mvstore_pins.expires IS
'until when it lives';

--
-- mvstore_blockers: one view for each kind of reason, then all of them
--
-- requests are those that wait for the reason, entries the dead ones whose space it may hold
-- back. What a kind does not know, its view does not have.
--

-- This database, and what shared memory counts for it, if anything.
CREATE VIEW mvstore_this_database AS
SELECT d.oid, s.worker_pid, s.workers, s.lacks_assistant, s.lacks_slot, s.lacks_launcher, s.queue_length, s.requests_held,
	   s.throttled_since
  FROM pg_catalog.pg_database d
  LEFT JOIN mvstore_stat_databases() s ON s.database OPERATOR(pg_catalog.=) d.oid
 WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database();
REVOKE ALL ON mvstore_this_database FROM PUBLIC;

COMMENT ON VIEW mvstore_this_database IS
'this database and its worker, below mvstore_blockers';

CREATE VIEW mvstore_blockers_writer AS
SELECT CASE WHEN w.pid IS NULL THEN 'prepared' ELSE 'writer' END AS kind, w.pid,
	   coalesce(a.usename, x.gid::name) AS name, mvstore_time_of(w.version) AS since,
	   coalesce(d.requests_held, 0) AS requests, 'what was superseded since' AS holds_back
  FROM mvstore_this_database d, mvstore_stat_writers() w
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) w.pid
  LEFT JOIN pg_catalog.pg_prepared_xacts x
	ON w.pid IS NULL AND x.transaction OPERATOR(pg_catalog.=) w.transaction;
REVOKE ALL ON mvstore_blockers_writer FROM PUBLIC;

COMMENT ON VIEW mvstore_blockers_writer IS
'open and prepared transactions that have written, below mvstore_blockers';

CREATE VIEW mvstore_blockers_pin AS
SELECT p.name, p.created AS since, p.store,
	   (SELECT pg_catalog.count(*) FROM mvstore_journal j
		 WHERE j.before OPERATOR(pg_catalog.>) p.version
		   AND (p.store IS NULL OR j.store OPERATOR(pg_catalog.=) p.store)) AS requests,
	   pg_catalog.format('what was superseded after version %s; a pin of %s, until %s',
						 p.version, p.owner, p.expires) AS holds_back
  FROM mvstore_pins p;
REVOKE ALL ON mvstore_blockers_pin FROM PUBLIC;

COMMENT ON VIEW mvstore_blockers_pin IS
'pins, below mvstore_blockers';

-- Drop locks: of a store, or of all of the database's (classid 0), where only that of a pin on
-- all stores is in the way. Then what the worker has met: stores that are locked, with a row
-- for each who has a lock that may be the one; and errors, of which it tries again.
CREATE VIEW mvstore_blockers_lock AS
WITH locks_of_others AS (
	SELECT l.locktype, l.relation, l.classid, l.objsubid, l.mode, l.pid,
		   coalesce(a.usename, x.gid::name) AS name, coalesce(a.xact_start, x.prepared) AS since
	  FROM mvstore_this_database d
	  JOIN pg_catalog.pg_locks l ON l."database" OPERATOR(pg_catalog.=) d.oid
	  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
	  LEFT JOIN (
		pg_catalog.pg_locks t JOIN pg_catalog.pg_prepared_xacts x
		  ON t.pid IS NULL AND t.transactionid OPERATOR(pg_catalog.=) x.transaction)
		ON l.pid IS NULL AND l.virtualtransaction OPERATOR(pg_catalog.=) t.virtualtransaction
	 WHERE l.granted AND NOT coalesce(l.pid OPERATOR(pg_catalog.=) d.worker_pid, false))
SELECT CASE WHEN l.mode OPERATOR(pg_catalog.=) 'RowExclusiveLock' THEN 'put_at' ELSE 'lock'
			END AS kind,
	   l.pid, l.name, l.since,
	   CASE WHEN l.classid OPERATOR(pg_catalog.<>) 0 THEN l.classid::regclass END AS store,
	   NULL::bigint AS requests,
	   CASE WHEN l.classid OPERATOR(pg_catalog.<>) 0 THEN 'all drops from the store'
			ELSE 'all drops of the database' END AS holds_back
  FROM locks_of_others l
 WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'
   AND l.objsubid OPERATOR(pg_catalog.=) mvstore_drop_lock_class()
   AND (l.classid OPERATOR(pg_catalog.<>) 0 OR l.mode OPERATOR(pg_catalog.=) 'ShareLock')
UNION ALL
SELECT CASE WHEN t.locked THEN 'lock' ELSE 'error' END, l.pid, l.name, t.since,
	   t.store::regclass, t.requests,
	   CASE WHEN t.message IS NOT NULL THEN t.message
			WHEN t.store IS NULL THEN 'drops of the database'
			ELSE 'all drops from the store' END
  FROM mvstore_stat_troubles() t
  LEFT JOIN locks_of_others l
	ON t.locked AND l.relation OPERATOR(pg_catalog.=) t.store
   AND l.mode OPERATOR(pg_catalog.=) ANY ('{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}');
REVOKE ALL ON mvstore_blockers_lock FROM PUBLIC;

COMMENT ON VIEW mvstore_blockers_lock IS
'who has locked stores or their drops, and what the drop worker cannot get at, below mvstore_blockers';

CREATE VIEW mvstore_blockers_failed AS
SELECT pg_catalog.min(mvstore_time_of(j.id)) AS since, j.store::regclass,
	   pg_catalog.count(*) AS requests, 'requests that failed, see mvstore_requests' AS holds_back
  FROM mvstore_journal j
 WHERE j.attempts OPERATOR(pg_catalog.>=) mvstore_max_attempts()
 GROUP BY j.store;
REVOKE ALL ON mvstore_blockers_failed FROM PUBLIC;

COMMENT ON VIEW mvstore_blockers_failed IS
'stores with requests that were set aside, below mvstore_blockers';

CREATE VIEW mvstore_blockers_paused AS
SELECT p.role AS name, p.since, d.queue_length AS requests,
	   'all drops of the database' AS holds_back
  FROM mvstore_this_database d, mvstore_paused p;
REVOKE ALL ON mvstore_blockers_paused FROM PUBLIC;

COMMENT ON VIEW mvstore_blockers_paused IS
'the pause, below mvstore_blockers';

CREATE VIEW mvstore_blockers_rate_limit AS
SELECT d.worker_pid AS pid, d.throttled_since AS since, d.queue_length AS requests,
	   pg_catalog.format('drops beyond %s entries a second',
						 pg_catalog.current_setting('mvstore.drop_rate_limit')) AS holds_back
  FROM mvstore_this_database d
 WHERE d.throttled_since IS NOT NULL;
REVOKE ALL ON mvstore_blockers_rate_limit FROM PUBLIC;

COMMENT ON VIEW mvstore_blockers_rate_limit IS
'the worker''s pauses for mvstore.drop_rate_limit, below mvstore_blockers';

CREATE VIEW mvstore_blockers_slot AS
SELECT d.queue_length AS requests,
	   CASE WHEN d.lacks_slot
			THEN 'all drops of the database, for lack of a worker slot'
			WHEN d.lacks_assistant
			THEN pg_catalog.format('drops beyond what %s of mvstore.workers_per_database processes do, for lack of a worker slot', d.workers)
			ELSE 'all drops of the database: the mvstore launcher is not running, which needs one of max_worker_processes when the server starts'
			END AS holds_back
  FROM mvstore_this_database d
 WHERE d.lacks_slot OR d.lacks_launcher OR d.lacks_assistant;
REVOKE ALL ON mvstore_blockers_slot FROM PUBLIC;

COMMENT ON VIEW mvstore_blockers_slot IS
'that no worker, or not as many as are wanted, can run, below mvstore_blockers';

-- Who keeps VACUUM from taking dead rows of the stores.
CREATE VIEW mvstore_blockers_snapshot AS
SELECT x.pid, x.name, x.since, dead.entries,
	   pg_catalog.format('the space of what went in the last %s transactions%s',
						 pg_catalog.age(x.xmin), x.what) AS holds_back
  FROM (
	SELECT coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_dead_tuples(p.store)), 0)::bigint AS entries
	  FROM mvstore_policy p) dead, (
	SELECT a.pid, a.usename AS name, a.xact_start AS since,
		   coalesce(a.backend_xmin, a.backend_xid) AS xmin,
		   CASE WHEN a.backend_type OPERATOR(pg_catalog.=) 'walsender' THEN ', for a standby'
				ELSE '' END AS what
	  FROM pg_catalog.pg_stat_activity a
	 WHERE coalesce(a.backend_xmin, a.backend_xid) IS NOT NULL
	   AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
	   -- A standby, told of by its WAL sender, holds back all databases.
	   AND (a.datname IS NULL OR a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
	UNION ALL
	SELECT s.active_pid, s.slot_name, NULL, s.xmin, ', for a replication slot'
	  FROM pg_catalog.pg_replication_slots s
	 WHERE s.xmin IS NOT NULL
	UNION ALL
	SELECT NULL, x.gid::name, x.prepared, x.transaction, ', for a prepared transaction'
	  FROM pg_catalog.pg_prepared_xacts x
	 WHERE x."database" OPERATOR(pg_catalog.=) pg_catalog.current_database()) x;
REVOKE ALL ON mvstore_blockers_snapshot FROM PUBLIC;

COMMENT ON VIEW mvstore_blockers_snapshot IS
'old snapshots, which keep VACUUM from freeing space, below mvstore_blockers';

CREATE VIEW mvstore_blockers AS
SELECT kind, pid, name, since, NULL::regclass AS store, requests,
	   NULL::bigint AS entries, holds_back
  FROM mvstore_blockers_writer
UNION ALL
SELECT 'pin', NULL, name, since, store, requests, NULL, holds_back
  FROM mvstore_blockers_pin
UNION ALL
SELECT kind, pid, name, since, store, requests, NULL, holds_back
  FROM mvstore_blockers_lock
UNION ALL
SELECT 'error', NULL, NULL, since, store, requests, NULL, holds_back
  FROM mvstore_blockers_failed
UNION ALL
SELECT 'paused', NULL, name, since, NULL, requests, NULL, holds_back
  FROM mvstore_blockers_paused
UNION ALL
SELECT 'rate limit', pid, NULL, since, NULL, requests, NULL, holds_back
  FROM mvstore_blockers_rate_limit
UNION ALL
SELECT 'slot', NULL, NULL, NULL, NULL, requests, NULL, holds_back
  FROM mvstore_blockers_slot
UNION ALL
SELECT 'snapshot', pid, name, since, NULL, NULL, entries, holds_back
  FROM mvstore_blockers_snapshot;
GRANT SELECT ON mvstore_blockers TO PUBLIC;

COMMENT ON VIEW mvstore_blockers IS
'what keeps old versions, or the space of dropped ones, from going';
COMMENT ON COLUMN mvstore_blockers.kind IS
'writer, prepared, pin, put_at, lock, error, paused, rate limit, slot or snapshot';
COMMENT ON COLUMN mvstore_blockers.pid IS
'the process, where there is one';
COMMENT ON COLUMN mvstore_blockers.name IS
'of the role, the pin, the replication slot or the prepared transaction';
COMMENT ON COLUMN mvstore_blockers.since IS
'since when it has been in the way';
COMMENT ON COLUMN mvstore_blockers.store IS
'the store that it is about; NULL: all of the database';
COMMENT ON COLUMN mvstore_blockers.requests IS
'requests that wait for it; NULL: not known';
COMMENT ON COLUMN mvstore_blockers.entries IS
'dead entries whose space it may hold back; NULL: not known';
COMMENT ON COLUMN mvstore_blockers.holds_back IS
'what does not go';

CREATE VIEW mvstore_stats AS
SELECT d.datname AS database, s.worker_pid, s.worker_state, s.workers,
	   s.queue_length, s.queue_bytes, s.queue_capacity, s.queue_high_water,
	   pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) s.oldest_request AS oldest_request_age,
	   s.requests_enqueued, s.requests_merged, s.requests_overflowed,
	   s.requests_processed, s.requests_held, s.requests_failed,
	   s.entries_dropped, s.bytes_dropped, s.batches, s.last_batch_at, s.last_batch_duration,
	   CASE WHEN s.lag_count OPERATOR(pg_catalog.>) 0
			THEN s.lag_sum OPERATOR(pg_catalog./) s.lag_count END AS lag_mean,
	   s.lag_max, s.sweeps, s.keys_due, s.yields, s.maintenance_runs, s.last_maintenance_at,
	   s.last_error, s.last_error_at, s.stats_since
  FROM mvstore_stat_databases() s
  JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.database;
GRANT SELECT ON mvstore_stats TO PUBLIC;

COMMENT ON VIEW mvstore_stats IS
'the drop queue and the drop worker, one row per database with stores';
COMMENT ON COLUMN mvstore_stats.database IS
'the database';
COMMENT ON COLUMN mvstore_stats.worker_pid IS
'process id of the drop worker; NULL: none runs';
COMMENT ON COLUMN mvstore_stats.worker_state IS
'what it does, or why there is none';
COMMENT ON COLUMN mvstore_stats.workers IS
'processes that drop: the drop worker, and with mvstore.workers_per_database its assistants';
COMMENT ON COLUMN mvstore_stats.queue_length IS
'requests in the queue';
COMMENT ON COLUMN mvstore_stats.queue_bytes IS
'bytes of the queue in use';
COMMENT ON COLUMN mvstore_stats.queue_capacity IS
'requests that the queue has room for';
COMMENT ON COLUMN mvstore_stats.queue_high_water IS
'the greatest queue_length so far';
COMMENT ON COLUMN mvstore_stats.oldest_request_age IS
'time since the commit of the oldest request in the queue; NULL: it is empty';
COMMENT ON COLUMN mvstore_stats.requests_enqueued IS
'requests that committed transactions have made';
COMMENT ON COLUMN mvstore_stats.requests_merged IS
'requests that were done together with another one';
COMMENT ON COLUMN mvstore_stats.requests_overflowed IS
'requests for which the queue had no room';
COMMENT ON COLUMN mvstore_stats.requests_processed IS
'requests that are done';
COMMENT ON COLUMN mvstore_stats.requests_held IS
'requests and sweeps that wait for a writing transaction to end, or a pin';
COMMENT ON COLUMN mvstore_stats.requests_failed IS
'requests that failed so often that they are set aside';
COMMENT ON COLUMN mvstore_stats.entries_dropped IS
'entries removed, by requests and sweeps';
COMMENT ON COLUMN mvstore_stats.bytes_dropped IS
'bytes of these rows, out-of-line values included';
COMMENT ON COLUMN mvstore_stats.batches IS
'batches from the queue';
COMMENT ON COLUMN mvstore_stats.last_batch_at IS
'when the last batch ended';
COMMENT ON COLUMN mvstore_stats.last_batch_duration IS
'how long it took';
COMMENT ON COLUMN mvstore_stats.lag_mean IS
'mean time from the commit of a request until it was done';
COMMENT ON COLUMN mvstore_stats.lag_max IS
'the greatest such time';
COMMENT ON COLUMN mvstore_stats.sweeps IS
'passes over a whole store';
COMMENT ON COLUMN mvstore_stats.keys_due IS
'keys looked at because something of them had got old enough';
COMMENT ON COLUMN mvstore_stats.yields IS
'pauses in drops for what others write, see mvstore.drop_wal_limit';
COMMENT ON COLUMN mvstore_stats.maintenance_runs IS
'stores vacuumed by mvstore';
COMMENT ON COLUMN mvstore_stats.last_maintenance_at IS
'when the last of these was done';
COMMENT ON COLUMN mvstore_stats.last_error IS
'message of the last error of the worker; NULL: none, or not for everybody to see';
COMMENT ON COLUMN mvstore_stats.last_error_at IS
'when that was';
COMMENT ON COLUMN mvstore_stats.stats_since IS
'since when the row has been counting';

CREATE VIEW mvstore_store_stats AS
SELECT p.store::regclass,
	   coalesce(s.puts, 0) AS puts, coalesce(s.deletes, 0) AS deletes,
	   coalesce(s.requests, 0) AS requests,
	   coalesce(s.entries_dropped, 0) AS entries_dropped,
	   coalesce(s.bytes_dropped, 0) AS bytes_dropped,
	   coalesce(s.keys_purged, 0) AS keys_purged,
	   coalesce(s.keys_expired, 0) AS keys_expired,
	   f.floor, s.last_sweep,
	   coalesce(s.entries_swept, 0) AS entries_swept, coalesce(s.keys_due, 0) AS keys_due,
	   pg_catalog.pg_stat_get_dead_tuples(p.store) AS dead_tuples
  FROM mvstore_policy p
  LEFT JOIN mvstore_floor f ON f.store OPERATOR(pg_catalog.=) p.store
  LEFT JOIN mvstore_stat_stores() s ON s.store OPERATOR(pg_catalog.=) p.store;
GRANT SELECT ON mvstore_store_stats TO PUBLIC;

COMMENT ON VIEW mvstore_store_stats IS
'what was written to and dropped from each store of this database';
COMMENT ON COLUMN mvstore_store_stats.store IS
'the store';
COMMENT ON COLUMN mvstore_store_stats.puts IS
'entries with a value that were written';
COMMENT ON COLUMN mvstore_store_stats.deletes IS
'tombstones that were written';
COMMENT ON COLUMN mvstore_store_stats.requests IS
'drop requests, explicit ones and those of the policy';
COMMENT ON COLUMN mvstore_store_stats.entries_dropped IS
'entries removed';
COMMENT ON COLUMN mvstore_store_stats.bytes_dropped IS
'bytes of these rows, out-of-line values included';
COMMENT ON COLUMN mvstore_store_stats.keys_purged IS
'keys removed whole: deleted or expired ones';
COMMENT ON COLUMN mvstore_store_stats.keys_expired IS
'of these keys, those whose newest entry had expired';
COMMENT ON COLUMN mvstore_store_stats.floor IS
'reads as of this version or later are complete; NULL: nothing has gone';
COMMENT ON COLUMN mvstore_store_stats.last_sweep IS
'when the last pass over the store ended; NULL: none since counting began';
COMMENT ON COLUMN mvstore_store_stats.entries_swept IS
'entries read by full passes';
COMMENT ON COLUMN mvstore_store_stats.keys_due IS
'keys looked at because something of them had got old enough';
COMMENT ON COLUMN mvstore_store_stats.dead_tuples IS
'dead rows that await a VACUUM, as estimated';

-- Estimates, by what the last VACUUM or ANALYZE has counted, or the owner has set (18); pg_stats shows what the reader may
-- SELECT. Sizes go by the number of rows, as if all were of the same size.
CREATE VIEW mvstore_stores AS
SELECT p.store::regclass, p.keep_versions, p.keep_for, p.ttl, p.incarnation,
	   mvstore_stat_feed(p.store::oid) AS feed, t.size, e.entries::bigint, k.keys::bigint,
	   (t.size OPERATOR(pg_catalog.*) k.keys OPERATOR(pg_catalog./) r.all_rows)::bigint
	   AS live_size,
	   ((e.entries OPERATOR(pg_catalog.-) k.keys) OPERATOR(pg_catalog.*) t.size
		OPERATOR(pg_catalog./) r.all_rows)::bigint AS history_size,
	   (t.size OPERATOR(pg_catalog.*) t.dead OPERATOR(pg_catalog./) r.all_rows)::bigint
	   AS dead_size
  FROM mvstore_policy p
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.store
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace,
	   LATERAL (SELECT pg_catalog.pg_total_relation_size(p.store) AS size,
					   pg_catalog.pg_relation_size(p.store) OPERATOR(pg_catalog./)
					   pg_catalog.current_setting('block_size')::bigint AS pages,
					   pg_catalog.pg_stat_get_dead_tuples(p.store)::double precision AS dead) t,
	   LATERAL (SELECT CASE WHEN t.pages OPERATOR(pg_catalog.=) 0 THEN 0
							WHEN c.relpages OPERATOR(pg_catalog.>) 0
							 AND c.reltuples OPERATOR(pg_catalog.>=) 0
							THEN least(c.reltuples::double precision OPERATOR(pg_catalog.*) t.pages
									   OPERATOR(pg_catalog./) c.relpages, 1e18) END AS entries) e,
	   LATERAL (SELECT CASE WHEN e.entries OPERATOR(pg_catalog.=) 0 THEN 0
					   ELSE (SELECT CASE WHEN d.n_distinct OPERATOR(pg_catalog.>) 0
										 THEN least(d.n_distinct, e.entries)
										 ELSE least(OPERATOR(pg_catalog.-) d.n_distinct, 1)
											  OPERATOR(pg_catalog.*) e.entries END
							   FROM pg_catalog.pg_stats d
							  WHERE d.schemaname OPERATOR(pg_catalog.=) n.nspname
								AND d.tablename OPERATOR(pg_catalog.=) c.relname
								AND d.attname OPERATOR(pg_catalog.=) 'key'
								AND d.n_distinct OPERATOR(pg_catalog.<>) 0
								AND NOT d.inherited) END AS keys) k,
	   LATERAL (SELECT CASE WHEN e.entries IS NOT NULL
							THEN greatest(e.entries OPERATOR(pg_catalog.+) t.dead, 1)
							END AS all_rows) r;
GRANT SELECT ON mvstore_stores TO PUBLIC;

COMMENT ON VIEW mvstore_stores IS
'the stores of this database: policy, incarnation, feed, how large they are';
COMMENT ON COLUMN mvstore_stores.store IS
'the store';
COMMENT ON COLUMN mvstore_stores.keep_versions IS
'of each key, so many of the newest entries stay; NULL: not set';
COMMENT ON COLUMN mvstore_stores.keep_for IS
'an entry stays for so long after it was superseded; NULL: not set';
COMMENT ON COLUMN mvstore_stores.ttl IS
'entries expire so long after they were written; NULL: not set';
COMMENT ON COLUMN mvstore_stores.incarnation IS
'which life of its contents this is: one more for each TRUNCATE';
COMMENT ON COLUMN mvstore_stores.feed IS
'whether it has an index on (version, key), which following its changes takes';
COMMENT ON COLUMN mvstore_stores.size IS
'bytes on disk, with indexes and TOAST';
COMMENT ON COLUMN mvstore_stores.entries IS
'estimate: entries, tombstones included; NULL: never vacuumed or analyzed';
COMMENT ON COLUMN mvstore_stores.keys IS
'estimate: keys that have an entry; NULL: never analyzed, or not for everybody to see';
COMMENT ON COLUMN mvstore_stores.live_size IS
'estimate: bytes of size for the newest entry of each key';
COMMENT ON COLUMN mvstore_stores.history_size IS
'estimate: bytes of size for older entries';
COMMENT ON COLUMN mvstore_stores.dead_size IS
'estimate: bytes of size for dead rows that await a VACUUM';

-- What a monitoring system wants: numbers, named as Prometheus names them. Nothing of it reads a
-- store, or waits for a lock on one.
CREATE VIEW mvstore_metrics AS
SELECT d.datname AS database,
	   (NOT n.standby)::integer AS is_primary,
	   mvstore_stat_launcher()::integer AS launcher_up,
	   coalesce(s.worker_pid IS NOT NULL
				AND s.worker_state OPERATOR(pg_catalog.<>) 'version mismatch', false)::integer
	   AS worker_up,
	   -- One that waits for its turn has nothing to do before that.
	   coalesce(s.worker_state OPERATOR(pg_catalog.<>) ALL ('{stopped,waiting for its turn}'), false)::integer
	   AS worker_wanted,
	   (EXISTS (SELECT FROM mvstore_paused))::integer AS paused,
	   (s.throttled_since IS NOT NULL)::integer AS rate_limited,
	   coalesce(s.queue_length, 0) AS queue_length,
	   coalesce(s.queue_bytes, 0) AS queue_bytes,
	   coalesce(s.queue_capacity, 0) AS queue_capacity,
	   coalesce(s.queue_high_water, 0) AS queue_high_water,
	   mvstore_seconds(n.at OPERATOR(pg_catalog.-) s.oldest_request) AS queue_oldest_seconds,
	   coalesce(s.requests_held, 0) AS requests_held,
	   coalesce(s.requests_failed, 0) AS requests_failed,
	   coalesce(s.requests_enqueued, 0) AS requests_enqueued_total,
	   coalesce(s.requests_merged, 0) AS requests_merged_total,
	   coalesce(s.requests_overflowed, 0) AS requests_overflowed_total,
	   coalesce(s.requests_processed, 0) AS requests_processed_total,
	   mvstore_seconds(s.lag_sum) AS lag_seconds_total,
	   coalesce(s.lag_count, 0) AS lag_requests_total,
	   mvstore_seconds(s.lag_max) AS lag_max_seconds,
	   coalesce(s.entries_dropped, 0) AS dropped_entries_total,
	   coalesce(s.bytes_dropped, 0) AS dropped_bytes_total,
	   coalesce(s.batches, 0) AS batches_total,
	   coalesce(s.sweeps, 0) AS sweeps_total,
	   coalesce(s.keys_due, 0) AS due_keys_total,
	   coalesce(s.maintenance_runs, 0) AS vacuums_total,
	   coalesce(r.reads_refused, 0) AS reads_refused_total,
	   coalesce(r.retries, 0) AS retries_total,
	   CASE WHEN NOT n.standby THEN mvstore_seconds(n.at OPERATOR(pg_catalog.-) w.since)
			WHEN t.stable OPERATOR(pg_catalog.>) 0
			THEN mvstore_seconds(n.at OPERATOR(pg_catalog.-) mvstore_time_of(t.stable))
			ELSE 0 END AS stable_lag_seconds,
	   w.writers, mvstore_seconds(n.at OPERATOR(pg_catalog.-) w.since) AS oldest_writer_seconds,
	   p.pins, mvstore_seconds(n.at OPERATOR(pg_catalog.-) p.since) AS oldest_pin_seconds,
	   (SELECT pg_catalog.count(*) FROM mvstore_policy) AS stores
  FROM pg_catalog.pg_database d
  LEFT JOIN mvstore_stat_databases() s ON s.database OPERATOR(pg_catalog.=) d.oid
  LEFT JOIN mvstore_stat_stores() r ON r.store OPERATOR(pg_catalog.=) 0::oid,
	   (SELECT pg_catalog.clock_timestamp() AS at, pg_catalog.pg_is_in_recovery() AS standby) n,
	   (SELECT pg_catalog.count(*) AS writers, pg_catalog.min(mvstore_time_of(version)) AS since
		  FROM mvstore_stat_writers()) w,
	   (SELECT pg_catalog.count(*) AS pins, pg_catalog.min(created) AS since
		  FROM mvstore_pins) p,
	   -- A primary is not asked: the answer may have to be made durable first.
	   LATERAL (SELECT CASE WHEN n.standby THEN mvstore_stable_version() END AS stable) t
 WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database();
GRANT SELECT ON mvstore_metrics TO PUBLIC;

COMMENT ON VIEW mvstore_metrics IS
'this database in numbers, one row, on standbys too';
COMMENT ON COLUMN mvstore_metrics.database IS
'the database';
COMMENT ON COLUMN mvstore_metrics.is_primary IS
'1: this server takes writes; 0: it is a standby, or being recovered';
COMMENT ON COLUMN mvstore_metrics.launcher_up IS
'1: the launcher of drop workers runs';
COMMENT ON COLUMN mvstore_metrics.worker_up IS
'1: the drop worker runs, and is of the same version as the extension';
COMMENT ON COLUMN mvstore_metrics.worker_wanted IS
'1: there is something for a drop worker to do, or one runs';
COMMENT ON COLUMN mvstore_metrics.paused IS
'1: mvstore_pause() was called';
COMMENT ON COLUMN mvstore_metrics.rate_limited IS
'1: the worker makes a pause for mvstore.drop_rate_limit';
COMMENT ON COLUMN mvstore_metrics.queue_length IS
'requests in the queue';
COMMENT ON COLUMN mvstore_metrics.queue_bytes IS
'bytes of the queue in use';
COMMENT ON COLUMN mvstore_metrics.queue_capacity IS
'requests that the queue has room for';
COMMENT ON COLUMN mvstore_metrics.queue_high_water IS
'the greatest queue_length so far';
COMMENT ON COLUMN mvstore_metrics.queue_oldest_seconds IS
'time since the commit of the oldest request in the queue; 0: it is empty';
COMMENT ON COLUMN mvstore_metrics.requests_held IS
'requests and sweeps that wait for a writing transaction to end, or a pin';
COMMENT ON COLUMN mvstore_metrics.requests_failed IS
'requests that failed so often that they are set aside';
COMMENT ON COLUMN mvstore_metrics.requests_enqueued_total IS
'requests that committed transactions have made';
COMMENT ON COLUMN mvstore_metrics.requests_merged_total IS
'requests that were done together with another one';
COMMENT ON COLUMN mvstore_metrics.requests_overflowed_total IS
'requests for which the queue had no room';
COMMENT ON COLUMN mvstore_metrics.requests_processed_total IS
'requests that are done';
COMMENT ON COLUMN mvstore_metrics.lag_seconds_total IS
'time from the commit of a request until it was done, added up';
COMMENT ON COLUMN mvstore_metrics.lag_requests_total IS
'requests of which that was added up';
COMMENT ON COLUMN mvstore_metrics.lag_max_seconds IS
'the greatest such time';
COMMENT ON COLUMN mvstore_metrics.dropped_entries_total IS
'entries removed, by requests and sweeps';
COMMENT ON COLUMN mvstore_metrics.dropped_bytes_total IS
'bytes of these rows, out-of-line values included';
COMMENT ON COLUMN mvstore_metrics.batches_total IS
'batches from the queue';
COMMENT ON COLUMN mvstore_metrics.sweeps_total IS
'passes over a whole store';
COMMENT ON COLUMN mvstore_metrics.due_keys_total IS
'keys looked at because something of them had got old enough';
COMMENT ON COLUMN mvstore_metrics.vacuums_total IS
'stores vacuumed by mvstore';
COMMENT ON COLUMN mvstore_metrics.reads_refused_total IS
'errors 72000: what was asked for is gone from the history';
COMMENT ON COLUMN mvstore_metrics.retries_total IS
'errors 40001 of mvstore: the transaction was too late, and is to be retried';
COMMENT ON COLUMN mvstore_metrics.stable_lag_seconds IS
'how far the stable version is behind the clock';
COMMENT ON COLUMN mvstore_metrics.writers IS
'open transactions that have written to stores';
COMMENT ON COLUMN mvstore_metrics.oldest_writer_seconds IS
'time since the oldest of them has first written; 0: there is none';
COMMENT ON COLUMN mvstore_metrics.pins IS
'pins that live';
COMMENT ON COLUMN mvstore_metrics.oldest_pin_seconds IS
'time since the oldest of them was made; 0: there is none';
COMMENT ON COLUMN mvstore_metrics.stores IS
'stores of the database';

-- Sizes go by what the last VACUUM or ANALYZE has counted, as if all rows were of the same size.
CREATE VIEW mvstore_store_metrics AS
SELECT pg_catalog.current_database() AS database, n.nspname AS schema, c.relname AS store,
	   coalesce(s.puts, 0) AS puts_total, coalesce(s.deletes, 0) AS deletes_total,
	   coalesce(s.requests, 0) AS requests_total,
	   coalesce(s.entries_dropped, 0) AS dropped_entries_total,
	   coalesce(s.bytes_dropped, 0) AS dropped_bytes_total,
	   coalesce(s.keys_purged, 0) AS purged_keys_total,
	   coalesce(s.keys_expired, 0) AS expired_keys_total,
	   coalesce(s.entries_swept, 0) AS swept_entries_total,
	   coalesce(s.keys_due, 0) AS due_keys_total,
	   coalesce(s.reads_refused, 0) AS reads_refused_total,
	   coalesce(s.retries, 0) AS retries_total,
	   CASE WHEN f.floor IS NULL THEN 'Infinity'
			ELSE mvstore_seconds(pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
								 mvstore_time_of(f.floor)) END AS floor_age_seconds,
	   t.size::double precision AS size_bytes, e.entries, e.dead AS dead_entries,
	   t.size OPERATOR(pg_catalog.*) k.keys OPERATOR(pg_catalog./) e.all_rows AS live_bytes,
	   (e.entries OPERATOR(pg_catalog.-) k.keys) OPERATOR(pg_catalog.*) t.size
	   OPERATOR(pg_catalog./) e.all_rows AS history_bytes,
	   t.size OPERATOR(pg_catalog.*) e.dead OPERATOR(pg_catalog./) e.all_rows AS dead_bytes
  FROM mvstore_policy p
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.store
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  LEFT JOIN mvstore_floor f ON f.store OPERATOR(pg_catalog.=) p.store
  LEFT JOIN mvstore_stat_stores() s ON s.store OPERATOR(pg_catalog.=) p.store
  LEFT JOIN pg_catalog.pg_attribute a
	ON a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attname OPERATOR(pg_catalog.=) 'key'
  LEFT JOIN pg_catalog.pg_statistic d
	ON d.starelid OPERATOR(pg_catalog.=) c.oid AND d.staattnum OPERATOR(pg_catalog.=) a.attnum
   AND NOT d.stainherit,
	   (SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS informed) u,
	   LATERAL (SELECT CASE WHEN c.reltuples OPERATOR(pg_catalog.>=) 0
							THEN c.reltuples::double precision END AS entries,
					   pg_catalog.pg_stat_get_dead_tuples(p.store)::double precision AS dead) b,
	   LATERAL (SELECT b.entries, b.dead,
					   greatest(b.entries OPERATOR(pg_catalog.+) b.dead, 1) AS all_rows) e,
	   LATERAL (SELECT mvstore_stat_size(p.store::oid) AS size) t,
	   -- How many keys there are is for who may read them, or statistics.
	   LATERAL (SELECT CASE WHEN e.entries OPERATOR(pg_catalog.=) 0 THEN 0
							WHEN NOT (u.informed OR pg_catalog.has_table_privilege(p.store, 'SELECT')
									  AND NOT pg_catalog.row_security_active(p.store))
							THEN NULL
							WHEN d.stadistinct OPERATOR(pg_catalog.>) 0
							THEN least(d.stadistinct, e.entries)
							WHEN d.stadistinct OPERATOR(pg_catalog.<) 0
							THEN (OPERATOR(pg_catalog.-) d.stadistinct)
								 OPERATOR(pg_catalog.*) e.entries END AS keys) k;
GRANT SELECT ON mvstore_store_metrics TO PUBLIC;

COMMENT ON VIEW mvstore_store_metrics IS
'the stores of this database in numbers';
COMMENT ON COLUMN mvstore_store_metrics.database IS
'the database';
COMMENT ON COLUMN mvstore_store_metrics.schema IS
'the schema of the store';
COMMENT ON COLUMN mvstore_store_metrics.store IS
'its name there';
COMMENT ON COLUMN mvstore_store_metrics.puts_total IS
'entries with a value that were written';
COMMENT ON COLUMN mvstore_store_metrics.deletes_total IS
'tombstones that were written';
COMMENT ON COLUMN mvstore_store_metrics.requests_total IS
'drop requests, explicit ones and those of the policy';
COMMENT ON COLUMN mvstore_store_metrics.dropped_entries_total IS
'entries removed';
COMMENT ON COLUMN mvstore_store_metrics.dropped_bytes_total IS
'bytes of these rows, out-of-line values included';
COMMENT ON COLUMN mvstore_store_metrics.purged_keys_total IS
'keys removed whole: deleted or expired ones';
COMMENT ON COLUMN mvstore_store_metrics.expired_keys_total IS
'of these keys, those whose newest entry had expired';
COMMENT ON COLUMN mvstore_store_metrics.swept_entries_total IS
'entries read by full passes';
COMMENT ON COLUMN mvstore_store_metrics.due_keys_total IS
'keys looked at because something of them had got old enough';
COMMENT ON COLUMN mvstore_store_metrics.reads_refused_total IS
'errors 72000: what was asked for is gone from the history';
COMMENT ON COLUMN mvstore_store_metrics.retries_total IS
'errors 40001 of mvstore: the transaction was too late, and is to be retried';
COMMENT ON COLUMN mvstore_store_metrics.floor_age_seconds IS
'so far back reads are complete; infinity: nothing has gone';
COMMENT ON COLUMN mvstore_store_metrics.size_bytes IS
'bytes on disk, with indexes and TOAST; NULL: somebody has it locked';
COMMENT ON COLUMN mvstore_store_metrics.entries IS
'estimate: entries, tombstones included; NULL: never vacuumed or analyzed';
COMMENT ON COLUMN mvstore_store_metrics.dead_entries IS
'estimate: dead rows that await a VACUUM';
COMMENT ON COLUMN mvstore_store_metrics.live_bytes IS
'estimate: bytes of the newest entry of each key; NULL: not known, or not for everybody to see';
COMMENT ON COLUMN mvstore_store_metrics.history_bytes IS
'estimate: bytes of older entries; NULL: as for live_bytes';
COMMENT ON COLUMN mvstore_store_metrics.dead_bytes IS
'estimate: bytes of dead rows that await a VACUUM';

CREATE VIEW mvstore_blocker_metrics AS
SELECT pg_catalog.current_database() AS database, b.kind, coalesce(b.name, '') AS name,
	   coalesce(n.nspname, '') AS schema, coalesce(c.relname, '') AS store,
	   pg_catalog.count(*) AS reasons,
	   pg_catalog.max(mvstore_seconds(pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) b.since))
	   AS oldest_seconds,
	   coalesce(pg_catalog.max(b.requests), 0) AS requests,
	   coalesce(pg_catalog.max(b.entries), 0) AS entries
  FROM mvstore_blockers b
  LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) b.store
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 GROUP BY b.kind, b.name, n.nspname, c.relname;
GRANT SELECT ON mvstore_blocker_metrics TO PUBLIC;

COMMENT ON VIEW mvstore_blocker_metrics IS
'mvstore_blockers in numbers: a row for each kind, name and store';
COMMENT ON COLUMN mvstore_blocker_metrics.database IS
'the database';
COMMENT ON COLUMN mvstore_blocker_metrics.kind IS
'writer, prepared, pin, put_at, lock, error, paused, rate limit, slot or snapshot';
COMMENT ON COLUMN mvstore_blocker_metrics.name IS
'of the role, the pin, the replication slot or the prepared transaction; empty: none';
COMMENT ON COLUMN mvstore_blocker_metrics.schema IS
'the schema of the store; empty: all of the database';
COMMENT ON COLUMN mvstore_blocker_metrics.store IS
'the store; empty: all of the database';
COMMENT ON COLUMN mvstore_blocker_metrics.reasons IS
'how many of these reasons there are';
COMMENT ON COLUMN mvstore_blocker_metrics.oldest_seconds IS
'how long the oldest of them has been in the way; 0: not known';
COMMENT ON COLUMN mvstore_blocker_metrics.requests IS
'requests that wait for it; 0: none, or not known';
COMMENT ON COLUMN mvstore_blocker_metrics.entries IS
'dead entries whose space it may hold back; 0: none, or not known';

CREATE VIEW mvstore_progress AS
SELECT pg_catalog.current_database() AS database, p.pid, p.command, p.store::regclass, p.phase,
	   p.done, p.total, p.unit, p.started_at
  FROM mvstore_stat_progress() p;
GRANT SELECT ON mvstore_progress TO PUBLIC;

COMMENT ON VIEW mvstore_progress IS
'how far long operations of this database have got';
COMMENT ON COLUMN mvstore_progress.database IS
'the database';
COMMENT ON COLUMN mvstore_progress.pid IS
'the process that is at it; of a flush, the session that waits';
COMMENT ON COLUMN mvstore_progress.command IS
'sweep, compact, drop range, replay or flush';
COMMENT ON COLUMN mvstore_progress.store IS
'the store; NULL: all of the database';
COMMENT ON COLUMN mvstore_progress.phase IS
'what it does, or waits for';
COMMENT ON COLUMN mvstore_progress.done IS
'entries read, or requests done, so far';
COMMENT ON COLUMN mvstore_progress.total IS
'estimate: what there was to do when it began; NULL: not known';
COMMENT ON COLUMN mvstore_progress.unit IS
'entries or requests: what is counted';
COMMENT ON COLUMN mvstore_progress.started_at IS
'when it began, or took longer than one transaction';
