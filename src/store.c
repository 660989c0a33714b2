/*-------------------------------------------------------------------------
 *
 * store.c
 *	  The store catalog: which tables are stores, with what policy and floor.
 *
 * What is known of a store is cached per backend and thrown away by relcache
 * invalidation of its table; whoever changes a row of mvstore_policy sends one.
 * The cache is read only while the table is locked, and taking a lock accepts
 * pending invalidations, so a cached row is never older than the lock.
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

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "common/int.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "journal.h"
#include "request.h"
#include "store.h"
#include "version.h"

/* Columns of mvstore_policy and mvstore_floor. */
#define Anum_policy_store 1
#define Anum_policy_keep_versions 2
#define Anum_policy_keep_for 3
#define Anum_policy_ttl 4
#define Anum_policy_incarnation 5
#define Natts_policy 5

#define Anum_floor_store 1
#define Anum_floor_floor 2
#define Natts_floor 2

static const char *const catalog_names[MVS_CATALOG_COUNT] = {
	[MVS_POLICY] = "mvstore_policy",
	[MVS_POLICY_KEY] = "mvstore_policy_pkey",
	[MVS_FLOOR] = "mvstore_floor",
	[MVS_FLOOR_KEY] = "mvstore_floor_pkey",
	[MVS_JOURNAL] = "mvstore_journal",
	[MVS_JOURNAL_KEY] = "mvstore_journal_pkey",
	[MVS_PAUSED] = "mvstore_paused",
	[MVS_STABLE] = "mvstore_stable",
	[MVS_CLOCK] = "mvstore_clock",
};

static const struct
{
	const char *name;
	Oid			type;
	bool		not_null;
}			column_shapes[MVS_COLUMN_COUNT] = {
	[MVS_KEY] = {"key", BYTEAOID, true},
	[MVS_VERSION] = {"version", INT8OID, true},
	[MVS_VALUE] = {"value", BYTEAOID, false},
	[MVS_EXPIRES] = {"expires_at", TIMESTAMPTZOID, false},
};

static Oid	catalog_oids[MVS_CATALOG_COUNT];
static HTAB *store_cache = NULL;

PG_FUNCTION_INFO_V1(mvstore_create);
PG_FUNCTION_INFO_V1(mvstore_truncated);
PG_FUNCTION_INFO_V1(mvstore_forget);

static bool find_extension(Oid *schema, char **version);
static Oid	extension_schema(bool missing_ok);
static void register_invalidation(void);
static void invalidate(Datum argument, Oid relation);
static HeapTuple find_row(Relation catalog, MvsCatalog index, Oid store, Snapshot snapshot);
static bool delete_row(MvsCatalog catalog, MvsCatalog index, Oid store);
static MvsStoreInfo *look_up(Relation heap);
static bool load_info(MvsStoreInfo *info, Relation heap);
static bool find_columns(MvsStoreInfo *info, Relation heap);
static Oid	default_family(Oid type);
static Oid	find_index(MvsStoreInfo *info, Relation heap);
static bool has_index_shape(MvsStoreInfo *info, Oid index);
static bool is_plain(MvsStoreInfo *info, Relation heap);
static bool is_referenced(Relation heap);
static void fill_store(MvsStore *store, Relation heap, const MvsStoreInfo *info, LOCKMODE mode);
static const char *only_index(Oid table);
static void insert_policy(Oid store, FunctionCallInfo fcinfo);
static void run_command(const char *command);

/* ------------------------------------------------------------------------
 * The extension's objects
 * ------------------------------------------------------------------------ */

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

/* The schema that CREATE EXTENSION chose. */
static Oid
extension_schema(bool missing_ok)
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
	register_invalidation();
	if (!OidIsValid(catalog_oids[object]))
	{
		Oid			schema = extension_schema(missing_ok);
		Oid			oid = InvalidOid;

		if (OidIsValid(schema))
			oid = get_relname_relid(catalog_names[object], schema);
		if (!OidIsValid(oid) && !missing_ok)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("relation \"%s\" of extension \"mvstore\" is missing",
							catalog_names[object]),
					 errhint("The library goes with version %s of the extension: run ALTER EXTENSION mvstore UPDATE.",
							 MVS_SQL_VERSION)));
		catalog_oids[object] = oid;
	}
	return catalog_oids[object];
}

static void
register_invalidation(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(invalidate, (Datum) 0);
		registered = true;
	}
}

/* Relcache callback: forget what we know of a relation, or of all. */
static void
invalidate(Datum argument, Oid relation)
{
	for (int i = 0; i < MVS_CATALOG_COUNT; i++)
		if (!OidIsValid(relation) || catalog_oids[i] == relation)
			catalog_oids[i] = InvalidOid;

	if (store_cache == NULL)
		return;
	if (OidIsValid(relation))
	{
		MvsStoreInfo *info = hash_search(store_cache, &relation, HASH_FIND, NULL);

		if (info)
			info->valid = false;
	}
	else
	{
		HASH_SEQ_STATUS status;
		MvsStoreInfo *info;

		hash_seq_init(&status, store_cache);
		while ((info = hash_seq_search(&status)) != NULL)
			info->valid = false;
	}
}

/* A copy of the catalog row of a store, or NULL. A NULL snapshot is a fresh one. */
static HeapTuple
find_row(Relation catalog, MvsCatalog index, Oid store, Snapshot snapshot)
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

/* Delete the catalog row of a store; false if it has none. */
static bool
delete_row(MvsCatalog catalog, MvsCatalog index, Oid store)
{
	Relation	relation = table_open(mvs_catalog_oid(catalog, false), RowExclusiveLock);
	HeapTuple	tuple = find_row(relation, index, store, NULL);

	if (HeapTupleIsValid(tuple))
		CatalogTupleDelete(relation, &tuple->t_self);
	table_close(relation, RowExclusiveLock);
	return HeapTupleIsValid(tuple);
}

/* ------------------------------------------------------------------------
 * Opening stores
 * ------------------------------------------------------------------------ */

/* What is known of an open table as a store, or NULL if it is none. */
static MvsStoreInfo *
look_up(Relation heap)
{
	Oid			oid = RelationGetRelid(heap);
	MvsStoreInfo *info;
	bool		found;

	if (store_cache == NULL)
	{
		HASHCTL		control = {
			.keysize = sizeof(Oid),
			.entrysize = sizeof(MvsStoreInfo)
		};

		register_invalidation();
		store_cache = hash_create("mvstore stores", 32, &control, HASH_ELEM | HASH_BLOBS);
	}

	info = hash_search(store_cache, &oid, HASH_FIND, &found);
	if (!found || !info->valid)
	{
		MvsStoreInfo loaded = {.oid = oid};

		/* Loading can accept invalidations, so the entry is made afterwards. */
		if (!load_info(&loaded, heap))
		{
			(void) hash_search(store_cache, &oid, HASH_REMOVE, NULL);
			return NULL;
		}
		info = hash_search(store_cache, &oid, HASH_ENTER, NULL);
		*info = loaded;
		info->valid = true;
	}
	return info;
}

/* Read the policy and the shape of a table; false if it is no store. */
static bool
load_info(MvsStoreInfo *info, Relation heap)
{
	Relation	catalog;
	HeapTuple	tuple;
	Datum		values[Natts_policy];
	bool		nulls[Natts_policy];

	if (heap->rd_rel->relkind != RELKIND_RELATION ||
		!OidIsValid(mvs_catalog_oid(MVS_POLICY, true)))
		return false;

	catalog = table_open(mvs_catalog_oid(MVS_POLICY, false), AccessShareLock);
	tuple = find_row(catalog, MVS_POLICY_KEY, info->oid, NULL);
	if (HeapTupleIsValid(tuple))
		heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
	table_close(catalog, AccessShareLock);
	if (!HeapTupleIsValid(tuple))
		return false;

	info->incarnation = DatumGetInt64(values[Anum_policy_incarnation - 1]);
	info->policy.keep_versions = nulls[Anum_policy_keep_versions - 1] ? 0 :
		DatumGetInt32(values[Anum_policy_keep_versions - 1]);
	info->policy.keep_for = nulls[Anum_policy_keep_for - 1] ? -1 :
		mvs_interval_usecs("keep_for", DatumGetIntervalP(values[Anum_policy_keep_for - 1]));
	info->ttl = nulls[Anum_policy_ttl - 1] ? -1 :
		mvs_interval_usecs("ttl", DatumGetIntervalP(values[Anum_policy_ttl - 1]));

	info->index = find_columns(info, heap) ? find_index(info, heap) : InvalidOid;
	info->plain = is_plain(info, heap);
	info->referenced = is_referenced(heap);
	return true;
}

/* Find the columns of a store by name and type; the last is 0 where one is missing. */
static bool
find_columns(MvsStoreInfo *info, Relation heap)
{
	for (int i = 0; i < MVS_COLUMN_COUNT; i++)
	{
		AttrNumber	number = get_attnum(RelationGetRelid(heap), column_shapes[i].name);
		Form_pg_attribute column;

		if (number <= 0)
			break;
		column = TupleDescAttr(RelationGetDescr(heap), number - 1);
		if (column->atttypid != column_shapes[i].type ||
			(column_shapes[i].not_null && !column->attnotnull))
			break;
		info->columns[i] = number;
	}
	return info->columns[MVS_COLUMN_COUNT - 1] != InvalidAttrNumber;
}

/* The operator family by which a B-tree orders a type unless told otherwise. */
static Oid
default_family(Oid type)
{
	return get_opclass_family(GetDefaultOpClass(type, BTREE_AM_OID));
}

/* Find the index of a store by its shape: unique on (key, version DESC). */
static Oid
find_index(MvsStoreInfo *info, Relation heap)
{
	List	   *indexes = RelationGetIndexList(heap);
	Oid			found = InvalidOid;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		if (has_index_shape(info, lfirst_oid(cell)))
		{
			found = lfirst_oid(cell);
			break;
		}
	}
	list_free(indexes);
	return found;
}

/* Whether an index has that shape; by its catalog row, since a lock on it may not be had. */
static bool
has_index_shape(MvsStoreInfo *info, Oid index)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	Form_pg_index form;
	oidvector  *classes;
	int2vector *options;
	bool		isnull;
	bool		fits;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_index) GETSTRUCT(tuple);
	classes = (oidvector *) DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple,
															Anum_pg_index_indclass, &isnull));
	options = (int2vector *) DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple,
															 Anum_pg_index_indoption, &isnull));
	fits = form->indisvalid && form->indisready && form->indislive &&
		form->indisunique && form->indimmediate &&
		form->indnatts == 2 && form->indnkeyatts == 2 &&
		form->indkey.values[0] == info->columns[MVS_KEY] &&
		form->indkey.values[1] == info->columns[MVS_VERSION] &&
		get_opclass_family(classes->values[0]) == default_family(BYTEAOID) &&
		get_opclass_family(classes->values[1]) == default_family(INT8OID) &&
		(options->values[0] & INDOPTION_DESC) == 0 &&
		(options->values[1] & INDOPTION_DESC) != 0 &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL);
	ReleaseSysCache(tuple);
	return fits;
}

/* Whether a row can go straight into the table and its one index. */
static bool
is_plain(MvsStoreInfo *info, Relation heap)
{
	TupleDesc	shape = RelationGetDescr(heap);
	List	   *indexes = RelationGetIndexList(heap);
	int			index_count = list_length(indexes);

	list_free(indexes);
	if (shape->natts != MVS_COLUMN_COUNT || index_count != 1 || heap->rd_rel->relispartition)
		return false;
	if (shape->constr && shape->constr->num_check > 0)
		return false;
	/* NOT NULL on key and version is met by every write. */
	for (int i = 0; i < shape->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(shape, i);

		if (column->attgenerated ||
			(column->attnotnull && i + 1 != info->columns[MVS_KEY] &&
			 i + 1 != info->columns[MVS_VERSION]))
			return false;
	}
	return heap->trigdesc == NULL ||
		(!heap->trigdesc->trig_insert_before_row && !heap->trigdesc->trig_insert_after_row);
}

/* Whether a foreign key refers to the table. */
static bool
is_referenced(Relation heap)
{
	if (heap->trigdesc == NULL)
		return false;
	for (int i = 0; i < heap->trigdesc->numtriggers; i++)
		if (RI_FKey_trigger_type(heap->trigdesc->triggers[i].tgfoid) == RI_TRIGGER_PK)
			return true;
	return false;
}

/* Take over an open table as a store. */
static void
fill_store(MvsStore *store, Relation heap, const MvsStoreInfo *info, LOCKMODE mode)
{
	if (info->columns[MVS_COLUMN_COUNT - 1] == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" does not have the columns of a store",
						RelationGetRelationName(heap)),
				 errdetail("A store has key bytea NOT NULL, version bigint NOT NULL, value bytea and expires_at timestamptz.")));
	if (!OidIsValid(info->index))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("store \"%s\" has no valid unique index on (key, version DESC)",
						RelationGetRelationName(heap)),
				 errhint("Create such an index, or rebuild it with REINDEX.")));
	store->heap = heap;
	store->info = *info;
	store->index = index_open(info->index, mode);
}

void
mvs_store_open(MvsStore *store, Oid relation, LOCKMODE mode, AclMode rights)
{
	char	   *name = get_rel_name(relation);
	Relation	heap = NULL;
	MvsStoreInfo *info = NULL;

	/* Rights first, so that nobody locks what is not theirs to touch. */
	if (name && get_rel_relkind(relation) == RELKIND_RELATION)
	{
		if (pg_class_aclmask(relation, GetUserId(), rights, ACLMASK_ALL) != rights)
			aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, name);
		heap = try_relation_open(relation, mode);
	}
	else if (name)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a store", name),
				 errhint("Stores are tables made by mvstore_create().")));
	if (heap == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relation)));

	info = look_up(heap);
	if (info == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a store", name),
				 errhint("Stores are tables made by mvstore_create().")));
	if (heap->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("store \"%s\" is not a permanent table", name),
				 errdetail("A store is logged, so that nothing is lost in a crash."),
				 errhint("Run ALTER TABLE ... SET LOGGED.")));
	if (heap->rd_rel->relrowsecurity &&
		check_enable_rls(relation, InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("row-level security is in force for store \"%s\"", name),
				 errdetail("mvstore reads and writes stores past the row security policies.")));
	fill_store(store, heap, info, mode);
}

bool
mvs_catalog_lock(void)
{
	static const MvsCatalog tables[] = {MVS_POLICY, MVS_FLOOR, MVS_JOURNAL, MVS_STABLE};

	for (int i = 0; i < lengthof(tables); i++)
	{
		Oid			table = mvs_catalog_oid(tables[i], true);

		if (OidIsValid(table) && !ConditionalLockRelationOid(table, RowExclusiveLock))
			return false;
	}
	return true;
}

bool
mvs_store_try_open(MvsStore *store, Oid relation, bool *locked)
{
	Relation	heap;
	MvsStoreInfo *info;

	*locked = true;
	if (!mvs_catalog_lock() || !ConditionalLockRelationOid(relation, RowExclusiveLock))
		return false;
	*locked = false;
	heap = try_relation_open(relation, NoLock);
	if (heap == NULL)
	{
		UnlockRelationOid(relation, RowExclusiveLock);
		return false;
	}
	info = look_up(heap);
	if (info == NULL)
	{
		relation_close(heap, RowExclusiveLock);
		return false;
	}
	if (OidIsValid(info->index) && !ConditionalLockRelationOid(info->index, RowExclusiveLock))
	{
		relation_close(heap, NoLock);
		*locked = true;
		return false;
	}
	fill_store(store, heap, info, NoLock);
	return true;
}

bool
mvs_store_measure(Oid relation, MvsStoreInfo *info, double *entries)
{
	bool		missing = false;
	Relation	heap;
	MvsStoreInfo *found;
	BlockNumber pages;
	double		visible;

	if (get_rel_relkind(relation) != RELKIND_RELATION ||
		pg_class_aclcheck_ext(relation, GetUserId(), ACL_SELECT, &missing) != ACLCHECK_OK ||
		missing || !ConditionalLockRelationOid(relation, AccessShareLock))
		return false;
	heap = try_relation_open(relation, NoLock);
	if (heap == NULL)
	{
		UnlockRelationOid(relation, AccessShareLock);
		return false;
	}

	/* As in mvs_store_open(), without its errors. */
	found = look_up(heap);
	if (found && (!OidIsValid(found->index) ||
				  heap->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT ||
				  (heap->rd_rel->relrowsecurity &&
				   check_enable_rls(relation, InvalidOid, true) == RLS_ENABLED)))
		found = NULL;
	if (found)
	{
		*info = *found;
		estimate_rel_size(heap, NULL, &pages, entries, &visible);
	}
	relation_close(heap, AccessShareLock);
	return found != NULL;
}

void
mvs_store_close(MvsStore *store)
{
	index_close(store->index, NoLock);
	relation_close(store->heap, NoLock);
}

List *
mvs_store_list(void)
{
	Relation	catalog;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *stores = NIL;

	if (!OidIsValid(mvs_catalog_oid(MVS_POLICY, true)))
		return NIL;
	catalog = table_open(mvs_catalog_oid(MVS_POLICY, false), AccessShareLock);
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_policy];
		bool		nulls[Natts_policy];

		heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
		if (!nulls[Anum_policy_keep_versions - 1] || !nulls[Anum_policy_keep_for - 1] ||
			!nulls[Anum_policy_ttl - 1])
			stores = lappend_oid(stores, DatumGetObjectId(values[Anum_policy_store - 1]));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return stores;
}

/* ------------------------------------------------------------------------
 * Floors
 * ------------------------------------------------------------------------ */

int64
mvs_floor_read(Oid store, Snapshot snapshot)
{
	Relation	catalog = table_open(mvs_catalog_oid(MVS_FLOOR, false), AccessShareLock);
	HeapTuple	tuple = find_row(catalog, MVS_FLOOR_KEY, store, snapshot);
	int64		floor = 0;

	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		floor = DatumGetInt64(heap_getattr(tuple, Anum_floor_floor,
										   RelationGetDescr(catalog), &isnull));
		heap_freetuple(tuple);
	}
	table_close(catalog, AccessShareLock);
	return floor;
}

/* Where this process has last put the floor of a store. */
typedef struct FloorPlace
{
	Oid			store;			/* hash key */
	ItemPointerData tid;
} FloorPlace;

static FloorPlace *
floor_place(Oid store)
{
	static HTAB *places = NULL;
	FloorPlace *place;
	bool		found;

	if (places == NULL)
	{
		HASHCTL		control = {
			.keysize = sizeof(Oid),
			.entrysize = sizeof(FloorPlace)
		};

		places = hash_create("mvstore floors", 32, &control, HASH_ELEM | HASH_BLOBS);
	}
	place = hash_search(places, &store, HASH_ENTER, &found);
	if (!found)
		ItemPointerSetInvalid(&place->tid);
	return place;
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

void
mvs_floor_raise(Oid store, int64 floor)
{
	Relation	catalog = table_open(mvs_catalog_oid(MVS_FLOOR, false), RowExclusiveLock);
	FloorPlace *place = floor_place(store);
	HeapTuple	old;
	Datum		values[Natts_floor] = {ObjectIdGetDatum(store), Int64GetDatum(floor)};
	bool		nulls[Natts_floor] = {false};
	Datum		old_values[Natts_floor];
	bool		old_nulls[Natts_floor];
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);

	/* By the index the row is found behind all its dead versions, if a snapshot keeps them. */
	old = mvs_catalog_fetch(catalog, &place->tid);
	if (old)
		heap_deform_tuple(old, RelationGetDescr(catalog), old_values, old_nulls);
	if (!old || DatumGetObjectId(old_values[Anum_floor_store - 1]) != store)
	{
		old = find_row(catalog, MVS_FLOOR_KEY, store, NULL);
		if (old)
			heap_deform_tuple(old, RelationGetDescr(catalog), old_values, old_nulls);
	}

	if (!old)
		CatalogTupleInsert(catalog, tuple);
	else if (DatumGetInt64(old_values[Anum_floor_floor - 1]) < floor)
		CatalogTupleUpdate(catalog, &old->t_self, tuple);
	else
		tuple->t_self = old->t_self;
	place->tid = tuple->t_self;
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

/* ------------------------------------------------------------------------
 * Creating and forgetting
 * ------------------------------------------------------------------------ */

int64
mvs_interval_usecs(const char *what, const Interval *interval)
{
	int64		usecs;

	if (interval->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not have months or years", what),
				 errhint("Say it in days; a day is 24 hours.")));
	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &usecs) ||
		pg_add_s64_overflow(usecs, interval->time, &usecs))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range", what)));
	if (usecs < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", what)));
	return usecs;
}

/* Run one command of DDL as the current user. */
static void
run_command(const char *command)
{
	int			result = SPI_execute(command, false, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute returned %s", SPI_result_code_string(result));
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

/* Check the policy in arguments 1 to 3 and write it as that of a new store. */
static void
insert_policy(Oid store, FunctionCallInfo fcinfo)
{
	Relation	catalog;
	Datum		values[Natts_policy];
	bool		nulls[Natts_policy] = {false};

	if (!PG_ARGISNULL(1) && PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep_versions must be at least 1")));
	if (!PG_ARGISNULL(2))
		(void) mvs_interval_usecs("keep_for", PG_GETARG_INTERVAL_P(2));
	if (!PG_ARGISNULL(3) && mvs_interval_usecs("ttl", PG_GETARG_INTERVAL_P(3)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl must be greater than zero")));

	values[Anum_policy_store - 1] = ObjectIdGetDatum(store);
	values[Anum_policy_incarnation - 1] = Int64GetDatum(1);
	for (int i = 1; i <= 3; i++)
	{
		values[i] = fcinfo->args[i].value;
		nulls[i] = fcinfo->args[i].isnull;
	}

	/* A row left by a drop that no event trigger saw is not ours. */
	(void) delete_row(MVS_POLICY, MVS_POLICY_KEY, store);
	(void) delete_row(MVS_FLOOR, MVS_FLOOR_KEY, store);
	catalog = table_open(mvs_catalog_oid(MVS_POLICY, false), RowExclusiveLock);
	CatalogTupleInsert(catalog, heap_form_tuple(RelationGetDescr(catalog), values, nulls));
	table_close(catalog, RowExclusiveLock);
	CacheInvalidateRelcacheByRelid(store);
	CommandCounterIncrement();
}

/*
 * mvstore_create(store text, keep_versions int, keep_for interval, ttl interval)
 *
 * Creates a table with its index, replica identity and trigger, and makes it a
 * store. What can be wrong with a name or with rights, CREATE TABLE says.
 */
Datum
mvstore_create(PG_FUNCTION_ARGS)
{
	RangeVar   *name;
	Oid			schema;
	Oid			table;
	const char *table_name;
	const char *extension;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("store must not be null")));
	PreventCommandIfReadOnly("mvstore_create()");
	(void) mvs_database();

	/* The schema that CREATE TABLE will choose; a table of the same name may hide it. */
	name = makeRangeVarFromNameList(textToQualifiedNameList(PG_GETARG_TEXT_PP(0)));
	schema = RangeVarGetCreationNamespace(name);
	if (isAnyTempNamespace(schema))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a store cannot be a temporary table")));
	table_name = quote_qualified_identifier(get_namespace_name(schema), name->relname);
	extension = quote_identifier(get_namespace_name(extension_schema(false)));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	run_command(psprintf("CREATE TABLE %s (key pg_catalog.bytea NOT NULL, "
						 "version pg_catalog.int8 NOT NULL, "
						 "value pg_catalog.bytea, "
						 "expires_at pg_catalog.timestamptz)", table_name));
	table = get_relname_relid(name->relname, schema);
	if (!OidIsValid(table) || get_rel_persistence(table) != RELPERSISTENCE_PERMANENT)
		elog(ERROR, "table %s is not what was created", table_name);
	run_command(psprintf("CREATE UNIQUE INDEX ON %s (key, version DESC)", table_name));
	run_command(psprintf("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s",
						 table_name, quote_identifier(only_index(table))));
	run_command(psprintf("CREATE TRIGGER mvstore_truncate AFTER TRUNCATE ON %s "
						 "FOR EACH STATEMENT EXECUTE FUNCTION %s.mvstore_truncated()",
						 table_name, extension));
	run_command(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER mvstore_truncate", table_name));
	run_command(psprintf("ALTER TRIGGER mvstore_truncate ON %s DEPENDS ON EXTENSION mvstore",
						 table_name));
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");

	insert_policy(table, fcinfo);

	/* The worker learns of a policy by age through a mark. */
	mvs_request_mark(table);
	PG_RETURN_OID(table);
}

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
	catalog = table_open(mvs_catalog_oid(MVS_POLICY, false), RowExclusiveLock);
	old = find_row(catalog, MVS_POLICY_KEY, store, NULL);
	if (HeapTupleIsValid(old))
	{
		Datum		values[Natts_policy];
		bool		nulls[Natts_policy];
		bool		replace[Natts_policy] = {false};
		bool		isnull;
		int64		incarnation;

		incarnation = DatumGetInt64(heap_getattr(old, Anum_policy_incarnation,
												 RelationGetDescr(catalog), &isnull));
		values[Anum_policy_incarnation - 1] = Int64GetDatum(incarnation + 1);
		nulls[Anum_policy_incarnation - 1] = false;
		replace[Anum_policy_incarnation - 1] = true;
		CatalogTupleUpdate(catalog, &old->t_self,
						   heap_modify_tuple(old, RelationGetDescr(catalog),
											 values, nulls, replace));
		CacheInvalidateRelcacheByRelid(store);

		/* A snapshot that does not see the row to be updated would go on seeing an older one. */
		if (IsolationUsesXactSnapshot() &&
			mvs_floor_read(store, GetTransactionSnapshot()) != mvs_floor_read(store, NULL))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent drops"),
					 errhint("The transaction might succeed if retried.")));
		mvs_floor_raise(store, mvs_version_truncate(mvs_database()));
	}
	table_close(catalog, RowExclusiveLock);
	PG_RETURN_POINTER(NULL);
}

/* Event trigger on sql_drop: what was dropped is no store any more. */
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
	if (SPI_execute("SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() "
					"WHERE classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
					"AND objsubid OPERATOR(pg_catalog.=) 0 "
					"AND object_type OPERATOR(pg_catalog.=) 'table'", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list the dropped tables");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Oid			store = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
														   SPI_tuptable->tupdesc, 1, &isnull));

		if (!delete_row(MVS_POLICY, MVS_POLICY_KEY, store))
			continue;
		(void) delete_row(MVS_FLOOR, MVS_FLOOR_KEY, store);
		mvs_journal_forget(store);
		mvs_request_forget(store);
	}
	CommandCounterIncrement();
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	PG_RETURN_NULL();
}
