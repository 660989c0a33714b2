/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  The objects of the extension: its tables, and rows of them.
 *
 * They are found by name in the schema that CREATE EXTENSION chose; the OIDs are
 * cached, and thrown away by relcache invalidation.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"

/*
 * What they are, and for a table the sizes of its columns, in upper case where none is NULL:
 * b 1 byte, i 4, l 8, t 16, n 64, v any. Rows are read into arrays of so many values, without
 * another look at their types.
 */
typedef struct Object
{
	const char *name;
	char		kind;
	const char *columns;
} Object;

static const Object objects[MVS_CATALOG_COUNT] = {
	[MVS_POLICY] = {"mvstore_policy", RELKIND_RELATION, "IittLi"},
	[MVS_POLICY_KEY] = {"mvstore_policy_pkey", RELKIND_INDEX, NULL},
	[MVS_FLOOR] = {"mvstore_floor", RELKIND_RELATION, "ILLL"},
	[MVS_FLOOR_KEY] = {"mvstore_floor_pkey", RELKIND_INDEX, NULL},
	[MVS_REWRITE] = {"mvstore_rewrite", RELKIND_RELATION, "IL"},
	[MVS_REWRITE_KEY] = {"mvstore_rewrite_pkey", RELKIND_INDEX, NULL},
	[MVS_JOURNAL] = {"mvstore_journal", RELKIND_RELATION, "LLIILVVvILBIv"},
	[MVS_JOURNAL_KEY] = {"mvstore_journal_pkey", RELKIND_INDEX, NULL},
	[MVS_CALENDAR] = {"mvstore_calendar", RELKIND_RELATION, "ILLV"},
	[MVS_CALENDAR_ENDS] = {"mvstore_calendar_ends", RELKIND_INDEX, NULL},
	[MVS_PIN] = {"mvstore_pin", RELKIND_RELATION, "NLINiLLL"},
	[MVS_PREPARED] = {"mvstore_prepared", RELKIND_RELATION, "LIlLLLBBBBBBB"},
	[MVS_PAUSED] = {"mvstore_paused", RELKIND_RELATION, "BLN"},
	[MVS_STABLE] = {"mvstore_stable", RELKIND_RELATION, "LB"},
	[MVS_CLOCK] = {"mvstore_clock", RELKIND_SEQUENCE, NULL},
};

/* Of a size that no literal has: a test makes the library that of another version. */
const char	mvs_sql_version[16] = CppAsString2(MVSTORE_VERSION);

static Oid	catalog_oids[MVS_CATALOG_COUNT];
static bool never_wait = false; /* for others who are at a row */

static bool find_extension(Oid *schema, char **version);
static bool is_of_size(Form_pg_attribute column, char letter);
static bool is_as_known(Relation relation, MvsCatalog object);
static Relation open_any(MvsCatalog object, bool missing_ok, LOCKMODE mode);
static void invalidate(Datum argument, Oid relation);
static bool only_looks(Oid function);
static void refuse_triggers_of_others(Relation relation);
static bool lock_row(Relation catalog, ItemPointer tid, LockWaitPolicy policy);

/* Schema and version of the extension; false without it. */
static bool
find_extension(Oid *schema, char **version)
{
	Relation	extensions;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("mvstore"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		*schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
		if (version)
			*version = TextDatumGetCString(heap_getattr(tuple, Anum_pg_extension_extversion,
														RelationGetDescr(extensions), &isnull));
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

char *
mvs_extension_version(void)
{
	Oid			schema;
	char	   *version;

	return find_extension(&schema, &version) ? version : NULL;
}

Oid
mvs_catalog_schema(bool missing_ok)
{
	Oid			schema = InvalidOid;

	if (!find_extension(&schema, NULL) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"mvstore\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION mvstore.")));
	return schema;
}

Oid
mvs_catalog_oid(MvsCatalog object, bool missing_ok)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(invalidate, (Datum) 0);
		registered = true;
	}
	if (!OidIsValid(catalog_oids[object]))
	{
		Oid			schema = mvs_catalog_schema(missing_ok);
		Oid			oid = InvalidOid;

		if (OidIsValid(schema))
			oid = get_relname_relid(objects[object].name, schema);
		if (!OidIsValid(oid) && !missing_ok)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("relation \"%s\" of extension \"mvstore\" is missing",
							objects[object].name),
					 errdetail("The library goes with version %s of the extension.",
							   mvs_sql_version),
					 errhint("Run ALTER EXTENSION mvstore UPDATE.")));
		catalog_oids[object] = oid;
	}
	return catalog_oids[object];
}

/* Whether a column is of the size that a letter stands for. */
static bool
is_of_size(Form_pg_attribute column, char letter)
{
	static const char letters[] = "bilntv";
	static const int sizes[] = {1, 4, 8, NAMEDATALEN, sizeof(Interval), -1};
	char		lower = (char) pg_tolower((unsigned char) letter);
	int			size = sizes[strchr(letters, lower) - letters];

	return !column->attisdropped && column->attlen == size &&
		column->attbyval == (size > 0 && size <= SIZEOF_DATUM) &&
		(column->attnotnull || letter == lower);
}

/* Whether an object of the extension is what the library knows. */
static bool
is_as_known(Relation relation, MvsCatalog object)
{
	TupleDesc	descriptor = RelationGetDescr(relation);
	const char *columns = objects[object].columns;

	if (relation->rd_rel->relkind != objects[object].kind)
		return false;
	if (columns == NULL)
		return true;
	if (descriptor->natts != strlen(columns))
		return false;
	for (int i = 0; i < descriptor->natts; i++)
		if (!is_of_size(TupleDescAttr(descriptor, i), columns[i]))
			return false;
	return true;
}

bool
mvs_catalog_is_known(MvsCatalog object)
{
	Oid			oid = mvs_catalog_oid(object, true);
	Relation	relation = OidIsValid(oid) ? try_relation_open(oid, AccessShareLock) : NULL;
	bool		known = relation == NULL || is_as_known(relation, object);

	if (relation)
		relation_close(relation, AccessShareLock);
	return known;
}

/* Open an object of the extension, whatever has become of it; NULL where there is none. */
static Relation
open_any(MvsCatalog object, bool missing_ok, LOCKMODE mode)
{
	Relation	relation = NULL;
	Oid			oid;

	/* What was dropped while we waited for the lock is not found when it is looked up anew. */
	while (relation == NULL && OidIsValid(oid = mvs_catalog_oid(object, missing_ok)))
		relation = try_relation_open(oid, mode);
	return relation;
}

Relation
mvs_catalog_open(MvsCatalog object, bool missing_ok, LOCKMODE mode)
{
	Relation	relation = open_any(object, missing_ok, mode);

	if (relation && !is_as_known(relation, object))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation \"%s\" of extension \"mvstore\" has been altered",
						objects[object].name),
				 errdetail("The library goes with version %s of the extension.",
						   mvs_sql_version),
				 errhint("After an update of the extension, restart the server.")));
	return relation;
}

/* Relcache callback: forget the OID of a relation, or all. */
static void
invalidate(Datum argument, Oid relation)
{
	for (int i = 0; i < MVS_CATALOG_COUNT; i++)
		if (!OidIsValid(relation) || catalog_oids[i] == relation)
			catalog_oids[i] = InvalidOid;
}

HeapTuple
mvs_catalog_find(Relation catalog, MvsCatalog index, Oid store, Snapshot snapshot)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	/* The store is the first column of each of them. */
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(store));
	scan = systable_beginscan(catalog, mvs_catalog_oid(index, false), true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/* Lock a row for a change, if it is still what was found. */
static bool
lock_row(Relation catalog, ItemPointer tid, LockWaitPolicy policy)
{
	TupleTableSlot *slot = table_slot_create(catalog, NULL);
	TM_FailureData failure;
	TM_Result	result = table_tuple_lock(catalog, tid, SnapshotAny, slot,
										  GetCurrentCommandId(true), LockTupleExclusive,
										  policy, 0, &failure);

	ExecDropSingleTupleTableSlot(slot);
	return result == TM_Ok;
}

bool
mvs_catalog_lock_row(Relation catalog, ItemPointer tid)
{
	return lock_row(catalog, tid, LockWaitBlock);
}

void
mvs_catalog_never_wait(void)
{
	never_wait = true;
}

void
mvs_catalog_refuse_wait(Relation catalog)
{
	if (never_wait)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not obtain lock on row in relation \"%s\"",
						RelationGetRelationName(catalog)),
				 errdetail("Another transaction is changing the row.")));
}

void
mvs_catalog_update(Relation catalog, ItemPointer tid, HeapTuple tuple)
{
	if (never_wait && !lock_row(catalog, tid, LockWaitSkip))
		mvs_catalog_refuse_wait(catalog);
	CatalogTupleUpdate(catalog, tid, tuple);
}

void
mvs_catalog_delete(Relation catalog, ItemPointer tid)
{
	if (never_wait && !lock_row(catalog, tid, LockWaitSkip))
		mvs_catalog_refuse_wait(catalog);
	CatalogTupleDelete(catalog, tid);
}

bool
mvs_catalog_forget(MvsCatalog table, MvsCatalog index, Oid store)
{
	Relation	catalog = mvs_catalog_open(table, false, RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(store));
	scan = systable_beginscan(catalog, mvs_catalog_oid(index, false), true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		mvs_catalog_delete(catalog, &tuple->t_self);
		found = true;
	}
	systable_endscan(scan);
	table_close(catalog, RowExclusiveLock);
	if (found)
		CommandCounterIncrement();
	return found;
}

bool
mvs_catalog_in_use(void)
{
	static const MvsCatalog tables[] = {MVS_POLICY, MVS_JOURNAL, MVS_PIN, MVS_PREPARED};
	bool		used = false;
	SnapshotData dirty;

	InitDirtySnapshot(dirty);
	for (int i = 0; i < lengthof(tables) && !used; i++)
	{
		Oid			oid = mvs_catalog_oid(tables[i], true);

		if (!OidIsValid(oid))
			continue;
		if (!ConditionalLockRelationOid(oid, AccessShareLock))
			return true;
		used = mvs_catalog_has_row(oid, tables[i] == MVS_PREPARED ? &dirty : NULL);
		UnlockRelationOid(oid, AccessShareLock);
	}
	return used;
}

bool
mvs_catalog_has_row(Oid table, Snapshot snapshot)
{
	Relation	catalog = try_relation_open(table, AccessShareLock);
	SysScanDesc scan;
	bool		any;

	if (catalog == NULL)
		return false;
	scan = systable_beginscan(catalog, InvalidOid, false, snapshot, 0, NULL);
	any = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return any;
}

bool
mvs_catalog_lock(void)
{
	static const MvsCatalog tables[] = {MVS_POLICY, MVS_FLOOR, MVS_JOURNAL, MVS_CALENDAR,
	MVS_PIN, MVS_STABLE};

	for (int i = 0; i < lengthof(tables); i++)
	{
		Oid			table = mvs_catalog_oid(tables[i], true);

		if (OidIsValid(table) && !ConditionalLockRelationOid(table, RowExclusiveLock))
			return false;
	}
	return true;
}

HeapTuple
mvs_catalog_fetch(Relation catalog, ItemPointer tid)
{
	Snapshot	snapshot;
	HeapTupleData tuple;
	Buffer		buffer;
	HeapTuple	copy = NULL;

	if (!ItemPointerIsValid(tid) ||
		ItemPointerGetBlockNumber(tid) >= RelationGetNumberOfBlocks(catalog))
		return NULL;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	tuple.t_self = *tid;
	if (heap_fetch(catalog, snapshot, &tuple, &buffer, false))
	{
		copy = heap_copytuple(&tuple);
		ReleaseBuffer(buffer);
	}
	UnregisterSnapshot(snapshot);
	return copy;
}

/*
 * Whether a trigger is that of a foreign key that refers to the table, and refuses what it must. It
 * looks as the owner of the table that refers. (What a cascade changes there has triggers
 * fired, up to PostgreSQL 17, with the rights of whoever caused it.)
 */
static bool
only_looks(Oid function)
{
	return function == F_RI_FKEY_NOACTION_DEL || function == F_RI_FKEY_NOACTION_UPD ||
		function == F_RI_FKEY_RESTRICT_DEL || function == F_RI_FKEY_RESTRICT_UPD;
}

/*
 * Raise 55000 if a table of the extension has triggers of others, who need no more than TRIGGER
 * on it, as by GRANT ALL ON ALL TABLES: what we run has the rights of a superuser, and so had they.
 */
static void
refuse_triggers_of_others(Relation relation)
{
	const TriggerDesc *triggers = CopyTriggerDesc(relation->trigdesc);

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		bool		ours = trigger->tgqual == NULL &&
		get_func_namespace(trigger->tgfoid) == mvs_catalog_schema(true) &&
		strcmp(get_func_name(trigger->tgfoid), "mvstore_guard") == 0;

		if (!ours && trigger->tgenabled != TRIGGER_DISABLED && !only_looks(trigger->tgfoid))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("relation \"%s\" of extension \"mvstore\" has been altered",
							RelationGetRelationName(relation)),
					 trigger->tgisinternal ?
					 errdetail("A foreign key to it would change rows as a superuser.") :
					 errdetail("It has a trigger \"%s\", which would run as a superuser.",
							   trigger->tgname),
					 errhint("Drop it, and revoke TRIGGER and REFERENCES on the tables of the extension.")));
	}
}

uint64
mvs_catalog_run(MvsCatalog table, const char *format, int count, const Oid *types, Datum *values)
{
	Relation	relation = open_any(table, false, RowExclusiveLock);
	char	   *schema = get_namespace_name(RelationGetNamespace(relation));
	char	   *name = quote_qualified_identifier(schema, RelationGetRelationName(relation));
	StringInfoData command;
	Oid			role;
	int			context;
	int			result;
	uint64		rows;

	refuse_triggers_of_others(relation);
	table_close(relation, NoLock);
	initStringInfo(&command);
	appendStringInfo(&command, format, name, name);
	GetUserIdAndSecContext(&role, &context);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
	result = SPI_execute_with_args(command.data, count, (Oid *) types, values, NULL, false, 0);
	SetUserIdAndSecContext(role, context);
	if (result < 0)
		elog(ERROR, "SPI_execute_with_args returned %s", SPI_result_code_string(result));
	rows = SPI_processed;
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	return rows;
}

bool
mvs_catalog_is_running(void)
{
	Oid			role;
	int			context;

	/* As above; an error resets it, too. */
	GetUserIdAndSecContext(&role, &context);
	return role == BOOTSTRAP_SUPERUSERID && (context & SECURITY_LOCAL_USERID_CHANGE) != 0;
}
