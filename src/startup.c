/*-------------------------------------------------------------------------
 *
 * startup.c
 *	  Shared memory at the server's start: each part says how much it wants,
 *	  and sets up its own.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "shared/drop_stats.h"
#include "shared/droppers.h"
#include "shared/others.h"
#include "shared/pool.h"
#include "shared/progress.h"
#include "shared/wake.h"
#include "startup.h"
#include "version/version.h"
#include "worker/keep.h"

typedef struct Part
{
	Size		(*size) (void); /* bytes of shared memory */
	int			(*locks) (void);	/* LWLocks; NULL: none */

	/* Sets it up, or only finds it; with AddinShmemInitLock held. */
	void		(*startup) (LWLockPadded *locks);
} Part;

static const Part parts[] = {
	{mvs_database_shmem_size, mvs_database_shmem_locks, mvs_database_shmem_startup},
	{mvs_pool_shmem_size, mvs_pool_shmem_locks, mvs_pool_shmem_startup},
	{mvs_counters_shmem_size, mvs_counters_shmem_locks, mvs_counters_shmem_startup},
	{mvs_version_shmem_size, NULL, mvs_version_shmem_startup},
	{mvs_others_shmem_size, NULL, mvs_others_shmem_startup},
};

/* Those that have state of each database. */
static const MvsDatabasePart *const database_parts[] = {
	&mvs_wake_part,
	&mvs_droppers_part,
	&mvs_backlog_part,
	&mvs_drop_stats_part,
	&mvs_progress_part,
	&mvs_clock_part,
	&mvs_version_part,
	&mvs_queue_part,
};

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void request_shmem(void);
static void startup_shmem(void);

void
mvs_startup_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
	mvs_database_set_parts(database_parts, lengthof(database_parts));
}

static void
request_shmem(void)
{
	Size		size = 0;
	int			locks = 0;
	uint64	   *kept;
	int			kept_count;

	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	/* What the kept file brings back needs its room. */
	kept_count = mvs_keep_queues(&kept);
	mvs_pool_plan(kept, kept_count);
	for (int i = 0; i < lengthof(parts); i++)
	{
		size = add_size(size, parts[i].size());
		if (parts[i].locks)
			locks += parts[i].locks();
	}
	RequestAddinShmemSpace(size);
	RequestNamedLWLockTranche("mvstore", locks);
}

static void
startup_shmem(void)
{
	LWLockPadded *locks = GetNamedLWLockTranche("mvstore");

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < lengthof(parts); i++)
	{
		parts[i].startup(locks);
		if (parts[i].locks)
			locks += parts[i].locks();
	}
	LWLockRelease(AddinShmemInitLock);

	/* Who made it all fills it; a child of the postmaster finds it so. */
	if (!IsUnderPostmaster)
		mvs_keep_init();
}
