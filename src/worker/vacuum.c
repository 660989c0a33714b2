/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  Maintenance: the process that vacuums stores.
 *
 * It passes for an autovacuum worker in one thing: who waits for a lock behind it has
 * it cancelled.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "shared/counters.h"
#include "shared/database.h"
#include "shared/drop_stats.h"
#include "shared/others.h"
#include "shared/wake.h"
#include "store/store.h"
#include "worker/launcher.h"
#include "worker/maintain.h"
#include "worker/process.h"
#include "worker/vacuum.h"

static bool join(MvsDatabase *database);
static void leave(int code, Datum argument);
static void look_like_autovacuum(void);
static void go_gently(const char *from, const char *to, const char *otherwise);
static void vacuum_store(Oid store);
static bool try_vacuum(Oid store, bool log);
static void record_vacuum(MvsDatabase *database, const MvsCandidate *candidate,
						  FullTransactionId at, TimestampTz begin, bool done);

/* Be the database's only one; false where there is another. */
static bool
join(MvsDatabase *database)
{
	bool		joined = false;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	if (database->worker->vacuum_pid == 0)
	{
		database->worker->vacuum_pid = MyProcPid;
		joined = true;
	}
	LWLockRelease(database->queue_lock);
	if (joined)
		before_shmem_exit(leave, PointerGetDatum(database));
	return joined;
}

/* Tell a worker that did not start us, and so is not told by the postmaster. */
static void
leave(int code, Datum argument)
{
	MvsDatabase *database = (MvsDatabase *) DatumGetPointer(argument);
	int			proc;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->worker->vacuum_pid = 0;
	proc = database->worker->proc;
	LWLockRelease(database->queue_lock);
	mvs_wake_proc(proc);
}

/* Have whoever waits for a lock of ours cancel us: see ProcSleep(). */
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

/* Vacuum a store; an error, also that somebody waits for a lock of ours, is not the end. */
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

/* Record what a vacuum, or a try, has changed. */
static void
record_vacuum(MvsDatabase *database, const MvsCandidate *candidate, FullTransactionId at,
			  TimestampTz begin, bool done)
{
	MvsVacuum	vacuum = candidate->last;
	int64		came;

	StartTransactionCommand();
	vacuum.left = mvs_maintain_dead_entries(candidate->store);
	CommitTransactionCommand();
	vacuum.at = at;
	vacuum.end = GetCurrentTimestamp();
	if (done)
		vacuum.time = Max(vacuum.end - begin, candidate->hurry ? vacuum.time / 2 : 0);

	/* Meanwhile there may have come some. */
	came = mvs_counters_vacuum(candidate->store).dropped - candidate->last.dropped;
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
	mvs_counters_vacuumed(candidate->store, &vacuum);

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->worker->vacuums++;
	if (done)
	{
		database->stats->maintenance_runs++;
		database->stats->last_maintenance_at = vacuum.end;
	}
	LWLockRelease(database->queue_lock);
}

void
mvs_vacuum_main(Datum argument)
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
	mvs_process_connect(DatumGetObjectId(argument));
	mvs_others_register();
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
	if (database == NULL || !join(database))
		proc_exit(0);

	/* Our worker may have gone, and the launcher have asked for slots, before we could be seen. */
	if (mvs_launcher_lacks_slot() && database->worker->proc < 0)
		proc_exit(0);
	foreach(cell, stores)
	{
		MvsCandidate candidate;
		FullTransactionId at;
		TimestampTz begin;
		bool		wanted;
		bool		done;

		CHECK_FOR_INTERRUPTS();
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		wanted = mvs_maintain_pays(lfirst_oid(cell), &candidate);
		CommitTransactionCommand();
		if (!wanted)
			continue;

		/* As gently as autovacuum does, unless that would be too slow. */
		if (candidate.hurry)
			SetConfigOption("vacuum_cost_delay", "0", PGC_SUSET, PGC_S_OVERRIDE);
		else
			go_gently("autovacuum_vacuum_cost_delay", "vacuum_cost_delay", own_delay);
		at = ReadNextFullTransactionId();
		begin = GetCurrentTimestamp();
		ereport(DEBUG1,
				(errmsg_internal("vacuuming store with OID %u %s", candidate.store,
								 candidate.hurry ? "without delay" : "gently")));
		pgstat_report_activity(STATE_RUNNING, "vacuuming a store");
		done = try_vacuum(candidate.store, candidate.last.vain < 2);
		pgstat_report_activity(STATE_IDLE, NULL);
		pgstat_report_stat(true);
		record_vacuum(database, &candidate, at, begin, done);
	}
	proc_exit(0);
}
