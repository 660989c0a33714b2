/*-------------------------------------------------------------------------
 *
 * entry.c
 *	  Entries: all access to the table and the index of a store.
 *
 * The index is on (key, version DESC), so the newest entry of a key at or
 * below a version is the first that a scan from there meets. Scans over keys
 * read the index alone and visit the table only for the entry that answers.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "pgstat.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/key.h"
#include "shared/droppers.h"
#include "store/entry.h"
#include "version/version.h"

/* Scan keys that any of our scans has at most. */
#define MAX_SCAN_KEYS 2

/*
 * Keys that are looked up before a walk is tried for those that follow: it costs more where
 * they turn out to be far apart, and is then tried ever more rarely.
 */
#define LOOKUPS_BEFORE_WALK 4
#define LOOKUPS_GROW_BY 4
#define LOOKUPS_AT_MOST 256

/*
 * Keys that a look at many seeks, where they are far from each other, before it tries again
 * to walk from one to the next: it reads half a page for that.
 */
#define SEEKS_BEFORE_WALK 256

static void open_cursor(MvsCursor *cursor, MvsStore *store, Snapshot snapshot,
						TupleTableSlot *slot);
static void seek_keys(MvsScan *scan);
static bool walk_on(MvsScan *scan);
static void seek_entries(MvsHeads *heads, const bytea *key);
static int	compare_place(MvsHeads *heads, const bytea *key);
static void step_on(MvsHeads *heads);
static bool walk_to(MvsHeads *heads, const bytea *key);
static bool find_walking(MvsHeads *heads, const bytea *key, MvsHead *head);
static void judge_entry(MvsHeads *heads, MvsHead *head);

/* ------------------------------------------------------------------------
 * Cursors
 * ------------------------------------------------------------------------ */

void
mvs_cursor_open(MvsCursor *cursor, MvsStore *store, Snapshot snapshot)
{
	open_cursor(cursor, store, snapshot, NULL);
}

/* Open a cursor with a slot of the caller's; NULL: with one of its own. */
static void
open_cursor(MvsCursor *cursor, MvsStore *store, Snapshot snapshot, TupleTableSlot *slot)
{
	cursor->store = store;
	cursor->snapshot = snapshot;
	cursor->skipped = 0;
	cursor->lent = slot != NULL;
	cursor->slot = slot ? slot : table_slot_create(store->heap, NULL);
	cursor->scan = mvs_compat_index_beginscan(store->heap, store->index, snapshot,
											  MAX_SCAN_KEYS);
}

void
mvs_cursor_close(MvsCursor *cursor)
{
	index_endscan(cursor->scan);
	if (cursor->lent)
		ExecClearTuple(cursor->slot);
	else
		ExecDropSingleTupleTableSlot(cursor->slot);
}

/*
 * Begin a scan anew with other keys than the last, and perhaps fewer than it
 * was opened for: an access method has room for those that it was opened for.
 */
static void
restart_scan(IndexScanDesc scan, ScanKey keys, int count)
{
	scan->numberOfKeys = count;
	index_rescan(scan, keys, count, NULL, 0);
}

bool
mvs_cursor_find(MvsCursor *cursor, const bytea *key, int64 version, MvsEntry *entry)
{
	ScanKeyData keys[2];
	int			count = 0;

	ScanKeyInit(&keys[count++], MVS_INDEX_KEY, BTEqualStrategyNumber, F_BYTEAEQ,
				PointerGetDatum(key));
	if (version != MVS_NEWEST)
		ScanKeyInit(&keys[count++], MVS_INDEX_VERSION, BTLessEqualStrategyNumber, F_INT8LE,
					Int64GetDatum(version));
	restart_scan(cursor->scan, keys, count);
	return mvs_cursor_next(cursor, entry);
}

void
mvs_cursor_walk(MvsCursor *cursor, const bytea *from, bool with_keys)
{
	ScanKeyData key;

	cursor->skipped = 0;
	cursor->scan->xs_want_itup = with_keys;
	if (from)
		ScanKeyInit(&key, MVS_INDEX_KEY, BTGreaterEqualStrategyNumber, F_BYTEAGE,
					PointerGetDatum(from));
	restart_scan(cursor->scan, &key, from ? 1 : 0);
}

/* Step to the next entry of the scan in a direction, as index_getnext_slot() does, and count. */
static bool
step(MvsCursor *cursor, ScanDirection direction, MvsEntry *entry)
{
	IndexScanDesc scan = cursor->scan;

	while (scan->xs_heap_continue || index_getnext_tid(scan, direction) != NULL)
	{
		if (index_fetch_heap(scan, cursor->slot))
		{
			mvs_entry_of_row(cursor->store, cursor->slot, entry);
			return true;
		}
		cursor->skipped++;
	}
	return false;
}

bool
mvs_cursor_next(MvsCursor *cursor, MvsEntry *entry)
{
	return step(cursor, ForwardScanDirection, entry);
}

bool
mvs_cursor_next_up_to(MvsCursor *cursor, int64 most, const bytea *within, MvsEntry *entry,
					  bytea **passed)
{
	IndexScanDesc scan = cursor->scan;

	*passed = NULL;
	while (scan->xs_heap_continue || index_getnext_tid(scan, ForwardScanDirection) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (cursor->skipped >= most)
		{
			bool		isnull;
			Datum		datum = index_getattr(scan->xs_itup, MVS_INDEX_KEY, scan->xs_itupdesc,
											  &isnull);
			bytea	   *key = isnull ? NULL : DatumGetByteaPP(datum);

			if (key && (within == NULL || mvs_key_compare(key, within) != 0))
			{
				*passed = mvs_key_make(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
				return false;
			}
			if (key && (Pointer) key != DatumGetPointer(datum))
				pfree(key);
		}
		if (index_fetch_heap(scan, cursor->slot))
		{
			mvs_entry_of_row(cursor->store, cursor->slot, entry);
			return true;
		}
		cursor->skipped++;
	}
	return false;
}

bool
mvs_cursor_find_oldest(MvsCursor *cursor, const bytea *key, int64 version, MvsEntry *entry)
{
	ScanKeyData keys[2];

	/* The index has versions in descending order, so what is greater comes first. */
	ScanKeyInit(&keys[0], MVS_INDEX_KEY, BTEqualStrategyNumber, F_BYTEAEQ,
				PointerGetDatum(key));
	ScanKeyInit(&keys[1], MVS_INDEX_VERSION, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(version));
	restart_scan(cursor->scan, keys, version > 0 ? 2 : 1);
	cursor->skipped = 0;
	return mvs_cursor_next_newer(cursor, entry);
}

bool
mvs_cursor_next_newer(MvsCursor *cursor, MvsEntry *entry)
{
	return step(cursor, BackwardScanDirection, entry);
}

void
mvs_entry_refuse_null(bool isnull, MvsStore *store)
{
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("store \"%s\" has a row without key or version",
						RelationGetRelationName(store->heap)),
				 errhint("Delete the row, and declare the columns NOT NULL.")));
}

void
mvs_entry_of_row(MvsStore *store, TupleTableSlot *row, MvsEntry *entry)
{
	const AttrNumber *columns = store->info.columns;
	bool		isnull;
	Datum		expires_at;

	/* The last column first: the row is taken apart up to there at once. */
	expires_at = slot_getattr(row, columns[MVS_EXPIRES], &isnull);
	entry->expires = !isnull;
	entry->expires_at = isnull ? DT_NOEND : DatumGetTimestampTz(expires_at);
	entry->tid = row->tts_tid;
	entry->value = slot_getattr(row, columns[MVS_VALUE], &entry->tombstone);
	entry->version = DatumGetInt64(slot_getattr(row, columns[MVS_VERSION], &isnull));
	mvs_entry_refuse_null(isnull, store);
}

bytea *
mvs_cursor_key(MvsCursor *cursor)
{
	bool		isnull;
	Datum		key = slot_getattr(cursor->slot, cursor->store->info.columns[MVS_KEY], &isnull);

	mvs_entry_refuse_null(isnull, cursor->store);
	return DatumGetByteaPP(key);
}

void
mvs_cursor_free_key(MvsCursor *cursor, bytea *key)
{
	bool		isnull;

	if ((Pointer) key != DatumGetPointer(slot_getattr(cursor->slot,
													  cursor->store->info.columns[MVS_KEY],
													  &isnull)))
		pfree(key);
}

int64
mvs_cursor_bytes(MvsCursor *cursor, const MvsEntry *entry)
{
	bool		should_free;
	HeapTuple	tuple = ExecFetchSlotHeapTuple(cursor->slot, false, &should_free);
	int64		bytes = tuple->t_len;

	if (should_free)
		heap_freetuple(tuple);
	if (!entry->tombstone && VARATT_IS_EXTERNAL(DatumGetPointer(entry->value)))
		bytes += (int64) toast_datum_size(entry->value);
	return bytes;
}

bytea *
mvs_entry_value(const MvsEntry *entry)
{
	return DatumGetByteaPP(entry->value);
}

/* ------------------------------------------------------------------------
 * Scans over keys
 * ------------------------------------------------------------------------ */

void
mvs_scan_open(MvsScan *scan, MvsStore *store, Snapshot snapshot,
			  const bytea *from, const bytea *to, int64 as_of, bool reverse)
{
	mvs_cursor_open(&scan->walk, store, snapshot);
	scan->walk.scan->xs_want_itup = true;
	mvs_cursor_open(&scan->point, store, snapshot);
	scan->as_of = as_of;
	scan->reverse = reverse;
	scan->begun = false;
	scan->from = from;
	scan->to = to;
	memset(&scan->key, 0, sizeof(scan->key));
	memset(&scan->bound, 0, sizeof(scan->bound));
	scan->detoasted = NULL;
	scan->lost = true;
	scan->apart = LOOKUPS_BEFORE_WALK;
	scan->next_apart = 1;
	seek_keys(scan);
}

void
mvs_scan_close(MvsScan *scan)
{
	mvs_cursor_close(&scan->walk);
	mvs_cursor_close(&scan->point);
	if (scan->key.key)
		pfree(scan->key.key);
	if (scan->bound.key)
		pfree(scan->bound.key);
}

/* Put the walk at the first key, or at the one behind the current key. */
static void
seek_keys(MvsScan *scan)
{
	ScanKeyData keys[MAX_SCAN_KEYS];
	int			count = 0;

	/* The scan goes on comparing with its bounds, so they have memory of their own. */
	if (scan->begun)
		mvs_key_copy(&scan->bound, scan->key.key, 0);

	if (scan->begun && !scan->reverse)
		ScanKeyInit(&keys[count++], MVS_INDEX_KEY, BTGreaterStrategyNumber, F_BYTEAGT,
					PointerGetDatum(scan->bound.key));
	else if (scan->from)
		ScanKeyInit(&keys[count++], MVS_INDEX_KEY, BTGreaterEqualStrategyNumber, F_BYTEAGE,
					PointerGetDatum(scan->from));
	if (scan->begun && scan->reverse)
		ScanKeyInit(&keys[count++], MVS_INDEX_KEY, BTLessStrategyNumber, F_BYTEALT,
					PointerGetDatum(scan->bound.key));
	else if (scan->to)
		ScanKeyInit(&keys[count++], MVS_INDEX_KEY, BTLessStrategyNumber, F_BYTEALT,
					PointerGetDatum(scan->to));
	restart_scan(scan->walk.scan, keys, count);
	scan->steps = 0;
	scan->ahead = false;
	scan->ended = false;
	ItemPointerSetInvalid(&scan->candidate);
}

/* Step the walk to its next index entry, visible or not; false at the end, and from then on. */
static bool
walk_on(MvsScan *scan)
{
	IndexScanDesc walk = scan->walk.scan;
	Datum		datum;
	bool		isnull;

	if (scan->detoasted)
	{
		pfree(scan->detoasted);
		scan->detoasted = NULL;
	}
	do
	{
		CHECK_FOR_INTERRUPTS();

		/* At its end, an index scan would begin anew. */
		if (scan->ended ||
			index_getnext_tid(walk, scan->reverse ? BackwardScanDirection
							  : ForwardScanDirection) == NULL)
		{
			scan->ended = true;
			return false;
		}

		/* One without key or version may be of a row long deleted. */
		if (IndexTupleHasNulls(walk->xs_itup))
			mvs_entry_refuse_null(index_fetch_heap(walk, scan->walk.slot), scan->walk.store);
	} while (IndexTupleHasNulls(walk->xs_itup));

	datum = index_getattr(walk->xs_itup, MVS_INDEX_KEY, walk->xs_itupdesc, &isnull);
	scan->at = DatumGetByteaPP(datum);
	if ((Pointer) scan->at != DatumGetPointer(datum))
		scan->detoasted = scan->at;
	return true;
}

/* Whether the entry that the walk is at is one at or below as_of. */
static bool
is_as_of(MvsScan *scan)
{
	IndexScanDesc walk = scan->walk.scan;
	bool		isnull;

	return scan->as_of == MVS_NEWEST ||
		DatumGetInt64(index_getattr(walk->xs_itup, MVS_INDEX_VERSION, walk->xs_itupdesc,
									&isnull)) <= scan->as_of;
}

static bool
is_at_key(MvsScan *scan)
{
	return scan->begun && mvs_key_compare(scan->at, scan->key.key) == 0;
}

/* Make the key that the walk is at the current one. */
static void
begin_key(MvsScan *scan)
{
	mvs_key_copy(&scan->key, scan->at, 0);
	scan->begun = true;
	scan->steps = 0;
}

/* Upwards, a key's newest entry comes first. */
static bool
next_upwards(MvsScan *scan, MvsEntry *entry)
{
	bool		answered = true;	/* the current key has been looked at */

	while (walk_on(scan))
	{
		if (!is_at_key(scan))
		{
			begin_key(scan);
			answered = false;
		}
		else if (++scan->steps > MVSTORE_STEPS_BEFORE_SEEK)
		{
			/* Too many entries of one key to step over. */
			if (!answered && mvs_cursor_find(&scan->point, scan->key.key, scan->as_of, entry))
			{
				seek_keys(scan);
				return true;
			}
			seek_keys(scan);
			answered = true;
			continue;
		}

		if (!answered && is_as_of(scan) &&
			index_fetch_heap(scan->walk.scan, scan->walk.slot))
		{
			mvs_entry_of_row(scan->walk.store, scan->walk.slot, entry);
			return true;
		}
	}
	return false;
}

/*
 * Set *entry to that of the current key which answers downwards: the candidate, which
 * the walk has passed; or where the snapshot does not see that, what a look-up finds.
 * Also that tells the index of rows that nobody sees any more.
 */
static bool
find_candidate(MvsScan *scan, MvsEntry *entry)
{
	MvsCursor  *point = &scan->point;
	bool		again = false;
	ItemPointerData tid = scan->candidate;

	ItemPointerSetInvalid(&scan->candidate);
	if (!table_index_fetch_tuple(point->scan->xs_heapfetch, &tid, point->snapshot, point->slot,
								 &again, NULL))
		return mvs_cursor_find(point, scan->key.key, scan->as_of, entry);
	pgstat_count_heap_fetch(point->store->index);
	mvs_entry_of_row(point->store, point->slot, entry);
	return true;
}

/*
 * Downwards, a key's oldest entry comes first, and its newest at or below as_of is known
 * when the walk is at the next key: then it is ahead of the scan.
 */
static bool
next_downwards(MvsScan *scan, MvsEntry *entry)
{
	while (scan->ahead || walk_on(scan))
	{
		if (!is_at_key(scan))
		{
			scan->ahead = ItemPointerIsValid(&scan->candidate);
			if (scan->ahead && find_candidate(scan, entry))
				return true;
			scan->ahead = false;
			begin_key(scan);
		}
		else if (++scan->steps > MVSTORE_STEPS_BEFORE_SEEK)
		{
			/* Too many to step over. Without a candidate the oldest is above as_of already. */
			bool		found = ItemPointerIsValid(&scan->candidate);

			if (found)
				found = mvs_cursor_find(&scan->point, scan->key.key, scan->as_of, entry);
			seek_keys(scan);
			if (found)
				return true;
			continue;
		}
		if (is_as_of(scan))
			scan->candidate = scan->walk.scan->xs_heaptid;
	}
	return ItemPointerIsValid(&scan->candidate) && find_candidate(scan, entry);
}

bool
mvs_scan_next(MvsScan *scan, MvsEntry *entry)
{
	return scan->reverse ? next_downwards(scan, entry) : next_upwards(scan, entry);
}

void
mvs_scan_pause(MvsScan *scan)
{
	if (!scan->ended)
		seek_keys(scan);
}

bool
mvs_scan_find(MvsScan *scan, const bytea *key, MvsEntry *entry)
{
	bool		lost = scan->lost;

	if (scan->apart > 0)
	{
		scan->apart--;
		return mvs_cursor_find(&scan->point, key, scan->as_of, entry);
	}
	if (lost)
	{
		scan->from = key;
		seek_keys(scan);
		scan->lost = false;
	}

	for (int i = 0; i <= MVSTORE_STEPS_BEFORE_SEEK; i++)
	{
		int			order;
		bool		found;

		if (!scan->ahead && !walk_on(scan))
			return false;
		scan->ahead = true;
		order = mvs_key_compare(scan->at, key);
		found = order == 0 && is_as_of(scan) &&
			index_fetch_heap(scan->walk.scan, scan->walk.slot);
		if (found)
			mvs_entry_of_row(scan->walk.store, scan->walk.slot, entry);
		if (found || order > 0)
		{
			if (!lost)
				scan->next_apart = 1;
			return found;
		}
		scan->ahead = false;
	}
	scan->lost = true;
	scan->apart = scan->next_apart;
	scan->next_apart = Min(scan->next_apart * LOOKUPS_GROW_BY, LOOKUPS_AT_MOST);
	return mvs_cursor_find(&scan->point, key, scan->as_of, entry);
}

/* ------------------------------------------------------------------------
 * Looking at what is to be overwritten
 * ------------------------------------------------------------------------ */

void
mvs_heads_open(MvsHeads *heads, MvsStore *store, const MvsDatabase *database,
			   TupleTableSlot *slot, bool many)
{
	InitDirtySnapshot(heads->dirty);
	open_cursor(&heads->cursor, store, &heads->dirty, slot);
	heads->database = database;
	heads->many = many;
	heads->walking = false;
}

void
mvs_heads_close(MvsHeads *heads)
{
	mvs_cursor_close(&heads->cursor);
}

/* Begin to walk at a key, or put the cursor before its entries alone. */
static void
seek_entries(MvsHeads *heads, const bytea *key)
{
	IndexScanDesc scan = heads->cursor.scan;
	ScanKeyData scan_key;

	heads->walking = heads->many && heads->seeks == 0;
	if (heads->walking)
	{
		ScanKeyInit(&scan_key, MVS_INDEX_KEY, BTGreaterEqualStrategyNumber, F_BYTEAGE,
					PointerGetDatum(key));
		scan->xs_want_itup = true;
		restart_scan(scan, &scan_key, 1);
		heads->reached = 0;
		step_on(heads);
		return;
	}
	heads->seeks = (heads->seeks + 1) % SEEKS_BEFORE_WALK;
	ScanKeyInit(&scan_key, MVS_INDEX_KEY, BTEqualStrategyNumber, F_BYTEAEQ,
				PointerGetDatum(key));
	restart_scan(scan, &scan_key, 1);
}

/* Compare the key of the entry that the walk is at with another; the end is behind all. */
static int
compare_place(MvsHeads *heads, const bytea *key)
{
	IndexScanDesc scan = heads->cursor.scan;
	bool		isnull;
	Datum		datum;
	bytea	   *place;
	int			order;

	if (heads->ended)
		return 1;
	datum = index_getattr(scan->xs_itup, MVS_INDEX_KEY, scan->xs_itupdesc, &isnull);
	place = DatumGetByteaPP(datum);
	order = mvs_key_compare(place, key);
	if ((Pointer) place != DatumGetPointer(datum))
		pfree(place);
	return order;
}

static void
step_on(MvsHeads *heads)
{
	heads->ended = index_getnext_tid(heads->cursor.scan, ForwardScanDirection) == NULL;
}

/* Walk to the first entry from a key on; false where it is too far, or there is no walk. */
static bool
walk_to(MvsHeads *heads, const bytea *key)
{
	for (int steps = 0; heads->walking && compare_place(heads, key) < 0; steps++)
	{
		if (steps < MVSTORE_STEPS_BEFORE_SEEK)
			step_on(heads);
		else
		{
			heads->walking = false;
			heads->seeks = heads->reached > 0 ? 0 : 1;
		}
	}
	if (heads->walking)
		heads->reached++;
	return heads->walking;
}

/* Find the newest entry of a key that is there, from the first entry from the key on. */
static bool
find_walking(MvsHeads *heads, const bytea *key, MvsHead *head)
{
	MvsCursor  *cursor = &heads->cursor;

	for (; compare_place(heads, key) == 0; step_on(heads))
	{
		if (index_fetch_heap(cursor->scan, cursor->slot))
		{
			mvs_entry_of_row(cursor->store, cursor->slot, &head->entry);
			return true;
		}
		cursor->skipped++;
	}
	return false;
}

void
mvs_heads_find(MvsHeads *heads, const bytea *key, MvsHead *head)
{
	heads->cursor.skipped = 0;
	if (!walk_to(heads, key))
		seek_entries(heads, key);
	head->found = heads->walking ? find_walking(heads, key, head) :
		mvs_cursor_next(&heads->cursor, &head->entry);
	judge_entry(heads, head);
}

void
mvs_heads_find_at(MvsHeads *heads, const bytea *key, int64 version, MvsHead *head)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], MVS_INDEX_KEY, BTEqualStrategyNumber, F_BYTEAEQ,
				PointerGetDatum(key));
	ScanKeyInit(&keys[1], MVS_INDEX_VERSION, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(version));
	heads->walking = false;
	heads->cursor.skipped = 0;
	restart_scan(heads->cursor.scan, keys, 2);
	head->found = mvs_cursor_next(&heads->cursor, &head->entry);
	judge_entry(heads, head);
}

/* Set what else is to be known of the entry that the cursor has found, if it has. */
static void
judge_entry(MvsHeads *heads, MvsHead *head)
{
	SnapshotData *dirty = &heads->dirty;

	head->passed = heads->cursor.skipped;
	head->own = false;
	head->wait_for = InvalidTransactionId;
	if (!head->found)
		return;
	if (TransactionIdIsValid(dirty->xmin))
		head->wait_for = dirty->xmin;
	else if (TransactionIdIsValid(dirty->xmax) &&
			 !mvs_droppers_have(heads->database, dirty->xmax))
		head->wait_for = dirty->xmax;

	/* Only an entry of our own version can be ours. */
	if (head->entry.version == mvs_version_mine())
	{
		bool		isnull;
		Datum		xmin = slot_getsysattr(heads->cursor.slot, MinTransactionIdAttributeNumber,
										   &isnull);

		head->own = TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
	}
	head->entry.value = (Datum) 0;	/* goes with the slot */
}

/* ------------------------------------------------------------------------
 * Removing
 * ------------------------------------------------------------------------ */

bool
mvs_entry_delete(MvsStore *store, ItemPointer tid, bool locked)
{
	TM_FailureData failure;
	TM_Result	result;

	/* A lock of our own is told like that of another, unless we would wait. */
	result = mvs_compat_table_tuple_delete(store->heap, tid, GetCurrentCommandId(true),
										   GetActiveSnapshot(), locked, &failure);

	/* Gone already is as good as deleted; moved or locked is not. */
	return result == TM_Ok || result == TM_Deleted;
}

void
mvs_entry_look_all(MvsStore *store, const bytea *key, MvsKeyRows *rows)
{
	SnapshotData dirty;
	MvsCursor	cursor;
	MvsEntry	entry;
	ScanKeyData scan_key;

	InitDirtySnapshot(dirty);
	ScanKeyInit(&scan_key, MVS_INDEX_KEY, BTEqualStrategyNumber, F_BYTEAEQ,
				PointerGetDatum(key));
	rows->count = 0;
	rows->wait_for = InvalidTransactionId;
	mvs_cursor_open(&cursor, store, &dirty);
	restart_scan(cursor.scan, &scan_key, 1);
	while (!TransactionIdIsValid(rows->wait_for) && mvs_cursor_next(&cursor, &entry))
	{
		CHECK_FOR_INTERRUPTS();
		rows->wait_for = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
		if (rows->count == rows->space)
		{
			int			space = Max(rows->space * 2, 64);

			rows->tids = rows->tids ? repalloc_huge(rows->tids, space * sizeof(ItemPointerData)) :
				palloc(space * sizeof(ItemPointerData));
			rows->versions = rows->versions ? repalloc_huge(rows->versions, space * sizeof(int64)) :
				palloc(space * sizeof(int64));
			rows->space = space;
		}
		rows->tids[rows->count] = entry.tid;
		rows->versions[rows->count++] = entry.version;
	}
	mvs_cursor_close(&cursor);
}

bool
mvs_entry_lock(MvsStore *store, ItemPointer tid, bool wait)
{
	TupleTableSlot *slot = table_slot_create(store->heap, NULL);
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(store->heap, tid, GetActiveSnapshot(), slot,
							  GetCurrentCommandId(true), LockTupleExclusive,
							  wait ? LockWaitBlock : LockWaitSkip, 0, &failure);
	ExecDropSingleTupleTableSlot(slot);
	return result == TM_Ok;
}

bool
mvs_entry_erase(MvsStore *store, ItemPointer tid)
{
	TM_FailureData failure;
	TM_Result	result;

	result = mvs_compat_table_tuple_delete(store->heap, tid, GetCurrentCommandId(true),
										   GetActiveSnapshot(), false, &failure);

	/* A lock of our own is told like that of another; with it, nobody is waited for. */
	if (result == TM_BeingModified && mvs_entry_lock(store, tid, false))
		result = mvs_compat_table_tuple_delete(store->heap, tid, GetCurrentCommandId(true),
											   GetActiveSnapshot(), true, &failure);
	return result == TM_Ok;
}

bool
mvs_entry_is_seen(MvsStore *store, ItemPointer tid, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(store->heap, NULL);
	bool		seen = table_tuple_fetch_row_version(store->heap, tid, snapshot, slot);

	ExecDropSingleTupleTableSlot(slot);
	return seen;
}

int64
mvs_entry_expires(const MvsEntry *entry)
{
	return !entry->expires || TIMESTAMP_IS_NOEND(entry->expires_at) ? MVS_NEWEST :
		TIMESTAMP_IS_NOBEGIN(entry->expires_at) ? 0 :
		mvs_version_of_time(entry->expires_at);
}
