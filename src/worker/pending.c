/*-------------------------------------------------------------------------
 *
 * pending.c
 *	  Requests in the worker's hands.
 *
 * What cannot be worked off at once is kept: held until the horizon has passed it, or
 * waiting for a lock or for another try after an error. What waits beyond
 * mvstore.queue_size of these is left to what else tells of it, so that it holds up
 * nothing that is due: to its row (left.c), or to a mark of its store.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/once.h"
#include "base/settings.h"
#include "queue/journal.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/drop_stats.h"
#include "shared/fault.h"
#include "shared/progress.h"
#include "store/pin.h"
#include "worker/left.h"
#include "worker/pending.h"

/* Bytes of a block of memory for requests that are taken over. */
#define TAKEN_BLOCK ((Size) 64 * 1024)

/* So many requests of a store are set aside; then its policy's own are left to a pass. */
#define MOST_SET_ASIDE 100

/* Failures that are recorded one behind the other, each in a transaction of its own. */
#define RECORDED_AT_ONCE 1000

static List *all = NIL;			/* of MvsPending */
static int	fresh = 0;			/* of these, those that were added, and in no batch yet */
static int64 set_aside = 0;		/* requests that have failed too often */
static bool unrecorded = false; /* there may be failures that are to be recorded */
static MvsPending **unsettled = NULL;	/* what is being settled, and not yet there */
static MvsPending **unsettled_end = NULL;

static bool is_held(const MvsPending *item, const MvsLook *look);
static TimestampTz due_of(const MvsPending *item, const MvsLook *look);
static bool is_over(const MvsPending *item);
static void mark_store(MvsDatabase *database, const MvsPending *item);
static bool leave(const MvsPending *item);
static MvsPending *make(MemoryContext context, const MvsRequest *request);
static MvsPending *have_stay(MvsPending *item);
static void set_retry(MvsPending *item);
static void free_pending(MvsPending *item);
static void give_back(MvsDatabase *database, MvsPending *item);
static bool has_many_set_aside(Oid store);
static void count_set_aside(Oid store);
static void leave_to_pass(MvsPending *item);
static bool record_failure(MvsPending *item, bool *gone);

bool
mvs_pending_is_any(void)
{
	return all != NIL;
}

bool
mvs_pending_is_crowded(void)
{
	return list_length(all) >= mvs_queue_size;
}

bool
mvs_pending_is_full(void)
{
	/* One share for what waits, one for what has room in the queue: the rest is in trouble. */
	return list_length(all) / 3 >= mvs_queue_size;
}

int64
mvs_pending_set_aside(void)
{
	return set_aside;
}

int
mvs_pending_rows(int64 **rows, Size space)
{
	int			count = 0;
	ListCell   *cell;

	*rows = MemoryContextAllocHuge(CurrentMemoryContext,
								   (list_length(all) + space) * sizeof(int64));
	foreach(cell, all)
	{
		int64		journal = ((MvsPending *) lfirst(cell))->request->journal;

		if (journal != 0)
			(*rows)[count++] = journal;
	}
	return count;
}

/* ------------------------------------------------------------------------
 * Into a batch
 * ------------------------------------------------------------------------ */

void
mvs_pending_set_error(MvsPending *item, const char *error)
{
	if (item->error == NULL)
		item->error = MemoryContextAlloc(mvs_worker.context, MVS_ERROR_LENGTH);
	strlcpy(item->error, error, MVS_ERROR_LENGTH);
}

bool
mvs_pending_same_key(const MvsPending *item, const MvsPending *other)
{
	const MvsRequest *left = item->request;
	const MvsRequest *right = other->request;

	return left->store == right->store && left->key_length == right->key_length &&
		memcmp(left->key, right->key, left->key_length) == 0;
}

MvsPending *
mvs_pending_take_over(const MvsRequest *request)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = GenerationContextCreate(mvs_worker.context, "mvstore requests taken over",
										  0, TAKEN_BLOCK, TAKEN_BLOCK);
	return make(context, request);
}

void
mvs_pending_add(const MvsRequest *request)
{
	MemoryContext old = MemoryContextSwitchTo(mvs_worker.context);
	MvsPending *item = mvs_pending_take_over(request);

	item->fresh = true;
	all = lappend(all, item);
	fresh++;
	MemoryContextSwitchTo(old);
}

int
mvs_pending_fresh(void)
{
	return fresh;
}

/* Return a copy of a request, to be in hand. */
static MvsPending *
make(MemoryContext context, const MvsRequest *request)
{
	/* The one in the memory of the other: there may be very many. */
	MvsPending *item = MemoryContextAllocZero(context,
											  MAXALIGN(sizeof(MvsPending)) + request->size);

	item->request = (MvsRequest *) ((char *) item + MAXALIGN(sizeof(MvsPending)));
	memcpy(item->request, request, request->size);

	/* Who has had it in hand before has tried as often as that. */
	item->repeats = (request->attempts > 0);
	if (item->repeats)
		item->last_outcome = MVS_OUTCOME_ERROR;
	item->tries = item->recorded_tries = request->attempts;
	return item;
}

/* Whether the horizon is in the way of one. */
static bool
is_held(const MvsPending *item, const MvsLook *look)
{
	return item->outcome == MVS_OUTCOME_HELD &&
		item->wait_for > mvs_process_horizon(look, item->request->store);
}

/* Return when one is to be tried; DT_NOEND: not before the horizon rises. */
static TimestampTz
due_of(const MvsPending *item, const MvsLook *look)
{
	return is_held(item, look) ? DT_NOEND : item->retry_at;
}

TimestampTz
mvs_pending_due(TimestampTz now)
{
	TimestampTz due_at = DT_NOEND;
	MvsLook		look;
	ListCell   *cell;

	if (all == NIL)
		return DT_NOEND;
	look = mvs_process_look();
	foreach(cell, all)
	{
		const MvsPending *item = lfirst(cell);

		/* That the horizon rises is not waited for before that would be of use. */
		due_at = mvs_least(due_at, item->retry_at > now ? item->retry_at : due_of(item, &look));
	}
	return due_at;
}

bool
mvs_pending_waits_for_writers(TimestampTz now)
{
	MvsLook		look;
	ListCell   *cell;

	if (all == NIL && !mvs_left_is_any())
		return false;
	look = mvs_process_look();
	foreach(cell, all)
	{
		const MvsPending *item = lfirst(cell);

		/* Where a pin is in the way, who gives it up tells of that. */
		if (item->retry_at <= now && is_held(item, &look) &&
			item->wait_for <= mvs_pin_known(item->request->store))
			return true;
	}
	return mvs_left_waits_for_writers(&look);
}

int
mvs_pending_choose(MvsPending **batch, int limit, bool along)
{
	TimestampTz now = GetCurrentTimestamp();
	MvsLook		look;
	int			count = 0;
	int			more = 0;		/* of what takes many batches */
	ListCell   *cell;

	if (all == NIL)
		return 0;
	look = mvs_process_look();
	foreach(cell, all)
	{
		MvsPending *item = lfirst(cell);

		/*
		 * What was held may go along with others, before its time. What takes many batches, as the
		 * journal does that a replay brings, leaves half of each to others; and so does what is
		 * tried again and again, as of a store that is locked, where batches are small.
		 */
		bool		many = item->fresh || item->outcome == MVS_OUTCOME_MORE ||
		(along && (item->outcome == MVS_OUTCOME_LOCKED || item->outcome == MVS_OUTCOME_ERROR));

		item->in_batch = count < limit &&
			(due_of(item, &look) <= now ||
			 (along && item->outcome == MVS_OUTCOME_HELD && !is_held(item, &look))) &&
			(!many || more < (limit + 1) / 2);
		if (!item->in_batch)
			continue;
		more += many;
		batch[count++] = item;
	}
	return count;
}

void
mvs_pending_take_out(void)
{
	MemoryContext old = MemoryContextSwitchTo(mvs_worker.context);
	List	   *others = NIL;
	ListCell   *cell;

	foreach(cell, all)
	{
		MvsPending *item = lfirst(cell);

		if (!item->in_batch)
			others = lappend(others, item);
		else if (item->fresh)
		{
			item->fresh = false;
			fresh--;
		}
	}
	MemoryContextSwitchTo(old);
	list_free(all);
	all = others;
}

void
mvs_pending_recheck(void)
{
	ListCell   *cell;

	foreach(cell, all)
	{
		MvsPending *item = lfirst(cell);

		/* As one that has never been tried; also those whose key may have been erased. */
		if (item->request->journal != 0 ||
			item->request->committed_at <= mvs_worker.database->queue->erased_until)
		{
			item->outcome = MVS_OUTCOME_MORE;
			item->retry_at = 0;
		}
	}
	mvs_left_recheck();
}

/* ------------------------------------------------------------------------
 * Out of a batch
 * ------------------------------------------------------------------------ */

/* Whether nothing is left to do for it. */
static bool
is_over(const MvsPending *item)
{
	return item->outcome == MVS_OUTCOME_DONE || item->outcome == MVS_OUTCOME_ALREADY_DONE;
}

/*
 * Leave a policy's own request to a pass over its store: one that is held, to one that is made
 * when the horizon has come there. With queue_lock held.
 */
static void
mark_store(MvsDatabase *database, const MvsPending *item)
{
	mvs_queue_mark(database, item->request->store, item->request->sequence,
				   item->outcome == MVS_OUTCOME_HELD ? item->wait_for : 0);
}

/* Keep no more than enough of what waits, where something else tells of it. */
static bool
leave(const MvsPending *item)
{
	const MvsRequest *request = item->request;
	MvsDatabase *database = mvs_worker.database;

	if ((item->outcome != MVS_OUTCOME_HELD && item->outcome != MVS_OUTCOME_LOCKED) ||
		!mvs_pending_is_crowded() || item->walk.begun)
		return false;
	if (request->journal != 0)
	{
		mvs_left_add(request, item->outcome == MVS_OUTCOME_LOCKED, item->wait_for);
		return true;
	}
	if (!MvsRequestIsImplicit(request))
		return false;			/* it has its room in the queue, to go back there */
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	mark_store(database, item);
	database->stats->overflowed++;
	LWLockRelease(database->queue_lock);
	return true;
}

/* Move one that is to stay, so that it does not keep the memory of those beside it. */
static MvsPending *
have_stay(MvsPending *item)
{
	MvsPending *moved;
	MvsRequest *request;

	if (item->stays)
		return item;
	moved = make(mvs_worker.context, item->request);
	request = moved->request;
	*moved = *item;
	moved->request = request;
	pfree(item);
	return moved;
}

/* Set when one is to be tried again, by what became of it and how often. */
static void
set_retry(MvsPending *item)
{
	/* A range that begins anew comes to what it has failed by only after some slices. */
	item->repeats &= (item->outcome == MVS_OUTCOME_MORE);
	if (!item->repeats)
	{
		if (item->outcome != item->last_outcome)
			item->tries = 0;
		item->last_outcome = item->outcome;
	}
	switch (item->outcome)
	{
		case MVS_OUTCOME_DONE:
		case MVS_OUTCOME_ALREADY_DONE:
			break;
		case MVS_OUTCOME_MORE:
			item->retry_at = 0; /* in the next batch, behind what waits now */
			break;
		case MVS_OUTCOME_HELD:
			/* Perhaps by a snapshot that knew less than is known now: then soon again. */
		case MVS_OUTCOME_LOCKED:
			item->retry_at = mvs_process_lock_delay(item->tries++);
			break;
		case MVS_OUTCOME_ERROR:
			item->retry_at = mvs_process_error_delay(item->tries++);
			break;
	}
}

void
mvs_pending_settle(MvsPending **batch, int count)
{
	MemoryContext old = MemoryContextSwitchTo(mvs_worker.context);
	TimestampTz now = GetCurrentTimestamp();
	MvsDropStats *stats = mvs_worker.database->stats;
	int64		done = 0;
	int64		lag_total = 0;
	int64		lag_max = 0;

	/* Nothing may end the process while a request is in nobody's hands, but a lack of memory. */
	HOLD_INTERRUPTS();
	unsettled = batch;
	unsettled_end = batch + count;
	for (; unsettled < unsettled_end; unsettled++)
	{
		MvsPending *item = *unsettled;

		MVS_FAULT("batch-settling");
		item->in_batch = false;
		set_retry(item);
		unrecorded |= (item->outcome == MVS_OUTCOME_ERROR);
		if (item->outcome == MVS_OUTCOME_DONE)
		{
			/* The time of a restored one is that of an id, which may be ahead of the clock. */
			int64		lag = Max(now - item->request->committed_at, 0);

			done++;
			lag_total += lag;
			lag_max = Max(lag_max, lag);
		}
		if (is_over(item) || leave(item))
			free_pending(item);
		else
		{
			item->wants_room = item->request->journal == 0 &&
				!MvsRequestIsImplicit(item->request) &&
				!item->keeps_room;
			*unsettled = item = have_stay(item);
			all = lappend(all, item);
			item->stays = true;
		}
	}
	unsettled = unsettled_end = NULL;
	RESUME_INTERRUPTS();
	MemoryContextSwitchTo(old);

	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	stats->processed += done;
	stats->lag_count += done;
	stats->lag_total_usecs += lag_total;
	stats->lag_max_usecs = Max(stats->lag_max_usecs, lag_max);
	LWLockRelease(mvs_worker.database->queue_lock);
}

static void
free_pending(MvsPending *item)
{
	if (item->keeps_room)
		mvs_queue_release(mvs_worker.database, 1, item->request->size);
	if (MvsRequestIsRange(item->request))
		mvs_progress_end(mvs_worker.database, item->request->store, MvsRequestId(item->request));
	mvs_walk_end(&item->walk);
	if (item->error)
		pfree(item->error);
	pfree(item);
}

void
mvs_pending_remove_from_queue(int count, Size size, uint64 last_sequence)
{
	int64		kept = 0;
	Size		kept_size = 0;
	ListCell   *cell;

	foreach(cell, all)
	{
		MvsPending *item = lfirst(cell);

		if (item->wants_room)
		{
			kept++;
			kept_size += item->request->size;
		}
	}
	HOLD_INTERRUPTS();
	mvs_queue_remove(mvs_worker.database, count, size, last_sequence, kept, kept_size);
	foreach(cell, all)
	{
		MvsPending *item = lfirst(cell);

		item->keeps_room |= item->wants_room;
		item->wants_room = false;
	}
	RESUME_INTERRUPTS();
}

/* Have what is kept go on from where it came. With queue_lock held. */
static void
give_back(MvsDatabase *database, MvsPending *item)
{
	if (item->outcome == MVS_OUTCOME_ERROR)
		item->request->attempts = Min(item->tries, MVS_MAX_ATTEMPTS - 1);
	else if (item->outcome == MVS_OUTCOME_HELD || item->outcome == MVS_OUTCOME_LOCKED)
		item->request->attempts = 0;
	if (item->wants_room ||
		mvs_queue_put_back(database, item->request, item->keeps_room))
		return;
	if (item->request->journal != 0)
		database->queue->journal_wanted = true;
	else if (MvsRequestIsImplicit(item->request))
		mark_store(database, item);
}

void
mvs_pending_give_back(MvsDatabase *database)
{
	ListCell   *cell;

	foreach(cell, all)
		give_back(database, lfirst(cell));

	/* Memory ran out while a batch was settled: what came from the queue is still there. */
	for (; unsettled < unsettled_end; unsettled++)
		if ((*unsettled)->stays)
			give_back(database, *unsettled);
}

void
mvs_pending_report(void)
{
	MvsLook		look = mvs_process_look();
	MvsBacklog	backlog;
	ListCell   *cell;

	mvs_backlog_init(&backlog);
	foreach(cell, all)
	{
		MvsPending *item = lfirst(cell);
		const MvsRequest *request = item->request;

		if (item->outcome == MVS_OUTCOME_HELD)
			mvs_backlog_add_held(&backlog, 1, mvs_pin_known(request->store) < item->wait_for);
		else if (!item->fresh)
			backlog.retrying++;
		if (item->outcome == MVS_OUTCOME_LOCKED || item->outcome == MVS_OUTCOME_ERROR)
			mvs_backlog_add_trouble(&backlog, request->store,
									item->outcome == MVS_OUTCOME_LOCKED, item->error, 1);
		backlog.unfinished = Min(backlog.unfinished, request->sequence);
	}
	mvs_left_report(&backlog, &look);
	mvs_process_report(MVS_BACKLOG_REQUESTS, &backlog);
}

/* ------------------------------------------------------------------------
 * Failures
 * ------------------------------------------------------------------------ */

/* How many requests of a store this process has set aside. */
typedef struct SetAside
{
	Oid			store;
	int			count;
} SetAside;

static List *set_aside_of = NIL;

/* Those of a store; NULL: none. */
static SetAside *
find_set_aside(Oid store)
{
	ListCell   *cell;

	foreach(cell, set_aside_of)
	{
		if (((SetAside *) lfirst(cell))->store == store)
			return lfirst(cell);
	}
	return NULL;
}

/*
 * Whether so many of a store were set aside that the errors are the store's, and not a key's. Where
 * each put fails to have its forerunner go, there would be a row and a line in the log for each.
 */
static bool
has_many_set_aside(Oid store)
{
	SetAside   *of = find_set_aside(store);

	return of && of->count >= MOST_SET_ASIDE;
}

static void
count_set_aside(Oid store)
{
	SetAside   *of = find_set_aside(store);

	if (of == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(mvs_worker.context);

		of = palloc0(sizeof(SetAside));
		of->store = store;
		set_aside_of = lappend(set_aside_of, of);
		MemoryContextSwitchTo(old);
	}
	of->count++;
}

void
mvs_pending_passed(Oid store)
{
	SetAside   *of = find_set_aside(store);

	if (of == NULL)
		return;
	set_aside_of = list_delete_ptr(set_aside_of, of);
	pfree(of);
}

bool
mvs_pending_is_walking(void)
{
	ListCell   *cell;

	foreach(cell, all)
	{
		if (((MvsPending *) lfirst(cell))->walk.begun)
			return true;
	}
	return false;
}

/* Have a pass over the store do what a policy's own request asks for. */
static void
leave_to_pass(MvsPending *item)
{
	MvsDatabase *database = mvs_worker.database;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	mark_store(database, item);
	LWLockRelease(database->queue_lock);
	all = list_delete_ptr(all, item);
	free_pending(item);
}

bool
mvs_pending_has_unrecorded(void)
{
	return unrecorded;
}

bool
mvs_pending_record_failures(void)
{
	MemoryContext old = CurrentMemoryContext;
	List	   *items = unrecorded ? list_copy(all) : NIL;
	int			count = 0;
	bool		removed = false;
	ListCell   *cell;

	unrecorded = false;
	foreach(cell, items)
	{
		MvsPending *item = lfirst(cell);
		bool		last_try = item->tries >= MVS_MAX_ATTEMPTS;
		bool		recorded;
		bool		gone;

		/* What is left over is recorded by the next worker. */
		CHECK_FOR_INTERRUPTS();
		if (mvs_process_is_stopping())
			break;
		if (item->outcome != MVS_OUTCOME_ERROR || item->in_batch ||
			item->tries == item->recorded_tries)
			continue;
		if (item->request->journal == 0 && MvsRequestIsImplicit(item->request) &&
			has_many_set_aside(item->request->store))
		{
			leave_to_pass(item);
			removed = true;
			continue;
		}

		/* A policy's own request needs no row as long as it is in our hands. */
		if (item->request->journal == 0 && !last_try)
			continue;

		/* Others have their turn in between. */
		if (++count > RECORDED_AT_ONCE)
		{
			unrecorded = true;
			break;
		}
		recorded = record_failure(item, &gone);
		MemoryContextSwitchTo(old);
		if (gone)
		{
			/* Cancelled, or done by another: what it failed by was met before its row. */
			all = list_delete_ptr(all, item);
			free_pending(item);
			removed = true;
			continue;
		}
		if (!recorded || !last_try)
			continue;

		ereport(LOG,
				(errmsg("a drop request for store with OID %u was set aside after %d attempts",
						item->request->store, item->tries),
				 errdetail("The last error was: %s", item->error)));
		count_set_aside(item->request->store);
		all = list_delete_ptr(all, item);
		free_pending(item);
		LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
		mvs_worker.database->queue->failed_count++;
		LWLockRelease(mvs_worker.database->queue_lock);
		set_aside++;
		removed = true;
	}
	return removed;
}

/*
 * Record one, in a transaction of its own; false where it could not be done, as where its row is
 * *gone.
 */
static bool
record_failure(MvsPending *item, bool *gone)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool recorded = false;
	int64		journal = item->request->journal;

	*gone = false;
	PG_TRY();
	{
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		if (mvs_catalog_lock())
			recorded = mvs_journal_record_failure(mvs_worker.database, item->request, item->tries,
												  item->error, gone);
		PopActiveSnapshot();
		CommitTransactionCommand();
		item->recorded_tries = item->tries;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		recorded = *gone = false;
		item->recorded_tries = item->tries; /* not again before it has failed again */
		item->request->journal = journal;
		(void) mvs_process_keep_error(false);
	}
	PG_END_TRY();
	return recorded;
}
