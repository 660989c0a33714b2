/*-------------------------------------------------------------------------
 *
 * wake.c
 *	  The worker of a database, as others see it: whether there is one, and waking it.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/latch.h"
#include "storage/proc.h"

#include "shared/wake.h"

static void reset(MvsDatabase *database, void *place);
static bool is_idle(const MvsDatabase *database);

const MvsDatabasePart mvs_wake_part = {
	.size = sizeof(MvsWorkerStatus),
	.reset = reset,
	.is_idle = is_idle
};

static void
reset(MvsDatabase *database, void *place)
{
	database->worker = place;
	memset(place, 0, sizeof(MvsWorkerStatus));
	database->worker->state = MVS_WORKER_NONE;
	database->worker->proc = -1;
}

static bool
is_idle(const MvsDatabase *database)
{
	return database->worker->hold_offs == 0;
}

void
mvs_wake_proc(int proc)
{
	if (proc >= 0)
		SetLatch(&ProcGlobal->allProcs[proc].procLatch);
}

void
mvs_wake_worker(MvsDatabase *database)
{
	MvsWorkerStatus *worker = database->worker;
	int			proc;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	proc = worker->proc;
	if (proc < 0 && worker->state == MVS_WORKER_NONE)
		worker->state = MVS_WORKER_WANTED;
	else if (proc < 0 && worker->state == MVS_WORKER_TURN)
		worker->turn = 0;
	LWLockRelease(database->queue_lock);
	mvs_wake_proc(proc >= 0 ? proc : mvs_shared->launcher_proc);
}
