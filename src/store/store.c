/*-------------------------------------------------------------------------
 *
 * store.c
 *	  The store catalog: which tables are stores, and how they are opened.
 *
 * What is known of a store is cached per backend and thrown away by relcache
 * invalidation of its table; whoever changes a row of mvstore_policy sends one.
 * The cache is read only while the table is locked, and taking a lock accepts
 * pending invalidations, so a cached row is never older than the lock.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/indexing.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "storage/lmgr.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "base/arguments.h"
#include "base/cache.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "store/policy_row.h"
#include "store/store.h"

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

/* An index of a store, known by its shape. */
typedef struct MvsIndex
{
	Oid			oid;
	enum
	{
		MVS_OTHER_INDEX,
		MVS_MAIN_INDEX,			/* unique on (key, version DESC) */
		MVS_FEED_INDEX			/* on (version, key) */
	}			kind;
	bool		usable;			/* built, and not being dropped */
	bool		refuses;		/* an entry for what others are there */
	TransactionId since;		/* older snapshots may not find all by it, or invalid */
} MvsIndex;

static HTAB *store_cache = NULL;

static bool look_up(Relation heap, MvsStoreInfo *info);
static bool load_info(MvsStoreInfo *info, Relation heap);
static void load_shape(MvsStoreInfo *info, Relation heap);
static const char *find_column(Relation heap, MvsColumn column, AttrNumber *number);
static bool find_columns(MvsStoreInfo *info, Relation heap);
static Oid	default_family(Oid type);
static bool find_indexes(MvsStoreInfo *info, Relation heap);
static MvsIndex see_index(const MvsStoreInfo *info, Oid oid);
static bool has_column(const MvsStoreInfo *info, HeapTuple index, int place, MvsColumn column,
					   bool descending);
static bool is_plain_insert(MvsStoreInfo *info, Relation heap);
static bool is_plain_delete(Relation heap);
static bool is_referenced(Relation heap);
static const Trigger *truncate_trigger(Relation heap);
static const char *find_lack(Relation heap, const MvsStoreInfo *info);
static void refuse_shape(Relation heap, const MvsStoreInfo *info);
static void refuse_persistence(Relation heap);
static void refuse_table(Relation heap);
static void fill_store(MvsStore *store, Relation heap, const MvsStoreInfo *info, LOCKMODE mode);
static void open_checked(MvsStore *store, Relation heap, LOCKMODE mode);
static void check_table(Form_pg_class form, AclMode rights, bool owned);
static Relation open_table(Oid relation, LOCKMODE mode, AclMode rights, bool owned);
static bool lock_for_deletions(Relation heap);
static bool lock_at_once(Oid relation, List **locked);

/* ------------------------------------------------------------------------
 * Opening stores
 * ------------------------------------------------------------------------ */

/* What is known of an open table as a store; false if it is none. */
static bool
look_up(Relation heap, MvsStoreInfo *info)
{
	Oid			oid = RelationGetRelid(heap);
	MvsStoreInfo *known;
	uint64		age;

	if (store_cache == NULL)
		store_cache = mvs_cache_create("mvstore stores", sizeof(MvsStoreInfo));

	/* A copy, as an invalidation removes the entry. */
	known = hash_search(store_cache, &oid, HASH_FIND, NULL);
	if (known)
	{
		*info = *known;
		return true;
	}

	/*
	 * Loading can accept invalidations. What was loaded does for this call, as who changes more
	 * than that waits for our lock, but not for the next.
	 */
	memset(info, 0, sizeof(MvsStoreInfo));
	info->oid = oid;
	age = mvs_cache_age();
	if (!load_info(info, heap))
		return false;
	if (age == mvs_cache_age())
	{
		known = hash_search(store_cache, &oid, HASH_ENTER, NULL);
		*known = *info;
	}
	return true;
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

	catalog = mvs_catalog_open(MVS_POLICY, false, AccessShareLock);
	tuple = mvs_catalog_find(catalog, MVS_POLICY_KEY, info->oid, NULL);
	if (HeapTupleIsValid(tuple))
		heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
	table_close(catalog, AccessShareLock);
	if (!HeapTupleIsValid(tuple))
		return false;

	info->incarnation = DatumGetInt64(values[Anum_policy_incarnation - 1]);
	info->storage = nulls[Anum_policy_storage - 1] ? InvalidOid :
		DatumGetObjectId(values[Anum_policy_storage - 1]);
	info->policy.keep_versions = nulls[Anum_policy_keep_versions - 1] ? 0 :
		DatumGetInt32(values[Anum_policy_keep_versions - 1]);
	info->policy.keep_for = nulls[Anum_policy_keep_for - 1] ? -1 :
		mvs_interval_usecs("keep_for", DatumGetIntervalP(values[Anum_policy_keep_for - 1]));
	info->ttl = nulls[Anum_policy_ttl - 1] ? -1 :
		mvs_interval_usecs("ttl", DatumGetIntervalP(values[Anum_policy_ttl - 1]));

	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(info->oid));
	if (!HeapTupleIsValid(tuple))
		return false;
	info->changed = HeapTupleHeaderGetXmin(tuple->t_data);
	ReleaseSysCache(tuple);
	load_shape(info, heap);
	return true;
}

/* See what a table has of a store. */
static void
load_shape(MvsStoreInfo *info, Relation heap)
{
	const Trigger *trigger;

	info->plain_insert = find_columns(info, heap) && find_indexes(info, heap) &&
		is_plain_insert(info, heap);
	info->plain_delete = is_plain_delete(heap);
	info->referenced = is_referenced(heap);
	trigger = truncate_trigger(heap);
	info->guarded = trigger && trigger->tgenabled == TRIGGER_FIRES_ALWAYS;
}

/* Set *number to a column of a store; or else say as a sentence why it is none. */
static const char *
find_column(Relation heap, MvsColumn column, AttrNumber *number)
{
	const char *name = column_shapes[column].name;
	Oid			type = column_shapes[column].type;
	AttrNumber	found = get_attnum(RelationGetRelid(heap), name);
	Form_pg_attribute form;

	if (found <= 0)
		return psprintf(_("It has no column \"%s\"."), name);
	form = TupleDescAttr(RelationGetDescr(heap), found - 1);
	if (form->atttypid != type)
		return psprintf(_("Its column \"%s\" is of type %s, and that of a store is of type %s."),
						name, format_type_be(form->atttypid), format_type_be(type));
	if (form->attgenerated)
		return psprintf(_("Its column \"%s\" is generated."), name);
	if (column_shapes[column].not_null && !form->attnotnull)
		return psprintf(_("Its column \"%s\" is not declared NOT NULL."), name);
	*number = found;
	return NULL;
}

/* Find the columns of a store by name and type; the last is 0 where one is missing. */
static bool
find_columns(MvsStoreInfo *info, Relation heap)
{
	for (int i = 0; i < MVS_COLUMN_COUNT; i++)
		if (find_column(heap, i, &info->columns[i]) != NULL)
			return false;
	return true;
}

/* The operator family by which a B-tree orders a type unless told otherwise. */
static Oid
default_family(Oid type)
{
	return get_opclass_family(GetDefaultOpClass(type, BTREE_AM_OID));
}

/*
 * Find the indexes of a store by their shapes; of several alike, the first that can be
 * used. Return whether rows go into these as they are, and there is no other: one that is
 * being built, or is left of that, gets its entries too, as is one that refuses some.
 */
static bool
find_indexes(MvsStoreInfo *info, Relation heap)
{
	List	   *indexes = RelationGetIndexList(heap);
	bool		plain = true;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		MvsIndex	index = see_index(info, lfirst_oid(cell));

		if (index.kind == MVS_MAIN_INDEX && index.usable && !OidIsValid(info->index))
		{
			info->index = index.oid;
			info->indexed = index.since;
		}
		else if (index.kind == MVS_FEED_INDEX && index.usable && !OidIsValid(info->feed_index))
		{
			info->feed_index = index.oid;
			plain &= !index.refuses;
		}
		else
			plain = false;
	}
	list_free(indexes);
	return plain;
}

/*
 * See what an index is; by its catalog row, since a lock on it may not be had. Where NULLs
 * go in it does not matter, as no column of ours in it has any.
 */
static MvsIndex
see_index(const MvsStoreInfo *info, Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid));
	MvsIndex	index = {.oid = oid, .kind = MVS_OTHER_INDEX};
	Form_pg_index form;

	if (!HeapTupleIsValid(tuple))
		return index;
	form = (Form_pg_index) GETSTRUCT(tuple);
	index.usable = form->indisvalid && form->indisready && form->indislive;
	if (form->indcheckxmin)
		index.since = HeapTupleHeaderGetXmin(tuple->t_data);
	index.refuses = form->indisunique || form->indisexclusion;
	if (form->indnatts == 2 && form->indnkeyatts == 2 &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL))
	{
		if (has_column(info, tuple, 0, MVS_KEY, false) &&
			has_column(info, tuple, 1, MVS_VERSION, true) &&
			form->indisunique && form->indimmediate)
			index.kind = MVS_MAIN_INDEX;
		else if (has_column(info, tuple, 0, MVS_VERSION, false) &&
				 has_column(info, tuple, 1, MVS_KEY, false))
			index.kind = MVS_FEED_INDEX;
	}
	ReleaseSysCache(tuple);
	return index;
}

/* Whether a B-tree has, at a place, a column in its usual order, or that order turned round. */
static bool
has_column(const MvsStoreInfo *info, HeapTuple index, int place, MvsColumn column,
		   bool descending)
{
	Form_pg_index form = (Form_pg_index) GETSTRUCT(index);
	bool		isnull;
	oidvector  *classes;
	int2vector *options;

	classes = (oidvector *) DatumGetPointer(SysCacheGetAttr(INDEXRELID, index,
															Anum_pg_index_indclass, &isnull));
	options = (int2vector *) DatumGetPointer(SysCacheGetAttr(INDEXRELID, index,
															 Anum_pg_index_indoption, &isnull));
	return form->indkey.values[place] == info->columns[column] &&
		get_opclass_family(classes->values[place]) == default_family(column_shapes[column].type) &&
		((options->values[place] & INDOPTION_DESC) != 0) == descending;
}

/* Whether a row can go straight into the table: nothing of the user's looks at it before. */
static bool
is_plain_insert(MvsStoreInfo *info, Relation heap)
{
	TupleDesc	shape = RelationGetDescr(heap);

	if (shape->natts != MVS_COLUMN_COUNT || heap->rd_rel->relispartition)
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
		!(heap->trigdesc->trig_insert_before_row || heap->trigdesc->trig_insert_after_row ||
		  heap->trigdesc->trig_insert_before_statement ||
		  heap->trigdesc->trig_insert_after_statement);
}

/* Whether nothing of the user's is to run when a row is deleted. */
static bool
is_plain_delete(Relation heap)
{
	return heap->trigdesc == NULL ||
		!(heap->trigdesc->trig_delete_before_row || heap->trigdesc->trig_delete_after_row ||
		  heap->trigdesc->trig_delete_before_statement ||
		  heap->trigdesc->trig_delete_after_statement);
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

/*
 * Our trigger on TRUNCATE, whatever its name; the one that fires always, if there is one. It is a
 * copy, as are all that are looked at: with each look at the catalog the relation may be loaded
 * anew.
 */
static const Trigger *
truncate_trigger(Relation heap)
{
	TriggerDesc *triggers = CopyTriggerDesc(heap->trigdesc);
	const Trigger *found = NULL;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		char	   *function;

		if (!TRIGGER_FOR_TRUNCATE(trigger->tgtype) || trigger->tgqual != NULL)
			continue;
		function = get_func_name(trigger->tgfoid);
		if (function && strcmp(function, "mvstore_truncated") == 0 &&
			get_func_namespace(trigger->tgfoid) == mvs_catalog_schema(true) &&
			(found == NULL || trigger->tgenabled == TRIGGER_FIRES_ALWAYS))
			found = trigger;
	}
	return found;
}

/* What a table lacks first of the shape of a store, as a sentence; or NULL. */
static const char *
find_lack(Relation heap, const MvsStoreInfo *info)
{
	AttrNumber	number;

	for (int i = 0; i < MVS_COLUMN_COUNT; i++)
	{
		const char *lack = find_column(heap, i, &number);

		if (lack)
			return lack;
	}
	if (!OidIsValid(info->index))
		return _("It has no valid unique index on (key, version DESC).");
	return NULL;
}

/* Refuse a table that is not fit for a store. */
static void
refuse_shape(Relation heap, const MvsStoreInfo *info)
{
	if (info->columns[MVS_COLUMN_COUNT - 1] == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" does not have the columns of a store",
						RelationGetRelationName(heap)),
				 errdetail_internal("%s", find_lack(heap, info)),
				 errhint("A store has key bytea NOT NULL, version bigint NOT NULL, value bytea and expires_at timestamptz.")));
	if (!OidIsValid(info->index))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has no valid unique index on (key, version DESC)",
						RelationGetRelationName(heap)),
				 errhint("Create such an index, or rebuild it with REINDEX, and make it the table's REPLICA IDENTITY.")));
}

/* Refuse a table whose rows would not survive a crash. */
static void
refuse_persistence(Relation heap)
{
	switch (heap->rd_rel->relpersistence)
	{
		case RELPERSISTENCE_PERMANENT:
			break;
		case RELPERSISTENCE_TEMP:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("temporary table \"%s\" cannot be a store",
							RelationGetRelationName(heap)),
					 errhint("Make a permanent table like it with CREATE TABLE ... (LIKE %s INCLUDING ALL), and copy the rows.",
							 mvs_store_quoted_name(heap))));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("unlogged table \"%s\" cannot be a store",
							RelationGetRelationName(heap)),
					 errdetail("A crash would empty it."),
					 errhint("Run ALTER TABLE %s SET LOGGED.", mvs_store_quoted_name(heap))));
	}
}

/* Refuse a table that is no store, and tell how it would be one. */
static void
refuse_table(Relation heap)
{
	MvsStoreInfo info = {.oid = RelationGetRelid(heap)};
	const char *lack;

	load_shape(&info, heap);
	lack = find_lack(heap, &info);
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is not a store", RelationGetRelationName(heap)),
			 lack ? errdetail_internal("%s", lack) : 0,
			 lack == NULL ? errhint("mvstore_attach() makes a store of it.") :
			 errhint("mvstore_create() makes a store, and mvstore_attach() one of a table that has its columns and index.")));
}

const char *
mvs_store_quoted_name(Relation heap)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(heap)),
									  RelationGetRelationName(heap));
}

void
mvs_store_check_shape(Relation heap, MvsStoreInfo *info)
{
	memset(info, 0, sizeof(MvsStoreInfo));
	info->oid = RelationGetRelid(heap);
	refuse_persistence(heap);
	load_shape(info, heap);
	refuse_shape(heap, info);
}

List *
mvs_store_feed_indexes(MvsStore *store)
{
	List	   *indexes = RelationGetIndexList(store->heap);
	List	   *found = NIL;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		if (see_index(&store->info, lfirst_oid(cell)).kind == MVS_FEED_INDEX)
			found = lappend_oid(found, lfirst_oid(cell));
	}
	list_free(indexes);
	return found;
}

/* Take over an open table as a store. */
static void
fill_store(MvsStore *store, Relation heap, const MvsStoreInfo *info, LOCKMODE mode)
{
	refuse_shape(heap, info);
	store->heap = heap;
	store->info = *info;
	store->index = index_open(info->index, mode);
}

/* Refuse what is no table, or one that the current user lacks rights on. */
static void
check_table(Form_pg_class form, AclMode rights, bool owned)
{
	const char *name = NameStr(form->relname);

	if (form->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a store", name),
				 errdetail_relkind_not_supported(form->relkind),
				 form->relkind == RELKIND_PARTITIONED_TABLE ?
				 errhint("Its partitions can be stores.") :
				 errhint("mvstore_create() makes a store, which is an ordinary table.")));
	if (owned && !mvs_compat_table_owned(form->oid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, name);
	if (pg_class_aclmask(form->oid, GetUserId(), rights, ACLMASK_ALL) != rights)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, name);
}

/*
 * Open a table, which need not be a store, that the current user has rights on. Rights are
 * looked at first, so that nobody locks what is not theirs to touch.
 */
static Relation
open_table(Oid relation, LOCKMODE mode, AclMode rights, bool owned)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Relation	heap = NULL;

	if (HeapTupleIsValid(tuple))
	{
		uint64		known = SharedInvalidMessageCounter;

		check_table((Form_pg_class) GETSTRUCT(tuple), rights, owned);
		ReleaseSysCache(tuple);
		heap = try_relation_open(relation, mode);

		/* Who had it locked may have taken them away. */
		if (heap && known != SharedInvalidMessageCounter)
			check_table(heap->rd_rel, rights, owned);
	}
	if (heap == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relation)));
	return heap;
}

/* Take over an open table as a store, if it is one and may be used as such. */
static void
open_checked(MvsStore *store, Relation heap, LOCKMODE mode)
{
	MvsStoreInfo info;

	if (!look_up(heap, &info))
		refuse_table(heap);
	refuse_persistence(heap);
	if (heap->rd_rel->relrowsecurity &&
		check_enable_rls(RelationGetRelid(heap), InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("row-level security is in force for store \"%s\"",
						RelationGetRelationName(heap)),
				 errdetail("mvstore reads and writes stores past the row security policies."),
				 errhint("Roles with the attribute BYPASSRLS can use the store.")));
	fill_store(store, heap, &info, mode);
}

void
mvs_store_open(MvsStore *store, Oid relation, LOCKMODE mode, AclMode rights)
{
	open_checked(store, open_table(relation, mode, rights, false), mode);
}

void
mvs_store_open_own(MvsStore *store, Oid relation, LOCKMODE mode)
{
	open_checked(store, open_table(relation, mode, ACL_NO_RIGHTS, true), mode);
}

Relation
mvs_store_open_table(Oid relation, LOCKMODE mode, bool *is_store)
{
	Relation	heap = open_table(relation, mode, ACL_NO_RIGHTS, true);
	MvsStoreInfo info;

	*is_store = look_up(heap, &info);
	return heap;
}

bool
mvs_store_lock_indexes(Relation heap, bool waits)
{
	List	   *indexes = RelationIsLogicallyLogged(heap) ? RelationGetIndexList(heap) : NIL;
	bool		all = true;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		if (waits)
			LockRelationOid(lfirst_oid(cell), AccessShareLock);
		else
			all = all && ConditionalLockRelationOid(lfirst_oid(cell), AccessShareLock);
	}
	list_free(indexes);
	return all;
}

/* Lock at once what deletions open beside the table and its main index. */
static bool
lock_for_deletions(Relation heap)
{
	Oid			toast = heap->rd_rel->reltoastrelid;

	return (!OidIsValid(toast) || ConditionalLockRelationOid(toast, RowExclusiveLock)) &&
		mvs_store_lock_indexes(heap, false);
}

bool
mvs_store_try_open(MvsStore *store, Oid relation, bool *locked)
{
	Relation	heap;
	MvsStoreInfo info;

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
	if (!look_up(heap, &info))
	{
		relation_close(heap, RowExclusiveLock);
		return false;
	}
	if (OidIsValid(info.index) && (!ConditionalLockRelationOid(info.index, RowExclusiveLock) ||
								   !lock_for_deletions(heap)))
	{
		relation_close(heap, NoLock);
		*locked = true;
		return false;
	}
	fill_store(store, heap, &info, NoLock);
	return true;
}

bool
mvs_store_is_readable(Oid relation)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)) &&
		pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(relation, InvalidOid, true) != RLS_ENABLED;
}

bool
mvs_store_measure(Oid relation, MvsStoreInfo *info, double *entries)
{
	bool		missing = false;
	Relation	heap;
	bool		found;
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
	found = look_up(heap, info) && OidIsValid(info->index) &&
		heap->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT &&
		!(heap->rd_rel->relrowsecurity &&
		  check_enable_rls(relation, InvalidOid, true) == RLS_ENABLED);
	if (found)
		estimate_rel_size(heap, NULL, &pages, entries, &visible);
	relation_close(heap, AccessShareLock);
	return found;
}

bool
mvs_store_has_feed(Oid relation)
{
	Relation	heap = try_relation_open(relation, AccessShareLock);
	MvsStoreInfo info;
	bool		found;

	if (heap == NULL)
		return false;
	found = look_up(heap, &info) && OidIsValid(info.feed_index);
	relation_close(heap, AccessShareLock);
	return found;
}

/*
 * Lock a table, its indexes and its TOAST table, and add them to *locked; false where one of
 * them cannot be had at once, or has gone.
 */
static bool
lock_at_once(Oid relation, List **locked)
{
	Relation	heap;
	List	   *parts;
	ListCell   *cell;
	Oid			toast;

	if (!ConditionalLockRelationOid(relation, AccessShareLock))
		return false;
	*locked = lappend_oid(*locked, relation);
	heap = RelationIdGetRelation(relation);
	if (heap == NULL)
		return false;
	toast = heap->rd_rel->reltoastrelid;
	parts = RelationGetIndexList(heap);
	RelationClose(heap);
	foreach(cell, parts)
	{
		if (!ConditionalLockRelationOid(lfirst_oid(cell), AccessShareLock))
			return false;
		*locked = lappend_oid(*locked, lfirst_oid(cell));
	}
	return !OidIsValid(toast) || lock_at_once(toast, locked);
}

int64
mvs_store_size(Oid relation)
{
	List	   *locked = NIL;
	ListCell   *cell;
	int64		size = -1;

	if (lock_at_once(relation, &locked))
		size = DatumGetInt64(DirectFunctionCall1(pg_total_relation_size,
												 ObjectIdGetDatum(relation)));
	foreach(cell, locked)
		UnlockRelationOid(lfirst_oid(cell), AccessShareLock);
	list_free(locked);
	return size;
}

void
mvs_store_refuse_referenced(MvsStore *store)
{
	if (store->info.referenced)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot drop from store \"%s\" because a foreign key refers to it",
						RelationGetRelationName(store->heap)),
				 errhint("Remove the foreign key constraint.")));
}

void
mvs_store_refuse_unguarded(MvsStore *store)
{
	Relation	heap = store->heap;
	const char *name = RelationGetRelationName(heap);
	const Trigger *trigger;

	if (store->info.guarded)
		return;
	trigger = truncate_trigger(heap);
	if (trigger)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("trigger \"%s\" of store \"%s\" does not fire always",
						trigger->tgname, name),
				 errdetail("A TRUNCATE could go unseen. Until that is mended, the store can only be read."),
				 errhint("Run ALTER TABLE %s ENABLE ALWAYS TRIGGER %s.",
						 mvs_store_quoted_name(heap), quote_identifier(trigger->tgname))));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("store \"%s\" has lost its trigger on TRUNCATE", name),
			 errdetail("A TRUNCATE could go unseen. Until that is mended, the store can only be read."),
			 errhint("Run mvstore_detach(), and then mvstore_attach() with the policy of the store.")));
}

void
mvs_store_refuse_untold(MvsStore *store)
{
	if (store->info.guarded || store->info.storage == store->heap->rd_rel->relfilenode)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("history of store \"%s\" is not known", RelationGetRelationName(store->heap)),
			 errdetail("It may have been truncated while its trigger on TRUNCATE did not fire always."),
			 errhint("Run mvstore_detach(), and then mvstore_attach() with the policy of the store; or if it was not truncated, ALTER TABLE ... ENABLE ALWAYS TRIGGER.")));
}

void
mvs_store_close(MvsStore *store)
{
	index_close(store->index, NoLock);
	relation_close(store->heap, NoLock);
}

Oid
mvs_store_storage(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			storage;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	storage = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
	ReleaseSysCache(tuple);
	return storage;
}

bool
mvs_store_is_exchanged(Oid store)
{
	Relation	catalog = mvs_catalog_open(MVS_POLICY, false, AccessShareLock);
	HeapTuple	tuple = mvs_catalog_find(catalog, MVS_POLICY_KEY, store, NULL);
	bool		isnull = false;
	Oid			storage = InvalidOid;

	if (HeapTupleIsValid(tuple))
		storage = DatumGetObjectId(heap_getattr(tuple, Anum_policy_storage,
												RelationGetDescr(catalog), &isnull));
	table_close(catalog, AccessShareLock);
	return HeapTupleIsValid(tuple) && (isnull || storage != mvs_store_storage(store));
}

HeapTuple
mvs_store_policy_row(Relation catalog, MvsStore *store)
{
	HeapTuple	row = mvs_catalog_find(catalog, MVS_POLICY_KEY, RelationGetRelid(store->heap),
									   NULL);

	/* The extension may have been dropped, and created anew, since the store was opened. */
	if (!HeapTupleIsValid(row))
		refuse_table(store->heap);
	return row;
}

void
mvs_store_record_storage(MvsStore *store)
{
	Oid			oid = RelationGetRelid(store->heap);
	Relation	catalog = mvs_catalog_open(MVS_POLICY, false, RowExclusiveLock);
	HeapTuple	old = mvs_store_policy_row(catalog, store);
	Datum		values[Natts_policy];
	bool		nulls[Natts_policy] = {false};
	bool		replace[Natts_policy] = {false};

	values[Anum_policy_storage - 1] = ObjectIdGetDatum(store->heap->rd_rel->relfilenode);
	replace[Anum_policy_storage - 1] = true;
	mvs_catalog_update(catalog, &old->t_self,
					   heap_modify_tuple(old, RelationGetDescr(catalog), values, nulls, replace));
	table_close(catalog, RowExclusiveLock);
	CacheInvalidateRelcacheByRelid(oid);
	CommandCounterIncrement();
}

bool
mvs_store_exists(Oid relation)
{
	Relation	catalog = mvs_catalog_open(MVS_POLICY, false, AccessShareLock);
	HeapTuple	tuple = mvs_catalog_find(catalog, MVS_POLICY_KEY, relation, NULL);

	table_close(catalog, AccessShareLock);
	return HeapTupleIsValid(tuple);
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
	catalog = mvs_catalog_open(MVS_POLICY, false, AccessShareLock);
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;

		stores = lappend_oid(stores,
							 DatumGetObjectId(heap_getattr(tuple, Anum_policy_store,
														   RelationGetDescr(catalog), &isnull)));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return stores;
}
