/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Batches of drop requests, in the worker.
 *
 * A batch is worked off store by store, one transaction each, in the order of
 * the index. What cannot be worked off at once is kept in pending: held until
 * the horizon has passed it, or waiting for a lock or for another try after an
 * error. What waits beyond mvstore.queue_size of these is left to what else tells of
 * it, so that it holds up nothing that is due: to its row (left.c), or to a mark of
 * its store. Until a batch is settled its requests stay where they came from, in the
 * queue or in pending, so that a worker that dies leaves none out.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/key.h"
#include "base/settings.h"
#include "queue/journal.h"
#include "shared/fault.h"
#include "store/rule.h"
#include "store/store.h"
#include "version/version.h"
#include "worker/batch.h"
#include "worker/drop.h"
#include "worker/left.h"
#include "worker/sweep.h"
#include "worker/process.h"
#include "worker/worker.h"

/* Requests that a pass over the journal reads at a time, in batches. */
#define JOURNAL_BATCHES 10

/* A pass over the journal has stopped behind this row, to go on there. */
static bool journal_paused = false;
static int64 journal_after;
static int64 journal_met;		/* it has met all rows up to this one */
static int64 journal_failed;	/* rows set aside that it has met */

/*
 * Where a pass begins: no row below is left. Behind an old snapshot the index
 * cannot forget the rows that are gone, and passes would take ever longer.
 */
static int64 journal_begin = 0;
static int64 journal_lowest;	/* row that the pass has met */
static int64 journal_settled;	/* all rows below it could be seen by the pass */
static int64 journal_now = 0;	/* no row below is made after xid journal_next */
static TransactionId journal_next = InvalidTransactionId;

static bool queue_is_due(bool force);
static bool is_due(MvsPending *item, TimestampTz now, const MvsLook *look);
static void begin_journal_pass(void);
static int64 *list_known(int *count);
static int	compare_ids(const void *a, const void *b);
static MvsPending *take_over(const MvsRequest *request);
static void free_pending(MvsPending *item);
static void remove_from_queue(int count, Size size, uint64 last_sequence);
static void work_off(MvsPending **batch, int count);
static bool is_crowded(void);
static bool leave(const MvsPending *item);
static void settle(MvsPending **batch, int count);
static void work_group(MvsPending **group, int count);
static pg_noinline void work_group_in_transaction(MvsPending **group, int count);
static void find_journal_row(MvsPending *item);
static void hold(MvsPending *item, int64 wait_for);
static MvsDroppable asked_for(MvsDrop *drop, const MvsRequest *request);
static bool drop_from_key(MvsDrop *drop, const bytea *key, void *argument);
static void work_range(MvsDrop *drop, MvsPending *item);
static bool is_erased(MvsDrop *drop, const MvsRequest *request, const bytea *key);
static bool wants_judgement(MvsDrop *drop, const MvsRequest *request);
static void note_ends(MvsDrop *drop, const MvsRequest *request, const bytea *key,
					  MvsDroppable droppable);
static bool is_judged(MvsDrop *drop, MvsPending *item, const bytea *key);
static int	choose_requests(MvsDrop *drop, MvsPending **group, int count, const bytea *key,
							int *keep);
static void see_outcome(MvsDrop *drop, MvsPending *item, MvsDroppable policy, int gone,
						bool progress);
static MvsDroppable drop_by_requests(MvsDrop *drop, MvsPending **group, int count,
									 const bytea *key, int keep);
static void work_key(MvsDrop *drop, MvsPending **group, int count);
static int	compare_requests(const void *a, const void *b);
static void note_failures(void);
static bool note_failure(MvsPending *item);

bool
mvs_batch_is_full(void)
{
	/* One share for what waits, one for what has room in the queue: the rest is in trouble. */
	return list_length(mvs_worker.pending) / 3 >= mvs_queue_size;
}

/* Whether no more is to be kept of what waits and is told of elsewhere. */
static bool
is_crowded(void)
{
	return list_length(mvs_worker.pending) >= mvs_queue_size;
}

/* Whether the queue is to be worked off now. */
static bool
queue_is_due(bool force)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		due;

	if (mvs_batch_is_full())
		return false;
	LWLockAcquire(mvs_worker.database->queue_lock, LW_SHARED);
	due = mvs_worker.database->queue_count > 0 &&
		(force || mvs_worker.database->queue_count >= mvs_batch_size ||
		 mvs_queue_due(mvs_worker.database, now) <= now);
	LWLockRelease(mvs_worker.database->queue_lock);
	return due;
}

/* Whether a request that is kept here is to be tried now. */
static bool
is_due(MvsPending *item, TimestampTz now, const MvsLook *look)
{
	if (item->outcome == MVS_OUTCOME_HELD &&
		item->wait_for > mvs_process_horizon(look, item->request->store))
		return false;
	return item->retry_at <= now;
}

/* Remove a batch from the queue, but keep the room of what stands nowhere else. */
static void
remove_from_queue(int count, Size size, uint64 last_sequence)
{
	int64		kept = 0;
	Size		kept_size = 0;
	ListCell   *cell;

	foreach(cell, mvs_worker.pending)
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
	foreach(cell, mvs_worker.pending)
	{
		MvsPending *item = lfirst(cell);

		item->keeps_room |= item->wants_room;
		item->wants_room = false;
	}
	RESUME_INTERRUPTS();
}

void
mvs_batch_recheck(void)
{
	ListCell   *cell;

	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->recheck = false;
	mvs_worker.database->pinned_count = 0;	/* until it is known again */
	LWLockRelease(mvs_worker.database->queue_lock);
	foreach(cell, mvs_worker.pending)
	{
		MvsPending *item = lfirst(cell);

		/* As one that has never been tried; also those whose key may have been erased. */
		if (item->request->journal != 0 ||
			item->request->committed_at <= mvs_worker.database->erased_until)
		{
			item->outcome = MVS_OUTCOME_MORE;
			item->retry_at = 0;
		}
	}
	mvs_left_recheck();
	mvs_worker_report();
}

bool
mvs_batch_run(bool force)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end;
	MvsLook		look = {0};
	MvsPending **batch = palloc(mvs_batch_size * sizeof(MvsPending *));
	List	   *left = NIL;
	int			count = 0;
	int			more = 0;
	int			from_queue = 0;
	Size		queue_size = 0;
	uint64		last_sequence = 0;
	ListCell   *cell;

	/* What is kept and due comes first: it has waited longest. */
	if (mvs_worker.pending != NIL)
		look = mvs_process_look();
	foreach(cell, mvs_worker.pending)
	{
		MvsPending *item = lfirst(cell);

		/* What takes many batches leaves half of each to others. */
		item->in_batch = count < mvs_batch_size && is_due(item, now, &look) &&
			(item->outcome != MVS_OUTCOME_MORE || more < (mvs_batch_size + 1) / 2);
		if (!item->in_batch)
			continue;
		more += (item->outcome == MVS_OUTCOME_MORE);
		batch[count++] = item;
	}

	if (count < mvs_batch_size && queue_is_due(force))
	{
		Size		space = Max((Size) mvs_batch_size * MVS_REQUEST_SPACE, MVS_MAX_REQUEST);
		char	   *buffer = palloc(space);

		from_queue = mvs_queue_peek(mvs_worker.database, buffer, space, mvs_batch_size - count);
		for (int i = 0; i < from_queue; i++)
		{
			MvsRequest *request = (MvsRequest *) (buffer + queue_size);

			queue_size += request->size;
			last_sequence = request->sequence;
			batch[count++] = take_over(request);
		}
	}
	if (count == 0)
		return false;
	MVS_FAULT("batch-taken");

	work_off(batch, count);

	/* Until now a batch stayed in pending, resp. in the queue: see release_slot(). */
	if (count > from_queue)
	{
		MemoryContext old = MemoryContextSwitchTo(mvs_worker.context);

		foreach(cell, mvs_worker.pending)
		{
			if (!((MvsPending *) lfirst(cell))->in_batch)
				left = lappend(left, lfirst(cell));
		}
		MemoryContextSwitchTo(old);
		list_free(mvs_worker.pending);
		mvs_worker.pending = left;
	}
	settle(batch, count);
	MVS_FAULT_NO_ERROR("batch-settled");
	mvs_worker_report();
	if (from_queue > 0)
		remove_from_queue(from_queue, queue_size, last_sequence);
	MVS_FAULT_NO_ERROR("batch-removed");

	end = GetCurrentTimestamp();
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->stats.batches++;
	mvs_worker.database->stats.last_batch_at = end;
	mvs_worker.database->stats.last_batch_usecs = end - now;
	LWLockRelease(mvs_worker.database->queue_lock);
	ConditionVariableBroadcast(&mvs_worker.database->progress);
	return true;
}

bool
mvs_batch_journal_is_due(void)
{
	return (journal_paused || mvs_worker.database->journal_wanted) && !mvs_batch_is_full();
}

void
mvs_batch_run_journal(void)
{
	int			limit = mvs_batch_size * JOURNAL_BATCHES;
	MvsPending **batch = palloc(mvs_batch_size * sizeof(MvsPending *));
	int			known_count;
	int64	   *known = list_known(&known_count);
	MemoryContext old = CurrentMemoryContext;
	MvsLook		look = mvs_process_look();
	List	   *requests;
	ListCell   *cell;
	int64		last;
	int			count = 0;
	bool		more;

	if (!journal_paused)
	{
		LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
		mvs_worker.database->journal_wanted = false;
		mvs_worker.journal_sequence = 0;
		mvs_worker.database->unfinished = 0;
		LWLockRelease(mvs_worker.database->queue_lock);
		begin_journal_pass();
	}

	/* Whatever ends the pass early: journal_sequence tells that it is not finished. */
	journal_paused = true;
	CHECK_FOR_INTERRUPTS();
	StartTransactionCommand();
	mvs_process_lock_catalog(MVS_JOURNAL);
	MemoryContextSwitchTo(old);
	more = mvs_journal_read(journal_after, limit, &requests, &journal_failed,
							&journal_lowest, &last);
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	MVS_FAULT("journal-read");

	foreach(cell, requests)
	{
		MvsRequest *request = lfirst(cell);

		journal_met = request->journal;
		if (bsearch(&request->journal, known, known_count, sizeof(int64),
					compare_ids) == NULL)
		{
			/* For what would be held and left, however many there are, no transaction. */
			if (is_crowded() && !MvsRequestIsImplicit(request) &&
				request->before > mvs_process_horizon(&look, request->store))
				mvs_left_add(request, false, request->before);
			else
				batch[count++] = take_over(request);
		}
		pfree(request);
		if (count == mvs_batch_size || (count > 0 && lnext(requests, cell) == NULL))
		{
			work_off(batch, count);
			settle(batch, count);
			count = 0;
		}
	}
	list_free(requests);
	journal_after = journal_met = last;
	ConditionVariableBroadcast(&mvs_worker.database->progress);
	mvs_worker_report();
	if (more || mvs_process_is_stopping() || mvs_worker.database->paused ||
		mvs_batch_is_full())
		return;					/* others have their turn */

	journal_paused = false;
	journal_begin = Max(journal_begin, Min(journal_lowest, journal_settled));
	mvs_worker.journal_sequence = PG_UINT64_MAX;
	mvs_left_pass_ended();
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->failed_count = journal_failed;
	LWLockRelease(mvs_worker.database->queue_lock);
	mvs_worker_report();
	ConditionVariableBroadcast(&mvs_worker.database->progress);
}

/*
 * Begin a pass at the first row that may be there. A row has its id from a
 * transaction that has its xid already: when all transactions before an xid have
 * ended, all rows with ids of before it can be seen.
 */
static void
begin_journal_pass(void)
{
	StartTransactionCommand();
	journal_settled = 0;
	if (TransactionIdIsValid(journal_next) &&
		TransactionIdFollowsOrEquals(GetTransactionSnapshot()->xmin, journal_next))
		journal_settled = journal_now;
	journal_now = mvs_version_now(mvs_worker.database);
	journal_next = XidFromFullTransactionId(ReadNextFullTransactionId());
	CommitTransactionCommand();
	journal_after = journal_met = Max(journal_begin - 1, 0);
	mvs_left_pass_begins();
	journal_lowest = MVS_NEWEST;
	journal_failed = 0;
}

/* The rows of the journal that are in pending or in the queue already, in order. */
static int64 *
list_known(int *count)
{
	char	   *queued;
	Size		size = mvs_queue_copy(mvs_worker.database, &queued);
	Size		most = list_length(mvs_worker.pending) + size / MvsRequestSize(0, 0) + 1;
	int64	   *known = MemoryContextAllocHuge(CurrentMemoryContext, most * sizeof(int64));
	ListCell   *cell;

	*count = 0;
	foreach(cell, mvs_worker.pending)
	{
		int64		id = ((MvsPending *) lfirst(cell))->request->journal;

		if (id != 0)
			known[(*count)++] = id;
	}
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

/* A copy of a request in the worker's own memory. */
static MvsPending *
take_over(const MvsRequest *request)
{
	MvsPending *item = MemoryContextAllocZero(mvs_worker.context, sizeof(MvsPending));

	item->request = MemoryContextAlloc(mvs_worker.context, request->size);
	memcpy(item->request, request, request->size);
	return item;
}

static void
free_pending(MvsPending *item)
{
	if (item->keeps_room)
		mvs_queue_release(mvs_worker.database, 1, item->request->size);
	mvs_walk_end(&item->walk);
	pfree(item->request);
	pfree(item);
}

/* Store by store; of each the keys in index order, then the ranges. */
static int
compare_requests(const void *a, const void *b)
{
	const MvsRequest *left = (*(MvsPending *const *) a)->request;
	const MvsRequest *right = (*(MvsPending *const *) b)->request;
	int			order;

	if (left->store != right->store)
		return left->store < right->store ? -1 : 1;
	if (MvsRequestIsRange(left) != MvsRequestIsRange(right))
		return MvsRequestIsRange(left) ? 1 : -1;
	order = memcmp(left->key, right->key, Min(left->key_length, right->key_length));
	return order != 0 ? order : (int) left->key_length - (int) right->key_length;
}

/* Work off a batch: a transaction for each store. Sets the outcomes. */
static void
work_off(MvsPending **batch, int count)
{
	int			end;

	pgstat_report_activity(STATE_RUNNING, "dropping superseded entries");
	qsort(batch, count, sizeof(MvsPending *), compare_requests);
	for (int start = 0; start < count; start = end)
	{
		for (end = start + 1; end < count; end++)
			if (batch[end]->request->store != batch[start]->request->store)
				break;
		work_group(batch + start, end - start);
	}
}

/* Work off the requests of one store; after an error, each of them alone. */
static void
work_group(MvsPending **group, int count)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool failed = false;
	volatile bool locked = false;

	PG_TRY();
	{
		work_group_in_transaction(group, count);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		locked = !mvs_process_note_error(count == 1 && group[0]->tries == 0);
		if (count == 1 && !locked)
			strlcpy(group[0]->error, mvs_worker.database->stats.last_error, MVS_ERROR_LENGTH);
		failed = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);

	if (!failed)
		return;
	for (int i = 0; i < count; i++)
	{
		/* What it had done of a range was rolled back, or some of it. */
		mvs_walk_end(&group[i]->walk);
		if (count > 1)
			work_group(group + i, 1);
		else
		{
			group[0]->outcome = locked ? MVS_OUTCOME_LOCKED : MVS_OUTCOME_ERROR;
			group[0]->found = false;
		}
	}
}

/* (Not inline, or gcc fears for what it sets between PG_TRY and PG_CATCH.) */
static pg_noinline void
work_group_in_transaction(MvsPending **group, int count)
{
	MvsDrop		drop;
	MvsDropState state = mvs_drop_begin(&drop, mvs_worker.database, group[0]->request->store);
	int			end;

	for (int start = 0; start < count; start = end)
	{
		end = start + 1;
		if (state == MVS_DROP_PAUSED || (state == MVS_DROP_READY && mvs_drop_is_full(&drop)))
			group[start]->outcome = MVS_OUTCOME_MORE;
		else if (state == MVS_DROP_READY && MvsRequestIsRange(group[start]->request))
			work_range(&drop, group[start]);
		else if (state == MVS_DROP_READY)
		{
			while (end < count && compare_requests(&group[start], &group[end]) == 0)
				end++;
			work_key(&drop, group + start, end - start);
		}
		else if (state == MVS_DROP_LOCKED)
			group[start]->outcome = MVS_OUTCOME_LOCKED;
		else
		{
			/* A store that is gone has nothing to drop. */
			PushActiveSnapshot(GetTransactionSnapshot());
			find_journal_row(group[start]);
			if (group[start]->outcome == MVS_OUTCOME_DONE && group[start]->found)
				mvs_journal_delete(&group[start]->journal_tid);
			PopActiveSnapshot();
		}
	}
	mvs_drop_commit(&drop, state);
	mvs_sweep_expect(&drop);
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
	row = mvs_journal_find(item->request->journal, item->request->store, &item->journal_tid);
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

	return request->journal == 0 && request->committed_at <= drop->database->erased_until &&
		!mvs_cursor_find(&drop->cursor, key, MVS_NEWEST, &entry);
}

/* What somebody's request makes droppable of the collected key. */
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

/* Part of a range, each of whose keys is judged by the request alone. */
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
	MvsWalkState state = MVS_WALK_DONE;

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
	if (state == MVS_WALK_MORE)
		item->outcome = MVS_OUTCOME_MORE;
	else if (state == MVS_WALK_LOCKED)
		item->outcome = MVS_OUTCOME_LOCKED;
	else if (item->found)
		mvs_journal_delete(&item->journal_tid);
	MVS_FAULT("range-slice-done");
}

/* Whether the entries of its key are to be looked at now; else there is but something to note. */
static bool
wants_judgement(MvsDrop *drop, const MvsRequest *request)
{
	return request->kind != MVS_REQUEST_WRITE ||
		(request->before > 0 && drop->store.info.policy.keep_versions > 0);
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

/* Find out which of the requests of one key there are, and by which it is judged; how many. */
static int
choose_requests(MvsDrop *drop, MvsPending **group, int count, const bytea *key, int *keep)
{
	int			chosen = 0;

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
		item->judged = is_judged(drop, item, key);
		if (item->judged)
		{
			*keep = Max(*keep, item->request->keep);
			chosen++;
		}
	}
	return chosen;
}

/* What is to become of a request, now that all from one entry on have gone. */
static void
see_outcome(MvsDrop *drop, MvsPending *item, MvsDroppable policy, int gone, bool progress)
{
	bool		implicit = MvsRequestIsImplicit(item->request);
	MvsVerdict	verdict = mvs_drop_judge(drop, implicit ? policy :
										 asked_for(drop, item->request));

	if (gone > verdict.first)
		item->outcome = MVS_OUTCOME_LOCKED;
	else if (implicit && verdict.held > 0)
		hold(item, verdict.held);
	else if (progress && drop->entries.more)
		item->outcome = MVS_OUTCOME_MORE;
}

/*
 * Have go what the requests of one key that are judged now let go, taken together;
 * each is done, or not, by itself. What the store's policy makes droppable.
 */
static MvsDroppable
drop_by_requests(MvsDrop *drop, MvsPending **group, int count, const bytea *key, int keep)
{
	MvsDroppable policy;
	MvsDroppable all;
	MvsVerdict	verdict;
	int64		dropped = drop->tally.entries;
	int			gone;

	mvs_drop_collect(drop, key, keep);
	policy = mvs_drop_policy(drop, key);
	all.first = drop->entries.history.count;
	all.purge = false;
	for (int i = 0; i < count; i++)
	{
		MvsDroppable own;

		if (!group[i]->judged)
			continue;
		own = MvsRequestIsImplicit(group[i]->request) ? policy :
			asked_for(drop, group[i]->request);
		all.first = Min(all.first, own.first);
		all.purge |= own.purge;
	}
	if (drop->store.info.referenced)
		return policy;			/* to be noted, for when the foreign key has gone */
	verdict = mvs_drop_judge(drop, all);
	gone = mvs_drop_entries(drop, &verdict);
	for (int i = 0; i < count; i++)
		if (group[i]->judged)
			see_outcome(drop, group[i], policy, gone, drop->tally.entries > dropped);
	return policy;
}

/* Work off all requests of one key. */
static void
work_key(MvsDrop *drop, MvsPending **group, int count)
{
	bytea	   *key = mvs_key_make(group[0]->request->key, group[0]->request->key_length);
	int			keep = drop->store.info.policy.keep_versions;
	MvsDroppable policy = {0};
	int			done = 0;		/* of those by which it was judged */

	if (choose_requests(drop, group, count, key, &keep) > 0)
		policy = drop_by_requests(drop, group, count, key, keep);
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
	pfree(key);
	MVS_FAULT("key-done");
}

/* Keep no more than enough of what waits, where something else tells of it. */
static bool
leave(const MvsPending *item)
{
	const MvsRequest *request = item->request;
	MvsDatabase *database = mvs_worker.database;

	if ((item->outcome != MVS_OUTCOME_HELD && item->outcome != MVS_OUTCOME_LOCKED) ||
		!is_crowded() || item->walk.begun)
		return false;
	if (request->journal != 0)
	{
		/* But a pass over the journal will see what it has yet to meet. */
		if (!journal_paused || request->journal <= journal_met)
			mvs_left_add(request, item->outcome == MVS_OUTCOME_LOCKED, item->wait_for);
		return true;
	}
	if (!MvsRequestIsImplicit(request))
		return false;			/* it has its room in the queue, to go back there */
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	mvs_queue_mark(database, request->store, request->sequence);
	database->stats.overflowed++;
	LWLockRelease(database->queue_lock);
	return true;
}

/* Keep what is not done, forget and count what is. */
static void
settle(MvsPending **batch, int count)
{
	MemoryContext old = MemoryContextSwitchTo(mvs_worker.context);
	TimestampTz now = GetCurrentTimestamp();
	int64		done = 0;
	int64		lag_total = 0;
	int64		lag_max = 0;
	bool		failures = false;
	MvsDropStats *stats = &mvs_worker.database->stats;

	/* Nothing may end the process while a request is in nobody's hands. */
	HOLD_INTERRUPTS();
	for (int i = 0; i < count; i++)
	{
		MvsPending *item = batch[i];

		if (item->outcome != item->last_outcome)
			item->tries = 0;
		item->last_outcome = item->outcome;
		switch (item->outcome)
		{
			case MVS_OUTCOME_DONE:
				done++;
				lag_total += now - item->request->committed_at;
				lag_max = Max(lag_max, now - item->request->committed_at);
				break;
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
				failures = true;
				break;
		}
		if (item->outcome == MVS_OUTCOME_DONE || item->outcome == MVS_OUTCOME_ALREADY_DONE ||
			leave(item))
			free_pending(item);
		else
		{
			item->wants_room = item->request->journal == 0 &&
				!MvsRequestIsImplicit(item->request) &&
				!item->keeps_room;
			mvs_worker.pending = lappend(mvs_worker.pending, item);
		}
	}
	RESUME_INTERRUPTS();
	MemoryContextSwitchTo(old);

	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	stats->processed += done;
	stats->lag_count += done;
	stats->lag_total_usecs += lag_total;
	stats->lag_max_usecs = Max(stats->lag_max_usecs, lag_max);
	LWLockRelease(mvs_worker.database->queue_lock);
	if (failures)
		note_failures();
}

/*
 * Note the failures of what is in pending in the journal. A request that has
 * failed too often is then there alone, set aside; where that cannot be noted,
 * it goes on being tried.
 */
static void
note_failures(void)
{
	MemoryContext old = CurrentMemoryContext;
	List	   *all = list_copy(mvs_worker.pending);
	ListCell   *cell;

	foreach(cell, all)
	{
		MvsPending *item = lfirst(cell);
		bool		last_try = item->tries >= MVS_MAX_ATTEMPTS;
		bool		noted;

		/* A policy's own request needs no row as long as it is in our hands. */
		if (item->outcome != MVS_OUTCOME_ERROR || item->tries == item->noted_tries ||
			(item->request->journal == 0 && !last_try))
			continue;
		noted = note_failure(item);
		MemoryContextSwitchTo(old);
		if (!noted || !last_try)
			continue;

		ereport(LOG,
				(errmsg("a drop request for store with OID %u was set aside after %d attempts",
						item->request->store, item->tries),
				 errdetail("The last error was: %s", item->error)));
		mvs_worker.pending = list_delete_ptr(mvs_worker.pending, item);
		free_pending(item);
		LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
		mvs_worker.database->failed_count++;
		LWLockRelease(mvs_worker.database->queue_lock);
		journal_failed++;		/* a pass that is stopped here has not met it */
	}
}

/* In a transaction of its own; whether it could be done. */
static bool
note_failure(MvsPending *item)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool noted = false;
	int64		journal = item->request->journal;

	PG_TRY();
	{
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		if (mvs_catalog_lock())
			noted = mvs_journal_note(mvs_worker.database, item->request, item->tries,
									 item->error);
		PopActiveSnapshot();
		CommitTransactionCommand();
		item->noted_tries = item->tries;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		noted = false;
		item->request->journal = journal;
		(void) mvs_process_note_error(false);
	}
	PG_END_TRY();
	return noted;
}
