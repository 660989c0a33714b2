/*-------------------------------------------------------------------------
 *
 * calendar.h
 *	  The calendar: keys to be looked at when something of them is old enough.
 *
 * Under a policy by age an entry may go some time after its end, and an expiring
 * head after its expiry. So the worker notes the key in mvstore_calendar with that
 * end, and looks at it when the end is long enough ago. What a policy by age
 * costs is then as much as there is garbage, whatever the size of the store.
 *
 * All rows are written by the worker, but that of an erased key others take away
 * (with the store's drop lock held).
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_CALENDAR_H
#define MVSTORE_CALENDAR_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/itemptr.h"

/*
 * Microseconds: ends that share a note lie no further apart, nor do the last ends
 * of the notes that share a row. And what is old enough, so that it waits for the
 * horizon alone, does not share them with what is too young.
 */
#define MVS_CALENDAR_SPAN INT64CONST(1000000)

/* Notes that a transaction collects; zeroed, there are none. */
typedef struct MvsNotes
{
	int			count;
	int			space;
	struct MvsNote *notes;
	int64		old;			/* ends up to here are old enough already */
} MvsNotes;

/*
 * A row: keys with ends up to its own, one behind the other, each behind its
 * length. A negative length is the complement of that of a key whose later ends have
 * no notes: whoever looks at it notes what follows.
 */
typedef struct MvsCalendarRow
{
	int64		ends;
	ItemPointerData tid;
	int			size;			/* bytes of keys */
	char	   *keys;
} MvsCalendarRow;

/* Add a note of an end of a key, which is copied; "alone" if no later ends are noted. */
extern void mvs_notes_add(MvsNotes *notes, const char *key, int length, int64 end, bool alone);

/*
 * Write the notes as rows, in the current transaction, and return the lowest end of them;
 * MVS_NEWEST where there are none.
 */
extern int64 mvs_calendar_write(Oid store, MvsNotes *notes);

/*
 * Return the rows of a store with ends in [from, to], in order, at most "limit": a list of
 * MvsCalendarRow in the current memory context. Set *next to the end of the first row
 * behind them, MVS_NEWEST if there is none.
 */
extern List *mvs_calendar_read(Oid store, int64 from, int64 to, int limit, int64 *next);

/*
 * Set *key, *length and *alone to the key in a row at *position, and *position to the
 * next one; false at the end.
 */
extern bool mvs_calendar_key(const MvsCalendarRow *row, int *position, const char **key,
							 int *length, bool *alone);

/* Remove a row, or leave of it only the keys from "position" on. */
extern void mvs_calendar_cut(Oid store, MvsCalendarRow *row, int position);

/*
 * Remove all notes of the keys of a store for which "is_erased" is true, whatever they
 * are for: the entry that one was made for may have gone already. Read all rows of the
 * store for that.
 */
typedef bool (*MvsKeyTest) (Oid store, const char *key, int length, void *argument);
extern void mvs_calendar_erase(Oid store, MvsKeyTest is_erased, void *argument);

/* Remove so many rows of a store at most, those with the lowest ends; false if there are more. */
extern bool mvs_calendar_forget(Oid store, int limit);

/* Return all stores that have rows, as a list of OIDs. */
extern List *mvs_calendar_stores(void);

#endif							/* MVSTORE_CALENDAR_H */
