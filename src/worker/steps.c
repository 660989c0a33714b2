/*-------------------------------------------------------------------------
 *
 * steps.c
 *	  What the drop worker does besides batches and sweeps.
 *
 * A step is said once: what it does, and when that is due. The loop goes through the
 * table of them, and the sleep asks it for the next time. Each is tried by itself: what
 * is wrong with one table of the catalog is in the way of nothing else.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/once.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "shared/drop_stats.h"
#include "shared/fault.h"
#include "shared/standby.h"
#include "store/pin.h"
#include "version/clock.h"
#include "version/prepared.h"
#include "version/stable.h"
#include "version/version.h"
#include "worker/batch.h"
#include "worker/claim.h"
#include "worker/maintain.h"
#include "worker/pace.h"
#include "worker/pending.h"
#include "worker/process.h"
#include "worker/replay.h"
#include "worker/steps.h"
#include "worker/sweep.h"

typedef struct Step
{
	bool		(*act) (void);	/* do it, if it is due; false where a lock is in the way */
	TimestampTz (*due) (void);	/* when; DT_NOEND: not before somebody sets the latch */
	bool		drops;			/* not while nothing may be dropped */
	TimestampTz retry_at;		/* after an error or a lock, not before; 0: there was none */
	int			tries;			/* that failed, in a row */
	char		error[MVS_ERROR_LENGTH];	/* of the last */
} Step;

static bool calendar_known = false;
static bool pins_known = false;
static TimestampTz stable_due_at;	/* when mvstore_stable is to be written; DT_NOEND: not */

static void try_step(Step *step);
static void report_steps(void);
static bool write_stable(void);
static TimestampTz calendar_due(void);
static bool load_pause(void);
static bool load_calendar(void);
static TimestampTz pins_due(void);
static bool load_pins(void);
static TimestampTz prepared_due(void);
static bool take_prepared(void);
static TimestampTz marks_due(void);
static bool take_marks(void);
static TimestampTz recheck_due(void);
static bool recheck(void);
static bool replay_journal(void);
static TimestampTz failures_due(void);
static bool record_failures(void);
static bool maintain(void);
static void report_kept(void);

static Step steps[] = {
	{.act = write_stable, .due = mvs_steps_stable_due},
	{.act = take_prepared, .due = prepared_due},
	{.act = load_pause, .due = mvs_pace_pause_due},
	{.act = load_calendar, .due = calendar_due},
	{.act = load_pins, .due = pins_due},
	{.act = take_marks, .due = marks_due},
	{.act = recheck, .due = recheck_due},
	{.act = record_failures, .due = failures_due},
	{.act = replay_journal, .due = mvs_replay_due, .drops = true},
	{.act = maintain, .due = mvs_maintain_due}
};

/* ------------------------------------------------------------------------
 * All of them
 * ------------------------------------------------------------------------ */

void
mvs_steps_try(void)
{
	for (int i = 0; i < lengthof(steps); i++)
		try_step(&steps[i]);
}

/* Try one, if it is not to wait. */
static void
try_step(Step *step)
{
	MemoryContext old = CurrentMemoryContext;
	int			tries = step->tries;
	volatile bool done = false;
	volatile bool failed = false;

	if (step->retry_at > GetCurrentTimestamp() || (step->drops && !mvs_pace_may_drop()))
		return;
	PG_TRY();
	{
		done = step->act();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		failed = mvs_process_keep_error(tries == 0);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);

	if (failed)
		strlcpy(step->error, mvs_process_last_error(), MVS_ERROR_LENGTH);
	step->tries = failed ? tries + 1 : 0;
	step->retry_at = failed ? mvs_process_error_delay(tries) :
		done ? 0 : mvs_process_lock_delay(0);
	if (failed || tries > 0)
		report_steps();
}

/* Tell which of them are in trouble. */
static void
report_steps(void)
{
	MvsBacklog	backlog;

	mvs_backlog_init(&backlog);
	for (int i = 0; i < lengthof(steps); i++)
		if (steps[i].tries > 0)
			mvs_backlog_add_trouble(&backlog, InvalidOid, false, steps[i].error, 0);
	mvs_process_report(MVS_BACKLOG_STEPS, &backlog);
}

TimestampTz
mvs_steps_due(bool may_drop, bool *retrying)
{
	TimestampTz due_at = DT_NOEND;

	*retrying = false;
	for (int i = 0; i < lengthof(steps); i++)
	{
		const Step *step = &steps[i];

		if (step->drops && !may_drop)
			continue;
		/* One that has failed, as soon as it may, whatever it finds. */
		due_at = mvs_least(due_at, step->retry_at != 0 ? step->retry_at : step->due());
		*retrying |= step->retry_at != 0;
	}
	return due_at;
}

/* ------------------------------------------------------------------------
 * Each of them
 * ------------------------------------------------------------------------ */

TimestampTz
mvs_steps_stable_due(void)
{
	if (stable_due_at == DT_NOEND &&
		(mvs_worker.database->clock->stable_due || mvs_standby_is_there()))
		return 0;
	return stable_due_at;
}

/* Write the row of mvstore_stable. */
static bool
write_stable(void)
{
	bool		moved = mvs_worker.database->clock->stable_due;

	if (!mvs_stable_serve(mvs_worker.database, false, &stable_due_at))
		return true;

	/* Where only a standby asks for it: is there still something to tell of? */
	if (moved)
		mvs_worker.served_at = GetCurrentTimestamp();
	else
		mvs_claim_review();
	return true;				/* of a lock stable_due_at tells */
}

/* Which stores have a calendar. */
static TimestampTz
calendar_due(void)
{
	return calendar_known ? DT_NOEND : 0;
}

/* Whether there is a pause. Who has resumed may have restored something before. */
static bool
load_pause(void)
{
	MvsPauseLook look;

	if (mvs_pace_pause_due() != 0)
		return true;
	look = mvs_pace_look_at_pause();

	/* Who waits for a flush sees that it is wanted, before he sees that the pause is known. */
	if (look.changed && !look.paused)
		mvs_replay_all();
	mvs_pace_set_pause(&look);
	return true;
}

static bool
load_calendar(void)
{
	if (calendar_due() != 0)
		return true;
	calendar_known = mvs_sweep_load();
	mvs_sweep_report();
	return calendar_known;
}

/* Which pins there are; what one holds back goes when it expires. */
static TimestampTz
pins_due(void)
{
	return !pins_known || mvs_worker.database->backlogs->pins_changed ? 0 : mvs_pin_next_expiry();
}

static bool
load_pins(void)
{
	if (pins_due() > GetCurrentTimestamp())
		return true;
	pins_known = false;
	pins_known = mvs_pin_load(mvs_worker.database, mvs_worker.context);
	report_kept();
	ConditionVariableBroadcast(&mvs_worker.database->progress);
	return pins_known;
}

/* What prepared transactions tell that have committed. */
static TimestampTz
prepared_due(void)
{
	/* Should nobody have told of an end, it is seen here. */
	mvs_version_settle_prepared(mvs_worker.database, mvs_queue_prepared_ended);
	return mvs_worker.database->queue->prepared_wanted ? 0 : DT_NOEND;
}

static bool
take_prepared(void)
{
	MvsDatabase *database = mvs_worker.database;
	MvsPublication publication = {0};
	uint64		ends = database->queue->prepared_ends;
	Oid			table;
	Oid			pause;
	List	   *rows = NIL;
	ListCell   *cell;

	if (prepared_due() != 0)
		return true;
	StartTransactionCommand();
	table = mvs_catalog_oid(MVS_PREPARED, true);
	pause = mvs_catalog_oid(MVS_PAUSED, true);

	/* Both, as who has one of them locked may wait for the other, as DROP EXTENSION does. */
	if ((OidIsValid(table) && !ConditionalLockRelationOid(table, RowExclusiveLock)) ||
		(OidIsValid(pause) && !ConditionalLockRelationOid(pause, RowExclusiveLock)))
	{
		CommitTransactionCommand();
		return false;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	rows = mvs_prepared_take();
	foreach(cell, rows)
	{
		const MvsPrepared *row = lfirst(cell);

		publication.journal |= row->news.journal;
		publication.recheck |= row->news.recheck;
		publication.erased |= row->news.erased;
		publication.pins |= row->news.pins;
		if (row->news.paused)
			publication.pause = mvs_pace_read_pause() ? MVS_PAUSE_ON : MVS_PAUSE_OFF;
		if (row->marked)
			publication.marks = list_append_unique_oid((List *) publication.marks,
													   row->count.store);
		if (!OidIsValid(row->count.store))
			publication.count += row->count.requests;
	}
	/* Once nothing is in the way any more: what fails is counted again. */
	foreach(cell, rows)
	{
		const MvsPrepared *row = lfirst(cell);

		if (!OidIsValid(row->count.store))
			continue;
		if (row->forgotten)
			mvs_counters_forget_store(row->count.store);
		else
			mvs_counters_count(&row->count);
	}
	if (rows != NIL)
		MVS_FAULT("prepared-taken");
	mvs_queue_prepared_taken(database, &publication, ends);
	PopActiveSnapshot();
	CommitTransactionCommand();
	/* Where it tells of nothing to do, that was all that a flush waits for. */
	ConditionVariableBroadcast(&database->progress);

	/* Who waits for changes has not seen them counted, as they got stable. */
	if (rows != NIL)
		ConditionVariableBroadcast(&database->settled);
	return true;
}

/* The marks; of shared memory that is new, all stores. */
static TimestampTz
marks_due(void)
{
	const MvsQueue *queue = mvs_worker.database->queue;

	return !queue->swept || queue->mark_count > 0 || queue->all_marked ? 0 : DT_NOEND;
}

static bool
take_marks(void)
{
	MvsDatabase *database = mvs_worker.database;

	if (!database->queue->swept)
	{
		mvs_sweep_all(0, 0);
		LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
		database->queue->swept = true;
		LWLockRelease(database->queue_lock);
		mvs_sweep_report();
	}
	mvs_sweep_take_marks();
	return true;
}

/* What is in hand: it may be void, or pinned no more. A batch is settled before. */
static TimestampTz
recheck_due(void)
{
	return mvs_worker.database->queue->recheck && !mvs_batch_is_under_way() ? 0 : DT_NOEND;
}

static bool
recheck(void)
{
	if (recheck_due() != 0)
		return true;
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->queue->recheck = false;
	mvs_backlog_unpin(mvs_worker.database->backlogs);
	LWLockRelease(mvs_worker.database->queue_lock);
	mvs_pending_recheck();
	report_kept();
	ConditionVariableBroadcast(&mvs_worker.database->progress);
	return true;
}

/* What stands in the journal. */
static bool
replay_journal(void)
{
	if (mvs_replay_due() > GetCurrentTimestamp())
		return true;
	mvs_replay_go_on();

	/* That is wanted at first, and when stores have gone. */
	mvs_claim_review();
	return true;
}

/* What has failed, and was too much to be recorded at once. */
static TimestampTz
failures_due(void)
{
	return mvs_pending_has_unrecorded() ? 0 : DT_NOEND;
}

static bool
record_failures(void)
{
	if (!mvs_pending_record_failures())
		return true;
	report_kept();
	ConditionVariableBroadcast(&mvs_worker.database->progress);
	return true;
}

static bool
maintain(void)
{
	mvs_maintain();
	return true;				/* of a lock mvs_maintain_due() tells */
}

/* Tell which of what is kept waits for what. */
static void
report_kept(void)
{
	mvs_pending_report();
	mvs_sweep_report();
}
