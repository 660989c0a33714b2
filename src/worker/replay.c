/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  Replays of the journal: requests that stand there, and not in the queue.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "base/settings.h"
#include "queue/journal.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/fault.h"
#include "shared/progress.h"
#include "version/clock.h"
#include "worker/batch.h"
#include "worker/left.h"
#include "worker/pending.h"
#include "worker/process.h"
#include "worker/replay.h"

/* Rows that are read in a transaction, but for larger batches and smaller queues. */
#define READ_REQUESTS 5000

/* The replay under way. */
static int64 after;				/* it goes on behind this row */
static bool met_all;			/* there are no others */
static int64 lowest;			/* row that it has met */
static int64 settled;			/* all rows below this one could be seen by it */
static int64 failed;			/* rows set aside that it has met */
static int64 set_aside;			/* requests that had been, when it began */

/*
 * Where a replay begins: no row below is left. Behind an old snapshot the index
 * cannot forget the rows that are gone, and replays would take ever longer.
 */
static int64 first = 0;
static int64 next_settled = 0;	/* no row below is made after xid next_xid */
static TransactionId next_xid = InvalidTransactionId;

static void begin_replay(void);
static void read_part(void);
static int	read_limit(void);
static bool is_part(int taken, Size bytes);
static bool read_rows(List **requests, int64 *last);
static int	take_rows(List *requests, const int64 *known, int known_count, Size *bytes);
static void end_replay(void);
static int64 *list_known(int *count);
static int	compare_ids(const void *a, const void *b);

TimestampTz
mvs_replay_due(void)
{
	MvsLook		look;

	/* What it has brought is worked off first, as a batch. */
	if (mvs_pending_is_full() || mvs_pending_fresh() > 0 || mvs_batch_is_under_way())
		return DT_NOEND;
	if (mvs_left_replay_is_under_way() || mvs_worker.database->queue->journal_wanted)
		return 0;
	if (!mvs_left_is_any())
		return DT_NOEND;
	look = mvs_process_look();
	return mvs_left_due(&look);
}

/*
 * Begin a replay, or go on with it. It ends when what it has brought has been worked off, so that
 * until then nobody takes what is known of for all that is left.
 */
void
mvs_replay_go_on(void)
{
	if (!mvs_left_replay_is_under_way())
		begin_replay();
	if (!met_all)
		read_part();
	if (met_all && mvs_pending_fresh() == 0)
		end_replay();			/* else others have their turn */
	mvs_pending_report();
	ConditionVariableBroadcast(&mvs_worker.database->progress);
}

void
mvs_replay_all(void)
{
	first = 0;
	settled = 0;				/* of the one under way, which may be past them */
	next_xid = InvalidTransactionId;
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->queue->journal_wanted = true;
	LWLockRelease(mvs_worker.database->queue_lock);
}

/*
 * Begin a replay at the first row that may be there. A row has its id from a
 * transaction that has its xid already: when all transactions before an xid have
 * ended, all rows with ids of before it can be seen.
 */
static void
begin_replay(void)
{
	MemoryContext old = CurrentMemoryContext;

	StartTransactionCommand();
	settled = 0;
	if (TransactionIdIsValid(next_xid) &&
		TransactionIdFollowsOrEquals(GetTransactionSnapshot()->xmin, next_xid))
		settled = next_settled;
	next_settled = mvs_clock_last(mvs_worker.database); /* all ids to come are above it */
	next_xid = XidFromFullTransactionId(ReadNextFullTransactionId());
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	after = Max(first - 1, 0);
	met_all = false;
	lowest = MVS_NEWEST;
	failed = 0;
	set_aside = mvs_pending_set_aside();
	mvs_left_replay_begins(after);

	/* Who looks is to see that it is under way before it sees that it is not wanted any more. */
	mvs_pending_report();
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->queue->journal_wanted = false;
	LWLockRelease(mvs_worker.database->queue_lock);
}

/* Take in hand what is to be worked off before others are read. */
static void
read_part(void)
{
	int			known_count;
	int64	   *known = list_known(&known_count);
	int			taken = 0;
	Size		bytes = 0;		/* of these */
	bool		more;

	do
	{
		List	   *requests;
		int64		last;

		CHECK_FOR_INTERRUPTS();
		more = read_rows(&requests, &last);
		MVS_FAULT("journal-read");
		if (more)
			mvs_progress_step(mvs_worker.database, MVS_COMMAND_REPLAY, InvalidOid, 0,
							  list_length(requests), -1);
		taken += take_rows(requests, known, known_count, &bytes);
		after = last;
		mvs_left_replay_meets(last);
	} while (more && !is_part(taken, bytes) && !mvs_process_is_stopping() &&
			 !mvs_pending_is_full());
	if (more)
		return;
	met_all = true;
	mvs_left_replay_meets(MVS_NEWEST);	/* it comes to no other row */
}

/* Return how many rows are read in a transaction. */
static int
read_limit(void)
{
	/* With one, a row that is not ours would be read again and again. */
	return Max(Max(mvs_batch_size, 2), Min(READ_REQUESTS, mvs_queue_size));
}

/*
 * Whether so many requests, and so much, have been taken that they are to be worked off, rather
 * than others read: half of a batch, so that neighbours meet, and the queue has its share.
 */
static bool
is_part(int taken, Size bytes)
{
	return mvs_drop_rate_limit > 0 || taken + read_limit() > mvs_batch_limit() / 2 ||
		bytes >= (Size) maintenance_work_mem * 1024 / 2;
}

/*
 * Set *requests to those of some rows of the replay, and *last to the row up to which there are
 * no others; false where there are no more behind it.
 */
static bool
read_rows(List **requests, int64 *last)
{
	MemoryContext old = CurrentMemoryContext;
	bool		more;

	StartTransactionCommand();
	mvs_process_lock_catalog(MVS_JOURNAL);
	MemoryContextSwitchTo(old);
	more = mvs_journal_read(after, read_limit(), requests, &failed, &lowest, last);
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	return more;
}

/* Take in hand those that are not known, return how many, and add to *bytes how much. */
static int
take_rows(List *requests, const int64 *known, int known_count, Size *bytes)
{
	MvsLook		look = mvs_process_look();
	int			count = 0;
	ListCell   *cell;

	foreach(cell, requests)
	{
		MvsRequest *request = lfirst(cell);

		mvs_left_replay_meets(request->journal);
		if (bsearch(&request->journal, known, known_count, sizeof(int64),
					compare_ids) == NULL)
		{
			/* For what would be held and left, however many there are, no transaction. */
			if (mvs_pending_is_crowded() && !MvsRequestIsImplicit(request) &&
				request->before > mvs_process_horizon(&look, request->store))
				mvs_left_add(request, false, request->before);
			else
			{
				mvs_pending_add(request);
				*bytes += request->size;
				count++;
			}
		}
		pfree(request);
	}
	list_free(requests);
	return count;
}

/* End the replay, which has met all rows. */
static void
end_replay(void)
{
	MvsDatabase *database = mvs_worker.database;

	first = Max(first, Min(lowest, settled));
	mvs_left_replay_ends();
	mvs_progress_end(database, InvalidOid, 0);
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	/* What was set aside meanwhile it has not met. */
	database->queue->failed_count = failed + mvs_pending_set_aside() - set_aside;
	LWLockRelease(database->queue_lock);
}

/* The rows of the journal that are in pending or in the queue already, in order. */
static int64 *
list_known(int *count)
{
	char	   *queued;
	Size		size = mvs_queue_copy(mvs_worker.database, &queued);
	int64	   *known;

	*count = mvs_pending_rows(&known, size / MvsRequestSize(0, 0) + 1);
	for (Size position = 0; position < size;)
	{
		MvsRequest *request = (MvsRequest *) (queued + position);

		position += request->size;
		if (request->journal != 0)
			known[(*count)++] = request->journal;
	}
	pfree(queued);
	qsort(known, *count, sizeof(int64), compare_ids);
	return known;
}

static int
compare_ids(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}
