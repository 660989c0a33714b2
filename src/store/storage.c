/*-------------------------------------------------------------------------
 *
 * storage.c
 *	  What a snapshot still sees of a store whose storage is another one by now.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "store/policy_row.h"
#include "store/storage.h"

static bool is_newer(Relation relation, SubTransactionId since);
static HeapTuple find_class_row(const MvsStore *store, Snapshot snapshot);
static bool was_of_another(const MvsStore *store, Snapshot snapshot);

/* Whether a relation has storage that a subtransaction has made which began after another one. */
static bool
is_newer(Relation relation, SubTransactionId since)
{
	return relation->rd_createSubid > since || MVS_COMPAT_STORAGE_SUBID(relation) > since;
}

void
mvs_storage_refuse_newer(const MvsStore *store, SubTransactionId since)
{
	if (is_newer(store->heap, since) || is_newer(store->index, since))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("store \"%s\" has been rewritten in a subtransaction that is younger than the cursor",
						RelationGetRelationName(store->heap)),
				 errhint("Fetch a row before, or declare the cursor behind it.")));
}

bool
mvs_storage_is_of_here(const MvsStore *store)
{
	return MVS_COMPAT_FIRST_STORAGE_SUBID(store->heap) != InvalidSubTransactionId;
}

bool
mvs_storage_is_of(const MvsStore *store, Snapshot snapshot)
{
	HeapTuple	row = find_class_row(store, snapshot);
	bool		same = HeapTupleIsValid(row) &&
	((Form_pg_class) GETSTRUCT(row))->relfilenode == store->heap->rd_rel->relfilenode;

	if (HeapTupleIsValid(row))
		heap_freetuple(row);
	return same;
}

/* Return a copy of the row of a store in pg_class that a snapshot sees, or NULL. */
static HeapTuple
find_class_row(const MvsStore *store, Snapshot snapshot)
{
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationGetRelid(store->heap)));
	scan = systable_beginscan(catalog, ClassOidIndexId, true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	tuple = HeapTupleIsValid(tuple) ? heap_copytuple(tuple) : NULL;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return tuple;
}

bool
mvs_storage_has_life_of(const MvsStore *store, Snapshot snapshot)
{
	HeapTuple	row = find_class_row(store, snapshot);
	Relation	catalog;
	HeapTuple	tuple;
	bool		isnull;
	bool		same;

	if (!HeapTupleIsValid(row))
		return false;			/* made since */
	heap_freetuple(row);
	catalog = mvs_catalog_open(MVS_POLICY, false, AccessShareLock);
	tuple = mvs_catalog_find(catalog, MVS_POLICY_KEY, store->info.oid, snapshot);
	same = !HeapTupleIsValid(tuple) || store->info.incarnation ==
		DatumGetInt64(heap_getattr(tuple, Anum_policy_incarnation, RelationGetDescr(catalog),
								   &isnull));
	table_close(catalog, AccessShareLock);
	return same;
}

/*
 * Whether the storage was another table's, as a snapshot sees it, into which pg_repack has copied
 * rows.
 */
static bool
was_of_another(const MvsStore *store, Snapshot snapshot)
{
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&keys[0], Anum_pg_class_reltablespace, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(store->heap->rd_rel->reltablespace));
	ScanKeyInit(&keys[1], Anum_pg_class_relfilenode, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(store->heap->rd_rel->relfilenode));
	scan = systable_beginscan(catalog, ClassTblspcRelfilenodeIndexId, true, snapshot,
							  lengthof(keys), keys);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

bool
mvs_storage_has_rows_of(const MvsStore *store, Snapshot snapshot)
{
	TupleTableSlot *slot;
	TableScanDesc scan;
	bool		old = false;

	if (was_of_another(store, snapshot))
		return false;
	slot = table_slot_create(store->heap, NULL);
	scan = table_beginscan_strat(store->heap, SnapshotAny, 0, NULL, true, false);
	while (!old && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		copied;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &copied);
		TransactionId xmin = HeapTupleHeaderGetXmin(tuple->t_data);

		CHECK_FOR_INTERRUPTS();
		old = !TransactionIdIsCurrentTransactionId(xmin) &&
			(!TransactionIdIsNormal(xmin) || !XidInMVCCSnapshot(xmin, snapshot));
		if (copied)
			heap_freetuple(tuple);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return old;
}
