/*-------------------------------------------------------------------------
 *
 * gather.c
 *	  The entries of many keys of a store, read and deleted together.
 *
 * Between the look at the index and that at the row, the row's place can be given to
 * another row only if no snapshot sees the first; and the new one came after ours. So what
 * is seen is what the index meant.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/key.h"
#include "shared/fault.h"
#include "store/gather.h"
#include "version/version.h"

/* Index entries of a key beyond which it is to be read by itself. */
#define KEY_LIMIT 1000

/* The same for those whose rows are gone: reading it by itself has the index forget them. */
#define GONE_LIMIT 32

/* Keys that are sought, where they are far from each other, before the walk goes on again. */
#define SEEKS_BEFORE_WALK 64

/* An entry by where the index says that it is. */
struct MvsPlace
{
	uint64		place;
	int32		entry;
};

#define ST_SORT sort_places
#define ST_ELEMENT_TYPE MvsPlace
#define ST_COMPARE(a, b) ((a)->place < (b)->place ? -1 : (a)->place > (b)->place)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static void step(MvsGather *gather);
static void seek(MvsGather *gather, const bytea *key, StrategyNumber strategy,
				 RegProcedure function);
static void seek_key(MvsGather *gather, const bytea *key);
static MvsGatheredKey *add_key(MvsGather *gather, const bytea *key);
static void add_entry(MvsGather *gather, MvsGatheredKey *key);
static void read_entry(MvsGather *gather, IndexFetchTableData *fetch, MvsGathered *entry);
static void describe_head(MvsGather *gather, MvsGatheredKey *key);
static void review_keys(MvsGather *gather, IndexFetchTableData *fetch);

void
mvs_gather_begin(MvsGather *gather, MvsStore *store, Snapshot snapshot)
{
	memset(gather, 0, sizeof(MvsGather));
	mvs_cursor_open(&gather->cursor, store, snapshot);
	gather->cursor.scan->xs_want_itup = true;
}

void
mvs_gather_end(MvsGather *gather)
{
	mvs_cursor_close(&gather->cursor);
}

/* ------------------------------------------------------------------------
 * The index
 * ------------------------------------------------------------------------ */

/* Go on to the next index entry. */
static void
step(MvsGather *gather)
{
	MvsCursor  *cursor = &gather->cursor;
	IndexScanDesc scan = cursor->scan;
	bool		key_isnull;
	bool		version_isnull;
	Datum		key;

	if (gather->detoasted)
		pfree(gather->detoasted);
	gather->detoasted = gather->at = NULL;
	while (index_getnext_tid(scan, ForwardScanDirection) != NULL)
	{
		MvsEntry	entry;

		key = index_getattr(scan->xs_itup, MVS_INDEX_KEY, scan->xs_itupdesc, &key_isnull);
		gather->version = DatumGetInt64(index_getattr(scan->xs_itup, MVS_INDEX_VERSION,
													  scan->xs_itupdesc, &version_isnull));
		if (!key_isnull && !version_isnull)
		{
			gather->at = DatumGetByteaPP(key);
			if ((Pointer) gather->at != DatumGetPointer(key))
				gather->detoasted = gather->at;
			return;
		}
		/* Refuse it, unless its row is gone. */
		if (index_fetch_heap(scan, cursor->slot))
		{
			mvs_entry_of_row(cursor->store, cursor->slot, &entry);
			(void) mvs_cursor_key(cursor);
		}
	}
}

/* Put the walk at the first index entry whose key is in a relation to "key"; NULL: at the first. */
static void
seek(MvsGather *gather, const bytea *key, StrategyNumber strategy, RegProcedure function)
{
	IndexScanDesc scan = gather->cursor.scan;
	ScanKeyData scan_key;

	if (key)
		ScanKeyInit(&scan_key, MVS_INDEX_KEY, strategy, function, PointerGetDatum(key));
	scan->numberOfKeys = key ? 1 : 0;
	index_rescan(scan, &scan_key, scan->numberOfKeys, NULL, 0);
	step(gather);
}

/*
 * Put the walk at the first entry of a key, if there is one. Now and then it goes on from
 * there, to see whether the next keys are near.
 */
static void
seek_key(MvsGather *gather, const bytea *key)
{
	gather->goes_on = gather->seeks == 0;
	gather->seeks = (gather->seeks + 1) % SEEKS_BEFORE_WALK;
	if (gather->goes_on)
		seek(gather, key, BTGreaterEqualStrategyNumber, F_BYTEAGE);
	else
		seek(gather, key, BTEqualStrategyNumber, F_BYTEAEQ);
}

/* Add a key without entries. */
static MvsGatheredKey *
add_key(MvsGather *gather, const bytea *key)
{
	MvsGatheredKey *gathered;

	if (gather->key_count == gather->key_space)
	{
		int			space = Max(gather->key_space * 2, 1024);

		gather->keys = gather->keys ?
			repalloc_huge(gather->keys, space * sizeof(MvsGatheredKey)) :
			palloc(space * sizeof(MvsGatheredKey));
		gather->key_space = space;
	}
	gathered = &gather->keys[gather->key_count++];
	gathered->key = key;
	gathered->first = gather->count;
	gathered->count = 0;
	gathered->whole = true;
	gathered->tombstone = false;
	gathered->expires = MVS_NEWEST;
	return gathered;
}

/* Add the index entry that the walk is at. */
static void
add_entry(MvsGather *gather, MvsGatheredKey *key)
{
	MvsGathered *entry;

	if (gather->count == gather->space)
	{
		int			space = Max(gather->space * 2, 8192);

		gather->entries = gather->entries ?
			repalloc_huge(gather->entries, space * sizeof(MvsGathered)) :
			palloc(space * sizeof(MvsGathered));
		gather->space = space;
	}
	entry = &gather->entries[gather->count++];
	entry->version = gather->version;
	entry->place = gather->cursor.scan->xs_heaptid;
	entry->goes = false;
	entry->key = gather->key_count - 1;
	key->count++;
}

void
mvs_gather_key(MvsGather *gather, const bytea *key)
{
	MvsGatheredKey *gathered = add_key(gather, key);
	int			steps = 0;

	CHECK_FOR_INTERRUPTS();
	while (gather->goes_on && gather->at && mvs_key_compare(gather->at, key) < 0)
	{
		if (++steps > MVSTORE_STEPS_BEFORE_SEEK)
			gather->goes_on = false;
		else
			step(gather);
	}
	if (gather->goes_on)
		gather->seeks = 0;		/* that was of use */
	else
		seek_key(gather, key);
	for (; gather->at && mvs_key_compare(gather->at, key) == 0; step(gather))
	{
		if (gathered->count == KEY_LIMIT)
		{
			gather->count = gathered->first;
			gathered->count = 0;
			gathered->whole = false;
			gather->goes_on = false;
			return;
		}
		add_entry(gather, gathered);
	}
}

/* ------------------------------------------------------------------------
 * The table
 * ------------------------------------------------------------------------ */

/* Read a row into the cursor's slot, if the snapshot sees it. */
static void
read_entry(MvsGather *gather, IndexFetchTableData *fetch, MvsGathered *entry)
{
	MvsCursor  *cursor = &gather->cursor;
	ItemPointerData tid = entry->place;
	bool		again = false;
	bool		should_free;
	HeapTuple	tuple;
	MvsEntry	row;

	entry->seen = table_index_fetch_tuple(fetch, &tid, cursor->snapshot, cursor->slot, &again,
										  NULL);
	if (!entry->seen)
		return;
	entry->tid = cursor->slot->tts_tid;
	tuple = ExecFetchSlotHeapTuple(cursor->slot, false, &should_free);
	entry->untouched = !TransactionIdIsValid(HeapTupleHeaderGetRawXmax(tuple->t_data));
	entry->bytes = tuple->t_len;
	if (HeapTupleHasExternal(tuple))
	{
		mvs_entry_of_row(cursor->store, cursor->slot, &row);
		entry->bytes = mvs_cursor_bytes(cursor, &row);
	}
	if (should_free)
		heap_freetuple(tuple);
}

/* Describe the head of a key, which is in the cursor's slot. */
static void
describe_head(MvsGather *gather, MvsGatheredKey *key)
{
	MvsEntry	entry;

	mvs_entry_of_row(gather->cursor.store, gather->cursor.slot, &entry);
	key->tombstone = entry.tombstone;
	key->expires = mvs_entry_expires(&entry);
}

/*
 * See which of the keys cannot be judged by what is here. Where the newest index entry of one
 * is not its head's, look for that.
 */
static void
review_keys(MvsGather *gather, IndexFetchTableData *fetch)
{
	for (int i = 0; i < gather->key_count; i++)
	{
		MvsGatheredKey *key = &gather->keys[i];
		int			end = key->first + key->count;
		int			head = key->first;
		int			gone = 0;

		for (int j = key->first; j < end; j++)
			gone += !gather->entries[j].seen;
		key->whole &= (gone < GONE_LIMIT);
		while (head < end && !gather->entries[head].seen)
			head++;
		if (!key->whole || head == key->first || head == end)
			continue;
		read_entry(gather, fetch, &gather->entries[head]);
		describe_head(gather, key);
	}
}

void
mvs_gather_read(MvsGather *gather)
{
	IndexFetchTableData *fetch;

	gather->order = palloc_extended(Max(gather->count, 1) * sizeof(MvsPlace), MCXT_ALLOC_HUGE);
	for (int i = 0; i < gather->count; i++)
	{
		const ItemPointerData *place = &gather->entries[i].place;

		gather->order[i].entry = i;
		gather->order[i].place = ((uint64) ItemPointerGetBlockNumberNoCheck(place) << 16) |
			ItemPointerGetOffsetNumberNoCheck(place);
	}
	sort_places(gather->order, gather->count);
	fetch = table_index_fetch_begin(gather->cursor.store->heap);
	for (int i = 0; i < gather->count; i++)
	{
		MvsGathered *entry = &gather->entries[gather->order[i].entry];
		MvsGatheredKey *key = &gather->keys[entry->key];

		CHECK_FOR_INTERRUPTS();
		read_entry(gather, fetch, entry);
		if (entry->seen && gather->order[i].entry == key->first)
			describe_head(gather, key);
	}
	review_keys(gather, fetch);
	ExecClearTuple(gather->cursor.slot);
	table_index_fetch_end(fetch);
}

const MvsGatheredKey *
mvs_gather_find(MvsGather *gather, const bytea *key)
{
	for (; gather->key_next < gather->key_count; gather->key_next++)
	{
		const MvsGatheredKey *gathered = &gather->keys[gather->key_next];
		int			order = mvs_key_compare(gathered->key, key);

		if (order > 0 || (order == 0 && !gathered->whole))
			return NULL;
		if (order == 0)
			return gathered;
	}
	return NULL;
}

bool
mvs_gather_delete(MvsGather *gather)
{
	for (int i = 0; i < gather->count; i++)
	{
		MvsGathered *entry = &gather->entries[gather->order[i].entry];

		if (!entry->goes)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (!mvs_entry_delete(gather->cursor.store, &entry->tid, false))
			return false;
		MVS_FAULT("entry-deleted");
	}
	return true;
}
