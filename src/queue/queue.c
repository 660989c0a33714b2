/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  The queue of drop requests in shared memory, and the marks beside it.
 *
 * Writers put requests in at their commit, the worker alone takes them out. It
 * first copies a batch and removes it from the queue only when the batch is
 * done or is kept elsewhere, so a worker that dies leaves nothing out.
 *
 * A request without room costs nobody a wait: an explicit one has its row in
 * mvstore_journal, an implicit one marks its store, and both are counted.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/settings.h"
#include "queue/queue.h"
#include "shared/lock.h"
#include "version/version.h"

/* What is left of the requests that somebody waits for. */
typedef struct Rest
{
	bool		done;			/* nothing is left */
	bool		failed;			/* but what has failed */
	bool		paused;
	bool		taken;			/* the worker has seen all of it */
	int64		held;			/* by the horizon, among all that the worker keeps */
	int64		pinned;			/* of these, by pins */
	int64		retry;			/* by locks and errors */
	int			trouble_count;
	MvsTrouble	troubles[MVS_MAX_TROUBLES];
} Rest;

static uint32 wait_event_flush = 0;

static uint64 bytes_taken(const MvsDatabase *database);
static bool secure_room(MvsDatabase *database, int64 count, Size size);
static void trim_room(MvsDatabase *database);
static bool put_request(MvsDatabase *database, MvsRequest *request, bool reserved);
static bool is_done(MvsDatabase *database, uint64 target);
static bool is_locked_by_caller(Oid store);
static bool cannot_go(MvsDatabase *database, const Rest *rest);
static void look_at_rest(MvsDatabase *database, uint64 target, Rest *rest);

/* Bytes that are used or reserved. With queue_lock held. */
static uint64
bytes_taken(const MvsDatabase *database)
{
	return database->bytes.tail - database->bytes.head + database->reserved_size;
}

/* Have room beside that; false where there is none. With queue_lock held. */
static bool
secure_room(MvsDatabase *database, int64 count, Size size)
{
	uint64		bytes = bytes_taken(database) + size;

	return database->queue_count + database->reserved_count + count <= mvs_queue_size &&
		bytes <= mvs_pool_limit() && mvs_pool_secure(&database->bytes, bytes, true);
}

/* Give back what memory is not needed any more. With queue_lock held. */
static void
trim_room(MvsDatabase *database)
{
	(void) mvs_pool_secure(&database->bytes, bytes_taken(database), true);
}

bool
mvs_queue_reserve(MvsDatabase *database, int64 count, Size size)
{
	bool		room;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	room = secure_room(database, count, size);
	if (room)
	{
		database->reserved_count += count;
		database->reserved_size += size;
	}
	LWLockRelease(database->queue_lock);
	return room;
}

void
mvs_queue_release(MvsDatabase *database, int64 count, Size size)
{
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->reserved_count -= count;
	database->reserved_size -= size;
	trim_room(database);
	LWLockRelease(database->queue_lock);
}

/* Put one request in, into room that is reserved for it, if so; false where there is none. */
static bool
put_request(MvsDatabase *database, MvsRequest *request, bool reserved)
{
	if (reserved)
	{
		database->reserved_count--;
		database->reserved_size -= request->size;
	}
	else if (!secure_room(database, 1, request->size))
		return false;
	if (database->queue_count == 0)
		database->queue_oldest = request->committed_at;
	mvs_pool_write(&database->bytes, database->bytes.tail, (char *) request, request->size);
	database->bytes.tail += request->size;
	database->queue_count++;
	database->queue_high_water = Max(database->queue_high_water, database->queue_count);
	return true;
}

bool
mvs_queue_put_back(MvsDatabase *database, MvsRequest *request, bool kept)
{
	if (!put_request(database, request, kept))
		return false;
	database->put_back = Min(database->put_back, request->sequence);
	database->put_back_end = database->bytes.tail;
	return true;
}

Size
mvs_queue_copy(MvsDatabase *database, char **requests)
{
	Size		size;

	*requests = palloc_extended(mvs_pool_longest(), MCXT_ALLOC_HUGE);
	LWLockAcquire(database->queue_lock, LW_SHARED);
	size = database->bytes.tail - database->bytes.head;
	mvs_pool_read(&database->bytes, database->bytes.head, *requests, size);
	LWLockRelease(database->queue_lock);
	return size;
}

void
mvs_queue_mark(MvsDatabase *database, Oid store, uint64 sequence)
{
	MvsMark    *mark = NULL;

	for (int i = 0; i < database->mark_count && !mark && OidIsValid(store); i++)
		if (database->marks[i].store == store)
			mark = &database->marks[i];
	if (!mark && OidIsValid(store) && database->mark_count < MVS_MAX_MARKS)
	{
		mark = &database->marks[database->mark_count++];
		mark->store = store;
		mark->sequence = sequence;
		mark->times = 0;
	}
	if (!mark)
	{
		mark = &database->all_stores;
		if (!database->all_marked)
		{
			database->all_marked = true;
			mark->sequence = sequence;
		}
	}
	mark->sequence = Min(mark->sequence, sequence);
	mark->times++;
}

void
mvs_queue_publish(MvsDatabase *database, const MvsPublication *publication)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		overflowed = publication->spilled + publication->skipped;
	bool		wake;
	ListCell   *cell;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	for (Size position = 0; position < publication->size;)
	{
		MvsRequest *request = (MvsRequest *) (publication->requests + position);

		request->sequence = ++database->published;
		request->committed_at = now;
		position += request->size;
		if (MvsRequestIsImplicit(request))
		{
			if (put_request(database, request, false))
				continue;
			overflowed++;
			mvs_queue_mark(database, request->store, request->sequence);
		}
		else if (publication->reserved)
			(void) put_request(database, request, true);
		else
		{
			/* It stands in the journal as spilled. */
			overflowed++;
			database->journal_wanted = true;
		}
	}
	if (publication->spilled > 0 || publication->journal)
	{
		database->published++;
		database->journal_wanted = true;
	}
	if (publication->recheck)
		database->recheck = true;
	if (publication->erased)
		database->erased_until = now + USECS_PER_SEC;	/* what is just being published, too */
	if (publication->pins)
		database->pins_changed = database->recheck = true;
	if (publication->pause != MVS_PAUSE_AS_IT_IS)
	{
		database->paused = (publication->pause == MVS_PAUSE_ON);
		database->pause_changed = true;
	}
	if (publication->marks != NIL)
		database->published++;
	foreach(cell, publication->marks)
		mvs_queue_mark(database, lfirst_oid(cell), database->published);

	/* What has no place in the queue is taken with all before it. */
	if (database->queue_count == 0)
		database->taken = database->published;

	database->stats.enqueued += publication->count + publication->spilled + publication->skipped;
	database->stats.merged += publication->merged;
	database->stats.overflowed += overflowed;

	wake = database->queue_count >= database->queue_wake_at ||
		overflowed > 0 || publication->marks != NIL || publication->journal ||
		publication->recheck || publication->pins || publication->pause != MVS_PAUSE_AS_IT_IS;
	if (wake)
		database->queue_wake_at = PG_INT64_MAX;
	LWLockRelease(database->queue_lock);

	if (wake)
		mvs_wake_worker(database);
}

int
mvs_queue_peek(MvsDatabase *database, char *buffer, Size space, int limit)
{
	int			count = 0;
	Size		used = 0;

	LWLockAcquire(database->queue_lock, LW_SHARED);
	while (count < limit && count < database->queue_count)
	{
		uint64		position = database->bytes.head + used;
		uint32		size;

		mvs_pool_read(&database->bytes, position, (char *) &size, sizeof(size));
		if (used + size > space)
			break;
		mvs_pool_read(&database->bytes, position, buffer + used, size);
		used += size;
		count++;
	}
	LWLockRelease(database->queue_lock);
	return count;
}

void
mvs_queue_remove(MvsDatabase *database, int count, Size size, uint64 last_sequence,
				 int64 kept, Size kept_size)
{
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->reserved_count += kept;
	database->reserved_size += kept_size;
	mvs_pool_advance(&database->bytes, size);
	trim_room(database);
	database->queue_count -= count;
	if (database->queue_count > 0)
	{
		MvsRequest	next;

		mvs_pool_read(&database->bytes, database->bytes.head, (char *) &next, offsetof(MvsRequest, key));
		database->queue_oldest = next.committed_at;
		database->taken = last_sequence;
	}
	else
		database->taken = database->published;
	if (database->bytes.head >= database->put_back_end)
		database->put_back = PG_UINT64_MAX;
	LWLockRelease(database->queue_lock);
}

void
mvs_queue_clear(MvsDatabase *database)
{
	mvs_pool_advance(&database->bytes, database->bytes.tail - database->bytes.head);
	trim_room(database);
	database->queue_count = 0;
	database->taken = database->published;
	database->put_back = PG_UINT64_MAX;
}

TimestampTz
mvs_queue_due(const MvsDatabase *database, TimestampTz now)
{
	if (database->flush_sequence > database->taken ||
		database->flush_sequence >= database->put_back)
		return now;
	if (database->queue_oldest > now)
		return now;				/* the clock was moved back */
	return TimestampTzPlusMilliseconds(database->queue_oldest, mvs_flush_interval);
}

/* Whether all requests up to a sequence number are done. With queue_lock held. */
static bool
is_done(MvsDatabase *database, uint64 target)
{
	/* Until its first worker has looked, nobody knows what an earlier life left. */
	if (!database->swept)
		return false;
	if (database->taken < target || database->put_back <= target ||
		database->unfinished <= target || database->journal_wanted)
		return false;
	if (database->all_marked && database->all_stores.sequence <= target)
		return false;
	for (int i = 0; i < database->mark_count; i++)
		if (database->marks[i].sequence <= target)
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
	int64		left = rest->held + rest->retry;

	if (!rest->taken || left == 0)
		return false;			/* the worker is at it */
	left -= rest->pinned;
	if (mvs_version_mine() != 0 &&
		mvs_version_oldest_writer(database).version == mvs_version_mine())
		left -= rest->held - rest->pinned;
	for (int i = 0; i < rest->trouble_count; i++)
		if (rest->troubles[i].locked && is_locked_by_caller(rest->troubles[i].store))
			left -= rest->troubles[i].requests;
	return left <= 0;
}

/* See what is left of the requests up to a sequence number. */
static void
look_at_rest(MvsDatabase *database, uint64 target, Rest *rest)
{
	LWLockAcquire(database->queue_lock, LW_SHARED);
	rest->done = is_done(database, target);
	rest->failed = database->failed_count > 0;
	rest->paused = database->paused;
	rest->taken = database->taken >= target && database->put_back > target &&
		!database->journal_wanted && !database->recheck &&
		database->mark_count == 0 && !database->all_marked;
	rest->held = database->held_count + database->held_sweeps;
	rest->pinned = database->pins_changed ? 0 : database->pinned_count;
	rest->retry = database->retry_count;
	rest->trouble_count = database->trouble_count;
	memcpy(rest->troubles, database->troubles, sizeof(rest->troubles));
	LWLockRelease(database->queue_lock);
}

bool
mvs_queue_wait(MvsDatabase *database, int64 timeout)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);
	uint64		target;
	Rest		rest;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	target = database->published;
	database->flush_sequence = Max(database->flush_sequence, target);
	LWLockRelease(database->queue_lock);
	look_at_rest(database, target, &rest);
	if (!rest.done)
		mvs_wake_worker(database);

	ConditionVariablePrepareToSleep(&database->progress);
	for (;;)
	{
		int64		left;

		look_at_rest(database, target, &rest);
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		if (rest.done || rest.paused || left <= 0 || cannot_go(database, &rest))
			break;
		(void) ConditionVariableTimedSleep(&database->progress, Min(left, INT_MAX),
										   mvs_compat_wait_event(&wait_event_flush,
																 "MvstoreFlush"));
	}
	ConditionVariableCancelSleep();
	return rest.done && !rest.failed;
}
