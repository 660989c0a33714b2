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
#include "storage/shmem.h"

#include "base/settings.h"
#include "shared/wake.h"

/* Of each slot. */
static MvsWorkerStatus *workers = NULL;

Size
mvs_wake_shmem_size(void)
{
	return mul_size(mvs_max_databases, sizeof(MvsWorkerStatus));
}

void
mvs_wake_shmem_startup(LWLockPadded *locks)
{
	bool		found;

	workers = ShmemInitStruct("mvstore workers", mvs_wake_shmem_size(), &found);
}

void
mvs_wake_reset(MvsDatabase *database)
{
	database->worker = &workers[mvs_database_number(database)];
	memset(database->worker, 0, sizeof(MvsWorkerStatus));
	database->worker->state = MVS_WORKER_NONE;
	database->worker->proc = -1;
}

bool
mvs_wake_is_idle(const MvsDatabase *database)
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
	if (proc < 0 && (worker->state == MVS_WORKER_NONE || worker->state == MVS_WORKER_TURN))
		worker->state = MVS_WORKER_WANTED;
	LWLockRelease(database->queue_lock);
	mvs_wake_proc(proc >= 0 ? proc : mvs_shared->launcher_proc);
}
