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
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "store/policy_row.h"
#include "store/storage.h"

static bool is_newer(Relation relation, SubTransactionId since);
static HeapTuple find_class_row(const MvsStore *store, Snapshot snapshot);

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
	return MVS_COMPAT_STORAGE_SUBID(store->heap) != InvalidSubTransactionId;
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

bool
mvs_storage_has_rows_of(const MvsStore *store, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(store->heap, NULL);
	TableScanDesc scan = mvs_compat_table_beginscan(store->heap, SnapshotAny);
	bool		keeps = true;
	bool		isnull;

	/* One that is committed as the snapshot sees it was there before; the first will do. */
	if (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		TransactionId xmin = DatumGetTransactionId(slot_getsysattr(slot,
																   MinTransactionIdAttributeNumber,
																   &isnull));

		keeps = !TransactionIdIsCurrentTransactionId(xmin) &&
			!XidInMVCCSnapshot(xmin, snapshot);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return keeps;
}
