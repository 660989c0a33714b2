/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The drop worker of a database: its life, and its loop.
 *
 * In a round of the loop it tries its steps (steps.c), works off a batch of requests
 * from the queue (batch.c) and a slice of a sweep, of a store of which only a sweep
 * can tell (sweep.c). With nothing to do it sleeps (sleep.c), or ends (claim.c).
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/settings.h"
#include "queue/queue.h"
#include "shared/database.h"
#include "shared/fault.h"
#include "shared/others.h"
#include "shared/wake.h"
#include "version/session.h"
#include "version/stable.h"
#include "worker/batch.h"
#include "worker/claim.h"
#include "worker/crew.h"
#include "worker/launcher.h"
#include "worker/pace.h"
#include "worker/process.h"
#include "worker/sleep.h"
#include "worker/steps.h"
#include "worker/sweep.h"
#include "worker/worker.h"

/* Milliseconds after which it looks again whether it can begin. */
#define LOOK_AGAIN 60000

/*
 * Milliseconds that SIGTERM leaves for what is due. DROP DATABASE ... WITH (FORCE) sends it, too,
 * and fails unless all have gone within five seconds.
 */
#define SHUTDOWN_TIME 2000

static MemoryContext loop_context;

static bool extension_is_here(bool *matches);
static void wait_for_update(void);
static void wait_for_assistants(void);
static void work(void);
static bool drop_some(void);
static void last_effort(void);

void
mvs_worker_main(Datum argument)
{
	uint64		requested;
	bool		matches;

	mvs_process_handle_signals();

	/* Registered first, so that it runs when locks and the connection are gone. */
	before_shmem_exit(mvs_claim_release, (Datum) 0);
	mvs_process_connect(DatumGetObjectId(argument));
	mvs_catalog_never_wait();
	mvs_process_mark_changes();
	mvs_others_register();

	mvs_worker.context = AllocSetContextCreate(TopMemoryContext, "mvstore worker",
											   ALLOCSET_DEFAULT_SIZES);
	loop_context = AllocSetContextCreate(TopMemoryContext, "mvstore worker loop",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(loop_context);
	requested = mvs_claim_requested();
	if (!extension_is_here(&matches))
	{
		MVS_FAULT("worker-not-wanted");
		mvs_claim_void(requested);

		/* It may have come since, with a clock of which nobody tells who has found us here. */
		if (extension_is_here(&matches))
			mvs_wake_worker(mvs_database_find(MyDatabaseId));
		proc_exit(0);
	}
	if (!mvs_claim_take())
		proc_exit(0);
	MVS_FAULT("worker-claimed");
	if (!matches)
		wait_for_update();
	wait_for_assistants();
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
		(void) mvs_process_keep_error(true);
		proc_exit(1);
	}
	PG_END_TRY();
	proc_exit(0);
}

/* Whether the database has the extension; set *matches to whether in our version. */
static bool
extension_is_here(bool *matches)
{
	char	   *version;
	bool		here;

	StartTransactionCommand();
	version = mvs_extension_version();
	*matches = version && strcmp(version, mvs_sql_version) == 0;

	/*
	 * The slot is loaded from these, in this transaction: somebody may have them locked, and be
	 * about to drop them.
	 */
	mvs_process_lock_catalog(MVS_PREPARED);
	mvs_process_lock_catalog(MVS_CLOCK);
	here = version && mvs_session_join_if_used() != NULL &&
		OidIsValid(mvs_catalog_oid(MVS_CLOCK, true));
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
			(errmsg("drop worker of database with OID %u is waiting for an update of extension \"mvstore\"",
					MyDatabaseId),
			 errdetail("The library goes with version %s of the extension.", mvs_sql_version),
			 errhint("Run ALTER EXTENSION mvstore UPDATE in the database; where the library is the older one, install the newer one and restart the server.")));
	while (!matches && !mvs_process_is_stopping())
	{
		LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
		mvs_worker.database->worker->state = MVS_WORKER_MISMATCH;
		LWLockRelease(mvs_worker.database->queue_lock);
		pgstat_report_activity(STATE_IDLE, NULL);
		mvs_process_sleep(LOOK_AGAIN);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (!extension_is_here(&matches))
			proc_exit(0);
		if (!matches && mvs_launcher_wants_slots())
		{
			LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
			mvs_claim_give_way(DT_NOEND);
		}
	}
}

/* Wait until the assistants of an earlier worker have ended, which are on their way. */
static void
wait_for_assistants(void)
{
	while (mvs_crew_is_of_another() && !mvs_process_is_stopping())
	{
		mvs_process_sleep(-1);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Go round the loop until the worker is to end. */
static void
work(void)
{
	MvsDatabase *database = mvs_worker.database;

	/* Shared memory is new: what it held is in the journal, and in the stores: see take_marks(). */
	if (!database->queue->swept)
	{
		LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
		database->queue->journal_wanted = true;
		LWLockRelease(database->queue_lock);
	}

	mvs_worker.claimed_at = mvs_worker.idle_since = GetCurrentTimestamp();
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
		/* Another worker, with nothing in mind, does at once what this one would wait with. */
		if (mvs_process_is_stopping() || mvs_process_clock_went_back())
			return;

		mvs_steps_try();
		if (drop_some())
		{
			mvs_worker.idle_since = GetCurrentTimestamp();
			mvs_sleep_make_room();
		}
		else
			mvs_sleep_until_needed();
	}
}

/* Do a batch and a slice of a sweep; false if neither was due. */
static bool
drop_some(void)
{
	static bool sweeps_first = false;
	bool		busy = false;

	if (!mvs_pace_may_drop())
		return false;
	if (sweeps_first)
		busy = mvs_sweep_slice();
	if (mvs_pace_may_drop())
		busy |= mvs_batch_next(false);
	if (!sweeps_first && mvs_pace_may_drop())
		busy |= mvs_sweep_slice();

	/* With a rate limit, the first may leave nothing to the second. */
	sweeps_first = mvs_drop_rate_limit > 0 && !sweeps_first;
	return busy;
}

/* After SIGTERM, do what is due; what is not reached is not lost. */
static void
last_effort(void)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SHUTDOWN_TIME);
	TimestampTz due_at;			/* there will be nobody to do it */

	while (GetCurrentTimestamp() < deadline && mvs_pace_may_drop() && mvs_batch_next(true))
		CHECK_FOR_INTERRUPTS();
	(void) mvs_stable_serve(mvs_worker.database, true, &due_at);
}
