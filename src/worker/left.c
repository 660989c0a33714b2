/*-------------------------------------------------------------------------
 *
 * left.c
 *	  Drop requests that the worker leaves to the journal for the time being.
 *
 * Reading the journal costs what stands there, whatever is due of it. So between
 * passes that leave something goes as much time as the last one took, and more
 * with each of them, up to the longest delay after a lock.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/left.h"

static bool recheck = false;	/* rows of some may be gone */
static TimestampTz pass_began;
static TimestampTz due_at = 0;	/* no pass before, but for what is new */
static int	passes = 0;			/* in a row that left something */

void
mvs_left_add(const MvsRequest *request, bool locked, int64 wait_for)
{
	MemoryContext old;
	MvsLeft    *left = NULL;
	ListCell   *cell;

	foreach(cell, mvs_worker.left)
	{
		left = lfirst(cell);
		if (left->store == request->store && left->locked == locked)
			break;
		left = NULL;
	}
	if (left == NULL)
	{
		old = MemoryContextSwitchTo(mvs_worker.context);
		left = palloc0(sizeof(MvsLeft));
		left->store = request->store;
		left->locked = locked;
		left->wait_for = wait_for;
		left->sequence = request->sequence;
		mvs_worker.left = lappend(mvs_worker.left, left);
		MemoryContextSwitchTo(old);
	}
	left->count++;
	left->wait_for = Min(left->wait_for, wait_for);
	left->sequence = Min(left->sequence, request->sequence);
}

void
mvs_left_recheck(void)
{
	recheck = (mvs_worker.left != NIL);
}

void
mvs_left_pass_begins(void)
{
	list_free_deep(mvs_worker.left);
	mvs_worker.left = NIL;
	recheck = false;
	pass_began = GetCurrentTimestamp();
}

void
mvs_left_pass_ended(void)
{
	TimestampTz now = GetCurrentTimestamp();

	passes = mvs_worker.left == NIL ? 0 : passes + 1;
	due_at = passes == 0 ? 0 : Max(mvs_process_lock_delay(passes - 1), now + (now - pass_began));
}

bool
mvs_left_may_go(const MvsLeft *left, const MvsLook *look)
{
	return recheck || left->locked ||
		left->wait_for <= mvs_process_horizon(look, left->store);
}

TimestampTz
mvs_left_due(const MvsLook *look)
{
	ListCell   *cell;

	/* A pass that is under way comes first. */
	if (mvs_worker.journal_sequence != PG_UINT64_MAX)
		return DT_NOEND;
	foreach(cell, mvs_worker.left)
	{
		if (mvs_left_may_go(lfirst(cell), look))
			return due_at;
	}
	return DT_NOEND;
}

void
mvs_left_take_up(void)
{
	MvsLook		look;

	if (mvs_worker.left == NIL)
		return;
	look = mvs_process_look();
	if (mvs_left_due(&look) > GetCurrentTimestamp())
		return;
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_worker.database->journal_wanted = true;
	LWLockRelease(mvs_worker.database->queue_lock);
}
