/*-------------------------------------------------------------------------
 *
 * sweep.c
 *	  Sweeps: what stores are to lose by their policies without a request.
 *
 * A pass makes the store's calendar anew: its first slice empties it, and what is
 * not yet old enough, or waits for the horizon, is noted as the walk meets it.
 * While a pass is not done the store counts as marked, so nothing is lost when the
 * worker ends.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/key.h"
#include "base/settings.h"
#include "queue/queue.h"
#include "shared/fault.h"
#include "store/calendar.h"
#include "store/pin.h"
#include "version/clock.h"
#include "worker/drop.h"
#include "worker/process.h"
#include "worker/sweep.h"
#include "worker/walk.h"

/* A run stops after so many rows of the calendar, and keys looked at. */
#define RUN_ROWS 64
#define RUN_KEYS 5000

/* Microseconds: a timer is set no further ahead; the clock may be moved meanwhile. */
#define MAX_TIMER (INT64CONST(600) * USECS_PER_SEC)

/* What a slice ends with. */
typedef enum SweepState
{
	SWEEP_MORE,					/* there is more to do */
	SWEEP_DONE,					/* the pass, or run, has come to its end */
	SWEEP_GONE,					/* there is no such store */
	SWEEP_LOCKED				/* somebody has it locked: try later */
} SweepState;

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

/* The sweeps of one store, in the worker's memory. */
typedef struct Sweep
{
	Oid			store;
	TimestampTz due_at;			/* nothing is to be tried before */
	int			tries;			/* that failed, or met a lock, in a row */
	bool		locked;			/* the last met a lock */
	char		error[MVS_ERROR_LENGTH];	/* else, why it failed */

	/* Passes. */
	bool		active;			/* one is to be made, under way, or done but for what waits */
	uint64		sequence;		/* it is for requests from here on; PG_UINT64_MAX: none */
	bool		again;			/* marked anew since it began: another pass, for these */
	uint64		again_sequence;
	bool		begun;			/* the first slice is done */
	MvsWalk		walk;
	int64		left;			/* what only the horizon kept of it ends here at the latest */
	int64		wait_for;		/* that, when the pass is done: goes when the horizon is here */
	int64		horizon;		/* of the last run */

	/* Runs by the calendar. */
	int64		from;			/* no row has lower ends */
	int64		next;			/* perhaps the first has these; MVS_NEWEST: there are none */
	int64		age;			/* how long ago ends must be, in microseconds */
	TimestampTz looked_at;		/* when all had been done that was due */
} Sweep;

static List *all = NIL;			/* of Sweep */

static bool sweep_key(MvsDrop *drop, const bytea *key, void *argument);
static SweepState pass_slice(Sweep *sweep, MvsDrop *drop);
static SweepState look_at_key(MvsDrop *drop, const RowKey *row_key, bool note);
static SweepState look_at_row(MvsDrop *drop, MvsCalendarRow *row, seen_hash *seen);
static SweepState run_slice(Sweep *sweep, MvsDrop *drop);
static SweepState sweep_slice(Sweep *sweep, bool run);
static Sweep *sweep_of(Oid store);
static void begin_pass(Sweep *sweep);
static void begin_sweep(Oid store, uint64 sequence);
static bool is_held(const Sweep *sweep, const MvsLook *look);
static TimestampTz due_of(const Sweep *sweep, const MvsLook *look);
static Sweep *choose_sweep(void);
static void forget_sweep(Sweep *sweep);
static void after_pass(Sweep *sweep);
static void after_slice(Sweep *sweep, SweepState state, bool run);
static uint64 lowest_sequence(const Sweep *sweep);

/* ------------------------------------------------------------------------
 * Passes
 * ------------------------------------------------------------------------ */

/* Let go what the policy allows of a key, and note what it will. */
static bool
sweep_key(MvsDrop *drop, const bytea *key, void *argument)
{
	MvsDroppable droppable = mvs_drop_policy(drop, key);
	MvsVerdict	verdict = mvs_drop_judge(drop, droppable);

	if (!drop->store.info.referenced && mvs_drop_entries(drop, &verdict) > verdict.first)
		return false;
	mvs_drop_note_pending(drop, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), droppable);
	return true;
}

/* Do one slice of a pass. */
static SweepState
pass_slice(Sweep *sweep, MvsDrop *drop)
{
	MvsWalkState state;

	if (!sweep->begun)
	{
		if (drop->exchanged)
			mvs_store_record_storage(&drop->store);
		drop->exchanged = false;
		(void) mvs_catalog_forget(MVS_CALENDAR, MVS_CALENDAR_ENDS, sweep->store);
		sweep->from = sweep->next = MVS_NEWEST;

		/* The table may have got old entries without us, which later looks are to find. */
		mvs_drop_forget_notes();
	}
	sweep->age = Max(drop->store.info.policy.keep_for, 0);
	state = mvs_walk_slice(drop, &sweep->walk, NULL, drop->store.info.policy.keep_versions,
						   sweep_key, NULL, mvs_worker.context, &drop->tally.swept);
	return state == MVS_WALK_DONE ? SWEEP_DONE :
		state == MVS_WALK_LOCKED ? SWEEP_LOCKED : SWEEP_MORE;
}

/* ------------------------------------------------------------------------
 * Runs by the calendar
 * ------------------------------------------------------------------------ */

/* Let go what the policy allows of a key, and note what waits, should nobody have. */
static SweepState
look_at_key(MvsDrop *drop, const RowKey *row_key, bool note)
{
	bytea	   *key = mvs_key_make(row_key->data, row_key->length);
	int64		dropped = drop->tally.entries;
	MvsDroppable droppable;
	MvsVerdict	verdict;

	mvs_drop_collect(drop, key, drop->store.info.policy.keep_versions);
	droppable = mvs_drop_policy(drop, key);
	verdict = mvs_drop_judge(drop, droppable);
	pfree(key);
	if (mvs_drop_entries(drop, &verdict) > verdict.first)
		return SWEEP_LOCKED;

	/* There may be more to go; and when the next one ends is not known yet. */
	if (drop->entries.more && drop->tally.entries > dropped)
		return SWEEP_MORE;
	if (note)
		mvs_drop_note_pending(drop, row_key->data, row_key->length, droppable);
	drop->tally.keys_due++;
	return SWEEP_DONE;
}

/* Look at the keys of a row, and leave of it what is not done. */
static SweepState
look_at_row(MvsDrop *drop, MvsCalendarRow *row, seen_hash *seen)
{
	SweepState	state = SWEEP_DONE;
	int			position = 0;
	int			done = 0;
	RowKey		key;
	bool		alone;

	while (state == SWEEP_DONE &&
		   mvs_calendar_key(row, &position, &key.data, &key.length, &alone))
	{
		bool		found;
		SeenKey    *known = seen_insert(seen, key, &found);

		CHECK_FOR_INTERRUPTS();
		if (!found)
			known->noted = false;
		if (!found || (alone && !known->noted))
			state = look_at_key(drop, &key, alone);
		if (state != SWEEP_DONE)
			break;
		known->noted |= alone;
		done = position;
		if (drop->tally.keys_due >= RUN_KEYS || mvs_drop_is_full(drop))
			state = SWEEP_MORE;
	}
	mvs_calendar_cut(drop->oid, row, state == SWEEP_DONE ? row->size : done);
	return state;
}

/* Look at keys whose time has come. */
static SweepState
run_slice(Sweep *sweep, MvsDrop *drop)
{
	SweepState	state = SWEEP_DONE;
	int64		limit;
	List	   *rows;
	ListCell   *cell;
	seen_hash  *seen;

	sweep->age = Max(drop->store.info.policy.keep_for, 0);
	limit = Min(drop->now - sweep->age, drop->horizon);
	sweep->horizon = drop->horizon;
	if (drop->store.info.referenced)
	{
		/* They can go when the foreign key has gone. */
		sweep->looked_at = GetCurrentTimestamp();
		return SWEEP_DONE;
	}
	rows = mvs_calendar_read(sweep->store, sweep->from, limit, RUN_ROWS, &sweep->next);
	sweep->from = Min(sweep->next, limit);

	/* The clock stands still meanwhile, so once is enough for a key. */
	seen = seen_create(CurrentMemoryContext, 256, NULL);
	foreach(cell, rows)
	{
		MvsCalendarRow *row = lfirst(cell);

		state = look_at_row(drop, row, seen);
		if (state != SWEEP_DONE)
		{
			sweep->from = sweep->next = row->ends;
			break;
		}
	}
	if (state == SWEEP_DONE && sweep->next <= limit)
		state = SWEEP_MORE;

	/* What is old enough and waits for the horizon is to go as soon as that allows. */
	if (state == SWEEP_DONE && sweep->next > drop->now - sweep->age)
		sweep->looked_at = GetCurrentTimestamp();
	return state;
}

bool
mvs_sweep_load(void)
{
	MemoryContext old = CurrentMemoryContext;
	List	   *stores = NIL;
	ListCell   *cell;
	bool		locked;

	StartTransactionCommand();
	locked = !mvs_catalog_lock();
	MemoryContextSwitchTo(old);
	if (!locked)
		stores = mvs_calendar_stores();
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	foreach(cell, stores)
	{
		Sweep	   *sweep = sweep_of(lfirst_oid(cell));

		sweep->from = sweep->next = 0;	/* the first run sees */
	}
	list_free(stores);
	return !locked;
}

void
mvs_sweep_expect(const MvsDrop *drop)
{
	Sweep	   *sweep;

	if (drop->exchanged)
	{
		/* One that has not begun will do. */
		sweep = sweep_of(drop->oid);
		if (!sweep->active || sweep->begun)
			begin_sweep(drop->oid, PG_UINT64_MAX);
	}
	if (drop->noted == MVS_NEWEST)
		return;
	sweep = sweep_of(drop->oid);
	sweep->from = Min(sweep->from, drop->noted);
	sweep->next = Min(sweep->next, drop->noted);
	sweep->age = Max(drop->store.info.policy.keep_for, 0);
}

/* ------------------------------------------------------------------------
 * Which store is swept when
 * ------------------------------------------------------------------------ */

/* The sweeps of a store, which has some from now on. */
static Sweep *
sweep_of(Oid store)
{
	MemoryContext old;
	Sweep	   *sweep;
	ListCell   *cell;

	foreach(cell, all)
	{
		sweep = lfirst(cell);
		if (sweep->store == store)
			return sweep;
	}
	old = MemoryContextSwitchTo(mvs_worker.context);
	sweep = palloc0(sizeof(Sweep));
	sweep->store = store;
	sweep->from = sweep->next = MVS_NEWEST;
	all = lappend(all, sweep);
	MemoryContextSwitchTo(old);
	return sweep;
}

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
		begin_sweep(marks[i].store, marks[i].sequence);
	if (all_marked)
		mvs_sweep_all(all.sequence);
	mvs_sweep_report();

	MVS_FAULT("marks-kept");

	/* Only now that they are kept here do they go there; but not what came meanwhile. */
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	for (int i = count - 1; i >= 0; i--)
	{
		MvsMark    *mark = &mvs_worker.database->marks[i];

		if (mark->times == marks[i].times)
			*mark = mvs_worker.database->marks[--mvs_worker.database->mark_count];
	}
	if (all_marked && mvs_worker.database->all_stores.times == all.times)
		mvs_worker.database->all_marked = false;
	LWLockRelease(mvs_worker.database->queue_lock);
}

void
mvs_sweep_all(uint64 sequence)
{
	MemoryContext old = CurrentMemoryContext;
	List	   *stores;
	ListCell   *cell;

	StartTransactionCommand();
	mvs_process_lock_catalog(MVS_POLICY);
	MemoryContextSwitchTo(old);
	stores = mvs_store_list();
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	foreach(cell, stores)
		begin_sweep(lfirst_oid(cell), sequence);
	list_free(stores);
}

/* Begin a pass. */
static void
begin_pass(Sweep *sweep)
{
	sweep->begun = false;
	mvs_walk_begin(&sweep->walk, NULL, mvs_worker.context);
	sweep->left = sweep->wait_for = 0;
}

/* Have one store swept; if it is being swept, once more. */
static void
begin_sweep(Oid store, uint64 sequence)
{
	Sweep	   *sweep = sweep_of(store);

	if (sweep->active && sweep->wait_for == 0)
	{
		sweep->again_sequence = sweep->again ? Min(sweep->again_sequence, sequence) : sequence;
		sweep->again = true;
		return;
	}
	/* The new pass is also for what the last one waits for. */
	sweep->sequence = sweep->active ? Min(sequence, sweep->sequence) : sequence;
	sweep->active = true;
	sweep->due_at = 0;
	begin_pass(sweep);
}

/* Whether it waits for the horizon. */
static bool
is_held(const Sweep *sweep, const MvsLook *look)
{
	int64		horizon = mvs_process_horizon(look, sweep->store);

	if (sweep->active)
		return sweep->wait_for > horizon;
	return sweep->next > horizon && sweep->next <= look->now - sweep->age;
}

/*
 * When something of it is to be done, as things look; DT_NOEND: not before the
 * horizon rises, or never.
 */
static TimestampTz
due_of(const Sweep *sweep, const MvsLook *look)
{
	TimestampTz due_at = sweep->due_at;
	int64		horizon = mvs_process_horizon(look, sweep->store);
	int64		enough = look->now - sweep->age;	/* ends up to here are long enough ago */

	if (sweep->active && sweep->wait_for <= horizon)
		return due_at;
	if (sweep->next == MVS_NEWEST || (sweep->next > horizon && sweep->next <= enough))
		return DT_NOEND;

	/* Not too often; nor before the first of them is old enough. */
	due_at = Max(due_at, TimestampTzPlusMilliseconds(sweep->looked_at,
													 (int64) mvs_sweep_interval * 1000));
	if (sweep->next > enough)
		due_at = Max(due_at, GetCurrentTimestamp() + Min(sweep->next - enough, MAX_TIMER));
	return due_at;
}

bool
mvs_sweep_is_any(void)
{
	return all != NIL;
}

TimestampTz
mvs_sweep_due(void)
{
	TimestampTz due_at = DT_NOEND;
	MvsLook		look;
	ListCell   *cell;

	if (all == NIL)
		return DT_NOEND;
	look = mvs_process_look();
	foreach(cell, all)
		due_at = Min(due_at, due_of(lfirst(cell), &look));
	return due_at;
}

bool
mvs_sweep_waits_for_horizon(void)
{
	MvsLook		look;
	ListCell   *cell;

	if (all == NIL)
		return false;
	look = mvs_process_look();
	foreach(cell, all)
	{
		if (is_held(lfirst(cell), &look))
			return true;
	}
	return false;
}

/* The sweep that has waited longest of those that are due, or NULL. */
static Sweep *
choose_sweep(void)
{
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext old;
	Sweep	   *sweep = NULL;
	MvsLook		look;
	ListCell   *cell;

	if (all == NIL)
		return NULL;
	look = mvs_process_look();
	foreach(cell, all)
	{
		if (due_of(lfirst(cell), &look) <= now)
		{
			sweep = lfirst(cell);
			break;
		}
	}
	if (sweep == NULL)
		return NULL;

	/* Behind the others, so that each gets its turn. */
	old = MemoryContextSwitchTo(mvs_worker.context);
	all = list_delete_ptr(all, sweep);
	all = lappend(all, sweep);
	MemoryContextSwitchTo(old);
	return sweep;
}

bool
mvs_sweep_run(void)
{
	MemoryContext old = CurrentMemoryContext;
	Sweep	   *sweep = choose_sweep();
	volatile SweepState state = SWEEP_LOCKED;
	volatile bool failed = false;
	bool		run;

	if (sweep == NULL)
		return false;
	run = !sweep->active || sweep->wait_for > 0;
	pgstat_report_activity(STATE_RUNNING, run ? "looking at old entries" : "sweeping a store");
	PG_TRY();
	{
		state = sweep_slice(sweep, run);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		failed = mvs_process_note_error(sweep->tries == 0);
		state = SWEEP_LOCKED;
		/* It may have gone on behind what was rolled back. */
		sweep->from = sweep->next = 0;
		if (!run)
			begin_pass(sweep);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	if (failed)
	{
		sweep->tries++;
		sweep->locked = false;
		strlcpy(sweep->error, mvs_worker.database->stats.last_error, MVS_ERROR_LENGTH);
		sweep->due_at = mvs_process_error_delay(sweep->tries);
	}
	else
		after_slice(sweep, state, run);
	mvs_sweep_report();
	ConditionVariableBroadcast(&mvs_worker.database->progress);
	return true;
}

/* Do one slice, in a transaction of its own. */
static SweepState
sweep_slice(Sweep *sweep, bool run)
{
	MvsDrop		drop;
	MvsDropState state = mvs_drop_begin(&drop, mvs_worker.database, sweep->store);
	SweepState	result;

	if (state == MVS_DROP_LOCKED)
		result = SWEEP_LOCKED;
	else if (state == MVS_DROP_PAUSED)
		result = SWEEP_MORE;
	else if (state == MVS_DROP_GONE)
	{
		/* A table that no event trigger saw go may have left notes. */
		if (OidIsValid(mvs_catalog_oid(MVS_CALENDAR, true)))
			(void) mvs_catalog_forget(MVS_CALENDAR, MVS_CALENDAR_ENDS, sweep->store);
		result = SWEEP_GONE;
	}
	else
		result = run ? run_slice(sweep, &drop) : pass_slice(sweep, &drop);
	MVS_FAULT("slice-done");
	mvs_drop_commit(&drop, state);
	if (state == MVS_DROP_READY && !run)
		sweep->begun = true;
	sweep->left = Max(sweep->left, drop.left);
	mvs_sweep_expect(&drop);
	return result;
}

/* Sweep a store no more. */
static void
forget_sweep(Sweep *sweep)
{
	all = list_delete_ptr(all, sweep);
	mvs_walk_end(&sweep->walk);
	pfree(sweep);
}

/* A pass has met all keys. */
static void
after_pass(Sweep *sweep)
{
	mvs_stats_prepare(sweep->store);
	mvs_stats_swept(sweep->store, GetCurrentTimestamp());
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->stats.sweeps++;
	LWLockRelease(mvs_worker.database->queue_lock);

	/* What it could not let go for the horizon is noted; who waits, waits for that. */
	sweep->wait_for = sweep->left;
	sweep->active = sweep->wait_for > 0;
	if (sweep->again)
	{
		/* A new mark asks for another. */
		sweep->again = false;
		begin_sweep(sweep->store, sweep->again_sequence);
	}
}

/* What follows a slice. */
static void
after_slice(Sweep *sweep, SweepState state, bool run)
{
	switch (state)
	{
		case SWEEP_GONE:
			forget_sweep(sweep);
			return;
		case SWEEP_LOCKED:
			sweep->due_at = mvs_process_lock_delay(sweep->tries++);
			sweep->locked = true;
			return;
		case SWEEP_MORE:
			sweep->due_at = 0;
			sweep->looked_at = 0;
			break;
		case SWEEP_DONE:
			/* Not at once, should the horizon be higher than the slice could know. */
			sweep->due_at = mvs_process_lock_delay(0);
			if (!run)
				after_pass(sweep);
			else if (sweep->wait_for <= sweep->horizon)
				sweep->active = false;
			break;
	}
	sweep->tries = 0;
	if (!sweep->active && sweep->next == MVS_NEWEST)
		forget_sweep(sweep);
}

/* ------------------------------------------------------------------------
 * What others are to know
 * ------------------------------------------------------------------------ */

void
mvs_sweep_report(void)
{
	MvsLook		look = mvs_process_look();
	MvsBacklog	backlog;
	ListCell   *cell;

	mvs_backlog_init(&backlog);
	foreach(cell, all)
	{
		Sweep	   *sweep = lfirst(cell);
		bool		waited_for = sweep->active && sweep->sequence != PG_UINT64_MAX;

		if (sweep->tries > 0)
			mvs_backlog_add_trouble(&backlog, sweep->store, sweep->locked, sweep->error,
									waited_for);
		if (sweep->active)
			backlog.unfinished = Min(backlog.unfinished, lowest_sequence(sweep));
		if (waited_for && is_held(sweep, &look))
			mvs_backlog_add_held(&backlog, 1, mvs_pin_known(sweep->store) < sweep->wait_for);
		else if (waited_for)
			backlog.retrying++;
	}
	mvs_process_report(MVS_BACKLOG_SWEEPS, &backlog);
}

void
mvs_sweep_give_back(MvsDatabase *database)
{
	ListCell   *cell;

	foreach(cell, all)
	{
		Sweep	   *sweep = lfirst(cell);

		if (sweep->active)
			mvs_queue_mark(database, sweep->store, lowest_sequence(sweep));
	}
}

/* The first request that its pass, or the one after it, is for. */
static uint64
lowest_sequence(const Sweep *sweep)
{
	return sweep->again ? Min(sweep->sequence, sweep->again_sequence) : sweep->sequence;
}
