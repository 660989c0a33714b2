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
 * A prepared transaction stays among the writers, without a process. Its end is
 * nobody's of ours: a snapshot tells of it, and who looks later withdraws it. What
 * its row brings back after a restart: see prepared.c.
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
#include "access/twophase.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/procarray.h"
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
	int			pid;			/* of the backend */
	LocalTransactionId transaction;
	TransactionId xmin;
	TransactionId xmax;
	uint32		xcnt;
	int64		stable;
	int64		first;			/* of the statement that began at "statement" */
	TimestampTz statement;
	bool		by_row;			/* it is what the row tells, and nobody was shown it */
	uint64		asked;			/* the later, the more; 0: a free place */
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
static bool goes_before(const Told *place, const Told *other);
static Told *keep_told(Snapshot snapshot, int64 stable);
static bool publish(MvsDatabase *database, FullTransactionId xid, int64 version);
static int	find_writer(const MvsWriters *writers, FullTransactionId xid);
static bool withdraw(MvsDatabase *database, FullTransactionId xid, bool committed);
static void withdraw_mine(bool committed);
static bool is_in_ring(const MvsWriters *writers, FullTransactionId xid);
static void add_to_ring(MvsWriters *writers, const MvsWriter *writer);
static void add_prepared(MvsWriters *writers, FullTransactionId xid, int64 version);
static bool may_have_committed(TransactionId xid);

/* Every backend, and every prepared transaction, may be a writer in the same database. */
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
	FullTransactionId xid;

	if (mine.version != 0)
		return mine.version;

	xid = GetTopFullTransactionId();
	for (;;)
	{
		int64		version = mvs_clock_wall();
		bool		taken;

		LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
		version = Max(version, Max(database->clock->last, above) + 1);
		taken = publish(database, xid, version);
		LWLockRelease(database->version_lock);

		if (taken)
			return version;
		(void) mvs_clock_raise(database, version, true);
	}
}

int64
mvs_version_use(MvsDatabase *database, int64 version)
{
	FullTransactionId xid = GetTopFullTransactionId();

	for (;;)
	{
		int64		last;
		bool		taken;

		LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
		last = database->clock->last;
		taken = version > last && publish(database, xid, version);
		LWLockRelease(database->version_lock);

		if (taken)
			return 0;
		if (version <= last)
			return last + 1;
		(void) mvs_clock_raise(database, version, true);
	}
}

/*
 * Have a version, which is above all others, as our transaction's, and tell it; false where
 * the durable mark is not as far. With version_lock held.
 */
static bool
publish(MvsDatabase *database, FullTransactionId xid, int64 version)
{
	MvsWriters *writers = database->writers;
	MvsWriter  *writer = &writers->running[writers->count];

	if (version > database->clock->mark)
		return false;
	database->clock->last = version;
	writer->xid = xid;
	writer->version = version;
	writer->pid = MyProcPid;
	writers->count++;
	mine.version = version;
	mine.nest_level = GetCurrentTransactionNestLevel();
	mine.xid = xid;
	mine.database = database;
	return true;
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
 * Whether a place is to be given up rather than another one, or none: the one asked for longest
 * ago, of earlier statements; or if these have none, the last.
 */
static bool
goes_before(const Told *place, const Told *other)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (other == NULL)
		return true;
	if ((place->statement == statement) != (other->statement == statement))
		return other->statement == statement;
	return place->statement == statement ? place->asked > other->asked :
		place->asked < other->asked;
}

/*
 * The later of a stable version and what was told for the same snapshot before,
 * in this transaction, by this process or by another one of its parallel group.
 * Snapshots with the same bounds and as many transactions between them see the
 * same as ended. Where there are more snapshots than places, half of these are for the
 * first ones, as those of cursors that stay open, and the others for those that were asked for
 * last, but that of the statement under way, which was first. NULL for MVS_LOST where nothing
 * was told. With version_lock held.
 */
static Told *
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
	Told	   *known = NULL;
	Told	   *unused = NULL;
	Told	   *oldest = NULL;

	for (int i = 0; i < TOLD_PLACES; i++)
	{
		Told	   *other = &places[i];

		/* Of an earlier transaction, or for a snapshot that is gone. */
		if (other->database != own.database || other->pid != own.pid ||
			other->transaction != own.transaction ||
			(TransactionIdIsValid(leader->xmin) &&
			 TransactionIdPrecedes(other->xmin, leader->xmin)))
			other->asked = 0;
		else if (other->xmin == own.xmin && other->xmax == own.xmax && other->xcnt == own.xcnt)
			known = other;
		own.asked = Max(own.asked, other->asked + 1);
		if (other->asked == 0)
			unused = unused ? unused : other;
		else if (i >= TOLD_PLACES / 2 && goes_before(other, oldest))
			oldest = other;
	}
	if (known == NULL)
	{
		if (stable == MVS_LOST)
			return NULL;
		known = unused ? unused : oldest;
		own.stable = stable;
		*known = own;
	}
	known->stable = Max(known->stable, stable);
	known->asked = own.asked;
	return known;
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
	stable = keep_told(snapshot, stable)->stable;
	LWLockRelease(database->version_lock);
	return stable;
}

int64
mvs_version_told(MvsDatabase *database, Snapshot snapshot, int64 stable)
{
	Told	   *told;

	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	told = keep_told(snapshot, MVS_LOST);
	if (told == NULL && stable != MVS_LOST)
	{
		told = keep_told(snapshot, stable);
		told->by_row = true;
	}
	if (stable != MVS_LOST)
		stable = told->stable = Max(told->stable, stable);
	else if (told && !told->by_row)
		stable = told->stable;
	LWLockRelease(database->version_lock);
	return stable;
}

void
mvs_version_shown(MvsDatabase *database, Snapshot snapshot)
{
	Told	   *told;

	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	told = keep_told(snapshot, MVS_LOST);
	if (told)
		told->by_row = false;
	LWLockRelease(database->version_lock);
}

int64
mvs_version_first_told(MvsDatabase *database, Snapshot snapshot, int64 stable)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();
	Told	   *told;

	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	told = keep_told(snapshot, stable);
	if (told->statement != statement)
	{
		told->statement = statement;
		told->first = told->stable;
	}
	stable = told->first;
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
	int			count = 0;

	*writers = palloc((MaxBackends + max_prepared_xacts) * sizeof(MvsWriter));
	LWLockAcquire(database->version_lock, LW_SHARED);
	for (int i = 0; i < database->writers->count; i++)
		if (database->writers->running[i].version != MVS_NEWEST)
			(*writers)[count++] = database->writers->running[i];
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

/* Return the place of a transaction among the writers, or -1. With version_lock held. */
static int
find_writer(const MvsWriters *writers, FullTransactionId xid)
{
	for (int i = 0; i < writers->count; i++)
		if (FullTransactionIdEquals(writers->running[i].xid, xid))
			return i;
	return -1;
}

/*
 * Take a version out of the writers; one that ended goes to the ring. False where somebody
 * else has done it.
 */
static bool
withdraw(MvsDatabase *database, FullTransactionId xid, bool committed)
{
	MvsWriters *writers = database->writers;
	bool		oldest = true;
	bool		wake;
	int			place;
	MvsWriter	writer;

	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	place = find_writer(writers, xid);
	if (place < 0)
	{
		LWLockRelease(database->version_lock);
		return false;
	}
	writer = writers->running[place];
	writers->running[place] = writers->running[--writers->count];
	if (writer.pid == 0)
		writers->prepared--;
	for (int i = 0; i < writers->count && oldest; i++)
		oldest = writers->running[i].version >= writer.version;
	if (committed && writer.version != MVS_NEWEST)
		add_to_ring(writers, &writer);

	/* The horizon rises with the oldest writer only; the row is behind any. */
	wake = oldest && writers->horizon_wanted;
	if (oldest)
		writers->horizon_wanted = false;
	wake |= mvs_clock_moved(database);
	LWLockRelease(database->version_lock);

	if (wake)
		mvs_wake_worker(database);
	ConditionVariableBroadcast(&database->settled);
	return true;
}

/* Take this backend's version out of them. */
static void
withdraw_mine(bool committed)
{
	/* It is there, unless somebody has taken the slot away from us. */
	bool		there PG_USED_FOR_ASSERTS_ONLY = withdraw(mine.database, mine.xid, committed);

	Assert(there);
	mine.version = 0;
}

/* Put a version into the ring. With version_lock held. */
static void
add_to_ring(MvsWriters *writers, const MvsWriter *writer)
{
	int			place = writers->ring_next;
	int			segment = place / MVS_RING_SEGMENT;

	if (place % MVS_RING_SEGMENT == 0 &&
		FullTransactionIdFollows(writers->segment_next[segment], writers->ring_lost))
		writers->ring_lost = writers->segment_next[segment];
	writers->ring[place] = *writer;
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
	withdraw_mine(committed);
	MVS_FAULT_NO_ERROR("version-withdrawn");
}

/* ------------------------------------------------------------------------
 * Prepared transactions
 * ------------------------------------------------------------------------ */

/* Leave our transaction's version there, or that it has none, without a process. */
void
mvs_version_prepare(MvsDatabase *database)
{
	MvsWriters *writers = database->writers;
	FullTransactionId xid = GetTopFullTransactionIdIfAny();

	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	add_prepared(writers, xid, MVS_NEWEST);
	LWLockRelease(database->version_lock);
	mine.version = 0;
}

/* Whether a writer that has ended is in the ring. With version_lock held. */
static bool
is_in_ring(const MvsWriters *writers, FullTransactionId xid)
{
	for (int i = 0; i < writers->ring_count; i++)
		if (FullTransactionIdEquals(writers->ring[i].xid, xid))
			return true;
	return false;
}

void
mvs_version_recover(MvsDatabase *database, TransactionId xid, int64 version, bool committed)
{
	MvsWriter	writer = {
		.xid = widen_xid(ReadNextFullTransactionId(), xid),
		.version = version
	};

	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	if (find_writer(database->writers, writer.xid) >= 0 ||
		is_in_ring(database->writers, writer.xid))
		;						/* somebody else has met it, or we another row of it */
	else if (!committed)
		add_prepared(database->writers, writer.xid, version);
	else if (version != MVS_NEWEST)
		add_to_ring(database->writers, &writer);
	LWLockRelease(database->version_lock);
}

/*
 * Have a transaction among the writers as a prepared one, with a version if it is not there
 * with its own. With version_lock held.
 */
static void
add_prepared(MvsWriters *writers, FullTransactionId xid, int64 version)
{
	int			place = find_writer(writers, xid);

	/* Who recovers may have met its rows before it was prepared. */
	if (place >= 0 && writers->running[place].pid == 0)
		return;
	if (place < 0)
	{
		place = writers->count++;
		writers->running[place].xid = xid;
		writers->running[place].version = version;
	}
	writers->running[place].pid = 0;
	writers->prepared++;
}

/*
 * Whether a transaction that has ended may have committed. Of one that is older than what
 * the server keeps of commits nobody knows.
 */
static bool
may_have_committed(TransactionId xid)
{
	bool		committed;

	LWLockAcquire(XactTruncationLock, LW_SHARED);
	committed = TransactionIdPrecedes(xid, TransamVariables->oldestClogXid) ||
		TransactionIdDidCommit(xid);
	LWLockRelease(XactTruncationLock);
	return committed;
}

bool
mvs_version_any_prepared(void)
{
	MvsDatabase *database = mvs_database_find(MyDatabaseId);

	return database && database->writers->prepared > 0;
}

void
mvs_version_settle_prepared(MvsDatabase *database, void (*tell) (MvsDatabase *database))
{
	MvsWriters *writers = database->writers;
	FullTransactionId *xids;
	int			count = 0;
	bool		told = (tell == NULL);

	/* Whoever ends one comes here afterwards, so the look without a lock will do. */
	if (writers->prepared == 0)
		return;
	/* Others may be prepared in the place of some that have ended, and are still here. */
	xids = palloc((MaxBackends + max_prepared_xacts) * sizeof(FullTransactionId));
	LWLockAcquire(database->version_lock, LW_SHARED);
	for (int i = 0; i < writers->count; i++)
		if (writers->running[i].pid == 0)
			xids[count++] = writers->running[i].xid;
	LWLockRelease(database->version_lock);
	for (int i = 0; i < count; i++)
	{
		TransactionId xid = XidFromFullTransactionId(xids[i]);
		bool		committed;

		if (TransactionIdIsInProgress(xid))
			continue;
		committed = may_have_committed(xid);
		if (committed && !told)
		{
			tell(database);
			told = true;
		}
		(void) withdraw(database, xids[i], committed);
	}
	pfree(xids);
}

void
mvs_version_end_subtransaction(bool committed, int nest_level)
{
	if (mine.version == 0 || mine.nest_level < nest_level)
		return;
	if (committed)
		mine.nest_level = nest_level - 1;
	else
		withdraw_mine(false);	/* nothing is left that carries it */
}
