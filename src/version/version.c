/*-------------------------------------------------------------------------
 *
 * version.c
 *	  Versions: handing them out, and telling which are stable.
 *
 * A transaction takes its version at its first write, under version_lock, with
 * its transaction id already assigned, and is published there as (xid,
 * version). It is withdrawn when the transaction is no longer running for
 * others; so whoever holds a snapshot in which the xid runs finds it either
 * among the writers or in the ring of those lately withdrawn.
 *
 * Whether a snapshot is too old for the ring is told by xids: where xid N was
 * not yet assigned when an entry was withdrawn, a snapshot in which N has ended
 * was taken after that, and sees the entry's transaction as ended. So N, the
 * next xid, is kept whenever a segment of the ring is full. For a snapshot too
 * old for the ring, the row of mvstore_stable tells what was stable before it,
 * and what was told for it stays true: for that a backend and the parallel
 * workers that it leads have one place together.
 *
 * What they are taken from, and how far they may go, is in clock.c: its fields are
 * used here under version_lock, together with the writers.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/settings.h"
#include "shared/fault.h"
#include "shared/wake.h"
#include "version/version.h"

/* Snapshots for which a backend knows what it was told. */
#define TOLD_PLACES 8

/* What a backend or its parallel workers were told to be stable for a snapshot. */
typedef struct Told
{
	Oid			database;
	int			pid;			/* of the backend; 0: a free place */
	LocalTransactionId transaction;
	TransactionId xmin;
	TransactionId xmax;
	uint32		xcnt;
	int64		stable;
} Told;

/* Of each backend, by its number, behind its database's version_lock. */
static Told *told_places = NULL;

/* The version of this backend's transaction. */
static struct
{
	int64		version;		/* 0: none taken */
	int			nest_level;		/* of the subtransaction that it belongs to */
	FullTransactionId xid;
	MvsDatabase *database;
}			mine;

static void reset(MvsDatabase *database, void *place);
static bool is_idle(const MvsDatabase *database);
static bool find_lowest_writer(MvsDatabase *database, Snapshot snapshot,
							   FullTransactionId next, MvsWriter *lowest);
static int64 keep_told(Snapshot snapshot, int64 stable);
static void withdraw(bool committed);
static void add_to_ring(MvsWriters *writers);

/* Every backend may be a writer in the same database. */
const MvsDatabasePart mvs_version_part = {
	.size = offsetof(MvsWriters, running),
	.backend_size = sizeof(MvsWriter),
	.reset = reset,
	.is_idle = is_idle
};

Size
mvs_version_shmem_size(void)
{
	return mul_size(MaxBackends, TOLD_PLACES * sizeof(Told));
}

void
mvs_version_shmem_startup(LWLockPadded *locks)
{
	bool		found;

	told_places = ShmemInitStruct("mvstore stable versions", mvs_version_shmem_size(), &found);
	if (!found)
		memset(told_places, 0, mvs_version_shmem_size());
}

static void
reset(MvsDatabase *database, void *place)
{
	database->writers = place;
	memset(place, 0, offsetof(MvsWriters, running));
}

static bool
is_idle(const MvsDatabase *database)
{
	return database->writers->count == 0;
}

int64
mvs_version_mine(void)
{
	return mine.version;
}

int64
mvs_version_take(MvsDatabase *database, int64 above)
{
	MvsWriters *writers = database->writers;
	FullTransactionId xid;

	if (mine.version != 0)
		return mine.version;

	xid = GetTopFullTransactionId();
	for (;;)
	{
		int64		version = mvs_clock_wall();

		LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
		version = Max(version, Max(database->clock->last, above) + 1);
		if (version <= database->clock->mark)
		{
			database->clock->last = version;
			writers->running[writers->count].xid = xid;
			writers->running[writers->count].version = version;
			writers->running[writers->count].pid = MyProcPid;
			writers->count++;
			mine.version = version;
			mine.nest_level = GetCurrentTransactionNestLevel();
			mine.xid = xid;
			mine.database = database;
		}
		LWLockRelease(database->version_lock);

		if (mine.version != 0)
			return mine.version;
		(void) mvs_clock_raise(database, version, true);
	}
}

int64
mvs_version_truncate(MvsDatabase *database)
{
	bool		fresh = (mine.version == 0);
	int64		floor = mvs_version_take(database, 0);

	/* Others may have written after we took our version, and before our lock. */
	if (!fresh && mvs_clock_last(database) > floor)
		floor = mvs_clock_tick(database);
	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	database->writers->last_truncate = Max(database->writers->last_truncate, floor);
	LWLockRelease(database->version_lock);
	return floor;
}

bool
mvs_version_is_overtaken(MvsDatabase *database)
{
	bool		overtaken;

	LWLockAcquire(database->version_lock, LW_SHARED);
	overtaken = mine.version != 0 && mine.version < database->writers->last_truncate;
	LWLockRelease(database->version_lock);
	return overtaken;
}

/*
 * Whether a snapshot sees a top transaction as running. XidInMVCCSnapshot()
 * would do, but where the snapshot has overflowed it may read pg_subtrans, and
 * we ask under an LWLock. Top transactions always stand in xip.
 */
static bool
runs_in_snapshot(FullTransactionId full, Snapshot snapshot)
{
	TransactionId xid = XidFromFullTransactionId(full);

	if (TransactionIdPrecedes(xid, snapshot->xmin))
		return false;
	if (TransactionIdFollowsOrEquals(xid, snapshot->xmax))
		return true;
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		if (TransactionIdEquals(xid, snapshot->xip[i]))
			return true;
	return false;
}

/* A snapshot's xmin or xmax, widened so that it can be compared across wraparound. */
static FullTransactionId
widen_xid(FullTransactionId next, TransactionId xid)
{
	int32		age = (int32) (XidFromFullTransactionId(next) - xid);

	return FullTransactionIdFromU64(U64FromFullTransactionId(next) - age);
}

/*
 * The later of a stable version and what was told for the same snapshot before,
 * in this transaction, by this process or by another one of its parallel group.
 * Snapshots with the same bounds and as many transactions between them see the
 * same as ended. Where there are more snapshots than places, the oldest keep
 * theirs: for a new one all is still known. With version_lock held.
 */
static int64
keep_told(Snapshot snapshot, int64 stable)
{
	PGPROC	   *leader = MyProc->lockGroupLeader ? MyProc->lockGroupLeader : MyProc;
	Told	   *places = &told_places[(Size) mvs_compat_proc_number(leader) * TOLD_PLACES];
	Told		own = {
		.database = MyDatabaseId,
		.pid = leader->pid,
		.transaction = mvs_compat_local_xid(leader),
		.xmin = snapshot->xmin,
		.xmax = snapshot->xmax,
		.xcnt = snapshot->xcnt
	};
	Told	   *place = NULL;

	for (int i = 0; i < TOLD_PLACES; i++)
	{
		Told	   *other = &places[i];

		if (other->database != own.database || other->pid != own.pid ||
			other->transaction != own.transaction)
		{
			place = other;		/* of an earlier transaction */
			place->pid = 0;
		}
		else if (other->xmin == own.xmin && other->xmax == own.xmax && other->xcnt == own.xcnt)
		{
			other->stable = Max(other->stable, stable);
			return other->stable;
		}
		else if (place == NULL || (place->pid != 0 &&
								   TransactionIdFollows(other->xmax, place->xmax)))
			place = other;
	}
	own.stable = stable;
	if (place->pid == 0 || TransactionIdPrecedes(own.xmax, place->xmax))
		*place = own;
	return stable;
}

/*
 * The writer with the lowest version that the snapshot sees as running, or that is
 * the reader itself; version MVS_NEWEST: none. False where a writer that runs in
 * the snapshot may have left the ring: then nothing is known. With version_lock held.
 */
static bool
find_lowest_writer(MvsDatabase *database, Snapshot snapshot, FullTransactionId next,
				   MvsWriter *lowest)
{
	MvsWriters *writers = database->writers;
	FullTransactionId xmin = widen_xid(next, snapshot->xmin);
	FullTransactionId xmax = widen_xid(next, snapshot->xmax);
	TransactionId own = GetTopTransactionIdIfAny();

	lowest->version = MVS_NEWEST;
	for (int i = 0; i < writers->count; i++)
	{
		MvsWriter  *writer = &writers->running[i];

		/* A snapshot does not list its own transaction. */
		if (writer->version < lowest->version &&
			(XidFromFullTransactionId(writer->xid) == own ||
			 runs_in_snapshot(writer->xid, snapshot)))
			*lowest = *writer;
	}
	for (int i = 0; i < writers->ring_count; i++)
	{
		MvsWriter  *writer = &writers->ring[i];
		int			segment = i / MVS_RING_SEGMENT;

		/* A whole segment withdrawn before the snapshot was taken? */
		if (i % MVS_RING_SEGMENT == 0 && segment != writers->ring_next / MVS_RING_SEGMENT &&
			FullTransactionIdPrecedes(writers->segment_next[segment], xmax))
			i += MVS_RING_SEGMENT - 1;
		else if (writer->version < lowest->version &&
				 FullTransactionIdFollowsOrEquals(writer->xid, xmin) &&
				 runs_in_snapshot(writer->xid, snapshot))
			*lowest = *writer;
	}

	/* Nor do we know of the writers of the primary that we have been a standby of. */
	return !snapshot->takenDuringRecovery &&
		!FullTransactionIdFollowsOrEquals(writers->ring_lost, xmax);
}

int64
mvs_version_stable(MvsDatabase *database, Snapshot snapshot, int64 wanted)
{
	FullTransactionId next = ReadNextFullTransactionId();
	bool		raised = false;
	int64		stable;

	for (;;)
	{
		int64		now = mvs_clock_wall();
		MvsWriter	lowest;
		int64		beyond;

		LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
		if (!find_lowest_writer(database, snapshot, next, &lowest))
		{
			LWLockRelease(database->version_lock);
			return MVS_LOST;
		}
		stable = Min(Max(now, database->clock->last), lowest.version - 1);
		beyond = Min(stable, wanted);
		if (beyond <= database->clock->mark || raised)
			break;
		LWLockRelease(database->version_lock);
		(void) mvs_clock_raise(database, beyond, wanted != MVS_NEWEST);
		raised = true;
	}
	stable = Min(stable, database->clock->mark);
	database->clock->last = Max(database->clock->last, stable);
	stable = keep_told(snapshot, stable);
	LWLockRelease(database->version_lock);
	return stable;
}

int64
mvs_version_told(MvsDatabase *database, Snapshot snapshot, int64 stable)
{
	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	stable = keep_told(snapshot, stable);
	LWLockRelease(database->version_lock);
	return stable;
}

MvsWriter
mvs_version_oldest_writer(MvsDatabase *database)
{
	MvsWriter	oldest = {.version = MVS_NEWEST};
	const MvsWriters *writers = database->writers;

	LWLockAcquire(database->version_lock, LW_SHARED);
	for (int i = 0; i < writers->count; i++)
		if (writers->running[i].version < oldest.version)
			oldest = writers->running[i];
	LWLockRelease(database->version_lock);
	return oldest;
}

int
mvs_version_writers(MvsDatabase *database, MvsWriter **writers)
{
	int			count;

	*writers = palloc(MaxBackends * sizeof(MvsWriter));
	LWLockAcquire(database->version_lock, LW_SHARED);
	count = database->writers->count;
	memcpy(*writers, database->writers->running, count * sizeof(MvsWriter));
	LWLockRelease(database->version_lock);
	return count;
}

void
mvs_version_watch_writers(MvsDatabase *database)
{
	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	database->writers->horizon_wanted = true;
	LWLockRelease(database->version_lock);
}

/* Take this backend's version out of the writers; one that ended goes to the ring. */
static void
withdraw(bool committed)
{
	MvsDatabase *database = mine.database;
	MvsWriters *writers = database->writers;
	int			place = -1;
	bool		oldest = true;
	bool		wake;

	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	for (int i = 0; i < writers->count; i++)
	{
		if (FullTransactionIdEquals(writers->running[i].xid, mine.xid))
			place = i;
		else if (writers->running[i].version < mine.version)
			oldest = false;
	}
	/* It is there, unless somebody has taken the slot away from us. */
	Assert(place >= 0);
	if (place >= 0)
		writers->running[place] = writers->running[--writers->count];
	if (committed)
		add_to_ring(writers);

	/* The horizon rises with the oldest writer only; the row is behind any. */
	wake = oldest && writers->horizon_wanted;
	if (oldest)
		writers->horizon_wanted = false;
	wake |= mvs_clock_moved(database);
	LWLockRelease(database->version_lock);

	mine.version = 0;
	if (wake)
		mvs_wake_worker(database);
	ConditionVariableBroadcast(&database->settled);
}

/* Put our version into the ring. With version_lock held. */
static void
add_to_ring(MvsWriters *writers)
{
	int			place = writers->ring_next;
	int			segment = place / MVS_RING_SEGMENT;

	if (place % MVS_RING_SEGMENT == 0 &&
		FullTransactionIdFollows(writers->segment_next[segment], writers->ring_lost))
		writers->ring_lost = writers->segment_next[segment];
	writers->ring[place].xid = mine.xid;
	writers->ring[place].version = mine.version;
	writers->ring_count = Max(writers->ring_count, place + 1);
	writers->ring_next = (place + 1) % MVS_WRITER_RING;

	if ((place + 1) % MVS_RING_SEGMENT == 0)
		writers->segment_next[segment] = ReadNextFullTransactionId();
}

void
mvs_version_end(bool committed)
{
	if (mine.version == 0)
		return;
	withdraw(committed);
	MVS_FAULT_NO_ERROR("version-withdrawn");
}

void
mvs_version_end_subtransaction(bool committed, int nest_level)
{
	if (mine.version == 0 || mine.nest_level < nest_level)
		return;
	if (committed)
		mine.nest_level = nest_level - 1;
	else
		withdraw(false);		/* nothing is left that carries it */
}
