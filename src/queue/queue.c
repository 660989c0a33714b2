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

static uint64 bytes_taken(const MvsDatabase *database);
static bool secure_room(MvsDatabase *database, int64 count, Size size);
static void trim_room(MvsDatabase *database);
static bool put_request(MvsDatabase *database, MvsRequest *request, bool reserved);
static int64 publish_requests(MvsDatabase *database, const MvsPublication *publication,
							  TimestampTz now);
static void publish_news(MvsDatabase *database, const MvsPublication *publication,
						 TimestampTz now);

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

/*
 * Put the requests of a transaction in, or see to those without room: how many these
 * are. With queue_lock held.
 */
static int64
publish_requests(MvsDatabase *database, const MvsPublication *publication, TimestampTz now)
{
	int64		overflowed = 0;

	for (Size position = 0; position < publication->size;)
	{
		MvsRequest *request = (MvsRequest *) (publication->requests + position);
		bool		explicit = !MvsRequestIsImplicit(request);

		request->sequence = ++database->published;
		request->committed_at = now;
		position += request->size;
		if (explicit && publication->reserved)
			(void) put_request(database, request, true);
		else if (explicit)
		{
			/* It stands in the journal as spilled. */
			overflowed++;
			database->journal_wanted = true;
		}
		else if (!put_request(database, request, false))
		{
			overflowed++;
			mvs_queue_mark(database, request->store, request->sequence);
		}
	}
	return overflowed;
}

/* Leave word of what else a transaction has done. With queue_lock held. */
static void
publish_news(MvsDatabase *database, const MvsPublication *publication, TimestampTz now)
{
	ListCell   *cell;

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
}

void
mvs_queue_publish(MvsDatabase *database, const MvsPublication *publication)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		overflowed = publication->spilled + publication->skipped;
	bool		wake;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	overflowed += publish_requests(database, publication, now);
	publish_news(database, publication, now);

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

		mvs_pool_read(&database->bytes, database->bytes.head, (char *) &next,
					  offsetof(MvsRequest, key));
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
