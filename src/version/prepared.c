/*-------------------------------------------------------------------------
 *
 * prepared.c
 *	  mvstore_prepared: what a transaction leaves that is prepared for two-phase commit.
 *
 * It may be committed by another session, after a restart, or on a standby that was
 * promoted, and none of our callbacks runs there. So it writes down what its commit
 * would tell, in rows that are there for others when it has committed, and not before.
 * For as long as it is prepared they can be read as uncommitted, with its version: so a
 * server that starts again knows its writers before it hands out a version.
 *
 * The drop worker takes the rows out. Where it dies in between, they are taken twice,
 * which does nothing but count twice.
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
#include "utils/xid8.h"

#include "base/catalog.h"
#include "version/prepared.h"
#include "version/version.h"

#define Anum_prepared_transaction 1
#define Anum_prepared_store 2
#define Anum_prepared_version 3
#define Anum_prepared_puts 4
#define Anum_prepared_deletes 5
#define Anum_prepared_requests 6
#define Anum_prepared_marked 7
#define Anum_prepared_forgotten 8
#define Anum_prepared_journal 9
#define Anum_prepared_recheck 10
#define Anum_prepared_erased 11
#define Anum_prepared_pins 12
#define Anum_prepared_paused 13
#define Natts_prepared 13

/* Who has left a row, uncommitted. */
typedef struct PreparedWriter
{
	TransactionId xid;
	int64		version;		/* MVS_NEWEST: none */
	bool		committed;
} PreparedWriter;

static List *read_writers(Snapshot snapshot);

void
mvs_prepared_write(int64 version, const MvsPrepared *row)
{
	Relation	catalog = mvs_catalog_open(MVS_PREPARED, false, RowExclusiveLock);
	Datum		values[Natts_prepared];
	bool		nulls[Natts_prepared] = {false};
	HeapTuple	tuple;

	values[Anum_prepared_transaction - 1] =
		FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[Anum_prepared_version - 1] = Int64GetDatum(version);
	nulls[Anum_prepared_version - 1] = (version == 0);
	values[Anum_prepared_store - 1] = ObjectIdGetDatum(row->count.store);
	values[Anum_prepared_puts - 1] = Int64GetDatum(row->count.puts);
	values[Anum_prepared_deletes - 1] = Int64GetDatum(row->count.deletes);
	values[Anum_prepared_requests - 1] = Int64GetDatum(row->count.requests);
	values[Anum_prepared_marked - 1] = BoolGetDatum(row->marked);
	values[Anum_prepared_forgotten - 1] = BoolGetDatum(row->forgotten);
	values[Anum_prepared_journal - 1] = BoolGetDatum(row->news.journal);
	values[Anum_prepared_recheck - 1] = BoolGetDatum(row->news.recheck);
	values[Anum_prepared_erased - 1] = BoolGetDatum(row->news.erased);
	values[Anum_prepared_pins - 1] = BoolGetDatum(row->news.pins);
	values[Anum_prepared_paused - 1] = BoolGetDatum(row->news.paused);
	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
	CatalogTupleInsert(catalog, tuple);
	heap_freetuple(tuple);
	table_close(catalog, RowExclusiveLock);
}

/*
 * Return the writers of rows, with their versions: those who are prepared, and those who have
 * committed, of whom with a snapshot only those that it sees as running.
 */
static List *
read_writers(Snapshot snapshot)
{
	Relation	catalog = mvs_catalog_open(MVS_PREPARED, true, AccessShareLock);
	SnapshotData dirty;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *writers = NIL;

	if (catalog == NULL)
		return NIL;
	InitDirtySnapshot(dirty);
	scan = systable_beginscan(catalog, InvalidOid, false, &dirty, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		version = heap_getattr(tuple, Anum_prepared_version,
										   RelationGetDescr(catalog), &isnull);

		TransactionId xid = HeapTupleHeaderGetXmin(tuple->t_data);
		bool		committed = !TransactionIdIsValid(dirty.xmin);
		PreparedWriter *writer;

		if (committed &&
			(snapshot ? !XidInMVCCSnapshot(xid, snapshot) : !TransactionIdIsNormal(xid)))
			continue;
		writer = palloc(sizeof(PreparedWriter));
		writer->xid = xid;
		writer->committed = committed;
		writer->version = isnull ? MVS_NEWEST : DatumGetInt64(version);
		writers = lappend(writers, writer);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return writers;
}

int64
mvs_prepared_lowest(Snapshot snapshot)
{
	List	   *writers = read_writers(snapshot);
	int64		lowest = MVS_NEWEST;
	ListCell   *cell;

	foreach(cell, writers)
	{
		const PreparedWriter *writer = lfirst(cell);

		lowest = Min(lowest, writer->version);
	}
	list_free_deep(writers);
	return lowest;
}

void
mvs_prepared_recover(MvsDatabase *database)
{
	ListCell   *cell;

	foreach(cell, read_writers(NULL))
	{
		const PreparedWriter *writer = lfirst(cell);

		/* Older snapshots have yet to find one that has committed, in the ring. */
		mvs_version_recover(database, writer->xid, writer->version, writer->committed);
	}

	/* Who has ended meanwhile has not found it there. */
	mvs_version_settle_prepared(database, NULL);
}

List *
mvs_prepared_take(void)
{
	Relation	catalog;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *rows = NIL;

	if (!OidIsValid(mvs_catalog_oid(MVS_PREPARED, true)))
		return NIL;
	catalog = mvs_catalog_open(MVS_PREPARED, false, RowExclusiveLock);
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_prepared];
		bool		nulls[Natts_prepared];
		MvsPrepared *row = palloc(sizeof(MvsPrepared));

		heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
		row->count.store = DatumGetObjectId(values[Anum_prepared_store - 1]);
		row->count.puts = DatumGetInt64(values[Anum_prepared_puts - 1]);
		row->count.deletes = DatumGetInt64(values[Anum_prepared_deletes - 1]);
		row->count.requests = DatumGetInt64(values[Anum_prepared_requests - 1]);
		row->marked = DatumGetBool(values[Anum_prepared_marked - 1]);
		row->forgotten = DatumGetBool(values[Anum_prepared_forgotten - 1]);
		row->news.journal = DatumGetBool(values[Anum_prepared_journal - 1]);
		row->news.recheck = DatumGetBool(values[Anum_prepared_recheck - 1]);
		row->news.erased = DatumGetBool(values[Anum_prepared_erased - 1]);
		row->news.pins = DatumGetBool(values[Anum_prepared_pins - 1]);
		row->news.paused = DatumGetBool(values[Anum_prepared_paused - 1]);
		rows = lappend(rows, row);
		mvs_catalog_delete(catalog, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(catalog, RowExclusiveLock);
	return rows;
}
