/*-------------------------------------------------------------------------
 *
 * stores.c
 *	  Stores come and go: creating, attaching, new policies, clearing, forgetting.
 *
 * Whoever changes a row of mvstore_policy holds a lock on the table that excludes
 * others who do, and sends a relcache invalidation. Who changes what batches go by
 * holds the store's drop lock, too, so that none begins before and ends after it.
 *
 * A store is forgotten by an event trigger on sql_drop. Its table outlives the
 * extension as a plain table: all that the extension leaves on it is a trigger
 * on TRUNCATE, which goes with the extension.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "commands/comment.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "base/arguments.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/key.h"
#include "functions/command.h"
#include "functions/stores.h"
#include "queue/journal.h"
#include "queue/transaction.h"
#include "shared/counters.h"
#include "shared/lock.h"
#include "store/calendar.h"
#include "store/floor.h"
#include "store/pin.h"
#include "store/policy_row.h"
#include "store/store.h"
#include "version/session.h"
#include "version/stable.h"
#include "version/version.h"

/* Versions that a table to be attached may have: far from where sums overflow. */
#define MAX_ATTACHED (PG_INT64_MAX / 2)

/* Microseconds: clocks that differ by no more are as good as the same. */
#define MAX_AHEAD (INT64CONST(60) * USECS_PER_SEC)

/* Days: with a longer ttl puts would fail, sooner or later, as no timestamp is as late. */
#define LONGEST_TTL 36500000

/* Stores that a message names. */
#define MAX_NAMED 10

PG_FUNCTION_INFO_V1(mvstore_create);
PG_FUNCTION_INFO_V1(mvstore_set_policy);
PG_FUNCTION_INFO_V1(mvstore_set_feed);
PG_FUNCTION_INFO_V1(mvstore_attach);
PG_FUNCTION_INFO_V1(mvstore_detach);
PG_FUNCTION_INFO_V1(mvstore_clear);
PG_FUNCTION_INFO_V1(mvstore_truncated);
PG_FUNCTION_INFO_V1(mvstore_forget);

static void run_command(const char *command);
static const char *only_index(Oid table);
static const char *quoted_index(Oid index);
static void add_feed_index(const char *table);
static void add_trigger(const char *table);
static void refuse_trigger(Relation heap);
static void open_own(MvsStore *store, Oid oid, LOCKMODE mode, bool unpinned);
static void check_policy(FunctionCallInfo fcinfo);
static void insert_policy(Oid store, int64 incarnation, FunctionCallInfo fcinfo);
static int64 floor_below_others(MvsDatabase *database, int64 floor);
static void refuse_unstable_floor(Oid table, int64 floor);
static void raise_floors(Oid store, int64 floor);
static void forget_store(Oid store);
static bool wants_identity(Relation heap);
static RangeVar *get_table_name(text *argument);
static Oid	choose_schema(const RangeVar *name);
static Oid	lock_schema(const RangeVar *name);
static void refuse_schema(Oid schema, const RangeVar *name);
static void lock_name(Oid schema, const char *name);
static bool is_created(Oid schema, const char *name, bool if_not_exists, Oid *table);
static void comment_columns(Oid table);
static Relation open_attachable(Oid oid, LOCKMODE mode, MvsStoreInfo *info);
static Oid	table_of_trigger(HeapTuple row, TupleDesc shape);
static int64 greatest_version(Relation heap, const MvsStoreInfo *info);

/* ------------------------------------------------------------------------
 * What several of these functions do
 * ------------------------------------------------------------------------ */

/* Run one command of DDL as the current user. */
static void
run_command(const char *command)
{
	int			result;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	result = SPI_execute(command, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute returned %s", SPI_result_code_string(result));
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}

/* The name that CREATE INDEX has chosen for the only index of a new table. */
static const char *
only_index(Oid table)
{
	Relation	relation = relation_open(table, NoLock);
	Oid			index = linitial_oid(RelationGetIndexList(relation));

	relation_close(relation, NoLock);
	return get_rel_name(index);
}

/* The name of an index for a command. */
static const char *
quoted_index(Oid index)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(index)),
									  get_rel_name(index));
}

/* Give a store its index in the order of versions. */
static void
add_feed_index(const char *table)
{
	run_command(psprintf("CREATE INDEX ON %s (version, key)", table));
}

/* Put the trigger of stores on a table, in place of one that is left from earlier. */
static void
add_trigger(const char *table)
{
	const char *schema = quote_identifier(get_namespace_name(mvs_catalog_schema(false)));

	run_command(psprintf("CREATE OR REPLACE TRIGGER mvstore_truncate AFTER TRUNCATE ON %s "
						 "FOR EACH STATEMENT EXECUTE FUNCTION %s.mvstore_truncated()",
						 table, schema));
	run_command(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER mvstore_truncate", table));
	run_command(psprintf("ALTER TRIGGER mvstore_truncate ON %s DEPENDS ON EXTENSION mvstore",
						 table));
}

/* Refuse a table that has a trigger by the name of ours which is another's. */
static void
refuse_trigger(Relation heap)
{
	TriggerDesc *triggers = CopyTriggerDesc(heap->trigdesc);

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		char	   *function = get_func_name(trigger->tgfoid);

		if (strcmp(trigger->tgname, "mvstore_truncate") == 0 &&
			(function == NULL || strcmp(function, "mvstore_truncated") != 0))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("table \"%s\" has another trigger of the name \"%s\"",
							RelationGetRelationName(heap), trigger->tgname),
					 errhint("Rename that trigger.")));
	}
}

/*
 * Open a store of the caller's with a strong lock. First with a weak one: who is
 * refused is to wait for nobody, nor have others wait behind.
 */
static void
open_own(MvsStore *store, Oid oid, LOCKMODE mode, bool unpinned)
{
	mvs_store_open_own(store, oid, AccessShareLock);
	if (unpinned)
		mvs_pin_refuse(mvs_session_join(), store->heap, 0);
	index_close(store->index, AccessShareLock);
	relation_close(store->heap, AccessShareLock);
	mvs_store_open_own(store, oid, mode);
}

/* Check the policy in arguments 1 to 3. */
static void
check_policy(FunctionCallInfo fcinfo)
{
	if (!PG_ARGISNULL(1) && PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep_versions must be at least 1")));
	if (!PG_ARGISNULL(2))
		(void) mvs_interval_usecs("keep_for", PG_GETARG_INTERVAL_P(2));
	if (mvs_get_ttl(fcinfo, 3) > LONGEST_TTL * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl is out of range"),
				 errdetail("It can be at most %d days.", LONGEST_TTL)));
}

/* Write the policy in arguments 1 to 3 as that of a new store. */
static void
insert_policy(Oid store, int64 incarnation, FunctionCallInfo fcinfo)
{
	Relation	catalog;
	Datum		values[Natts_policy];
	bool		nulls[Natts_policy] = {false};

	values[Anum_policy_store - 1] = ObjectIdGetDatum(store);
	values[Anum_policy_incarnation - 1] = Int64GetDatum(incarnation);
	values[Anum_policy_storage - 1] = ObjectIdGetDatum(mvs_store_storage(store));
	for (int i = 1; i <= 3; i++)
	{
		values[i] = fcinfo->args[i].value;
		nulls[i] = fcinfo->args[i].isnull;
	}

	/* Rows left by a drop that no event trigger saw are not ours. */
	forget_store(store);
	(void) mvs_catalog_forget(MVS_FLOOR, MVS_FLOOR_KEY, store);
	(void) mvs_catalog_forget(MVS_REWRITE, MVS_REWRITE_KEY, store);
	catalog = mvs_catalog_open(MVS_POLICY, false, RowExclusiveLock);
	CatalogTupleInsert(catalog, heap_form_tuple(RelationGetDescr(catalog), values, nulls));
	table_close(catalog, RowExclusiveLock);
	CacheInvalidateRelcacheByRelid(store);
	CommandCounterIncrement();
}

/* Nothing is known of a store, or of its changes, below a version. */
static void
raise_floors(Oid store, int64 floor)
{
	MvsFloors	floors = {.end = floor, .entries = floor, .keys = floor};

	mvs_floor_raise(store, &floors);
}

/* Forget all that the catalog has of a store; nothing if it is none. */
static void
forget_store(Oid store)
{
	if (!mvs_catalog_forget(MVS_POLICY, MVS_POLICY_KEY, store))
		return;
	(void) mvs_catalog_forget(MVS_FLOOR, MVS_FLOOR_KEY, store);
	(void) mvs_catalog_forget(MVS_REWRITE, MVS_REWRITE_KEY, store);
	(void) mvs_catalog_forget(MVS_CALENDAR, MVS_CALENDAR_ENDS, store);
	/* The worker is to forget its pins, too. Without shared memory there is none. */
	if (mvs_pin_forget(store) && mvs_shared != NULL)
		mvs_transaction_pins();
	mvs_journal_forget(store);
	mvs_transaction_forget(store);
}

/* ------------------------------------------------------------------------
 * Creating
 * ------------------------------------------------------------------------ */

/* The name of a table to be made; PostgreSQL would cut one that is too long. */
static RangeVar *
get_table_name(text *argument)
{
	List	   *names;
	ListCell   *cell;

	/* A name that is none, the other function refuses. */
	if (SplitGUCList(text_to_cstring(argument), '.', &names))
	{
		foreach(cell, names)
		{
			const char *name = lfirst(cell);

			if (strlen(name) >= NAMEDATALEN)
				ereport(ERROR,
						(errcode(ERRCODE_NAME_TOO_LONG),
						 errmsg("name \"%s\" is too long", name),
						 errdetail("It has %zu bytes, and a name can have %d.", strlen(name),
								   NAMEDATALEN - 1)));
		}
	}
	return makeRangeVarFromNameList(textToQualifiedNameList(argument));
}

/* Have one transaction at a time make a store of a name, and see what those before have made. */
static void
lock_name(Oid schema, const char *name)
{
	LOCKTAG		tag;

	mvs_lock_tag(&tag, MVS_LOCK_CREATE, schema,
				 hash_bytes((const unsigned char *) name, (int) strlen(name)));
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	AcceptInvalidationMessages();
}

/* The schema that CREATE TABLE will choose; a table of the same name may hide it. */
static Oid
choose_schema(const RangeVar *name)
{
	Oid			schema;

	if (name->schemaname == NULL && fetch_search_path(false) == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("no schema has been selected to create store \"%s\" in", name->relname),
				 errhint("Set \"search_path\", or write the schema before the name of the store.")));
	if (name->schemaname && strcmp(name->schemaname, "pg_temp") != 0 &&
		!OidIsValid(get_namespace_oid(name->schemaname, true)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema \"%s\" of store \"%s\" does not exist", name->schemaname,
						name->relname),
				 errhint("Create it with CREATE SCHEMA.")));
	schema = RangeVarGetCreationNamespace(name);
	if (isAnyTempNamespace(schema))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("store \"%s\" cannot be a temporary table", name->relname),
				 errhint("Write a schema that is not temporary before the name of the store.")));
	return schema;
}

/* As that, and have it stay, as CREATE TABLE does. */
static Oid
lock_schema(const RangeVar *name)
{
	for (;;)
	{
		Oid			schema = choose_schema(name);

		LockDatabaseObject(NamespaceRelationId, schema, 0, AccessShareLock);
		if (choose_schema(name) == schema)
			return schema;
		/* It was dropped, and perhaps made anew, while we waited. */
		UnlockDatabaseObject(NamespaceRelationId, schema, 0, AccessShareLock);
	}
}

/* Refuse a schema that the current user may create nothing in. */
static void
refuse_schema(Oid schema, const RangeVar *name)
{
	const char *schema_name = get_namespace_name(schema);

	if (!mvs_compat_may_create_in(schema, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to create store \"%s\" in schema \"%s\"",
						name->relname, schema_name),
				 errhint("Grant the right with GRANT CREATE ON SCHEMA %s TO %s, or name another schema.",
						 quote_identifier(schema_name),
						 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

/*
 * Set *table to the store that is there already under a name, if one is. 42P07 where it
 * may not be, or the name is that of something else.
 */
static bool
is_created(Oid schema, const char *name, bool if_not_exists, Oid *table)
{
	*table = get_relname_relid(name, schema);
	if (!OidIsValid(*table))
		return false;
	if (!mvs_store_exists(*table))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", name),
				 errdetail("It is not a store."),
				 errhint("mvstore_attach() makes a store of a table that has the shape of one.")));
	if (!if_not_exists)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("store \"%s\" already exists", name),
				 errhint("mvstore_set_policy() changes its policy; if_not_exists leaves a store that exists as it is.")));
	ereport(NOTICE,
			(errcode(ERRCODE_DUPLICATE_TABLE),
			 errmsg("store \"%s\" already exists, skipping", name)));
	return true;
}

/* Say at the columns of a store what is in them, where nothing is said yet. */
static void
comment_columns(Oid table)
{
	/* What a detached store keeps, too. */
	static const char *const comments[][2] = {
		{"key", "any bytes, up to 2000; a text key is its bytes in UTF-8"},
		{"version", "when the entry was written: microseconds since 1970-01-01 00:00 UTC"},
		{"value", "any bytes; NULL: a tombstone, which says that the key was deleted"},
		{"expires_at", "from then on the entry counts as absent; NULL: never"}
	};

	for (int i = 0; i < lengthof(comments); i++)
	{
		AttrNumber	column = get_attnum(table, comments[i][0]);

		if (GetComment(table, RelationRelationId, column) == NULL)
			CreateComments(table, RelationRelationId, column, comments[i][1]);
	}
}

/*
 * mvstore_create(store text, keep_versions, keep_for, ttl, feed, if_not_exists)
 *
 * Creates a table with its index, replica identity and trigger, and makes it a
 * store. What CREATE TABLE would say of schema, rights and name, is said of the store.
 */
Datum
mvstore_create(PG_FUNCTION_ARGS)
{
	RangeVar   *name;
	Oid			schema;
	Oid			table;
	const char *table_name;
	bool		feed;
	bool		if_not_exists;

	mvs_refuse_null(fcinfo, 0, "store");
	check_policy(fcinfo);
	feed = mvs_get_flag(fcinfo, 4, "feed");
	if_not_exists = mvs_get_flag(fcinfo, 5, "if_not_exists");
	(void) mvs_command_begin("mvstore_create()");

	name = get_table_name(PG_GETARG_TEXT_PP(0));
	schema = lock_schema(name);
	table_name = quote_qualified_identifier(get_namespace_name(schema), name->relname);
	(void) mvs_catalog_schema(false);

	/* Who finds it there keeps nobody from creating it. */
	if (is_created(schema, name->relname, if_not_exists, &table))
		PG_RETURN_OID(table);
	refuse_schema(schema, name);
	lock_name(schema, name->relname);
	if (is_created(schema, name->relname, if_not_exists, &table))
		PG_RETURN_OID(table);

	run_command(psprintf("CREATE TABLE %s (key pg_catalog.bytea NOT NULL, "
						 "version pg_catalog.int8 NOT NULL, "
						 "value pg_catalog.bytea, "
						 "expires_at pg_catalog.timestamptz)", table_name));
	table = get_relname_relid(name->relname, schema);
	if (!OidIsValid(table) || get_rel_persistence(table) != RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s is not what was created", table_name),
				 errhint("An event trigger seems to have changed it.")));
	run_command(psprintf("CREATE UNIQUE INDEX ON %s (key, version DESC)", table_name));
	run_command(psprintf("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s",
						 table_name, quote_identifier(only_index(table))));
	if (feed)
		add_feed_index(table_name);
	add_trigger(table_name);
	comment_columns(table);

	insert_policy(table, 1, fcinfo);
	PG_RETURN_OID(table);
}

/* ------------------------------------------------------------------------
 * Changing
 * ------------------------------------------------------------------------ */

/*
 * mvstore_set_policy(store, keep_versions, keep_for, ttl): the whole policy anew.
 * What is there is judged by it from then on.
 */
Datum
mvstore_set_policy(PG_FUNCTION_ARGS)
{
	Oid			oid = mvs_get_store(fcinfo, 0);
	MvsStore	store;
	Relation	catalog;
	HeapTuple	old;
	Datum		values[Natts_policy];
	bool		nulls[Natts_policy];
	bool		replace[Natts_policy] = {false};

	check_policy(fcinfo);
	(void) mvs_command_begin("mvstore_set_policy()");
	/* Nobody writes to it meanwhile, who may have asked for nothing under the old policy. */
	open_own(&store, oid, ShareRowExclusiveLock, false);
	(void) mvs_lock_drops(oid, MVS_LOCKER_STORE, true);

	catalog = mvs_catalog_open(MVS_POLICY, false, RowExclusiveLock);
	old = mvs_store_policy_row(catalog, &store);
	for (int i = 1; i <= 3; i++)
	{
		values[i] = fcinfo->args[i].value;
		nulls[i] = fcinfo->args[i].isnull;
		replace[i] = true;
	}
	CatalogTupleUpdate(catalog, &old->t_self,
					   heap_modify_tuple(old, RelationGetDescr(catalog), values, nulls, replace));
	table_close(catalog, RowExclusiveLock);
	CacheInvalidateRelcacheByRelid(oid);
	CommandCounterIncrement();
	mvs_transaction_mark(oid);
	mvs_store_close(&store);
	PG_RETURN_VOID();
}

/*
 * mvstore_set_feed(store, feed): give a store its index in the order of versions, or take
 * it away; all that have its shape, and one that was never finished.
 */
Datum
mvstore_set_feed(PG_FUNCTION_ARGS)
{
	Oid			oid = mvs_get_store(fcinfo, 0);
	bool		feed = mvs_get_flag(fcinfo, 1, "feed");
	MvsStore	store;
	const char *name;
	List	   *indexes;
	bool		found;
	ListCell   *cell;

	(void) mvs_command_begin("mvstore_set_feed()");
	/* Two who add it are not to add two. */
	open_own(&store, oid, feed ? ShareRowExclusiveLock : AccessExclusiveLock, false);
	name = mvs_store_quoted_name(store.heap);
	indexes = mvs_store_feed_indexes(&store);
	found = OidIsValid(store.info.feed_index);
	mvs_store_close(&store);

	if (feed && !found)
		add_feed_index(name);
	foreach(cell, feed ? NIL : indexes)
		run_command(psprintf("DROP INDEX %s", quoted_index(lfirst_oid(cell))));
	PG_RETURN_VOID();
}

/* The greatest version in a table; refuses what no store can hold. */
static int64
greatest_version(Relation heap, const MvsStoreInfo *info)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	TableScanDesc scan = mvs_compat_table_beginscan(heap, snapshot);
	int64		greatest = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		no_key;
		bool		no_version;
		Datum		key = slot_getattr(slot, info->columns[MVS_KEY], &no_key);
		int64		version = DatumGetInt64(slot_getattr(slot, info->columns[MVS_VERSION],
														 &no_version));
		Size		length;

		CHECK_FOR_INTERRUPTS();
		/* A constraint that is not validated lets rows be that do not meet it. */
		if (no_key || no_version)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"%s\" has a row without key or version",
							RelationGetRelationName(heap))));
		length = toast_raw_datum_size(key) - VARHDRSZ;
		if (length > MVS_MAX_KEY)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("key in table \"%s\" is too long", RelationGetRelationName(heap)),
					 errdetail("It has %zu bytes, and a key can have %d.", length, MVS_MAX_KEY)));
		if (version < 1 || version > MAX_ATTACHED)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("version " INT64_FORMAT " in table \"%s\" is no time", version,
							RelationGetRelationName(heap)),
					 errhint("A version is a time in microseconds since 1970.")));
		greatest = Max(greatest, version);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	return greatest;
}

/*
 * Whether the index of a store is to become the replica identity of a table: not
 * where one was chosen. NOTHING keeps what is published from being dropped.
 */
static bool
wants_identity(Relation heap)
{
	switch (heap->rd_rel->relreplident)
	{
		case REPLICA_IDENTITY_DEFAULT:
			return true;
		case REPLICA_IDENTITY_INDEX:
			return !OidIsValid(RelationGetReplicaIndex(heap));	/* it has been dropped */
		case REPLICA_IDENTITY_NOTHING:
			ereport(NOTICE,
					(errmsg("table \"%s\" has REPLICA IDENTITY NOTHING",
							RelationGetRelationName(heap)),
					 errdetail("While a publication publishes its deletions, nothing can be erased or dropped from it."),
					 errhint("Run ALTER TABLE ... REPLICA IDENTITY USING INDEX with its index on (key, version DESC).")));
			return false;
		default:
			return false;
	}
}

/* Open a table of the caller's that can be made a store. */
static Relation
open_attachable(Oid oid, LOCKMODE mode, MvsStoreInfo *info)
{
	bool		is_store;
	Relation	heap = mvs_store_open_table(oid, mode, &is_store);

	if (is_store)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("\"%s\" is a store already", RelationGetRelationName(heap))));
	mvs_store_check_shape(heap, info);
	refuse_trigger(heap);
	return heap;
}

/*
 * A floor, or what is just below those who are writing with an older version: nobody who sees
 * the floor is to have a lower stable version, and they may write to the store.
 */
static int64
floor_below_others(MvsDatabase *database, int64 floor)
{
	MvsWriter  *writers;
	int			count = mvs_version_writers(database, &writers);

	for (int i = 0; i < count; i++)
		if (writers[i].version != mvs_version_mine())
			floor = Min(floor, writers[i].version - 1);
	pfree(writers);
	return floor;
}

/* Refuse the floor that a caller gives, as it is not stable yet. */
static void
refuse_unstable_floor(Oid table, int64 floor)
{
	MvsUnstable why;

	mvs_stable_explain_now(floor, &why);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version " INT64_FORMAT " cannot be the floor of store \"%s\", as it is not stable yet",
					floor, get_rel_name(table)),
			 errdetail_internal("%s", why.detail),
			 errhint("Try again when that has ended; mvstore_wait_stable() waits for a version.")));
}

/*
 * mvstore_attach(store, keep_versions, keep_for, ttl, floor): make a store of a
 * table that has the shape of one. As of "floor" or later its history is complete,
 * says the caller; by default, from now on.
 */
Datum
mvstore_attach(PG_FUNCTION_ARGS)
{
	Oid			oid = mvs_get_store(fcinfo, 0);
	int64		floor = PG_ARGISNULL(4) ? -1 : mvs_get_version(fcinfo, 4, "floor");
	MvsDatabase *database;
	MvsStoreInfo info;
	Relation	heap;
	int64		newest;
	const char *name;
	bool		identify;

	check_policy(fcinfo);
	database = mvs_command_begin("mvstore_attach()");

	/* Who is refused waits for nobody; else as strong a lock as the commands below take. */
	relation_close(open_attachable(oid, AccessShareLock, &info), AccessShareLock);
	heap = open_attachable(oid, AccessExclusiveLock, &info);
	(void) mvs_lock_drops(oid, MVS_LOCKER_STORE, true);

	newest = greatest_version(heap, &info);
	if (newest > mvs_clock_now(database))
	{
		/* All stores of the database would go with the clock: what expires, and pins. */
		if (newest > mvs_version_of_time(GetCurrentTimestamp()) + MAX_AHEAD && !superuser())
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("newest entry of table \"%s\" lies in the future",
							RelationGetRelationName(heap)),
					 errdetail("Its version is " INT64_FORMAT ".", newest),
					 errhint("A superuser can attach the table, which moves the clock of the database there.")));
		mvs_clock_past(database, newest);
	}
	if (floor > mvs_clock_now(database))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version " INT64_FORMAT " lies in the future", floor),
				 errdetail("It is now version " INT64_FORMAT ".", mvs_clock_now(database))));

	/* Commands on the table want it open nowhere else. */
	name = mvs_store_quoted_name(heap);
	identify = wants_identity(heap);
	relation_close(heap, NoLock);
	add_trigger(name);
	if (identify)
		run_command(psprintf("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s", name,
							 quote_identifier(get_rel_name(info.index))));
	comment_columns(oid);

	/* It may have been a store before, from which requests are left. Who writes now is behind. */
	insert_policy(oid, mvs_clock_tick(database), fcinfo);
	if (floor < 0)				/* it begins now, as by a TRUNCATE, if nobody writes since before */
		floor = floor_below_others(database, mvs_version_truncate(database));
	else if (floor > floor_below_others(database, floor))
		refuse_unstable_floor(oid, floor);
	if (floor > 0)
		raise_floors(oid, floor);
	mvs_transaction_rewritten(oid); /* whatever was done to it before */
	mvs_transaction_mark(oid);
	PG_RETURN_VOID();
}

/* mvstore_detach(store): the table goes on as a plain table. */
Datum
mvstore_detach(PG_FUNCTION_ARGS)
{
	Oid			oid = mvs_get_store(fcinfo, 0);
	MvsStore	store;
	const char *name;

	(void) mvs_command_begin("mvstore_detach()");
	/* As strong a lock as DROP TRIGGER takes, before the drop lock. */
	open_own(&store, oid, AccessExclusiveLock, true);
	(void) mvs_lock_drops(oid, MVS_LOCKER_STORE, true);
	mvs_pin_refuse(mvs_session_join(), store.heap, 0);
	name = mvs_store_quoted_name(store.heap);
	mvs_store_close(&store);

	run_command(psprintf("DROP TRIGGER IF EXISTS mvstore_truncate ON %s", name));
	forget_store(oid);
	CacheInvalidateRelcacheByRelid(oid);
	PG_RETURN_VOID();
}

/* mvstore_clear(store): every entry goes, at once. The trigger does the rest. */
Datum
mvstore_clear(PG_FUNCTION_ARGS)
{
	Oid			oid = mvs_get_store(fcinfo, 0);
	MvsStore	store;
	const char *name;

	(void) mvs_command_begin_write("mvstore_clear()");
	open_own(&store, oid, AccessExclusiveLock, true);
	mvs_store_refuse_unguarded(&store);
	name = mvs_store_quoted_name(store.heap);
	mvs_store_close(&store);
	run_command(psprintf("TRUNCATE ONLY %s", name));
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------------
 * Triggers
 * ------------------------------------------------------------------------ */

/* Trigger on TRUNCATE of a store: its next incarnation begins. */
Datum
mvstore_truncated(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	catalog;
	HeapTuple	old;
	Oid			store;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("mvstore_truncated() must be fired by TRUNCATE")));

	store = RelationGetRelid(trigger->tg_relation);
	catalog = mvs_catalog_open(MVS_POLICY, false, RowExclusiveLock);
	old = mvs_catalog_find(catalog, MVS_POLICY_KEY, store, NULL);
	if (HeapTupleIsValid(old))
	{
		Datum		values[Natts_policy];
		bool		nulls[Natts_policy] = {false};
		bool		replace[Natts_policy] = {false};
		bool		isnull;
		int64		incarnation;

		(void) mvs_lock_drops(store, MVS_LOCKER_STORE, true);
		mvs_pin_refuse(mvs_session_join(), trigger->tg_relation, 0);
		incarnation = DatumGetInt64(heap_getattr(old, Anum_policy_incarnation,
												 RelationGetDescr(catalog), &isnull));
		values[Anum_policy_incarnation - 1] = Int64GetDatum(incarnation + 1);
		replace[Anum_policy_incarnation - 1] = true;
		values[Anum_policy_storage - 1] = ObjectIdGetDatum(mvs_store_storage(store));
		replace[Anum_policy_storage - 1] = true;
		CatalogTupleUpdate(catalog, &old->t_self,
						   heap_modify_tuple(old, RelationGetDescr(catalog),
											 values, nulls, replace));
		CacheInvalidateRelcacheByRelid(store);

		/* A snapshot that does not see the row to be updated would go on seeing an older one. */
		if (IsolationUsesXactSnapshot() &&
			mvs_floor_read(store, GetTransactionSnapshot()) != mvs_floor_read(store, NULL))
		{
			mvs_counters_refused(store, MVS_REFUSED_LATE);
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent drops"),
					 errhint("The transaction might succeed if retried.")));
		}
		raise_floors(store, mvs_version_truncate(mvs_session_join()));
		mvs_transaction_changed(store);
		(void) mvs_catalog_forget(MVS_CALENDAR, MVS_CALENDAR_ENDS, store);
	}
	table_close(catalog, RowExclusiveLock);
	PG_RETURN_POINTER(NULL);
}

void
mvs_stores_check_storage(Oid store)
{
	List	   *stores;
	ListCell   *cell;

	/* A database that has no place yet has all its stores swept when it gets one. */
	if (mvs_shared == NULL || mvs_database_find(MyDatabaseId) == NULL ||
		!OidIsValid(mvs_catalog_oid(MVS_POLICY, true)))
		return;
	stores = OidIsValid(store) ? list_make1_oid(store) : mvs_store_list();
	foreach(cell, stores)
	{
		if (mvs_store_is_exchanged(lfirst_oid(cell)))
			mvs_transaction_mark(lfirst_oid(cell));
	}
	list_free(stores);
}

void
mvs_stores_report_left(List *stores)
{
	StringInfoData names;
	int			count = 0;
	ListCell   *cell;

	if (OidIsValid(mvs_catalog_oid(MVS_POLICY, true)))
		return;
	initStringInfo(&names);
	list_sort(stores, list_oid_cmp);
	foreach(cell, stores)
	{
		Oid			store = lfirst_oid(cell);

		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(store)))
			continue;			/* it was dropped with the extension */
		if (count++ < MAX_NAMED)
			appendStringInfo(&names, "%s%s", count > 1 ? ", " : "",
							 DatumGetCString(DirectFunctionCall1(regclassout,
																 ObjectIdGetDatum(store))));
	}
	if (count == 0)
		return;
	if (count > MAX_NAMED)
		appendStringInfo(&names, ", and %d more", count - MAX_NAMED);
	ereport(NOTICE,
			(errmsg_plural("%d store becomes a plain table",
						   "%d stores become plain tables", count, count),
			 errdetail("Tables: %s.", names.data),
			 errhint("After CREATE EXTENSION, mvstore_attach() makes a store of each again.")));
}

/* The table of a dropped trigger, by the names of schema and table; InvalidOid: it is gone. */
static Oid
table_of_trigger(HeapTuple row, TupleDesc shape)
{
	Oid			schema = get_namespace_oid(SPI_getvalue(row, shape, 2), true);

	return OidIsValid(schema) ? get_relname_relid(SPI_getvalue(row, shape, 3), schema) : InvalidOid;
}

/*
 * Event trigger on sql_drop: what was dropped is no store any more. And who copies
 * a table by a trigger (as pg_repack) may have put the copy in its place before the
 * trigger is dropped.
 */
Datum
mvstore_forget(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("mvstore_forget() must be called as an event trigger")));

	/* Is the extension itself going, or not yet there? */
	if (!OidIsValid(mvs_catalog_oid(MVS_POLICY, true)))
		PG_RETURN_NULL();

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT objid, address_names[1], address_names[2], "
					"object_type OPERATOR(pg_catalog.=) 'table' "
					"FROM pg_catalog.pg_event_trigger_dropped_objects() "
					"WHERE object_type OPERATOR(pg_catalog.=) 'table' "
					"OR object_type OPERATOR(pg_catalog.=) 'trigger'", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list the dropped tables and triggers");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	shape = SPI_tuptable->tupdesc;
		bool		isnull;
		Oid			table;

		/* Of another version, or altered? Nobody's plain table is to stay for that. */
		if (!mvs_catalog_is_known(MVS_POLICY))
		{
			ereport(WARNING,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("tables of extension \"mvstore\" have been altered"),
					 errdetail("What it knows of stores among the dropped tables stays."),
					 errhint("After an update of the extension, restart the server.")));
			break;
		}

		if (DatumGetBool(SPI_getbinval(row, shape, 4, &isnull)))
			forget_store(DatumGetObjectId(SPI_getbinval(row, shape, 1, &isnull)));
		else if (OidIsValid(table = table_of_trigger(row, shape)))
			mvs_stores_check_storage(table);
	}
	CommandCounterIncrement();
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	PG_RETURN_NULL();
}
