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

#include "utils/timestamp.h"

#include "base/settings.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/drop_stats.h"
#include "shared/pool.h"
#include "shared/wake.h"

static void reset(MvsDatabase *database, void *place);
static bool is_idle(const MvsDatabase *database);
static void give_back(MvsDatabase *database);
static uint64 bytes_taken(const MvsQueue *queue);
static bool secure_room(MvsQueue *queue, int64 count, Size size);
static void trim_room(MvsQueue *queue);
static bool put_request(MvsQueue *queue, MvsRequest *request, bool reserved);
static int64 publish_requests(MvsDatabase *database, const MvsPublication *publication,
							  TimestampTz now);
static void publish_news(MvsDatabase *database, const MvsPublication *publication,
						 TimestampTz now, uint64 sequence);

const MvsDatabasePart mvs_queue_part = {
	.size = sizeof(MvsQueue),
	.reset = reset,
	.is_idle = is_idle,
	.free = give_back
};

static void
reset(MvsDatabase *database, void *place)
{
	MvsQueue   *queue = database->queue = place;

	memset(queue, 0, sizeof(MvsQueue));
	queue->wake_at = 1;
	queue->put_back = PG_UINT64_MAX;
	queue->pause_changes = 1;
	queue->prepared_wanted = true;
}

static bool
is_idle(const MvsDatabase *database)
{
	return mvs_queue_is_done(database) && database->queue->reserved_count == 0;
}

static void
give_back(MvsDatabase *database)
{
	database->queue->reserved_count = 0;
	database->queue->reserved_size = 0;
	mvs_queue_clear(database);
}

/* Bytes that are used or reserved. With queue_lock held. */
static uint64
bytes_taken(const MvsQueue *queue)
{
	return queue->bytes.tail - queue->bytes.head + queue->reserved_size;
}

/* Have room beside that; false where there is none. With queue_lock held. */
static bool
secure_room(MvsQueue *queue, int64 count, Size size)
{
	uint64		bytes = bytes_taken(queue) + size;

	return queue->count + queue->reserved_count + count <= mvs_queue_size &&
		bytes <= mvs_pool_limit() && mvs_pool_secure(&queue->bytes, bytes, true);
}

/* Give back what memory is not needed any more. With queue_lock held. */
static void
trim_room(MvsQueue *queue)
{
	(void) mvs_pool_secure(&queue->bytes, bytes_taken(queue), true);
}

bool
mvs_queue_reserve(MvsDatabase *database, int64 count, Size size)
{
	MvsQueue   *queue = database->queue;
	bool		room;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	room = secure_room(queue, count, size);
	if (room)
	{
		queue->reserved_count += count;
		queue->reserved_size += size;
	}
	LWLockRelease(database->queue_lock);
	return room;
}

void
mvs_queue_release(MvsDatabase *database, int64 count, Size size)
{
	MvsQueue   *queue = database->queue;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	queue->reserved_count -= count;
	queue->reserved_size -= size;
	trim_room(queue);
	LWLockRelease(database->queue_lock);
}

/* Put one request in, into room that is reserved for it, if it is; false where there is none. */
static bool
put_request(MvsQueue *queue, MvsRequest *request, bool reserved)
{
	if (reserved)
	{
		queue->reserved_count--;
		queue->reserved_size -= request->size;
	}
	else if (!secure_room(queue, 1, request->size))
		return false;
	if (queue->count == 0)
		queue->oldest = request->committed_at;
	mvs_pool_write(&queue->bytes, queue->bytes.tail, (char *) request, request->size);
	queue->bytes.tail += request->size;
	queue->count++;
	queue->high_water = Max(queue->high_water, queue->count);
	return true;
}

bool
mvs_queue_put_back(MvsDatabase *database, MvsRequest *request, bool kept)
{
	MvsQueue   *queue = database->queue;

	if (!put_request(queue, request, kept))
		return false;
	queue->put_back = Min(queue->put_back, request->sequence);
	queue->put_back_end = queue->bytes.tail;
	return true;
}

Size
mvs_queue_copy(MvsDatabase *database, char **requests)
{
	MvsQueue   *queue = database->queue;
	Size		size;

	*requests = palloc_extended(mvs_pool_longest(), MCXT_ALLOC_HUGE);
	LWLockAcquire(database->queue_lock, LW_SHARED);
	size = queue->bytes.tail - queue->bytes.head;
	mvs_pool_read(&queue->bytes, queue->bytes.head, *requests, size);
	LWLockRelease(database->queue_lock);
	return size;
}

void
mvs_queue_mark(MvsDatabase *database, Oid store, uint64 sequence, int64 wait_for)
{
	MvsQueue   *queue = database->queue;
	MvsMark    *mark = NULL;

	for (int i = 0; i < queue->mark_count && !mark && OidIsValid(store); i++)
		if (queue->marks[i].store == store)
			mark = &queue->marks[i];
	if (!mark && OidIsValid(store) && queue->mark_count < MVS_MAX_MARKS)
	{
		mark = &queue->marks[queue->mark_count++];
		mark->store = store;
		mark->sequence = sequence;
		mark->wait_for = wait_for;
		mark->times = 0;
	}
	if (!mark)
	{
		mark = &queue->all_stores;
		if (!queue->all_marked)
		{
			queue->all_marked = true;
			mark->sequence = sequence;
			mark->wait_for = wait_for;	/* of any: a pass may come too early */
		}
	}
	mark->sequence = Min(mark->sequence, sequence);
	mark->wait_for = Min(mark->wait_for, wait_for);
	mark->times++;
}

/*
 * Put the requests of a transaction in, or see to those without room: how many these
 * are. With queue_lock held.
 */
static int64
publish_requests(MvsDatabase *database, const MvsPublication *publication, TimestampTz now)
{
	MvsQueue   *queue = database->queue;
	int64		overflowed = 0;

	for (Size position = 0; position < publication->size;)
	{
		MvsRequest *request = (MvsRequest *) (publication->requests + position);
		bool		explicit = !MvsRequestIsImplicit(request);

		request->sequence = ++queue->published;
		request->committed_at = now;
		position += request->size;
		if (explicit && publication->reserved)
			(void) put_request(queue, request, true);
		else if (explicit)
		{
			/* It stands in the journal as spilled. */
			overflowed++;
			queue->journal_wanted = true;
		}
		else if (!put_request(queue, request, false))
		{
			overflowed++;
			mvs_queue_mark(database, request->store, request->sequence, 0);
		}
	}
	return overflowed;
}

/*
 * Leave word of what else a transaction has done, which has that sequence number. With
 * queue_lock held.
 */
static void
publish_news(MvsDatabase *database, const MvsPublication *publication, TimestampTz now,
			 uint64 sequence)
{
	MvsQueue   *queue = database->queue;
	ListCell   *cell;

	if (publication->spilled > 0 || publication->journal)
		queue->journal_wanted = true;
	if (publication->recheck)
		queue->recheck = true;
	if (publication->erased)
		queue->erased_until = now + USECS_PER_SEC;	/* what is just being published, too */
	if (publication->pins)
		database->backlogs->pins_changed = true;
	if (publication->pause != MVS_PAUSE_AS_IT_IS)
	{
		if (publication->pause != MVS_PAUSE_UNKNOWN)
			queue->paused = (publication->pause == MVS_PAUSE_ON);
		queue->pause_changes++;
	}
	foreach(cell, publication->marks)
		mvs_queue_mark(database, lfirst_oid(cell), sequence, 0);
}

void
mvs_queue_publish(MvsDatabase *database, const MvsPublication *publication)
{
	MvsQueue   *queue = database->queue;
	TimestampTz now = GetCurrentTimestamp();
	int64		overflowed = publication->spilled + publication->skipped;
	bool		wake;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	overflowed += publish_requests(database, publication, now);
	if (publication->spilled > 0 || publication->journal || publication->marks != NIL)
		queue->published++;
	publish_news(database, publication, now, queue->published);

	/* What has no place in the queue is taken with all before it. */
	if (queue->count == 0)
		queue->taken = queue->published;

	database->stats->enqueued += publication->count + publication->spilled + publication->skipped;
	database->stats->merged += publication->merged;
	database->stats->overflowed += overflowed;

	wake = queue->count >= queue->wake_at ||
		overflowed > 0 || publication->marks != NIL || publication->journal ||
		publication->recheck || publication->pins || publication->pause != MVS_PAUSE_AS_IT_IS;
	if (wake)
		queue->wake_at = PG_INT64_MAX;
	LWLockRelease(database->queue_lock);

	if (wake)
		mvs_wake_worker(database);
}

void
mvs_queue_prepared_ended(MvsDatabase *database)
{
	MvsQueue   *queue = database->queue;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	queue->published++;
	queue->prepared_ends++;
	if (!queue->prepared_wanted)
		queue->prepared_sequence = queue->published;
	queue->prepared_wanted = true;
	if (queue->count == 0)
		queue->taken = queue->published;
	LWLockRelease(database->queue_lock);
	mvs_wake_worker(database);
}

void
mvs_queue_prepared_taken(MvsDatabase *database, const MvsPublication *publication, uint64 ends)
{
	MvsQueue   *queue = database->queue;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	publish_news(database, publication, GetCurrentTimestamp(), queue->prepared_sequence);
	database->stats->enqueued += publication->count;
	if (queue->prepared_ends == ends)
		queue->prepared_wanted = false;
	LWLockRelease(database->queue_lock);
}

int
mvs_queue_peek(MvsDatabase *database, Size behind, char *buffer, Size space, int limit)
{
	MvsQueue   *queue = database->queue;
	int			count = 0;
	Size		used = 0;

	LWLockAcquire(database->queue_lock, LW_SHARED);
	while (count < limit && queue->bytes.head + behind + used < queue->bytes.tail)
	{
		uint64		position = queue->bytes.head + behind + used;
		uint32		size;

		mvs_pool_read(&queue->bytes, position, (char *) &size, sizeof(size));
		if (used + size > space)
			break;
		mvs_pool_read(&queue->bytes, position, buffer + used, size);
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
	MvsQueue   *queue = database->queue;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	queue->reserved_count += kept;
	queue->reserved_size += kept_size;
	mvs_pool_advance(&queue->bytes, size);
	trim_room(queue);
	queue->count -= count;
	if (queue->count > 0)
	{
		MvsRequest	next;

		mvs_pool_read(&queue->bytes, queue->bytes.head, (char *) &next,
					  offsetof(MvsRequest, key));
		queue->oldest = next.committed_at;
		queue->taken = last_sequence;
	}
	else
		queue->taken = queue->published;
	if (queue->bytes.head >= queue->put_back_end)
		queue->put_back = PG_UINT64_MAX;
	LWLockRelease(database->queue_lock);
}

void
mvs_queue_clear(MvsDatabase *database)
{
	MvsQueue   *queue = database->queue;

	mvs_pool_advance(&queue->bytes, queue->bytes.tail - queue->bytes.head);
	trim_room(queue);
	queue->count = 0;
	queue->taken = queue->published;
	queue->put_back = PG_UINT64_MAX;
	queue->mark_count = 0;
	queue->all_marked = false;
	queue->journal_wanted = false;
	queue->failed_count = 0;
	queue->paused = false;
	queue->pauses_known = ++queue->pause_changes;	/* a worker that comes looks in any case */
	queue->prepared_wanted = false;
}

bool
mvs_queue_is_done(const MvsDatabase *database)
{
	const MvsQueue *queue = database->queue;

	return queue->count == 0 && queue->mark_count == 0 && !queue->all_marked &&
		!queue->journal_wanted && !queue->prepared_wanted;
}

bool
mvs_queue_is_paused(const MvsDatabase *database)
{
	return database->queue->paused || database->queue->prepared_wanted;
}

TimestampTz
mvs_queue_due(const MvsDatabase *database, TimestampTz now)
{
	MvsQueue   *queue = database->queue;

	if (queue->flush_sequence > queue->taken ||
		queue->flush_sequence >= queue->put_back)
		return now;
	if (queue->oldest > now)
		return now;				/* the clock was moved back */
	return TimestampTzPlusMilliseconds(queue->oldest, mvs_flush_interval);
}
