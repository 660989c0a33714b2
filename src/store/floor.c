/*-------------------------------------------------------------------------
 *
 * floor.c
 *	  Floors: how far back the history of a store is complete.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/cache.h"
#include "base/catalog.h"
#include "store/floor.h"

/* The floors that a row says. */
static void
take_apart(HeapTuple tuple, TupleDesc shape, MvsFloors *floors)
{
	Datum		values[Natts_floor];
	bool		nulls[Natts_floor];

	heap_deform_tuple(tuple, shape, values, nulls);
	floors->end = DatumGetInt64(values[Anum_floor_floor - 1]);
	floors->entries = DatumGetInt64(values[Anum_floor_entries - 1]);
	floors->keys = DatumGetInt64(values[Anum_floor_keys - 1]);
}

void
mvs_floor_read_all(Oid store, Snapshot snapshot, MvsFloors *floors)
{
	Relation	catalog = mvs_catalog_open(MVS_FLOOR, false, AccessShareLock);
	HeapTuple	tuple = mvs_catalog_find(catalog, MVS_FLOOR_KEY, store, snapshot);

	memset(floors, 0, sizeof(MvsFloors));
	if (HeapTupleIsValid(tuple))
	{
		take_apart(tuple, RelationGetDescr(catalog), floors);
		heap_freetuple(tuple);
	}
	table_close(catalog, AccessShareLock);
}

int64
mvs_floor_read(Oid store, Snapshot snapshot)
{
	MvsFloors	floors;

	mvs_floor_read_all(store, snapshot, &floors);
	return floors.end;
}

/* Where this process has last put the floor of a store. */
typedef struct FloorPlace
{
	Oid			store;			/* hash key */
	ItemPointerData tid;
} FloorPlace;

static HTAB *places = NULL;

static ItemPointerData floor_place(Oid store);
static void keep_place(Oid store, ItemPointer tid);

static ItemPointerData
floor_place(Oid store)
{
	FloorPlace *place = places ? hash_search(places, &store, HASH_FIND, NULL) : NULL;
	ItemPointerData tid;

	if (place)
		return place->tid;
	ItemPointerSetInvalid(&tid);
	return tid;
}

static void
keep_place(Oid store, ItemPointer tid)
{
	FloorPlace *place;

	if (places == NULL)
		places = mvs_cache_create("mvstore floors", sizeof(FloorPlace));
	place = hash_search(places, &store, HASH_ENTER, NULL);
	place->tid = *tid;
}

/* The row of a store's floors, or NULL. */
static HeapTuple
find_row(Relation catalog, Oid store)
{
	ItemPointerData place = floor_place(store);
	HeapTuple	row = mvs_catalog_fetch(catalog, &place);
	bool		isnull;

	/* By the index it is found behind all its dead versions, if a snapshot keeps them. */
	if (row && DatumGetObjectId(heap_getattr(row, Anum_floor_store, RelationGetDescr(catalog),
											 &isnull)) == store)
		return row;
	return mvs_catalog_find(catalog, MVS_FLOOR_KEY, store, NULL);
}

void
mvs_floor_raise(Oid store, const MvsFloors *floors)
{
	Relation	catalog = mvs_catalog_open(MVS_FLOOR, false, RowExclusiveLock);
	HeapTuple	row = find_row(catalog, store);
	MvsFloors	old = {0};
	Datum		values[Natts_floor] = {ObjectIdGetDatum(store)};
	bool		nulls[Natts_floor] = {false};
	HeapTuple	tuple;

	if (row)
		take_apart(row, RelationGetDescr(catalog), &old);
	values[Anum_floor_floor - 1] = Int64GetDatum(Max(old.end, floors->end));
	values[Anum_floor_entries - 1] = Int64GetDatum(Max(old.entries, floors->entries));
	values[Anum_floor_keys - 1] = Int64GetDatum(Max(old.keys, floors->keys));
	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);

	if (!row)
	{
		SnapshotData dirty;

		/* A restore under way may have brought one. */
		InitDirtySnapshot(dirty);
		if (mvs_catalog_find(catalog, MVS_FLOOR_KEY, store, &dirty) != NULL)
			mvs_catalog_refuse_wait(catalog);
		CatalogTupleInsert(catalog, tuple);
	}
	else if (old.end < floors->end || old.entries < floors->entries || old.keys < floors->keys)
		mvs_catalog_update(catalog, &row->t_self, tuple);
	else
		tuple->t_self = row->t_self;
	keep_place(store, &tuple->t_self);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

int64
mvs_floor_greatest(Oid *store)
{
	Relation	catalog = mvs_catalog_open(MVS_FLOOR, false, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	int64		greatest = 0;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_floor];
		bool		nulls[Natts_floor];

		heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
		if (DatumGetInt64(values[Anum_floor_floor - 1]) > greatest)
		{
			greatest = DatumGetInt64(values[Anum_floor_floor - 1]);
			*store = DatumGetObjectId(values[Anum_floor_store - 1]);
		}
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return greatest;
}

/* ------------------------------------------------------------------------
 * Changes of the past
 * ------------------------------------------------------------------------ */

/*
 * Rows are added, as many transactions may write to the past of a store at the same time
 * and none waits for another; only the greatest counts. Of the others, one in some takes
 * what it sees away.
 */
#define REWRITES_KEPT 64

void
mvs_floor_rewrite(Oid store, int64 version)
{
	Relation	catalog = mvs_catalog_open(MVS_REWRITE, false, RowExclusiveLock);
	Datum		values[Natts_rewrite] = {ObjectIdGetDatum(store), Int64GetDatum(version)};
	bool		nulls[Natts_rewrite] = {false};

	CatalogTupleInsert(catalog, heap_form_tuple(RelationGetDescr(catalog), values, nulls));
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
	if (version % REWRITES_KEPT == 0 && !IsolationUsesXactSnapshot() && !XactReadOnly)
	{
		Oid			types[Natts_rewrite] = {OIDOID, INT8OID};

		(void) mvs_catalog_run(MVS_REWRITE,
							   "DELETE FROM %s WHERE version OPERATOR(pg_catalog.<) $2 AND "
							   "ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT ctid FROM %s "
							   "WHERE store OPERATOR(pg_catalog.=) $1 AND "
							   "version OPERATOR(pg_catalog.<) $2 FOR UPDATE SKIP LOCKED))",
							   Natts_rewrite, types, values);
	}
}

int64
mvs_floor_rewritten(Oid store, Snapshot snapshot)
{
	Relation	catalog = mvs_catalog_open(MVS_REWRITE, false, AccessShareLock);
	Relation	index = mvs_catalog_open(MVS_REWRITE_KEY, false, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int64		version = 0;

	ScanKeyInit(&key, Anum_rewrite_store, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(store));
	scan = systable_beginscan_ordered(catalog, index, snapshot, 1, &key);
	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		version = DatumGetInt64(heap_getattr(tuple, Anum_rewrite_version,
											 RelationGetDescr(catalog), &isnull));
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(catalog, AccessShareLock);
	return version;
}
