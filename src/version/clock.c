/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  The clock of a database: the newest version, and the durable mark.
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
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/pg_sequence.h"
#include "commands/sequence.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/once.h"
#include "base/settings.h"
#include "shared/database.h"
#include "shared/fault.h"
#include "shared/lock.h"
#include "shared/wake.h"
#include "version/clock.h"

/* How far ahead of the clock the durable mark is put, in microseconds. */
#define MARK_STEP INT64CONST(1000000)

/* The last version; and where the wall clock stands still, with some left to count on. */
#define LAST_VERSION (MVS_NEWEST - 1)
#define LAST_TIME (LAST_VERSION - 2 * MARK_STEP)

#define EPOCH_SHIFT \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

static void reset(MvsDatabase *database, void *place);
static Form_pg_sequence_data clock_row(Page page);
static int64 read_clock(MvsDatabase *database, bool *foreign);
static int64 write_clock(Relation sequence, MvsDatabase *database, int64 mark);
static Relation open_clock(bool wait);
static int64 next_mark(int64 needed);
static int64 ticks(MvsDatabase *database, int count, bool wait);

const MvsDatabasePart mvs_clock_part = {.size = sizeof(MvsClock), .reset = reset};

static void
reset(MvsDatabase *database, void *place)
{
	database->clock = place;
	memset(place, 0, sizeof(MvsClock));
	database->clock->stable_due = true;
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

int64
mvs_clock_wall(void)
{
	return mvs_least(mvs_version_of_time(GetCurrentTimestamp()) + MVS_CLOCK_SHIFT(), LAST_TIME);
}

int64
mvs_clock_now(MvsDatabase *database)
{
	return mvs_greatest(mvs_clock_wall(), database ? mvs_clock_last(database) : 0);
}

int64
mvs_clock_last(MvsDatabase *database)
{
	int64		last;

	LWLockAcquire(database->version_lock, LW_SHARED);
	last = database->clock->last;
	LWLockRelease(database->version_lock);
	return last;
}

bool
mvs_clock_note_creation(MvsDatabase *database)
{
	Oid			sequence = mvs_catalog_oid(MVS_CLOCK, true);
	Relation	sequences;
	HeapTuple	tuple;
	Form_pg_sequence form;
	bool		ours;

	if (!OidIsValid(sequence))
		return false;
	sequences = table_open(SequenceRelationId, RowExclusiveLock);
	tuple = SearchSysCacheCopy1(SEQRELID, ObjectIdGetDatum(sequence));
	form = HeapTupleIsValid(tuple) ? (Form_pg_sequence) GETSTRUCT(tuple) : NULL;

	/* Once: what comes in the same transaction after it may have left ids already. */
	ours = form && form->seqstart == 1 &&
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	if (ours)
	{
		form->seqstart = mvs_greatest(mvs_clock_wall(),
									  database ? mvs_clock_last(database) + 1 : 0);
		CatalogTupleUpdate(sequences, &tuple->t_self, tuple);
		CommandCounterIncrement();
	}
	table_close(sequences, RowExclusiveLock);
	return ours;
}

int64
mvs_clock_creation(void)
{
	Oid			sequence = mvs_catalog_oid(MVS_CLOCK, true);
	HeapTuple	tuple = OidIsValid(sequence) ?
	SearchSysCache1(SEQRELID, ObjectIdGetDatum(sequence)) : NULL;
	int64		creation;

	if (!HeapTupleIsValid(tuple))
		return 0;
	creation = ((Form_pg_sequence) GETSTRUCT(tuple))->seqstart;
	ReleaseSysCache(tuple);
	return creation;
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
read_clock(MvsDatabase *database, bool *foreign)
{
	Relation	relation = mvs_catalog_open(MVS_CLOCK, false, AccessShareLock);
	Buffer		buffer = ReadBuffer(relation, 0);
	int64		value;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	value = mvs_least(clock_row(BufferGetPage(buffer))->last_value, LAST_VERSION);
	if (foreign)
		*foreign = (value != database->clock->written);
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
	old = Min(row->last_value, LAST_VERSION);
	mark = Max(mark, old);
	row->last_value = mark;
	row->log_cnt = 0;
	row->is_called = true;
	(void) GenericXLogFinish(state);
	end = PageGetLSN(BufferGetPage(buffer));
	if (database)
	{
		LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
		if (old > database->clock->written)
			database->clock->last = Max(database->clock->last, old);
		database->clock->written = mark;
		LWLockRelease(database->version_lock);
	}
	UnlockReleaseBuffer(buffer);
	MVS_FAULT("mark-written");
	XLogFlush(end);
	return mark;
}

bool
mvs_clock_is_loaded(MvsDatabase *database)
{
	return database->clock->sequence == mvs_catalog_oid(MVS_CLOCK, true);
}

void
mvs_clock_load(MvsDatabase *database)
{
	MvsClock   *clock = database->clock;
	Oid			sequence;
	int64		mark;

	/* Without the extension there is no mark. */
	sequence = mvs_catalog_oid(MVS_CLOCK, true);
	if (mvs_clock_is_loaded(database) || !OidIsValid(sequence))
		return;
	mark = read_clock(NULL, NULL);
	MVS_FAULT("clock-read");

	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	if (clock->sequence != sequence)
	{
		clock->last = Max(clock->last, mark);
		/* An extension created anew has a mark anew. */
		clock->mark = clock->written = mark;
		clock->sequence = sequence;
	}
	LWLockRelease(database->version_lock);
}

/*
 * The sequence, locked; NULL where there is none to be had without waiting. Somebody
 * may just be dropping it, or the extension that a running statement came from.
 */
static Relation
open_clock(bool wait)
{
	Relation	sequence;
	Oid			oid;

	if (wait)
		return mvs_catalog_open(MVS_CLOCK, false, RowExclusiveLock);
	oid = mvs_catalog_oid(MVS_CLOCK, true);
	if (!OidIsValid(oid) || !ConditionalLockRelationOid(oid, RowExclusiveLock))
		return NULL;
	sequence = try_relation_open(oid, NoLock);
	if (sequence == NULL)
		UnlockRelationOid(oid, RowExclusiveLock);
	return sequence;
}

/* Return where the mark goes that is to be at "needed" at least. */
static int64
next_mark(int64 needed)
{
	if (needed > LAST_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED),
				 errmsg("no version is left in this database"),
				 errdetail("The last one is " INT64_FORMAT ", a time in microseconds since 1970.",
						   LAST_VERSION),
				 errhint("Something had the clock of the server, or the sequence \"mvstore_clock\", at the end of time.")));
	return mvs_least(mvs_greatest(needed, mvs_clock_wall()), LAST_VERSION - MARK_STEP) + MARK_STEP;
}

bool
mvs_clock_raise(MvsDatabase *database, int64 needed, bool wait)
{
	Relation	sequence = open_clock(wait);
	LOCKTAG		tag;
	int64		mark;

	if (sequence == NULL)
		return false;
	mvs_lock_tag(&tag, MVS_LOCK_CLOCK, RelationGetRelid(sequence), 0);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);

	/* Somebody else may have moved it while we waited. */
	mark = database ? database->clock->mark : read_clock(NULL, NULL);
	if (mark < needed)
	{
		mark = write_clock(sequence, database, next_mark(needed));
		if (database)
		{
			LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
			database->clock->mark = Max(database->clock->mark, mark);
			LWLockRelease(database->version_lock);
			ConditionVariableBroadcast(&database->settled);
		}
	}
	LockRelease(&tag, ExclusiveLock, false);
	relation_close(sequence, RowExclusiveLock);
	return true;
}

int64
mvs_clock_mark(int64 wanted)
{
	Oid			sequence = mvs_catalog_oid(MVS_CLOCK, true);
	int64		needed = mvs_least(mvs_clock_wall(), wanted);
	int64		mark;

	if (!OidIsValid(sequence))
		return 0;
	mark = read_clock(NULL, NULL);
	if (mark < needed && mvs_clock_raise(NULL, needed, wanted != MVS_NEWEST))
		mark = read_clock(NULL, NULL);
	return mark;
}

void
mvs_clock_reread(MvsDatabase *database)
{
	int64		written = read_clock(NULL, NULL);

	if (written > database->clock->mark)
		(void) mvs_clock_raise(database, written, true);
}

bool
mvs_clock_restored(MvsDatabase *database)
{
	bool		restored;
	int64		written = read_clock(database, &restored);

	if (restored)
	{
		/* Raised, it goes on from the greater of both, and so does the row. */
		(void) mvs_clock_raise(database, Max(written, database->clock->mark) + 1, true);
		mvs_clock_want_stable(database);
		mvs_wake_worker(database);
	}
	return restored;
}

int64
mvs_clock_tick(MvsDatabase *database)
{
	return mvs_clock_ticks(database, 1);
}

int64
mvs_clock_try_tick(MvsDatabase *database)
{
	return ticks(database, 1, false);
}

int64
mvs_clock_ticks(MvsDatabase *database, int count)
{
	return ticks(database, count, true);
}

/* The first of so many ticks; 0 where the mark is to be raised, and others have the sequence. */
static int64
ticks(MvsDatabase *database, int count, bool wait)
{
	int64		creation = mvs_clock_creation();

	for (;;)
	{
		int64		tick = mvs_clock_wall();
		int64		last;
		bool		taken;

		LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
		tick = Max(tick, Max(database->clock->last + 1, creation));
		last = tick > MVS_NEWEST - count ? MVS_NEWEST : tick + count - 1;
		taken = (last <= database->clock->mark);
		if (taken)
			database->clock->last = last;
		LWLockRelease(database->version_lock);

		if (taken)
			return tick;
		if (!mvs_clock_raise(database, last, wait))
			return 0;
	}
}

void
mvs_clock_past(MvsDatabase *database, int64 version)
{
	bool		wake = false;

	if (version > database->clock->mark)
		(void) mvs_clock_raise(database, version, true);
	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	database->clock->past_writes++;
	if (version > database->clock->last)
	{
		database->clock->last = version;
		wake = mvs_clock_moved(database);
	}
	LWLockRelease(database->version_lock);
	if (wake)
		mvs_wake_worker(database);
}

bool
mvs_clock_moved(MvsDatabase *database)
{
	bool		wake = !database->clock->stable_due;

	database->clock->stable_due = true;
	return wake;
}

void
mvs_clock_want_stable(MvsDatabase *database)
{
	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	(void) mvs_clock_moved(database);
	LWLockRelease(database->version_lock);
}

void
mvs_clock_stable_served(MvsDatabase *database)
{
	LWLockAcquire(database->version_lock, LW_EXCLUSIVE);
	database->clock->stable_due = false;
	LWLockRelease(database->version_lock);
}
