/*-------------------------------------------------------------------------
 *
 * maintain.c
 *	  Maintenance: vacuuming stores from which much was dropped.
 *
 * It pays where a store's dead entries are beyond what autovacuum goes by, for the
 * table or in general. Dead entries that an old snapshot keeps are not vacuumed for
 * again and again: either so many came by drops since the last time, or whoever was
 * in the way then has gone. Where nobody was and they did not get fewer, or a vacuum
 * failed, there is a pause, a longer one each time, unless as many again came since.
 * A table whose owner has switched autovacuum off is left alone.
 *
 * The process passes for an autovacuum worker in one thing: who waits for a lock
 * behind it has it cancelled.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "pgstat.h"
#include "postmaster/autovacuum.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/settings.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "store/store.h"
#include "worker/launcher.h"
#include "worker/maintain.h"
#include "worker/worker.h"

/*
 * Milliseconds: a store that is to be vacuumed again within that time gets dead
 * entries faster than a gentle vacuum, and the next ones would clear them.
 */
#define SOON 60000

/* Milliseconds before another try after one that came to nothing; the longest, doubled each time. */
#define RETRY_TIME 60000
#define MAX_RETRY_TIME 3600000

/* A store to be vacuumed, perhaps. */
typedef struct Candidate
{
	Oid			store;
	MvsVacuum	last;			/* of it */
	int64		dead;			/* entries */
	bool		hurry;			/* dead entries come fast */
	bool		free;			/* nobody is in the way who was so at the last vacuum */
} Candidate;

/* In the drop worker. */
static BackgroundWorkerHandle *process = NULL;
static int64 flushes = 0;		/* since stores were last looked at */
static TimestampTz not_before = 0;	/* they are not looked at again */
static uint64 vacuums;			/* that there had been when the process was started */

static int64 dead_entries(Oid store);
static bool pays(Oid store, Candidate *candidate);
static bool find_work(bool *found);
static void start_process(void);
static void look_like_autovacuum(void);
static void go_gently(const char *from, const char *to, const char *otherwise);
static void vacuum_store(Oid store);
static bool try_vacuum(Oid store, bool log);
static void note_vacuum(MvsDatabase *database, const Candidate *candidate, FullTransactionId at,
						bool done);

static int64
dead_entries(Oid store)
{
	return DatumGetInt64(DirectFunctionCall1(pg_stat_get_dead_tuples, ObjectIdGetDatum(store)));
}

/* Whether a store is to be vacuumed now. */
static bool
pays(Oid store, Candidate *candidate)
{
	MvsVacuum	last = mvs_stats_vacuum(store);
	TimestampTz now = GetCurrentTimestamp();
	double		threshold = autovacuum_vac_thresh;
	double		scale = autovacuum_vac_scale;
	double		entries;
	double		enough;
	Relation	heap;
	bool		enabled = true;

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
	entries = Max(heap->rd_rel->reltuples, threshold);
	candidate->free = FullTransactionIdIsValid(last.at) &&
		TransactionIdFollowsOrEquals(GetOldestNonRemovableTransactionId(heap),
									 XidFromFullTransactionId(last.at));
	relation_close(heap, ShareUpdateExclusiveLock);

	candidate->store = store;
	candidate->last = last;
	candidate->dead = dead_entries(store);
	candidate->hurry = (double) candidate->dead > entries ||
		(last.end != 0 && !TimestampDifferenceExceeds(last.end, now, SOON));

	/* The first time in vain, somebody may have been in the way; after that, it is something else. */
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

void
mvs_maintain_count(void)
{
	flushes++;
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
		flushes = Max(flushes, 1);
		if (mvs_worker.database->vacuums == vacuums)
			not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_TIME);
	}
	return process != NULL;
}

void
mvs_maintain_stop(void)
{
	if (process)
		TerminateBackgroundWorker(process);
}

TimestampTz
mvs_maintain_due(TimestampTz idle_since, int delay)
{
	/* Its end sets the latch. */
	if (flushes == 0 || mvs_maintenance_every == 0 || mvs_launcher_lacks_slot() ||
		mvs_maintain_is_running())
		return DT_NOEND;
	return Max(TimestampTzPlusMilliseconds(idle_since, delay), not_before);
}

void
mvs_maintain(bool idle)
{
	bool		found;

	/* Drops come first. */
	if (mvs_launcher_lacks_slot())
	{
		mvs_maintain_stop();
		return;
	}
	if (mvs_maintenance_every == 0 || flushes == 0 ||
		(!idle && flushes < mvs_maintenance_every) || GetCurrentTimestamp() < not_before)
		return;
	/* What comes meanwhile has its turn afterwards. */
	if (mvs_maintain_is_running())
		return;

	/* Dead entries are to be counted by now. */
	pgstat_report_stat(true);
	if (!find_work(&found))
	{
		not_before = mvs_worker_lock_delay(0);
		return;
	}
	flushes = 0;
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
		Candidate	candidate;

		foreach(cell, mvs_store_list())
		{
			if (!*found && pays(lfirst_oid(cell), &candidate))
				*found = true;
		}
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	return !locked;
}

/* Without a free worker slot, autovacuum will see to it. */
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
		.bgw_function_name = "mvs_maintain_main",
		.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId),
		.bgw_notify_pid = MyProcPid
	};

	vacuums = mvs_worker.database->vacuums;
	if (!RegisterDynamicBackgroundWorker(&worker, &process))
		process = NULL;
	MemoryContextSwitchTo(old);
}

/* ------------------------------------------------------------------------
 * The process
 * ------------------------------------------------------------------------ */

/* So that whoever waits for a lock of ours has us cancelled: see ProcSleep(). */
static void
look_like_autovacuum(void)
{
	LWLockAcquire(ProcArrayLock, LW_EXCLUSIVE);
	MyProc->statusFlags |= PROC_IS_AUTOVACUUM;
	ProcGlobal->statusFlags[MyProc->pgxactoff] = MyProc->statusFlags;
	LWLockRelease(ProcArrayLock);
}

/* Take a setting of autovacuum's for VACUUM; -1 there means VACUUM's own, which it was once. */
static void
go_gently(const char *from, const char *to, const char *otherwise)
{
	const char *value = GetConfigOption(from, true, false);

	SetConfigOption(to, value && atof(value) >= 0 ? value : otherwise,
					PGC_SUSET, PGC_S_OVERRIDE);
}

/* Vacuum one store, in transactions of the command's own. */
static void
vacuum_store(Oid store)
{
	VacuumStmt *command = makeNode(VacuumStmt);
	char	   *name = get_rel_name(store);
	char	   *schema = name ? get_namespace_name(get_rel_namespace(store)) : NULL;

	if (schema == NULL)
		return;
	command->options = list_make2(makeDefElem("skip_locked", NULL, -1),
								  makeDefElem("parallel", (Node *) makeInteger(0), -1));
	command->rels = list_make1(makeVacuumRelation(makeRangeVar(schema, name, -1), store, NIL));
	command->is_vacuumcmd = true;
	ExecVacuum(make_parsestate(NULL), command, true);
}

/* The same; an error, also that somebody waits for a lock of ours, is not the end. */
static bool
try_vacuum(Oid store, bool log)
{
	volatile bool done = false;

	PG_TRY();
	{
		StartTransactionCommand();
		MemoryContextSwitchTo(PortalContext);
		vacuum_store(store);
		CommitTransactionCommand();
		done = true;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		if (log)
			EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		QueryCancelPending = false;
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(PortalContext);
	return done;
}

/* Note what a vacuum, or a try, has changed. */
static void
note_vacuum(MvsDatabase *database, const Candidate *candidate, FullTransactionId at, bool done)
{
	MvsVacuum	vacuum = candidate->last;
	int64		came;

	StartTransactionCommand();
	vacuum.left = dead_entries(candidate->store);
	CommitTransactionCommand();
	vacuum.at = at;
	vacuum.end = GetCurrentTimestamp();

	/* Meanwhile there may have come some. */
	came = mvs_stats_vacuum(candidate->store).dropped - candidate->last.dropped;
	if (done && candidate->dead + came > vacuum.left)
		vacuum.vain = 0;
	else if (done && !candidate->free)
		vacuum.vain = 1;
	else
		vacuum.vain = done ? vacuum.vain + 1 : Max(vacuum.vain + 1, 2);
	if (done && vacuum.vain == 2)
		ereport(LOG,
				(errmsg("store with OID %u was vacuumed, and has as many dead entries as before",
						candidate->store),
				 errdetail("It will be vacuumed again after growing delays.")));
	mvs_stats_vacuumed(candidate->store, &vacuum);

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->vacuums++;
	if (done)
	{
		database->stats.maintenance_runs++;
		database->stats.last_maintenance_at = vacuum.end;
	}
	LWLockRelease(database->queue_lock);
}

void
mvs_maintain_main(Datum argument)
{
	MemoryContext context;
	MvsDatabase *database;
	List	   *stores;
	ListCell   *cell;
	const char *own_delay;
	const char *own_limit;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	mvs_worker_connect(DatumGetObjectId(argument));
	look_like_autovacuum();

	PortalContext = context = AllocSetContextCreate(TopMemoryContext, MVS_MAINTAIN_TYPE,
													ALLOCSET_DEFAULT_SIZES);
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	stores = mvs_store_list();
	own_delay = pstrdup(GetConfigOption("vacuum_cost_delay", false, false));
	own_limit = pstrdup(GetConfigOption("vacuum_cost_limit", false, false));
	CommitTransactionCommand();
	go_gently("autovacuum_vacuum_cost_limit", "vacuum_cost_limit", own_limit);

	database = mvs_database_find(MyDatabaseId);
	if (database == NULL)
		proc_exit(0);
	foreach(cell, stores)
	{
		Candidate	candidate;
		FullTransactionId at;
		bool		wanted;
		bool		done;

		CHECK_FOR_INTERRUPTS();
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		wanted = pays(lfirst_oid(cell), &candidate);
		CommitTransactionCommand();
		if (!wanted)
			continue;

		/* As gently as autovacuum does, unless that would be too slow. */
		if (candidate.hurry)
			SetConfigOption("vacuum_cost_delay", "0", PGC_SUSET, PGC_S_OVERRIDE);
		else
			go_gently("autovacuum_vacuum_cost_delay", "vacuum_cost_delay", own_delay);
		at = ReadNextFullTransactionId();
		pgstat_report_activity(STATE_RUNNING, "vacuuming a store");
		done = try_vacuum(candidate.store, candidate.last.vain < 2);
		pgstat_report_activity(STATE_IDLE, NULL);
		pgstat_report_stat(true);
		note_vacuum(database, &candidate, at, done);
	}
	proc_exit(0);
}
