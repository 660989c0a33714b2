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
 * next xid, is noted whenever a segment of the ring is full. For a snapshot too
 * old for the ring, the row of mvstore_stable tells what was stable before it,
 * and what was told for it stays true: for that a backend and the parallel
 * workers that it leads have one place together.
 *
 * The durable mark is the sequence mvstore_clock: no version above its value is
 * ever handed out, nor called stable. It is moved in steps, ahead of what is
 * needed, and its WAL is flushed before a version above the old mark is used; so
 * a server that starts again, with whatever clock, begins above all that it ever
 * gave. Whoever meets it moves it, readers too: the page is written through
 * generic WAL, which needs no transaction id, so that a read-only transaction
 * and a parallel worker can. Old and new value are seen under one lock on the
 * page, so that no setval() of a restore comes between them.
 *
 * Lock order: the sequence, then the clock lock (both heavyweight, and the holder
 * of the second waits for no other), with no LWLock held; within them the page,
 * and version_lock for a moment.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/shmem.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "shared/fault.h"
#include "shared/lock.h"
#include "version/version.h"

/* How far ahead of the clock the durable mark is put, in microseconds. */
#define MARK_STEP INT64CONST(1000000)

#define EPOCH_SHIFT \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

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

/* Of each database, by the number of its slot: one for each backend. */
static MvsWriter *all_writers = NULL;

/* The version of this backend's transaction. */
static struct
{
	int64		version;		/* 0: none taken */
	int			nest_level;		/* of the subtransaction that it belongs to */
	FullTransactionId xid;
	MvsDatabase *database;
}			mine;

static Size told_size(void);
static Size writers_size(void);
static MvsWriter *writers_of(const MvsDatabase *database);
static int64 clock_version(void);
static Form_pg_sequence_data clock_row(Page page);
static int64 read_clock(Oid sequence, MvsDatabase *database, bool *foreign);
static int64 write_clock(Relation sequence, MvsDatabase *database, int64 mark);
static Relation open_clock(bool wait);
static bool raise_mark(MvsDatabase *database, int64 needed, bool wait);
static bool find_lowest_writer(MvsDatabase *database, Snapshot snapshot,
							   FullTransactionId next, MvsWriter *lowest);
static bool want_stable(MvsDatabase *database);
static int64 keep_told(Snapshot snapshot, int64 stable);
static void withdraw(bool committed);
static void add_to_ring(MvsDatabase *database);

static Size
told_size(void)
{
	return MAXALIGN(mul_size(MaxBackends, TOLD_PLACES * sizeof(Told)));
}

/* Every backend may be a writer in the same database. */
static Size
writers_size(void)
{
	return mul_size(mvs_max_databases, mul_size(MaxBackends, sizeof(MvsWriter)));
}

Size
mvs_version_shmem_size(void)
{
	return add_size(told_size(), writers_size());
}

void
mvs_version_shmem_startup(LWLockPadded *locks)
{
	bool		found;
	char	   *memory = ShmemInitStruct("mvstore backends", mvs_version_shmem_size(), &found);

	told_places = (Told *) memory;
	all_writers = (MvsWriter *) (memory + told_size());
	if (!found)
		memset(told_places, 0, told_size());
}

/* The writers of a database, of which writer_count are used. */
static MvsWriter *
writers_of(const MvsDatabase *database)
{
	return all_writers + (Size) (database - mvs_shared->databases) * MaxBackends;
}

int64
mvs_version_of_time(TimestampTz time)
{
	return time > PG_INT64_MAX - EPOCH_SHIFT ? MVS_NEWEST : time + EPOCH_SHIFT;
}

TimestampTz
mvs_version_to_time(int64 version)
{
	return version - EPOCH_SHIFT;
}

/* The wall clock. */
static int64
clock_version(void)
{
	return mvs_version_of_time(GetCurrentTimestamp()) + MVS_CLOCK_SHIFT();
}

void
mvs_version_load(MvsDatabase *database)
{
	Oid			sequence;
	int64		mark;

	/* Without the extension there is no mark; and recovery may still move it. */
	sequence = mvs_catalog_oid(MVS_CLOCK, true);
	if (sequence == database->clock || !OidIsValid(sequence) || RecoveryInProgress())
		return;
	mark = read_clock(sequence, NULL, NULL);
	MVS_FAULT("clock-read");

	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	if (database->clock != sequence)
	{
		database->last = Max(database->last, mark);
		/* An extension created anew has a mark anew. */
		database->mark = database->written = mark;
		database->clock = sequence;
	}
	LWLockRelease(database->version_lock);
}

/* The only row of the sequence. */
static Form_pg_sequence_data
clock_row(Page page)
{
	HeapTupleData tuple;

	tuple.t_data = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, FirstOffsetNumber));
	return (Form_pg_sequence_data) GETSTRUCT(&tuple);
}

/*
 * The sequence's value: no version above it is used. In "foreign" is told whether
 * somebody else than we has written it.
 */
static int64
read_clock(Oid sequence, MvsDatabase *database, bool *foreign)
{
	Relation	relation = relation_open(sequence, AccessShareLock);
	Buffer		buffer = ReadBuffer(relation, 0);
	int64		value;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	value = clock_row(BufferGetPage(buffer))->last_value;
	if (foreign)
		*foreign = (value != database->written);
	UnlockReleaseBuffer(buffer);
	relation_close(relation, AccessShareLock);
	return value;
}

/*
 * Raise the sequence to a value, or leave what is greater, and have that on disk;
 * the value then. A value that is not ours was restored, with versions up to it.
 */
static int64
write_clock(Relation sequence, MvsDatabase *database, int64 mark)
{
	GenericXLogState *state = GenericXLogStart(sequence);
	Buffer		buffer = ReadBuffer(sequence, 0);
	Form_pg_sequence_data row;
	XLogRecPtr	end;
	int64		old;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	row = clock_row(GenericXLogRegisterBuffer(state, buffer, 0));
	old = row->last_value;
	mark = Max(mark, old);
	row->last_value = mark;
	row->log_cnt = 0;
	row->is_called = true;
	(void) GenericXLogFinish(state);
	end = PageGetLSN(BufferGetPage(buffer));
	if (database)
	{
		LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
		if (old > database->written)
			database->last = Max(database->last, old);
		database->written = mark;
		LWLockRelease(database->version_lock);
	}
	UnlockReleaseBuffer(buffer);
	MVS_FAULT("mark-written");
	XLogFlush(end);
	return mark;
}

int64
mvs_version_now(MvsDatabase *database)
{
	return Max(clock_version(), database ? mvs_version_last(database) : 0);
}

int64
mvs_version_last(MvsDatabase *database)
{
	int64		last;

	LWLockAcquire(database->version_lock, LW_SHARED);
	last = database->last;
	LWLockRelease(database->version_lock);
	return last;
}

int64
mvs_version_mine(void)
{
	return mine.version;
}

int64
mvs_version_take(MvsDatabase *database, int64 above)
{
	MvsWriter  *writers = writers_of(database);
	FullTransactionId xid;

	if (mine.version != 0)
		return mine.version;

	xid = GetTopFullTransactionId();
	for (;;)
	{
		int64		version = clock_version();

		LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
		version = Max(version, Max(database->last, above) + 1);
		if (version <= database->mark)
		{
			database->last = version;
			writers[database->writer_count].xid = xid;
			writers[database->writer_count].version = version;
			writers[database->writer_count].pid = MyProcPid;
			database->writer_count++;
			mine.version = version;
			mine.nest_level = GetCurrentTransactionNestLevel();
			mine.xid = xid;
			mine.database = database;
		}
		LWLockRelease(database->version_lock);

		if (mine.version != 0)
			return mine.version;
		(void) raise_mark(database, version, true);
	}
}

int64
mvs_version_tick(MvsDatabase *database)
{
	for (;;)
	{
		int64		tick = clock_version();
		bool		taken;

		LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
		tick = Max(tick, database->last + 1);
		taken = (tick <= database->mark);
		if (taken)
			database->last = tick;
		LWLockRelease(database->version_lock);

		if (taken)
			return tick;
		(void) raise_mark(database, tick, true);
	}
}

int64
mvs_version_truncate(MvsDatabase *database)
{
	bool		fresh = (mine.version == 0);
	int64		floor = mvs_version_take(database, 0);

	/* Others may have written after we took our version, and before our lock. */
	if (!fresh && mvs_version_last(database) > floor)
		floor = mvs_version_tick(database);
	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	database->last_truncate = Max(database->last_truncate, floor);
	LWLockRelease(database->version_lock);
	return floor;
}

bool
mvs_version_is_overtaken(MvsDatabase *database)
{
	bool		overtaken;

	LWLockAcquire(database->version_lock, LW_SHARED);
	overtaken = mine.version != 0 && mine.version < database->last_truncate;
	LWLockRelease(database->version_lock);
	return overtaken;
}

void
mvs_version_past(MvsDatabase *database, int64 version)
{
	bool		wake = false;

	if (version > database->mark)
		(void) raise_mark(database, version, true);
	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	database->past_writes++;
	if (version > database->last)
	{
		database->last = version;
		wake = want_stable(database);
	}
	LWLockRelease(database->version_lock);
	if (wake)
		mvs_wake_worker(database);
}

/* Have mvstore_stable written: whether the worker is to be told. With version_lock held. */
static bool
want_stable(MvsDatabase *database)
{
	bool		wake = !database->stable_due;

	database->stable_due = true;
	return wake;
}

/*
 * The sequence, locked; NULL where there is none to be had without waiting. Somebody
 * may just be dropping it, or the extension that a running statement came from.
 */
static Relation
open_clock(bool wait)
{
	Relation	sequence = NULL;

	while (sequence == NULL)
	{
		Oid			oid = mvs_catalog_oid(MVS_CLOCK, !wait);

		if (wait)
			sequence = try_relation_open(oid, RowExclusiveLock);
		else if (!OidIsValid(oid) || !ConditionalLockRelationOid(oid, RowExclusiveLock))
			return NULL;
		else if ((sequence = try_relation_open(oid, NoLock)) == NULL)
		{
			UnlockRelationOid(oid, RowExclusiveLock);
			return NULL;
		}
	}
	return sequence;
}

/*
 * Move the durable mark to at least "needed", and some way ahead of the clock.
 * Without a slot it is the sequence alone. Without waiting it may be that the
 * sequence cannot be had: false.
 */
static bool
raise_mark(MvsDatabase *database, int64 needed, bool wait)
{
	Relation	sequence = open_clock(wait);
	LOCKTAG		tag;
	int64		mark;

	if (sequence == NULL)
		return false;
	mvs_lock_tag(&tag, MVS_LOCK_CLOCK, RelationGetRelid(sequence), 0);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);

	/* Somebody else may have moved it while we waited. */
	mark = database ? database->mark : read_clock(RelationGetRelid(sequence), NULL, NULL);
	if (mark < needed)
	{
		mark = write_clock(sequence, database, Max(needed, clock_version()) + MARK_STEP);
		if (database)
		{
			LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
			database->mark = Max(database->mark, mark);
			LWLockRelease(database->version_lock);
			ConditionVariableBroadcast(&database->settled);
		}
	}
	LockRelease(&tag, ExclusiveLock, false);
	relation_close(sequence, RowExclusiveLock);
	return true;
}

void
mvs_version_reread(MvsDatabase *database)
{
	int64		written = read_clock(mvs_catalog_oid(MVS_CLOCK, false), NULL, NULL);

	if (written > database->mark)
		(void) raise_mark(database, written, true);
}

bool
mvs_version_restored(MvsDatabase *database)
{
	bool		restored;
	int64		written = read_clock(mvs_catalog_oid(MVS_CLOCK, false), database, &restored);

	if (restored)
	{
		/* Raised, it goes on from the greater of both, and so does the row. */
		(void) raise_mark(database, Max(written, database->mark) + 1, true);
		mvs_version_want_stable(database);
		mvs_wake_worker(database);
	}
	return restored;
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
	MvsWriter  *writers = writers_of(database);
	FullTransactionId xmin = widen_xid(next, snapshot->xmin);
	FullTransactionId xmax = widen_xid(next, snapshot->xmax);
	TransactionId own = GetTopTransactionIdIfAny();

	lowest->version = MVS_NEWEST;
	for (int i = 0; i < database->writer_count; i++)
	{
		MvsWriter  *writer = &writers[i];

		/* A snapshot does not list its own transaction. */
		if (writer->version < lowest->version &&
			(XidFromFullTransactionId(writer->xid) == own ||
			 runs_in_snapshot(writer->xid, snapshot)))
			*lowest = *writer;
	}
	for (int i = 0; i < database->ring_count; i++)
	{
		MvsWriter  *writer = &database->ring[i];
		int			segment = i / MVS_RING_SEGMENT;

		/* A whole segment withdrawn before the snapshot was taken? */
		if (i % MVS_RING_SEGMENT == 0 && segment != database->ring_next / MVS_RING_SEGMENT &&
			FullTransactionIdPrecedes(database->segment_next[segment], xmax))
			i += MVS_RING_SEGMENT - 1;
		else if (writer->version < lowest->version &&
				 FullTransactionIdFollowsOrEquals(writer->xid, xmin) &&
				 runs_in_snapshot(writer->xid, snapshot))
			*lowest = *writer;
	}

	/* Nor do we know of the writers of the primary that we have been a standby of. */
	return !snapshot->takenDuringRecovery &&
		!FullTransactionIdFollowsOrEquals(database->ring_lost, xmax);
}

int64
mvs_version_stable(MvsDatabase *database, Snapshot snapshot, int64 wanted)
{
	FullTransactionId next = ReadNextFullTransactionId();
	bool		raised = false;
	int64		stable;

	for (;;)
	{
		int64		now = clock_version();
		MvsWriter	lowest;
		int64		beyond;

		LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
		if (!find_lowest_writer(database, snapshot, next, &lowest))
		{
			LWLockRelease(database->version_lock);
			return MVS_LOST;
		}
		stable = Min(Max(now, database->last), lowest.version - 1);
		beyond = Min(stable, wanted);
		if (beyond <= database->mark || raised)
			break;
		LWLockRelease(database->version_lock);
		(void) raise_mark(database, beyond, wanted != MVS_NEWEST);
		raised = true;
	}
	stable = Min(stable, database->mark);
	database->last = Max(database->last, stable);
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

int64
mvs_version_mark(int64 wanted)
{
	Oid			sequence = mvs_catalog_oid(MVS_CLOCK, true);
	int64		needed = Min(clock_version(), wanted);
	int64		mark;

	if (!OidIsValid(sequence))
		return 0;
	mark = read_clock(sequence, NULL, NULL);
	if (mark < needed && raise_mark(NULL, needed, wanted != MVS_NEWEST))
		mark = read_clock(sequence, NULL, NULL);
	return mark;
}

MvsWriter
mvs_version_oldest_writer(MvsDatabase *database)
{
	MvsWriter	oldest = {.version = MVS_NEWEST};
	const MvsWriter *writers = writers_of(database);

	LWLockAcquire(database->version_lock, LW_SHARED);
	for (int i = 0; i < database->writer_count; i++)
		if (writers[i].version < oldest.version)
			oldest = writers[i];
	LWLockRelease(database->version_lock);
	return oldest;
}

int
mvs_version_writers(MvsDatabase *database, MvsWriter **writers)
{
	int			count;

	*writers = palloc(MaxBackends * sizeof(MvsWriter));
	LWLockAcquire(database->version_lock, LW_SHARED);
	count = database->writer_count;
	memcpy(*writers, writers_of(database), count * sizeof(MvsWriter));
	LWLockRelease(database->version_lock);
	return count;
}

void
mvs_version_watch_writers(MvsDatabase *database)
{
	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	database->horizon_wanted = true;
	LWLockRelease(database->version_lock);
}

void
mvs_version_want_stable(MvsDatabase *database)
{
	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	(void) want_stable(database);
	LWLockRelease(database->version_lock);
}

void
mvs_version_stable_served(MvsDatabase *database)
{
	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	database->stable_due = false;
	LWLockRelease(database->version_lock);
}

/* Take this backend's version out of the writers; one that ended goes to the ring. */
static void
withdraw(bool committed)
{
	MvsDatabase *database = mine.database;
	MvsWriter  *writers = writers_of(database);
	int			place = -1;
	bool		oldest = true;
	bool		wake;

	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	for (int i = 0; i < database->writer_count; i++)
	{
		if (FullTransactionIdEquals(writers[i].xid, mine.xid))
			place = i;
		else if (writers[i].version < mine.version)
			oldest = false;
	}
	/* It is there, unless somebody has taken the slot away from us. */
	Assert(place >= 0);
	if (place >= 0)
		writers[place] = writers[--database->writer_count];
	if (committed)
		add_to_ring(database);

	/* The horizon rises with the oldest writer only; the row is behind any. */
	wake = oldest && database->horizon_wanted;
	if (oldest)
		database->horizon_wanted = false;
	wake |= want_stable(database);
	LWLockRelease(database->version_lock);

	mine.version = 0;
	if (wake)
		mvs_wake_worker(database);
	ConditionVariableBroadcast(&database->settled);
}

/* Put our version into the ring. With version_lock held. */
static void
add_to_ring(MvsDatabase *database)
{
	int			place = database->ring_next;
	int			segment = place / MVS_RING_SEGMENT;

	if (place % MVS_RING_SEGMENT == 0 &&
		FullTransactionIdFollows(database->segment_next[segment], database->ring_lost))
		database->ring_lost = database->segment_next[segment];
	database->ring[place].xid = mine.xid;
	database->ring[place].version = mine.version;
	database->ring_count = Max(database->ring_count, place + 1);
	database->ring_next = (place + 1) % MVS_WRITER_RING;

	if ((place + 1) % MVS_RING_SEGMENT == 0)
		database->segment_next[segment] = ReadNextFullTransactionId();
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
