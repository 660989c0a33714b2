/*-------------------------------------------------------------------------
 *
 * flush.c
 *	  Waiting until what is published in the queue is done.
 *
 * A backend remembers the last sequence number that is published at its call, has
 * the worker woken, and looks each time that the worker has moved on.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "queue/flush.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/lock.h"
#include "shared/progress.h"
#include "shared/wake.h"
#include "version/version.h"

/* What is left of the requests that somebody waits for. */
typedef struct Rest
{
	bool		done;			/* nothing is left */
	bool		failed;			/* but what has failed */
	bool		paused;
	bool		taken;			/* the worker has seen all of it */
	MvsBacklog	backlog;		/* among all that the worker keeps */
} Rest;

static uint32 wait_event_flush = 0;

static bool is_done(MvsDatabase *database, uint64 target, uint64 unfinished);
static bool is_locked_by_caller(Oid store);
static bool cannot_go(MvsDatabase *database, const Rest *rest);
static void look_at_rest(MvsDatabase *database, uint64 target, Rest *rest);
static const char *phase_of(const MvsDatabase *database, uint64 target, const MvsBacklog *backlog);
static void stop_showing(int code, Datum database);
static void wait_for(MvsDatabase *database, uint64 target, TimestampTz deadline, Rest *rest);

/*
 * Whether all requests up to a sequence number are done, where the worker keeps none below
 * "unfinished". With queue_lock held.
 */
static bool
is_done(MvsDatabase *database, uint64 target, uint64 unfinished)
{
	/*
	 * Until its first worker has looked, nobody knows what an earlier life left; nor what was
	 * restored before somebody resumed.
	 */
	if (!database->queue->swept ||
		database->queue->pauses_known != database->queue->pause_changes)
		return false;
	if (database->queue->taken < target || database->queue->put_back <= target ||
		unfinished <= target || database->queue->journal_wanted ||
		(database->queue->prepared_wanted && database->queue->prepared_sequence <= target))
		return false;
	if (database->queue->all_marked && database->queue->all_stores.sequence <= target)
		return false;
	for (int i = 0; i < database->queue->mark_count; i++)
		if (database->queue->marks[i].sequence <= target)
			return false;
	return true;
}

/* Whether the caller's transaction has a lock that keeps the worker from a store. */
static bool
is_locked_by_caller(Oid store)
{
	LOCKTAG		tag;

	if (mvs_lock_drops_held(store))
		return true;
	SET_LOCKTAG_RELATION(tag, MyDatabaseId, store);
	for (LOCKMODE mode = ShareLock; mode <= AccessExclusiveLock; mode++)
		if (mvs_compat_lock_held(&tag, mode))
			return true;
	return false;
}

/*
 * Whether all that is left is pinned, or waits for the caller's own transaction,
 * by the horizon or by a lock: it would wait for itself.
 */
static bool
cannot_go(MvsDatabase *database, const Rest *rest)
{
	const MvsBacklog *backlog = &rest->backlog;
	int64		left = backlog->held + backlog->retrying;

	if (!rest->taken || left == 0)
		return false;			/* the worker is at it */
	left -= backlog->pinned;
	if (mvs_version_mine() != 0 &&
		mvs_version_oldest_writer(database).version == mvs_version_mine())
		left -= backlog->held - backlog->pinned;
	for (int i = 0; i < backlog->trouble_count; i++)
		if (backlog->troubles[i].locked && is_locked_by_caller(backlog->troubles[i].store))
			left -= backlog->troubles[i].requests;
	return left <= 0;
}

/* See what is left of the requests up to a sequence number. */
static void
look_at_rest(MvsDatabase *database, uint64 target, Rest *rest)
{
	LWLockAcquire(database->queue_lock, LW_SHARED);
	mvs_backlog_combine(database->backlogs, &rest->backlog);
	rest->done = is_done(database, target, rest->backlog.unfinished);
	rest->failed = database->queue->failed_count > 0;
	/* As long as the worker has yet to look at the row, nobody knows what is left either. */
	rest->paused = database->queue->paused && !database->queue->prepared_wanted &&
		database->queue->pauses_known == database->queue->pause_changes;
	rest->taken = database->queue->taken >= target && database->queue->put_back > target &&
		!database->queue->journal_wanted && !database->queue->recheck &&
		!database->queue->prepared_wanted && database->queue->mark_count == 0 &&
		!database->queue->all_marked && !database->backlogs->pins_changed;
	LWLockRelease(database->queue_lock);
}

/* What requests up to a sequence number wait for. With queue_lock held. */
static const char *
phase_of(const MvsDatabase *database, uint64 target, const MvsBacklog *backlog)
{
	const MvsQueue *queue = database->queue;

	if (queue->paused)
		return "paused";
	if (database->worker->pid == 0)
		return "waiting for a worker";
	if (database->worker->throttled_since != 0)
		return "rate limit";
	if (queue->journal_wanted || backlog->unfinished == 0)
		return "replaying the journal";
	if (queue->taken < target || queue->put_back <= target)
		return "working off the queue";
	for (int i = 0; i < backlog->trouble_count; i++)
		if (backlog->troubles[i].requests > 0)
			return backlog->troubles[i].locked ? "waiting for a lock" : "waiting after an error";
	if (backlog->held > 0 && backlog->retrying == 0)
		return backlog->pinned < backlog->held ? "waiting for a writer" : "waiting for a pin";
	if (queue->mark_count > 0 || queue->all_marked || !queue->swept ||
		database->backlogs->parts[MVS_BACKLOG_SWEEPS].unfinished <= target)
		return "sweeping stores";
	return "working off requests";
}

int64
mvs_flush_left(MvsDatabase *database, uint64 sequence, const char **phase)
{
	MvsBacklog	backlog;
	int64		left;

	LWLockAcquire(database->queue_lock, LW_SHARED);
	mvs_backlog_combine(database->backlogs, &backlog);
	left = backlog.held + backlog.retrying + database->queue->mark_count;
	if (sequence > database->queue->taken)
		left += (int64) (sequence - database->queue->taken);
	*phase = phase_of(database, sequence, &backlog);
	LWLockRelease(database->queue_lock);
	return left;
}

/* At the end of the wait, however it comes. */
static void
stop_showing(int code, Datum database)
{
	mvs_progress_end((MvsDatabase *) DatumGetPointer(database), InvalidOid, MyProcPid);
}

/* Wait until all up to a sequence number is done, or cannot be while we wait. */
static void
wait_for(MvsDatabase *database, uint64 target, TimestampTz deadline, Rest *rest)
{
	const char *phase;

	mvs_progress_wait(database, target, mvs_flush_left(database, target, &phase));
	ConditionVariablePrepareToSleep(&database->progress);
	for (;;)
	{
		int64		left;

		look_at_rest(database, target, rest);
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		if (rest->done || rest->paused || left <= 0 || cannot_go(database, rest))
			break;
		(void) ConditionVariableTimedSleep(&database->progress, Min(left, INT_MAX),
										   mvs_compat_wait_event(&wait_event_flush,
																 "MvstoreFlush"));
	}
	ConditionVariableCancelSleep();
}

bool
mvs_flush_wait(MvsDatabase *database, int64 timeout)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);
	uint64		target;
	Rest		rest;

	/* Of one that was ended by no command nobody may have told yet. */
	mvs_version_settle_prepared(database, mvs_queue_prepared_ended);
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	target = database->queue->published;
	database->queue->flush_sequence = Max(database->queue->flush_sequence, target);
	LWLockRelease(database->queue_lock);
	look_at_rest(database, target, &rest);
	if (!rest.done)
	{
		mvs_wake_worker(database);
		PG_ENSURE_ERROR_CLEANUP(stop_showing, PointerGetDatum(database));
		wait_for(database, target, deadline, &rest);
		PG_END_ENSURE_ERROR_CLEANUP(stop_showing, PointerGetDatum(database));
		stop_showing(0, PointerGetDatum(database));
	}
	return rest.done && !rest.failed;
}
