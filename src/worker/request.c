/*-------------------------------------------------------------------------
 *
 * request.c
 *	  What a request for a range, or those of one key, let go in a transaction.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "base/key.h"
#include "queue/journal.h"
#include "queue/queue.h"
#include "shared/fault.h"
#include "shared/progress.h"
#include "store/rule.h"
#include "store/store.h"
#include "version/version.h"
#include "worker/process.h"
#include "worker/request.h"
#include "worker/walk.h"

static void hold(MvsPending *item, int64 wait_for);
static bool is_erased(MvsDrop *drop, const MvsRequest *request, const bytea *key);
static MvsDroppable asked_for(MvsDrop *drop, const MvsRequest *request);
static bool drop_from_key(MvsDrop *drop, const bytea *key, void *argument);
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

bool
mvs_request_may_be_judged(const MvsDrop *drop, const MvsRequest *request)
{
	return request->incarnation == drop->store.info.incarnation &&
		wants_judgement(drop, request) &&
		(MvsRequestIsImplicit(request) || request->before <= drop->horizon);
}

void
mvs_request_gone(MvsPending *item)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	mvs_request_find_row(item);
	if (item->outcome == MVS_OUTCOME_DONE && item->found)
		mvs_journal_delete(&item->journal_tid);
	PopActiveSnapshot();
}

void
mvs_request_find_row(MvsPending *item)
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

void
mvs_request_work_range(MvsDrop *drop, MvsPending *item)
{
	MvsRequest *request = item->request;
	bytea	   *to = NULL;
	MvsSliceEnd state = MVS_SLICE_DONE;
	int64		read = drop->read;

	if (request->bounded)
		to = mvs_key_make(request->key + request->key_length, request->to_length);
	mvs_request_find_row(item);
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
		state = mvs_walk_slice(drop, &item->walk, to, request->keep, request->before,
							   drop_from_key, request, mvs_worker.context, &drop->read);
	}
	if (state == MVS_SLICE_MORE)
	{
		item->outcome = MVS_OUTCOME_MORE;
		item->read = drop->read - read;
	}
	else if (state == MVS_SLICE_LOCKED)
		item->outcome = MVS_OUTCOME_LOCKED;
	else if (item->found)
		mvs_journal_delete(&item->journal_tid);
	MVS_FAULT("range-slice-done");
}

void
mvs_request_show(const MvsDrop *drop, const MvsPending *item)
{
	const MvsRequest *request = item->request;

	if (item->outcome == MVS_OUTCOME_MORE)
		mvs_drop_show(drop, request->kind == MVS_REQUEST_COMPACT ? MVS_COMMAND_COMPACT :
					  MVS_COMMAND_RANGE, MvsRequestId(request), item->read);
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

		mvs_request_find_row(item);

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
	int64		before = MVS_NEWEST;
	MvsDroppable policy;

	for (int i = 0; i < count; i++)
	{
		const MvsRequest *request = group[i]->request;

		if (!group[i]->judged)
			continue;
		keep = Max(keep, request->keep);
		if (!MvsRequestIsImplicit(request))
			before = Min(before, request->before);
	}
	mvs_drop_collect(drop, key, keep, before);
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
		if (item->found && !drop->later)
			mvs_journal_delete(&item->journal_tid);
	}
	drop->merged += Max(done - 1, 0);
}

void
mvs_request_work_key(MvsDrop *drop, MvsPending **group, int count)
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
