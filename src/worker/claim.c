/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  A worker's claim to the slot of its database: how it is taken, and given up.
 *
 * There are three ends. For good, when nothing is kept (mvs_claim_leave()); until
 * something is due, when another database waits for a worker (mvs_claim_give_way());
 * and any other, after which a worker is wanted again. Whatever ends the process, what
 * it keeps goes back to the queue; for what has no room there, explicit requests are in
 * the journal, and the stores of the others are marked.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/once.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/database.h"
#include "shared/fault.h"
#include "shared/progress.h"
#include "shared/wake.h"
#include "version/clock.h"
#include "version/session.h"
#include "worker/claim.h"
#include "worker/launcher.h"
#include "worker/left.h"
#include "worker/maintain.h"
#include "worker/pending.h"
#include "worker/process.h"
#include "worker/sweep.h"

/* Milliseconds after which one that has given way asks for its place again. */
#define ASK_AGAIN 60000

static bool gives_way = false;	/* it ends to make room, and has said so */

/* ------------------------------------------------------------------------
 * Taking it
 * ------------------------------------------------------------------------ */

bool
mvs_claim_take(void)
{
	/* Who looked for the extension has joined it, in a transaction. */
	MvsDatabase *slot = mvs_database_find(MyDatabaseId);
	bool		claimed = false;

	LWLockAcquire(slot->queue_lock, LW_EXCLUSIVE);
	slot->vacant = false;
	if (slot->worker->pid == 0)
	{
		slot->worker->pid = MyProcPid;
		slot->worker->proc = mvs_compat_proc_number(MyProc);
		slot->worker->state = MVS_WORKER_BUSY;
		slot->queue->wake_at = PG_INT64_MAX;
		claimed = true;
	}
	LWLockRelease(slot->queue_lock);
	if (claimed)
	{
		/* The last one may have ended with the row of mvstore_stable unwritten. */
		mvs_clock_want_stable(slot);
		mvs_worker.database = slot;
		mvs_maintain_take_over();
	}
	return claimed;
}

uint64
mvs_claim_requested(void)
{
	MvsDatabase *slot = mvs_database_find(MyDatabaseId);
	uint64		requested = 0;

	if (slot)
	{
		LWLockAcquire(slot->queue_lock, LW_SHARED);
		requested = slot->queue->published;
		LWLockRelease(slot->queue_lock);
	}
	return requested;
}

void
mvs_claim_void(uint64 requested)
{
	MvsDatabase *slot = mvs_database_find(MyDatabaseId);

	if (slot == NULL)
		return;
	LWLockAcquire(slot->queue_lock, LW_EXCLUSIVE);
	if (slot->worker->pid == 0 && slot->queue->published == requested)
	{
		mvs_queue_clear(slot);
		slot->queue->wake_at = 1;
		slot->clock->stable_due = false;
		slot->worker->state = MVS_WORKER_NONE;
		slot->worker->orderly = true;
	}
	LWLockRelease(slot->queue_lock);
	ConditionVariableBroadcast(&slot->progress);
	mvs_claim_review();
}

/* ------------------------------------------------------------------------
 * Giving it up
 * ------------------------------------------------------------------------ */

void
mvs_claim_review(void)
{
	MemoryContext old = CurrentMemoryContext;

	StartTransactionCommand();
	mvs_session_review_use();
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
}

void
mvs_claim_leave(void)
{
	MvsDatabase *database = mvs_worker.database;

	/* Who publishes from now on finds no worker, and wants one. */
	database->worker->proc = -1;
	database->worker->pid = 0;
	database->worker->state = MVS_WORKER_NONE;
	database->worker->orderly = true;
	database->queue->wake_at = 1;
	mvs_maintain_hand_over();
	LWLockRelease(database->queue_lock);
	ConditionVariableBroadcast(&database->progress);
	mvs_claim_review();
	mvs_wake_proc(mvs_shared->launcher_proc);
	proc_exit(0);
}

void
mvs_claim_give_way(TimestampTz until)
{
	MvsDatabase *database = mvs_worker.database;
	TimestampTz now = GetCurrentTimestamp();

	/* Whoever has news from now on finds no worker, and wants the next one at once. */
	database->worker->proc = -1;
	database->worker->state = MVS_WORKER_TURN;
	database->worker->orderly = true;
	database->worker->turn = mvs_least(Max(until, now),
									   TimestampTzPlusMilliseconds(now, ASK_AGAIN));
	database->queue->wake_at = 1;
	LWLockRelease(database->queue_lock);
	gives_way = true;
	MVS_FAULT("given-way");
	proc_exit(0);
}

void
mvs_claim_release(int code, Datum argument)
{
	MvsDatabase *database = mvs_worker.database;

	/* Where it was left for good, it may be another one's by now. */
	if (database == NULL || database->worker->pid != MyProcPid)
		return;

	/* A vacuum goes on where another worker will come, and nobody wants what it takes. */
	if (!gives_way || mvs_launcher_lacks_slot())
		mvs_maintain_stop();
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	mvs_maintain_hand_over();
	mvs_pending_give_back(database);
	mvs_left_give_back(database);
	mvs_sweep_give_back(database);
	mvs_backlog_clear(database->backlogs);
	mvs_progress_clear(database->operations);
	database->worker->throttled_since = 0;
	database->worker->pid = 0;
	database->worker->proc = -1;
	if (!gives_way)
		database->worker->state = MVS_WORKER_WANTED;
	database->queue->wake_at = 1;
	LWLockRelease(database->queue_lock);
	ConditionVariableBroadcast(&database->progress);
	mvs_wake_proc(mvs_shared->launcher_proc);
	mvs_worker.database = NULL;
}
