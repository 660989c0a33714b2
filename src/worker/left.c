/*-------------------------------------------------------------------------
 *
 * left.c
 *	  Drop requests that the worker leaves to the journal for the time being.
 *
 * Reading the journal costs what stands there, whatever is due of it. So between
 * replays that leave something goes as much time as the last one took, and more
 * with each of them, up to the longest delay after a lock.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/once.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "store/pin.h"
#include "worker/left.h"

/* Those of one store that wait for the same. */
typedef struct Left
{
	Oid			store;
	bool		locked;			/* they wait for a lock; else for the horizon */
	int64		count;
	int64		wait_for;		/* where that must be for the first of them */
	uint64		sequence;		/* the lowest */
} Left;

static List *all = NIL;			/* of Left */
static bool recheck = false;	/* rows of some may be gone */
static bool replay_is_under_way = false;
static int64 replay_met;		/* it has met all rows up to this one */
static TimestampTz replay_began;
static TimestampTz due_at = 0;	/* no replay before, but for what is new */
static int	replays = 0;		/* in a row that left something */

static bool may_go(const Left *left, const MvsLook *look);

void
mvs_left_add(const MvsRequest *request, bool locked, int64 wait_for)
{
	MemoryContext old;
	Left	   *left = NULL;
	ListCell   *cell;

	if (replay_is_under_way && request->journal > replay_met)
		return;					/* it will come to this one */
	foreach(cell, all)
	{
		left = lfirst(cell);
		if (left->store == request->store && left->locked == locked)
			break;
		left = NULL;
	}
	if (left == NULL)
	{
		old = MemoryContextSwitchTo(mvs_worker.context);
		left = palloc0(sizeof(Left));
		left->store = request->store;
		left->locked = locked;
		left->wait_for = wait_for;
		left->sequence = request->sequence;
		all = lappend(all, left);
		MemoryContextSwitchTo(old);
	}
	left->count++;
	left->wait_for = Min(left->wait_for, wait_for);
	left->sequence = Min(left->sequence, request->sequence);
}

void
mvs_left_recheck(void)
{
	recheck = (all != NIL);
}

void
mvs_left_replay_begins(int64 met)
{
	list_free_deep(all);
	all = NIL;
	recheck = false;
	replay_began = GetCurrentTimestamp();
	replay_met = met;
	replay_is_under_way = true;
}

bool
mvs_left_replay_is_under_way(void)
{
	return replay_is_under_way;
}

void
mvs_left_replay_meets(int64 journal)
{
	replay_met = journal;
}

void
mvs_left_replay_ends(void)
{
	TimestampTz now = GetCurrentTimestamp();

	replay_is_under_way = false;
	replays = all == NIL ? 0 : replays + 1;
	due_at = replays == 0 ? 0 :
		mvs_greatest(mvs_process_lock_delay(replays - 1), now + (now - replay_began));
}

/* Whether some of these may be done now. */
static bool
may_go(const Left *left, const MvsLook *look)
{
	return recheck || left->locked ||
		left->wait_for <= mvs_process_horizon(look, left->store);
}

bool
mvs_left_is_any(void)
{
	return all != NIL;
}

TimestampTz
mvs_left_due(const MvsLook *look)
{
	ListCell   *cell;

	foreach(cell, all)
	{
		if (may_go(lfirst(cell), look))
			return due_at;
	}
	return DT_NOEND;
}

bool
mvs_left_waits_for_writers(const MvsLook *look)
{
	ListCell   *cell;

	foreach(cell, all)
	{
		const Left *left = lfirst(cell);

		if (!may_go(left, look) && left->wait_for <= mvs_pin_known(left->store))
			return true;
	}
	return false;
}

void
mvs_left_report(MvsBacklog *backlog, const MvsLook *look)
{
	ListCell   *cell;

	foreach(cell, all)
	{
		Left	   *left = lfirst(cell);

		if (left->locked)
			mvs_backlog_add_trouble(backlog, left->store, true, NULL, left->count);
		if (may_go(left, look))
			backlog->retrying += left->count;
		else
			mvs_backlog_add_held(backlog, left->count,
								 mvs_pin_known(left->store) < left->wait_for);
		backlog->unfinished = Min(backlog->unfinished, left->sequence);
	}
	if (replay_is_under_way)
	{
		/* What it has yet to meet may be of any age. */
		backlog->retrying++;
		backlog->unfinished = 0;
	}
}

void
mvs_left_give_back(MvsDatabase *database)
{
	if (replay_is_under_way || all != NIL)
		database->queue->journal_wanted = true;
}
