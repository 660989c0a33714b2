/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The drop worker of a database: batches, sweeps, and sleep.
 *
 * The worker takes requests from the queue in batches (batch.c), and sweeps the
 * stores of which only a sweep can tell (sweep.c). When it ends, however it
 * ends, what it keeps goes back to the queue; for what has no room there,
 * explicit requests are in the journal, and the stores of the others are marked.
 *
 * It sleeps on its latch with no transaction open, and with no timeout unless
 * something is to happen at a known time.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "queue/queue.h"
#include "shared/database.h"
#include "shared/fault.h"
#include "shared/standby.h"
#include "store/pin.h"
#include "version/session.h"
#include "version/stable.h"
#include "version/version.h"
#include "worker/batch.h"
#include "worker/launcher.h"
#include "worker/left.h"
#include "worker/maintain.h"
#include "worker/pace.h"
#include "worker/pending.h"
#include "worker/process.h"
#include "worker/replay.h"
#include "worker/sweep.h"
#include "worker/worker.h"

/* Milliseconds after which it looks again whether it can begin, or asks for its place again. */
#define LOOK_AGAIN 60000

/* Milliseconds without work after which the worker ends, the second where there are no stores. */
#define IDLE_EXIT 300000
#define VACANT_EXIT 1000

/* Milliseconds without work after which it makes room for one that is wanted elsewhere. */
#define ROTATE_TIME 1000

/* Milliseconds that SIGTERM leaves for what is due. */
#define SHUTDOWN_TIME 5000

/*
 * What the worker does besides batches and sweeps, which look after themselves. Each is
 * tried by itself: what is wrong with one table of the catalog is in the way of nothing
 * else.
 */
typedef enum Step
{
	STEP_STABLE,				/* write the row of mvstore_stable */
	STEP_PAUSE,					/* see whether drops are paused */
	STEP_CALENDAR,				/* see which stores have one */
	STEP_PINS,					/* see which there are */
	STEP_MARKS,					/* take marks over */
	STEP_JOURNAL,				/* work off what stands in the journal */
	STEP_MAINTAIN				/* have stores vacuumed */
} Step;

static struct
{
	TimestampTz due_at;			/* not tried before; 0: when there is something to do */
	int			tries;			/* that failed, in a row */
	char		error[MVS_ERROR_LENGTH];	/* of the last */
}			steps[STEP_MAINTAIN + 1];

static MemoryContext loop_context;
static TimestampTz claimed_at;
static TimestampTz idle_since;	/* of drops */
static TimestampTz served_at = 0;	/* when it last did something for readers */
static TimestampTz give_way_until = 0;	/* set: ends to make room, with nothing due before */
static bool calendar_known = false;
static bool pins_known = false;
static bool pause_known = false;
static TimestampTz stable_due_at;	/* when mvstore_stable is to be written; DT_NOEND: not */
static uint32 wait_event_main = 0;

static void forget_requests(void);
static void review_use(void);
static bool claim_slot(void);
static void release_slot(int code, Datum argument);
static bool extension_is_here(bool *matches);
static void work(void);
static void last_effort(void);
static void try_step(Step step, bool (*action) (void));
static void report_steps(void);
static bool write_stable(void);
static bool load_pause(void);
static bool load_calendar(void);
static bool load_pins(void);
static void recheck(void);
static void report_kept(void);
static bool take_marks(void);
static bool run_journal(void);
static bool maintain(void);
static bool drops_stand(void);
static TimestampTz next_step(void);
static void wait_for_update(void);
static bool keeps_something(void);
static TimestampTz time_of_next_try(void);
static void sleep_until_needed(void);

/* ------------------------------------------------------------------------
 * Life
 * ------------------------------------------------------------------------ */

void
mvs_worker_main(Datum argument)
{
	bool		matches;

	mvs_process_handle_signals();

	/* Registered first, so that it runs when locks and the connection are gone. */
	before_shmem_exit(release_slot, (Datum) 0);
	mvs_process_connect(DatumGetObjectId(argument));
	mvs_catalog_never_wait();

	mvs_worker.context = AllocSetContextCreate(TopMemoryContext, "mvstore worker",
											   ALLOCSET_DEFAULT_SIZES);
	loop_context = AllocSetContextCreate(TopMemoryContext, "mvstore worker loop",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(loop_context);
	if (!extension_is_here(&matches))
	{
		forget_requests();
		proc_exit(0);
	}
	if (!claim_slot())
		proc_exit(0);
	MVS_FAULT("worker-claimed");
	if (!matches)
		wait_for_update();
	if (mvs_process_is_stopping())
		proc_exit(0);

	PG_TRY();
	{
		work();
		if (mvs_process_is_terminated())
			last_effort();
	}
	PG_CATCH();
	{
		/* What nobody expects ends the process; whoever looks is to see why. */
		MemoryContextSwitchTo(loop_context);
		(void) mvs_process_note_error(true);
		proc_exit(1);
	}
	PG_END_TRY();
	proc_exit(0);
}

/* What the worker does until it is to end. */
static void
work(void)
{
	MvsDatabase *database = mvs_worker.database;
	bool		sweeps_first = false;

	/* Shared memory is new: what it held is in the journal, and in the stores: see take_marks(). */
	if (!database->swept)
	{
		LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
		database->journal_wanted = true;
		LWLockRelease(database->queue_lock);
	}

	claimed_at = idle_since = GetCurrentTimestamp();
	for (;;)
	{
		bool		busy = false;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(loop_context);
		MemoryContextReset(loop_context);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (mvs_process_is_stopping())
			return;

		try_step(STEP_STABLE, write_stable);
		try_step(STEP_PAUSE, load_pause);
		try_step(STEP_CALENDAR, load_calendar);
		try_step(STEP_PINS, load_pins);
		try_step(STEP_MARKS, take_marks);
		if (database->recheck)
			recheck();
		if (!drops_stand() && mvs_pace_throttled_until() == 0)
		{
			try_step(STEP_JOURNAL, run_journal);
			/* With a rate limit, the first may leave nothing to the second. */
			if (sweeps_first)
				busy = mvs_sweep_run();
			if (mvs_pace_throttled_until() == 0)
				busy |= mvs_batch_run(false);
			if (!sweeps_first && mvs_pace_throttled_until() == 0)
				busy |= mvs_sweep_run();
			sweeps_first = mvs_drop_rate_limit > 0 && !sweeps_first;
		}
		try_step(STEP_MAINTAIN, maintain);
		if (busy)
			idle_since = GetCurrentTimestamp();
		else
			sleep_until_needed();
	}
}

/* After SIGTERM; what it does not reach is not lost. */
static void
last_effort(void)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SHUTDOWN_TIME);

	while (GetCurrentTimestamp() < deadline && !drops_stand() && mvs_pace_throttled_until() == 0 &&
		   mvs_batch_run(true))
		CHECK_FOR_INTERRUPTS();
	(void) mvs_stable_serve(mvs_worker.database, true, &stable_due_at);
}

/* ------------------------------------------------------------------------
 * Steps
 *
 * Each sees whether there is something to do; false where a lock is in the way.
 * ------------------------------------------------------------------------ */

/* Try one, if it is not to wait after an error or a lock. */
static void
try_step(Step step, bool (*action) (void))
{
	int			tries = steps[step].tries;
	volatile bool done = false;
	volatile bool failed = false;

	if (steps[step].due_at > GetCurrentTimestamp())
		return;
	PG_TRY();
	{
		done = action();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(loop_context);
		failed = mvs_process_note_error(tries == 0);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(loop_context);

	if (failed)
		strlcpy(steps[step].error, mvs_worker.database->stats.last_error, MVS_ERROR_LENGTH);
	steps[step].tries = failed ? tries + 1 : 0;
	steps[step].due_at = failed ? mvs_process_error_delay(tries) :
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

static bool
write_stable(void)
{
	bool		moved = mvs_worker.database->stable_due;

	if (!mvs_stable_serve(mvs_worker.database, false, &stable_due_at))
		return true;

	/* Where only a standby asks for it: is there still something to tell of? */
	if (moved)
		served_at = GetCurrentTimestamp();
	else
		review_use();
	return true;				/* of a lock stable_due_at tells */
}

static bool
load_pause(void)
{
	MvsDatabase *database = mvs_worker.database;
	Oid			table;
	bool		paused = false;

	if (pause_known && !database->pause_changed)
		return true;
	pause_known = false;
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->pause_changed = false;
	LWLockRelease(database->queue_lock);

	StartTransactionCommand();
	mvs_process_lock_catalog(MVS_PAUSED);
	table = mvs_catalog_oid(MVS_PAUSED, true);
	if (OidIsValid(table))
	{
		Relation	catalog = table_open(table, AccessShareLock);
		SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);

		paused = HeapTupleIsValid(systable_getnext(scan));
		systable_endscan(scan);
		table_close(catalog, AccessShareLock);
	}
	CommitTransactionCommand();

	/* Should it change just now, what its COMMIT has said holds, and there is another look. */
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	if (!database->pause_changed)
		database->paused = paused;
	LWLockRelease(database->queue_lock);
	ConditionVariableBroadcast(&database->progress);
	return pause_known = true;
}

static bool
load_calendar(void)
{
	if (calendar_known)
		return true;
	calendar_known = mvs_sweep_load();
	mvs_sweep_report();
	return calendar_known;
}

static bool
load_pins(void)
{
	if (pins_known && !mvs_worker.database->pins_changed &&
		mvs_pin_next_expiry() > GetCurrentTimestamp())
		return true;
	pins_known = false;
	pins_known = mvs_pin_load(mvs_worker.database, mvs_worker.context);
	report_kept();
	ConditionVariableBroadcast(&mvs_worker.database->progress);
	return pins_known;
}

/* What is held may be pinned no more, and what is in hand be void. */
static void
recheck(void)
{
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->recheck = false;
	mvs_backlog_unpin(mvs_worker.database->backlogs);
	LWLockRelease(mvs_worker.database->queue_lock);
	mvs_pending_recheck();
	report_kept();
}

/* Tell which of what is kept waits for what. */
static void
report_kept(void)
{
	mvs_pending_report();
	mvs_sweep_report();
}

static bool
take_marks(void)
{
	MvsDatabase *database = mvs_worker.database;

	if (!database->swept)
	{
		mvs_sweep_all(0);
		LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
		database->swept = true;
		LWLockRelease(database->queue_lock);
		mvs_sweep_report();
	}
	mvs_sweep_take_marks();
	return true;
}

static bool
run_journal(void)
{
	if (mvs_replay_due() > GetCurrentTimestamp())
		return true;
	mvs_replay_run();

	/* That is wanted at first, and when stores have gone. */
	review_use();
	return true;
}

static bool
maintain(void)
{
	mvs_maintain(TimestampDifferenceExceeds(idle_since, GetCurrentTimestamp(), ROTATE_TIME));
	return true;				/* of a lock mvs_maintain_due() tells */
}

/* Whether nothing is dropped: drops are paused, or perhaps. */
static bool
drops_stand(void)
{
	return !pause_known || mvs_worker.database->paused;
}

/* When the next one is to be tried again; DT_NOEND: none has met an error, or a lock. */
static TimestampTz
next_step(void)
{
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < lengthof(steps); i++)
	{
		/* One is only tried when something may be dropped. */
		if (steps[i].due_at != 0 &&
			(i != STEP_JOURNAL || (!drops_stand() && mvs_pace_throttled_until() == 0)))
			next = Min(next, steps[i].due_at);
	}
	return next;
}

/* ------------------------------------------------------------------------
 * Coming and going
 * ------------------------------------------------------------------------ */

/* Whether the database has the extension; in matches is told whether in our version. */
static bool
extension_is_here(bool *matches)
{
	char	   *version;
	bool		here;

	StartTransactionCommand();
	version = mvs_extension_version();
	*matches = version && strcmp(version, MVS_SQL_VERSION) == 0;
	/* The slot's clock is loaded in a transaction. */
	here = version && mvs_session_join_if_used() != NULL;
	CommitTransactionCommand();
	MemoryContextSwitchTo(loop_context);
	return here;
}

/* Wait, doing nothing, until the extension's SQL objects are those that we know. */
static void
wait_for_update(void)
{
	bool		matches = false;

	ereport(LOG,
			(errmsg("the drop worker of database with OID %u waits: the extension there is not of version %s, as the library is",
					MyDatabaseId, MVS_SQL_VERSION),
			 errhint("Run ALTER EXTENSION mvstore UPDATE in the database.")));
	while (!matches && !mvs_process_is_stopping())
	{
		LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
		mvs_worker.database->worker_state = MVS_WORKER_MISMATCH;
		LWLockRelease(mvs_worker.database->queue_lock);
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_AGAIN,
						 mvs_compat_wait_event(&wait_event_main, "MvstoreWorkerMain"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (!extension_is_here(&matches))
			proc_exit(0);
		if (!matches && mvs_launcher_wants_slots())
		{
			give_way_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOOK_AGAIN);
			proc_exit(0);
		}
	}
}

/* Without the extension, requests that its database still has are void. */
static void
forget_requests(void)
{
	MvsDatabase *slot = mvs_database_find(MyDatabaseId);

	if (slot == NULL)
		return;
	LWLockAcquire(slot->queue_lock, LW_EXCLUSIVE);
	if (slot->worker_pid == 0)
	{
		mvs_queue_clear(slot);
		slot->mark_count = 0;
		slot->all_marked = false;
		slot->journal_wanted = false;
		slot->stable_due = false;
		slot->paused = false;
		slot->pause_changed = true;
		slot->failed_count = 0;
		slot->worker_state = MVS_WORKER_NONE;
	}
	LWLockRelease(slot->queue_lock);
	ConditionVariableBroadcast(&slot->progress);
	review_use();
}

/* See whether the database still has something for a worker. */
static void
review_use(void)
{
	StartTransactionCommand();
	mvs_session_review_use();
	CommitTransactionCommand();
	MemoryContextSwitchTo(loop_context);
}

/* Become the worker of this database, unless it has one. */
static bool
claim_slot(void)
{
	MvsDatabase *slot = mvs_session_join();
	bool		claimed = false;

	LWLockAcquire(slot->queue_lock, LW_EXCLUSIVE);
	if (slot->worker_pid == 0)
	{
		slot->worker_pid = MyProcPid;
		slot->worker_proc = mvs_compat_proc_number(MyProc);
		slot->worker_state = MVS_WORKER_BUSY;
		slot->queue_wake_at = PG_INT64_MAX;
		claimed = true;
	}
	LWLockRelease(slot->queue_lock);
	if (claimed)
	{
		/* The last one may have ended with the row of mvstore_stable unwritten. */
		mvs_version_want_stable(slot);
		mvs_worker.database = slot;
	}
	return claimed;
}

/* At the end of the process: give back what it keeps, and its place. */
static void
release_slot(int code, Datum argument)
{
	MvsDatabase *database = mvs_worker.database;

	if (database == NULL)
		return;
	mvs_maintain_stop();
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	mvs_pending_give_back(database);
	mvs_left_give_back(database);
	mvs_sweep_give_back(database);
	mvs_backlog_clear(database->backlogs);
	database->throttled_since = 0;
	database->worker_pid = 0;
	database->worker_proc = -1;
	database->worker_state = give_way_until != 0 ? MVS_WORKER_TURN : MVS_WORKER_WANTED;
	database->worker_turn = give_way_until;
	database->queue_wake_at = 1;
	LWLockRelease(database->queue_lock);
	ConditionVariableBroadcast(&database->progress);
	mvs_wake_proc(mvs_shared->launcher_proc);
	mvs_worker.database = NULL;
}

/* ------------------------------------------------------------------------
 * Sleep
 * ------------------------------------------------------------------------ */

/* Whether anything is kept here. */
static bool
keeps_something(void)
{
	return mvs_pending_is_any() || mvs_left_is_any() || mvs_sweep_is_any();
}

/*
 * When what is kept here is to be tried next; DT_NOEND: not before the latch is
 * set. From here on the end of a writer sets it, if that is waited for.
 */
static TimestampTz
time_of_next_try(void)
{
	TimestampTz wake_at;
	TimestampTz throttled;

	/* What a pin holds back goes when it expires; if that cannot be looked at now, then later. */
	wake_at = Min(Max(mvs_pin_next_expiry(), steps[STEP_PINS].due_at), next_step());
	if (!keeps_something() || drops_stand())
		return wake_at;
	throttled = mvs_pace_throttled_until();
	if (throttled != 0)
		return Min(wake_at, throttled);

	/* First the wish, then the look: who ends in between is seen or sets the latch. */
	if (mvs_sweep_waits_for_horizon() ||
		mvs_worker.database->backlogs[MVS_BACKLOG_REQUESTS].held > 0)
		mvs_version_watch_writers(mvs_worker.database);
	wake_at = Min(wake_at, mvs_pending_due());
	wake_at = Min(wake_at, mvs_replay_due());
	wake_at = Min(wake_at, mvs_sweep_due());
	return wake_at;
}

/* Sleep until there is something to do, for ever if need be. Ends an idle worker. */
static void
sleep_until_needed(void)
{
	MvsDatabase *database = mvs_worker.database;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz wake_at = time_of_next_try();
	bool		keeps = keeps_something();
	TimestampTz throttled = mvs_pace_throttled_until();
	bool		maintaining = mvs_maintain_is_running();
	bool		retries = next_step() != DT_NOEND;
	bool		standby = mvs_standby_is_there();
	bool		crowded = false;
	bool		dispensable;
	TimestampTz leave_at;
	bool		leave;
	long		timeout;

	/* Another database waits for our place? */
	if (mvs_launcher_wants_slots())
	{
		TimestampTz until = TimestampTzPlusMilliseconds(keeps ? idle_since : claimed_at,
														ROTATE_TIME);

		crowded = until <= now;
		if (!crowded)
			wake_at = Min(wake_at, until);
	}
	if (throttled != 0)
		wake_at = Min(wake_at, throttled);
	wake_at = Min(wake_at, Max(mvs_maintain_due(idle_since, ROTATE_TIME),
							   steps[STEP_MAINTAIN].due_at));
	stable_due_at = Max(stable_due_at, steps[STEP_STABLE].due_at);

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	dispensable = !keeps && !retries && !maintaining &&
		database->queue_count == 0 && database->mark_count == 0 &&
		!database->all_marked && !database->journal_wanted &&
		!database->stable_due &&
		(database->vacant || (stable_due_at == DT_NOEND && !standby)) &&
		!mvs_left_pass_is_under_way();
	leave_at = TimestampTzPlusMilliseconds(Max(idle_since, served_at),
										   database->vacant ? VACANT_EXIT : IDLE_EXIT);
	leave = dispensable && (crowded || leave_at <= now);
	if (crowded && !leave)
	{
		/* What is kept here goes back, and we too, until something of it is due. */
		give_way_until = Min(wake_at, stable_due_at);
		if (database->queue_count > 0 && !drops_stand())
			give_way_until = Min(give_way_until, mvs_queue_due(database, now));
		give_way_until = Min(give_way_until, TimestampTzPlusMilliseconds(now, LOOK_AGAIN));
		LWLockRelease(database->queue_lock);
		proc_exit(0);
	}
	if (leave)
	{
		/* Who publishes from now on finds no worker, and wants one. */
		database->worker_proc = -1;
		database->worker_pid = 0;
		database->worker_state = MVS_WORKER_NONE;
		database->queue_wake_at = 1;
	}
	else
	{
		bool		paused = drops_stand();
		bool		full = paused || throttled != 0 || mvs_pending_is_full();
		bool		waiting = database->queue_count > 0 && !full;

		if (waiting)
			wake_at = Min(wake_at, mvs_queue_due(database, now));
		if (dispensable)
			wake_at = Min(wake_at, leave_at);
		wake_at = Min(wake_at, stable_due_at);
		database->queue_wake_at = waiting ? mvs_batch_size :
			full ? PG_INT64_MAX : 1;

		/* A wait for a lock may have used up the latch of something that came in it. */
		if (mvs_process_is_stopping() || ConfigReloadPending ||
			database->queue_count >= database->queue_wake_at ||
			((database->mark_count > 0 || database->all_marked) && steps[STEP_MARKS].due_at == 0) ||
			(database->pause_changed && steps[STEP_PAUSE].due_at == 0) || database->recheck ||
			(database->pins_changed && steps[STEP_PINS].due_at == 0) ||
			(!paused && throttled == 0 && mvs_replay_due() <= now &&
			 steps[STEP_JOURNAL].due_at == 0) ||
			((database->stable_due || standby) && stable_due_at == DT_NOEND &&
			 steps[STEP_STABLE].due_at == 0))
			wake_at = now;
		database->worker_state = MVS_WORKER_IDLE;
		if (throttled == 0)
			database->throttled_since = 0;
	}
	LWLockRelease(database->queue_lock);
	if (leave)
	{
		ConditionVariableBroadcast(&database->progress);
		review_use();
		mvs_worker.database = NULL;
		mvs_wake_proc(mvs_shared->launcher_proc);
		proc_exit(0);
	}

	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	if (wake_at == DT_NOEND)
		timeout = -1;
	else
		timeout = Min(Max(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), wake_at), 0),
					  INT_MAX);
	if (timeout != 0)
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout > 0 ? WL_TIMEOUT : 0),
						 timeout,
						 mvs_compat_wait_event(&wait_event_main, "MvstoreWorkerMain"));

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->worker_state = MVS_WORKER_BUSY;
	database->queue_wake_at = PG_INT64_MAX;
	LWLockRelease(database->queue_lock);
}
