/*-------------------------------------------------------------------------
 *
 * sweep.c
 *	  Sweeps: which store is swept when, by a pass or by a run.
 *
 * Each store has its passes (pass.c) and its runs by the calendar (run.c), and they
 * take turns with those of other stores. While a pass is active the store counts as
 * marked, so nothing is lost when the worker ends.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/once.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/drop_stats.h"
#include "shared/fault.h"
#include "shared/progress.h"
#include "store/calendar.h"
#include "store/pin.h"
#include "version/clock.h"
#include "worker/drop.h"
#include "worker/pace.h"
#include "worker/pass.h"
#include "worker/pending.h"
#include "worker/process.h"
#include "worker/run.h"
#include "worker/sweep.h"

/* What becomes of the slices of a pass, or of runs. */
typedef struct Course
{
	TimestampTz due_at;			/* nothing is to be tried before */
	int			tries;			/* that failed, or met a lock, in a row */
	bool		locked;			/* the last met a lock */
	char		error[MVS_ERROR_LENGTH];	/* else, why it failed */
} Course;

/*
 * The sweeps of one store, in the worker's memory. A pass goes before runs. Where something is in
 * its way, runs go on, so that damage at one place does not keep all that gets old.
 */
typedef struct Sweep
{
	Oid			store;
	MvsPass		pass;
	Course		passes;
	MvsRun		run;			/* by the calendar */
	Course		runs;
} Sweep;

static List *all = NIL;			/* of Sweep */

static Sweep *sweep_of(Oid store);
static void want_pass(Oid store, uint64 sequence, int64 wait_for);
static bool is_held(const Sweep *sweep, int64 now, int64 horizon);
static bool is_pass_due(const Sweep *sweep, TimestampTz clock);
static TimestampTz due_of(const Sweep *sweep, const MvsLook *look);
static Sweep *choose_sweep(bool *passes);
static MvsSliceEnd do_slice(Sweep *sweep, bool passes);
static void forget_sweep(Sweep *sweep);
static void after_walk(Sweep *sweep);
static void after_slice(Sweep *sweep, MvsSliceEnd end, bool passes);
static void add_trouble(MvsBacklog *backlog, const Sweep *sweep, const Course *course,
						bool waited_for);

/* ------------------------------------------------------------------------
 * What there is to sweep
 * ------------------------------------------------------------------------ */

/* Return the sweeps of a store, which has some from now on. */
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
	mvs_run_init(&sweep->run);
	all = lappend(all, sweep);
	MemoryContextSwitchTo(old);
	return sweep;
}

/* Have a pass made over a store; if one is under way, another behind it. */
static void
want_pass(Oid store, uint64 sequence, int64 wait_for)
{
	Sweep	   *sweep = sweep_of(store);

	if (mvs_pass_want(&sweep->pass, sequence, wait_for))
		sweep->passes.due_at = 0;
}

void
mvs_sweep_take_marks(void)
{
	MvsMark		marks[MVS_MAX_MARKS];
	MvsMark		all_stores;
	int			count;
	bool		all_marked;

	/* A look without the lock: whoever marks sets our latch afterwards. */
	if (mvs_worker.database->queue->mark_count == 0 && !mvs_worker.database->queue->all_marked)
		return;

	LWLockAcquire(mvs_worker.database->queue_lock, LW_SHARED);
	count = mvs_worker.database->queue->mark_count;
	memcpy(marks, mvs_worker.database->queue->marks, count * sizeof(MvsMark));
	all_marked = mvs_worker.database->queue->all_marked;
	all_stores = mvs_worker.database->queue->all_stores;
	LWLockRelease(mvs_worker.database->queue_lock);

	for (int i = 0; i < count; i++)
		want_pass(marks[i].store, marks[i].sequence, marks[i].wait_for);
	if (all_marked)
		mvs_sweep_all(all_stores.sequence, all_stores.wait_for);
	mvs_sweep_report();

	MVS_FAULT("marks-kept");

	/* Only now that they are kept here do they go there; but not what came meanwhile. */
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	for (int i = count - 1; i >= 0; i--)
	{
		MvsMark    *mark = &mvs_worker.database->queue->marks[i];

		if (mark->times == marks[i].times)
			*mark = mvs_worker.database->queue->marks[--mvs_worker.database->queue->mark_count];
	}
	if (all_marked && mvs_worker.database->queue->all_stores.times == all_stores.times)
		mvs_worker.database->queue->all_marked = false;
	LWLockRelease(mvs_worker.database->queue_lock);

	/* A pass that waits for the horizon has no slice that would say so. */
	ConditionVariableBroadcast(&mvs_worker.database->progress);
}

void
mvs_sweep_all(uint64 sequence, int64 wait_for)
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
	{
		Oid			store = lfirst_oid(cell);

		/* One that is pinned below may have had nothing to wait for. */
		want_pass(store, sequence, mvs_pin_known(store) < wait_for ? 0 : wait_for);
	}
	list_free(stores);
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
		/* The first run sees. */
		mvs_run_expect(&sweep_of(lfirst_oid(cell))->run, 0);
	}
	list_free(stores);
	return !locked;
}

void
mvs_sweep_expect(const MvsDropNews *news)
{
	Sweep	   *sweep;

	if (news->exchanged)
	{
		/* One that has not begun will do. */
		sweep = sweep_of(news->store);
		if (!mvs_pass_is_walking(&sweep->pass) || sweep->pass.begun)
			want_pass(news->store, PG_UINT64_MAX, 0);
	}
	if (news->noted == MVS_NEWEST)
		return;
	sweep = sweep_of(news->store);
	mvs_run_expect(&sweep->run, news->noted);
	sweep->run.age = news->age;
}

/* Sweep a store no more. */
static void
forget_sweep(Sweep *sweep)
{
	all = list_delete_ptr(all, sweep);
	mvs_progress_end(mvs_worker.database, sweep->store, 0);
	mvs_walk_end(&sweep->pass.walk);
	pfree(sweep);
}

/* ------------------------------------------------------------------------
 * Which store is swept when
 * ------------------------------------------------------------------------ */

/* Whether it waits for a horizon. */
static bool
is_held(const Sweep *sweep, int64 now, int64 horizon)
{
	if (sweep->pass.active && !mvs_pass_is_walking(&sweep->pass))
		return sweep->pass.wait_for > horizon;
	return mvs_run_is_held(&sweep->run, now, horizon);
}

/* Whether a slice of a pass is due, by the clock; else it is one of a run that may be. */
static bool
is_pass_due(const Sweep *sweep, TimestampTz clock)
{
	return mvs_pass_is_walking(&sweep->pass) && sweep->passes.due_at <= clock;
}

/*
 * Return when something of it is to be done, as things look; DT_NOEND: not before the
 * horizon rises, or never.
 */
static TimestampTz
due_of(const Sweep *sweep, const MvsLook *look)
{
	const MvsPass *pass = &sweep->pass;
	bool		walking = mvs_pass_is_walking(pass);
	int64		horizon = mvs_process_horizon(look, sweep->store);
	TimestampTz due_at = 0;

	if (walking && sweep->passes.tries == 0)
		return sweep->passes.due_at;

	/* What a pass has left goes in a run. */
	if (walking || !pass->active || pass->wait_for > horizon)
		due_at = mvs_run_due(&sweep->run, look->clock, look->now, horizon);
	due_at = mvs_greatest(sweep->runs.due_at, due_at);
	return walking ? mvs_least(sweep->passes.due_at, due_at) : due_at;
}

bool
mvs_sweep_is_any(void)
{
	return all != NIL;
}

bool
mvs_sweep_is_walking(bool all_of_them)
{
	ListCell   *cell;

	foreach(cell, all)
	{
		const Sweep *sweep = lfirst(cell);

		if (mvs_pass_is_walking(&sweep->pass) &&
			(all_of_them || (!sweep->pass.follows && sweep->passes.tries == 0)))
			return true;
	}
	return false;
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
		due_at = mvs_least(due_at, due_of(lfirst(cell), &look));
	return due_at;
}

bool
mvs_sweep_waits_for_writers(void)
{
	MvsLook		look;
	ListCell   *cell;

	if (all == NIL)
		return false;
	look = mvs_process_look();
	foreach(cell, all)
	{
		const Sweep *sweep = lfirst(cell);

		/* Where a pin is in the way, who gives it up tells of that. */
		if (is_held(sweep, look.now, look.horizon) &&
			!is_held(sweep, look.now, mvs_pin_known(sweep->store)))
			return true;
	}
	return false;
}

/*
 * Return the sweep that has waited longest of those that are due, or NULL, and set *passes to
 * whether that is a pass.
 */
static Sweep *
choose_sweep(bool *passes)
{
	MemoryContext old;
	Sweep	   *sweep = NULL;
	MvsLook		look;
	ListCell   *cell;

	if (all == NIL)
		return NULL;
	look = mvs_process_look();
	foreach(cell, all)
	{
		if (due_of(lfirst(cell), &look) <= look.clock)
		{
			sweep = lfirst(cell);
			break;
		}
	}
	if (sweep == NULL)
		return NULL;
	*passes = is_pass_due(sweep, look.clock);

	/* Behind the others, so that each gets its turn. */
	old = MemoryContextSwitchTo(mvs_worker.context);
	all = list_delete_ptr(all, sweep);
	all = lappend(all, sweep);
	MemoryContextSwitchTo(old);
	return sweep;
}

/* ------------------------------------------------------------------------
 * Slices
 * ------------------------------------------------------------------------ */

bool
mvs_sweep_slice(void)
{
	MemoryContext old = CurrentMemoryContext;
	bool		passes;
	Sweep	   *sweep = choose_sweep(&passes);
	Course	   *course;
	MvsWalkPlace place;
	volatile MvsSliceEnd end = MVS_SLICE_LOCKED;
	volatile bool failed = false;

	if (sweep == NULL)
		return false;
	course = passes ? &sweep->passes : &sweep->runs;
	place = mvs_walk_place(&sweep->pass.walk);
	pgstat_report_activity(STATE_RUNNING, passes ? "sweeping a store" : "looking at old entries");
	PG_TRY();
	{
		end = do_slice(sweep, passes);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		failed = mvs_process_keep_error(course->tries == 0);
		/* It may have gone on behind what was rolled back. */
		mvs_run_expect(&sweep->run, 0);
		if (passes)
			mvs_walk_go_back(&sweep->pass.walk, &place, mvs_worker.context);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	if (failed)
	{
		course->tries++;
		course->locked = false;
		strlcpy(course->error, mvs_process_last_error(), MVS_ERROR_LENGTH);
		course->due_at = mvs_process_error_delay(course->tries);
	}
	else
		after_slice(sweep, end, passes);
	mvs_sweep_report();
	ConditionVariableBroadcast(&mvs_worker.database->progress);
	return true;
}

/* Do one slice, in a transaction of its own: of a pass, else of a run. */
static MvsSliceEnd
do_slice(Sweep *sweep, bool passes)
{
	MvsDrop		drop;
	MvsDropState state = mvs_drop_begin(&drop, mvs_worker.database, sweep->store);
	MvsSliceEnd end = MVS_SLICE_MORE;
	MvsDropNews news;

	switch (state)
	{
		case MVS_DROP_READY:
			sweep->run.age = Max(drop.store.info.policy.keep_for, 0);
			end = passes ? mvs_pass_slice(&sweep->pass, &sweep->run, &drop) :
				mvs_run_slice(&sweep->run, &drop);
			if (passes && end == MVS_SLICE_MORE)
				mvs_drop_show(&drop, MVS_COMMAND_SWEEP, 0, drop.tally.swept);
			break;
		case MVS_DROP_GONE:
			/* A table that no event trigger saw go may have left notes. */
			if (!OidIsValid(mvs_catalog_oid(MVS_CALENDAR, true)) ||
				mvs_run_forget(&sweep->run, sweep->store))
				end = MVS_SLICE_GONE;
			break;
		case MVS_DROP_LOCKED:
			end = MVS_SLICE_LOCKED;
			break;
		case MVS_DROP_PAUSED:
			break;
	}
	MVS_FAULT("slice-done");
	news = mvs_drop_commit(&drop, state);
	mvs_pace_dropped(news.entries);
	if (state == MVS_DROP_READY && passes)
		mvs_pass_after_slice(&sweep->pass, drop.left);
	mvs_sweep_expect(&news);
	return end;
}

/* See what follows a slice. */
static void
after_slice(Sweep *sweep, MvsSliceEnd end, bool passes)
{
	Course	   *course = passes ? &sweep->passes : &sweep->runs;

	switch (end)
	{
		case MVS_SLICE_GONE:
			forget_sweep(sweep);
			return;
		case MVS_SLICE_LOCKED:
			course->due_at = mvs_process_lock_delay(course->tries++);
			course->locked = true;
			return;
		case MVS_SLICE_MORE:
			course->due_at = 0;
			sweep->run.looked_at = 0;
			break;
		case MVS_SLICE_DONE:
			/* Not at once, should the horizon be higher than the slice could know. */
			sweep->runs.due_at = mvs_process_lock_delay(0);
			if (passes)
				after_walk(sweep);
			else
				mvs_pass_reach(&sweep->pass, sweep->run.horizon);
			break;
	}
	course->tries = 0;
	if (!sweep->pass.active && !mvs_run_is_expected(&sweep->run))
		forget_sweep(sweep);
}

/* End the walk of a pass, which has met all keys. */
static void
after_walk(Sweep *sweep)
{
	mvs_counters_swept(sweep->store, GetCurrentTimestamp());
	mvs_pending_passed(sweep->store);
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->stats->sweeps++;
	LWLockRelease(mvs_worker.database->queue_lock);
	mvs_progress_end(mvs_worker.database, sweep->store, 0);
	mvs_pass_end_walk(&sweep->pass);
}

/* ------------------------------------------------------------------------
 * What others are to know
 * ------------------------------------------------------------------------ */

/* Add what is in the way of slices, if anything is, and whether somebody waits for them. */
static void
add_trouble(MvsBacklog *backlog, const Sweep *sweep, const Course *course, bool waited_for)
{
	if (course->tries > 0)
		mvs_backlog_add_trouble(backlog, sweep->store, course->locked, course->error, waited_for);
}

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
		bool		waited_for = sweep->pass.active && sweep->pass.sequence != PG_UINT64_MAX;

		add_trouble(&backlog, sweep, &sweep->passes, waited_for);
		add_trouble(&backlog, sweep, &sweep->runs, waited_for && sweep->passes.tries == 0);
		if (sweep->pass.active)
		{
			uint64		sequence = mvs_pass_sequence(&sweep->pass);

			backlog.unfinished = Min(backlog.unfinished, sequence);
		}
		if (waited_for && !mvs_pass_is_walking(&sweep->pass) &&
			is_held(sweep, look.now, mvs_process_horizon(&look, sweep->store)))
			mvs_backlog_add_held(&backlog, 1, mvs_pin_known(sweep->store) < sweep->pass.wait_for);
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

		if (sweep->pass.active)
			mvs_queue_mark(database, sweep->store, mvs_pass_sequence(&sweep->pass),
						   sweep->pass.wait_for);
	}
}
