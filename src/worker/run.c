/*-------------------------------------------------------------------------
 *
 * run.c
 *	  Runs: looks at the keys that the calendar has due.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/key.h"
#include "base/once.h"
#include "base/settings.h"
#include "store/calendar.h"
#include "version/clock.h"
#include "version/version.h"
#include "worker/drop.h"
#include "worker/pace.h"
#include "worker/process.h"
#include "worker/run.h"

/* A run stops after so many rows of the calendar, and keys looked at. */
#define RUN_ROWS 64
#define RUN_KEYS 5000

/* Rows that one transaction removes, where all are to go. */
#define FORGET_ROWS 5000

/* A key as a row of the calendar has it. */
typedef struct RowKey
{
	const char *data;
	int			length;
} RowKey;

/* A key that was looked at, and whether what waits of it was noted. */
typedef struct SeenKey
{
	RowKey		key;
	bool		noted;
	char		status;
} SeenKey;

#define SH_PREFIX seen
#define SH_ELEMENT_TYPE SeenKey
#define SH_KEY_TYPE RowKey
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_bytes((const unsigned char *) (key).data, (key).length)
#define SH_EQUAL(table, a, b) \
	((a).length == (b).length && memcmp((a).data, (b).data, (a).length) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static MvsSliceEnd look_at_key(MvsDrop *drop, const RowKey *row_key, bool note);
static MvsSliceEnd look_at_row(MvsDrop *drop, MvsCalendarRow *row, seen_hash *seen, int64 limit,
							   bool *locked);

/* ------------------------------------------------------------------------
 * When there is one
 * ------------------------------------------------------------------------ */

void
mvs_run_init(MvsRun *run)
{
	memset(run, 0, sizeof(MvsRun));
	run->from = run->next = MVS_NEWEST;
}

void
mvs_run_expect(MvsRun *run, int64 end)
{
	run->from = Min(run->from, end);
	run->next = Min(run->next, end);
}

bool
mvs_run_forget(MvsRun *run, Oid store)
{
	if (!mvs_calendar_forget(store, mvs_pace_entries(FORGET_ROWS)))
		return false;
	run->from = run->next = MVS_NEWEST;
	return true;
}

bool
mvs_run_is_expected(const MvsRun *run)
{
	return run->next != MVS_NEWEST;
}

bool
mvs_run_is_held(const MvsRun *run, int64 now, int64 horizon)
{
	return run->next > horizon && run->next <= now - run->age;
}

TimestampTz
mvs_run_due(const MvsRun *run, TimestampTz clock, int64 now, int64 horizon)
{
	int64		enough = now - run->age;	/* ends up to here are long enough ago */
	TimestampTz due_at;

	if (!mvs_run_is_expected(run) || mvs_run_is_held(run, now, horizon))
		return DT_NOEND;

	/* Not too often; nor before the first of them is old enough. */
	due_at = TimestampTzPlusMilliseconds(run->looked_at, (int64) mvs_sweep_interval * 1000);
	if (run->next > enough)
	{
		/* While versions are ahead of the clock, they stand still: then when it has caught up. */
		TimestampTz old_enough = mvs_greatest(clock + run->next - enough,
											  mvs_version_to_time(run->next + run->age));

		due_at = Max(due_at, Min(old_enough, clock + INT64CONST(1000) * MVS_LONGEST_TIMER));
	}
	return due_at;
}

/* ------------------------------------------------------------------------
 * A slice of it
 * ------------------------------------------------------------------------ */

/* Let go what the policy allows of a key, and note what waits, should nobody have. */
static MvsSliceEnd
look_at_key(MvsDrop *drop, const RowKey *row_key, bool note)
{
	bytea	   *key = mvs_key_make(row_key->data, row_key->length);
	int64		dropped = drop->tally.entries;
	MvsDroppable droppable;
	MvsVerdict	verdict;

	mvs_drop_collect(drop, key, drop->store.info.policy.keep_versions, MVS_NEWEST);
	droppable = mvs_drop_policy(drop, key);
	verdict = mvs_drop_judge(drop, droppable);
	pfree(key);
	if (mvs_drop_entries(drop, &verdict) > verdict.first)
		return MVS_SLICE_LOCKED;

	/* There may be more to go; and when the next one ends is not known yet. */
	if (drop->entries.more && drop->tally.entries > dropped)
		return MVS_SLICE_MORE;
	if (note)
		mvs_drop_note_pending(drop, row_key->data, row_key->length, droppable);
	drop->tally.keys_due++;
	return MVS_SLICE_DONE;
}

/*
 * Look at the keys of a row, and leave of it what is not done. Where somebody has an entry locked,
 * note the key anew, behind all that is due up to the limit, and set *locked: it holds up no other.
 */
static MvsSliceEnd
look_at_row(MvsDrop *drop, MvsCalendarRow *row, seen_hash *seen, int64 limit, bool *locked)
{
	MvsSliceEnd state = MVS_SLICE_DONE;
	int			position = 0;
	int			done = 0;
	RowKey		key;
	bool		alone;

	while (state == MVS_SLICE_DONE &&
		   mvs_calendar_key(row, &position, &key.data, &key.length, &alone))
	{
		bool		found;
		SeenKey    *known = seen_insert(seen, key, &found);

		CHECK_FOR_INTERRUPTS();
		if (!found)
			known->noted = false;
		if (!found || (alone && !known->noted))
			state = look_at_key(drop, &key, alone);
		if (state == MVS_SLICE_LOCKED)
		{
			mvs_notes_add(&drop->notes, key.data, key.length, limit, alone);
			*locked = true;
			state = MVS_SLICE_DONE;
		}
		if (state != MVS_SLICE_DONE)
			break;
		known->noted |= alone;
		done = position;
		if (drop->tally.keys_due >= RUN_KEYS || mvs_drop_is_full(drop))
			state = MVS_SLICE_MORE;
	}
	mvs_calendar_cut(drop->oid, row, state == MVS_SLICE_DONE ? row->size : done);
	return state;
}

MvsSliceEnd
mvs_run_slice(MvsRun *run, MvsDrop *drop)
{
	MvsSliceEnd state = MVS_SLICE_DONE;
	int64		limit;
	List	   *rows;
	ListCell   *cell;
	seen_hash  *seen;
	bool		locked = false;

	limit = Min(drop->now - run->age, drop->horizon);
	run->horizon = drop->horizon;
	if (drop->store.info.referenced)
	{
		/* They can go when the foreign key has gone. */
		run->looked_at = GetCurrentTimestamp();
		return MVS_SLICE_DONE;
	}
	rows = mvs_calendar_read(drop->oid, run->from, limit, RUN_ROWS, &run->next);
	run->from = Min(run->next, limit);

	/* The clock stands still meanwhile, so once is enough for a key. */
	seen = seen_create(CurrentMemoryContext, 256, NULL);
	foreach(cell, rows)
	{
		MvsCalendarRow *row = lfirst(cell);

		state = look_at_row(drop, row, seen, limit, &locked);
		if (state != MVS_SLICE_DONE)
		{
			run->from = run->next = row->ends;
			break;
		}
	}
	if (state == MVS_SLICE_DONE && run->next <= limit)
		state = MVS_SLICE_MORE;

	/* As long as anything else is done, those that are locked need no delay. */
	if (locked && drop->tally.keys_due == 0 && drop->tally.entries == 0)
		state = MVS_SLICE_LOCKED;
	else if (locked)
		state = MVS_SLICE_MORE;

	/* What is old enough and waits for the horizon is to go as soon as that allows. */
	if (state == MVS_SLICE_DONE && run->next > drop->now - run->age)
		run->looked_at = GetCurrentTimestamp();
	return state;
}
