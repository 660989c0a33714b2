/*-------------------------------------------------------------------------
 *
 * sweep.c
 *	  Sweeps: walking a whole store for what its policy lets go.
 *
 * A pass goes in slices, one transaction each, from key to key in the order of
 * the index, so that it neither holds a snapshot for long nor keeps requests
 * waiting. Its place is the last key that it has done.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "drop.h"
#include "sweep.h"
#include "version.h"

/* A slice ends at the first key behind so many entries read, or dropped. */
#define SLICE_ENTRIES 20000
#define SLICE_DROPS 5000

static bool finish_key(MvsDrop *drop, MvsSweep *sweep);

void
mvs_sweep_begin(MvsSweep *sweep)
{
	sweep->key_length = -1;
	sweep->lowest_horizon = MVS_NEWEST;
	sweep->held = 0;
}

/* Let go what the policy allows of the key just read; false where a lock is in the way. */
static bool
finish_key(MvsDrop *drop, MvsSweep *sweep)
{
	MvsHistory *history = &drop->entries.history;
	int64		held = 0;
	bool		done = true;

	if (history->count > 0 && !drop->store.info.referenced)
		done = mvs_drop_entries(drop,
								mvs_rule_policy(history, &drop->store.info.policy, drop->now),
								&held);
	sweep->held = Max(sweep->held, held);
	mvs_drop_collect_begin(drop);
	return done;
}

MvsSweepState
mvs_sweep_slice(MvsSweep *sweep, MvsDatabase *database)
{
	MvsDrop		drop;
	MvsDropState state = mvs_drop_begin(&drop, database, sweep->store);
	MvsSweepState result = MVS_SWEEP_MORE;
	MvsEntry	entry;
	bytea	   *from = NULL;
	bytea	   *key;
	int64		seen = 0;
	bool		more;

	if (state != MVS_DROP_READY)
	{
		mvs_drop_commit(&drop, state);
		return state == MVS_DROP_GONE ? MVS_SWEEP_GONE : MVS_SWEEP_LOCKED;
	}
	sweep->lowest_horizon = Min(sweep->lowest_horizon, drop.horizon);

	/* The immediate successor of a key is the key with a zero byte behind it. */
	key = palloc0(VARHDRSZ + MVS_MAX_KEY + 1);
	if (sweep->key_length >= 0)
	{
		from = palloc0(VARHDRSZ + MVS_MAX_KEY + 1);
		SET_VARSIZE(from, VARHDRSZ + sweep->key_length + 1);
		memcpy(VARDATA(from), sweep->key, sweep->key_length);
	}
	SET_VARSIZE(key, VARHDRSZ);
	mvs_drop_collect_begin(&drop);
	mvs_cursor_walk(&drop.cursor, from);
	while ((more = mvs_cursor_next(&drop.cursor, &entry)))
	{
		bytea	   *next = mvs_cursor_key(&drop.cursor);

		CHECK_FOR_INTERRUPTS();
		if (drop.entries.history.count > 0 && mvs_key_compare(next, key) != 0)
		{
			if (!finish_key(&drop, sweep))
			{
				result = MVS_SWEEP_LOCKED;
				break;
			}
			sweep->key_length = VARSIZE(key) - VARHDRSZ;
			memcpy(sweep->key, VARDATA(key), sweep->key_length);
			if (seen >= SLICE_ENTRIES || drop.tally.entries >= SLICE_DROPS)
				break;
		}
		if (drop.entries.history.count == 0)
		{
			int			length = VARSIZE_ANY_EXHDR(next);

			SET_VARSIZE(key, VARHDRSZ + length);
			memcpy(VARDATA(key), VARDATA_ANY(next), length);
		}
		mvs_drop_collect_entry(&drop, &entry);
		seen++;
	}
	if (!more)
	{
		if (!finish_key(&drop, sweep))
			result = MVS_SWEEP_LOCKED;
		else if (drop.store.info.policy.keep_for >= 0 || drop.store.info.ttl >= 0)
			result = MVS_SWEEP_TIMED;
		else
			result = MVS_SWEEP_DONE;
	}
	mvs_drop_commit(&drop, state);
	if (result == MVS_SWEEP_DONE || result == MVS_SWEEP_TIMED)
	{
		mvs_stats_prepare(sweep->store);
		mvs_stats_swept(sweep->store, GetCurrentTimestamp());
	}
	return result;
}
