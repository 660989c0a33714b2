/*-------------------------------------------------------------------------
 *
 * stable.c
 *	  The stable version: who knows it where, and its row.
 *
 * Whoever sees a row of mvstore_stable sees the ends of all transactions with
 * versions up to the row's: they had ended before the worker's transaction took
 * its snapshot, and the worker's commit comes after theirs in the WAL. No
 * transaction gets such a version later, since version.c never hands out what
 * it has called stable.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/once.h"
#include "base/settings.h"
#include "shared/database.h"
#include "shared/fault.h"
#include "shared/standby.h"
#include "version/prepared.h"
#include "version/session.h"
#include "version/stable.h"
#include "version/version.h"

/* Columns of mvstore_stable. */
#define Anum_stable_version 1
#define Natts_stable 2

/* Writes of the row without growth after which its table has the size that it has. */
#define WRITES_AT_REST 200

/* When the transaction began that last wrote the row. */
static TimestampTz served_at = 0;

static HeapTuple find_stable_row(Relation catalog, Snapshot snapshot);
static int64 read_stable_row(Snapshot snapshot);
static TimestampTz time_to_serve(bool moved, int64 factor);

/* ------------------------------------------------------------------------
 * Asking
 * ------------------------------------------------------------------------ */

int64
mvs_stable_here(MvsDatabase *database, Snapshot snapshot, int64 wanted)
{
	int64		stable = mvs_version_stable(database, snapshot, wanted);

	/* As the row was made, versions up to its own had been handed out. */
	if (stable == MVS_LOST)
		stable = mvs_version_told(database, snapshot, read_stable_row(snapshot));
	return stable;
}

int64
mvs_stable(Snapshot snapshot, int64 wanted)
{
	MvsDatabase *database;

	if (RecoveryInProgress())
		return read_stable_row(snapshot);
	database = mvs_session_join_if_used();
	if (database == NULL)
	{
		int64		mark;

		/* Of the writers of the primary that we have been a standby of nothing else tells. */
		if (snapshot->takenDuringRecovery)
			return read_stable_row(snapshot);
		mark = mvs_clock_mark(wanted);
		mark = mvs_least(mark, mvs_prepared_lowest(snapshot) - 1);

		/* First the mark, then another look: who takes a slot later begins above it. */
		database = mvs_session_join_if_used();
		if (database == NULL)
			return mark;
	}
	return mvs_stable_here(database, snapshot, wanted);
}

int64
mvs_stable_known(Snapshot snapshot)
{
	MvsDatabase *database = RecoveryInProgress() ? NULL : mvs_session_join_if_used();
	int64		stable;

	if (database == NULL)
		return mvs_stable(snapshot, MVS_NEWEST);
	stable = mvs_version_stable(database, snapshot, MVS_NEWEST);
	return stable == MVS_LOST ? mvs_version_told(database, snapshot, MVS_LOST) : stable;
}

int64
mvs_stable_shown(Snapshot snapshot)
{
	int64		stable = mvs_stable(snapshot, MVS_NEWEST);
	MvsDatabase *database = RecoveryInProgress() ? NULL : mvs_session_join_if_used();

	if (database)
		mvs_version_shown(database, snapshot);
	return stable;
}

int64
mvs_stable_of_statement(Snapshot snapshot)
{
	int64		stable = mvs_stable(snapshot, MVS_NEWEST);
	MvsDatabase *database = RecoveryInProgress() ? NULL : mvs_session_join_if_used();

	return database ? mvs_version_first_told(database, snapshot, stable) : stable;
}

bool
mvs_is_stable(Snapshot snapshot, int64 version)
{
	/* The last answer, and for which snapshot. */
	static struct
	{
		TransactionId xmin;
		TransactionId xmax;
		uint32		xcnt;
		int32		subxcnt;
		int64		stable;
	}			last;
	MvsDatabase *database;
	int64		stable;

	/*
	 * Snapshots of one process with the same bounds and as many transactions between them see the
	 * same as ended; and for the same snapshot, what was stable stays so.
	 */
	if (version <= last.stable && snapshot->xmin == last.xmin && snapshot->xmax == last.xmax &&
		snapshot->xcnt == last.xcnt && snapshot->subxcnt == last.subxcnt)
		return true;

	stable = mvs_stable(snapshot, version);
	database = RecoveryInProgress() ? NULL : mvs_session_join_if_used();
	if (version > stable && database && version > mvs_clock_now(database))
	{
		/* A restore may have brought what looks like the future. */
		mvs_clock_reread(database);
		stable = mvs_stable(snapshot, version);
	}
	last.stable = stable;
	last.xmin = snapshot->xmin;
	last.xmax = snapshot->xmax;
	last.xcnt = snapshot->xcnt;
	last.subxcnt = snapshot->subxcnt;
	return version <= last.stable;
}

/* What stands between a version that is not stable and the snapshot. */
void
mvs_stable_explain(Snapshot snapshot, int64 version, MvsUnstable *why)
{
	bool		standby = RecoveryInProgress();
	MvsDatabase *database = standby ? NULL : mvs_session_join_if_used();
	int64		stable = mvs_stable(snapshot, version);
	int64		told = standby ? read_stable_row(NULL) : MVS_NEWEST;
	int64		now = mvs_clock_now(database);
	TransactionId own = GetTopTransactionIdIfAny();
	MvsWriter	oldest = {.version = MVS_NEWEST};

	if (database)
		oldest = mvs_version_oldest_writer(database);

	why->hint = gettext_noop("Read as of mvstore_stable_version(), or have mvstore_wait_stable() wait for the version.");
	if ((mvs_version_mine() != 0 && mvs_version_mine() <= version) ||
		(oldest.version <= version && XidFromFullTransactionId(oldest.xid) == own))
	{
		/* A parallel worker has no version, but the transaction's number. */
		why->detail = psprintf(_("The stable version is " INT64_FORMAT ": this transaction has itself written, with version " INT64_FORMAT "."),
							   stable, mvs_version_mine() ? mvs_version_mine() : oldest.version);
		why->hint = gettext_noop("What it has written can be read without a version, and by others when it has ended.");
	}
	else if (version > now)
	{
		why->detail = psprintf(_("It lies in the future: it is now version " INT64_FORMAT "."),
							   now);
		why->hint = gettext_noop("A version is a time in microseconds since 1970.");
	}
	else if (told < version)
		why->detail = psprintf(_("The stable version is " INT64_FORMAT ", which the primary told of; that was the time %s."),
							   stable, timestamptz_to_str(mvs_version_to_time(told)));
	else if (oldest.version <= version && oldest.pid == 0)
	{
		why->detail = psprintf(_("The stable version is " INT64_FORMAT ": prepared transaction %u has written with version " INT64_FORMAT ", %.1f s ago."),
							   stable, XidFromFullTransactionId(oldest.xid), oldest.version,
							   (double) Max(now - oldest.version, 0) / USECS_PER_SEC);
		why->hint = gettext_noop("Whoever prepared it is to commit it or to roll it back: see pg_prepared_xacts.");
	}
	else if (oldest.version <= version)
		why->detail = psprintf(_("The stable version is " INT64_FORMAT ": process %d has been writing since version " INT64_FORMAT ", for %.1f s."),
							   stable, oldest.pid, oldest.version,
							   (double) Max(now - oldest.version, 0) / USECS_PER_SEC);
	else
	{
		why->detail = psprintf(_("The stable version is " INT64_FORMAT " for this snapshot, which is older than the end of a transaction with a version above it."),
							   stable);
		why->hint = IsolationUsesXactSnapshot() ?
			gettext_noop("A transaction that begins now can read it.") :
			gettext_noop("A statement that begins now can read it.");
	}
}

void
mvs_stable_explain_now(int64 version, MvsUnstable *why)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	mvs_stable_explain(snapshot, version, why);
	UnregisterSnapshot(snapshot);
}

/* ------------------------------------------------------------------------
 * The row
 * ------------------------------------------------------------------------ */

/* A copy of the only row, or NULL. */
static HeapTuple
find_stable_row(Relation catalog, Snapshot snapshot)
{
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/* The row's version as a snapshot sees it, NULL being a fresh one; 0 without the extension. */
static int64
read_stable_row(Snapshot snapshot)
{
	Relation	catalog = mvs_catalog_open(MVS_STABLE, true, AccessShareLock);
	HeapTuple	tuple;
	int64		version = 0;

	if (catalog == NULL)
		return 0;
	tuple = find_stable_row(catalog, snapshot);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		version = DatumGetInt64(heap_getattr(tuple, Anum_stable_version,
											 RelationGetDescr(catalog), &isnull));
		heap_freetuple(tuple);
	}
	table_close(catalog, AccessShareLock);
	return version;
}

BlockNumber
mvs_stable_write(int64 version)
{
	static ItemPointerData place;
	Relation	catalog = mvs_catalog_open(MVS_STABLE, false, RowExclusiveLock);
	HeapTuple	old = mvs_catalog_fetch(catalog, &place);
	Datum		values[Natts_stable] = {Int64GetDatum(version), BoolGetDatum(true)};
	bool		nulls[Natts_stable] = {false};
	HeapTuple	new = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
	BlockNumber blocks;
	bool		isnull;

	if (!HeapTupleIsValid(old))
		old = find_stable_row(catalog, NULL);
	if (!HeapTupleIsValid(old))
		CatalogTupleInsert(catalog, new);
	else if (DatumGetInt64(heap_getattr(old, Anum_stable_version,
										RelationGetDescr(catalog), &isnull)) < version)
		mvs_catalog_update(catalog, &old->t_self, new);
	else
		new->t_self = old->t_self;
	place = new->t_self;
	served_at = GetCurrentTransactionStartTimestamp();
	blocks = RelationGetNumberOfBlocks(catalog);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
	return blocks;
}

/*
 * When the row is to be written next: soon if versions have moved since it was, later for
 * a standby; DT_NOEND for nobody.
 */
static TimestampTz
time_to_serve(bool moved, int64 factor)
{
	int64		interval = (int64) Max(mvs_flush_interval, MVS_STABLE_INTERVAL) * factor;

	if (!moved && !mvs_standby_is_there())
		return DT_NOEND;
	if (!moved)
		interval = Max(interval, mvs_standby_interval);
	return TimestampTzPlusMilliseconds(served_at, interval);
}

bool
mvs_stable_serve(MvsDatabase *database, bool at_once, TimestampTz *due_at)
{
	static bool owed = false;	/* the flag was cleared, and the row is not written */
	static BlockNumber base = 0;	/* blocks when the table was last at rest */
	static BlockNumber last = 0;
	static int	rest = 0;
	TimestampTz now = GetCurrentTimestamp();
	Oid			table;
	BlockNumber blocks = last;

	/* Where an old snapshot keeps the dead rows, there are to be fewer of them. */
	*due_at = time_to_serve(database->clock->stable_due || owed, last - base + 1);
	if (*due_at == DT_NOEND ||
		(now < *due_at && now >= served_at && !at_once))	/* the clock may have stepped back */
		return false;

	/* First the flag, then the snapshot: who ends in between sets the flag again. */
	owed = true;
	mvs_clock_stable_served(database);
	StartTransactionCommand();
	table = mvs_catalog_oid(MVS_STABLE, true);
	if (!OidIsValid(table))
		owed = false;
	else if (mvs_catalog_lock())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		blocks = mvs_stable_write(mvs_stable_here(database, GetActiveSnapshot(), MVS_NEWEST));
		PopActiveSnapshot();
		owed = false;
	}
	CommitTransactionCommand();
	MVS_FAULT("stable-written");

	rest = blocks > last ? 0 : rest + 1;
	if (rest >= WRITES_AT_REST || blocks < base || base == 0)
		base = blocks;
	last = blocks;
	served_at = now;
	*due_at = time_to_serve(owed || database->clock->stable_due, 1);
	return true;
}
