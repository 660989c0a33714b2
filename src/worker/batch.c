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
#include "worker/batch.h"
#include "worker/crew.h"
#include "worker/drop.h"
#include "worker/pace.h"
#include "worker/pending.h"
#include "worker/process.h"
#include "worker/walk.h"

/* Requests of one store from which on their entries are gathered. */
#define GATHER_FROM 1000

/* Requests that are copied from the queue at a time, under its lock. */
#define COPY_LIMIT 1000

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
} Batch;

static Batch current;

/* Requests that a transaction works off at most: fewer once one has failed. */
static int	request_limit;

static bool queue_is_due(bool force);
static int	queue_limit(MvsPending *const *items, int kept);
static Taken copy_queue(MvsOrdered *order, int limit);
static void fill_from_queue(Batch *batch, int limit);
static bool begin_batch(bool force);
static int	work_store(MvsPending **group, int count);
static void end_batch(void);
static void count_batch(TimestampTz begin);
static void sort_requests(MvsPending **items, int count);
static int	group_end(MvsPending **batch, int start, int count);
static int	work_some(MvsPending **items, int count);
static int	work_group(MvsPending **group, int count);
static void set_error(MvsPending *item, bool locked);
static pg_noinline int work_group_in_transaction(MvsPending **group, int count);
static bool may_be_judged(const MvsDrop *drop, const MvsRequest *request);
static int	gather_keys(MvsDrop *drop, MvsPending **group, int count);
static void work_gone(MvsPending *item);
static void find_journal_row(MvsPending *item);
static void hold(MvsPending *item, int64 wait_for);
static bool is_erased(MvsDrop *drop, const MvsRequest *request, const bytea *key);
static MvsDroppable asked_for(MvsDrop *drop, const MvsRequest *request);
static bool drop_from_key(MvsDrop *drop, const bytea *key, void *argument);
static void work_range(MvsDrop *drop, MvsPending *item);
static bool wants_judgement(const MvsDrop *drop, const MvsRequest *request);
static void note_ends(MvsDrop *drop, const MvsRequest *request, const bytea *key,
					  MvsDroppable droppable);
static bool is_judged(MvsDrop *drop, MvsPending *item, const bytea *key);
static void claim_rows(MvsPending **group, int count);
static bool choose_judges(MvsDrop *drop, MvsPending **group, int count, const bytea *key);
static MvsDroppable judge_key(MvsDrop *drop, MvsPending **group, int count, const bytea *key);
static MvsDroppable unite(MvsDrop *drop, MvsPending **group, int count);
static void drop_from_group(MvsDrop *drop, MvsPending **group, int count);
static void see_outcome(MvsDrop *drop, MvsPending *item, int gone, bool progress);
static void finish_group(MvsDrop *drop, MvsPending **group, int count, const bytea *key,
						 MvsDroppable policy);
static void work_key(MvsDrop *drop, MvsPending **group, int count);

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
 * takes many batches is to have one soon.
 */
static int
queue_limit(MvsPending *const *items, int kept)
{
	for (int i = 0; i < kept; i++)
		if (items[i]->last_outcome == MVS_OUTCOME_MORE)
			return mvs_batch_size - kept;
	return mvs_batch_limit() - kept;
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
	Batch		batch = {.begin = GetCurrentTimestamp()};
	bool		due = queue_is_due(force);

	batch.items = MemoryContextAlloc(mvs_worker.context, limit * sizeof(MvsPending *));

	/* What is kept and due comes first: it has waited longest. */
	batch.kept = mvs_pending_choose(batch.items, limit, due);
	limit = queue_limit(batch.items, batch.kept);
	fill_from_queue(&batch, due ? Max(limit, 0) : 0);
	if (batch.count == 0)
	{
		pfree(batch.items);
		return false;
	}
	current = batch;
	request_limit = MVS_REQUEST_LIMIT;
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

/* Put requests in order. */
static void
sort_requests(MvsPending **items, int count)
{
	MvsOrdered *order = palloc_extended(count * sizeof(MvsOrdered), MCXT_ALLOC_HUGE);

	for (int i = 0; i < count; i++)
	{
		order[i].request = items[i]->request;
		order[i].owner = items[i];
	}
	mvs_order_sort(order, count);
	for (int i = 0; i < count; i++)
		items[i] = order[i].owner;
	pfree(order);
}

/*
 * Return where the requests of the same store as that at "start", for keys or for ranges, end,
 * or where there are more of them than a transaction works off. (There are many transactions:
 * each of them is not to look at the requests of the next ones.)
 */
static int
group_end(MvsPending **batch, int start, int count)
{
	const MvsRequest *first = batch[start]->request;
	int			in = start;
	int			out = Min(count, start + request_limit);

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
 * Work off requests of a batch in a transaction, or with assistants each hand in some, and
 * return how many of them have an outcome now. These are the first ones then.
 */
static int
work_some(MvsPending **items, int count)
{
	MvsShares	shares = mvs_crew_hand_out(items, count);

	if (shares.others > 0)
		return mvs_crew_collect(items, &shares, mvs_batch_work_share(items, shares.own));
	pgstat_report_activity(STATE_RUNNING, "dropping superseded entries");
	return work_store(items, group_end(items, 0, count));
}

int
mvs_batch_work_share(MvsPending **items, int count)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SHARE_TIME);
	int			done = 0;

	pgstat_report_activity(STATE_RUNNING, "dropping superseded entries");
	request_limit = MVS_REQUEST_LIMIT;
	do
		done += work_group(items + done, group_end(items, done, count) - done);
	while (done < count && !mvs_process_is_stopping() && GetCurrentTimestamp() < until);
	return done;
}

void
mvs_batch_work_off(MvsPending **batch, int count)
{
	int			start = 0;

	request_limit = MVS_REQUEST_LIMIT;
	sort_requests(batch, count);
	while (start < count && mvs_pace_may_drop() && !mvs_process_is_stopping())
		start += work_some(batch + start, count - start);
	for (; start < count; start++)
		batch[start]->outcome = MVS_OUTCOME_MORE;
}

/*
 * Work off requests of one store in a transaction, and return how many of them, from the
 * first on, have an outcome now. After an error, the first ones are worked off alone.
 */
static int
work_group(MvsPending **group, int count)
{
	MemoryContext old = CurrentMemoryContext;
	volatile int done = 0;
	volatile bool failed = false;
	volatile bool locked = false;

	count = Min(count, request_limit);
	PG_TRY();
	{
		done = work_group_in_transaction(group, count);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		locked = !mvs_process_keep_error(count == 1 && group[0]->tries == 0);
		failed = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);

	if (!failed)
		return done;
	for (int i = 0; i < count; i++)
	{
		/* What it had done of a range was rolled back, or some of it. */
		mvs_pending_end_walk(group[i]);
	}
	if (count == 1)
		set_error(group[0], locked);
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
	mvs_pending_set_error(item, mvs_worker.database->stats->last_error);
}

/* (Not inline, or gcc fears for what it sets between PG_TRY and PG_CATCH.) */
static pg_noinline int
work_group_in_transaction(MvsPending **group, int count)
{
	MvsDrop		drop;
	MvsDropState state = mvs_drop_begin(&drop, mvs_worker.database, group[0]->request->store);
	MvsDropNews news;
	int			start;
	int			end;

	if (state == MVS_DROP_READY && count >= GATHER_FROM && !MvsRequestIsRange(group[0]->request))
		count = gather_keys(&drop, group, count);
	for (start = 0; start < count; start = end)
	{
		end = start + 1;
		if (state == MVS_DROP_PAUSED)
			group[start]->outcome = MVS_OUTCOME_MORE;
		else if (state == MVS_DROP_LOCKED)
			group[start]->outcome = MVS_OUTCOME_LOCKED;
		else if (state == MVS_DROP_GONE)
			work_gone(group[start]);
		else if (mvs_drop_is_full(&drop))
			break;				/* the rest is for another one */
		else if (MvsRequestIsRange(group[start]->request))
			work_range(&drop, group[start]);
		else
		{
			while (end < count &&
				   mvs_order_compare(group[start]->request, group[end]->request) == 0)
				end++;
			work_key(&drop, group + start, end - start);
		}
	}
	news = mvs_drop_commit(&drop, state);
	mvs_crew_tell(&news);
	return start;
}

/* Whether the entries of a request's key may have to be looked at, as things are. */
static bool
may_be_judged(const MvsDrop *drop, const MvsRequest *request)
{
	return request->incarnation == drop->store.info.incarnation &&
		wants_judgement(drop, request) &&
		(MvsRequestIsImplicit(request) || request->before <= drop->horizon);
}

/* Gather the entries of as many keys as a transaction is for; return of how many requests. */
static int
gather_keys(MvsDrop *drop, MvsPending **group, int count)
{
	int			limit = mvs_drop_gather_limit();
	int			last = -1;		/* whose key was gathered */
	int			i;

	mvs_drop_gather(drop);
	for (i = 0; i < count; i++)
	{
		const MvsRequest *request = group[i]->request;

		if (last >= 0 && mvs_order_compare(group[last]->request, group[i]->request) == 0)
			continue;
		if (drop->gather->count >= limit)
			break;
		if (!may_be_judged(drop, request))
			continue;
		mvs_gather_key(drop->gather, mvs_key_make(request->key, request->key_length));
		last = i;
	}
	mvs_gather_read(drop->gather);
	return i;
}

/* Work off a request whose store is gone: there is nothing to drop. */
static void
work_gone(MvsPending *item)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	find_journal_row(item);
	if (item->outcome == MVS_OUTCOME_DONE && item->found)
		mvs_journal_delete(&item->journal_tid);
	PopActiveSnapshot();
}

/* Find the row of a request that has one; without it, the request is done already. */
static void
find_journal_row(MvsPending *item)
{
	MvsJournalRow row;

	item->found = false;
	item->outcome = MVS_OUTCOME_DONE;
	if (item->request->journal == 0)
		return;
	row = mvs_journal_find(item->request, &item->journal_tid);
	item->found = (row == MVS_ROW_FOUND);
	if (row != MVS_ROW_FOUND)
		item->outcome = row == MVS_ROW_GONE ? MVS_OUTCOME_ALREADY_DONE : MVS_OUTCOME_LOCKED;
}

/* Keep a request until the horizon has come to a version. */
static void
hold(MvsPending *item, int64 wait_for)
{
	item->outcome = MVS_OUTCOME_HELD;
	item->wait_for = wait_for;
}

/* Whether the entries of a request's key are not there, as they may have been erased. */
static bool
is_erased(MvsDrop *drop, const MvsRequest *request, const bytea *key)
{
	MvsEntry	entry;

	return request->journal == 0 && request->committed_at <= drop->database->queue->erased_until &&
		!mvs_cursor_find(&drop->cursor, key, MVS_NEWEST, &entry);
}

/* Return what somebody's request makes droppable of the collected key. */
static MvsDroppable
asked_for(MvsDrop *drop, const MvsRequest *request)
{
	const MvsHistory *history = &drop->entries.history;
	MvsRule		rule = {.keep = request->keep, .before = request->before};
	MvsDroppable droppable = {0};

	droppable.first = request->kind == MVS_REQUEST_COMPACT ?
		mvs_rule_compact(history, request->before) : mvs_rule_request(history, &rule);
	return droppable;
}

/* Let go what a request for a range, which alone judges the key, makes droppable of it. */
static bool
drop_from_key(MvsDrop *drop, const bytea *key, void *argument)
{
	MvsRequest *request = argument;
	MvsVerdict	verdict = mvs_drop_judge(drop, asked_for(drop, request));

	return mvs_drop_entries(drop, &verdict) == verdict.first;
}

/* Work off a slice of a range. */
static void
work_range(MvsDrop *drop, MvsPending *item)
{
	MvsRequest *request = item->request;
	bytea	   *to = NULL;
	MvsSliceEnd state = MVS_SLICE_DONE;
	int64		read = drop->read;

	if (request->bounded)
		to = mvs_key_make(request->key + request->key_length, request->to_length);
	find_journal_row(item);
	if (item->outcome != MVS_OUTCOME_DONE)
		return;
	if (request->incarnation == drop->store.info.incarnation)
	{
		if (request->before > drop->horizon)
		{
			hold(item, request->before);
			return;
		}
		mvs_store_refuse_referenced(&drop->store);
		if (!item->walk.begun)
			mvs_walk_begin(&item->walk, mvs_key_make(request->key, request->key_length),
						   mvs_worker.context);
		state = mvs_walk_slice(drop, &item->walk, to, request->keep, drop_from_key, request,
							   mvs_worker.context, &drop->read);
	}
	if (state == MVS_SLICE_MORE)
	{
		item->outcome = MVS_OUTCOME_MORE;
		mvs_drop_show(drop, request->kind == MVS_REQUEST_COMPACT ? MVS_COMMAND_COMPACT :
					  MVS_COMMAND_RANGE, MvsRequestId(request), drop->read - read);
	}
	else if (state == MVS_SLICE_LOCKED)
		item->outcome = MVS_OUTCOME_LOCKED;
	else if (item->found)
		mvs_journal_delete(&item->journal_tid);
	MVS_FAULT("range-slice-done");
}

/* ------------------------------------------------------------------------
 * The requests of one key
 *
 * Their rows are claimed, what they make droppable is judged, entries go, and last
 * the rows of the requests that are done.
 * ------------------------------------------------------------------------ */

/* Find the rows of the requests, once each. */
static void
claim_rows(MvsPending **group, int count)
{
	for (int i = 0; i < count; i++)
	{
		MvsPending *item = group[i];

		find_journal_row(item);

		/* One that overflowed by its bytes can come from the queue and from the journal. */
		for (int j = 0; j < i && item->found; j++)
		{
			if (group[j]->request->journal == item->request->journal)
			{
				item->outcome = MVS_OUTCOME_ALREADY_DONE;
				item->found = false;
			}
		}
	}
}

/* Whether the entries of its key are to be looked at now; else there is but something to note. */
static bool
wants_judgement(const MvsDrop *drop, const MvsRequest *request)
{
	return request->kind != MVS_REQUEST_WRITE ||
		(request->before > 0 && drop->store.info.policy.keep_versions > 0);
}

/* Whether the entries of its key are to be judged by a request now. */
static bool
is_judged(MvsDrop *drop, MvsPending *item, const bytea *key)
{
	const MvsRequest *request = item->request;

	if (item->outcome != MVS_OUTCOME_DONE ||
		request->incarnation != drop->store.info.incarnation || /* of an earlier life */
		!wants_judgement(drop, request))
		return false;

	/* What a policy says holds at any time; what somebody asked for is done as a whole. */
	if (MvsRequestIsImplicit(request))
		return true;
	if (request->before > drop->horizon)
	{
		if (!is_erased(drop, request, key))
			hold(item, request->before);
		return false;
	}
	mvs_store_refuse_referenced(&drop->store);
	return true;
}

/* Choose those of the requests by which the key is judged; false where there are none. */
static bool
choose_judges(MvsDrop *drop, MvsPending **group, int count, const bytea *key)
{
	bool		any = false;

	for (int i = 0; i < count; i++)
	{
		group[i]->judged = is_judged(drop, group[i], key);
		any |= group[i]->judged;
	}
	return any;
}

/*
 * Collect the entries of the key, and see what each of the requests that judge it makes
 * droppable. Return what the store's policy does.
 */
static MvsDroppable
judge_key(MvsDrop *drop, MvsPending **group, int count, const bytea *key)
{
	int			keep = drop->store.info.policy.keep_versions;
	MvsDroppable policy;

	for (int i = 0; i < count; i++)
		if (group[i]->judged)
			keep = Max(keep, group[i]->request->keep);
	mvs_drop_collect(drop, key, keep);
	policy = mvs_drop_policy(drop, key);
	for (int i = 0; i < count; i++)
		if (group[i]->judged)
			group[i]->droppable = MvsRequestIsImplicit(group[i]->request) ? policy :
				asked_for(drop, group[i]->request);
	return policy;
}

/* Return what the requests that judge the key make droppable together. */
static MvsDroppable
unite(MvsDrop *drop, MvsPending **group, int count)
{
	MvsDroppable all = {.first = drop->entries.history.count};

	for (int i = 0; i < count; i++)
	{
		if (!group[i]->judged)
			continue;
		all.first = Min(all.first, group[i]->droppable.first);
		all.purge |= group[i]->droppable.purge;
	}
	return all;
}

/* See what is to become of a request, now that all entries from "gone" on have gone. */
static void
see_outcome(MvsDrop *drop, MvsPending *item, int gone, bool progress)
{
	MvsVerdict	verdict = mvs_drop_judge(drop, item->droppable);

	if (gone > verdict.first)
		item->outcome = MVS_OUTCOME_LOCKED;
	else if (MvsRequestIsImplicit(item->request) && verdict.held > 0)
		hold(item, verdict.held);
	else if (progress && drop->entries.more)
		item->outcome = MVS_OUTCOME_MORE;
}

/* Have go what the requests let go, taken together; each is done, or not, by itself. */
static void
drop_from_group(MvsDrop *drop, MvsPending **group, int count)
{
	int64		dropped = drop->tally.entries;
	MvsVerdict	verdict = mvs_drop_judge(drop, unite(drop, group, count));
	int			gone = mvs_drop_entries(drop, &verdict);

	for (int i = 0; i < count; i++)
		if (group[i]->judged)
			see_outcome(drop, group[i], gone, drop->tally.entries > dropped);
}

/* Note when a request of the policy's wants its key looked at again. */
static void
note_ends(MvsDrop *drop, const MvsRequest *request, const bytea *key, MvsDroppable droppable)
{
	const char *data = VARDATA_ANY(key);
	int			length = VARSIZE_ANY_EXHDR(key);

	if (is_erased(drop, request, key))
		return;
	if (request->kind == MVS_REQUEST_LOOK ||
		(drop->store.info.referenced && wants_judgement(drop, request)))
		mvs_drop_note_pending(drop, data, length, droppable);
	if (request->kind == MVS_REQUEST_WRITE)
	{
		if (request->before > 0 && drop->store.info.policy.keep_for >= 0)
			mvs_notes_add(&drop->notes, data, length, request->before, false);
		if (request->expires > 0)
			mvs_notes_add(&drop->notes, data, length, request->expires, false);
	}
}

/* Note what those that are done leave for later, and delete their rows. */
static void
finish_group(MvsDrop *drop, MvsPending **group, int count, const bytea *key,
			 MvsDroppable policy)
{
	int			done = 0;		/* of those by which it was judged */

	for (int i = 0; i < count; i++)
	{
		MvsPending *item = group[i];

		if (item->outcome != MVS_OUTCOME_DONE)
			continue;
		done += item->judged;
		if (item->request->incarnation == drop->store.info.incarnation &&
			MvsRequestIsImplicit(item->request))
			note_ends(drop, item->request, key, policy);
		if (item->found)
			mvs_journal_delete(&item->journal_tid);
	}
	drop->merged += Max(done - 1, 0);
}

/* Work off all requests of one key. */
static void
work_key(MvsDrop *drop, MvsPending **group, int count)
{
	bytea	   *key = mvs_key_make(group[0]->request->key, group[0]->request->key_length);
	MvsDroppable policy = {0};

	claim_rows(group, count);
	if (choose_judges(drop, group, count, key))
	{
		policy = judge_key(drop, group, count, key);

		/* What a foreign key keeps is noted, for when that has gone. */
		if (!drop->store.info.referenced)
			drop_from_group(drop, group, count);
	}
	finish_group(drop, group, count, key, policy);
	pfree(key);
	MVS_FAULT("key-done");
}
