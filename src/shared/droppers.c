/*-------------------------------------------------------------------------
 *
 * droppers.c
 *	  Who drops in a database: its drop worker and the assistants of that, as others
 *	  see them.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared/droppers.h"
#include "shared/wake.h"

static int	own_place = 0;		/* the worker's, if we are no assistant */
static Oid	own_database;		/* that we are an assistant in */

static void reset(MvsDatabase *database, void *place);
static bool is_idle(const MvsDatabase *database);

const MvsDatabasePart mvs_droppers_part = {
	.size = sizeof(MvsDroppers),
	.reset = reset,
	.is_idle = is_idle
};

static void
reset(MvsDatabase *database, void *place)
{
	database->droppers = place;
	memset(place, 0, sizeof(MvsDroppers));
}

static bool
is_idle(const MvsDatabase *database)
{
	return database->droppers->assistants == 0;
}

bool
mvs_droppers_join(MvsDatabase *database, int worker_pid)
{
	MvsDroppers *droppers;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	droppers = database->droppers;
	for (int i = 1; i < MVS_MAX_DROPPERS && own_place == 0; i++)
	{
		if (database->worker->pid == worker_pid && !droppers->taken[i])
		{
			droppers->taken[i] = true;
			droppers->assistants++;
			own_place = i;
			own_database = database->oid;
		}
	}
	LWLockRelease(database->queue_lock);
	return own_place != 0;
}

void
mvs_droppers_leave(MvsDatabase *database)
{
	int			proc;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	if (database->oid == own_database)	/* else it was dropped, before we were connected to it */
	{
		database->droppers->taken[own_place] = false;
		database->droppers->assistants--;
	}
	proc = database->worker->proc;
	LWLockRelease(database->queue_lock);
	own_place = 0;
	ConditionVariableBroadcast(&database->progress);
	mvs_wake_proc(proc);
}

void
mvs_droppers_delete(MvsDatabase *database, FullTransactionId xid)
{
	pg_atomic_write_u64(&database->dropping[own_place], U64FromFullTransactionId(xid));
}

bool
mvs_droppers_have(const MvsDatabase *database, TransactionId xid)
{
	for (int i = 0; i < MVS_MAX_DROPPERS; i++)
	{
		pg_atomic_uint64 *dropping = unconstify(pg_atomic_uint64 *, &database->dropping[i]);

		if (TransactionIdEquals(xid, (TransactionId) pg_atomic_read_u64(dropping)))
			return true;
	}
	return false;
}
