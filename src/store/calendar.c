/*-------------------------------------------------------------------------
 *
 * calendar.c
 *	  The calendar: keys to be looked at when something of them is old enough.
 *
 * A row has the keys of one store whose ends lie close together, so it takes a few
 * bytes a key. Who looks at a key that has nothing to go loses little; so it does
 * no harm when a key stands in the calendar twice, or too early.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "store/calendar.h"
#include "version/clock.h"

#define Anum_calendar_store 1
#define Anum_calendar_ends 2
#define Anum_calendar_id 3
#define Anum_calendar_keys 4
#define Natts_calendar 4

/* Bytes of keys in a row, more or less: four rows a page. */
#define ROW_SIZE 1900

typedef struct MvsNote
{
	int64		first;			/* of the ends that it stands for */
	int64		end;			/* the last of them */
	int			length;
	bool		alone;
	char	   *key;
} MvsNote;

static bool are_close(const MvsNotes *notes, int64 first, int64 last);
static int	compare_notes(const void *a, const void *b);
static bool same_again(const MvsNote *note, const MvsNote *other);
static void insert_row(Relation calendar, CatalogIndexState indexes, Oid store, int64 ends,
					   const char *keys, int size);
static int	copy_others(Oid store, const MvsCalendarRow *row, MvsKeyTest is_erased,
						void *argument, char *others);

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------ */

/* Whether one look, when the last of them is old enough, does for ends. */
static bool
are_close(const MvsNotes *notes, int64 first, int64 last)
{
	return last - first < MVS_CALENDAR_SPAN && (first <= notes->old) == (last <= notes->old);
}

void
mvs_notes_add(MvsNotes *notes, const char *key, int length, int64 end, bool alone)
{
	MvsNote    *last;

	if (notes->count > 0)
	{
		last = &notes->notes[notes->count - 1];
		if (last->length == length && memcmp(last->key, key, length) == 0 &&
			are_close(notes, Min(last->first, end), Max(last->end, end)))
		{
			last->first = Min(last->first, end);
			last->end = Max(last->end, end);
			last->alone |= alone;
			return;
		}
	}
	if (notes->count == notes->space)
	{
		notes->space = Max(notes->space * 2, 64);
		notes->notes = notes->notes ?
			repalloc_huge(notes->notes, notes->space * sizeof(MvsNote)) :
			palloc(notes->space * sizeof(MvsNote));
	}
	last = &notes->notes[notes->count++];
	last->first = last->end = end;
	last->length = length;
	last->alone = alone;
	last->key = palloc(Max(length, 1));
	memcpy(last->key, key, length);
}

static int
compare_notes(const void *a, const void *b)
{
	const MvsNote *left = a;
	const MvsNote *right = b;

	if (left->end != right->end)
		return left->end < right->end ? -1 : 1;
	if (!left->alone || !right->alone)
		return left->alone - right->alone;
	if (left->length != right->length)
		return left->length < right->length ? -1 : 1;
	return memcmp(left->key, right->key, left->length);
}

/* Each look at a key whose later ends are not noted makes a note: several make one. */
static bool
same_again(const MvsNote *note, const MvsNote *other)
{
	return note->alone && compare_notes(note, other) == 0;
}

/* Write a row. */
static void
insert_row(Relation calendar, CatalogIndexState indexes, Oid store, int64 ends,
		   const char *keys, int size)
{
	Datum		values[Natts_calendar];
	bool		nulls[Natts_calendar] = {false};
	bytea	   *bytes = palloc(VARHDRSZ + size);
	HeapTuple	tuple;

	SET_VARSIZE(bytes, VARHDRSZ + size);
	memcpy(VARDATA(bytes), keys, size);
	values[Anum_calendar_store - 1] = ObjectIdGetDatum(store);
	values[Anum_calendar_ends - 1] = Int64GetDatum(ends);
	values[Anum_calendar_id - 1] = Int64GetDatum((int64) pg_prng_uint64(&pg_global_prng_state));
	values[Anum_calendar_keys - 1] = PointerGetDatum(bytes);
	tuple = heap_form_tuple(RelationGetDescr(calendar), values, nulls);
	CatalogTupleInsertWithInfo(calendar, tuple, indexes);
	heap_freetuple(tuple);
	pfree(bytes);
}

int64
mvs_calendar_write(Oid store, MvsNotes *notes)
{
	int64		lowest = MVS_NEWEST;
	Relation	calendar;
	CatalogIndexState indexes;
	StringInfoData keys;
	int			i = 0;

	if (notes->count == 0)
		return lowest;
	calendar = mvs_catalog_open(MVS_CALENDAR, false, RowExclusiveLock);
	indexes = CatalogOpenIndexes(calendar);
	qsort(notes->notes, notes->count, sizeof(MvsNote), compare_notes);
	initStringInfo(&keys);
	while (i < notes->count)
	{
		int64		first = notes->notes[i].end;
		int64		last = first;

		resetStringInfo(&keys);
		for (; i < notes->count && keys.len < ROW_SIZE &&
			 are_close(notes, first, notes->notes[i].end); i++)
		{
			const MvsNote *note = &notes->notes[i];
			int32		length = note->alone ? ~note->length : note->length;

			if (i > 0 && same_again(note, note - 1))
				continue;
			appendBinaryStringInfo(&keys, (char *) &length, sizeof(length));
			appendBinaryStringInfo(&keys, note->key, note->length);
			last = note->end;
		}
		if (keys.len > 0)
			insert_row(calendar, indexes, store, last, keys.data, keys.len);
		lowest = Min(lowest, last);
	}
	pfree(keys.data);
	CatalogCloseIndexes(indexes);
	table_close(calendar, RowExclusiveLock);
	notes->count = 0;
	CommandCounterIncrement();
	return lowest;
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------ */

List *
mvs_calendar_read(Oid store, int64 from, int64 to, int limit, int64 *next)
{
	Relation	calendar = mvs_catalog_open(MVS_CALENDAR, false, AccessShareLock);
	Relation	index = mvs_catalog_open(MVS_CALENDAR_ENDS, false, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *rows = NIL;

	*next = MVS_NEWEST;
	ScanKeyInit(&keys[0], Anum_calendar_store, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(store));
	ScanKeyInit(&keys[1], Anum_calendar_ends, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(from));
	scan = systable_beginscan_ordered(calendar, index, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		Datum		values[Natts_calendar];
		bool		nulls[Natts_calendar];
		MvsCalendarRow *row;
		bytea	   *bytes;

		heap_deform_tuple(tuple, RelationGetDescr(calendar), values, nulls);
		if (DatumGetInt64(values[Anum_calendar_ends - 1]) > to || list_length(rows) == limit)
		{
			*next = DatumGetInt64(values[Anum_calendar_ends - 1]);
			break;
		}
		bytes = DatumGetByteaPCopy(values[Anum_calendar_keys - 1]);
		row = palloc(sizeof(MvsCalendarRow));
		row->ends = DatumGetInt64(values[Anum_calendar_ends - 1]);
		row->tid = tuple->t_self;
		row->size = VARSIZE(bytes) - VARHDRSZ;
		row->keys = VARDATA(bytes);
		rows = lappend(rows, row);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(calendar, AccessShareLock);
	return rows;
}

bool
mvs_calendar_key(const MvsCalendarRow *row, int *position, const char **key, int *length,
				 bool *alone)
{
	int32		bytes;

	if (*position + (int) sizeof(bytes) > row->size)
		return false;
	memcpy(&bytes, row->keys + *position, sizeof(bytes));
	*alone = bytes < 0;
	bytes = *alone ? ~bytes : bytes;
	if (bytes > row->size - *position - (int) sizeof(bytes))
		return false;			/* no row of ours */
	*key = row->keys + *position + sizeof(bytes);
	*length = bytes;
	*position += (int) sizeof(bytes) + bytes;
	return true;
}

void
mvs_calendar_cut(Oid store, MvsCalendarRow *row, int position)
{
	Relation	calendar = mvs_catalog_open(MVS_CALENDAR, false, RowExclusiveLock);

	mvs_catalog_delete(calendar, &row->tid);
	if (position < row->size)
	{
		CatalogIndexState indexes = CatalogOpenIndexes(calendar);

		insert_row(calendar, indexes, store, row->ends, row->keys + position,
				   row->size - position);
		CatalogCloseIndexes(indexes);
	}
	table_close(calendar, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Copy what a row has of other keys; the number of bytes. */
static int
copy_others(Oid store, const MvsCalendarRow *row, MvsKeyTest is_erased, void *argument,
			char *others)
{
	int			position = 0;
	int			size = 0;
	const char *found;
	int			length;
	bool		alone;

	for (int start = 0; mvs_calendar_key(row, &position, &found, &length, &alone);
		 start = position)
	{
		if (is_erased(store, found, length, argument))
			continue;
		memcpy(others + size, row->keys + start, position - start);
		size += position - start;
	}
	return size;
}

void
mvs_calendar_erase(Oid store, MvsKeyTest is_erased, void *argument)
{
	Relation	calendar = mvs_catalog_open(MVS_CALENDAR, false, RowExclusiveLock);
	ScanKeyData scan_key;
	SysScanDesc scan;
	HeapTuple	tuple;

	/* All of them: the entries that a note was made for may have gone since. */
	ScanKeyInit(&scan_key, Anum_calendar_store, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(store));
	scan = systable_beginscan(calendar, mvs_catalog_oid(MVS_CALENDAR_ENDS, false), true, NULL,
							  1, &scan_key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_calendar];
		bool		nulls[Natts_calendar];
		bytea	   *bytes;
		MvsCalendarRow row;
		MvsCalendarRow left;
		char	   *others;

		CHECK_FOR_INTERRUPTS();
		heap_deform_tuple(tuple, RelationGetDescr(calendar), values, nulls);
		bytes = DatumGetByteaPCopy(values[Anum_calendar_keys - 1]);
		row.ends = DatumGetInt64(values[Anum_calendar_ends - 1]);
		row.tid = tuple->t_self;
		row.size = VARSIZE(bytes) - VARHDRSZ;
		row.keys = VARDATA(bytes);
		others = palloc(Max(row.size, 1));
		left = row;
		left.keys = others;
		left.size = copy_others(store, &row, is_erased, argument, others);
		if (left.size < row.size)
			mvs_calendar_cut(store, &left, 0);
		pfree(others);
		pfree(bytes);
	}
	systable_endscan(scan);
	table_close(calendar, NoLock);
}

bool
mvs_calendar_forget(Oid store, int limit)
{
	Relation	calendar = mvs_catalog_open(MVS_CALENDAR, false, RowExclusiveLock);
	Relation	index = mvs_catalog_open(MVS_CALENDAR_ENDS, false, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			count = 0;

	ScanKeyInit(&key, Anum_calendar_store, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(store));
	scan = systable_beginscan_ordered(calendar, index, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)) &&
		   count < limit)
	{
		CHECK_FOR_INTERRUPTS();
		mvs_catalog_delete(calendar, &tuple->t_self);
		count++;
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(calendar, RowExclusiveLock);
	CommandCounterIncrement();
	return !HeapTupleIsValid(tuple);
}

List *
mvs_calendar_stores(void)
{
	List	   *stores = NIL;
	Relation	calendar;
	Relation	index;
	Oid			after = InvalidOid;
	bool		more = true;

	if (!OidIsValid(mvs_catalog_oid(MVS_CALENDAR, true)))
		return NIL;
	calendar = mvs_catalog_open(MVS_CALENDAR, false, AccessShareLock);
	index = mvs_catalog_open(MVS_CALENDAR_ENDS, false, AccessShareLock);
	while (more)
	{
		/* From store to store by the index. */
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tuple;
		bool		isnull;

		ScanKeyInit(&key, Anum_calendar_store, BTGreaterStrategyNumber, F_OIDGT,
					ObjectIdGetDatum(after));
		scan = systable_beginscan_ordered(calendar, index, NULL, 1, &key);
		tuple = systable_getnext_ordered(scan, ForwardScanDirection);
		more = HeapTupleIsValid(tuple);
		if (more)
		{
			after = DatumGetObjectId(heap_getattr(tuple, Anum_calendar_store,
												  RelationGetDescr(calendar), &isnull));
			stores = lappend_oid(stores, after);
		}
		systable_endscan_ordered(scan);
	}
	index_close(index, AccessShareLock);
	table_close(calendar, AccessShareLock);
	return stores;
}
