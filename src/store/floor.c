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
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/cache.h"
#include "base/catalog.h"
#include "store/floor.h"

int64
mvs_floor_read(Oid store, Snapshot snapshot)
{
	Relation	catalog = table_open(mvs_catalog_oid(MVS_FLOOR, false), AccessShareLock);
	HeapTuple	tuple = mvs_catalog_find(catalog, MVS_FLOOR_KEY, store, snapshot);
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

void
mvs_floor_raise(Oid store, int64 floor)
{
	Relation	catalog = table_open(mvs_catalog_oid(MVS_FLOOR, false), RowExclusiveLock);
	ItemPointerData place = floor_place(store);
	HeapTuple	old;
	Datum		values[Natts_floor] = {ObjectIdGetDatum(store), Int64GetDatum(floor)};
	bool		nulls[Natts_floor] = {false};
	Datum		old_values[Natts_floor];
	bool		old_nulls[Natts_floor];
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);

	/* By the index the row is found behind all its dead versions, if a snapshot keeps them. */
	old = mvs_catalog_fetch(catalog, &place);
	if (old)
		heap_deform_tuple(old, RelationGetDescr(catalog), old_values, old_nulls);
	if (!old || DatumGetObjectId(old_values[Anum_floor_store - 1]) != store)
	{
		old = mvs_catalog_find(catalog, MVS_FLOOR_KEY, store, NULL);
		if (old)
			heap_deform_tuple(old, RelationGetDescr(catalog), old_values, old_nulls);
	}

	if (!old)
	{
		SnapshotData dirty;

		/* A restore under way may have brought one. */
		InitDirtySnapshot(dirty);
		if (mvs_catalog_find(catalog, MVS_FLOOR_KEY, store, &dirty) != NULL)
			mvs_catalog_refuse_wait(catalog);
		CatalogTupleInsert(catalog, tuple);
	}
	else if (DatumGetInt64(old_values[Anum_floor_floor - 1]) < floor)
		mvs_catalog_update(catalog, &old->t_self, tuple);
	else
		tuple->t_self = old->t_self;
	keep_place(store, &tuple->t_self);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

int64
mvs_floor_greatest(Oid *store)
{
	Relation	catalog = table_open(mvs_catalog_oid(MVS_FLOOR, false), AccessShareLock);
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
