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

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "drop.h"
#include "fault.h"
#include "mvstore.h"
#include "queue.h"
#include "sweep.h"
#include "version.h"
#include "worker.h"

/* A slice ends at the first key behind so many entries read. */
#define SLICE_ENTRIES 20000

/* What a slice ends with. */
typedef enum SweepState
{
	SWEEP_MORE,					/* the pass goes on */
	SWEEP_DONE,					/* it has come to its end */
	SWEEP_TIMED,				/* the same, and the store wants another for its policy by age */
	SWEEP_GONE,					/* there is no such store */
	SWEEP_LOCKED				/* somebody has it locked: try later */
} SweepState;

static void begin_pass(MvsSweep *sweep);
static bool finish_key(MvsDrop *drop, MvsSweep *sweep);
static bool work_big_key(MvsDrop *drop, MvsSweep *sweep);
static void go_to(MvsSweep *sweep, const bytea *key, int zeros);
static SweepState walk_keys(MvsDrop *drop, MvsSweep *sweep);
static SweepState sweep_slice(MvsSweep *sweep, MvsDatabase *database);
static void begin_sweep(Oid store, int64 version, uint64 sequence);
static void forget_sweep(MvsSweep *sweep);
static void after_slice(MvsSweep *sweep, SweepState state);

/* Begin a pass. */
static void
begin_pass(MvsSweep *sweep)
{
	sweep->key_done = sweep->key_big = false;
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
	if (held > 0 && (sweep->held == 0 || held < sweep->held))
		sweep->held = held;
	mvs_drop_collect_begin(drop);
	return done;
}

/* Go from key to key until the slice is full. */
static SweepState
walk_keys(MvsDrop *drop, MvsSweep *sweep)
{
	MvsEntry	entry;
	MvsKeyBuffer key = {0};
	int64		seen = 0;
	bool		more;

	mvs_drop_collect_begin(drop);
	mvs_cursor_walk(&drop->cursor, sweep->key_done ? sweep->next.key : NULL);
	while ((more = mvs_cursor_next(&drop->cursor, &entry)))
	{
		bytea	   *next = mvs_cursor_key(&drop->cursor);

		CHECK_FOR_INTERRUPTS();
		if (drop->entries.history.count > 0 && mvs_key_compare(next, key.key) != 0)
		{
			if (!finish_key(drop, sweep))
				return SWEEP_LOCKED;
			if (seen >= SLICE_ENTRIES || mvs_drop_is_full(drop))
				break;
		}
		if (drop->entries.history.count == 0)
			mvs_key_copy(&key, next, 0);
		mvs_drop_collect_entry(drop, &entry);
		seen++;
		if (drop->entries.history.count >= SLICE_ENTRIES)
		{
			/* Too many to collect them all: on with this key, from its oldest entry. */
			go_to(sweep, key.key, 0);
			sweep->key_big = true;
			return SWEEP_MORE;
		}
	}
	if (more)
	{
		/* On with the immediate successor of the last key done: it and a zero byte. */
		go_to(sweep, key.key, 1);
		return SWEEP_MORE;
	}
	if (!finish_key(drop, sweep))
		return SWEEP_LOCKED;
	if (drop->store.info.policy.keep_for >= 0 || drop->store.info.ttl >= 0)
		return SWEEP_TIMED;
	return SWEEP_DONE;
}

/*
 * Do part of a key that has very many entries; with key_big still set, there is
 * more. False where a lock is in the way.
 */
static bool
work_big_key(MvsDrop *drop, MvsSweep *sweep)
{
	int64		dropped = drop->tally.entries;

	mvs_drop_collect(drop, sweep->next.key, drop->store.info.policy.keep_versions);
	sweep->key_big = !drop->entries.whole;
	if (!finish_key(drop, sweep))
		return false;
	if (drop->tally.entries == dropped)
		sweep->key_big = false; /* where the oldest stay, all stay */
	if (!sweep->key_big)
		go_to(sweep, sweep->next.key, 1);
	return true;
}

/* Where the pass goes on: at a key with so many zero bytes behind it. */
static void
go_to(MvsSweep *sweep, const bytea *key, int zeros)
{
	MemoryContext old = MemoryContextSwitchTo(mvs_worker.context);
	MvsKeyBuffer next = {0};

	mvs_key_copy(&next, key, zeros);
	if (sweep->next.key)
		pfree(sweep->next.key);
	sweep->next = next;
	sweep->key_done = true;
	MemoryContextSwitchTo(old);
}

/* Do one slice of a pass, in a transaction of its own. */
static SweepState
sweep_slice(MvsSweep *sweep, MvsDatabase *database)
{
	MvsDrop		drop;
	MvsDropState state = mvs_drop_begin(&drop, database, sweep->store);
	SweepState	result = SWEEP_MORE;

	if (state != MVS_DROP_READY)
	{
		mvs_drop_commit(&drop, state);
		return state == MVS_DROP_GONE ? SWEEP_GONE : SWEEP_LOCKED;
	}
	sweep->lowest_horizon = Min(sweep->lowest_horizon, drop.horizon);

	if (sweep->key_big)
	{
		if (!work_big_key(&drop, sweep))
			result = SWEEP_LOCKED;
	}
	else
		result = walk_keys(&drop, sweep);
	MVS_FAULT("slice-done");
	mvs_drop_commit(&drop, state);
	if (result == SWEEP_DONE || result == SWEEP_TIMED)
	{
		mvs_stats_prepare(sweep->store);
		mvs_stats_swept(sweep->store, GetCurrentTimestamp());
	}
	return result;
}

/* ------------------------------------------------------------------------
 * Which store is swept when
 * ------------------------------------------------------------------------ */

void
mvs_sweep_take_marks(void)
{
	MvsMark		marks[MVS_MAX_MARKS];
	MvsMark		all;
	int			count;
	bool		all_marked;

	/* A look without the lock: whoever marks sets our latch afterwards. */
	if (mvs_worker.database->mark_count == 0 && !mvs_worker.database->all_marked)
		return;

	LWLockAcquire(mvs_worker.database->queue_lock, LW_SHARED);
	count = mvs_worker.database->mark_count;
	memcpy(marks, mvs_worker.database->marks, count * sizeof(MvsMark));
	all_marked = mvs_worker.database->all_marked;
	all = mvs_worker.database->all_stores;
	LWLockRelease(mvs_worker.database->queue_lock);

	for (int i = 0; i < count; i++)
		begin_sweep(marks[i].store, marks[i].version, marks[i].sequence);
	if (all_marked)
		mvs_sweep_all(all.version, all.sequence);
	mvs_worker_report();

	MVS_FAULT("marks-kept");

	/* Only now that they are kept here do they go there; but not what came meanwhile. */
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	for (int i = count - 1; i >= 0; i--)
	{
		MvsMark    *mark = &mvs_worker.database->marks[i];

		if (mark->version == marks[i].version && mark->sequence == marks[i].sequence)
			*mark = mvs_worker.database->marks[--mvs_worker.database->mark_count];
	}
	if (all_marked && mvs_worker.database->all_stores.version == all.version &&
		mvs_worker.database->all_stores.sequence == all.sequence)
		mvs_worker.database->all_marked = false;
	LWLockRelease(mvs_worker.database->queue_lock);
}

void
mvs_sweep_all(int64 version, uint64 sequence)
{
	MemoryContext old = CurrentMemoryContext;
	List	   *stores;
	ListCell   *cell;

	StartTransactionCommand();
	MemoryContextSwitchTo(mvs_worker.context);
	stores = mvs_store_list();
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	foreach(cell, stores)
		begin_sweep(lfirst_oid(cell), version, sequence);
	list_free(stores);
}

/* Have one store swept; if it is being swept, once more. */
static void
begin_sweep(Oid store, int64 version, uint64 sequence)
{
	MvsSweep   *sweep = NULL;
	ListCell   *cell;

	foreach(cell, mvs_worker.sweeps)
	{
		if (((MvsSweep *) lfirst(cell))->store == store)
			sweep = lfirst(cell);
	}
	if (sweep && sweep->active && sweep->wait_for > 0)
	{
		/* It waits to begin: then it begins for this, too. */
		version = Max(version, sweep->version);
		sequence = Min(sequence, sweep->sequence);
	}
	else if (sweep && sweep->active)
	{
		sweep->again_version = sweep->again ? Max(sweep->again_version, version) : version;
		sweep->again_sequence = sweep->again ? Min(sweep->again_sequence, sequence) : sequence;
		sweep->again = true;
		return;
	}
	if (sweep == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(mvs_worker.context);

		sweep = palloc0(sizeof(MvsSweep));
		sweep->store = store;
		mvs_worker.sweeps = lappend(mvs_worker.sweeps, sweep);
		MemoryContextSwitchTo(old);
	}
	sweep->active = true;
	sweep->version = version;
	sweep->sequence = sequence;
	sweep->due_at = 0;
	sweep->wait_for = 0;
	begin_pass(sweep);
}

bool
mvs_sweep_is_due(MvsSweep *sweep, TimestampTz now, int64 horizon)
{
	return sweep->due_at <= now && (!sweep->active || sweep->wait_for <= horizon);
}

bool
mvs_sweep_run(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		horizon = mvs_worker.sweeps == NIL ? 0 : mvs_worker_horizon();
	MemoryContext old = CurrentMemoryContext;
	MvsSweep   *volatile sweep = NULL;
	volatile SweepState state = SWEEP_LOCKED;
	ListCell   *cell;

	foreach(cell, mvs_worker.sweeps)
	{
		if (mvs_sweep_is_due(lfirst(cell), now, horizon))
		{
			sweep = lfirst(cell);
			break;
		}
	}
	if (sweep == NULL)
		return false;

	sweep->wait_for = 0;

	/* Behind the others, so that each gets its turn. */
	MemoryContextSwitchTo(mvs_worker.context);
	mvs_worker.sweeps = list_delete_ptr(mvs_worker.sweeps, sweep);
	mvs_worker.sweeps = lappend(mvs_worker.sweeps, sweep);
	MemoryContextSwitchTo(old);
	if (!sweep->active)
	{
		sweep->active = true;
		sweep->version = 0;
		sweep->sequence = PG_UINT64_MAX;
		begin_pass(sweep);
	}

	pgstat_report_activity(STATE_RUNNING, "sweeping a store");
	PG_TRY();
	{
		state = sweep_slice(sweep, mvs_worker.database);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		mvs_worker_note_error(sweep->tries == 0);
		/* It may have gone on behind what was rolled back. */
		begin_pass(sweep);
		sweep->tries++;
		sweep->locked = false;
		strlcpy(sweep->error, mvs_worker.database->stats.last_error, MVS_ERROR_LENGTH);
		sweep->due_at = mvs_worker_error_delay(sweep->tries);
		mvs_worker_report();
		return true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	after_slice(sweep, state);
	mvs_worker_report();
	ConditionVariableBroadcast(&mvs_worker.database->progress);
	return true;
}

/* Sweep a store no more. */
static void
forget_sweep(MvsSweep *sweep)
{
	mvs_worker.sweeps = list_delete_ptr(mvs_worker.sweeps, sweep);
	if (sweep->next.key)
		pfree(sweep->next.key);
	pfree(sweep);
}

/* What follows a slice. */
static void
after_slice(MvsSweep *sweep, SweepState state)
{
	bool		early;

	if (state == SWEEP_LOCKED)
	{
		sweep->due_at = mvs_worker_lock_delay(sweep->tries++);
		sweep->locked = true;
		return;
	}
	sweep->tries = 0;
	if (state == SWEEP_MORE)
		return;
	if (state == SWEEP_GONE)
	{
		forget_sweep(sweep);
		return;
	}

	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->stats.sweeps++;
	LWLockRelease(mvs_worker.database->queue_lock);

	/* A part of the pass that had too low a horizon, or a new mark, asks for another. */
	early = sweep->lowest_horizon < sweep->version;
	if (early || sweep->again)
	{
		int64		version = early ? sweep->version : 0;
		uint64		sequence = early ? sweep->sequence : PG_UINT64_MAX;

		begin_pass(sweep);
		sweep->wait_for = sweep->again ? 0 : version;
		sweep->version = sweep->again ? Max(version, sweep->again_version) : version;
		sweep->sequence = sweep->again ? Min(sequence, sweep->again_sequence) : sequence;
		sweep->again = false;
		/* Not at once, should the horizon be higher than the pass could know. */
		sweep->due_at = mvs_worker_lock_delay(0);
	}
	else if (sweep->held > 0 && sweep->held <= mvs_version_now(mvs_worker.database))
	{
		/* What was superseded after the mark; nobody waits for that. */
		sweep->wait_for = sweep->held;
		sweep->version = 0;
		sweep->sequence = PG_UINT64_MAX;
		sweep->due_at = mvs_worker_lock_delay(0);
		begin_pass(sweep);
	}
	else if (state == SWEEP_TIMED)
	{
		sweep->active = false;
		sweep->due_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													(int64) mvs_sweep_interval * 1000);
	}
	else
		forget_sweep(sweep);
}
