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
typedef struct Step
{
	bool		(*run) (void);	/* do it, if it is due; false where a lock is in the way */
	TimestampTz (*due) (void);	/* when; DT_NOEND: not before somebody sets the latch */
	bool		drops;			/* not while nothing may be dropped */
	TimestampTz retry_at;		/* after an error or a lock, not before; 0: there was none */
	int			tries;			/* that failed, in a row */
	char		error[MVS_ERROR_LENGTH];	/* of the last */
} Step;

/* What lies before the worker, as seen once it has done all that was due. */
typedef struct Outlook
{
	TimestampTz now;
	bool		may_drop;		/* else drops are paused, or throttled */
	TimestampTz throttled;		/* until then; 0: not */
	bool		keeps;			/* something is in hand */
	bool		stays;			/* a step is to be tried again, or a vacuum under way */
	bool		crowded;		/* another database has waited for our place long enough */
	TimestampTz wake_at;		/* something is due, but what is in the queue; DT_NOEND: nothing */
} Outlook;

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
static bool drop_some(void);
static void try_step(Step *step);
static void report_steps(void);
static void report_kept(void);
static bool may_drop(void);
static bool drops_stand(void);
static TimestampTz stable_due(void);
static bool write_stable(void);
static TimestampTz pause_due(void);
static bool load_pause(void);
static TimestampTz calendar_due(void);
static bool load_calendar(void);
static TimestampTz pins_due(void);
static bool load_pins(void);
static TimestampTz marks_due(void);
static bool take_marks(void);
static TimestampTz recheck_due(void);
static bool recheck(void);
static bool run_journal(void);
static TimestampTz maintenance_due(void);
static bool maintain(void);
static TimestampTz step_due(const Step *step);
static void wait_for_update(void);
static void watch_horizon(void);
static void look_ahead(Outlook *outlook);
static TimestampTz queue_due(const Outlook *outlook);
static int	time_to_stay(void);
static bool is_dispensable(const Outlook *outlook);
static TimestampTz leave_at(void);
static bool may_leave(const Outlook *outlook);
static void leave(void);
static void give_way(const Outlook *outlook);
static TimestampTz lie_down(const Outlook *outlook);
static void sleep_until_needed(void);

static Step steps[] = {
	{.run = write_stable, .due = stable_due},
	{.run = load_pause, .due = pause_due},
	{.run = load_calendar, .due = calendar_due},
	{.run = load_pins, .due = pins_due},
	{.run = take_marks, .due = marks_due},
	{.run = recheck, .due = recheck_due},
	{.run = run_journal, .due = mvs_replay_due, .drops = true},
	{.run = maintain, .due = maintenance_due}
};

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

		for (int i = 0; i < lengthof(steps); i++)
			try_step(&steps[i]);
		if (drop_some())
			idle_since = GetCurrentTimestamp();
		else
			sleep_until_needed();
	}
}

/* Do a batch and a slice of a sweep; false if neither was due. */
static bool
drop_some(void)
{
	static bool sweeps_first = false;
	bool		busy = false;

	if (!may_drop())
		return false;
	if (sweeps_first)
		busy = mvs_sweep_run();
	if (may_drop())
		busy |= mvs_batch_run(false);
	if (!sweeps_first && may_drop())
		busy |= mvs_sweep_run();

	/* With a rate limit, the first may leave nothing to the second. */
	sweeps_first = mvs_drop_rate_limit > 0 && !sweeps_first;
	return busy;
}

/* After SIGTERM; what it does not reach is not lost. */
static void
last_effort(void)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SHUTDOWN_TIME);

	while (GetCurrentTimestamp() < deadline && may_drop() && mvs_batch_run(true))
		CHECK_FOR_INTERRUPTS();
	(void) mvs_stable_serve(mvs_worker.database, true, &stable_due_at);
}

/* ------------------------------------------------------------------------
 * Steps
 * ------------------------------------------------------------------------ */

/* Try one, if it is not to wait. */
static void
try_step(Step *step)
{
	int			tries = step->tries;
	volatile bool done = false;
	volatile bool failed = false;

	if (step->retry_at > GetCurrentTimestamp() || (step->drops && !may_drop()))
		return;
	PG_TRY();
	{
		done = step->run();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(loop_context);
		failed = mvs_process_note_error(tries == 0);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(loop_context);

	if (failed)
		strlcpy(step->error, mvs_worker.database->stats.last_error, MVS_ERROR_LENGTH);
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

/* Tell which of what is kept waits for what. */
static void
report_kept(void)
{
	mvs_pending_report();
	mvs_sweep_report();
}

/* Whether anything may be dropped now. */
static bool
may_drop(void)
{
	return !drops_stand() && mvs_pace_throttled_until() == 0;
}

/* Whether nothing is dropped: drops are paused, or perhaps. */
static bool
drops_stand(void)
{
	return !pause_known || mvs_worker.database->paused;
}

/* The row of mvstore_stable. */
static TimestampTz
stable_due(void)
{
	if (stable_due_at == DT_NOEND &&
		(mvs_worker.database->stable_due || mvs_standby_is_there()))
		return 0;
	return stable_due_at;
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

/* Whether drops are paused. */
static TimestampTz
pause_due(void)
{
	return !pause_known || mvs_worker.database->pause_changed ? 0 : DT_NOEND;
}

static bool
load_pause(void)
{
	MvsDatabase *database = mvs_worker.database;
	Oid			table;
	bool		paused = false;

	if (pause_due() != 0)
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

/* Which stores have a calendar. */
static TimestampTz
calendar_due(void)
{
	return calendar_known ? DT_NOEND : 0;
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
	return !pins_known || mvs_worker.database->pins_changed ? 0 : mvs_pin_next_expiry();
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

/* The marks; of shared memory that is new, all stores. */
static TimestampTz
marks_due(void)
{
	const MvsDatabase *database = mvs_worker.database;

	return !database->swept || database->mark_count > 0 || database->all_marked ? 0 : DT_NOEND;
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

/* What is in hand: it may be void, or pinned no more. */
static TimestampTz
recheck_due(void)
{
	return mvs_worker.database->recheck ? 0 : DT_NOEND;
}

static bool
recheck(void)
{
	if (recheck_due() != 0)
		return true;
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->recheck = false;
	mvs_backlog_unpin(mvs_worker.database->backlogs);
	LWLockRelease(mvs_worker.database->queue_lock);
	mvs_pending_recheck();
	report_kept();
	return true;
}

/* What stands in the journal. */
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

/* What wants to be vacuumed. */
static TimestampTz
maintenance_due(void)
{
	return mvs_maintain_due(idle_since, ROTATE_TIME);
}

static bool
maintain(void)
{
	mvs_maintain(TimestampDifferenceExceeds(idle_since, GetCurrentTimestamp(), ROTATE_TIME));
	return true;				/* of a lock mvs_maintain_due() tells */
}

/* When one is to be run; one that has failed, as soon as it may, whatever it finds. */
static TimestampTz
step_due(const Step *step)
{
	if (step->drops && !may_drop())
		return DT_NOEND;
	return step->retry_at != 0 ? step->retry_at : step->due();
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

/* Have the end of a writer set the latch, if that is waited for. */
static void
watch_horizon(void)
{
	if (mvs_sweep_waits_for_horizon() ||
		mvs_worker.database->backlogs[MVS_BACKLOG_REQUESTS].held > 0)
		mvs_version_watch_writers(mvs_worker.database);
}

/* See what lies before us. */
static void
look_ahead(Outlook *outlook)
{
	outlook->now = GetCurrentTimestamp();
	outlook->throttled = mvs_pace_throttled_until();
	outlook->may_drop = !drops_stand() && outlook->throttled == 0;
	outlook->keeps = mvs_pending_is_any() || mvs_left_is_any() || mvs_sweep_is_any();
	outlook->stays = mvs_maintain_is_running();
	outlook->crowded = false;
	outlook->wake_at = outlook->throttled != 0 ? outlook->throttled : DT_NOEND;

	/* First the wish, then the look: who ends in between is seen or sets the latch. */
	if (outlook->may_drop && outlook->keeps)
	{
		watch_horizon();
		outlook->wake_at = Min(mvs_pending_due(), mvs_sweep_due());
	}
	for (int i = 0; i < lengthof(steps); i++)
	{
		outlook->wake_at = Min(outlook->wake_at, step_due(&steps[i]));
		outlook->stays |= steps[i].retry_at != 0 && (!steps[i].drops || outlook->may_drop);
	}

	/* Another database waits for our place? */
	if (mvs_launcher_wants_slots())
	{
		TimestampTz until = TimestampTzPlusMilliseconds(outlook->keeps ? idle_since : claimed_at,
														ROTATE_TIME);

		outlook->crowded = until <= outlook->now;
		if (!outlook->crowded)
			outlook->wake_at = Min(outlook->wake_at, until);
	}
}

/* When the queue is to be worked off; DT_NOEND: not as things are. With queue_lock held. */
static TimestampTz
queue_due(const Outlook *outlook)
{
	return outlook->may_drop ? mvs_batch_due(outlook->now) : DT_NOEND;
}

/* Milliseconds that the worker stays without work. With queue_lock held. */
static int
time_to_stay(void)
{
	return mvs_worker.database->vacant ? VACANT_EXIT : IDLE_EXIT;
}

/* Whether nothing keeps the worker here. With queue_lock held. */
static bool
is_dispensable(const Outlook *outlook)
{
	const MvsDatabase *database = mvs_worker.database;

	if (outlook->keeps || outlook->stays || database->queue_count > 0 ||
		database->mark_count > 0 || database->all_marked || database->journal_wanted ||
		database->stable_due || mvs_left_pass_is_under_way())
		return false;
	return database->vacant || stable_due() == DT_NOEND;
}

/* When a worker that nothing keeps ends. */
static TimestampTz
leave_at(void)
{
	return TimestampTzPlusMilliseconds(Max(idle_since, served_at), time_to_stay());
}

/* Whether the worker is to end. With queue_lock held. */
static bool
may_leave(const Outlook *outlook)
{
	return is_dispensable(outlook) && (outlook->crowded || leave_at() <= outlook->now);
}

/* End for good, with nothing kept. With queue_lock held. */
static void
leave(void)
{
	MvsDatabase *database = mvs_worker.database;

	/* Who publishes from now on finds no worker, and wants one. */
	database->worker_proc = -1;
	database->worker_pid = 0;
	database->worker_state = MVS_WORKER_NONE;
	database->queue_wake_at = 1;
	LWLockRelease(database->queue_lock);
	ConditionVariableBroadcast(&database->progress);
	review_use();
	mvs_worker.database = NULL;
	mvs_wake_proc(mvs_shared->launcher_proc);
	proc_exit(0);
}

/* End until something is due: what is kept here goes back meanwhile. With queue_lock held. */
static void
give_way(const Outlook *outlook)
{
	give_way_until = Min(outlook->wake_at, queue_due(outlook));
	give_way_until = Max(give_way_until, outlook->now);
	give_way_until = Min(give_way_until, TimestampTzPlusMilliseconds(outlook->now, LOOK_AGAIN));
	LWLockRelease(mvs_worker.database->queue_lock);
	proc_exit(0);
}

/* Tell who publishes when to wake us; when to get up without that. With queue_lock held. */
static TimestampTz
lie_down(const Outlook *outlook)
{
	MvsDatabase *database = mvs_worker.database;
	TimestampTz due_at = queue_due(outlook);
	TimestampTz wake_at = Min(outlook->wake_at, due_at);

	if (due_at != DT_NOEND)
		database->queue_wake_at = mvs_batch_size;
	else
		database->queue_wake_at = outlook->may_drop && !mvs_pending_is_full() ? 1 : PG_INT64_MAX;

	/* One that may not leave sleeps all the same. */
	if (is_dispensable(outlook))
		wake_at = Min(wake_at, leave_at());
	if (outlook->throttled == 0)
		database->throttled_since = 0;
	database->worker_state = MVS_WORKER_IDLE;

	/* A wait for a lock may have used up the latch of what came in it, as of what is due. */
	return mvs_process_is_stopping() || ConfigReloadPending ? outlook->now : wake_at;
}

/* Sleep until there is something to do, for ever if need be. Ends an idle worker. */
static void
sleep_until_needed(void)
{
	MvsDatabase *database = mvs_worker.database;
	Outlook		outlook;
	TimestampTz wake_at;
	long		timeout = -1;

	/* Who has used it since may have committed since. */
	if (database->vacant)
		review_use();
	look_ahead(&outlook);
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	if (may_leave(&outlook))
		leave();
	if (outlook.crowded)
		give_way(&outlook);
	wake_at = lie_down(&outlook);
	LWLockRelease(database->queue_lock);

	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	if (wake_at != DT_NOEND)
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
