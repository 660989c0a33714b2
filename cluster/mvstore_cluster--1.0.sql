/* mvstore_cluster--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION mvstore_cluster" to load this file. \quit

--
-- In this order, as each part needs what is above it:
--
--	what the proxy keeps: its configuration, placement, what is under way;
--	placement;
--	connections to shards, and the proxy's own to itself;
--	configuration;
--	what every call begins with;
--	writes that happen on several shards or on none, and recovery;
--	the functions and views of mvstore, which generate.pl writes below a line that says so.
--
-- Shards are reached in two ways. What is one statement on each shard goes through PL/Proxy. What has to be
-- prepared goes through dblink, as PL/Proxy commits each call.
--


--
-- What the proxy keeps
--

-- One row, written by mvstore_cluster_configure(). options is what the foreign server looked like when
-- the shards were last asked who they are.
CREATE TABLE mvstore_cluster_config (
	single		boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (single),
	cluster		text NOT NULL,		-- of all its proxies and shards
	proxy		text NOT NULL,		-- of this proxy; in the names of its prepared transactions
	shards		integer NOT NULL,
	options		text[] NOT NULL,
	lock_timeout	interval NOT NULL DEFAULT '10 s',	-- of a write
	wait_timeout	interval NOT NULL DEFAULT '10 s',	-- for a shard that is behind
	keep_connections	boolean NOT NULL DEFAULT true
);
GRANT SELECT ON mvstore_cluster_config TO PUBLIC;

-- Stores whose keys are placed by a part of the key. The name is as mvstore_cluster_store() has it.
CREATE TABLE mvstore_cluster_placement (
	store			text NOT NULL PRIMARY KEY,
	prefix_length	integer CHECK (prefix_length OPERATOR(pg_catalog.>) 0),
	delimiter		bytea CHECK (pg_catalog.length(delimiter) OPERATOR(pg_catalog.>) 0),
	CHECK ((prefix_length IS NULL) OPERATOR(pg_catalog.<>) (delimiter IS NULL))
);
GRANT SELECT ON mvstore_cluster_placement TO PUBLIC;

-- Writes over several shards that are under way or in doubt. open: not decided, and void once its coordinator has
-- gone. committed: it has happened. aborted: it never will. All rows are written by sessions of their own.
CREATE TABLE mvstore_cluster_pending (
	gid			text NOT NULL PRIMARY KEY,
	version		bigint,
	shards		integer[] NOT NULL,
	state		text NOT NULL CHECK (state OPERATOR(pg_catalog.=) ANY ('{open,committed,aborted}'::pg_catalog.text[])),
	began		timestamptz NOT NULL,
	tried		timestamptz,		-- when recovery last tried to end it
	coordinator	xid8 NOT NULL		-- the part of its transaction that is in progress as long as it coordinates
) WITH (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
GRANT SELECT ON mvstore_cluster_pending TO PUBLIC;

-- A part of a transaction has an id once it has written: here, where nothing is ever committed.
CREATE UNLOGGED TABLE mvstore_cluster_coordinating ();
REVOKE ALL ON mvstore_cluster_coordinating FROM PUBLIC;

-- Locked by who ends what is in doubt, and touched by nothing else: whoever waits for it keeps nobody from writing.
CREATE UNLOGGED TABLE mvstore_cluster_recovering ();
REVOKE ALL ON mvstore_cluster_recovering FROM PUBLIC;

-- Whether all shards were asked what they have prepared since the proxy has crashed, or been promoted: an unlogged
-- table is empty then. complete: all have answered.
CREATE UNLOGGED TABLE mvstore_cluster_awake (
	single		boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (single),
	tried		timestamptz NOT NULL,
	complete	boolean NOT NULL
);
GRANT SELECT ON mvstore_cluster_awake TO PUBLIC;

-- Remembers, of each session, in which transaction it has written, by its time (an id would hold vacuum up as long as it is open):
-- what currval() says is rolled back by nothing.
CREATE UNLOGGED SEQUENCE mvstore_cluster_written;
GRANT SELECT, UPDATE ON mvstore_cluster_written TO PUBLIC;

-- The configuration is not dumped: a restored proxy is another one, and is configured anew.
SELECT pg_catalog.pg_extension_config_dump('mvstore_cluster_placement', '');


--
-- Placement
--

CREATE FUNCTION mvstore_cluster_store(store text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF store IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'store must not be null';
	END IF;
	RETURN (parse_ident(store))[array_length(parse_ident(store), 1)]::name;	-- cut off as regclass does
END $$;

COMMENT ON FUNCTION mvstore_cluster_store(text) IS
'the name of a store by which its keys are placed: without its schema, folded as SQL does';

CREATE FUNCTION mvstore_cluster_hash(store text, part bytea) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT pg_catalog.get_byte(pg_catalog.sha256(pg_catalog.convert_to(store, 'UTF8')
										   OPERATOR(pg_catalog.||) '\x00'::pg_catalog.bytea OPERATOR(pg_catalog.||) part), 0)
	   OPERATOR(pg_catalog.*) 256
	   OPERATOR(pg_catalog.+)
	   pg_catalog.get_byte(pg_catalog.sha256(pg_catalog.convert_to(store, 'UTF8')
										   OPERATOR(pg_catalog.||) '\x00'::pg_catalog.bytea OPERATOR(pg_catalog.||) part), 1)
$$;

COMMENT ON FUNCTION mvstore_cluster_hash(text, bytea) IS
'the first two bytes of SHA-256 of the name, a zero byte and the part of the key; its low bits are the shard';

-- The part of a key, or of a prefix of keys, by which it is placed. NULL: the prefix does not tell.
CREATE FUNCTION mvstore_cluster_part(key bytea, prefix_length integer, delimiter bytea, is_prefix boolean)
RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN prefix_length IS NOT NULL AND length(key) >= prefix_length THEN substr(key, 1, prefix_length)
			WHEN delimiter IS NOT NULL AND position(delimiter IN key) > 0
			THEN substr(key, 1, position(delimiter IN key) - 1)
			WHEN NOT is_prefix THEN key END
$$;

COMMENT ON FUNCTION mvstore_cluster_part(bytea, integer, bytea, boolean) IS
'the part of a key by which it is placed; of a prefix, NULL if it does not tell';

CREATE FUNCTION mvstore_cluster_shard_raw(store text, key bytea) RETURNS integer
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text := @extschema@.mvstore_cluster_store(store);
	shards integer;
	part bytea := key;
	place @extschema@.mvstore_cluster_placement;
BEGIN
	IF key IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'key must not be null';
	END IF;
	SELECT c.shards INTO shards FROM @extschema@.mvstore_cluster_config c;
	SELECT p.* INTO place FROM @extschema@.mvstore_cluster_placement p WHERE p.store = name;
	IF FOUND THEN
		part := @extschema@.mvstore_cluster_part(key, place.prefix_length, place.delimiter, false);
	END IF;
	RETURN @extschema@.mvstore_cluster_hash(name, part) & (shards - 1);
END $$;

COMMENT ON FUNCTION mvstore_cluster_shard_raw(text, bytea) IS
'the shard that a key of a store is on';

CREATE FUNCTION mvstore_cluster_shard(store text, key text) RETURNS integer
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN @extschema@.mvstore_cluster_shard_raw(store, convert_to(key, 'UTF8'));
END $$;

COMMENT ON FUNCTION mvstore_cluster_shard(text, text) IS
'the shard that a key of a store is on';

-- All shards that a prefix may have keys on: one, or all.
CREATE FUNCTION mvstore_cluster_shards_raw(store text, prefix bytea) RETURNS SETOF integer
LANGUAGE plpgsql STABLE ROWS 16 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text := @extschema@.mvstore_cluster_store(store);
	shards integer;
	part bytea;
BEGIN
	SELECT c.shards INTO shards FROM @extschema@.mvstore_cluster_config c;
	SELECT @extschema@.mvstore_cluster_part(prefix, p.prefix_length, p.delimiter, true) INTO part
	  FROM @extschema@.mvstore_cluster_placement p WHERE p.store = name;
	IF part IS NOT NULL THEN
		RETURN NEXT @extschema@.mvstore_cluster_hash(name, part) & (shards - 1);
	ELSE
		RETURN QUERY SELECT generate_series(0, shards - 1);
	END IF;
END $$;

COMMENT ON FUNCTION mvstore_cluster_shards_raw(text, bytea) IS
'the shards that may have keys with a prefix';

CREATE FUNCTION mvstore_cluster_shards(store text, prefix text) RETURNS SETOF integer
LANGUAGE plpgsql STABLE ROWS 16 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY SELECT * FROM @extschema@.mvstore_cluster_shards_raw(store, convert_to(prefix, 'UTF8'));
END $$;

COMMENT ON FUNCTION mvstore_cluster_shards(text, text) IS
'the shards that may have keys with a prefix';


--
-- Connections
--

-- The bodies below are bound to dblink's functions when they are created, wherever these are.
CREATE FUNCTION mvstore_cluster_dblink_open(name text, address text) RETURNS text
LANGUAGE sql BEGIN ATOMIC SELECT dblink_connect_u(name, address); END;
REVOKE ALL ON FUNCTION mvstore_cluster_dblink_open(text, text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_dblink_open(text, text) IS 'internal: connect';

CREATE FUNCTION mvstore_cluster_dblink_close(name text) RETURNS text
LANGUAGE sql BEGIN ATOMIC SELECT dblink_disconnect(name); END;
REVOKE ALL ON FUNCTION mvstore_cluster_dblink_close(text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_dblink_close(text) IS 'internal: disconnect';

CREATE FUNCTION mvstore_cluster_dblink_names() RETURNS text[]
LANGUAGE sql BEGIN ATOMIC SELECT coalesce(dblink_get_connections(), '{}'); END;
REVOKE ALL ON FUNCTION mvstore_cluster_dblink_names() FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_dblink_names() IS 'internal: what is connected';

CREATE FUNCTION mvstore_cluster_dblink_send(name text, query text) RETURNS integer
LANGUAGE sql BEGIN ATOMIC SELECT dblink_send_query(name, query); END;
REVOKE ALL ON FUNCTION mvstore_cluster_dblink_send(text, text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_dblink_send(text, text) IS 'internal: send statements';

CREATE FUNCTION mvstore_cluster_dblink_result(name text) RETURNS SETOF text
LANGUAGE sql BEGIN ATOMIC SELECT t.answer FROM dblink_get_result(name) AS t(answer text); END;
REVOKE ALL ON FUNCTION mvstore_cluster_dblink_result(text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_dblink_result(text) IS 'internal: the next result of what was sent';

-- It connects, asks and disconnects, whatever happens: there is never a name by which others could use the connection.
CREATE FUNCTION mvstore_cluster_dblink_ask(address text, query text) RETURNS SETOF text
LANGUAGE sql BEGIN ATOMIC SELECT t.answer FROM dblink(address, query) AS t(answer text); END;
REVOKE ALL ON FUNCTION mvstore_cluster_dblink_ask(text, text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_dblink_ask(text, text) IS 'internal: connect, ask and disconnect';

-- Functions of such names in the schema of this extension would have come before those of dblink in another one, and be given
-- connection strings by its owner.
CREATE FUNCTION mvstore_cluster_check_dblink() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	strange text;
BEGIN
	SELECT string_agg((pg_identify_object(d.refclassid, d.refobjid, 0)).identity, ', ') INTO strange
	  FROM pg_proc p
	  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
	 WHERE p.pronamespace = '@extschema@'::regnamespace AND starts_with(p.proname::text, 'mvstore_cluster_dblink_')
	   AND NOT EXISTS (SELECT FROM pg_depend m JOIN pg_extension e ON e.oid = m.refobjid AND e.extname = 'dblink'
			WHERE m.classid = d.refclassid AND m.objid = d.refobjid AND m.refclassid = 'pg_extension'::regclass AND m.deptype = 'e');
	IF strange IS NOT NULL THEN
		RAISE duplicate_function USING MESSAGE = format('%s would be called for what dblink has', strange),
			HINT = 'Drop it, or create the extension in another schema.';
	END IF;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_check_dblink() FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_check_dblink() IS 'internal: whether what is called for dblink is of dblink';

SELECT @extschema@.mvstore_cluster_check_dblink();

-- A value in a connection string.
CREATE FUNCTION mvstore_cluster_quoted(value text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT '''' || replace(replace(value, '\', '\\'), '''', '\''') || '''' $$;

COMMENT ON FUNCTION mvstore_cluster_quoted(text) IS 'internal: a value in a connection string';

-- The database of a shard, as its partition's connection string names it.
CREATE FUNCTION mvstore_cluster_address(shard integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT o.option_value
  FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o
 WHERE s.srvname = 'mvstore_cluster' AND o.option_name = 'p' || shard
$$;

COMMENT ON FUNCTION mvstore_cluster_address(integer) IS 'where a shard is: the connection string of its partition';

-- That with what a user mapping adds when a role uses it, as PL/Proxy has it. Where nothing names a user, PL/Proxy goes as the
-- role, and not, as libpq would, as who runs the server.
CREATE FUNCTION mvstore_cluster_connection(shard integer, options text[], role text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.mvstore_cluster_address(shard) ||
	   coalesce(string_agg(format(' %s=%s', o.option_name, @extschema@.mvstore_cluster_quoted(o.option_value)), ''), '') ||
	   CASE WHEN @extschema@.mvstore_cluster_address(shard) ~ '\muser *=' OR bool_or(o.option_name = 'user') THEN ''
			ELSE ' user=' || @extschema@.mvstore_cluster_quoted(role) END ||
	   ' client_encoding=UTF8'		-- what DISCARD ALL comes back to
  FROM pg_options_to_table(options) o WHERE o.option_name IN ('user', 'password')
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_connection(integer, text[], text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_connection(integer, text[], text) IS 'internal: connection string of a shard by a user mapping';

-- That of a role. mapping tells it from all others, and from what it was before: so a name of a connection can tell of it
-- without its password.
CREATE FUNCTION mvstore_cluster_login(shard integer, role name, OUT address text, OUT mapping text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.mvstore_cluster_connection(shard, m.umoptions, role::text), format('%s.%s:%s', m.oid, m.xmin, role)
  FROM pg_user_mapping m
  JOIN pg_foreign_server s ON s.oid = m.umserver AND s.srvname = 'mvstore_cluster'
 WHERE m.umuser = 0 OR m.umuser = (SELECT r.oid FROM pg_roles r WHERE r.rolname = role)
 ORDER BY m.umuser DESC		-- 0: of PUBLIC
 LIMIT 1
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_login(integer, name) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_login(integer, name) IS 'internal: connection string of a shard for a role, with its password';

-- Those that may be of a user of the shards, and that of a role at last, which may be allowed to do his work. They are tried in
-- turn: anybody can have made one of that user, with a password that is wrong.
CREATE FUNCTION mvstore_cluster_logins(shard integer, role name, shard_user text) RETURNS SETOF text
LANGUAGE sql STABLE ROWS 2 SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.mvstore_cluster_connection(shard, m.umoptions, shard_user)
  FROM pg_user_mapping m
  JOIN pg_foreign_server s ON s.oid = m.umserver AND s.srvname = 'mvstore_cluster'
  LEFT JOIN pg_roles r ON r.oid = m.umuser
 WHERE coalesce((SELECT o.option_value FROM pg_options_to_table(m.umoptions) o WHERE o.option_name = 'user'), r.rolname, shard_user) = shard_user
 UNION ALL
SELECT l.address FROM @extschema@.mvstore_cluster_login(shard, role) l WHERE l.address IS NOT NULL
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_logins(integer, name, text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_logins(integer, name, text) IS 'internal: connection strings of a shard for a user there, with passwords';

-- All answers to what was sent, the last of which is returned.
CREATE FUNCTION mvstore_cluster_collect(name text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text;
	one text;
BEGIN
	LOOP
		SELECT r INTO one FROM @extschema@.mvstore_cluster_dblink_result(name) r;
		EXIT WHEN NOT FOUND;
		answer := one;
	END LOOP;
	RETURN answer;
EXCEPTION WHEN connection_exception OR admin_shutdown OR crash_shutdown OR cannot_connect_now
	OR SQLSTATE '25P03' OR SQLSTATE '25P04' THEN	-- idle, or too long, in its transaction
	RAISE connection_failure USING MESSAGE = format('shard %s (%s) was lost', split_part(name, ':', 2),
			@extschema@.mvstore_cluster_address(split_part(name, ':', 2)::integer)), DETAIL = SQLERRM, HINT = 'Try again once it is there.';
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_collect(text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_collect(text) IS 'internal: the last answer to what was sent';

CREATE FUNCTION mvstore_cluster_send(name text, query text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF @extschema@.mvstore_cluster_dblink_send(name, query) <> 1 THEN
		RAISE connection_failure USING MESSAGE = format('lost the connection to shard %s', split_part(name, ':', 2));
	END IF;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_send(text, text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_send(text, text) IS 'internal: send statements, or say that there is no connection';

CREATE FUNCTION mvstore_cluster_close(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF name = ANY (@extschema@.mvstore_cluster_dblink_names()) THEN
		PERFORM @extschema@.mvstore_cluster_dblink_close(name);
	END IF;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_close(text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_close(text) IS 'internal: disconnect, if it is connected';

CREATE FUNCTION mvstore_cluster_unreachable(shard integer, reason text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE connection_failure USING MESSAGE = format('shard %s (%s) cannot be reached', shard, @extschema@.mvstore_cluster_address(shard)),
		DETAIL = reason, HINT = 'Nothing is read or written in part: try again once it is there.';
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_unreachable(integer, text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_unreachable(integer, text) IS 'internal: say that a shard is not there';

-- A connection to a shard as a role of this proxy: one that is open already, for the same address and user mapping, if
-- it answers. Its name tells the shard, and the address: those to where the shard was before are closed. What the session may
-- have connected itself is of use for its own writes alone.
CREATE FUNCTION mvstore_cluster_open(shard integer, role name) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	login_address text;
	login_mapping text;
	place text := format('mvstore_cluster:%s:%s:', shard, to_hex(hashtextextended(@extschema@.mvstore_cluster_address(shard), 0)));
	name text;
	other text;
	reason text;
BEGIN
	SELECT l.address, l.mapping INTO login_address, login_mapping FROM @extschema@.mvstore_cluster_login(shard, role) l;
	name := place || to_hex(hashtextextended(login_mapping, 0));
	IF login_address IS NULL THEN
		RAISE undefined_object USING MESSAGE = format('no user mapping of the foreign server "mvstore_cluster" is for role "%s"', role),
			HINT = 'See CREATE USER MAPPING.';
	END IF;
	IF name = ANY (@extschema@.mvstore_cluster_dblink_names()) THEN
		BEGIN
			PERFORM @extschema@.mvstore_cluster_send(name, 'DISCARD ALL');
			PERFORM @extschema@.mvstore_cluster_collect(name);
			RETURN name;
		EXCEPTION WHEN OTHERS THEN
			PERFORM @extschema@.mvstore_cluster_close(name);
		END;
	END IF;
	FOREACH other IN ARRAY @extschema@.mvstore_cluster_dblink_names() LOOP
		IF starts_with(other, format('mvstore_cluster:%s:', shard)) AND NOT starts_with(other, place) THEN
			PERFORM @extschema@.mvstore_cluster_close(other);
		END IF;
	END LOOP;
	PERFORM @extschema@.mvstore_cluster_dblink_open(name, login_address);
	RETURN name;
EXCEPTION WHEN connection_exception OR sqlclient_unable_to_establish_sqlconnection THEN
	GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
	PERFORM @extschema@.mvstore_cluster_unreachable(shard, reason);
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_open(integer, name) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_open(integer, name) IS 'internal: a connection to a shard';

-- Do one thing as the owner of the extension or another user of the shards, by a connection for that alone. What dblink is given
-- may be the name of a connection of the session, of which 63 characters count: so what it begins with is unknown to all.
CREATE FUNCTION mvstore_cluster_ask(shard integer, query text, shard_user text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unknown text := format('fallback_application_name=mvstore_cluster_%s ', left(replace(gen_random_uuid()::text, '-', ''), 20));
	address text;
	reason text;
	forbidden boolean;
BEGIN
	FOR address IN SELECT l FROM @extschema@.mvstore_cluster_logins(shard, current_user, shard_user) l LOOP
		BEGIN
			RETURN (SELECT a FROM @extschema@.mvstore_cluster_dblink_ask(unknown || address, query) a);
		EXCEPTION
			WHEN sqlclient_unable_to_establish_sqlconnection THEN
				GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
				forbidden := false;
			WHEN insufficient_privilege THEN
				reason := SQLERRM;
				forbidden := true;
			WHEN connection_exception OR admin_shutdown OR crash_shutdown OR cannot_connect_now THEN
				RAISE connection_failure USING MESSAGE = format('shard %s (%s) was lost', shard, @extschema@.mvstore_cluster_address(shard)),
					DETAIL = SQLERRM, HINT = 'Try again once it is there.';
		END;
	END LOOP;
	IF forbidden THEN
		RAISE insufficient_privilege USING MESSAGE = reason;
	ELSIF reason IS NOT NULL THEN
		PERFORM @extschema@.mvstore_cluster_unreachable(shard, reason);
	END IF;
	RAISE undefined_object USING MESSAGE = format('no user mapping of the foreign server "mvstore_cluster" is for role "%s"', current_user),
		HINT = 'See CREATE USER MAPPING.';
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_ask(integer, text, text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_ask(integer, text, text) IS 'internal: ask a shard one thing';

-- The shards of many keys, in their order.
CREATE FUNCTION mvstore_cluster_places_raw(store text, keys bytea[]) RETURNS integer[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text := @extschema@.mvstore_cluster_store(store);
	places integer[];
	place @extschema@.mvstore_cluster_placement;
	mask integer;
BEGIN
	IF keys IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'keys must not be null';
	ELSIF array_ndims(keys) > 1 THEN
		RAISE array_subscript_error USING MESSAGE = 'keys must have one dimension';
	ELSIF array_position(keys, NULL) IS NOT NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'key must not be null';
	END IF;
	SELECT c.shards - 1 INTO mask FROM @extschema@.mvstore_cluster_config c;
	SELECT p.* INTO place FROM @extschema@.mvstore_cluster_placement p WHERE p.store = name;
	IF FOUND THEN
		SELECT array_agg(@extschema@.mvstore_cluster_hash(name,
				@extschema@.mvstore_cluster_part(k.key, place.prefix_length, place.delimiter, false)) & mask ORDER BY k.n)
		  INTO places FROM unnest(keys) WITH ORDINALITY AS k (key, n);
	ELSE
		SELECT array_agg(@extschema@.mvstore_cluster_hash(name, k.key) & mask ORDER BY k.n)
		  INTO places FROM unnest(keys) WITH ORDINALITY AS k (key, n);
	END IF;
	RETURN coalesce(places, '{}');
END $$;

COMMENT ON FUNCTION mvstore_cluster_places_raw(text, bytea[]) IS 'the shards that keys of a store are on, in their order';

CREATE FUNCTION mvstore_cluster_places(store text, keys text[]) RETURNS integer[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF array_ndims(keys) > 1 THEN
		RAISE array_subscript_error USING MESSAGE = 'keys must have one dimension';
	END IF;
	RETURN @extschema@.mvstore_cluster_places_raw(store, CASE WHEN keys IS NOT NULL THEN
		ARRAY(SELECT convert_to(k.key, 'UTF8') FROM unnest(keys) WITH ORDINALITY AS k (key, n) ORDER BY k.n) END);
END $$;

COMMENT ON FUNCTION mvstore_cluster_places(text, text[]) IS 'the shards that keys of a store are on, in their order';


--
-- The proxy's own connection to itself: what it writes there is committed by itself, and durable
--

-- Whether this is the database of a session that has the advisory lock of a name that nobody else knows.
CREATE FUNCTION mvstore_cluster_note_here(name text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN NOT pg_try_advisory_xact_lock_shared(@extschema@.mvstore_cluster_lock_key(name));
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_note_here(text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_note_here(text) IS 'internal: whether this is the database of a session';

-- Whether somebody coordinates a write. Who does not any more never will.
CREATE FUNCTION mvstore_cluster_lives(coordinator xid8) RETURNS boolean
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(pg_xact_status(coordinator) = 'in progress', false) $$;
REVOKE ALL ON FUNCTION mvstore_cluster_lives(xid8) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_lives(xid8) IS 'internal: whether somebody coordinates a write';

-- Of what has no row nobody does: that was there before anything was prepared.
CREATE FUNCTION mvstore_cluster_note_lives(gid text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN EXISTS (SELECT FROM @extschema@.mvstore_cluster_pending p
					WHERE p.gid = mvstore_cluster_note_lives.gid AND @extschema@.mvstore_cluster_lives(p.coordinator));
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_note_lives(text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_note_lives(text) IS 'internal: whether a write has a coordinator';

CREATE FUNCTION mvstore_cluster_note_open(gid text, shards integer[], coordinator bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- In another database nobody has the coordinator's lock, and nobody would look for the row.
	IF NOT @extschema@.mvstore_cluster_note_here(gid) THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the foreign server "mvstore_cluster_self" leads to another database than this one',
			HINT = 'SELECT mvstore_cluster_configure() has it lead here.';
	END IF;
	-- After a crash without it, all shards are asked.
	PERFORM set_config('synchronous_commit', 'off', true);
	INSERT INTO @extschema@.mvstore_cluster_pending AS p
	VALUES (gid, NULL, shards, 'open', clock_timestamp(), NULL, coordinator::text::xid8);
	RETURN true;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_note_open(text, integer[], bigint) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_note_open(text, integer[], bigint) IS 'internal: a write over several shards begins';

CREATE FUNCTION mvstore_cluster_note_decided(gid text, version bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	UPDATE @extschema@.mvstore_cluster_pending p SET state = 'committed', version = mvstore_cluster_note_decided.version
	 WHERE p.gid = mvstore_cluster_note_decided.gid AND p.state = 'open';
	RETURN FOUND;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_note_decided(text, bigint) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_note_decided(text, bigint) IS 'internal: it happens, unless it was given up';

CREATE FUNCTION mvstore_cluster_note_done(gid text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	DELETE FROM @extschema@.mvstore_cluster_pending p WHERE p.gid = mvstore_cluster_note_done.gid;
	RETURN FOUND;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_note_done(text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_note_done(text) IS 'internal: no shard has anything of it prepared any more';

-- What is to become of it, as its coordinator has gone: for ever.
CREATE FUNCTION mvstore_cluster_note_settled(gid text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	now_state text;
BEGIN
	UPDATE @extschema@.mvstore_cluster_pending p SET state = 'aborted'
	 WHERE p.gid = mvstore_cluster_note_settled.gid AND p.state = 'open';
	SELECT p.state INTO now_state FROM @extschema@.mvstore_cluster_pending p WHERE p.gid = mvstore_cluster_note_settled.gid;
	RETURN now_state;	-- NULL: there is no row, so it was never decided
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_note_settled(text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_note_settled(text) IS 'internal: what has become of it, for ever';

-- What is to be looked at: all, or what was not tried just now. Of another proxy, as this one was before it had a new name,
-- nothing: it is not known here what that has prepared.
CREATE FUNCTION mvstore_cluster_note_due(everything boolean)
RETURNS TABLE (gid text, shards integer[], old boolean, alive boolean)
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
SELECT p.gid, p.shards, p.began < clock_timestamp() - '10 min'::interval, @extschema@.mvstore_cluster_lives(p.coordinator)
  FROM @extschema@.mvstore_cluster_config c
  JOIN @extschema@.mvstore_cluster_pending p ON starts_with(p.gid, format('mvstore_cluster:%s:%s:', c.cluster, c.proxy))
 WHERE everything OR p.tried IS NULL OR p.tried < clock_timestamp() - '2 s'::interval * CASE p.state WHEN 'aborted' THEN 30 ELSE 1 END
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_note_due(boolean) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_note_due(boolean) IS 'internal: what is to be looked at';

CREATE FUNCTION mvstore_cluster_note_tried(gid text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	UPDATE @extschema@.mvstore_cluster_pending p SET tried = clock_timestamp() WHERE p.gid = mvstore_cluster_note_tried.gid;
	RETURN FOUND;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_note_tried(text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_note_tried(text) IS 'internal: it was tried to end it';

CREATE FUNCTION mvstore_cluster_note_awake(complete boolean) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	INSERT INTO @extschema@.mvstore_cluster_awake AS a (tried, complete) VALUES (clock_timestamp(), mvstore_cluster_note_awake.complete)
	ON CONFLICT ON CONSTRAINT mvstore_cluster_awake_pkey DO UPDATE SET tried = excluded.tried, complete = excluded.complete;
	RETURN true;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_note_awake(boolean) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_note_awake(boolean) IS 'internal: all shards were asked what they have prepared';

CREATE FUNCTION mvstore_cluster_note_verified(options text[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- The caller may hold it, which no detector of deadlocks would see.
	PERFORM set_config('lock_timeout', '5s', true);
	UPDATE @extschema@.mvstore_cluster_config c SET options = mvstore_cluster_note_verified.options;
	RETURN FOUND;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_note_verified(text[]) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_note_verified(text[]) IS 'internal: the shards are who they should be, by these options';

CREATE FUNCTION mvstore_cluster_self_open(a_gid text, a_shards integer[], a_coordinator bigint) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster_self'; RUN ON 0; SELECT @extschema@.mvstore_cluster_note_open(a_gid, a_shards, a_coordinator);
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_self_open(text, integer[], bigint) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_cluster_self_open(text, integer[], bigint) IS 'internal: mvstore_cluster_note_open, by itself';

CREATE FUNCTION mvstore_cluster_self_lives(a_gid text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster_self'; RUN ON 0; SELECT @extschema@.mvstore_cluster_note_lives(a_gid);
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_self_lives(text) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_cluster_self_lives(text) IS 'internal: mvstore_cluster_note_lives, by itself';

CREATE FUNCTION mvstore_cluster_self_decided(a_gid text, a_version bigint) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster_self'; RUN ON 0; SELECT @extschema@.mvstore_cluster_note_decided(a_gid, a_version);
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_self_decided(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_cluster_self_decided(text, bigint) IS 'internal: mvstore_cluster_note_decided, by itself';

CREATE FUNCTION mvstore_cluster_self_done(a_gid text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster_self'; RUN ON 0; SELECT @extschema@.mvstore_cluster_note_done(a_gid);
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_self_done(text) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_cluster_self_done(text) IS 'internal: mvstore_cluster_note_done, by itself';

CREATE FUNCTION mvstore_cluster_self_settled(a_gid text) RETURNS text LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster_self'; RUN ON 0; SELECT @extschema@.mvstore_cluster_note_settled(a_gid);
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_self_settled(text) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_cluster_self_settled(text) IS 'internal: mvstore_cluster_note_settled, by itself';

CREATE FUNCTION mvstore_cluster_self_due(a_everything boolean)
RETURNS TABLE (gid text, shards integer[], old boolean, alive boolean) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster_self'; RUN ON 0;
	SELECT d.gid, d.shards, d.old, d.alive FROM @extschema@.mvstore_cluster_note_due(a_everything) AS d;
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_self_due(boolean) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_cluster_self_due(boolean) IS 'internal: mvstore_cluster_note_due, by itself';

CREATE FUNCTION mvstore_cluster_self_tried(a_gid text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster_self'; RUN ON 0; SELECT @extschema@.mvstore_cluster_note_tried(a_gid);
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_self_tried(text) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_cluster_self_tried(text) IS 'internal: mvstore_cluster_note_tried, by itself';

CREATE FUNCTION mvstore_cluster_self_here(a_name text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster_self'; RUN ON 0; SELECT @extschema@.mvstore_cluster_note_here(a_name);
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_self_here(text) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_cluster_self_here(text) IS 'internal: mvstore_cluster_note_here, by itself';

CREATE FUNCTION mvstore_cluster_self_awake(a_complete boolean) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster_self'; RUN ON 0; SELECT @extschema@.mvstore_cluster_note_awake(a_complete);
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_self_awake(boolean) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_cluster_self_awake(boolean) IS 'internal: mvstore_cluster_note_awake, by itself';

CREATE FUNCTION mvstore_cluster_self_verified(a_options text[]) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster_self'; RUN ON 0; SELECT @extschema@.mvstore_cluster_note_verified(a_options);
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_self_verified(text[]) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_cluster_self_verified(text[]) IS 'internal: mvstore_cluster_note_verified, by itself';


--
-- Configuration
--

-- How many partitions the foreign server has: p0, p1, ... without a gap, a power of two.
CREATE FUNCTION mvstore_cluster_count() RETURNS integer
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_count integer;
	last integer;
BEGIN
	SELECT count(*), max(substr(o.option_name, 2)::integer) + 1 INTO found_count, last
	  FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o
	 WHERE s.srvname = 'mvstore_cluster' AND o.option_name ~ '^p\d+$';
	IF found_count = 0 THEN
		RAISE undefined_object USING MESSAGE = 'there is no foreign server "mvstore_cluster" with partitions',
			HINT = 'CREATE SERVER mvstore_cluster FOREIGN DATA WRAPPER plproxy OPTIONS (p0 ''host=... dbname=...'', ...), then CREATE USER MAPPING.';
	ELSIF found_count <> last OR found_count & (found_count - 1) <> 0 OR found_count > 32768 THEN
		RAISE invalid_parameter_value USING MESSAGE = format('the foreign server "mvstore_cluster" has %s partitions', found_count),
			DETAIL = 'They are numbered from p0 without a gap, and there are 1, 2, 4, 8, 16 or another power of two of them, up to 32768.';
	END IF;
	RETURN found_count;
END $$;

COMMENT ON FUNCTION mvstore_cluster_count() IS 'how many partitions the foreign server has';

-- Ask one shard who it is; mending: tell it, if it does not know yet. Raises what is wrong with it.
CREATE FUNCTION mvstore_cluster_check_shard(shard integer, cluster text, shards integer, mending boolean)
RETURNS json
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	about text := format('shard %s (%s)', shard, @extschema@.mvstore_cluster_address(shard));
	answer json;
BEGIN
	answer := @extschema@.mvstore_cluster_ask(shard, $q$
SELECT json_build_object('database', current_database(), 'extension', (SELECT extversion FROM pg_extension WHERE extname = 'mvstore'),
	'prepared', current_setting('max_prepared_transactions')::integer, 'found', to_regprocedure('mvstore_put(regclass, text, text, interval)') IS NOT NULL,
	'known', to_regclass('mvstore_shard') IS NOT NULL, 'datestyle', current_setting('DateStyle'))$q$);
	IF answer ->> 'extension' IS NULL THEN
		RAISE undefined_object USING MESSAGE = about || ' does not have the extension mvstore', HINT = 'CREATE EXTENSION mvstore there.';
	ELSIF NOT (answer ->> 'found')::boolean THEN
		RAISE undefined_function USING MESSAGE = about || ' does not find the functions of mvstore',
			HINT = 'Have the schema of mvstore in the search_path of the user that the proxy connects as: ALTER ROLE ... SET search_path.';
	ELSIF answer ->> 'extension' <> '1.0' THEN
		RAISE feature_not_supported USING MESSAGE = format('%s has mvstore %s, and this extension is made for 1.0', about, answer ->> 'extension'),
			HINT = 'ALTER EXTENSION mvstore UPDATE there, or mvstore_cluster here.';
	ELSIF (answer ->> 'prepared')::integer = 0 THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = about || ' has max_prepared_transactions = 0',
			HINT = 'What is written to several shards at once is prepared there. Set it to at least the sessions of all proxies, times the shards of the server, and restart.';
	ELSIF NOT starts_with(answer ->> 'datestyle', 'ISO') THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('%s has DateStyle "%s"', about, answer ->> 'datestyle'),
			DETAIL = 'Times that come from there as text would be taken for others here.',
			HINT = 'Have the users that the proxy connects as go by ISO, with the order that they have: ALTER ROLE ... SET DateStyle.';
	END IF;
	IF (answer ->> 'known')::boolean THEN
		answer := json_build_object('database', answer ->> 'database', 'shard', @extschema@.mvstore_cluster_ask(shard,
			'SELECT (SELECT json_build_object(''cluster'', cluster, ''number'', number, ''shards'', shards) FROM mvstore_shard)')::json);
	END IF;
	IF answer -> 'shard' ->> 'cluster' IS NULL THEN
		IF NOT mending THEN
			RAISE object_not_in_prerequisite_state USING MESSAGE = about || ' is no shard of a cluster yet', HINT = 'mvstore_cluster_configure() makes it one.';
		END IF;
		PERFORM @extschema@.mvstore_cluster_ask(shard, format($q$
BEGIN;
CREATE TABLE IF NOT EXISTS mvstore_shard (cluster text NOT NULL, number integer NOT NULL, shards integer NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS mvstore_shard_is_one ON mvstore_shard ((true));
GRANT SELECT ON mvstore_shard TO PUBLIC;
INSERT INTO mvstore_shard VALUES (%L, %s, %s);
COMMIT$q$, cluster, shard, shards));
	ELSIF answer -> 'shard' ->> 'cluster' <> cluster THEN
		RAISE invalid_parameter_value USING MESSAGE = about || ' belongs to another cluster', HINT = 'Its table mvstore_shard says which.';
	ELSIF (answer -> 'shard' ->> 'shards')::integer <> shards THEN
		RAISE invalid_parameter_value USING MESSAGE = format('the data on %s was placed over %s shards, and the foreign server "mvstore_cluster" has %s partitions',
				about, answer -> 'shard' ->> 'shards', shards),
			HINT = 'Give it as many partitions as it had. How a cluster grows is in cluster/README.md.';
	ELSIF (answer -> 'shard' ->> 'number')::integer <> shard THEN
		RAISE invalid_parameter_value USING MESSAGE = format('partition p%s leads to shard %s (%s)', shard, answer -> 'shard' ->> 'number',
				@extschema@.mvstore_cluster_address(shard)),
			HINT = 'Each partition must lead to the shard of its number: ALTER SERVER mvstore_cluster OPTIONS (SET ...).';
	END IF;
	RETURN answer;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_check_shard(integer, text, integer, boolean) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_check_shard(integer, text, integer, boolean) IS 'internal: whether a shard is who it should be';

CREATE FUNCTION mvstore_cluster_configure() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_count integer := @extschema@.mvstore_cluster_count();
	config @extschema@.mvstore_cluster_config;
	names text[] := '{}';
	answer json;
	own text;
	lock_name text := gen_random_uuid();
	here boolean;
BEGIN
	IF current_setting('server_encoding') <> 'UTF8' THEN
		RAISE feature_not_supported USING MESSAGE = 'the proxy''s database must have the encoding UTF8';
	END IF;
	SELECT c.* INTO config FROM @extschema@.mvstore_cluster_config c;
	IF NOT FOUND THEN
		-- A second proxy, or a new one, takes the name of the cluster from its shards.
		IF @extschema@.mvstore_cluster_ask(0, 'SELECT (to_regclass(''mvstore_shard'') IS NOT NULL)::text') = 'true' THEN
			config.cluster := @extschema@.mvstore_cluster_ask(0, 'SELECT (SELECT cluster FROM mvstore_shard)');
		END IF;
		config.cluster := coalesce(config.cluster, left(replace(gen_random_uuid()::text, '-', ''), 16));
		config.proxy := left(replace(gen_random_uuid()::text, '-', ''), 16);
		config.shards := found_count;
	ELSIF config.shards <> found_count THEN
		RAISE invalid_parameter_value USING MESSAGE = format('the cluster has %s shards, and the foreign server "mvstore_cluster" has %s partitions',
				config.shards, found_count),
			HINT = 'Give it as many partitions as it had. How a cluster grows is in cluster/README.md.';
	END IF;
	FOR shard IN 0 .. found_count - 1 LOOP
		answer := @extschema@.mvstore_cluster_check_shard(shard, config.cluster, found_count, true);
		IF answer ->> 'database' = ANY (names) THEN
			RAISE invalid_parameter_value USING MESSAGE = format('two shards have a database of the name "%s"', answer ->> 'database'),
				HINT = 'Errors name a shard by its database: give each a name of its own.';
		END IF;
		names := names || (answer ->> 'database');
	END LOOP;
	IF @extschema@.mvstore_cluster_ask(0, 'SELECT (to_regclass(''mvstore_placement'') IS NOT NULL)::text') = 'true' THEN
		answer := @extschema@.mvstore_cluster_ask(0, 'SELECT coalesce(json_agg(p), ''[]'') FROM mvstore_placement p');
		INSERT INTO @extschema@.mvstore_cluster_placement AS p
		SELECT r.store, r.prefix_length, r.delimiter FROM json_to_recordset(answer) AS r (store text, prefix_length integer, delimiter bytea)
		ON CONFLICT ON CONSTRAINT mvstore_cluster_placement_pkey DO NOTHING;
		PERFORM FROM json_to_recordset(answer) AS r (store text, prefix_length integer, delimiter bytea)
		   JOIN @extschema@.mvstore_cluster_placement p ON p.store = r.store
		  WHERE p.prefix_length IS DISTINCT FROM r.prefix_length OR p.delimiter IS DISTINCT FROM r.delimiter;
		IF FOUND THEN
			RAISE object_not_in_prerequisite_state USING MESSAGE = 'stores are placed in other ways than shard 0 has noted',
				HINT = 'Compare its table mvstore_placement with mvstore_cluster_placement.';
		END IF;
	END IF;
	INSERT INTO @extschema@.mvstore_cluster_config AS c (cluster, proxy, shards, options)
	SELECT config.cluster, config.proxy, found_count, s.srvoptions FROM pg_foreign_server s WHERE s.srvname = 'mvstore_cluster'
	ON CONFLICT ON CONSTRAINT mvstore_cluster_config_pkey DO UPDATE SET options = excluded.options;
	own := format('host=%s port=%s dbname=%s', @extschema@.mvstore_cluster_quoted(coalesce(nullif(split_part(current_setting('unix_socket_directories'), ',', 1), ''),
				split_part(current_setting('listen_addresses'), ',', 1))), current_setting('port'), @extschema@.mvstore_cluster_quoted(current_database()::text));
	IF NOT EXISTS (SELECT FROM pg_foreign_server s WHERE s.srvname = 'mvstore_cluster_self') THEN
		EXECUTE format('CREATE SERVER mvstore_cluster_self FOREIGN DATA WRAPPER plproxy OPTIONS (p0 %L)', own);
		EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER mvstore_cluster_self OPTIONS (user %L)', current_user);
	ELSE
		-- That of a copy, of a restore or of a standby that was promoted may lead to where all was before.
		PERFORM pg_advisory_xact_lock(@extschema@.mvstore_cluster_lock_key(lock_name));
		BEGIN
			here := @extschema@.mvstore_cluster_self_here(lock_name);
		EXCEPTION WHEN OTHERS THEN
			here := false;
		END;
		IF NOT here THEN
			EXECUTE format('ALTER SERVER mvstore_cluster_self OPTIONS (SET p0 %L)', own);
			IF NOT @extschema@.mvstore_cluster_self_here(lock_name) THEN
				RAISE object_not_in_prerequisite_state USING MESSAGE = 'the foreign server "mvstore_cluster_self" leads to another database than this one';
			END IF;
		END IF;
	END IF;
	RETURN found_count;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_configure() FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_configure() IS
'make the partitions of the foreign server mvstore_cluster the shards of a cluster, or check that they are; returns how many';

-- The foreign server has changed since the shards were asked who they are: ask them again.
CREATE FUNCTION mvstore_cluster_verify(everything boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_count integer := @extschema@.mvstore_cluster_count();
	config @extschema@.mvstore_cluster_config;
	found_options text[];
BEGIN
	SELECT c.* INTO config FROM @extschema@.mvstore_cluster_config c;
	IF NOT FOUND THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the proxy does not know its shards yet', HINT = 'SELECT mvstore_cluster_configure();';
	ELSIF config.shards <> found_count THEN
		RAISE invalid_parameter_value USING MESSAGE = format('the cluster has %s shards, and the foreign server "mvstore_cluster" has %s partitions',
				config.shards, found_count),
			HINT = 'Give it as many partitions as it had. How a cluster grows is in cluster/README.md.';
	END IF;
	SELECT s.srvoptions INTO found_options FROM pg_foreign_server s WHERE s.srvname = 'mvstore_cluster';
	-- What has not changed since is not asked, so that it may be down.
	FOR shard IN 0 .. found_count - 1 LOOP
		IF everything OR NOT format('p%s=%s', shard, @extschema@.mvstore_cluster_address(shard)) = ANY (config.options) THEN
			PERFORM @extschema@.mvstore_cluster_check_shard(shard, config.cluster, found_count, false);
		END IF;
	END LOOP;
	-- Who has changed them in this transaction has noted it; the other connection would wait for that.
	IF config.options IS DISTINCT FROM found_options THEN
		PERFORM @extschema@.mvstore_cluster_self_verified(found_options);
	END IF;
END $$;

COMMENT ON FUNCTION mvstore_cluster_verify(boolean) IS 'ask all shards whether they are who they should be; an error says which is not';


--
-- What every call begins with, and what it does about errors
--

CREATE FUNCTION mvstore_cluster_enter(writes boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	seconds double precision := extract(epoch FROM clock_timestamp());
	this bigint;
BEGIN
	PERFORM FROM @extschema@.mvstore_cluster_config c
	   JOIN pg_foreign_server s ON s.srvname = 'mvstore_cluster' AND s.srvoptions = c.options;
	IF NOT FOUND THEN
		PERFORM @extschema@.mvstore_cluster_verify(false);
	END IF;

	-- What others have left in doubt is ended before a write, which it might block, and once a second in a session.
	IF pg_is_in_recovery() THEN
		NULL;	-- a standby of the proxy ends nothing
	ELSIF writes THEN
		IF EXISTS (SELECT FROM @extschema@.mvstore_cluster_pending) OR NOT EXISTS (SELECT FROM @extschema@.mvstore_cluster_awake a WHERE a.complete) THEN
			PERFORM @extschema@.mvstore_cluster_look();
		END IF;
	ELSIF coalesce(nullif(current_setting('mvstore_cluster.looked_at', true), ''), '0')::double precision < seconds - 1 THEN
		PERFORM set_config('mvstore_cluster.looked_at', seconds::text, false);
		PERFORM @extschema@.mvstore_cluster_look();
	END IF;

	IF NOT writes THEN
		RETURN;
	ELSIF current_setting('transaction_read_only')::boolean THEN
		RAISE read_only_sql_transaction USING MESSAGE = 'cannot write to shards in a read-only transaction';
	ELSIF coalesce(current_setting('mvstore.as_of', true), '') <> '' THEN
		RAISE read_only_sql_transaction USING MESSAGE = 'cannot write while "mvstore.as_of" is set';
	ELSIF coalesce(nullif(current_setting('mvstore_cluster.several_writes', true), ''), 'off')::boolean THEN
		RETURN;
	END IF;
	this := extract(epoch FROM transaction_timestamp()) * 1000000;
	BEGIN
		IF currval('@extschema@.mvstore_cluster_written') = this THEN
			RAISE feature_not_supported USING MESSAGE = 'this transaction has written to shards before',
				DETAIL = 'Each call commits by itself on its shards, and no ROLLBACK undoes it.',
				HINT = 'Call mvstore_put_many, which writes all or nothing, or use a transaction for each call; SET mvstore_cluster.several_writes = on if they need not go together.';
		END IF;
	EXCEPTION WHEN object_not_in_prerequisite_state THEN
		NULL;	-- this session has not written yet
	END;
	PERFORM setval('@extschema@.mvstore_cluster_written', this);
END $$;

COMMENT ON FUNCTION mvstore_cluster_enter(boolean) IS 'internal: what every call begins with';

-- What a read without a version of its own reads as of, by the setting of mvstore.
CREATE FUNCTION mvstore_cluster_as_of(as_of bigint, name text DEFAULT 'as_of') RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	setting text := current_setting('mvstore.as_of', true);
BEGIN
	IF as_of IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = name || ' must not be null';
	ELSIF as_of < 9223372036854775807 OR coalesce(setting, '') = '' THEN
		RETURN as_of;
	ELSIF setting = 'stable' THEN
		RETURN @extschema@.mvstore_stable_version();
	ELSIF setting ~ '^\d+$' THEN
		RETURN setting::bigint;
	END IF;
	RETURN @extschema@.mvstore_version_at(setting::timestamptz);
END $$;

COMMENT ON FUNCTION mvstore_cluster_as_of(bigint, text) IS 'internal: the version to read as of';

-- Functions that have no version to be told refuse to read the present meanwhile.
CREATE FUNCTION mvstore_cluster_present(name text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF coalesce(current_setting('mvstore.as_of', true), '') <> '' THEN
		RAISE feature_not_supported USING MESSAGE = format('%s of a cluster does not go by "mvstore.as_of"', name),
			HINT = 'RESET mvstore.as_of, and leave out what is newer.';
	END IF;
END $$;

COMMENT ON FUNCTION mvstore_cluster_present(text) IS 'internal: refuse while mvstore.as_of is set';

CREATE FUNCTION mvstore_shard_reached(a_shards integer[], a_version bigint, a_timeout interval)
RETURNS TABLE (number integer, reached boolean) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; SPLIT a_shards; RUN ON a_shards;
	SELECT (SELECT number FROM mvstore_shard) AS number, mvstore_wait_stable(a_version, a_timeout) AS reached;
$$;
COMMENT ON FUNCTION mvstore_shard_reached(integer[], bigint, interval) IS 'internal: wait until a version is stable on shards';

-- Wait until shards have come to a version. A write in doubt may keep them: it is looked after before the rest is waited for.
CREATE FUNCTION mvstore_cluster_wait(version bigint, shards integer[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	patience interval;
	behind integer;
BEGIN
	SELECT coalesce(nullif(current_setting('mvstore_cluster.wait_timeout', true), '')::interval, c.wait_timeout)
	  INTO patience FROM @extschema@.mvstore_cluster_config c;
	SELECT r.number INTO behind FROM @extschema@.mvstore_shard_reached(shards, version, least(patience, '1 s')) r WHERE NOT r.reached;
	IF behind IS NOT NULL AND patience > '1 s'::interval THEN
		PERFORM @extschema@.mvstore_cluster_look(true);
		SELECT min(r.number) INTO behind
		  FROM @extschema@.mvstore_shard_reached(shards, version, patience - '1 s'::interval) r WHERE NOT r.reached;
	END IF;
	IF behind IS NOT NULL THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('shard %s (%s) has not come to version %s', behind, @extschema@.mvstore_cluster_address(behind), version),
			DETAIL = format('It was waited for %s.', patience),
			HINT = 'mvstore_blockers and mvstore_cluster_in_doubt tell what keeps it. SET mvstore_cluster.wait_timeout to wait longer.';
	END IF;
END $$;

COMMENT ON FUNCTION mvstore_cluster_wait(bigint, integer[]) IS 'internal: wait until shards have come to a version';

-- The shard that an error of PL/Proxy is of. NULL: it is of none.
CREATE FUNCTION mvstore_cluster_where(message text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce((SELECT format('shard %s (%s)', substr(o.option_name, 2), o.option_value)
				   FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o
				  WHERE s.srvname = 'mvstore_cluster' AND substring(o.option_value FROM 'dbname *= *''?([^ '']+)') = database
					AND o.option_name ~ '^p\d+$'), database)
  FROM substring(message FROM '[^ ]+\([0-9]+\): \[([^]]*)\] ') AS database
$$;

COMMENT ON FUNCTION mvstore_cluster_where(text) IS 'internal: the shard that an error of PL/Proxy is of';

-- An error of PL/Proxy itself, or of a shard that ends a session, in words of ours: the shard is gone. Others are for the
-- caller to raise again.
CREATE FUNCTION mvstore_cluster_lost(state text, message text, writes boolean) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	about text := @extschema@.mvstore_cluster_where(message);
BEGIN
	-- Its severity comes in the language of the shard.
	IF about IS NULL OR state = 'XX000' AND message !~ '^PL/Proxy function |\] REMOTE (FATAL|PANIC): ' THEN
		RETURN;		-- what the shard says is as good
	END IF;
	IF message ~ '\] PQconnect' THEN
		RAISE connection_failure USING MESSAGE = about || ' cannot be reached', DETAIL = message, HINT = 'Try again once it is there.';
	ELSIF writes THEN
		RAISE transaction_resolution_unknown USING MESSAGE = about || ' was lost during a write', DETAIL = message,
			HINT = 'The write may have happened: read before you repeat it.';
	ELSE
		RAISE connection_failure USING MESSAGE = about || ' was lost', DETAIL = message, HINT = 'Try again once it is there.';
	END IF;
END $$;

COMMENT ON FUNCTION mvstore_cluster_lost(text, text, boolean) IS 'internal: say that a shard is gone';

-- How long a write of one shard waits for a lock there, in milliseconds: the first time, and after mvstore_cluster_locked().
CREATE FUNCTION mvstore_cluster_patience(attempt integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT ceil(extract(epoch FROM CASE WHEN attempt = 1 AND patience = '0' THEN '1 s' WHEN patience = '0' THEN '0'
								WHEN attempt = 1 THEN least(patience / 2, '1 s') ELSE patience - least(patience / 2, '1 s') END) * 1000)::text
  FROM (SELECT coalesce(nullif(current_setting('mvstore_cluster.lock_timeout', true), '')::interval, c.lock_timeout) AS patience
		  FROM @extschema@.mvstore_cluster_config c) s
$$;

COMMENT ON FUNCTION mvstore_cluster_patience(integer) IS 'internal: how long a write waits for a lock';

-- A write of one shard has waited for a lock, and has written nothing. It may be that of a write over several shards whose
-- coordinator has gone.
CREATE FUNCTION mvstore_cluster_locked(attempt integer, message text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF attempt = 1 THEN
		PERFORM @extschema@.mvstore_cluster_look(true);
	ELSE
		RAISE lock_not_available USING MESSAGE = format('others hold a lock on %s for longer than mvstore_cluster.lock_timeout',
				coalesce(@extschema@.mvstore_cluster_where(message), 'a shard')), DETAIL = message,
			HINT = 'mvstore_cluster_in_doubt tells whether it is a write over several shards; pg_locks of the shard tells who else.';
	END IF;
END $$;

COMMENT ON FUNCTION mvstore_cluster_locked(integer, text) IS 'internal: a write has waited for a lock';

-- Whether to read again after an error: once, when shards that were behind have come to the version.
CREATE FUNCTION mvstore_cluster_again(state text, message text, attempt integer, as_of bigint, shards integer[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF state IN ('XX000', '57P01', '57P02', '57P03') OR starts_with(state, '08') THEN
		PERFORM @extschema@.mvstore_cluster_lost(state, message, false);
		RETURN false;
	ELSIF attempt > 1 OR as_of = 9223372036854775807 THEN
		RETURN false;
	END IF;
	PERFORM @extschema@.mvstore_cluster_wait(as_of, shards);
	RETURN true;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;

COMMENT ON FUNCTION mvstore_cluster_again(text, text, integer, bigint, integer[]) IS 'internal: whether to read again after an error';


--
-- Writes that happen on several shards or on none
--
-- The coordinator is the session that calls. Its steps:
--
--	1	begin on all shards, in their order, and ask them for their versions;
--	2	choose a version above these, and have all shards use it (refused: begin again, further ahead);
--	3	the statement on each shard, in the order of shards, so that no two writes wait for one another in a circle;
--	4	a row of mvstore_cluster_pending: open;
--	5	PREPARE TRANSACTION on all;
--	6	the row says committed, durably: it has happened;
--	7	COMMIT PREPARED on all, and the row goes.
--
-- The row is written by the proxy's connection to itself. It has the id of a subtransaction of the coordinator: that is in
-- progress as long as it coordinates, and ends whenever that ends, before any handler of an error begins. Who finds
-- something prepared whose coordinator has gone turns its row from open to aborted,
-- so that a step 6 that comes late finds that it has been given up, and then does on the shards what the row says.
-- What has no row was never decided, or is done: a row is there before anything is prepared. On a shard, the name of the
-- transaction ends in its number, as names are those of a whole server.
--

CREATE FUNCTION mvstore_cluster_lock_key(gid text) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT hashtextextended(gid, 0) $$;

COMMENT ON FUNCTION mvstore_cluster_lock_key(text) IS 'internal: the advisory lock of a name, by which a database is told from others';

-- Coordinate from here on, until the subtransaction ends that calls: its id.
CREATE FUNCTION mvstore_cluster_begin(gid text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	whole bigint := pg_current_xact_id()::text::bigint;
	part bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(@extschema@.mvstore_cluster_lock_key(gid));
	INSERT INTO @extschema@.mvstore_cluster_coordinating DEFAULT VALUES RETURNING xmin::text::bigint INTO part;
	RETURN whole + ((part - whole) & 4294967295);	-- xmin has the lower half
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_begin(text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_begin(text) IS 'internal: coordinate a write, until the subtransaction ends';

-- Here a test may replace it to stop or to kill.
CREATE FUNCTION mvstore_cluster_step(step text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_step(text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_step(text) IS 'internal: a write over several shards has got to a step; for tests to replace';

-- Leave nothing behind on connections after an error: what is not prepared is rolled back there.
CREATE FUNCTION mvstore_cluster_reset(names text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY names LOOP
		PERFORM @extschema@.mvstore_cluster_close(name);
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_reset(text[]) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_reset(text[]) IS 'internal: leave nothing behind on connections after an error';

-- Send to all, and then wait for all. Answers in the order of connections.
CREATE FUNCTION mvstore_cluster_all(names text[], query text) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text;
	answers text[] := '{}';
BEGIN
	FOREACH name IN ARRAY names LOOP
		PERFORM @extschema@.mvstore_cluster_send(name, query);
	END LOOP;
	FOREACH name IN ARRAY names LOOP
		answers := answers || @extschema@.mvstore_cluster_collect(name);
	END LOOP;
	RETURN answers;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_all(text[], text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_all(text[], text) IS 'internal: ask many at once';

-- One attempt, as far as to PREPARE TRANSACTION and its decision. ahead: how far above the newest version to go, in microseconds.
-- pin: the arguments of a pin whose version is to be chosen; by its statement each shard has chosen one, and drops nothing above.
CREATE FUNCTION mvstore_cluster_prepare(gid text, coordinator bigint, names text[], shards integer[], statements text[], versioned boolean,
										ahead bigint, lock_timeout interval, pin text[])
RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text;
	answers text[] := '{}';
	chosen bigint;
	results text[] := '{}';
BEGIN
	-- One after the other, as a pool between may have to wait for a connection to each. What waits for a lock there ends
	-- soon after we have gone; and what waits for us, should we be kept from ending it, does not for as long as the session
	-- is there. (It may be long, as others work meanwhile; or for ever, where locks are waited for as long.)
	FOREACH name IN ARRAY names LOOP
		answers := answers || @extschema@.mvstore_cluster_all(ARRAY[name], format(
			'BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = %L; SET LOCAL client_connection_check_interval = ''1s''; '
			'SELECT pg_catalog.set_config(n, CASE pg_catalog.current_setting(n) WHEN ''0'' THEN %L ELSE pg_catalog.current_setting(n) END, true) FROM (VALUES (''idle_in_transaction_session_timeout'')) v (n); '
			'SELECT mvstore_current_version()', ceil(extract(epoch FROM lock_timeout) * 1000)::bigint::text, CASE WHEN lock_timeout > '0' THEN '4h' ELSE '0' END));
	END LOOP;
	IF versioned THEN
		SELECT max(a::bigint) + ahead INTO chosen FROM unnest(answers) a;
		PERFORM @extschema@.mvstore_cluster_all(names, format('SELECT mvstore_use_version(%s)', chosen));
	END IF;
	FOR i IN 1 .. cardinality(names) LOOP
		PERFORM @extschema@.mvstore_cluster_send(names[i], statements[i]);
		results := results || @extschema@.mvstore_cluster_collect(names[i]);
	END LOOP;
	IF pin IS NOT NULL THEN
		SELECT max(r::bigint) INTO chosen FROM unnest(results) r;
		answers := @extschema@.mvstore_cluster_all(names, format('SELECT mvstore_wait_stable(%s, %L)', chosen,
			CASE WHEN lock_timeout = '0' THEN '1 day' ELSE lock_timeout END));
		IF 'f' = ANY (answers) THEN
			RAISE object_not_in_prerequisite_state USING
				MESSAGE = format('shard %s (%s) has not come to version %s', shards[array_position(answers, 'f')],
					@extschema@.mvstore_cluster_address(shards[array_position(answers, 'f')]), chosen),
				DETAIL = 'Others drop what is older.', HINT = 'mvstore_blockers tells what keeps it.';
		END IF;
		results := @extschema@.mvstore_cluster_all(names, @extschema@.mvstore_cluster_statement('mvstore_pin(text, bigint, interval, regclass)',
			ARRAY[pin[1], chosen::text, pin[3], pin[4]]));
	END IF;
	PERFORM @extschema@.mvstore_cluster_step('written');
	PERFORM @extschema@.mvstore_cluster_self_open(gid, shards, coordinator);
	FOR i IN 1 .. cardinality(names) LOOP
		PERFORM @extschema@.mvstore_cluster_send(names[i], format('PREPARE TRANSACTION %L', gid || ':' || shards[i]));
	END LOOP;
	answers := '{}';
	FOR i IN 1 .. cardinality(names) LOOP
		answers := answers || @extschema@.mvstore_cluster_collect(names[i]);
	END LOOP;
	IF 'PREPARE TRANSACTION' <> ANY (answers) THEN
		RAISE transaction_rollback USING MESSAGE = 'a shard has rolled back instead of preparing';
	END IF;
	PERFORM @extschema@.mvstore_cluster_step('prepared');
	IF NOT @extschema@.mvstore_cluster_self_decided(gid, chosen) THEN
		RAISE serialization_failure USING MESSAGE = 'the write has been given up by recovery', HINT = 'Try again.';
	END IF;
	RETURN results;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_prepare(text, bigint, text[], integer[], text[], boolean, bigint, interval, text[]) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_prepare(text, bigint, text[], integer[], text[], boolean, bigint, interval, text[]) IS
'internal: prepare a write on its shards, and decide';

-- Roll back what may be prepared already, unless it was decided: then say so. Where a rollback fails, recovery will.
CREATE FUNCTION mvstore_cluster_give_up(gid text, shards integer[], role name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	state text;
	shard integer;
	name text;
BEGIN
	BEGIN
		state := @extschema@.mvstore_cluster_self_settled(gid);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		RAISE transaction_resolution_unknown USING MESSAGE = 'it is not known whether the write has happened', DETAIL = SQLERRM,
			HINT = 'Read before you repeat it: the next call ends what is in doubt.';
	END;
	IF state IS NULL THEN
		RETURN;		-- nothing was prepared yet
	ELSIF state = 'committed' THEN
		-- Who was to say so was interrupted.
		RAISE transaction_resolution_unknown USING MESSAGE = 'the write has happened, but not all of its shards were told',
			DETAIL = 'It was interrupted when it had been decided.', HINT = 'Do not repeat it: the next call has its shards show it.';
	END IF;
	FOREACH shard IN ARRAY shards LOOP
		BEGIN
			name := @extschema@.mvstore_cluster_open(shard, role);
			PERFORM @extschema@.mvstore_cluster_send(name, format('ROLLBACK PREPARED %L', gid || ':' || shard));
			PERFORM @extschema@.mvstore_cluster_collect(name);
		EXCEPTION
			WHEN undefined_object THEN
				PERFORM @extschema@.mvstore_cluster_close(name);
			WHEN OTHERS THEN
				NULL;	-- recovery will
		END;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_give_up(text, integer[], name) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_give_up(text, integer[], name) IS 'internal: roll back what was not decided';

-- COMMIT PREPARED on all shards of what was decided. False: some could not be told; recovery will tell them.
CREATE FUNCTION mvstore_cluster_finish(gid text, names text[], shards integer[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	done boolean := true;
	reason text;
BEGIN
	FOR step IN 1 .. 2 LOOP
		FOR i IN 1 .. cardinality(names) LOOP
			BEGIN
				IF step = 1 THEN
					PERFORM @extschema@.mvstore_cluster_send(names[i], format('COMMIT PREPARED %L', gid || ':' || shards[i]));
				ELSE
					PERFORM @extschema@.mvstore_cluster_collect(names[i]);
				END IF;
			EXCEPTION WHEN OTHERS THEN
				reason := SQLERRM;
				PERFORM @extschema@.mvstore_cluster_close(names[i]);
				IF done THEN
					RAISE WARNING USING MESSAGE = format('the write has happened, but shard %s does not show it yet', shards[i]),
						DETAIL = reason, HINT = 'It will, once a call or mvstore_cluster_recover() finds it there again.';
				END IF;
				done := false;
			END;
		END LOOP;
	END LOOP;
	RETURN done;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_finish(text, text[], integer[]) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_finish(text, text[], integer[]) IS 'internal: commit what was decided';

-- The statement for a call, which is a function with the types of its arguments, and these arguments.
CREATE FUNCTION mvstore_cluster_statement(call text, arguments text[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT format('SELECT %s(%s)', split_part(call, '(', 1), string_agg(format('%L::%s', arguments[t.n], t.type), ', ' ORDER BY t.n))
  FROM string_to_table(rtrim(split_part(call, '(', 2), ')'), ', ') WITH ORDINALITY AS t (type, n)
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_statement(text, text[]) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_statement(text, text[]) IS 'internal: the statement for a call on a shard';

-- A call of mvstore on each shard, all or none; the result of each. caller: the role whose user mapping counts. It must be one
-- that the session's user could take on itself, as the connections may stay, for all that runs in the session. arguments: the
-- same on all shards, or a row for each. The call is one of mvstore_cluster_calls(): what runs as the mapped user is nothing but
-- mvstore's functions.
CREATE FUNCTION mvstore_cluster_coordinate(caller name, shards integer[], call text, arguments text[], versioned boolean) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config @extschema@.mvstore_cluster_config;
	gid text;
	names text[] := '{}';
	shard integer;
	statements text[];
	results text[];
	patience interval;
	pin text[] := CASE WHEN starts_with(call, 'mvstore_pin(') AND arguments[2] IS NULL THEN arguments END;
	decided boolean := false;
BEGIN
	IF pg_has_role(session_user, caller, CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END) IS NOT TRUE THEN
		RAISE insufficient_privilege USING MESSAGE = format('role "%s" cannot write to several shards in the name of "%s"', session_user, caller),
			DETAIL = 'The function is called by one that runs with the rights of its owner, and the session''s user is no member of that role.',
			HINT = 'Let its owner be a role that its callers are members of.';
	ELSIF NOT has_server_privilege(caller, 'mvstore_cluster', 'USAGE') THEN
		RAISE insufficient_privilege USING MESSAGE = 'permission denied for foreign server mvstore_cluster';
	ELSIF call <> ALL (@extschema@.mvstore_cluster_calls()) IS NOT FALSE THEN
		RAISE insufficient_privilege USING MESSAGE = format('%s is not to be called on several shards', call);
	ELSIF NOT has_function_privilege(caller, '@extschema@.' || replace(call, 'regclass', 'text'), 'EXECUTE') THEN
		RAISE insufficient_privilege USING MESSAGE = 'permission denied for function ' || split_part(call, '(', 1);
	END IF;
	statements := ARRAY(SELECT @extschema@.mvstore_cluster_statement(call, CASE WHEN array_ndims(arguments) = 1 THEN arguments
			ELSE ARRAY(SELECT a FROM unnest(arguments[i:i][:]) a) END) FROM generate_subscripts(shards, 1) i ORDER BY i);
	SELECT c.* INTO config FROM @extschema@.mvstore_cluster_config c;
	patience := coalesce(nullif(current_setting('mvstore_cluster.lock_timeout', true), '')::interval, config.lock_timeout);
	FOREACH shard IN ARRAY shards LOOP
		names := names || @extschema@.mvstore_cluster_open(shard, caller);
	END LOOP;

	IF cardinality(shards) = 1 THEN
		PERFORM @extschema@.mvstore_cluster_send(names[1], format(
			'%s FROM pg_catalog.set_config(''lock_timeout'', %L, true) l, pg_catalog.set_config(''client_connection_check_interval'', ''1s'', true) c',
			statements[1], ceil(extract(epoch FROM patience) * 1000)::bigint::text));
		BEGIN
			results := ARRAY[@extschema@.mvstore_cluster_collect(names[1])];
		EXCEPTION WHEN connection_exception THEN
			RAISE transaction_resolution_unknown USING MESSAGE = SQLERRM, HINT = 'The write may have happened: read before you repeat it.';
		END;
	ELSE
		-- What is begun in it ends with this block, and not with the transaction, which may be late: so it ends by an error of its own.
		BEGIN
			FOR attempt IN 1 .. 12 LOOP
				gid := format('mvstore_cluster:%s:%s:%s', config.cluster, config.proxy, gen_random_uuid());
				BEGIN
					-- The version goes half a millisecond ahead, and up to 128 where a shard hands out versions faster than it is asked;
					-- all attempts together stay below mvstore.max_clock_ahead.
					results := @extschema@.mvstore_cluster_prepare(gid, @extschema@.mvstore_cluster_begin(gid), names, shards, statements, versioned,
							250 * (2 ^ least(attempt, 9))::bigint, patience, pin);
					decided := true;
					EXIT;
				EXCEPTION
					WHEN serialization_failure OR deadlock_detected OR invalid_parameter_value THEN
						PERFORM @extschema@.mvstore_cluster_reset(names);
						PERFORM @extschema@.mvstore_cluster_give_up(gid, shards, caller);
						IF attempt >= 12 OR SQLSTATE = '22023' AND SQLERRM !~ 'too far in the future' THEN
							RAISE;
						END IF;
						-- After a crash the clock of a shard may be ahead by a second, until time has come up to it.
						IF SQLSTATE = '22023' THEN
							PERFORM pg_sleep(0.1);
						END IF;
					WHEN OTHERS OR query_canceled THEN
						PERFORM @extschema@.mvstore_cluster_reset(names);
						PERFORM @extschema@.mvstore_cluster_give_up(gid, shards, caller);
						RAISE;
				END;
				names := '{}';
				FOREACH shard IN ARRAY shards LOOP
					names := names || @extschema@.mvstore_cluster_open(shard, caller);
				END LOOP;
			END LOOP;
			PERFORM @extschema@.mvstore_cluster_step('decided');
			IF @extschema@.mvstore_cluster_finish(gid, names, shards) THEN
				PERFORM @extschema@.mvstore_cluster_self_done(gid);
			END IF;
			RAISE SQLSTATE 'MV000';
		EXCEPTION WHEN SQLSTATE 'MV000' THEN
			IF NOT decided THEN
				RAISE;		-- of a trigger on a shard
			END IF;
		END;
	END IF;
	IF NOT config.keep_connections THEN
		PERFORM @extschema@.mvstore_cluster_reset(names);
	END IF;
	RETURN results;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	PERFORM @extschema@.mvstore_cluster_reset(names);
	IF decided THEN
		RAISE WARNING USING MESSAGE = 'the write has happened, but shards may not show it yet', DETAIL = SQLERRM,
			HINT = 'They will, once a call or mvstore_cluster_recover() looks after it.';
		RETURN results;
	END IF;
	RAISE;
END $$;

REVOKE ALL ON FUNCTION mvstore_cluster_coordinate(name, integer[], text, text[], boolean) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_coordinate(name, integer[], text, text[], boolean) IS
'internal: a call of mvstore on each shard in the name of a role';

-- That in the name of who calls, which nobody can choose: not the session's user, as PostgreSQL itself runs code of others with
-- their rights (functions of indexes in ANALYZE or an autovacuum worker, SECURITY DEFINER). A function that runs as its
-- owner cannot see by whom it was called; but a trigger that does not, fired by the caller's INSERT, can. It is the first of two
-- of a view that never has a row, in the order of their names; the second one runs as the owner.
CREATE VIEW mvstore_cluster_as_caller AS
SELECT NULL::name AS caller, NULL::integer[] AS shards, NULL::text AS call, NULL::text[] AS arguments, NULL::boolean AS versioned,
	   NULL::text[] AS results
 WHERE false;
GRANT SELECT, INSERT ON mvstore_cluster_as_caller TO PUBLIC;

COMMENT ON VIEW mvstore_cluster_as_caller IS 'internal: what is inserted is called on shards, in the name of who inserts';

CREATE FUNCTION mvstore_cluster_caller() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	NEW.caller := current_user;
	RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_caller() FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_caller() IS 'internal: a trigger, note who calls';

-- Nobody but the owner may execute it: else a view of somebody else could have it as its trigger, and name any caller.
CREATE FUNCTION mvstore_cluster_called() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- Where PostgreSQL runs what strangers may have written, in the midst of something else, the session is to stay as it is. This
	-- does nothing, and is refused there.
	BEGIN
		UNLISTEN mvstore_cluster_nothing;
		RAISE SQLSTATE 'MV000';
	EXCEPTION
		WHEN SQLSTATE 'MV000' THEN
			NULL;
		WHEN insufficient_privilege THEN
			RAISE insufficient_privilege USING MESSAGE = 'cannot write to shards within security-restricted operation';
	END;
	-- Between the two, one of somebody else could name another caller.
	IF EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = TG_RELID
				  AND (t.tgname, t.tgfoid) NOT IN (('a_caller', '@extschema@.mvstore_cluster_caller()'::regprocedure::oid),
												   ('b_called', '@extschema@.mvstore_cluster_called()'::regprocedure::oid))) THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'view "mvstore_cluster_as_caller" of extension "mvstore_cluster" has been altered',
			DETAIL = 'It has a trigger of somebody else.', HINT = 'Drop the trigger, and revoke TRIGGER on the view.';
	END IF;
	NEW.results := @extschema@.mvstore_cluster_coordinate(NEW.caller, NEW.shards, NEW.call, NEW.arguments, NEW.versioned);
	RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_called() FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_called() IS 'internal: a trigger, do what was called';

CREATE TRIGGER a_caller INSTEAD OF INSERT ON mvstore_cluster_as_caller FOR EACH ROW EXECUTE FUNCTION mvstore_cluster_caller();
CREATE TRIGGER b_called INSTEAD OF INSERT ON mvstore_cluster_as_caller FOR EACH ROW EXECUTE FUNCTION mvstore_cluster_called();

CREATE FUNCTION mvstore_cluster_write(shards integer[], call text, arguments text[], versioned boolean) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	results text[];
BEGIN
	INSERT INTO @extschema@.mvstore_cluster_as_caller AS c (shards, call, arguments, versioned) VALUES (shards, call, arguments, versioned)
	RETURNING c.results INTO results;
	IF results IS NULL THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'nothing is written to shards where triggers are not fired',
			HINT = 'SET session_replication_role = origin.';
	END IF;
	RETURN results;
END $$;

COMMENT ON FUNCTION mvstore_cluster_write(integer[], text, text[], boolean) IS
'internal: a call of mvstore on each shard, all or none';

--
-- Recovery
--

-- What shards have prepared of this proxy. A shard that cannot be asked has a row with the reason.
CREATE FUNCTION mvstore_cluster_prepared(asked integer[])
RETURNS TABLE (shard integer, gid text, prepared timestamptz, shard_user text, problem text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config @extschema@.mvstore_cluster_config;
	answer json;
BEGIN
	SELECT c.* INTO config FROM @extschema@.mvstore_cluster_config c;
	FOREACH shard IN ARRAY asked LOOP
		BEGIN
			problem := NULL;
			answer := @extschema@.mvstore_cluster_ask(shard, format(
				'SELECT (SELECT coalesce(json_agg(json_build_array(left(gid, %s), prepared, owner)), ''[]'') FROM pg_prepared_xacts WHERE database = current_database() AND starts_with(gid, %L) AND right(gid, %s) = %L) '
				'WHERE NOT pg_is_in_recovery() AND EXISTS (SELECT FROM mvstore_shard WHERE cluster = %L AND number = %s)',
				-1 - length(shard::text), format('mvstore_cluster:%s:%s:', config.cluster, config.proxy), 1 + length(shard::text), ':' || shard, config.cluster, shard));
			-- Neither a standby nor another database tells what the shard has prepared: that they show nothing is no answer.
			IF answer IS NULL THEN
				RAISE object_not_in_prerequisite_state USING MESSAGE = 'it is a standby, or another database than the shard''s';
			END IF;
			RETURN QUERY SELECT mvstore_cluster_prepared.shard, r.found_row ->> 0, (r.found_row ->> 1)::timestamptz, r.found_row ->> 2, NULL::text
			  FROM json_array_elements(answer) AS r (found_row);
		EXCEPTION WHEN OTHERS THEN
			gid := NULL;
			problem := SQLERRM;
			RETURN NEXT;
		END;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_prepared(integer[]) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_prepared(integer[]) IS 'internal: what shards have prepared';

-- For who has the lock of recovery.
CREATE FUNCTION mvstore_cluster_end_doubts(everything boolean) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config @extschema@.mvstore_cluster_config;
	due record;
	found_row record;
	asked integer[] := '{}';
	silent integer[] := '{}';	-- shards that have not answered
	busy text[] := '{}';		-- transactions that could not be ended
	lock_name text := gen_random_uuid();
	pending_rows text[] := '{}';
	ended integer := 0;
BEGIN
	SELECT c.* INTO config FROM @extschema@.mvstore_cluster_config c;
	-- In another database, which does not see our lock, what was decided here is not known.
	PERFORM pg_advisory_xact_lock(@extschema@.mvstore_cluster_lock_key(lock_name));
	IF NOT @extschema@.mvstore_cluster_self_here(lock_name) THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the foreign server "mvstore_cluster_self" leads to another database than this one',
			HINT = 'SELECT mvstore_cluster_configure() has it lead here.';
	END IF;
	IF everything THEN
		PERFORM @extschema@.mvstore_cluster_self_awake(false);	-- others do not begin the same
	END IF;
	-- Who lives is left alone; of the rest it is said for ever what becomes of it, before anything is done.
	FOR due IN SELECT d.* FROM @extschema@.mvstore_cluster_self_due(everything) d LOOP
		CONTINUE WHEN due.alive;
		PERFORM @extschema@.mvstore_cluster_self_tried(due.gid);
		pending_rows := pending_rows || format('%s|%s|%s', due.gid, array_to_string(due.shards, ','), due.old);
		asked := asked || due.shards;
	END LOOP;
	IF everything THEN
		SELECT array_agg(n) INTO asked FROM generate_series(0, config.shards - 1) n;
	ELSE
		SELECT coalesce(array_agg(DISTINCT n), '{}') INTO asked FROM unnest(asked) n;
	END IF;
	FOR found_row IN SELECT p.* FROM @extschema@.mvstore_cluster_prepared(asked) p LOOP
		IF found_row.problem IS NOT NULL THEN
			silent := silent || found_row.shard;
			RAISE LOG 'mvstore_cluster: recovery cannot ask shard %: %', found_row.shard, found_row.problem;
			CONTINUE;
		END IF;
		CONTINUE WHEN @extschema@.mvstore_cluster_self_lives(found_row.gid);
		BEGIN
			IF @extschema@.mvstore_cluster_self_settled(found_row.gid) = 'committed' THEN
				PERFORM @extschema@.mvstore_cluster_ask(found_row.shard, format('COMMIT PREPARED %L', found_row.gid || ':' || found_row.shard), found_row.shard_user);
			ELSE
				PERFORM @extschema@.mvstore_cluster_ask(found_row.shard, format('ROLLBACK PREPARED %L', found_row.gid || ':' || found_row.shard), found_row.shard_user);
			END IF;
			ended := ended + 1;
		EXCEPTION
			WHEN undefined_object THEN
				NULL;	-- its coordinator has just ended it
			WHEN OTHERS THEN
				busy := busy || found_row.gid;
				RAISE WARNING 'mvstore_cluster: % on shard % stays in doubt: %', found_row.gid, found_row.shard, SQLERRM;
		END;
	END LOOP;

	-- What is done on all its shards needs no row. That it was given up is told for ten minutes to those who are late.
	FOR due IN SELECT split_part(r, '|', 1) AS gid, string_to_array(split_part(r, '|', 2), ',')::integer[] AS shards,
					  split_part(r, '|', 3)::boolean AS old FROM unnest(pending_rows) r LOOP
		CONTINUE WHEN due.shards && silent OR due.gid = ANY (busy);
		IF due.old OR @extschema@.mvstore_cluster_self_settled(due.gid) = 'committed' THEN
			PERFORM @extschema@.mvstore_cluster_self_done(due.gid);
		END IF;
	END LOOP;
	IF everything THEN
		PERFORM @extschema@.mvstore_cluster_self_awake(silent = '{}' AND busy = '{}');
	END IF;
	RETURN ended;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_end_doubts(boolean) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_end_doubts(boolean) IS 'internal: recovery, one at a time';

-- One session at a time: others wait, or go on with 0. The lock, which needs a right on the table, is not kept to the end of the
-- transaction, which may be late: the block with it ends by an error of its own.
CREATE FUNCTION mvstore_cluster_recover_one(everything boolean, waits boolean) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ended integer;
BEGIN
	-- What is done by the connection to ourselves would wait for us, and nobody would see it.
	IF EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.relation = '@extschema@.mvstore_cluster_config'::regclass
				  AND l.mode IN ('ShareRowExclusiveLock', 'AccessExclusiveLock') AND l.granted) THEN
		IF waits THEN
			RAISE object_not_in_prerequisite_state USING MESSAGE = 'cannot recover in a transaction that holds the cluster',
				HINT = 'End the transaction with mvstore_cluster_hold() or mvstore_cluster_repoint() first.';
		END IF;
		RETURN 0;
	END IF;
	IF waits THEN
		LOCK TABLE @extschema@.mvstore_cluster_recovering IN SHARE UPDATE EXCLUSIVE MODE;
	ELSE
		BEGIN
			LOCK TABLE @extschema@.mvstore_cluster_recovering IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
		EXCEPTION WHEN lock_not_available THEN
			RETURN 0;
		END;
	END IF;
	ended := @extschema@.mvstore_cluster_end_doubts(everything);
	RAISE SQLSTATE 'MV000';
EXCEPTION WHEN SQLSTATE 'MV000' THEN
	RETURN ended;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_recover_one(boolean, boolean) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_recover_one(boolean, boolean) IS 'internal: recovery, by one session at a time';

CREATE FUNCTION mvstore_cluster_recover(everything boolean DEFAULT true) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$ SELECT @extschema@.mvstore_cluster_recover_one(everything, everything) $$;

COMMENT ON FUNCTION mvstore_cluster_recover(boolean) IS
'end what was left in doubt by sessions that have gone; returns how many prepared transactions were ended';

-- Whether there is something for recovery, and then recovery. What goes wrong with it is no fault of the call it is in. For
-- who has waited in vain all shards are asked, as something may have been prepared there when nobody expected it any more.
CREATE FUNCTION mvstore_cluster_look(vain boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	complete boolean;
	tried timestamptz;
BEGIN
	-- On a standby of the proxy reads are all there is, and the proxy looks.
	IF pg_is_in_recovery() THEN
		RETURN;
	END IF;
	SELECT a.complete, a.tried INTO complete, tried FROM @extschema@.mvstore_cluster_awake a;
	IF complete AND NOT vain AND NOT EXISTS (SELECT FROM @extschema@.mvstore_cluster_note_due(false) d WHERE NOT d.alive) THEN
		RETURN;		-- all that is under way has a coordinator that lives
	END IF;
	PERFORM @extschema@.mvstore_cluster_recover_one((vain OR complete IS NOT TRUE) AND (tried IS NULL OR tried < clock_timestamp() - '5 s'::interval), false);
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING USING MESSAGE = 'mvstore_cluster: recovery has failed: ' || SQLERRM;
END $$;

COMMENT ON FUNCTION mvstore_cluster_look(boolean) IS 'internal: see whether something is in doubt, and end it';

-- That as one value, of some shards, or, with NULL, of all.
CREATE FUNCTION mvstore_cluster_found(asked integer[]) RETURNS json
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(json_agg(s), '[]')
  FROM @extschema@.mvstore_cluster_config c
 CROSS JOIN @extschema@.mvstore_cluster_prepared(coalesce(asked, ARRAY(SELECT generate_series(0, c.shards - 1)))) s
$$;
REVOKE ALL ON FUNCTION mvstore_cluster_found(integer[]) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_found(integer[]) IS 'internal: what shards have prepared, as one value';

-- Who has prepared something has a row, which goes when all shards have ended it: so shards are asked before the rows are
-- looked at, and what then is without one, or was given up, is asked for again. A snapshot that is kept may be older than rows:
-- what of it may have been decided since is told as not known.
CREATE FUNCTION mvstore_cluster_doubts()
RETURNS TABLE (gid text, state text, version bigint, shard integer, prepared timestamptz, shard_user text, coordinator boolean, problem text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kept boolean := current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted');
	found_rows json := @extschema@.mvstore_cluster_found(NULL::integer[]);
	dead text[];
	pending_rows json;
	again integer[];
	found_again json := '[]';
BEGIN
	-- Of who does not live any more, the row says what has become of it.
	dead := ARRAY(SELECT a.gid FROM @extschema@.mvstore_cluster_pending a WHERE NOT @extschema@.mvstore_cluster_lives(a.coordinator));
	SELECT coalesce(json_agg(p), '[]') INTO pending_rows
	  FROM (SELECT a.*, a.gid <> ALL (dead) AS lives FROM @extschema@.mvstore_cluster_pending a) p;
	SELECT array_agg(DISTINCT s.shard) INTO again
	  FROM json_to_recordset(found_rows) AS s (gid text, shard integer)
	 WHERE s.gid IS NOT NULL
	   AND s.gid NOT IN (SELECT p.gid FROM json_to_recordset(pending_rows) AS p (gid text, state text) WHERE p.state <> 'aborted');
	IF again IS NOT NULL THEN
		found_again := @extschema@.mvstore_cluster_found(again);
	END IF;
	RETURN QUERY
	SELECT coalesce(s.gid, p.gid),
		   CASE WHEN p.state = 'open' AND kept THEN NULL WHEN p.gid IS NOT NULL THEN p.state
				WHEN NOT kept AND EXISTS (SELECT FROM json_to_recordset(found_again) AS f (gid text, shard integer)
										   WHERE f.shard = s.shard AND f.gid = s.gid) THEN 'aborted' END,
		   p.version, coalesce(s.shard, p.shard), s.prepared, s.shard_user,
		   CASE WHEN p.gid IS NOT NULL THEN p.lives WHEN s.gid IS NOT NULL AND NOT kept THEN false END,
		   coalesce(s.problem, (SELECT f.problem FROM json_to_recordset(found_again) AS f (shard integer, problem text)
								 WHERE f.shard = s.shard AND f.problem IS NOT NULL))
	  FROM json_to_recordset(found_rows) AS s (shard integer, gid text, prepared timestamptz, shard_user text, problem text)
	  FULL JOIN (SELECT a.gid, a.state, a.version, a.lives, n.shard
				   FROM json_to_recordset(pending_rows) AS a (gid text, state text, version bigint, lives boolean, shards integer[])
				  CROSS JOIN unnest(a.shards) AS n (shard)) p ON p.gid = s.gid AND p.shard = s.shard
	 WHERE p.state <> 'aborted' OR s.problem IS NOT NULL
		OR EXISTS (SELECT FROM json_to_recordset(found_again) AS f (gid text, shard integer, problem text)
					WHERE f.shard = s.shard AND (f.gid = s.gid OR f.problem IS NOT NULL));
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_doubts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_cluster_doubts() TO pg_monitor;

COMMENT ON FUNCTION mvstore_cluster_doubts() IS 'internal: below mvstore_cluster_in_doubt';

CREATE VIEW mvstore_cluster_in_doubt AS
SELECT d.gid, d.state, d.version, d.shard, d.prepared, d.shard_user, d.coordinator, d.problem FROM @extschema@.mvstore_cluster_doubts() d;
GRANT SELECT ON mvstore_cluster_in_doubt TO pg_monitor;

COMMENT ON VIEW mvstore_cluster_in_doubt IS
'writes over several shards that are under way or in doubt, on each of their shards; and shards that do not answer';

--
-- Placement by a part of the key
--

-- In any schema: keys are placed by the bare name.
CREATE FUNCTION mvstore_shard_exists(a_store text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL; SELECT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relname = a_store AND c.relkind = 'r');
$$;
COMMENT ON FUNCTION mvstore_shard_exists(text) IS 'internal: whether shards have a store';

-- It is kept on shard 0, too, so that a proxy that comes later knows of it.
CREATE FUNCTION mvstore_cluster_place(store text, prefix_length integer DEFAULT NULL, delimiter text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text := @extschema@.mvstore_cluster_store(store);
	noted json;
BEGIN
	IF (prefix_length IS NULL) = (delimiter IS NULL) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'either prefix_length or delimiter must be given';
	END IF;
	PERFORM @extschema@.mvstore_cluster_enter(false);
	IF (SELECT bool_or(e) FROM @extschema@.mvstore_shard_exists(name) e) THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('store "%s" exists', store),
			DETAIL = 'Its keys are where they were placed.', HINT = 'Say how keys are placed before mvstore_create. mvstore_cluster_configure() tells this proxy what another was told.';
	END IF;
	INSERT INTO @extschema@.mvstore_cluster_placement AS p VALUES (name, prefix_length, convert_to(delimiter, 'UTF8'));
	PERFORM @extschema@.mvstore_cluster_ask(0, format($q$
BEGIN;
CREATE TABLE IF NOT EXISTS mvstore_placement (store text PRIMARY KEY, prefix_length integer, delimiter bytea);
GRANT SELECT ON mvstore_placement TO PUBLIC;
INSERT INTO mvstore_placement VALUES (%L, %L, %L) ON CONFLICT (store) DO NOTHING;
COMMIT$q$, name, prefix_length, convert_to(delimiter, 'UTF8')));
	noted := @extschema@.mvstore_cluster_ask(0, format('SELECT row_to_json(p) FROM mvstore_placement p WHERE store = %L', name));
	IF (noted ->> 'prefix_length')::integer IS DISTINCT FROM prefix_length
		OR (noted ->> 'delimiter')::bytea IS DISTINCT FROM convert_to(delimiter, 'UTF8') THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('keys of store "%s" are placed in another way', store),
			DETAIL = 'So it is noted in the table mvstore_placement of shard 0.', HINT = 'SELECT mvstore_cluster_configure() takes that over.';
	END IF;
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_place(text, integer, text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_place(text, integer, text) IS
'place the keys of a store that is to be created by their first bytes, or by what is before a delimiter';


--
-- Growing
--
-- Every call reads mvstore_cluster_config, and keeps that lock to the end of its transaction. So who locks the table
-- has waited for all calls that were under way, and lets no other begin; and a call that has waited finds the shards
-- where they are then, as PL/Proxy takes up a changed foreign server after that. The lock goes with the transaction,
-- whatever becomes of it.
--

CREATE FUNCTION mvstore_cluster_hold(timeout interval DEFAULT '5 s', at_most interval DEFAULT '1 min') RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	before text := current_setting('lock_timeout');
BEGIN
	-- A session that does not go on holds up nobody for long.
	PERFORM set_config('idle_in_transaction_session_timeout', ceil(extract(epoch FROM at_most) * 1000)::text, true);
	PERFORM set_config('lock_timeout', ceil(extract(epoch FROM timeout) * 1000)::text, true);
	LOCK TABLE @extschema@.mvstore_cluster_config IN ACCESS EXCLUSIVE MODE;
	PERFORM set_config('lock_timeout', before, true);
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_hold(interval, interval) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_hold(interval, interval) IS
'wait for calls of this proxy that are under way, and have others wait until this transaction ends';

-- With mvstore_cluster_hold() before it in the transaction, no call is between the two addresses.
CREATE FUNCTION mvstore_cluster_repoint(shard integer, address text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config @extschema@.mvstore_cluster_config;
BEGIN
	LOCK TABLE @extschema@.mvstore_cluster_config IN SHARE ROW EXCLUSIVE MODE;
	SELECT c.* INTO config FROM @extschema@.mvstore_cluster_config c;
	IF NOT FOUND THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the proxy does not know its shards yet', HINT = 'SELECT mvstore_cluster_configure();';
	ELSIF shard IS NULL OR address IS NULL OR shard < 0 OR shard >= config.shards THEN
		RAISE invalid_parameter_value USING MESSAGE = format('there is no shard %s', coalesce(shard::text, 'of number null')),
			DETAIL = format('The cluster has shards 0 to %s; each has an address.', config.shards - 1);
	END IF;
	EXECUTE format('ALTER SERVER mvstore_cluster OPTIONS (SET p%s %L)', shard, address);
	IF @extschema@.mvstore_cluster_ask(shard, 'SELECT pg_is_in_recovery()::text') = 'true' THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('shard %s (%s) is on a standby', shard, address),
			HINT = 'SELECT pg_promote() there.';
	END IF;
	PERFORM @extschema@.mvstore_cluster_check_shard(shard, config.cluster, config.shards, false);
	UPDATE @extschema@.mvstore_cluster_config c SET options = s.srvoptions
	  FROM pg_foreign_server s WHERE s.srvname = 'mvstore_cluster';
END $$;
REVOKE ALL ON FUNCTION mvstore_cluster_repoint(integer, text) FROM PUBLIC;

COMMENT ON FUNCTION mvstore_cluster_repoint(integer, text) IS
'have calls go to another address for a shard, which must be that shard, and no standby';


--
-- The functions and views of mvstore
--
-- Written by generate.pl from here on.

CREATE FUNCTION mvstore_create(store text, keep_versions integer DEFAULT NULL::integer, keep_for interval DEFAULT NULL::interval, ttl interval DEFAULT NULL::interval, feed boolean DEFAULT false, if_not_exists boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	RETURN (SELECT min(r::text) FROM unnest(@extschema@.mvstore_cluster_write(shards, 'mvstore_create(text, integer, interval, interval, boolean, boolean)',
		ARRAY[store, keep_versions::text, keep_for::text, ttl::text, feed::text, if_not_exists::text], false)) r);
END $$;
COMMENT ON FUNCTION mvstore_create(text, integer, interval, interval, boolean, boolean) IS
'create a store: a table of every version of a key';

CREATE FUNCTION mvstore_set_policy(store text, keep_versions integer DEFAULT NULL::integer, keep_for interval DEFAULT NULL::interval, ttl interval DEFAULT NULL::interval) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	PERFORM @extschema@.mvstore_cluster_write(shards, 'mvstore_set_policy(regclass, integer, interval, interval)',
		ARRAY[store, keep_versions::text, keep_for::text, ttl::text], false);
END $$;
COMMENT ON FUNCTION mvstore_set_policy(text, integer, interval, interval) IS
'give a store another policy, as a whole; what is there is judged by it';

CREATE FUNCTION mvstore_set_feed(store text, feed boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	PERFORM @extschema@.mvstore_cluster_write(shards, 'mvstore_set_feed(regclass, boolean)',
		ARRAY[store, feed::text], false);
END $$;
COMMENT ON FUNCTION mvstore_set_feed(text, boolean) IS
'give a store an index in the order of versions, by which changes are found, or take it away';

CREATE FUNCTION mvstore_detach(store text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	PERFORM @extschema@.mvstore_cluster_write(shards, 'mvstore_detach(regclass)',
		ARRAY[store], false);
END $$;
COMMENT ON FUNCTION mvstore_detach(text) IS
'make a store a plain table';

CREATE FUNCTION mvstore_attach(store text, keep_versions integer DEFAULT NULL::integer, keep_for interval DEFAULT NULL::interval, ttl interval DEFAULT NULL::interval, floor bigint DEFAULT NULL::bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	PERFORM @extschema@.mvstore_cluster_write(shards, 'mvstore_attach(regclass, integer, interval, interval, bigint)',
		ARRAY[store, keep_versions::text, keep_for::text, ttl::text, floor::text], false);
END $$;
COMMENT ON FUNCTION mvstore_attach(text, integer, interval, interval, bigint) IS
'make a store of a table that has the shape of one; its history is complete as of floor or later';

CREATE FUNCTION mvstore_clear(store text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	PERFORM @extschema@.mvstore_cluster_write(shards, 'mvstore_clear(regclass)',
		ARRAY[store], false);
END $$;
COMMENT ON FUNCTION mvstore_clear(text) IS
'remove every entry of a store at once, as TRUNCATE does';

CREATE FUNCTION mvstore_shard_put(a_store text, a_key text, a_value text, a_ttl interval, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_put(a_store::regclass, a_key, a_value, a_ttl) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put(text, text, text, interval, text) IS
'internal: mvstore_put on shards';

CREATE FUNCTION mvstore_put(store text, key text, value text, ttl interval DEFAULT NULL::interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_put(store, key, value, ttl, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_put(text, text, text, interval) IS
'write a value under a key; returns the version';

CREATE FUNCTION mvstore_shard_put_bytea(a_store text, a_key text, a_value bytea, a_ttl interval, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_put_bytea(a_store::regclass, a_key, a_value, a_ttl) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put_bytea(text, text, bytea, interval, text) IS
'internal: mvstore_put_bytea on shards';

CREATE FUNCTION mvstore_put_bytea(store text, key text, value bytea, ttl interval DEFAULT NULL::interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_put_bytea(store, key, value, ttl, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_put_bytea(text, text, bytea, interval) IS
'write a value under a key; returns the version';

CREATE FUNCTION mvstore_shard_put_raw(a_store text, a_key bytea, a_value bytea, a_ttl interval, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT mvstore_put_raw(a_store::regclass, a_key, a_value, a_ttl) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put_raw(text, bytea, bytea, interval, text) IS
'internal: mvstore_put_raw on shards';

CREATE FUNCTION mvstore_put_raw(store text, key bytea, value bytea, ttl interval DEFAULT NULL::interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_put_raw(store, key, value, ttl, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_put_raw(text, bytea, bytea, interval) IS
'write a value under a key; returns the version';

CREATE FUNCTION mvstore_shard_put_if(a_store text, a_key text, a_value text, a_expected bigint, a_ttl interval, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_put_if(a_store::regclass, a_key, a_value, a_expected, a_ttl) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put_if(text, text, text, bigint, interval, text) IS
'internal: mvstore_put_if on shards';

CREATE FUNCTION mvstore_put_if(store text, key text, value text, expected bigint, ttl interval DEFAULT NULL::interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_put_if(store, key, value, expected, ttl, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_put_if(text, text, text, bigint, interval) IS
'write a value if the live version is the one expected, 0 being none; NULL if it is not';

CREATE FUNCTION mvstore_shard_put_if_bytea(a_store text, a_key text, a_value bytea, a_expected bigint, a_ttl interval, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_put_if_bytea(a_store::regclass, a_key, a_value, a_expected, a_ttl) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put_if_bytea(text, text, bytea, bigint, interval, text) IS
'internal: mvstore_put_if_bytea on shards';

CREATE FUNCTION mvstore_put_if_bytea(store text, key text, value bytea, expected bigint, ttl interval DEFAULT NULL::interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_put_if_bytea(store, key, value, expected, ttl, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_put_if_bytea(text, text, bytea, bigint, interval) IS
'write a value if the live version is the one expected, 0 being none; NULL if it is not';

CREATE FUNCTION mvstore_shard_put_if_raw(a_store text, a_key bytea, a_value bytea, a_expected bigint, a_ttl interval, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT mvstore_put_if_raw(a_store::regclass, a_key, a_value, a_expected, a_ttl) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put_if_raw(text, bytea, bytea, bigint, interval, text) IS
'internal: mvstore_put_if_raw on shards';

CREATE FUNCTION mvstore_put_if_raw(store text, key bytea, value bytea, expected bigint, ttl interval DEFAULT NULL::interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_put_if_raw(store, key, value, expected, ttl, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_put_if_raw(text, bytea, bytea, bigint, interval) IS
'write a value if the live version is the one expected, 0 being none; NULL if it is not';

CREATE FUNCTION mvstore_shard_put_many(a_shard integer, a_store text, a_keys text[], a_new_values text[], a_ttl interval, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON a_shard;
	SELECT mvstore_put_many(a_store::regclass, a_keys, a_new_values, a_ttl) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put_many(integer, text, text[], text[], interval, text) IS
'internal: mvstore_put_many on shards';

CREATE FUNCTION mvstore_put_many(store text, keys text[], new_values text[], ttl interval DEFAULT NULL::interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	places integer[] := @extschema@.mvstore_cluster_places(store, keys);
	shards integer[];
	arguments text[];
BEGIN
	IF new_values IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'new_values must not be null';
	ELSIF cardinality(keys) <> cardinality(new_values) OR array_ndims(new_values) > 1 THEN
		RAISE array_subscript_error USING MESSAGE = 'keys and new_values must have one dimension and the same length';
	END IF;
	PERFORM @extschema@.mvstore_cluster_enter(true);
	SELECT array_agg(DISTINCT p) INTO shards FROM unnest(places) p;
	IF coalesce(cardinality(shards), 0) <= 1 THEN
		FOR attempt IN 1 .. 2 LOOP
			BEGIN
				RETURN @extschema@.mvstore_shard_put_many(coalesce(shards[1], 0), store, keys, new_values, ttl, @extschema@.mvstore_cluster_patience(attempt));
			EXCEPTION
				WHEN lock_not_available THEN
					PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
				WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
					PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
					RAISE;
			END;
		END LOOP;
	END IF;
	SELECT array_agg(g.shard ORDER BY g.shard), array_agg(ARRAY[store, g.keys::text, g.new_values::text, ttl::text] ORDER BY g.shard)
	  INTO shards, arguments
	  FROM (SELECT e.shard, array_agg(e.key ORDER BY e.n) AS keys, array_agg(e.new_value ORDER BY e.n) AS new_values
			  FROM unnest(places, keys, new_values) WITH ORDINALITY AS e (shard, key, new_value, n) GROUP BY e.shard) g;
	RETURN (SELECT max(r::bigint) FROM unnest(@extschema@.mvstore_cluster_write(shards, 'mvstore_put_many(regclass, text[], text[], interval)', arguments, true)) r);
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_put_many(text, text[], text[], interval) IS
'write many values at one version, a NULL value being a delete; NULL if nothing was written';

CREATE FUNCTION mvstore_shard_put_many_bytea(a_shard integer, a_store text, a_keys text[], a_new_values bytea[], a_ttl interval, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON a_shard;
	SELECT mvstore_put_many_bytea(a_store::regclass, a_keys, a_new_values, a_ttl) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put_many_bytea(integer, text, text[], bytea[], interval, text) IS
'internal: mvstore_put_many_bytea on shards';

CREATE FUNCTION mvstore_put_many_bytea(store text, keys text[], new_values bytea[], ttl interval DEFAULT NULL::interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	places integer[] := @extschema@.mvstore_cluster_places(store, keys);
	shards integer[];
	arguments text[];
BEGIN
	IF new_values IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'new_values must not be null';
	ELSIF cardinality(keys) <> cardinality(new_values) OR array_ndims(new_values) > 1 THEN
		RAISE array_subscript_error USING MESSAGE = 'keys and new_values must have one dimension and the same length';
	END IF;
	PERFORM @extschema@.mvstore_cluster_enter(true);
	SELECT array_agg(DISTINCT p) INTO shards FROM unnest(places) p;
	IF coalesce(cardinality(shards), 0) <= 1 THEN
		FOR attempt IN 1 .. 2 LOOP
			BEGIN
				RETURN @extschema@.mvstore_shard_put_many_bytea(coalesce(shards[1], 0), store, keys, new_values, ttl, @extschema@.mvstore_cluster_patience(attempt));
			EXCEPTION
				WHEN lock_not_available THEN
					PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
				WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
					PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
					RAISE;
			END;
		END LOOP;
	END IF;
	SELECT array_agg(g.shard ORDER BY g.shard), array_agg(ARRAY[store, g.keys::text, g.new_values::text, ttl::text] ORDER BY g.shard)
	  INTO shards, arguments
	  FROM (SELECT e.shard, array_agg(e.key ORDER BY e.n) AS keys, array_agg(e.new_value ORDER BY e.n) AS new_values
			  FROM unnest(places, keys, new_values) WITH ORDINALITY AS e (shard, key, new_value, n) GROUP BY e.shard) g;
	RETURN (SELECT max(r::bigint) FROM unnest(@extschema@.mvstore_cluster_write(shards, 'mvstore_put_many_bytea(regclass, text[], bytea[], interval)', arguments, true)) r);
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_put_many_bytea(text, text[], bytea[], interval) IS
'write many values at one version, a NULL value being a delete; NULL if nothing was written';

CREATE FUNCTION mvstore_shard_put_many_raw(a_shard integer, a_store text, a_keys bytea[], a_new_values bytea[], a_ttl interval, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON a_shard;
	SELECT mvstore_put_many_raw(a_store::regclass, a_keys, a_new_values, a_ttl) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put_many_raw(integer, text, bytea[], bytea[], interval, text) IS
'internal: mvstore_put_many_raw on shards';

CREATE FUNCTION mvstore_put_many_raw(store text, keys bytea[], new_values bytea[], ttl interval DEFAULT NULL::interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	places integer[] := @extschema@.mvstore_cluster_places_raw(store, keys);
	shards integer[];
	arguments text[];
BEGIN
	IF new_values IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'new_values must not be null';
	ELSIF cardinality(keys) <> cardinality(new_values) OR array_ndims(new_values) > 1 THEN
		RAISE array_subscript_error USING MESSAGE = 'keys and new_values must have one dimension and the same length';
	END IF;
	PERFORM @extschema@.mvstore_cluster_enter(true);
	SELECT array_agg(DISTINCT p) INTO shards FROM unnest(places) p;
	IF coalesce(cardinality(shards), 0) <= 1 THEN
		FOR attempt IN 1 .. 2 LOOP
			BEGIN
				RETURN @extschema@.mvstore_shard_put_many_raw(coalesce(shards[1], 0), store, keys, new_values, ttl, @extschema@.mvstore_cluster_patience(attempt));
			EXCEPTION
				WHEN lock_not_available THEN
					PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
				WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
					PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
					RAISE;
			END;
		END LOOP;
	END IF;
	SELECT array_agg(g.shard ORDER BY g.shard), array_agg(ARRAY[store, g.keys::text, g.new_values::text, ttl::text] ORDER BY g.shard)
	  INTO shards, arguments
	  FROM (SELECT e.shard, array_agg(e.key ORDER BY e.n) AS keys, array_agg(e.new_value ORDER BY e.n) AS new_values
			  FROM unnest(places, keys, new_values) WITH ORDINALITY AS e (shard, key, new_value, n) GROUP BY e.shard) g;
	RETURN (SELECT max(r::bigint) FROM unnest(@extschema@.mvstore_cluster_write(shards, 'mvstore_put_many_raw(regclass, bytea[], bytea[], interval)', arguments, true)) r);
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_put_many_raw(text, bytea[], bytea[], interval) IS
'write many values at one version, a NULL value being a delete; NULL if nothing was written';

CREATE FUNCTION mvstore_shard_delete(a_store text, a_key text, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_delete(a_store::regclass, a_key) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_delete(text, text, text) IS
'internal: mvstore_delete on shards';

CREATE FUNCTION mvstore_delete(store text, key text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_delete(store, key, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_delete(text, text) IS
'write a tombstone; returns the version, NULL if there was nothing to delete';

CREATE FUNCTION mvstore_shard_delete_raw(a_store text, a_key bytea, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT mvstore_delete_raw(a_store::regclass, a_key) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_delete_raw(text, bytea, text) IS
'internal: mvstore_delete_raw on shards';

CREATE FUNCTION mvstore_delete_raw(store text, key bytea) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_delete_raw(store, key, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_delete_raw(text, bytea) IS
'write a tombstone; returns the version, NULL if there was nothing to delete';

CREATE FUNCTION mvstore_shard_delete_if(a_store text, a_key text, a_expected bigint, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_delete_if(a_store::regclass, a_key, a_expected) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_delete_if(text, text, bigint, text) IS
'internal: mvstore_delete_if on shards';

CREATE FUNCTION mvstore_delete_if(store text, key text, expected bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_delete_if(store, key, expected, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_delete_if(text, text, bigint) IS
'write a tombstone if the live version is the one expected; NULL if it is not';

CREATE FUNCTION mvstore_shard_delete_if_raw(a_store text, a_key bytea, a_expected bigint, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT mvstore_delete_if_raw(a_store::regclass, a_key, a_expected) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_delete_if_raw(text, bytea, bigint, text) IS
'internal: mvstore_delete_if_raw on shards';

CREATE FUNCTION mvstore_delete_if_raw(store text, key bytea, expected bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_delete_if_raw(store, key, expected, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_delete_if_raw(text, bytea, bigint) IS
'write a tombstone if the live version is the one expected; NULL if it is not';

CREATE FUNCTION mvstore_lock(store text, key text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	RAISE feature_not_supported USING MESSAGE = 'mvstore_lock does not work over shards',
		HINT = 'A lock lasts until the end of a transaction on the shard, which is the call. Use mvstore_put_if.';
END $$;
COMMENT ON FUNCTION mvstore_lock(text, text) IS
'keep others from writing a key until the transaction ends';

CREATE FUNCTION mvstore_lock_raw(store text, key bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	RAISE feature_not_supported USING MESSAGE = 'mvstore_lock_raw does not work over shards',
		HINT = 'A lock lasts until the end of a transaction on the shard, which is the call. Use mvstore_put_if.';
END $$;
COMMENT ON FUNCTION mvstore_lock_raw(text, bytea) IS
'keep others from writing a key until the transaction ends';

CREATE FUNCTION mvstore_shard_put_at(a_store text, a_key text, a_value text, a_version bigint, a_patience text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_put_at(a_store::regclass, a_key, a_value, a_version) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put_at(text, text, text, bigint, text) IS
'internal: mvstore_put_at on shards';

CREATE FUNCTION mvstore_put_at(store text, key text, value text, version bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM @extschema@.mvstore_shard_put_at(store, key, value, version, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_put_at(text, text, text, bigint) IS
'write a value into the past, for imports and replays';

CREATE FUNCTION mvstore_shard_put_at_bytea(a_store text, a_key text, a_value bytea, a_version bigint, a_patience text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_put_at_bytea(a_store::regclass, a_key, a_value, a_version) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put_at_bytea(text, text, bytea, bigint, text) IS
'internal: mvstore_put_at_bytea on shards';

CREATE FUNCTION mvstore_put_at_bytea(store text, key text, value bytea, version bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM @extschema@.mvstore_shard_put_at_bytea(store, key, value, version, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_put_at_bytea(text, text, bytea, bigint) IS
'write a value into the past, for imports and replays';

CREATE FUNCTION mvstore_shard_put_at_raw(a_store text, a_key bytea, a_value bytea, a_version bigint, a_patience text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT mvstore_put_at_raw(a_store::regclass, a_key, a_value, a_version) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_put_at_raw(text, bytea, bytea, bigint, text) IS
'internal: mvstore_put_at_raw on shards';

CREATE FUNCTION mvstore_put_at_raw(store text, key bytea, value bytea, version bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM @extschema@.mvstore_shard_put_at_raw(store, key, value, version, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_put_at_raw(text, bytea, bytea, bigint) IS
'write a value into the past, for imports and replays';

CREATE FUNCTION mvstore_shard_delete_at(a_store text, a_key text, a_version bigint, a_patience text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_delete_at(a_store::regclass, a_key, a_version) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_delete_at(text, text, bigint, text) IS
'internal: mvstore_delete_at on shards';

CREATE FUNCTION mvstore_delete_at(store text, key text, version bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM @extschema@.mvstore_shard_delete_at(store, key, version, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_delete_at(text, text, bigint) IS
'write a tombstone into the past, for imports and replays';

CREATE FUNCTION mvstore_shard_delete_at_raw(a_store text, a_key bytea, a_version bigint, a_patience text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT mvstore_delete_at_raw(a_store::regclass, a_key, a_version) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_delete_at_raw(text, bytea, bigint, text) IS
'internal: mvstore_delete_at_raw on shards';

CREATE FUNCTION mvstore_delete_at_raw(store text, key bytea, version bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM @extschema@.mvstore_shard_delete_at_raw(store, key, version, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_delete_at_raw(text, bytea, bigint) IS
'write a tombstone into the past, for imports and replays';

CREATE FUNCTION mvstore_revert(store text, to_version bigint, prefix text DEFAULT NULL::text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT s FROM @extschema@.mvstore_cluster_shards(store, prefix) s ORDER BY s);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	RETURN (SELECT sum(r::bigint) FROM unnest(@extschema@.mvstore_cluster_write(shards, 'mvstore_revert(regclass, bigint, text)',
		ARRAY[store, to_version::text, prefix], true)) r);
END $$;
COMMENT ON FUNCTION mvstore_revert(text, bigint, text) IS
'write what makes the state that as of a version again; returns how many keys were written';

CREATE FUNCTION mvstore_revert_raw(store text, to_version bigint, prefix bytea DEFAULT NULL::bytea) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT s FROM @extschema@.mvstore_cluster_shards_raw(store, prefix) s ORDER BY s);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	RETURN (SELECT sum(r::bigint) FROM unnest(@extschema@.mvstore_cluster_write(shards, 'mvstore_revert_raw(regclass, bigint, bytea)',
		ARRAY[store, to_version::text, prefix::text], true)) r);
END $$;
COMMENT ON FUNCTION mvstore_revert_raw(text, bigint, bytea) IS
'write what makes the state that as of a version again; returns how many keys were written';

CREATE FUNCTION mvstore_shard_get(a_store text, a_key text, a_as_of bigint) RETURNS text LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_get(a_store::regclass, a_key, a_as_of);
$$;
COMMENT ON FUNCTION mvstore_shard_get(text, text, bigint) IS
'internal: mvstore_get on shards';

CREATE FUNCTION mvstore_get(store text, key text, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_get(store, key, as_of);
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY[@extschema@.mvstore_cluster_shard(store, key)]) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_get(text, text, bigint) IS
'the value under a key; NULL if absent, deleted or expired';

CREATE FUNCTION mvstore_shard_get_bytea(a_store text, a_key text, a_as_of bigint) RETURNS bytea LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_get_bytea(a_store::regclass, a_key, a_as_of);
$$;
COMMENT ON FUNCTION mvstore_shard_get_bytea(text, text, bigint) IS
'internal: mvstore_get_bytea on shards';

CREATE FUNCTION mvstore_get_bytea(store text, key text, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS bytea
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_get_bytea(store, key, as_of);
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY[@extschema@.mvstore_cluster_shard(store, key)]) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_get_bytea(text, text, bigint) IS
'the value under a key; NULL if absent, deleted or expired';

CREATE FUNCTION mvstore_shard_get_raw(a_store text, a_key bytea, a_as_of bigint) RETURNS bytea LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT mvstore_get_raw(a_store::regclass, a_key, a_as_of);
$$;
COMMENT ON FUNCTION mvstore_shard_get_raw(text, bytea, bigint) IS
'internal: mvstore_get_raw on shards';

CREATE FUNCTION mvstore_get_raw(store text, key bytea, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS bytea
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_get_raw(store, key, as_of);
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY[@extschema@.mvstore_cluster_shard_raw(store, key)]) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_get_raw(text, bytea, bigint) IS
'the value under a key; NULL if absent, deleted or expired';

CREATE FUNCTION mvstore_shard_get_entry(a_store text, a_key text, a_as_of bigint) RETURNS TABLE (key text, version bigint, value text, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_get_entry(a_store::regclass, a_key, a_as_of) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_get_entry(text, text, bigint) IS
'internal: mvstore_get_entry on shards';

CREATE FUNCTION mvstore_cluster_get_entry(store text, a_key text, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS TABLE (key text, version bigint, value text, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_get_entry(store, a_key, as_of) r;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY[@extschema@.mvstore_cluster_shard(store, a_key)]) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_cluster_get_entry(text, text, bigint) IS
'internal: below mvstore_get_entry';

CREATE FUNCTION mvstore_get_entry(store text, key text, as_of bigint DEFAULT '9223372036854775807'::bigint, OUT key text, OUT version bigint, OUT value text, OUT expires_at timestamp with time zone) RETURNS record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT r.* FROM @extschema@.mvstore_cluster_get_entry($1, $2, $3) r WHERE r.version IS NOT NULL
$$;
COMMENT ON FUNCTION mvstore_get_entry(text, text, bigint) IS
'the live entry under a key, with its own version';

CREATE FUNCTION mvstore_shard_get_entry_bytea(a_store text, a_key text, a_as_of bigint) RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_get_entry_bytea(a_store::regclass, a_key, a_as_of) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_get_entry_bytea(text, text, bigint) IS
'internal: mvstore_get_entry_bytea on shards';

CREATE FUNCTION mvstore_cluster_get_entry_bytea(store text, a_key text, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_get_entry_bytea(store, a_key, as_of) r;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY[@extschema@.mvstore_cluster_shard(store, a_key)]) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_cluster_get_entry_bytea(text, text, bigint) IS
'internal: below mvstore_get_entry_bytea';

CREATE FUNCTION mvstore_get_entry_bytea(store text, key text, as_of bigint DEFAULT '9223372036854775807'::bigint, OUT key text, OUT version bigint, OUT value bytea, OUT expires_at timestamp with time zone) RETURNS record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT r.* FROM @extschema@.mvstore_cluster_get_entry_bytea($1, $2, $3) r WHERE r.version IS NOT NULL
$$;
COMMENT ON FUNCTION mvstore_get_entry_bytea(text, text, bigint) IS
'the live entry under a key, with its own version';

CREATE FUNCTION mvstore_shard_get_entry_raw(a_store text, a_key bytea, a_as_of bigint) RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_get_entry_raw(a_store::regclass, a_key, a_as_of) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_get_entry_raw(text, bytea, bigint) IS
'internal: mvstore_get_entry_raw on shards';

CREATE FUNCTION mvstore_cluster_get_entry_raw(store text, a_key bytea, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_get_entry_raw(store, a_key, as_of) r;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY[@extschema@.mvstore_cluster_shard_raw(store, a_key)]) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_cluster_get_entry_raw(text, bytea, bigint) IS
'internal: below mvstore_get_entry_raw';

CREATE FUNCTION mvstore_get_entry_raw(store text, key bytea, as_of bigint DEFAULT '9223372036854775807'::bigint, OUT key bytea, OUT version bigint, OUT value bytea, OUT expires_at timestamp with time zone) RETURNS record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT r.* FROM @extschema@.mvstore_cluster_get_entry_raw($1, $2, $3) r WHERE r.version IS NOT NULL
$$;
COMMENT ON FUNCTION mvstore_get_entry_raw(text, bytea, bigint) IS
'the live entry under a key, with its own version';

CREATE FUNCTION mvstore_shard_get_many(a_store text, a_keys text[], a_as_of bigint, a_shards integer[]) RETURNS TABLE (key text, version bigint, value text, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; SPLIT a_keys, a_shards; RUN ON a_shards;
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_get_many(a_store::regclass, a_keys, a_as_of) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_get_many(text, text[], bigint, integer[]) IS
'internal: mvstore_get_many on shards';

CREATE FUNCTION mvstore_get_many(store text, keys text[], as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS TABLE (key text, version bigint, value text, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	wanted text[];
	places integer[];
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	IF keys IS NULL OR array_ndims(keys) > 1 THEN
		PERFORM @extschema@.mvstore_cluster_places(store, keys);	-- which says that
	END IF;
	wanted := ARRAY(SELECT DISTINCT k COLLATE "C" FROM unnest(keys) k);
	places := @extschema@.mvstore_cluster_places(store, wanted);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN QUERY SELECT k.key, r.version, r.value, r.expires_at
		  FROM unnest(keys) WITH ORDINALITY AS k (key, n)
		  JOIN @extschema@.mvstore_shard_get_many(store, wanted, as_of, places) r ON r.key = k.key COLLATE "C" ORDER BY k.n;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, places) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_get_many(text, text[], bigint) IS
'a row for each of the keys, in their order; all but the key is NULL where there is none';

CREATE FUNCTION mvstore_shard_get_many_bytea(a_store text, a_keys text[], a_as_of bigint, a_shards integer[]) RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; SPLIT a_keys, a_shards; RUN ON a_shards;
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_get_many_bytea(a_store::regclass, a_keys, a_as_of) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_get_many_bytea(text, text[], bigint, integer[]) IS
'internal: mvstore_get_many_bytea on shards';

CREATE FUNCTION mvstore_get_many_bytea(store text, keys text[], as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	wanted text[];
	places integer[];
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	IF keys IS NULL OR array_ndims(keys) > 1 THEN
		PERFORM @extschema@.mvstore_cluster_places(store, keys);	-- which says that
	END IF;
	wanted := ARRAY(SELECT DISTINCT k COLLATE "C" FROM unnest(keys) k);
	places := @extschema@.mvstore_cluster_places(store, wanted);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN QUERY SELECT k.key, r.version, r.value, r.expires_at
		  FROM unnest(keys) WITH ORDINALITY AS k (key, n)
		  JOIN @extschema@.mvstore_shard_get_many_bytea(store, wanted, as_of, places) r ON r.key = k.key COLLATE "C" ORDER BY k.n;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, places) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_get_many_bytea(text, text[], bigint) IS
'a row for each of the keys, in their order; all but the key is NULL where there is none';

CREATE FUNCTION mvstore_shard_get_many_raw(a_store text, a_keys bytea[], a_as_of bigint, a_shards integer[]) RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; SPLIT a_keys, a_shards; RUN ON a_shards;
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_get_many_raw(a_store::regclass, a_keys, a_as_of) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_get_many_raw(text, bytea[], bigint, integer[]) IS
'internal: mvstore_get_many_raw on shards';

CREATE FUNCTION mvstore_get_many_raw(store text, keys bytea[], as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	wanted bytea[];
	places integer[];
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	IF keys IS NULL OR array_ndims(keys) > 1 THEN
		PERFORM @extschema@.mvstore_cluster_places_raw(store, keys);	-- which says that
	END IF;
	wanted := ARRAY(SELECT DISTINCT k FROM unnest(keys) k);
	places := @extschema@.mvstore_cluster_places_raw(store, wanted);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN QUERY SELECT k.key, r.version, r.value, r.expires_at
		  FROM unnest(keys) WITH ORDINALITY AS k (key, n)
		  JOIN @extschema@.mvstore_shard_get_many_raw(store, wanted, as_of, places) r ON r.key = k.key ORDER BY k.n;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, places) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_get_many_raw(text, bytea[], bigint) IS
'a row for each of the keys, in their order; all but the key is NULL where there is none';

CREATE FUNCTION mvstore_shard_contains(a_store text, a_key text, a_as_of bigint) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_contains(a_store::regclass, a_key, a_as_of);
$$;
COMMENT ON FUNCTION mvstore_shard_contains(text, text, bigint) IS
'internal: mvstore_contains on shards';

CREATE FUNCTION mvstore_contains(store text, key text, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_contains(store, key, as_of);
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY[@extschema@.mvstore_cluster_shard(store, key)]) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_contains(text, text, bigint) IS
'whether a key has a value';

CREATE FUNCTION mvstore_shard_contains_raw(a_store text, a_key bytea, a_as_of bigint) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT mvstore_contains_raw(a_store::regclass, a_key, a_as_of);
$$;
COMMENT ON FUNCTION mvstore_shard_contains_raw(text, bytea, bigint) IS
'internal: mvstore_contains_raw on shards';

CREATE FUNCTION mvstore_contains_raw(store text, key bytea, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_contains_raw(store, key, as_of);
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY[@extschema@.mvstore_cluster_shard_raw(store, key)]) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_contains_raw(text, bytea, bigint) IS
'whether a key has a value';

CREATE FUNCTION mvstore_shard_previous(a_store text, a_key text, a_before bigint) RETURNS TABLE (key text, version bigint, value text, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_previous(a_store::regclass, a_key, a_before) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_previous(text, text, bigint) IS
'internal: mvstore_previous on shards';

CREATE FUNCTION mvstore_cluster_previous(store text, a_key text, before bigint DEFAULT '9223372036854775807'::bigint) RETURNS TABLE (key text, version bigint, value text, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_present('mvstore_previous');
	PERFORM @extschema@.mvstore_cluster_enter(false);
	RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_previous(store, a_key, before) r;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_previous(text, text, bigint) IS
'internal: below mvstore_previous';

CREATE FUNCTION mvstore_previous(store text, key text, before bigint DEFAULT '9223372036854775807'::bigint, OUT key text, OUT version bigint, OUT value text, OUT expires_at timestamp with time zone) RETURNS record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT r.* FROM @extschema@.mvstore_cluster_previous($1, $2, $3) r WHERE r.version IS NOT NULL
$$;
COMMENT ON FUNCTION mvstore_previous(text, text, bigint) IS
'the newest entry of a key below a version, tombstones included';

CREATE FUNCTION mvstore_shard_previous_bytea(a_store text, a_key text, a_before bigint) RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_previous_bytea(a_store::regclass, a_key, a_before) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_previous_bytea(text, text, bigint) IS
'internal: mvstore_previous_bytea on shards';

CREATE FUNCTION mvstore_cluster_previous_bytea(store text, a_key text, before bigint DEFAULT '9223372036854775807'::bigint) RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_present('mvstore_previous_bytea');
	PERFORM @extschema@.mvstore_cluster_enter(false);
	RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_previous_bytea(store, a_key, before) r;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_previous_bytea(text, text, bigint) IS
'internal: below mvstore_previous_bytea';

CREATE FUNCTION mvstore_previous_bytea(store text, key text, before bigint DEFAULT '9223372036854775807'::bigint, OUT key text, OUT version bigint, OUT value bytea, OUT expires_at timestamp with time zone) RETURNS record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT r.* FROM @extschema@.mvstore_cluster_previous_bytea($1, $2, $3) r WHERE r.version IS NOT NULL
$$;
COMMENT ON FUNCTION mvstore_previous_bytea(text, text, bigint) IS
'the newest entry of a key below a version, tombstones included';

CREATE FUNCTION mvstore_shard_previous_raw(a_store text, a_key bytea, a_before bigint) RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_previous_raw(a_store::regclass, a_key, a_before) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_previous_raw(text, bytea, bigint) IS
'internal: mvstore_previous_raw on shards';

CREATE FUNCTION mvstore_cluster_previous_raw(store text, a_key bytea, before bigint DEFAULT '9223372036854775807'::bigint) RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_present('mvstore_previous_raw');
	PERFORM @extschema@.mvstore_cluster_enter(false);
	RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_previous_raw(store, a_key, before) r;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_previous_raw(text, bytea, bigint) IS
'internal: below mvstore_previous_raw';

CREATE FUNCTION mvstore_previous_raw(store text, key bytea, before bigint DEFAULT '9223372036854775807'::bigint, OUT key bytea, OUT version bigint, OUT value bytea, OUT expires_at timestamp with time zone) RETURNS record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT r.* FROM @extschema@.mvstore_cluster_previous_raw($1, $2, $3) r WHERE r.version IS NOT NULL
$$;
COMMENT ON FUNCTION mvstore_previous_raw(text, bytea, bigint) IS
'the newest entry of a key below a version, tombstones included';

CREATE FUNCTION mvstore_shard_scan(a_store text, a_from_key text, a_to_key text, a_as_of bigint, a_max_rows bigint, a_reverse boolean) RETURNS TABLE (key text, version bigint, value text, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_scan(a_store::regclass, a_from_key, a_to_key, a_as_of, a_max_rows, a_reverse) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_scan(text, text, text, bigint, bigint, boolean) IS
'internal: mvstore_scan on shards';

CREATE FUNCTION mvstore_scan(store text, from_key text DEFAULT NULL::text, to_key text DEFAULT NULL::text, as_of bigint DEFAULT '9223372036854775807'::bigint, max_rows bigint DEFAULT NULL::bigint, reverse boolean DEFAULT false) RETURNS TABLE (key text, version bigint, value text, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			IF reverse THEN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan(store, from_key, to_key, as_of, max_rows, reverse) r ORDER BY r.key COLLATE "C" DESC LIMIT max_rows;
		ELSE
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan(store, from_key, to_key, as_of, max_rows, reverse) r ORDER BY r.key COLLATE "C" LIMIT max_rows;
		END IF;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c)) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_scan(text, text, text, bigint, bigint, boolean) IS
'the keys in [from_key, to_key) that have a value, in byte order';

CREATE FUNCTION mvstore_shard_scan_bytea(a_store text, a_from_key text, a_to_key text, a_as_of bigint, a_max_rows bigint, a_reverse boolean) RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_scan_bytea(a_store::regclass, a_from_key, a_to_key, a_as_of, a_max_rows, a_reverse) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_scan_bytea(text, text, text, bigint, bigint, boolean) IS
'internal: mvstore_scan_bytea on shards';

CREATE FUNCTION mvstore_scan_bytea(store text, from_key text DEFAULT NULL::text, to_key text DEFAULT NULL::text, as_of bigint DEFAULT '9223372036854775807'::bigint, max_rows bigint DEFAULT NULL::bigint, reverse boolean DEFAULT false) RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			IF reverse THEN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan_bytea(store, from_key, to_key, as_of, max_rows, reverse) r ORDER BY r.key COLLATE "C" DESC LIMIT max_rows;
		ELSE
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan_bytea(store, from_key, to_key, as_of, max_rows, reverse) r ORDER BY r.key COLLATE "C" LIMIT max_rows;
		END IF;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c)) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_scan_bytea(text, text, text, bigint, bigint, boolean) IS
'the keys in [from_key, to_key) that have a value, in byte order';

CREATE FUNCTION mvstore_shard_scan_raw(a_store text, a_from_key bytea, a_to_key bytea, a_as_of bigint, a_max_rows bigint, a_reverse boolean) RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_scan_raw(a_store::regclass, a_from_key, a_to_key, a_as_of, a_max_rows, a_reverse) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_scan_raw(text, bytea, bytea, bigint, bigint, boolean) IS
'internal: mvstore_scan_raw on shards';

CREATE FUNCTION mvstore_scan_raw(store text, from_key bytea DEFAULT NULL::bytea, to_key bytea DEFAULT NULL::bytea, as_of bigint DEFAULT '9223372036854775807'::bigint, max_rows bigint DEFAULT NULL::bigint, reverse boolean DEFAULT false) RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			IF reverse THEN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan_raw(store, from_key, to_key, as_of, max_rows, reverse) r ORDER BY r.key DESC LIMIT max_rows;
		ELSE
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan_raw(store, from_key, to_key, as_of, max_rows, reverse) r ORDER BY r.key LIMIT max_rows;
		END IF;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c)) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_scan_raw(text, bytea, bytea, bigint, bigint, boolean) IS
'the keys in [from_key, to_key) that have a value, in byte order';

CREATE FUNCTION mvstore_shard_scan_prefix(a_store text, a_prefix text, a_as_of bigint, a_max_rows bigint, a_reverse boolean) RETURNS TABLE (key text, version bigint, value text, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shards(a_store, a_prefix);
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_scan_prefix(a_store::regclass, a_prefix, a_as_of, a_max_rows, a_reverse) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_scan_prefix(text, text, bigint, bigint, boolean) IS
'internal: mvstore_scan_prefix on shards';

CREATE FUNCTION mvstore_scan_prefix(store text, prefix text, as_of bigint DEFAULT '9223372036854775807'::bigint, max_rows bigint DEFAULT NULL::bigint, reverse boolean DEFAULT false) RETURNS TABLE (key text, version bigint, value text, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			IF reverse THEN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan_prefix(store, prefix, as_of, max_rows, reverse) r ORDER BY r.key COLLATE "C" DESC LIMIT max_rows;
		ELSE
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan_prefix(store, prefix, as_of, max_rows, reverse) r ORDER BY r.key COLLATE "C" LIMIT max_rows;
		END IF;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY(SELECT @extschema@.mvstore_cluster_shards(store, prefix))) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_scan_prefix(text, text, bigint, bigint, boolean) IS
'the keys that begin with a prefix and have a value, in byte order';

CREATE FUNCTION mvstore_shard_scan_prefix_bytea(a_store text, a_prefix text, a_as_of bigint, a_max_rows bigint, a_reverse boolean) RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shards(a_store, a_prefix);
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_scan_prefix_bytea(a_store::regclass, a_prefix, a_as_of, a_max_rows, a_reverse) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_scan_prefix_bytea(text, text, bigint, bigint, boolean) IS
'internal: mvstore_scan_prefix_bytea on shards';

CREATE FUNCTION mvstore_scan_prefix_bytea(store text, prefix text, as_of bigint DEFAULT '9223372036854775807'::bigint, max_rows bigint DEFAULT NULL::bigint, reverse boolean DEFAULT false) RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			IF reverse THEN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan_prefix_bytea(store, prefix, as_of, max_rows, reverse) r ORDER BY r.key COLLATE "C" DESC LIMIT max_rows;
		ELSE
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan_prefix_bytea(store, prefix, as_of, max_rows, reverse) r ORDER BY r.key COLLATE "C" LIMIT max_rows;
		END IF;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY(SELECT @extschema@.mvstore_cluster_shards(store, prefix))) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_scan_prefix_bytea(text, text, bigint, bigint, boolean) IS
'the keys that begin with a prefix and have a value, in byte order';

CREATE FUNCTION mvstore_shard_scan_prefix_raw(a_store text, a_prefix bytea, a_as_of bigint, a_max_rows bigint, a_reverse boolean) RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shards_raw(a_store, a_prefix);
	SELECT r.key, r.version, r.value, r.expires_at FROM mvstore_scan_prefix_raw(a_store::regclass, a_prefix, a_as_of, a_max_rows, a_reverse) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_scan_prefix_raw(text, bytea, bigint, bigint, boolean) IS
'internal: mvstore_scan_prefix_raw on shards';

CREATE FUNCTION mvstore_scan_prefix_raw(store text, prefix bytea, as_of bigint DEFAULT '9223372036854775807'::bigint, max_rows bigint DEFAULT NULL::bigint, reverse boolean DEFAULT false) RETURNS TABLE (key bytea, version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			IF reverse THEN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan_prefix_raw(store, prefix, as_of, max_rows, reverse) r ORDER BY r.key DESC LIMIT max_rows;
		ELSE
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_scan_prefix_raw(store, prefix, as_of, max_rows, reverse) r ORDER BY r.key LIMIT max_rows;
		END IF;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY(SELECT @extschema@.mvstore_cluster_shards_raw(store, prefix))) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_scan_prefix_raw(text, bytea, bigint, bigint, boolean) IS
'the keys that begin with a prefix and have a value, in byte order';

CREATE FUNCTION mvstore_shard_count(a_store text, a_from_key text, a_to_key text, a_as_of bigint) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_count(a_store::regclass, a_from_key, a_to_key, a_as_of);
$$;
COMMENT ON FUNCTION mvstore_shard_count(text, text, text, bigint) IS
'internal: mvstore_count on shards';

CREATE FUNCTION mvstore_count(store text, from_key text DEFAULT NULL::text, to_key text DEFAULT NULL::text, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN (SELECT sum(r) FROM @extschema@.mvstore_shard_count(store, from_key, to_key, as_of) r);
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c)) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_count(text, text, text, bigint) IS
'how many keys in [from_key, to_key) have a value';

CREATE FUNCTION mvstore_shard_count_raw(a_store text, a_from_key bytea, a_to_key bytea, a_as_of bigint) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_count_raw(a_store::regclass, a_from_key, a_to_key, a_as_of);
$$;
COMMENT ON FUNCTION mvstore_shard_count_raw(text, bytea, bytea, bigint) IS
'internal: mvstore_count_raw on shards';

CREATE FUNCTION mvstore_count_raw(store text, from_key bytea DEFAULT NULL::bytea, to_key bytea DEFAULT NULL::bytea, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN (SELECT sum(r) FROM @extschema@.mvstore_shard_count_raw(store, from_key, to_key, as_of) r);
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c)) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_count_raw(text, bytea, bytea, bigint) IS
'how many keys in [from_key, to_key) have a value';

CREATE FUNCTION mvstore_shard_count_prefix(a_store text, a_prefix text, a_as_of bigint) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shards(a_store, a_prefix);
	SELECT mvstore_count_prefix(a_store::regclass, a_prefix, a_as_of);
$$;
COMMENT ON FUNCTION mvstore_shard_count_prefix(text, text, bigint) IS
'internal: mvstore_count_prefix on shards';

CREATE FUNCTION mvstore_count_prefix(store text, prefix text, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN (SELECT sum(r) FROM @extschema@.mvstore_shard_count_prefix(store, prefix, as_of) r);
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY(SELECT @extschema@.mvstore_cluster_shards(store, prefix))) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_count_prefix(text, text, bigint) IS
'how many keys that begin with a prefix have a value';

CREATE FUNCTION mvstore_shard_count_prefix_raw(a_store text, a_prefix bytea, a_as_of bigint) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shards_raw(a_store, a_prefix);
	SELECT mvstore_count_prefix_raw(a_store::regclass, a_prefix, a_as_of);
$$;
COMMENT ON FUNCTION mvstore_shard_count_prefix_raw(text, bytea, bigint) IS
'internal: mvstore_count_prefix_raw on shards';

CREATE FUNCTION mvstore_count_prefix_raw(store text, prefix bytea, as_of bigint DEFAULT '9223372036854775807'::bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	as_of := @extschema@.mvstore_cluster_as_of(as_of, 'as_of');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN (SELECT sum(r) FROM @extschema@.mvstore_shard_count_prefix_raw(store, prefix, as_of) r);
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, as_of, ARRAY(SELECT @extschema@.mvstore_cluster_shards_raw(store, prefix))) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_count_prefix_raw(text, bytea, bigint) IS
'how many keys that begin with a prefix have a value';

CREATE FUNCTION mvstore_shard_diff(a_store text, a_from_version bigint, a_to_version bigint, a_prefix text) RETURNS TABLE (key text, old_version bigint, old_value text, new_version bigint, new_value text) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shards(a_store, a_prefix);
	SELECT r.key, r.old_version, r.old_value, r.new_version, r.new_value FROM mvstore_diff(a_store::regclass, a_from_version, a_to_version, a_prefix) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_diff(text, bigint, bigint, text) IS
'internal: mvstore_diff on shards';

CREATE FUNCTION mvstore_diff(store text, from_version bigint, to_version bigint DEFAULT '9223372036854775807'::bigint, prefix text DEFAULT NULL::text) RETURNS TABLE (key text, old_version bigint, old_value text, new_version bigint, new_value text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	to_version := @extschema@.mvstore_cluster_as_of(to_version, 'to_version');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_diff(store, from_version, to_version, prefix) r ORDER BY r.key COLLATE "C";
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, to_version, ARRAY(SELECT @extschema@.mvstore_cluster_shards(store, prefix))) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_diff(text, bigint, bigint, text) IS
'the keys whose live entry is another as of to_version than as of from_version';

CREATE FUNCTION mvstore_shard_diff_bytea(a_store text, a_from_version bigint, a_to_version bigint, a_prefix text) RETURNS TABLE (key text, old_version bigint, old_value bytea, new_version bigint, new_value bytea) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shards(a_store, a_prefix);
	SELECT r.key, r.old_version, r.old_value, r.new_version, r.new_value FROM mvstore_diff_bytea(a_store::regclass, a_from_version, a_to_version, a_prefix) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_diff_bytea(text, bigint, bigint, text) IS
'internal: mvstore_diff_bytea on shards';

CREATE FUNCTION mvstore_diff_bytea(store text, from_version bigint, to_version bigint DEFAULT '9223372036854775807'::bigint, prefix text DEFAULT NULL::text) RETURNS TABLE (key text, old_version bigint, old_value bytea, new_version bigint, new_value bytea)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	to_version := @extschema@.mvstore_cluster_as_of(to_version, 'to_version');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_diff_bytea(store, from_version, to_version, prefix) r ORDER BY r.key COLLATE "C";
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, to_version, ARRAY(SELECT @extschema@.mvstore_cluster_shards(store, prefix))) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_diff_bytea(text, bigint, bigint, text) IS
'the keys whose live entry is another as of to_version than as of from_version';

CREATE FUNCTION mvstore_shard_diff_raw(a_store text, a_from_version bigint, a_to_version bigint, a_prefix bytea) RETURNS TABLE (key bytea, old_version bigint, old_value bytea, new_version bigint, new_value bytea) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shards_raw(a_store, a_prefix);
	SELECT r.key, r.old_version, r.old_value, r.new_version, r.new_value FROM mvstore_diff_raw(a_store::regclass, a_from_version, a_to_version, a_prefix) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_diff_raw(text, bigint, bigint, bytea) IS
'internal: mvstore_diff_raw on shards';

CREATE FUNCTION mvstore_diff_raw(store text, from_version bigint, to_version bigint DEFAULT '9223372036854775807'::bigint, prefix bytea DEFAULT NULL::bytea) RETURNS TABLE (key bytea, old_version bigint, old_value bytea, new_version bigint, new_value bytea)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	to_version := @extschema@.mvstore_cluster_as_of(to_version, 'to_version');
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_diff_raw(store, from_version, to_version, prefix) r ORDER BY r.key;
			RETURN;
		EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception OR object_not_in_prerequisite_state THEN
			IF NOT @extschema@.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, to_version, ARRAY(SELECT @extschema@.mvstore_cluster_shards_raw(store, prefix))) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_diff_raw(text, bigint, bigint, bytea) IS
'the keys whose live entry is another as of to_version than as of from_version';

CREATE FUNCTION mvstore_shard_history(a_store text, a_key text, a_max_rows bigint) RETURNS TABLE (version bigint, value text, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT r.version, r.value, r.expires_at FROM mvstore_history(a_store::regclass, a_key, a_max_rows) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_history(text, text, bigint) IS
'internal: mvstore_history on shards';

CREATE FUNCTION mvstore_history(store text, key text, max_rows bigint DEFAULT NULL::bigint) RETURNS TABLE (version bigint, value text, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_present('mvstore_history');
	PERFORM @extschema@.mvstore_cluster_enter(false);
	RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_history(store, key, max_rows) r;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_history(text, text, bigint) IS
'every entry of a key, newest first, tombstones included';

CREATE FUNCTION mvstore_shard_history_bytea(a_store text, a_key text, a_max_rows bigint) RETURNS TABLE (version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT r.version, r.value, r.expires_at FROM mvstore_history_bytea(a_store::regclass, a_key, a_max_rows) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_history_bytea(text, text, bigint) IS
'internal: mvstore_history_bytea on shards';

CREATE FUNCTION mvstore_history_bytea(store text, key text, max_rows bigint DEFAULT NULL::bigint) RETURNS TABLE (version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_present('mvstore_history_bytea');
	PERFORM @extschema@.mvstore_cluster_enter(false);
	RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_history_bytea(store, key, max_rows) r;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_history_bytea(text, text, bigint) IS
'every entry of a key, newest first, tombstones included';

CREATE FUNCTION mvstore_shard_history_raw(a_store text, a_key bytea, a_max_rows bigint) RETURNS TABLE (version bigint, value bytea, expires_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT r.version, r.value, r.expires_at FROM mvstore_history_raw(a_store::regclass, a_key, a_max_rows) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_history_raw(text, bytea, bigint) IS
'internal: mvstore_history_raw on shards';

CREATE FUNCTION mvstore_history_raw(store text, key bytea, max_rows bigint DEFAULT NULL::bigint) RETURNS TABLE (version bigint, value bytea, expires_at timestamp with time zone)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_present('mvstore_history_raw');
	PERFORM @extschema@.mvstore_cluster_enter(false);
	RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_history_raw(store, key, max_rows) r;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_history_raw(text, bytea, bigint) IS
'every entry of a key, newest first, tombstones included';

CREATE FUNCTION mvstore_shard_changes(a_store text, a_after_version bigint, a_after_key text, a_max_rows bigint, a_wait interval, a_compacted boolean, a_synced_at bigint) RETURNS TABLE (version bigint, key text, value text, expires_at timestamp with time zone, deleted boolean) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT r.version, r.key, r.value, r.expires_at, r.deleted FROM mvstore_changes(a_store::regclass, a_after_version, a_after_key, a_max_rows, a_wait, a_compacted, a_synced_at) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_changes(text, bigint, text, bigint, interval, boolean, bigint) IS
'internal: mvstore_changes on shards';

CREATE FUNCTION mvstore_changes(store text, after_version bigint, after_key text DEFAULT NULL::text, max_rows bigint DEFAULT NULL::bigint, wait interval DEFAULT NULL::interval, compacted boolean DEFAULT false, synced_at bigint DEFAULT NULL::bigint) RETURNS TABLE (version bigint, key text, value text, expires_at timestamp with time zone, deleted boolean)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	deadline timestamptz := clock_timestamp() + wait;
	upto bigint;
BEGIN
	PERFORM @extschema@.mvstore_cluster_present('mvstore_changes');
	LOOP
		-- Beyond what is stable on all shards, one may still have changes that come before those of others.
		upto := @extschema@.mvstore_stable_version();
		RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_changes(store, after_version, after_key, max_rows, NULL, compacted, synced_at) r WHERE r.version <= upto
			ORDER BY r.version, r.key COLLATE "C" LIMIT max_rows;
		EXIT WHEN FOUND OR wait IS NULL OR clock_timestamp() >= deadline;
		PERFORM pg_sleep(0.02);
	END LOOP;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_changes(text, bigint, text, bigint, interval, boolean, bigint) IS
'the entries of a store behind a position, up to the stable version, in order of version and key';

CREATE FUNCTION mvstore_shard_changes_bytea(a_store text, a_after_version bigint, a_after_key text, a_max_rows bigint, a_wait interval, a_compacted boolean, a_synced_at bigint) RETURNS TABLE (version bigint, key text, value bytea, expires_at timestamp with time zone, deleted boolean) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT r.version, r.key, r.value, r.expires_at, r.deleted FROM mvstore_changes_bytea(a_store::regclass, a_after_version, a_after_key, a_max_rows, a_wait, a_compacted, a_synced_at) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_changes_bytea(text, bigint, text, bigint, interval, boolean, bigint) IS
'internal: mvstore_changes_bytea on shards';

CREATE FUNCTION mvstore_changes_bytea(store text, after_version bigint, after_key text DEFAULT NULL::text, max_rows bigint DEFAULT NULL::bigint, wait interval DEFAULT NULL::interval, compacted boolean DEFAULT false, synced_at bigint DEFAULT NULL::bigint) RETURNS TABLE (version bigint, key text, value bytea, expires_at timestamp with time zone, deleted boolean)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	deadline timestamptz := clock_timestamp() + wait;
	upto bigint;
BEGIN
	PERFORM @extschema@.mvstore_cluster_present('mvstore_changes_bytea');
	LOOP
		-- Beyond what is stable on all shards, one may still have changes that come before those of others.
		upto := @extschema@.mvstore_stable_version();
		RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_changes_bytea(store, after_version, after_key, max_rows, NULL, compacted, synced_at) r WHERE r.version <= upto
			ORDER BY r.version, r.key COLLATE "C" LIMIT max_rows;
		EXIT WHEN FOUND OR wait IS NULL OR clock_timestamp() >= deadline;
		PERFORM pg_sleep(0.02);
	END LOOP;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_changes_bytea(text, bigint, text, bigint, interval, boolean, bigint) IS
'the entries of a store behind a position, up to the stable version, in order of version and key';

CREATE FUNCTION mvstore_shard_changes_raw(a_store text, a_after_version bigint, a_after_key bytea, a_max_rows bigint, a_wait interval, a_compacted boolean, a_synced_at bigint) RETURNS TABLE (version bigint, key bytea, value bytea, expires_at timestamp with time zone, deleted boolean) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT r.version, r.key, r.value, r.expires_at, r.deleted FROM mvstore_changes_raw(a_store::regclass, a_after_version, a_after_key, a_max_rows, a_wait, a_compacted, a_synced_at) AS r;
$$;
COMMENT ON FUNCTION mvstore_shard_changes_raw(text, bigint, bytea, bigint, interval, boolean, bigint) IS
'internal: mvstore_changes_raw on shards';

CREATE FUNCTION mvstore_changes_raw(store text, after_version bigint, after_key bytea DEFAULT NULL::bytea, max_rows bigint DEFAULT NULL::bigint, wait interval DEFAULT NULL::interval, compacted boolean DEFAULT false, synced_at bigint DEFAULT NULL::bigint) RETURNS TABLE (version bigint, key bytea, value bytea, expires_at timestamp with time zone, deleted boolean)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	deadline timestamptz := clock_timestamp() + wait;
	upto bigint;
BEGIN
	PERFORM @extschema@.mvstore_cluster_present('mvstore_changes_raw');
	LOOP
		-- Beyond what is stable on all shards, one may still have changes that come before those of others.
		upto := @extschema@.mvstore_stable_version();
		RETURN QUERY SELECT r.* FROM @extschema@.mvstore_shard_changes_raw(store, after_version, after_key, max_rows, NULL, compacted, synced_at) r WHERE r.version <= upto
			ORDER BY r.version, r.key LIMIT max_rows;
		EXIT WHEN FOUND OR wait IS NULL OR clock_timestamp() >= deadline;
		PERFORM pg_sleep(0.02);
	END LOOP;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_changes_raw(text, bigint, bytea, bigint, interval, boolean, bigint) IS
'the entries of a store behind a position, up to the stable version, in order of version and key';

CREATE PROCEDURE mvstore_wait_changes(store text, after_version bigint, timeout interval DEFAULT '00:00:30'::interval)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	deadline timestamptz := clock_timestamp() + timeout;
BEGIN
	IF timeout IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'timeout must not be null';
	END IF;
	LOOP
		-- It returns where something has changed, whether or not all of that is known.
		PERFORM FROM @extschema@.mvstore_changes_raw(store, after_version, max_rows => 1, compacted => true, synced_at => 9223372036854775807);
		EXIT WHEN FOUND OR clock_timestamp() >= deadline;
		PERFORM pg_sleep(0.02);
	END LOOP;
END $$;
COMMENT ON PROCEDURE mvstore_wait_changes(text, bigint, interval) IS
'wait until a store has changes above a version, without holding a snapshot';

CREATE FUNCTION mvstore_shard_stable_version() RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_stable_version();
$$;
COMMENT ON FUNCTION mvstore_shard_stable_version() IS
'internal: mvstore_stable_version on shards';

CREATE FUNCTION mvstore_stable_version() RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	RETURN (SELECT min(r) FROM @extschema@.mvstore_shard_stable_version() r);
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_stable_version() IS
'the newest version of which a read never changes';

CREATE FUNCTION mvstore_shard_wait_stable(a_version bigint, a_timeout interval) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_wait_stable(a_version, a_timeout);
$$;
COMMENT ON FUNCTION mvstore_shard_wait_stable(bigint, interval) IS
'internal: mvstore_wait_stable on shards';

CREATE FUNCTION mvstore_wait_stable(version bigint, timeout interval DEFAULT '00:00:30'::interval) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	RETURN (SELECT bool_and(r) FROM @extschema@.mvstore_shard_wait_stable(version, timeout) r);
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_wait_stable(bigint, interval) IS
'wait until a version is stable; false on timeout';

CREATE FUNCTION mvstore_shard_current_version() RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_current_version();
$$;
COMMENT ON FUNCTION mvstore_shard_current_version() IS
'internal: mvstore_current_version on shards';

CREATE FUNCTION mvstore_current_version() RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	RETURN (SELECT max(r) FROM @extschema@.mvstore_shard_current_version() r);
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_current_version() IS
'the newest version that can have been handed out: no lower one will be';

CREATE FUNCTION mvstore_use_version(version bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	RAISE feature_not_supported USING MESSAGE = 'mvstore_use_version does not work over shards',
		HINT = 'Each call has a version of its own; mvstore_put_many has one for all that it writes.';
END $$;
COMMENT ON FUNCTION mvstore_use_version(bigint) IS
'have a version that was chosen outside as this transaction''s, before it writes';

CREATE FUNCTION mvstore_version_at(at timestamp with time zone) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN at = 'infinity' THEN 9223372036854775807 WHEN at = '-infinity' THEN 0
		ELSE least(greatest(extract(epoch FROM at) * 1000000, 0), 9223372036854775807)::bigint END
$$;
COMMENT ON FUNCTION mvstore_version_at(timestamp with time zone) IS
'a time as a version: microseconds since 1970';

CREATE FUNCTION mvstore_time_of(version bigint) RETURNS timestamp with time zone
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN version = 9223372036854775807 THEN 'infinity'
		ELSE 'epoch'::timestamptz + version / 1000000 * '1 s'::interval + version % 1000000 * '1 us'::interval END
$$;
COMMENT ON FUNCTION mvstore_time_of(bigint) IS
'a version as a time';

CREATE FUNCTION mvstore_shard_drop(a_store text, a_key text, a_keep integer, a_before bigint, a_patience text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_drop(a_store::regclass, a_key, a_keep, a_before) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_drop(text, text, integer, bigint, text) IS
'internal: mvstore_drop on shards';

CREATE FUNCTION mvstore_drop(store text, key text, keep integer DEFAULT 1, before bigint DEFAULT '9223372036854775807'::bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM @extschema@.mvstore_shard_drop(store, key, keep, before, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_drop(text, text, integer, bigint) IS
'enqueue a drop of the superseded entries of a key beyond the newest keep';

CREATE FUNCTION mvstore_shard_drop_raw(a_store text, a_key bytea, a_keep integer, a_before bigint, a_patience text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT mvstore_drop_raw(a_store::regclass, a_key, a_keep, a_before) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_drop_raw(text, bytea, integer, bigint, text) IS
'internal: mvstore_drop_raw on shards';

CREATE FUNCTION mvstore_drop_raw(store text, key bytea, keep integer DEFAULT 1, before bigint DEFAULT '9223372036854775807'::bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM @extschema@.mvstore_shard_drop_raw(store, key, keep, before, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_drop_raw(text, bytea, integer, bigint) IS
'enqueue a drop of the superseded entries of a key beyond the newest keep';

CREATE FUNCTION mvstore_shard_drop_prefix(a_store text, a_prefix text, a_keep integer, a_before bigint, a_patience text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shards(a_store, a_prefix);
	SELECT mvstore_drop_prefix(a_store::regclass, a_prefix, a_keep, a_before) IS NOT NULL FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_drop_prefix(text, text, integer, bigint, text) IS
'internal: mvstore_drop_prefix on shards';

CREATE FUNCTION mvstore_drop_prefix(store text, prefix text, keep integer DEFAULT 1, before bigint DEFAULT '9223372036854775807'::bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM FROM @extschema@.mvstore_shard_drop_prefix(store, prefix, keep, before, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_drop_prefix(text, text, integer, bigint) IS
'enqueue one drop for all keys that begin with a prefix';

CREATE FUNCTION mvstore_shard_drop_prefix_raw(a_store text, a_prefix bytea, a_keep integer, a_before bigint, a_patience text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shards_raw(a_store, a_prefix);
	SELECT mvstore_drop_prefix_raw(a_store::regclass, a_prefix, a_keep, a_before) IS NOT NULL FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_drop_prefix_raw(text, bytea, integer, bigint, text) IS
'internal: mvstore_drop_prefix_raw on shards';

CREATE FUNCTION mvstore_drop_prefix_raw(store text, prefix bytea, keep integer DEFAULT 1, before bigint DEFAULT '9223372036854775807'::bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM FROM @extschema@.mvstore_shard_drop_prefix_raw(store, prefix, keep, before, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_drop_prefix_raw(text, bytea, integer, bigint) IS
'enqueue one drop for all keys that begin with a prefix';

CREATE FUNCTION mvstore_shard_drop_range(a_store text, a_from_key text, a_to_key text, a_keep integer, a_before bigint, a_patience text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_drop_range(a_store::regclass, a_from_key, a_to_key, a_keep, a_before) IS NOT NULL FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_drop_range(text, text, text, integer, bigint, text) IS
'internal: mvstore_drop_range on shards';

CREATE FUNCTION mvstore_drop_range(store text, from_key text, to_key text, keep integer DEFAULT 1, before bigint DEFAULT '9223372036854775807'::bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM FROM @extschema@.mvstore_shard_drop_range(store, from_key, to_key, keep, before, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_drop_range(text, text, text, integer, bigint) IS
'enqueue one drop for all keys in [from_key, to_key)';

CREATE FUNCTION mvstore_shard_drop_range_raw(a_store text, a_from_key bytea, a_to_key bytea, a_keep integer, a_before bigint, a_patience text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_drop_range_raw(a_store::regclass, a_from_key, a_to_key, a_keep, a_before) IS NOT NULL FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_drop_range_raw(text, bytea, bytea, integer, bigint, text) IS
'internal: mvstore_drop_range_raw on shards';

CREATE FUNCTION mvstore_drop_range_raw(store text, from_key bytea, to_key bytea, keep integer DEFAULT 1, before bigint DEFAULT '9223372036854775807'::bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM FROM @extschema@.mvstore_shard_drop_range_raw(store, from_key, to_key, keep, before, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_drop_range_raw(text, bytea, bytea, integer, bigint) IS
'enqueue one drop for all keys in [from_key, to_key)';

CREATE FUNCTION mvstore_shard_compact(a_store text, a_before bigint, a_patience text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_compact(a_store::regclass, a_before) IS NOT NULL FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_compact(text, bigint, text) IS
'internal: mvstore_compact on shards';

CREATE FUNCTION mvstore_compact(store text, before bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM FROM @extschema@.mvstore_shard_compact(store, before, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_compact(text, bigint) IS
'enqueue a drop of all that reads as of a version, or later, do not need';

CREATE FUNCTION mvstore_shard_sweep(a_store text, a_patience text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_sweep(a_store::regclass) IS NOT NULL FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_sweep(text, text) IS
'internal: mvstore_sweep on shards';

CREATE FUNCTION mvstore_sweep(store text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM FROM @extschema@.mvstore_shard_sweep(store, @extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_sweep(text) IS
'ask for a full pass of the policy over a store';

CREATE FUNCTION mvstore_shard_flush(a_timeout interval) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_flush(a_timeout);
$$;
COMMENT ON FUNCTION mvstore_shard_flush(interval) IS
'internal: mvstore_flush on shards';

CREATE FUNCTION mvstore_flush(timeout interval DEFAULT '00:00:30'::interval) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(false);
	RETURN (SELECT bool_and(r) FROM @extschema@.mvstore_shard_flush(timeout) r);
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_flush(interval) IS
'wait until every drop requested by now is done; false on timeout';

CREATE FUNCTION mvstore_shard_erase(a_store text, a_key text, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard(a_store, a_key);
	SELECT mvstore_erase(a_store::regclass, a_key) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_erase(text, text, text) IS
'internal: mvstore_erase on shards';

CREATE FUNCTION mvstore_erase(store text, key text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_erase(store, key, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_erase(text, text) IS
'remove a key as if it had never been, in this transaction; returns how many entries went';

CREATE FUNCTION mvstore_shard_erase_raw(a_store text, a_key bytea, a_patience text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON @extschema@.mvstore_cluster_shard_raw(a_store, a_key);
	SELECT mvstore_erase_raw(a_store::regclass, a_key) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
COMMENT ON FUNCTION mvstore_shard_erase_raw(text, bytea, text) IS
'internal: mvstore_erase_raw on shards';

CREATE FUNCTION mvstore_erase_raw(store text, key bytea) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			RETURN @extschema@.mvstore_shard_erase_raw(store, key, @extschema@.mvstore_cluster_patience(attempt));
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION mvstore_erase_raw(text, bytea) IS
'remove a key as if it had never been, in this transaction; returns how many entries went';

CREATE FUNCTION mvstore_erase_prefix(store text, prefix text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT s FROM @extschema@.mvstore_cluster_shards(store, prefix) s ORDER BY s);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	RETURN (SELECT sum(r::bigint) FROM unnest(@extschema@.mvstore_cluster_write(shards, 'mvstore_erase_prefix(regclass, text)',
		ARRAY[store, prefix], false)) r);
END $$;
COMMENT ON FUNCTION mvstore_erase_prefix(text, text) IS
'remove all keys that begin with a prefix as if they had never been; returns how many entries went';

CREATE FUNCTION mvstore_erase_prefix_raw(store text, prefix bytea) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT s FROM @extschema@.mvstore_cluster_shards_raw(store, prefix) s ORDER BY s);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	RETURN (SELECT sum(r::bigint) FROM unnest(@extschema@.mvstore_cluster_write(shards, 'mvstore_erase_prefix_raw(regclass, bytea)',
		ARRAY[store, prefix::text], false)) r);
END $$;
COMMENT ON FUNCTION mvstore_erase_prefix_raw(text, bytea) IS
'remove all keys that begin with a prefix as if they had never been; returns how many entries went';

CREATE FUNCTION mvstore_pin(name text, version bigint DEFAULT NULL::bigint, ttl interval DEFAULT '01:00:00'::interval, store text DEFAULT NULL::text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	RETURN (SELECT min(r::bigint) FROM unnest(@extschema@.mvstore_cluster_write(shards, 'mvstore_pin(text, bigint, interval, regclass)',
		ARRAY[name, version::text, ttl::text, store], false)) r);
END $$;
REVOKE ALL ON FUNCTION mvstore_pin(text, bigint, interval, text) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_pin(text, bigint, interval, text) IS
'have reads as of a version stay complete for a time; returns the version';

CREATE FUNCTION mvstore_unpin(name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	shards integer[] := ARRAY(SELECT generate_series(0, c.shards - 1) FROM @extschema@.mvstore_cluster_config c);
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	RETURN (SELECT bool_or(r::boolean) FROM unnest(@extschema@.mvstore_cluster_write(shards, 'mvstore_unpin(text)',
		ARRAY[name], false)) r);
END $$;
COMMENT ON FUNCTION mvstore_unpin(text) IS
'give a pin up; false if there is none of that name';

CREATE FUNCTION mvstore_shard_pause(a_patience text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_pause() IS NOT NULL FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
REVOKE ALL ON FUNCTION mvstore_shard_pause(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_shard_pause(text) TO pg_signal_backend;
COMMENT ON FUNCTION mvstore_shard_pause(text) IS
'internal: mvstore_pause on shards';

CREATE FUNCTION mvstore_pause() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM FROM @extschema@.mvstore_shard_pause(@extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION mvstore_pause() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_pause() TO pg_signal_backend;
COMMENT ON FUNCTION mvstore_pause() IS
'have the drop worker of this database drop nothing until mvstore_resume()';

CREATE FUNCTION mvstore_shard_resume(a_patience text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_resume() IS NOT NULL FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
REVOKE ALL ON FUNCTION mvstore_shard_resume(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_shard_resume(text) TO pg_signal_backend;
COMMENT ON FUNCTION mvstore_shard_resume(text) IS
'internal: mvstore_resume on shards';

CREATE FUNCTION mvstore_resume() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM FROM @extschema@.mvstore_shard_resume(@extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION mvstore_resume() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_resume() TO pg_signal_backend;
COMMENT ON FUNCTION mvstore_resume() IS
'have the drop worker go on, also with requests that a restore has brought';

CREATE FUNCTION mvstore_shard_retry_failed(a_store text, a_patience text) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_retry_failed(a_store::regclass) FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
REVOKE ALL ON FUNCTION mvstore_shard_retry_failed(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_shard_retry_failed(text, text) TO pg_signal_backend;
COMMENT ON FUNCTION mvstore_shard_retry_failed(text, text) IS
'internal: mvstore_retry_failed on shards';

CREATE FUNCTION mvstore_retry_failed(store text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	RETURN (SELECT sum(r) FROM @extschema@.mvstore_shard_retry_failed(store, @extschema@.mvstore_cluster_patience(2)) r);
EXCEPTION
	WHEN lock_not_available THEN
		PERFORM @extschema@.mvstore_cluster_locked(2, SQLERRM);
	WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
		PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
		RAISE;
END $$;
REVOKE ALL ON FUNCTION mvstore_retry_failed(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_retry_failed(text) TO pg_signal_backend;
COMMENT ON FUNCTION mvstore_retry_failed(text) IS
'try the failed drop requests of a store again; returns how many there are';

CREATE FUNCTION mvstore_cancel_request(id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	RAISE feature_not_supported USING MESSAGE = 'mvstore_cancel_request does not work over shards',
		HINT = 'The numbers of requests are those of a shard: connect to it, mvstore_requests says which.';
END $$;
REVOKE ALL ON FUNCTION mvstore_cancel_request(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mvstore_cancel_request(bigint) TO pg_signal_backend;
COMMENT ON FUNCTION mvstore_cancel_request(bigint) IS
'void a drop request of mvstore_requests; false if there is none with that id';

CREATE FUNCTION mvstore_shard_stats_reset(a_patience text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT mvstore_stats_reset() IS NOT NULL FROM pg_catalog.set_config('lock_timeout', a_patience, true);
$$;
REVOKE ALL ON FUNCTION mvstore_shard_stats_reset(text) FROM PUBLIC;
COMMENT ON FUNCTION mvstore_shard_stats_reset(text) IS
'internal: mvstore_stats_reset on shards';

CREATE FUNCTION mvstore_stats_reset() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
BEGIN
	PERFORM @extschema@.mvstore_cluster_enter(true);
	FOR attempt IN 1 .. 2 LOOP
		BEGIN
			PERFORM FROM @extschema@.mvstore_shard_stats_reset(@extschema@.mvstore_cluster_patience(attempt));
			RETURN;
		EXCEPTION
			WHEN lock_not_available THEN
				PERFORM @extschema@.mvstore_cluster_locked(attempt, SQLERRM);
			WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
				PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);
				RAISE;
		END;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION mvstore_stats_reset() FROM PUBLIC;
COMMENT ON FUNCTION mvstore_stats_reset() IS
'set the counters of this database and of its stores to zero';

CREATE FUNCTION mvstore_help(OUT function text, OUT arguments text, OUT result text, OUT family text, OUT comment text) RETURNS SETOF record
LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$
SELECT p.proname::text, regexp_replace(pg_get_function_arguments(p.oid), '::[a-z ]+', '', 'g'), pg_get_function_result(p.oid),
	   CASE WHEN p.proargnames && '{key,keys,from_key,prefix}'::text[] THEN f.family END, obj_description(p.oid, 'pg_proc')
  FROM unnest('{create, set_policy, set_feed, detach, attach, clear, put, put_if, put_many, delete, delete_if, lock, put_at, delete_at, revert, get, get_entry, get_many, contains, previous, scan, scan_prefix, count, count_prefix, diff, history, changes, wait_changes, stable_version, wait_stable, current_version, use_version, version_at, time_of, drop, drop_prefix, drop_range, compact, sweep, flush, erase, erase_prefix, pin, unpin, pause, resume, retry_failed, cancel_request, stats_reset, help}'::text[]) WITH ORDINALITY AS listed (name, place)
 CROSS JOIN (VALUES (1, '', 'plain'), (2, '_bytea', '_bytea'), (3, '_raw', '_raw')) AS f (place, suffix, family)
  JOIN pg_proc p ON p.proname = concat('mvstore_', listed.name, f.suffix)
  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'mvstore_cluster'
 ORDER BY listed.place, f.place
$$;
COMMENT ON FUNCTION mvstore_help() IS
'the functions that there are for users, in the order of the reference';

CREATE FUNCTION mvstore_cluster_calls() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
SELECT ARRAY['mvstore_create(text, integer, interval, interval, boolean, boolean)',
	'mvstore_set_policy(regclass, integer, interval, interval)',
	'mvstore_set_feed(regclass, boolean)',
	'mvstore_detach(regclass)',
	'mvstore_attach(regclass, integer, interval, interval, bigint)',
	'mvstore_clear(regclass)',
	'mvstore_put_many(regclass, text[], text[], interval)',
	'mvstore_put_many_bytea(regclass, text[], bytea[], interval)',
	'mvstore_put_many_raw(regclass, bytea[], bytea[], interval)',
	'mvstore_revert(regclass, bigint, text)',
	'mvstore_revert_raw(regclass, bigint, bytea)',
	'mvstore_erase_prefix(regclass, text)',
	'mvstore_erase_prefix_raw(regclass, bytea)',
	'mvstore_pin(text, bigint, interval, regclass)',
	'mvstore_unpin(text)']
$$;
COMMENT ON FUNCTION mvstore_cluster_calls() IS
'internal: what mvstore_cluster_write() may call on shards';

CREATE FUNCTION mvstore_shard_stats_view() RETURNS TABLE (shard integer, database name, worker_pid integer, worker_state text, workers integer, queue_length bigint, queue_bytes bigint, queue_capacity bigint, queue_high_water bigint, oldest_request_age interval, requests_enqueued bigint, requests_merged bigint, requests_overflowed bigint, requests_processed bigint, requests_held bigint, requests_failed bigint, entries_dropped bigint, bytes_dropped bigint, batches bigint, last_batch_at timestamp with time zone, last_batch_duration interval, lag_mean interval, lag_max interval, sweeps bigint, keys_due bigint, yields bigint, maintenance_runs bigint, last_maintenance_at timestamp with time zone, last_error text, last_error_at timestamp with time zone, stats_since timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT m.number AS shard, v.database, v.worker_pid, v.worker_state, v.workers, v.queue_length, v.queue_bytes, v.queue_capacity, v.queue_high_water, v.oldest_request_age, v.requests_enqueued, v.requests_merged, v.requests_overflowed, v.requests_processed, v.requests_held, v.requests_failed, v.entries_dropped, v.bytes_dropped, v.batches, v.last_batch_at, v.last_batch_duration, v.lag_mean, v.lag_max, v.sweeps, v.keys_due, v.yields, v.maintenance_runs, v.last_maintenance_at, v.last_error, v.last_error_at, v.stats_since FROM mvstore_shard AS m, mvstore_stats AS v WHERE v.database = pg_catalog.current_database();
$$;
COMMENT ON FUNCTION mvstore_shard_stats_view() IS
'internal: below mvstore_stats';

CREATE FUNCTION mvstore_cluster_stats_view() RETURNS TABLE (shard integer, database name, worker_pid integer, worker_state text, workers integer, queue_length bigint, queue_bytes bigint, queue_capacity bigint, queue_high_water bigint, oldest_request_age interval, requests_enqueued bigint, requests_merged bigint, requests_overflowed bigint, requests_processed bigint, requests_held bigint, requests_failed bigint, entries_dropped bigint, bytes_dropped bigint, batches bigint, last_batch_at timestamp with time zone, last_batch_duration interval, lag_mean interval, lag_max interval, sweeps bigint, keys_due bigint, yields bigint, maintenance_runs bigint, last_maintenance_at timestamp with time zone, last_error text, last_error_at timestamp with time zone, stats_since timestamp with time zone)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT v.* FROM @extschema@.mvstore_shard_stats_view() AS v;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_stats_view() IS
'internal: below mvstore_stats';

CREATE VIEW mvstore_stats AS SELECT v.* FROM @extschema@.mvstore_cluster_stats_view() AS v;
GRANT SELECT ON mvstore_stats TO PUBLIC;
COMMENT ON VIEW mvstore_stats IS
'the drop queue and the drop worker, one row per database with stores';
COMMENT ON COLUMN mvstore_stats.shard IS
'the shard';
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

CREATE FUNCTION mvstore_shard_store_stats_view() RETURNS TABLE (shard integer, store text, puts bigint, deletes bigint, requests bigint, entries_dropped bigint, bytes_dropped bigint, keys_purged bigint, keys_expired bigint, floor bigint, last_sweep timestamp with time zone, entries_swept bigint, keys_due bigint, dead_tuples bigint) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT m.number AS shard, v.store::text AS store, v.puts, v.deletes, v.requests, v.entries_dropped, v.bytes_dropped, v.keys_purged, v.keys_expired, v.floor, v.last_sweep, v.entries_swept, v.keys_due, v.dead_tuples FROM mvstore_shard AS m, mvstore_store_stats AS v;
$$;
COMMENT ON FUNCTION mvstore_shard_store_stats_view() IS
'internal: below mvstore_store_stats';

CREATE FUNCTION mvstore_cluster_store_stats_view() RETURNS TABLE (shard integer, store text, puts bigint, deletes bigint, requests bigint, entries_dropped bigint, bytes_dropped bigint, keys_purged bigint, keys_expired bigint, floor bigint, last_sweep timestamp with time zone, entries_swept bigint, keys_due bigint, dead_tuples bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT v.* FROM @extschema@.mvstore_shard_store_stats_view() AS v;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_store_stats_view() IS
'internal: below mvstore_store_stats';

CREATE VIEW mvstore_store_stats AS SELECT v.* FROM @extschema@.mvstore_cluster_store_stats_view() AS v;
GRANT SELECT ON mvstore_store_stats TO PUBLIC;
COMMENT ON VIEW mvstore_store_stats IS
'what was written to and dropped from each store of this database';
COMMENT ON COLUMN mvstore_store_stats.shard IS
'the shard';
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

CREATE FUNCTION mvstore_shard_stores_view() RETURNS TABLE (shard integer, store text, keep_versions integer, keep_for interval, ttl interval, incarnation bigint, feed boolean, size bigint, entries bigint, keys bigint, live_size bigint, history_size bigint, dead_size bigint) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT m.number AS shard, v.store::text AS store, v.keep_versions, v.keep_for, v.ttl, v.incarnation, v.feed, v.size, v.entries, v.keys, v.live_size, v.history_size, v.dead_size FROM mvstore_shard AS m, mvstore_stores AS v;
$$;
COMMENT ON FUNCTION mvstore_shard_stores_view() IS
'internal: below mvstore_stores';

CREATE FUNCTION mvstore_cluster_stores_view() RETURNS TABLE (shard integer, store text, keep_versions integer, keep_for interval, ttl interval, incarnation bigint, feed boolean, size bigint, entries bigint, keys bigint, live_size bigint, history_size bigint, dead_size bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT v.* FROM @extschema@.mvstore_shard_stores_view() AS v;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_stores_view() IS
'internal: below mvstore_stores';

CREATE VIEW mvstore_stores AS SELECT v.* FROM @extschema@.mvstore_cluster_stores_view() AS v;
GRANT SELECT ON mvstore_stores TO PUBLIC;
COMMENT ON VIEW mvstore_stores IS
'the stores of this database: policy, incarnation, feed, how large they are';
COMMENT ON COLUMN mvstore_stores.shard IS
'the shard';
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

CREATE FUNCTION mvstore_shard_requests_view() RETURNS TABLE (shard integer, id bigint, store text, kind text, key bytea, to_key bytea, keep integer, before bigint, requested_at timestamp with time zone, attempts integer, last_error text, state text) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT m.number AS shard, v.id, v.store::text AS store, v.kind, v.key, v.to_key, v.keep, v.before, v.requested_at, v.attempts, v.last_error, v.state FROM mvstore_shard AS m, mvstore_requests AS v;
$$;
COMMENT ON FUNCTION mvstore_shard_requests_view() IS
'internal: below mvstore_requests';

CREATE FUNCTION mvstore_cluster_requests_view() RETURNS TABLE (shard integer, id bigint, store text, kind text, key bytea, to_key bytea, keep integer, before bigint, requested_at timestamp with time zone, attempts integer, last_error text, state text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT v.* FROM @extschema@.mvstore_shard_requests_view() AS v;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_requests_view() IS
'internal: below mvstore_requests';

CREATE VIEW mvstore_requests AS SELECT v.* FROM @extschema@.mvstore_cluster_requests_view() AS v;
GRANT SELECT ON mvstore_requests TO PUBLIC;
COMMENT ON VIEW mvstore_requests IS
'the drop requests of this database that are not yet done; a policy''s own have no id and no keep';
COMMENT ON COLUMN mvstore_requests.shard IS
'the shard';
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

CREATE FUNCTION mvstore_shard_pins_view() RETURNS TABLE (shard integer, name name, owner name, store text, version bigint, created timestamp with time zone, expires timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT m.number AS shard, v.name, v.owner, v.store::text AS store, v.version, v.created, v.expires FROM mvstore_shard AS m, mvstore_pins AS v;
$$;
COMMENT ON FUNCTION mvstore_shard_pins_view() IS
'internal: below mvstore_pins';

CREATE FUNCTION mvstore_cluster_pins_view() RETURNS TABLE (shard integer, name name, owner name, store text, version bigint, created timestamp with time zone, expires timestamp with time zone)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT v.* FROM @extschema@.mvstore_shard_pins_view() AS v;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_pins_view() IS
'internal: below mvstore_pins';

CREATE VIEW mvstore_pins AS SELECT v.* FROM @extschema@.mvstore_cluster_pins_view() AS v;
GRANT SELECT ON mvstore_pins TO PUBLIC;
COMMENT ON VIEW mvstore_pins IS
'the pins of this database that live; store NULL: on all stores';
COMMENT ON COLUMN mvstore_pins.shard IS
'the shard';
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

CREATE FUNCTION mvstore_shard_blockers_view() RETURNS TABLE (shard integer, kind text, pid integer, name name, since timestamp with time zone, store text, requests bigint, entries bigint, holds_back text) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT m.number AS shard, v.kind, v.pid, v.name, v.since, v.store::text AS store, v.requests, v.entries, v.holds_back FROM mvstore_shard AS m, mvstore_blockers AS v;
$$;
COMMENT ON FUNCTION mvstore_shard_blockers_view() IS
'internal: below mvstore_blockers';

CREATE FUNCTION mvstore_cluster_blockers_view() RETURNS TABLE (shard integer, kind text, pid integer, name name, since timestamp with time zone, store text, requests bigint, entries bigint, holds_back text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT v.* FROM @extschema@.mvstore_shard_blockers_view() AS v;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_blockers_view() IS
'internal: below mvstore_blockers';

CREATE VIEW mvstore_blockers AS SELECT v.* FROM @extschema@.mvstore_cluster_blockers_view() AS v;
GRANT SELECT ON mvstore_blockers TO PUBLIC;
COMMENT ON VIEW mvstore_blockers IS
'what keeps old versions, or the space of dropped ones, from going';
COMMENT ON COLUMN mvstore_blockers.shard IS
'the shard';
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

CREATE FUNCTION mvstore_shard_metrics_view() RETURNS TABLE (shard integer, database name, is_primary integer, launcher_up integer, worker_up integer, worker_wanted integer, paused integer, rate_limited integer, queue_length bigint, queue_bytes bigint, queue_capacity bigint, queue_high_water bigint, queue_oldest_seconds double precision, requests_held bigint, requests_failed bigint, requests_enqueued_total bigint, requests_merged_total bigint, requests_overflowed_total bigint, requests_processed_total bigint, lag_seconds_total double precision, lag_requests_total bigint, lag_max_seconds double precision, dropped_entries_total bigint, dropped_bytes_total bigint, batches_total bigint, sweeps_total bigint, due_keys_total bigint, vacuums_total bigint, reads_refused_total bigint, retries_total bigint, stable_lag_seconds double precision, writers bigint, oldest_writer_seconds double precision, pins bigint, oldest_pin_seconds double precision, stores bigint) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT m.number AS shard, v.database, v.is_primary, v.launcher_up, v.worker_up, v.worker_wanted, v.paused, v.rate_limited, v.queue_length, v.queue_bytes, v.queue_capacity, v.queue_high_water, v.queue_oldest_seconds, v.requests_held, v.requests_failed, v.requests_enqueued_total, v.requests_merged_total, v.requests_overflowed_total, v.requests_processed_total, v.lag_seconds_total, v.lag_requests_total, v.lag_max_seconds, v.dropped_entries_total, v.dropped_bytes_total, v.batches_total, v.sweeps_total, v.due_keys_total, v.vacuums_total, v.reads_refused_total, v.retries_total, v.stable_lag_seconds, v.writers, v.oldest_writer_seconds, v.pins, v.oldest_pin_seconds, v.stores FROM mvstore_shard AS m, mvstore_metrics AS v WHERE v.database = pg_catalog.current_database();
$$;
COMMENT ON FUNCTION mvstore_shard_metrics_view() IS
'internal: below mvstore_metrics';

CREATE FUNCTION mvstore_cluster_metrics_view() RETURNS TABLE (shard integer, database name, is_primary integer, launcher_up integer, worker_up integer, worker_wanted integer, paused integer, rate_limited integer, queue_length bigint, queue_bytes bigint, queue_capacity bigint, queue_high_water bigint, queue_oldest_seconds double precision, requests_held bigint, requests_failed bigint, requests_enqueued_total bigint, requests_merged_total bigint, requests_overflowed_total bigint, requests_processed_total bigint, lag_seconds_total double precision, lag_requests_total bigint, lag_max_seconds double precision, dropped_entries_total bigint, dropped_bytes_total bigint, batches_total bigint, sweeps_total bigint, due_keys_total bigint, vacuums_total bigint, reads_refused_total bigint, retries_total bigint, stable_lag_seconds double precision, writers bigint, oldest_writer_seconds double precision, pins bigint, oldest_pin_seconds double precision, stores bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT v.* FROM @extschema@.mvstore_shard_metrics_view() AS v;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_metrics_view() IS
'internal: below mvstore_metrics';

CREATE VIEW mvstore_metrics AS SELECT v.* FROM @extschema@.mvstore_cluster_metrics_view() AS v;
GRANT SELECT ON mvstore_metrics TO PUBLIC;
COMMENT ON VIEW mvstore_metrics IS
'this database in numbers, one row, on standbys too';
COMMENT ON COLUMN mvstore_metrics.shard IS
'the shard';
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

CREATE FUNCTION mvstore_shard_store_metrics_view() RETURNS TABLE (shard integer, database name, schema name, store name, puts_total bigint, deletes_total bigint, requests_total bigint, dropped_entries_total bigint, dropped_bytes_total bigint, purged_keys_total bigint, expired_keys_total bigint, swept_entries_total bigint, due_keys_total bigint, reads_refused_total bigint, retries_total bigint, floor_age_seconds double precision, size_bytes double precision, entries double precision, dead_entries double precision, live_bytes double precision, history_bytes double precision, dead_bytes double precision) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT m.number AS shard, v.database, v.schema, v.store, v.puts_total, v.deletes_total, v.requests_total, v.dropped_entries_total, v.dropped_bytes_total, v.purged_keys_total, v.expired_keys_total, v.swept_entries_total, v.due_keys_total, v.reads_refused_total, v.retries_total, v.floor_age_seconds, v.size_bytes, v.entries, v.dead_entries, v.live_bytes, v.history_bytes, v.dead_bytes FROM mvstore_shard AS m, mvstore_store_metrics AS v WHERE v.database = pg_catalog.current_database();
$$;
COMMENT ON FUNCTION mvstore_shard_store_metrics_view() IS
'internal: below mvstore_store_metrics';

CREATE FUNCTION mvstore_cluster_store_metrics_view() RETURNS TABLE (shard integer, database name, schema name, store name, puts_total bigint, deletes_total bigint, requests_total bigint, dropped_entries_total bigint, dropped_bytes_total bigint, purged_keys_total bigint, expired_keys_total bigint, swept_entries_total bigint, due_keys_total bigint, reads_refused_total bigint, retries_total bigint, floor_age_seconds double precision, size_bytes double precision, entries double precision, dead_entries double precision, live_bytes double precision, history_bytes double precision, dead_bytes double precision)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT v.* FROM @extschema@.mvstore_shard_store_metrics_view() AS v;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_store_metrics_view() IS
'internal: below mvstore_store_metrics';

CREATE VIEW mvstore_store_metrics AS SELECT v.* FROM @extschema@.mvstore_cluster_store_metrics_view() AS v;
GRANT SELECT ON mvstore_store_metrics TO PUBLIC;
COMMENT ON VIEW mvstore_store_metrics IS
'the stores of this database in numbers';
COMMENT ON COLUMN mvstore_store_metrics.shard IS
'the shard';
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

CREATE FUNCTION mvstore_shard_blocker_metrics_view() RETURNS TABLE (shard integer, database name, kind text, name name, schema name, store name, reasons bigint, oldest_seconds double precision, requests bigint, entries bigint) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT m.number AS shard, v.database, v.kind, v.name, v.schema, v.store, v.reasons, v.oldest_seconds, v.requests, v.entries FROM mvstore_shard AS m, mvstore_blocker_metrics AS v WHERE v.database = pg_catalog.current_database();
$$;
COMMENT ON FUNCTION mvstore_shard_blocker_metrics_view() IS
'internal: below mvstore_blocker_metrics';

CREATE FUNCTION mvstore_cluster_blocker_metrics_view() RETURNS TABLE (shard integer, database name, kind text, name name, schema name, store name, reasons bigint, oldest_seconds double precision, requests bigint, entries bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT v.* FROM @extschema@.mvstore_shard_blocker_metrics_view() AS v;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_blocker_metrics_view() IS
'internal: below mvstore_blocker_metrics';

CREATE VIEW mvstore_blocker_metrics AS SELECT v.* FROM @extschema@.mvstore_cluster_blocker_metrics_view() AS v;
GRANT SELECT ON mvstore_blocker_metrics TO PUBLIC;
COMMENT ON VIEW mvstore_blocker_metrics IS
'mvstore_blockers in numbers: a row for each kind, name and store';
COMMENT ON COLUMN mvstore_blocker_metrics.shard IS
'the shard';
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

CREATE FUNCTION mvstore_shard_progress_view() RETURNS TABLE (shard integer, database name, pid integer, command text, store text, phase text, done bigint, total bigint, unit text, started_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'mvstore_cluster'; RUN ON ALL;
	SELECT m.number AS shard, v.database, v.pid, v.command, v.store::text AS store, v.phase, v.done, v.total, v.unit, v.started_at FROM mvstore_shard AS m, mvstore_progress AS v WHERE v.database = pg_catalog.current_database();
$$;
COMMENT ON FUNCTION mvstore_shard_progress_view() IS
'internal: below mvstore_progress';

CREATE FUNCTION mvstore_cluster_progress_view() RETURNS TABLE (shard integer, database name, pid integer, command text, store text, phase text, done bigint, total bigint, unit text, started_at timestamp with time zone)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT v.* FROM @extschema@.mvstore_shard_progress_view() AS v;
EXCEPTION WHEN internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception THEN
	PERFORM @extschema@.mvstore_cluster_lost(SQLSTATE, SQLERRM, false);
	RAISE;
END $$;
COMMENT ON FUNCTION mvstore_cluster_progress_view() IS
'internal: below mvstore_progress';

CREATE VIEW mvstore_progress AS SELECT v.* FROM @extschema@.mvstore_cluster_progress_view() AS v;
GRANT SELECT ON mvstore_progress TO PUBLIC;
COMMENT ON VIEW mvstore_progress IS
'how far long operations of this database have got';
COMMENT ON COLUMN mvstore_progress.shard IS
'the shard';
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
