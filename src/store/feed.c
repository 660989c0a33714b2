/*-------------------------------------------------------------------------
 *
 * feed.c
 *	  The feed of a store: its entries in the order of their versions.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_operator.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/key.h"
#include "store/feed.h"

/* Columns of the index. */
#define FEED_VERSION 1
#define FEED_KEY 2

static void scan_version(MvsFeed *feed);
static void scan_later(MvsFeed *feed);
static bool next_of_index(MvsFeed *feed);
static bool is_behind(MvsFeed *feed, TupleTableSlot *slot);
static void sort_table(MvsFeed *feed, int64 limit);

void
mvs_feed_open(MvsFeed *feed, MvsStore *store, Snapshot snapshot, MvsPosition after,
			  int64 upto, int64 limit)
{
	memset(feed, 0, sizeof(MvsFeed));
	feed->store = store;
	feed->snapshot = snapshot;
	feed->after = after;
	feed->upto = upto;
	if (!OidIsValid(store->info.feed_index))
	{
		sort_table(feed, limit);
		return;
	}
	feed->slot = table_slot_create(store->heap, NULL);
	feed->index = index_open(store->info.feed_index, AccessShareLock);
	feed->scan = mvs_compat_index_beginscan(store->heap, feed->index, snapshot, 2);
	feed->detoasted = NULL;
	feed->within = after.key != NULL && after.version <= upto;
	if (feed->within)
		scan_version(feed);
	else
		scan_later(feed);
}

/* Scan what is behind the position in its own version. */
static void
scan_version(MvsFeed *feed)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], FEED_VERSION, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(feed->after.version));
	ScanKeyInit(&keys[1], FEED_KEY, BTGreaterStrategyNumber, F_BYTEAGT,
				PointerGetDatum(feed->after.key));
	index_rescan(feed->scan, keys, 2, NULL, 0);
}

/* Scan the later versions. */
static void
scan_later(MvsFeed *feed)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], FEED_VERSION, BTGreaterStrategyNumber, F_INT8GT,
				Int64GetDatum(feed->after.version));
	ScanKeyInit(&keys[1], FEED_VERSION, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(feed->upto));
	index_rescan(feed->scan, keys, 2, NULL, 0);
}

static bool
next_of_index(MvsFeed *feed)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (index_getnext_slot(feed->scan, ForwardScanDirection, feed->slot))
			return true;
		if (!feed->within)
			return false;
		feed->within = false;
		scan_later(feed);
	}
}

/* Whether a row is one of those that are asked for. */
static bool
is_behind(MvsFeed *feed, TupleTableSlot *slot)
{
	const AttrNumber *columns = feed->store->info.columns;
	bool		isnull;
	int64		version = DatumGetInt64(slot_getattr(slot, columns[MVS_VERSION], &isnull));
	Datum		datum;
	bytea	   *key;
	bool		behind;

	mvs_entry_refuse_null(isnull, feed->store);
	if (version > feed->upto || version < feed->after.version)
		return false;
	if (version > feed->after.version)
		return true;
	if (feed->after.key == NULL)
		return false;
	datum = slot_getattr(slot, columns[MVS_KEY], &isnull);
	mvs_entry_refuse_null(isnull, feed->store);
	key = DatumGetByteaPP(datum);
	behind = mvs_key_compare(key, feed->after.key) > 0;
	if ((Pointer) key != DatumGetPointer(datum))
		pfree(key);
	return behind;
}

/* Without an index: sort what is asked for of the table. */
static void
sort_table(MvsFeed *feed, int64 limit)
{
	Relation	heap = feed->store->heap;
	AttrNumber	columns[2] = {
		feed->store->info.columns[MVS_VERSION],
		feed->store->info.columns[MVS_KEY]
	};
	Oid			operators[2] = {Int8LessOperator, ByteaLessOperator};
	Oid			collations[2] = {InvalidOid, InvalidOid};
	bool		nulls_first[2] = {false, false};
	TupleTableSlot *row = table_slot_create(heap, NULL);
	TableScanDesc scan = mvs_compat_table_beginscan(heap, feed->snapshot);

	feed->slot = MakeSingleTupleTableSlot(RelationGetDescr(heap), &TTSOpsMinimalTuple);
	feed->sort = tuplesort_begin_heap(RelationGetDescr(heap), 2, columns, operators, collations,
									  nulls_first, work_mem, NULL, TUPLESORT_ALLOWBOUNDED);
	if (limit < PG_INT64_MAX)
		tuplesort_set_bound(feed->sort, Max(limit, 1));
	while (table_scan_getnextslot(scan, ForwardScanDirection, row))
	{
		CHECK_FOR_INTERRUPTS();
		if (is_behind(feed, row))
			tuplesort_puttupleslot(feed->sort, row);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	tuplesort_performsort(feed->sort);
}

bool
mvs_feed_next(MvsFeed *feed, MvsEntry *entry)
{
	bool		found;
	Datum		key;
	bool		isnull;

	CHECK_FOR_INTERRUPTS();
	found = feed->sort ? tuplesort_gettupleslot(feed->sort, true, false, feed->slot, NULL) :
		next_of_index(feed);
	if (feed->detoasted)
		pfree(feed->detoasted);
	feed->detoasted = NULL;
	if (!found)
		return false;
	mvs_entry_of_row(feed->store, feed->slot, entry);
	key = slot_getattr(feed->slot, feed->store->info.columns[MVS_KEY], &isnull);
	mvs_entry_refuse_null(isnull, feed->store);
	feed->key = DatumGetByteaPP(key);
	if ((Pointer) feed->key != DatumGetPointer(key))
		feed->detoasted = feed->key;
	return true;
}

void
mvs_feed_close(MvsFeed *feed)
{
	if (feed->sort)
		tuplesort_end(feed->sort);
	else
	{
		index_endscan(feed->scan);
		index_close(feed->index, AccessShareLock);
	}
	ExecDropSingleTupleTableSlot(feed->slot);
}
