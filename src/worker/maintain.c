/*-------------------------------------------------------------------------
 *
 * maintain.c
 *	  Maintenance: when stores from which much was dropped are vacuumed.
 *
 * It pays where a store's dead entries are beyond what autovacuum goes by, for the
 * table or in general. Dead entries that an old snapshot keeps are not vacuumed for
 * again and again: either so many came by drops since the last time, or whoever was
 * in the way then has gone. Where nobody was and they did not get fewer, or a vacuum
 * failed, there is a pause, a longer one each time, unless as many again came since.
 * A table whose owner has switched autovacuum off is left alone.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/autovacuum.h"
#include "postmaster/bgworker.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/once.h"
#include "base/settings.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "shared/wake.h"
#include "store/store.h"
#include "worker/launcher.h"
#include "worker/maintain.h"
#include "worker/pace.h"
#include "worker/process.h"

/* So many dead entries for each other one are not left to a gentle vacuum. */
#define FAR_TOO_MANY 5

/* Milliseconds without drops after which fewer flushes are enough. */
#define REST_TIME 1000

/* A look at all stores is followed by at least so many times as long without one. */
#define LOOK_SHARE 10

/* Milliseconds before another try after one in vain, doubled each time; the longest. */
#define RETRY_TIME 60000
#define MAX_RETRY_TIME 3600000

static BackgroundWorkerHandle *process = NULL;
static int64 drops_seen = 0;	/* of mvs_pace_drops(), when stores were last looked at */
static bool look_owed = false;	/* nothing was found then, in the midst of drops */
static TimestampTz not_before = 0;	/* they are not looked at again */
static uint64 vacuums;			/* that there had been when the process was started */

static int64 drops_since(void);
static bool is_look_due(void);
static bool find_work(bool *found);
static void start_process(void);

int64
mvs_maintain_dead_entries(Oid store)
{
	return DatumGetInt64(DirectFunctionCall1(pg_stat_get_dead_tuples, ObjectIdGetDatum(store)));
}

bool
mvs_maintain_pays(Oid store, MvsCandidate *candidate)
{
	MvsVacuum	last = mvs_counters_vacuum(store);
	TimestampTz now = GetCurrentTimestamp();
	double		threshold = autovacuum_vac_thresh;
	double		scale = autovacuum_vac_scale;
	double		entries;
	double		enough;
	Relation	heap;
	bool		enabled = true;

	if (last.end > now)
		last.end = 0;			/* the clock was set back */

	/* Of most of many stores nothing has gone: no look at their tables, which would be kept. */
	if (last.dropped <= 0 && !FullTransactionIdIsValid(last.at))
		return false;

	/* As VACUUM does: where somebody else is at it, it would pass by. */
	if (!ConditionalLockRelationOid(store, ShareUpdateExclusiveLock))
		return false;
	heap = try_relation_open(store, NoLock);
	if (heap == NULL)
	{
		UnlockRelationOid(store, ShareUpdateExclusiveLock);
		return false;
	}
	if (heap->rd_options)
	{
		AutoVacOpts *options = &((StdRdOptions *) heap->rd_options)->autovacuum;

		enabled = options->enabled;
		if (options->vacuum_threshold >= 0)
			threshold = options->vacuum_threshold;
		if (options->vacuum_scale_factor >= 0)
			scale = options->vacuum_scale_factor;
	}
	threshold += scale * Max(heap->rd_rel->reltuples, 0);
	threshold = mvs_compat_vacuum_threshold(threshold, heap);
	entries = heap->rd_rel->reltuples;
	candidate->free = FullTransactionIdIsValid(last.at) &&
		TransactionIdFollowsOrEquals(GetOldestNonRemovableTransactionId(heap),
									 XidFromFullTransactionId(last.at));
	relation_close(heap, ShareUpdateExclusiveLock);

	candidate->store = store;
	candidate->last = last;
	candidate->dead = mvs_maintain_dead_entries(store);

	/*
	 * Again, before as much time has passed as it takes? Then dead entries come faster. So they
	 * have where they are so many, as behind the slow vacuum of another store. (Of a table that
	 * was never looked at it is not known.)
	 */
	candidate->hurry =
		(entries >= 0 && (double) candidate->dead > FAR_TOO_MANY * Max(entries, threshold)) ||
		(last.end != 0 && last.vain == 0 && now - last.end < last.time);

	/* Once in vain, somebody may have been in the way; after that, it is something else. */
	enough = last.vain > 0 ? Max((double) last.left, threshold) : threshold;
	if ((double) last.dropped <= enough)
		enabled = enabled && candidate->free &&
			(last.vain < 2 ||
			 TimestampDifferenceExceeds(last.end, now,
										Min(RETRY_TIME << Min(last.vain - 2, 10), MAX_RETRY_TIME)));
	return enabled && (double) candidate->dead > threshold;
}

/* ------------------------------------------------------------------------
 * In the drop worker
 * ------------------------------------------------------------------------ */

/* Transactions that have dropped something since stores were last looked at. */
static int64
drops_since(void)
{
	return mvs_pace_drops() - drops_seen;
}

/* Whether there is a reason to look at all. */
static bool
is_look_due(void)
{
	return mvs_maintenance_every > 0 && (drops_since() > 0 || look_owed);
}

bool
mvs_maintain_is_running(void)
{
	pid_t		pid;

	if (process && GetBackgroundWorkerPid(process, &pid) == BGWH_STOPPED)
	{
		pfree(process);
		process = NULL;

		/* There may be more to do; but what failed would fail again. */
		drops_seen = mvs_least(drops_seen, mvs_pace_drops() - 1);
		if (mvs_worker.database->worker->vacuums == vacuums)
			not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_TIME);
	}
	return process != NULL || mvs_worker.database->worker->vacuum_pid != 0;
}

void
mvs_maintain_stop(void)
{
	MvsDatabase *database = mvs_worker.database;

	if (process)
		TerminateBackgroundWorker(process);

	/* It may be that of an earlier worker. Its process id is its own while the lock is held. */
	LWLockAcquire(database->queue_lock, LW_SHARED);
	if (database->worker->vacuum_pid != 0)
		kill(database->worker->vacuum_pid, SIGTERM);
	LWLockRelease(database->queue_lock);
}

void
mvs_maintain_take_over(void)
{
	drops_seen = -mvs_worker.database->worker->drops_unseen;
}

void
mvs_maintain_hand_over(void)
{
	MvsWorkerStatus *status = mvs_worker.database->worker;

	/* What a vacuum leaves that is under way is seen by nobody who started it. */
	status->drops_unseen = drops_since();
	if (look_owed || process || status->vacuum_pid != 0)
		status->drops_unseen = Max(status->drops_unseen, 1);
}

TimestampTz
mvs_maintain_due(void)
{
	/* Its end sets the latch. */
	if (!is_look_due() || mvs_launcher_lacks_slot() || mvs_maintain_is_running())
		return DT_NOEND;
	return mvs_greatest(TimestampTzPlusMilliseconds(mvs_worker.idle_since, REST_TIME), not_before);
}

void
mvs_maintain(void)
{
	bool		idle = TimestampDifferenceExceeds(mvs_worker.idle_since, GetCurrentTimestamp(),
												  REST_TIME);
	TimestampTz begin;
	TimestampTz end;
	bool		locked;
	bool		found;

	/* Drops come first. */
	if (mvs_launcher_lacks_slot())
	{
		mvs_maintain_stop();
		return;
	}
	if (!is_look_due() ||
		(!idle && drops_since() < mvs_maintenance_every) || GetCurrentTimestamp() < not_before)
		return;
	/* What comes meanwhile has its turn afterwards. */
	if (mvs_maintain_is_running())
		return;

	/* Dead entries are to be counted by now. */
	pgstat_report_stat(true);
	begin = GetCurrentTimestamp();
	locked = !find_work(&found);
	end = GetCurrentTimestamp();
	not_before = locked ? mvs_process_lock_delay(0) :
		end + Min((end - begin) * LOOK_SHARE, INT64CONST(1000) * RETRY_TIME);
	if (locked)
		return;
	drops_seen = mvs_pace_drops();

	/* Somebody may have had a lock, or has yet to tell what he counted: once more, at rest. */
	look_owed = !found && !idle;
	if (found)
		start_process();
}

/* See whether any store is to be vacuumed; false where somebody has the catalog locked. */
static bool
find_work(bool *found)
{
	MemoryContext old = CurrentMemoryContext;
	bool		locked;

	*found = false;
	StartTransactionCommand();
	locked = !mvs_catalog_lock();
	if (!locked)
	{
		ListCell   *cell;
		MvsCandidate candidate;

		foreach(cell, mvs_store_list())
		{
			*found = mvs_maintain_pays(lfirst_oid(cell), &candidate);
			if (*found)
				break;
		}
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	return !locked;
}

/* Start the process. Without a free worker slot, autovacuum will see to it. */
static void
start_process(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	BackgroundWorker worker = {
		.bgw_name = MVS_MAINTAIN_TYPE,
		.bgw_type = MVS_MAINTAIN_TYPE,
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "mvstore",
		.bgw_function_name = "mvs_vacuum_main",
		.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId),
		.bgw_notify_pid = MyProcPid
	};

	vacuums = mvs_worker.database->worker->vacuums;
	if (!RegisterDynamicBackgroundWorker(&worker, &process))
		process = NULL;
	MemoryContextSwitchTo(old);
}
