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
#include "storage/bufmgr.h"
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

/* Entries by which it is judged how scattered those are around them. */
#define SCATTER_WINDOW 20000

/* Of these in a block: with fewer, they are scattered. */
#define SCATTER_DENSITY 4

/* Entries whose memory is fetched ahead; and whose keys', and these keys' bytes. */
#define ENTRIES_AHEAD 24
#define KEYS_AHEAD 16
#define BYTES_AHEAD 8

/* Keys that are sought, where they are far from each other, before the walk goes on again. */
#define SEEKS_BEFORE_WALK 64

/* An entry by where the index says that it is. */
struct MvsPlace
{
	uint64		place;
	int32		entry;
};

static void step(MvsGather *gather);
static void seek(MvsGather *gather, const bytea *key, StrategyNumber strategy,
				 RegProcedure function);
static void seek_key(MvsGather *gather, const bytea *key);
static MvsGatheredKey *add_key(MvsGather *gather, const bytea *key);
static void add_entry(MvsGather *gather, MvsGatheredKey *key);
static void add_entries(MvsGather *gather, MvsGatheredKey *key);
static void sort_places(MvsPlace *places, int count);
static void order_entries(MvsGather *gather, int count);
static MvsGathered *entry_in_order(MvsGather *gather, int i);
static void read_entry(MvsGather *gather, IndexFetchTableData *fetch, MvsGathered *entry);
static int	want(MvsGather *gather, int first, int end);
static int	want_twins(MvsGather *gather, int first, int end);
static bool read_wanted(MvsGather *gather, IndexFetchTableData *fetch, MvsGatherStops stops);
static void describe_head(MvsGather *gather, MvsGatheredKey *key);
static bool review_keys(MvsGather *gather, IndexFetchTableData *fetch, MvsGatherStops stops);
static void set_oldest(MvsGather *gather, MvsGatheredKey *key, int from);
static bool is_entry(MvsGather *gather, const MvsGathered *entry);
static bool has_come_since(MvsGather *gather, TransactionId xmin);
static bool has_moved(MvsGather *gather, const MvsGathered *entry);
static bool delete_entry(MvsGather *gather, IndexFetchTableData *fetch, MvsGathered *entry,
						 MvsGatherGone *gone);
static void delete_in_turn(MvsGather *gather, IndexFetchTableData *fetch, MvsGathered *entry,
						   MvsGatherGone *gone);

void
mvs_gather_begin(MvsGather *gather, MvsStore *store, Snapshot snapshot)
{
	memset(gather, 0, sizeof(MvsGather));
	mvs_cursor_open(&gather->cursor, store, snapshot);
	gather->cursor.scan->xs_want_itup = true;
	gather->began = snapshot->xmax;
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
	gather->key_bytes += VARSIZE_ANY(key);
	gathered->key = key;
	gathered->first = gather->count;
	gathered->count = 0;
	gathered->whole = true;
	gathered->tombstone = false;
	gathered->in_the_way = false;
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
	entry->tid = entry->place;
	entry->bytes = 0;
	entry->xmin = InvalidTransactionId;
	entry->seen = entry->untouched = true;
	entry->wanted = entry->read = entry->goes = false;
	entry->key = gather->key_count - 1;
	key->count++;
}

bool
mvs_gather_is_full(const MvsGather *gather, int limit)
{
	return gather->count >= limit || gather->key_count >= limit ||
		gather->key_bytes / MVS_GATHER_SPACE >= limit;
}

/* Add those of a key from where the walk is on, unless they are too many. */
static void
add_entries(MvsGather *gather, MvsGatheredKey *key)
{
	for (; gather->at && mvs_key_compare(gather->at, key->key) == 0; step(gather))
	{
		if (key->count == KEY_LIMIT)
		{
			gather->count = key->first;
			key->count = 0;
			key->whole = false;
			gather->goes_on = false;
			return;
		}
		add_entry(gather, key);
	}
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
	add_entries(gather, gathered);
}

bool
mvs_gather_keys(MvsGather *gather, const bytea *from, const bytea *to, int limit,
				MvsScatter *scatter)
{
	bool		whole = true;

	seek(gather, from, BTGreaterEqualStrategyNumber, F_BYTEAGE);
	gather->goes_on = true;
	while (whole && gather->at && (to == NULL || mvs_key_compare(gather->at, to) < 0))
	{
		MvsGatheredKey *key;

		CHECK_FOR_INTERRUPTS();
		if (mvs_gather_is_full(gather, limit))
			return true;
		key = add_key(gather, mvs_key_make(VARDATA_ANY(gather->at),
										   VARSIZE_ANY_EXHDR(gather->at)));
		add_entries(gather, key);
		for (int i = key->first; i < gather->count; i++)
			mvs_scatter_add(scatter, &gather->entries[i].place);
		whole = key->whole;
	}
	return !whole;
}

/* ------------------------------------------------------------------------
 * The table
 * ------------------------------------------------------------------------ */

/* Sort by place: by a byte of it at a time, but for those that are the same in all. */
static void
sort_places(MvsPlace *places, int count)
{
	MvsPlace   *from = places;
	MvsPlace   *to = palloc_extended(Max(count, 1) * sizeof(MvsPlace), MCXT_ALLOC_HUGE);
	uint64		differ = 0;

	for (int i = 1; i < count; i++)
		differ |= places[i].place ^ places[0].place;
	for (int shift = 0; shift < 48; shift += 8)
	{
		int			begin[256] = {0};
		int			sum = 0;
		MvsPlace   *swap;

		if (((differ >> shift) & 0xff) == 0)
			continue;
		for (int i = 0; i < count; i++)
			begin[(from[i].place >> shift) & 0xff]++;
		for (int byte = 0; byte < 256; byte++)
		{
			int			there = begin[byte];

			begin[byte] = sum;
			sum += there;
		}
		for (int i = 0; i < count; i++)
			to[begin[(from[i].place >> shift) & 0xff]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	if (from != places)
	{
		memcpy(places, from, count * sizeof(MvsPlace));
		to = from;
	}
	pfree(to);
}

/* Put the places of the first entries that are in the order in order, and count their blocks. */
static void
order_entries(MvsGather *gather, int count)
{
	for (int i = 0; i < count; i++)
	{
		const ItemPointerData *place = &gather->entries[gather->order[i].entry].place;

		gather->order[i].place = ((uint64) ItemPointerGetBlockNumberNoCheck(place) << 16) |
			ItemPointerGetOffsetNumberNoCheck(place);
	}
	sort_places(gather->order, count);
	gather->blocks = 0;
	for (int i = 0; i < count; i++)
		gather->blocks += (i == 0 ||
						   gather->order[i].place >> 16 != gather->order[i - 1].place >> 16);
}

/*
 * Return one by its place in the order; some of those behind it are far from it in memory. Who
 * does not use what is returned gets nothing fetched ahead: the compiler leaves out such a call.
 */
static MvsGathered *
entry_in_order(MvsGather *gather, int i)
{
	if (i + ENTRIES_AHEAD < gather->left)
	{
		const MvsPlace *place = &gather->order[i];
		const MvsGathered *entries = gather->entries;

		__builtin_prefetch(&entries[place[ENTRIES_AHEAD].entry]);
		__builtin_prefetch(&gather->keys[entries[place[KEYS_AHEAD].entry].key]);
		__builtin_prefetch(gather->keys[entries[place[BYTES_AHEAD].entry].key].key);
	}
	return &gather->entries[gather->order[i].entry];
}

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

	entry->read = true;
	entry->seen = table_index_fetch_tuple(fetch, &tid, cursor->snapshot, cursor->slot, &again,
										  NULL);
	if (!entry->seen)
		return;
	entry->tid = cursor->slot->tts_tid;
	tuple = ExecFetchSlotHeapTuple(cursor->slot, false, &should_free);
	entry->untouched = !TransactionIdIsValid(HeapTupleHeaderGetRawXmax(tuple->t_data));
	entry->xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
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
 * is not its head's, look for that. False where it was told to stop.
 */
static bool
review_keys(MvsGather *gather, IndexFetchTableData *fetch, MvsGatherStops stops)
{
	for (int i = 0; i < gather->key_count; i++)
	{
		MvsGatheredKey *key = &gather->keys[i];
		int			end = key->first + key->count;
		int			head = key->first;
		int			gone = 0;

		CHECK_FOR_INTERRUPTS();
		if (stops && stops())
			return false;

		for (int j = key->first; j < end; j++)
			gone += !gather->entries[j].seen;
		key->whole &= (gone < GONE_LIMIT);
		if (!key->whole)
			continue;
		for (; head < end && gather->entries[head].read && !gather->entries[head].seen; head++)
			if (head + 1 < end && !gather->entries[head + 1].read)
				read_entry(gather, fetch, &gather->entries[head + 1]);
		if (head == key->first || head == end)
			continue;
		read_entry(gather, fetch, &gather->entries[head]);
		describe_head(gather, key);
	}
	return true;
}

/* Want entries read that were not, from one up to another, and return how many. */
static int
want(MvsGather *gather, int first, int end)
{
	int			count = 0;

	for (int i = first; i < end; i++)
	{
		bool		wanted = !gather->entries[i].read && !gather->entries[i].wanted;

		gather->entries[i].wanted |= wanted;
		count += wanted;
	}
	return count;
}

/*
 * Want entries of a key that have the same version: of these one is gone at least, and is not to
 * be taken for one that has moved.
 */
static int
want_twins(MvsGather *gather, int first, int end)
{
	int			count = 0;

	for (int i = first; i < end - 1; i++)
		if (gather->entries[i].version == gather->entries[i + 1].version)
			count += want(gather, i, i + 2);
	return count;
}

/* Read those that are wanted, in the order of the table; false where it was told to stop. */
static bool
read_wanted(MvsGather *gather, IndexFetchTableData *fetch, MvsGatherStops stops)
{
	int			count = 0;

	for (int i = 0; i < gather->count; i++)
		if (gather->entries[i].wanted)
			gather->order[count++].entry = i;
	order_entries(gather, count);
	gather->left = count;
	for (int i = 0; i < count; i++)
	{
		MvsGathered *entry = entry_in_order(gather, i);
		MvsGatheredKey *key = &gather->keys[entry->key];

		CHECK_FOR_INTERRUPTS();
		if (stops && stops())
			return false;
		entry->wanted = false;
		read_entry(gather, fetch, entry);
		if (entry->seen && gather->order[i].entry == key->first)
			describe_head(gather, key);
	}
	return true;
}

bool
mvs_gather_read(MvsGather *gather, int newest, MvsGatherStops stops)
{
	IndexFetchTableData *fetch = table_index_fetch_begin(gather->cursor.store->heap);
	int			more = 0;
	bool		done;

	gather->order = palloc_extended(Max(gather->count, 1) * sizeof(MvsPlace), MCXT_ALLOC_HUGE);
	for (int i = 0; i < gather->key_count; i++)
	{
		int			first = gather->keys[i].first;
		int			end = first + gather->keys[i].count;

		(void) want(gather, first, newest > 0 && newest < end - first ? first + newest : end);
		(void) want(gather, Max(first, end - 1), end);
		if (newest > 0)
			(void) want_twins(gather, first, end);
	}
	done = read_wanted(gather, fetch, stops);

	/*
	 * What is dropped is so from the oldest on: so where that is seen, all are, mostly. Of a key
	 * that may go whole all are looked at anyway.
	 */
	for (int i = 0; i < gather->key_count && newest > 0; i++)
	{
		const MvsGatheredKey *key = &gather->keys[i];
		int			end = key->first + key->count;

		if (end > key->first &&
			(!gather->entries[end - 1].seen || key->tombstone || key->expires != MVS_NEWEST))
			more += want(gather, key->first, end);
	}
	if (done && more > 0)
		done = read_wanted(gather, fetch, stops);
	if (done)
		done = review_keys(gather, fetch, stops);
	ExecClearTuple(gather->cursor.slot);
	table_index_fetch_end(fetch);
	return done;
}

bool
mvs_gather_see(MvsGather *gather, int entry)
{
	if (!gather->entries[entry].read)
	{
		IndexFetchTableData *fetch = table_index_fetch_begin(gather->cursor.store->heap);

		read_entry(gather, fetch, &gather->entries[entry]);
		ExecClearTuple(gather->cursor.slot);
		table_index_fetch_end(fetch);
	}
	return gather->entries[entry].seen;
}

bool
mvs_gather_is_wide(const MvsGather *gather)
{
	return gather->blocks > gather->count / SCATTER_DENSITY;
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
	for (int i = 0; i < gather->left; i++)
	{
		MvsGathered *entry = entry_in_order(gather, i);

		if (!entry->goes)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (!mvs_entry_delete(gather->cursor.store, &entry->tid, false))
			return false;
		MVS_FAULT("entry-deleted");
	}
	return true;
}

/* ------------------------------------------------------------------------
 * Deletions in transactions to come
 * ------------------------------------------------------------------------ */

/* Set the oldest entry of a key, from one downwards, that is to go. */
static void
set_oldest(MvsGather *gather, MvsGatheredKey *key, int from)
{
	key->oldest = from;
	while (key->oldest >= key->first && !gather->entries[key->oldest].goes)
		key->oldest--;
}

int
mvs_gather_leave(MvsGather *gather)
{
	int			left = 0;

	for (int i = 0; i < gather->key_count; i++)
	{
		MvsGatheredKey *key = &gather->keys[i];
		int			first = key->first;

		/* What goes ends when the oldest comes that stays, or before that. */
		for (; first < key->first + key->count && !gather->entries[first].goes; first++)
			if (gather->entries[first].seen)
				key->end = gather->entries[first].version;
		for (; first < key->first + key->count; first++)
			if (gather->entries[first].goes)
				gather->order[left++].entry = first;
		set_oldest(gather, key, first - 1);
	}
	order_entries(gather, left);
	gather->left = left;
	gather->next = gather->passed = 0;
	gather->in_the_way = gather->key_count;
	gather->key_next = 0;
	mvs_gather_end(gather);
	return left;
}

bool
mvs_gather_is_in_the_way(const MvsGather *gather)
{
	return gather->in_the_way < gather->key_count;
}

/* Whether the row in the cursor's slot is an entry: its place can have been given to another. */
static bool
is_entry(MvsGather *gather, const MvsGathered *entry)
{
	MvsCursor  *cursor = &gather->cursor;
	bool		isnull;
	Datum		version = slot_getattr(cursor->slot, cursor->store->info.columns[MVS_VERSION],
									   &isnull);

	bytea	   *key;
	bool		same;

	if (isnull || DatumGetInt64(version) != entry->version)
		return false;
	key = mvs_cursor_key(cursor);
	same = mvs_key_compare(key, gather->keys[entry->key].key) == 0;
	mvs_cursor_free_key(cursor, key);
	return same;
}

/*
 * Whether the row in the cursor's slot is another than when its entry was gathered, whatever it
 * has in it. What was read then is known by its xmin.
 */
static bool
has_come_since(MvsGather *gather, TransactionId xmin)
{
	bool		should_free;
	HeapTuple	tuple = ExecFetchSlotHeapTuple(gather->cursor.slot, false, &should_free);
	bool		other;

	if (TransactionIdIsValid(xmin))
		other = HeapTupleHeaderGetRawXmin(tuple->t_data) != xmin;
	else
		other = !TransactionIdPrecedes(HeapTupleHeaderGetXmin(tuple->t_data), gather->began);
	if (should_free)
		heap_freetuple(tuple);
	return other;
}

/*
 * Whether an entry that is not where it was is elsewhere: the cursor finds it. What has been
 * erased meanwhile, or was dropped by something else, is nowhere.
 */
static bool
has_moved(MvsGather *gather, const MvsGathered *entry)
{
	MvsEntry	found;

	return mvs_cursor_find(&gather->cursor, gather->keys[entry->key].key, entry->version, &found) &&
		found.version == entry->version;
}

/* Delete the row of an entry, if it is there still. False where somebody is in the way. */
static bool
delete_entry(MvsGather *gather, IndexFetchTableData *fetch, MvsGathered *entry,
			 MvsGatherGone *gone)
{
	TransactionId xmin = entry->xmin;

	/* Between transactions VACUUM may have cut off the end of the table, with what was gone. */
	entry->seen = ItemPointerGetBlockNumber(&entry->place) < gather->blocks_now;
	if (entry->seen)
		read_entry(gather, fetch, entry);
	if (!entry->seen || has_come_since(gather, xmin) || !is_entry(gather, entry))
		return !has_moved(gather, entry);
	if (!mvs_entry_delete(gather->cursor.store, &entry->tid, false))
		return false;
	MVS_FAULT("entry-deleted");
	gone->entries++;
	gone->bytes += entry->bytes;
	gone->end = Max(gone->end, gather->keys[entry->key].end);
	gone->version = Max(gone->version, entry->version);
	return true;
}

/* Delete an entry if it is the oldest of its key, or leave it for when it is. */
static void
delete_in_turn(MvsGather *gather, IndexFetchTableData *fetch, MvsGathered *entry,
			   MvsGatherGone *gone)
{
	MvsGatheredKey *key = &gather->keys[entry->key];
	int			number = (int) (entry - gather->entries);

	if (key->in_the_way)
		return;
	if (key->oldest != number)
		gather->order[gather->passed++].entry = number;
	else if (delete_entry(gather, fetch, entry, gone))
		set_oldest(gather, key, number - 1);
	else
	{
		key->in_the_way = true;
		gather->in_the_way = Min(gather->in_the_way, entry->key);
	}
}

bool
mvs_gather_delete_some(MvsGather *gather, const MvsCursor *cursor, int limit,
					   MvsGatherGone *gone)
{
	IndexFetchTableData *fetch = table_index_fetch_begin(cursor->store->heap);

	gather->cursor = *cursor;
	gather->blocks_now = RelationGetNumberOfBlocks(cursor->store->heap);
	while (gather->left > 0 && gone->entries < limit)
	{
		CHECK_FOR_INTERRUPTS();
		if (gather->next < gather->left)
			delete_in_turn(gather, fetch, entry_in_order(gather, gather->next++), gone);
		else
		{
			/* Those that were passed by, again in the order of the table. */
			gather->left = gather->passed;
			gather->next = gather->passed = 0;
		}
	}
	ExecClearTuple(cursor->slot);
	table_index_fetch_end(fetch);
	return gather->left > 0;
}

/* ------------------------------------------------------------------------
 * How scattered entries are
 * ------------------------------------------------------------------------ */

void
mvs_scatter_add(MvsScatter *scatter, const ItemPointerData *place)
{
	uint32		block = ItemPointerGetBlockNumberNoCheck(place) % MVS_SCATTER_BLOCKS;
	uint8	   *known = &scatter->known[block / BITS_PER_BYTE];
	uint8		bit = 1 << (block % BITS_PER_BYTE);

	if (scatter->entries == SCATTER_WINDOW)
		memset(scatter, 0, sizeof(MvsScatter));
	scatter->entries++;
	scatter->blocks += (*known & bit) == 0;
	*known |= bit;
}

bool
mvs_scatter_is_wide(const MvsScatter *scatter)
{
	return scatter->blocks > scatter->entries / SCATTER_DENSITY;
}
