/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Batches of drop requests, in the worker.
 *
 * A batch has all that waits, in the order of store and index, so that neighbouring keys
 * are met together. It is worked off in turns, a transaction each, between which the worker
 * does what else is due. Until all of it is settled its requests stay where they came from,
 * in the queue or in hand (pending.c), so that a worker that dies leaves none out.
 *
 * Where the entries of a store turn out to be scattered over its table, its requests are
 * worked off by harvests (harvest.c): some transactions let go what the requests of very many
 * keys let go together, and after them the rows of these are deleted.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/key.h"
#include "base/once.h"
#include "base/settings.h"
#include "queue/journal.h"
#include "queue/order.h"
#include "queue/queue.h"
#include "shared/drop_stats.h"
#include "shared/fault.h"
#include "shared/progress.h"
#include "store/rule.h"
#include "store/store.h"
#include "version/clock.h"
#include "version/version.h"
#include "worker/batch.h"
#include "worker/crew.h"
#include "worker/drop.h"
#include "worker/harvest.h"
#include "worker/pace.h"
#include "worker/pending.h"
#include "worker/process.h"
#include "worker/request.h"
#include "worker/walk.h"

/* Requests of one store from which on their entries are gathered. */
#define GATHER_FROM 1000

/* Requests that are copied from the queue at a time, under its lock. */
#define COPY_LIMIT 1000

/*
 * Of so many keys one may go as a whole, which no harvest can leave to later transactions: with
 * more of them, it would be full before its keys are judged.
 */
#define WHOLE_SHARE 64

/* Milliseconds after which no other transaction begins in a share of a batch. */
#define SHARE_TIME 100

/* What a batch has of the head of the queue. */
typedef struct Taken
{
	int			count;
	Size		size;
	uint64		last_sequence;
} Taken;

/* The batch under way. */
typedef struct Batch
{
	MvsPending **items;			/* in order; NULL: there is none */
	int			count;
	int			done;			/* of these, those that have an outcome */
	int			kept;			/* how many were in hand before */
	Taken		taken;
	TimestampTz begin;
	bool		may_harvest;	/* until one was of no use */
} Batch;

static Batch current;

/* Requests that a transaction works off at most: fewer once one has failed. */
static int	request_limit;

/* Whether nothing can be dropped from the store of the group under way, whatever is asked for. */
static bool store_refused;

/* The harvest under way: of the first requests of the batch that are not done, so many. */
static MvsHarvest *harvest = NULL;
static int	harvested;

/* A store of the batch whose entries are worth one, if any. */
static Oid	scattered;

/* What works on requests in a transaction, and returns how many have an outcome by it. */
typedef int (*Work) (MvsPending **items, int count);

static bool queue_is_due(bool force);
static int	queue_limit(MvsPending *const *items, int kept);
static Taken copy_queue(MvsOrdered *order, int limit);
static void fill_from_queue(Batch *batch, int limit);
static bool begin_batch(bool force);
static int	work_store(MvsPending **group, int count);
static void end_batch(void);
static void count_batch(TimestampTz begin);
static int	group_end(MvsPending **batch, int start, int count, int limit);
static int	work_some(MvsPending **items, int count);
static bool try_work(Work work, MvsPending **items, int count, int *done, bool *locked);
static int	work_group(MvsPending **group, int count);
static MvsWalkPlace *places_of(MvsPending **group, int count);
static void go_back(MvsPending **group, int count, const MvsWalkPlace *places);
static void free_places(MvsWalkPlace *places, int count);
static void set_error(MvsPending *item, bool locked);
static int	work_keys(MvsDrop *drop, MvsPending **group, int count);
static int	work_group_in_transaction(MvsPending **group, int count);
static bool can_harvest(void);
static bool pays_to_harvest(const MvsRequest *request);
static void end_harvest(void);
static int	work_harvest(Work work, MvsPending **items, int count);
static int	begin_harvest(MvsPending **items, int count);
static int	go_on_harvest(MvsPending **items, int count);
static void finish_harvested(MvsPending **items, int count);
static bool is_in_the_way(const MvsRequest *request);
static int	gather_keys(MvsDrop *drop, MvsGather *gather, MvsPending **group, int count,
						int limit);
static int	gather_group(MvsDrop *drop, MvsPending **group, int count);
static bool calls_for_harvest(const MvsDrop *drop);

bool
mvs_batch_is_under_way(void)
{
	return current.items != NULL;
}

int
mvs_batch_limit(void)
{
	/* A batch that has to wait for its rate would keep others waiting. */
	if (mvs_drop_rate_limit > 0)
		return mvs_batch_size;
	return Max(mvs_batch_size, mvs_queue_size);
}

TimestampTz
mvs_batch_due(TimestampTz now)
{
	const MvsDatabase *database = mvs_worker.database;

	if (mvs_batch_is_under_way())
		return now;
	if (database->queue->count == 0 || mvs_pending_is_full())
		return DT_NOEND;
	return database->queue->count >= mvs_batch_size ? now : mvs_queue_due(database, now);
}

/* Whether the queue is to be worked off now; with "force", whether there is anything in it. */
static bool
queue_is_due(bool force)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz due_at;

	LWLockAcquire(mvs_worker.database->queue_lock, LW_SHARED);
	due_at = mvs_batch_due(now);
	LWLockRelease(mvs_worker.database->queue_lock);
	return due_at <= now || (force && due_at != DT_NOEND);
}

/*
 * Return how many requests a batch may have of the queue beside those that were kept. What
 * takes many batches is to have one soon, but the queue always has its share.
 */
static int
queue_limit(MvsPending *const *items, int kept)
{
	int			limit = mvs_batch_limit() - kept;

	for (int i = 0; i < kept; i++)
		if (items[i]->last_outcome == MVS_OUTCOME_MORE)
			return Min(mvs_batch_size, limit);
	return limit;
}

/*
 * Put at most "limit" requests of the head of the queue, where they stay for now, behind the
 * others to be put in order: copies, in the current memory context.
 */
static Taken
copy_queue(MvsOrdered *order, int limit)
{
	Size		space = Max((Size) COPY_LIMIT * MVS_REQUEST_SPACE, MVS_MAX_REQUEST);
	Taken		taken = {0};
	int			count;

	for (;;)
	{
		char	   *buffer = palloc(space);
		Size		position = 0;

		count = mvs_queue_peek(mvs_worker.database, taken.size, buffer, space,
							   limit - taken.count);
		if (count == 0)
			return taken;
		for (int i = 0; i < count; i++)
		{
			MvsRequest *request = (MvsRequest *) (buffer + position);

			position += request->size;
			taken.last_sequence = request->sequence;
			order[taken.count].request = request;
			order[taken.count++].owner = NULL;
		}
		taken.size += position;
	}
}

/*
 * Put into a batch, which has those that were kept, at most "limit" requests of the queue, and
 * all in order. So they are taken over, as they are met in it.
 */
static void
fill_from_queue(Batch *batch, int limit)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mvstore batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MvsOrdered *order = palloc_extended((batch->kept + limit) * sizeof(MvsOrdered),
										MCXT_ALLOC_HUGE);

	for (int i = 0; i < batch->kept; i++)
	{
		order[i].request = batch->items[i]->request;
		order[i].owner = batch->items[i];
	}
	batch->taken = copy_queue(order + batch->kept, limit);
	batch->count = batch->kept + batch->taken.count;
	mvs_order_sort(order, batch->count);
	for (int i = 0; i < batch->count; i++)
		batch->items[i] = order[i].owner ? order[i].owner :
			mvs_pending_take_over(order[i].request);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Have a batch under way; false where there is nothing to do. */
static bool
begin_batch(bool force)
{
	int			limit = mvs_batch_limit();
	Batch		batch = {.begin = GetCurrentTimestamp(), .may_harvest = true};
	bool		due = queue_is_due(force);

	batch.items = MemoryContextAlloc(mvs_worker.context, limit * sizeof(MvsPending *));

	/* What is kept and due comes first: it has waited longest. */
	batch.kept = mvs_pending_choose(batch.items, limit, due);
	limit = queue_limit(batch.items, batch.kept);
	fill_from_queue(&batch, due ? limit : 0);
	if (batch.count == 0)
	{
		pfree(batch.items);
		return false;
	}
	current = batch;
	request_limit = MVS_REQUEST_LIMIT;
	scattered = InvalidOid;
	MVS_FAULT("batch-taken");
	return true;
}

/*
 * Work off requests of one store in a transaction. Where a rate is set, what that does not
 * reach has to wait, so that it does not keep other stores waiting.
 */
static int
work_store(MvsPending **group, int count)
{
	int			done = work_group(group, count);

	if (mvs_drop_rate_limit > 0)
		for (; done < count; done++)
			group[done]->outcome = MVS_OUTCOME_MORE;
	return done;
}

bool
mvs_batch_next(bool force)
{
	if (!mvs_batch_is_under_way() && !begin_batch(force))
		return false;
	do
		current.done += work_some(current.items + current.done, current.count - current.done);
	while (mvs_drop_rate_limit > 0 && current.done < current.count);
	if (current.done == current.count)
		end_batch();
	return true;
}

/* Settle the batch under way, of which each request has an outcome. */
static void
end_batch(void)
{
	Batch		batch = current;

	/* Until now it stayed in pending, and in the queue: see release_slot(). */
	current.items = NULL;
	if (batch.kept > 0)
		mvs_pending_take_out();
	mvs_pending_settle(batch.items, batch.count);
	pfree(batch.items);
	MVS_FAULT_NO_ERROR("batch-settled");

	/* Who waits for a flush is to see what is kept before it sees that the queue is empty. */
	mvs_pending_report();
	if (batch.taken.count > 0)
		mvs_pending_remove_from_queue(batch.taken.count, batch.taken.size,
									  batch.taken.last_sequence);
	MVS_FAULT_NO_ERROR("batch-removed");
	if (mvs_pending_record_failures())
		mvs_pending_report();
	count_batch(batch.begin);
}

/* Count a batch that began then, and tell who waits. */
static void
count_batch(TimestampTz begin)
{
	MvsDatabase *database = mvs_worker.database;
	TimestampTz end = GetCurrentTimestamp();

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->stats->batches++;
	database->stats->last_batch_at = end;
	database->stats->last_batch_usecs = end - begin;
	LWLockRelease(database->queue_lock);
	ConditionVariableBroadcast(&database->progress);
}

/*
 * Return where the requests of the same store as that at "start", for keys or for ranges, end,
 * or where there are more than "limit" of them. (There are many transactions: each of them is
 * not to look at the requests of the next ones.)
 */
static int
group_end(MvsPending **batch, int start, int count, int limit)
{
	const MvsRequest *first = batch[start]->request;
	int			in = start;
	int			out = Min(count, start + limit);

	while (in + 1 < out)
	{
		int			middle = in + (out - in) / 2;

		if (mvs_order_together(first, batch[middle]->request))
			in = middle;
		else
			out = middle;
	}
	return out;
}

/*
 * Work on requests of a batch in a transaction, or with assistants each hand on some, and
 * return how many of them have an outcome now. These are the first ones then.
 */
static int
work_some(MvsPending **items, int count)
{
	MvsShares	shares;

	pgstat_report_activity(STATE_RUNNING, "dropping superseded entries");
	if (harvest)
		return work_harvest(go_on_harvest, items, harvested);
	shares = mvs_crew_hand_out(items, count);
	if (shares.others > 0)
		return mvs_crew_collect(items, &shares, mvs_batch_work_share(items, shares.own));
	if (pays_to_harvest(items[0]->request))
		return work_harvest(begin_harvest, items, group_end(items, 0, count, count));
	return work_store(items, group_end(items, 0, count, request_limit));
}

int
mvs_batch_work_share(MvsPending **items, int count)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SHARE_TIME);
	int			done = 0;

	pgstat_report_activity(STATE_RUNNING, "dropping superseded entries");
	request_limit = MVS_REQUEST_LIMIT;
	do
		done += work_group(items + done, group_end(items, done, count, request_limit) - done);
	while (done < count && !mvs_process_is_stopping() && GetCurrentTimestamp() < until);
	return done;
}

/*
 * Do some work on requests in a transaction, and set *done to how many have an outcome by it.
 * False: it has failed, *locked: as somebody is in the way.
 */
static bool
try_work(Work work, MvsPending **items, int count, int *done, bool *locked)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool failed = false;

	PG_TRY();
	{
		*done = work(items, count);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		*locked = !mvs_process_keep_error((count == 1 || store_refused) &&
										  items[0]->tries == 0);
		failed = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return !failed;
}

/* Return where the walks of requests for ranges are, in the current memory context; else NULL. */
static MvsWalkPlace *
places_of(MvsPending **group, int count)
{
	MvsWalkPlace *places;

	if (!MvsRequestIsRange(group[0]->request))
		return NULL;
	places = palloc_extended(count * sizeof(MvsWalkPlace), MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
		places[i] = mvs_walk_place(&group[i]->walk);
	return places;
}

/* Have them go on there: what they have done since was rolled back, or some of it. */
static void
go_back(MvsPending **group, int count, const MvsWalkPlace *places)
{
	for (int i = 0; i < count; i++)
		mvs_walk_go_back(&group[i]->walk, &places[i], mvs_worker.context);
}

static void
free_places(MvsWalkPlace *places, int count)
{
	if (places == NULL)
		return;
	for (int i = 0; i < count; i++)
		if (places[i].key)
			pfree(places[i].key);
	pfree(places);
}

/*
 * Work off requests of one store in a transaction, and return how many of them, from the
 * first on, have an outcome now. After an error that is not the store's, the first ones are worked
 * off alone.
 */
static int
work_group(MvsPending **group, int count)
{
	int			done;
	bool		locked;
	bool		worked;
	MvsWalkPlace *places;

	count = Min(count, request_limit);
	places = places_of(group, count);
	worked = try_work(work_group_in_transaction, group, count, &done, &locked);
	if (!worked && places)
		go_back(group, count, places);
	free_places(places, count);
	if (worked)
		return done;
	if (count == 1 || store_refused)
		for (int i = 0; i < count; i++)
			set_error(group[i], locked);
	else if (count > mvs_batch_size)
	{
		request_limit = mvs_batch_size;
		return work_group(group, count);
	}
	else
		for (int i = 0; i < count; i++)
			(void) work_group(group + i, 1);
	return count;
}

/* Set the outcome of a request that has failed alone. */
static void
set_error(MvsPending *item, bool locked)
{
	item->outcome = locked ? MVS_OUTCOME_LOCKED : MVS_OUTCOME_ERROR;
	item->found = false;
	if (locked)
		return;
	mvs_pending_set_error(item, mvs_process_last_error());
}

/* Work off requests for keys until the transaction is full, and return how many. */
static int
work_keys(MvsDrop *drop, MvsPending **group, int count)
{
	int			start;
	int			end;

	for (start = 0; start < count && !mvs_drop_is_full(drop); start = end)
	{
		mvs_process_check();
		for (end = start + 1; end < count &&
			 mvs_order_compare(group[start]->request, group[end]->request) == 0;)
			end++;
		mvs_request_work_key(drop, group + start, end - start);
	}
	return start;
}

static int
work_group_in_transaction(MvsPending **group, int count)
{
	MvsDrop		drop;
	MvsDropState state;
	MvsDropNews news;
	int			done;

	store_refused = true;
	state = mvs_drop_begin(&drop, mvs_worker.database, group[0]->request->store);
	store_refused = false;
	if (state == MVS_DROP_READY && !MvsRequestIsRange(group[0]->request))
	{
		int			gathered = gather_group(&drop, group, count);

		done = work_keys(&drop, group, gathered);
		if (gathered < count && calls_for_harvest(&drop))
			scattered = drop.oid;
	}
	else
	{
		for (done = 0; done < count; done++)
		{
			mvs_process_check();
			if (state == MVS_DROP_READY && mvs_drop_is_full(&drop))
				break;
			if (state == MVS_DROP_PAUSED)
				group[done]->outcome = MVS_OUTCOME_MORE;
			else if (state == MVS_DROP_LOCKED)
				group[done]->outcome = MVS_OUTCOME_LOCKED;
			else if (state == MVS_DROP_GONE)
				mvs_request_gone(group[done]);
			else
				mvs_request_work_range(&drop, group[done]);
		}
		for (int i = 0; state == MVS_DROP_READY && i < done; i++)
			mvs_request_show(&drop, group[i]);
	}
	news = mvs_drop_commit(&drop, state);
	mvs_crew_tell(&news);
	return done;
}

/* ------------------------------------------------------------------------
 * Harvests
 *
 * One transaction judges, others let go; those at last delete the rows of the requests. So
 * a request is there until all of what it asks for has gone. Whatever comes in between, they are
 * worked off as any others, from where they are.
 * ------------------------------------------------------------------------ */

/* Whether, as things are, requests can be worked off by one: none of them may be void, or wait. */
static bool
can_harvest(void)
{
	return mvs_drop_rate_limit == 0 && !mvs_worker.database->queue->recheck;
}

/* Whether a request is to be worked off by one, with those behind it. */
static bool
pays_to_harvest(const MvsRequest *request)
{
	return current.may_harvest && request->store == scattered && !MvsRequestIsRange(request) &&
		can_harvest() && !mvs_process_is_stopping();
}

static void
end_harvest(void)
{
	if (harvest)
		mvs_harvest_end(harvest);
	harvest = NULL;
}

/* Do so by a harvest, which is over, and the last one of the batch, where that fails. */
static int
work_harvest(Work work, MvsPending **items, int count)
{
	int			done;
	bool		locked;

	if (try_work(work, items, count, &done, &locked))
		return done;
	end_harvest();
	current.may_harvest = false;
	request_limit = mvs_batch_size;
	return 0;
}

/*
 * Gather and judge what goes by as many of the requests as there is room for. Where it does not
 * pay, or so much goes that does not wait that it cannot judge all of them, it is the last one of
 * the batch: the next would gather the same again.
 */
static int
begin_harvest(MvsPending **items, int count)
{
	MvsDrop		drop;
	MvsDropState state = mvs_drop_begin(&drop, mvs_worker.database, items[0]->request->store);
	MvsDropNews news;
	bool		pays = false;

	if (state == MVS_DROP_READY && !drop.store.info.referenced)
	{
		MemoryContext old;
		int			all;

		harvest = mvs_harvest_create(&drop, mvs_worker.context);
		old = MemoryContextSwitchTo(harvest->context);
		mvs_gather_begin(&harvest->gather, &drop.store, GetActiveSnapshot());
		all = gather_keys(&drop, &harvest->gather, items, count, mvs_harvest_limit());
		MemoryContextSwitchTo(old);
		harvested = mvs_harvest_read(harvest, &drop) ? work_keys(&drop, items, all) : 0;
		(void) mvs_harvest_leave(harvest, &drop);
		pays = harvested == all && mvs_harvest_pays(harvest);
		if (harvested == 0)
			end_harvest();
	}
	current.may_harvest = pays;
	news = mvs_drop_commit(&drop, state);
	mvs_crew_tell(&news);
	return 0;
}

/* Let go some of it, or at last be done with some of its requests; return with how many. */
static int
go_on_harvest(MvsPending **items, int count)
{
	MvsDrop		drop;
	MvsDropState state = mvs_drop_begin(&drop, mvs_worker.database, items[0]->request->store);
	MvsDropNews news;
	bool		holds = (state == MVS_DROP_READY);
	int			done = 0;

	if (holds && mvs_harvest_is_left(harvest))
	{
		holds = can_harvest() && mvs_harvest_holds(harvest, &drop);
		if (holds)
			(void) mvs_harvest_go_on(harvest, &drop);
	}
	else if (holds)
	{
		done = (int) mvs_least(count, mvs_pace_entries(MVS_REQUEST_LIMIT));
		finish_harvested(items, done);
	}
	news = mvs_drop_commit(&drop, state);
	mvs_crew_tell(&news);
	harvested -= done;
	current.may_harvest &= holds;
	if (!holds || harvested == 0)
		end_harvest();
	return done;
}

/* Delete the rows of requests for which all has gone. */
static void
finish_harvested(MvsPending **items, int count)
{
	for (int i = 0; i < count; i++)
	{
		MvsPending *item = items[i];

		mvs_process_check();
		if (item->outcome != MVS_OUTCOME_DONE)
			continue;
		if (is_in_the_way(item->request))
			item->outcome = MVS_OUTCOME_LOCKED;
		else if (item->found)
		{
			mvs_request_find_row(item);
			if (item->found)
				mvs_journal_delete(&item->journal_tid);
		}
	}
}

/* Whether somebody was in the way of what goes of a request's key. */
static bool
is_in_the_way(const MvsRequest *request)
{
	const MvsGatheredKey *key;

	if (!mvs_gather_is_in_the_way(&harvest->gather))
		return false;
	key = mvs_gather_find(&harvest->gather, mvs_key_make(request->key, request->key_length));
	return key && key->in_the_way;
}

/*
 * Gather the entries of the keys of requests, until there are so many, or all the room is taken,
 * and return of how many requests. The keys are in the current memory context.
 */
static int
gather_keys(MvsDrop *drop, MvsGather *gather, MvsPending **group, int count, int limit)
{
	int			last = -1;		/* whose key was gathered */
	int			i;

	for (i = 0; i < count; i++)
	{
		const MvsRequest *request = group[i]->request;

		if (last >= 0 && mvs_order_compare(group[last]->request, group[i]->request) == 0)
			continue;
		if (gather->count >= limit || mvs_gather_is_full(gather, mvs_harvest_limit()))
			break;
		if (!mvs_request_may_be_judged(drop, request))
			continue;
		mvs_gather_key(gather, mvs_key_make(request->key, request->key_length));
		last = i;
	}
	return i;
}

/* Gather the entries of as many keys as a transaction is for; return of how many requests. */
static int
gather_group(MvsDrop *drop, MvsPending **group, int count)
{
	int			gathered;

	if (count < GATHER_FROM)
		return count;
	mvs_drop_gather(drop);
	gathered = gather_keys(drop, drop->gather, group, count, mvs_drop_gather_limit());
	(void) mvs_gather_read(drop->gather, 0, NULL);
	return gathered;
}

/* Whether, by what it has gathered and done, the next requests are worth a harvest. */
static bool
calls_for_harvest(const MvsDrop *drop)
{
	return drop->gather && mvs_gather_is_wide(drop->gather) &&
		drop->tally.purged <= drop->gather->key_count / WHOLE_SHARE;
}
