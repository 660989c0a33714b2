/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The launcher: a process without a database that starts drop workers.
 *
 * When it starts, it has every database visited once: a worker there sees
 * whether there is anything for it, and ends if not. From then on whoever wants
 * a worker says so in the slot of the database and sets the launcher's latch.
 * Being connected to no database it is in nobody's way.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/once.h"
#include "base/settings.h"
#include "shared/standby.h"
#include "shared/wake.h"
#include "worker/keep.h"
#include "worker/launcher.h"
#include "worker/process.h"

/* Milliseconds: before another try where no slot is free; longest delay of restarts. */
#define SLOT_DELAY 5000
#define MAX_START_DELAY 60000

/* Milliseconds after which the log may say again that no slot is free. */
#define SAY_AGAIN 600000

/* A database that has, or is to have, a worker that we started. */
typedef struct Child
{
	Oid			database;
	bool		wanted;
	bool		visit;			/* to be visited once, without a slot */
	BackgroundWorkerHandle *handle; /* NULL: not running */
	int			failures;		/* that were short lives, in a row */
	TimestampTz started_at;
	TimestampTz start_at;		/* not before: after failures */
	TimestampTz turn_at;		/* not before: nothing to do until then */
} Child;

static List *children = NIL;
static bool slots_were_full = false;
static TimestampTz slots_at = 0;	/* none is started before: no slot was free */
static TimestampTz slots_said_at = 0;	/* the log has said so */
static uint32 wait_event_main = 0;

static void forget_launcher(int code, Datum argument);
static void list_databases(void);
static Child *child_of(Oid database);
static void collect_wishes(void);
static void reap(void);
static TimestampTz time_to_start(const Child *child, TimestampTz now);
static void start_workers(void);
static void wake_workers(bool slot_wanted);
static bool start_worker(Child *child);
static void set_state(Oid database, MvsWorkerState state);
static long time_to_sleep(void);

void
mvs_launcher_init(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "mvstore", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "mvs_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "mvstore launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "mvstore launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

bool
mvs_launcher_wants_slots(void)
{
	return mvs_shared->workers_wanted || mvs_shared->slot_wanted;
}

bool
mvs_launcher_lacks_slot(void)
{
	return mvs_shared->slot_wanted;
}

void
mvs_launcher_main(Datum argument)
{
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	before_shmem_exit(forget_launcher, (Datum) 0);
	mvs_keep_end();
	mvs_process_pin_settings();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	LWLockAcquire(mvs_shared->lock, LW_EXCLUSIVE);
	mvs_shared->launcher_proc = mvs_compat_proc_number(MyProc);
	mvs_shared->workers_wanted = mvs_shared->slot_wanted = false;
	LWLockRelease(mvs_shared->lock);

	context = AllocSetContextCreate(TopMemoryContext, "mvstore launcher", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	list_databases();
	MemoryContextSwitchTo(context);

	for (;;)
	{
		long		timeout;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			if (mvs_standby_is_there())
				mvs_standby_wake_workers();
		}
		reap();
		collect_wishes();
		start_workers();

		timeout = time_to_sleep();
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout,
						 mvs_compat_wait_event(&wait_event_main, "MvstoreLauncherMain"));
	}
}

static void
forget_launcher(int code, Datum argument)
{
	LWLockAcquire(mvs_shared->lock, LW_EXCLUSIVE);
	mvs_shared->launcher_proc = -1;
	LWLockRelease(mvs_shared->lock);
}

/* Have every database visited that can be connected to and is no template. */
static void
list_databases(void)
{
	MemoryContext context = CurrentMemoryContext;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (form->datallowconn && !form->datistemplate && form->datconnlimit != -2)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			child_of(form->oid)->visit = true;
			MemoryContextSwitchTo(old);
		}
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
}

/* Return our record of a database, made when there is none. */
static Child *
child_of(Oid database)
{
	ListCell   *cell;
	Child	   *child;

	foreach(cell, children)
	{
		if (((Child *) lfirst(cell))->database == database)
			return lfirst(cell);
	}
	child = palloc0(sizeof(Child));
	child->database = database;
	children = lappend(children, child);
	return child;
}

/* See who wants a worker. */
static void
collect_wishes(void)
{
	for (int i = 0; i < mvs_databases_used(); i++)
	{
		MvsDatabase *database = &mvs_shared->databases[i];
		bool		wanted;
		TimestampTz turn_at;
		Oid			oid;

		LWLockAcquire(database->queue_lock, LW_SHARED);
		oid = database->oid;
		turn_at = database->worker->state == MVS_WORKER_TURN ? database->worker->turn : 0;
		wanted = database->worker->hold_offs == 0 &&
			(database->worker->state == MVS_WORKER_WANTED ||
			 database->worker->state == MVS_WORKER_TURN ||
			 database->worker->state == MVS_WORKER_NO_SLOT);
		LWLockRelease(database->queue_lock);
		if (OidIsValid(oid) && wanted)
		{
			Child	   *child = child_of(oid);

			child->wanted = true;
			child->turn_at = turn_at;
		}
	}
}

/* See which workers have ended. */
static void
reap(void)
{
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *cell;

	foreach(cell, children)
	{
		Child	   *child = lfirst(cell);
		MvsDatabase *database;
		bool		unexpected = false;
		pid_t		pid;

		if (child->handle == NULL ||
			GetBackgroundWorkerPid(child->handle, &pid) != BGWH_STOPPED)
			continue;
		pfree(child->handle);
		child->handle = NULL;
		slots_at = 0;			/* there is its slot */

		database = mvs_database_find(child->database);
		if (database)
		{
			LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);

			/* It may have ended before it could say anything. */
			if (database->oid == child->database &&
				database->worker->state == MVS_WORKER_STARTING)
				database->worker->state = MVS_WORKER_WANTED;
			unexpected = (database->oid == child->database && !database->worker->orderly &&
						  database->worker->state == MVS_WORKER_WANTED);
			LWLockRelease(database->queue_lock);
		}

		/* A worker that does not live long is started again ever later. */
		if (unexpected && !TimestampDifferenceExceeds(child->started_at, now, MAX_START_DELAY))
		{
			child->start_at = child->failures == 0 ? now :
				TimestampTzPlusMilliseconds(now, Min(500L << Min(child->failures, 10),
													 MAX_START_DELAY));
			child->failures++;
		}
		else
			child->failures = 0;
	}
}

/* Return when a wanted worker may be started, or its start tried again. */
static TimestampTz
time_to_start(const Child *child, TimestampTz now)
{
	TimestampTz start_at = Max(Max(child->start_at, child->turn_at), slots_at);

	/* Further ahead than any delay, it is of before the clock was set back. */
	return start_at > TimestampTzPlusMilliseconds(now, MAX_START_DELAY) ? now : start_at;
}

/* Whether a database has a worker: ours, or one that a launcher before us has started. */
static bool
is_running(const Child *child)
{
	MvsDatabase *database = mvs_database_find(child->database);

	return child->handle != NULL || (database && database->worker->pid != 0);
}

/* Start the workers that are wanted, as far as settings and slots allow. */
static void
start_workers(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int			running = 0;
	bool		more_wanted = false;
	bool		slot_wanted = false;
	List	   *waiting = list_copy(children);
	ListCell   *cell;

	foreach(cell, children)
		running += is_running(lfirst(cell));
	foreach(cell, waiting)
	{
		Child	   *child = lfirst(cell);

		if (child->handle == NULL && !child->visit && mvs_database_find(child->database) == NULL)
		{
			/* The database was dropped, or has no use for us. */
			children = list_delete_ptr(children, child);
			pfree(child);
			continue;
		}
		if (!(child->wanted || child->visit) || child->handle != NULL ||
			time_to_start(child, now) > now)
			continue;
		if (running >= mvs_max_workers)
			more_wanted = true;
		else if (start_worker(child))
		{
			/* Behind the others, so that each gets its turn. */
			children = lappend(list_delete_ptr(children, child), child);
			running++;
		}
		else
			break;
	}
	list_free(waiting);

	foreach(cell, children)
	{
		Child	   *child = lfirst(cell);

		slot_wanted |= slots_were_full && child->handle == NULL &&
			(child->wanted || child->visit) && Max(child->start_at, child->turn_at) <= now;
	}

	/* Workers that run are to make room, or may do what they have put off for it. */
	if (more_wanted != mvs_shared->workers_wanted || slot_wanted != mvs_shared->slot_wanted)
	{
		mvs_shared->workers_wanted = more_wanted;
		mvs_shared->slot_wanted = slot_wanted;
		wake_workers(slot_wanted);
	}
}

/* Have all workers look at what is wanted. One that has gone may have left a vacuum behind. */
static void
wake_workers(bool slot_wanted)
{
	for (int i = 0; i < mvs_databases_used(); i++)
	{
		MvsDatabase *database = &mvs_shared->databases[i];
		int			proc;

		LWLockAcquire(database->queue_lock, LW_SHARED);
		proc = OidIsValid(database->oid) ? database->worker->proc : -1;
		if (slot_wanted && OidIsValid(database->oid) && proc < 0 &&
			database->worker->vacuum_pid != 0)
			kill(database->worker->vacuum_pid, SIGTERM);
		LWLockRelease(database->queue_lock);
		mvs_wake_proc(proc);
	}
}

/* Start one worker; false where the server has no slot for it. */
static bool
start_worker(Child *child)
{
	TimestampTz now = GetCurrentTimestamp();
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "mvstore", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "mvs_worker_main", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, BGW_MAXLEN, "mvstore drop worker for database %u",
			 child->database);
	strlcpy(worker.bgw_type, "mvstore drop worker", BGW_MAXLEN);
	worker.bgw_main_arg = ObjectIdGetDatum(child->database);
	worker.bgw_notify_pid = MyProcPid;

	set_state(child->database, MVS_WORKER_STARTING);
	if (!RegisterDynamicBackgroundWorker(&worker, &child->handle))
	{
		set_state(child->database, MVS_WORKER_NO_SLOT);
		if (slots_said_at == 0 || TimestampDifferenceExceeds(slots_said_at, now, SAY_AGAIN))
		{
			slots_said_at = now;
			ereport(LOG,
					(errmsg("no free slot for a drop worker of mvstore"),
					 errdetail("Drop requests are kept until there is one."),
					 errhint("Raise \"max_worker_processes\" and restart the server.")));
		}
		slots_were_full = true;
		child->handle = NULL;
		slots_at = TimestampTzPlusMilliseconds(now, SLOT_DELAY);
		return false;
	}
	slots_were_full = false;
	child->wanted = child->visit = false;
	child->started_at = now;
	return true;
}

/* Say in a database's slot how it stands with its worker, unless it has one. */
static void
set_state(Oid oid, MvsWorkerState state)
{
	MvsDatabase *database = mvs_database_find(oid);

	if (database == NULL)
		return;
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	if (database->oid == oid && database->worker->pid == 0)
	{
		database->worker->state = state;
		database->worker->orderly = false;
	}
	LWLockRelease(database->queue_lock);
}

/* Return the milliseconds until a worker is to be started, or -1. */
static long
time_to_sleep(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz wake_at = DT_NOEND;
	ListCell   *cell;

	foreach(cell, children)
	{
		Child	   *child = lfirst(cell);

		if ((child->wanted || child->visit) && child->handle == NULL &&
			time_to_start(child, now) > now)
			wake_at = mvs_least(wake_at, time_to_start(child, now));
	}
	if (wake_at == DT_NOEND)
		return -1;
	return mvs_least(TimestampDifferenceMilliseconds(now, wake_at) + 1, INT_MAX);
}
