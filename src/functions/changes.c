/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  The SQL functions that follow the changes of a store.
 *
 * What a consumer of changes can miss is what has gone, or was put, behind its back:
 * an entry above its position that was dropped before it came by, of which the floor of
 * entries tells, or that of whole keys, whatever it asks for; and what was written to
 * the past or erased, see mvs_floor_rewrite().
 *
 * Who waits sleeps on "settled", as mvstore_wait_stable() does, which each writer's end
 * broadcasts. It holds no lock on the store, and no snapshot of its own.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "utils/inval.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/arguments.h"
#include "base/compat.h"
#include "base/once.h"
#include "base/settings.h"
#include "functions/reading.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "store/feed.h"
#include "store/floor.h"
#include "version/as_of.h"
#include "version/clock.h"
#include "version/session.h"
#include "version/stable.h"
#include "version/version.h"

/* Milliseconds that one who was woken in vain sleeps at most before it listens again. */
#define LONGEST_PAUSE 20

/* What a consumer does that cannot go on. */
#define BEGIN_ANEW "Scan the store as of mvstore_stable_version(), and go on from that version."

/* What a consumer asks for. */
typedef struct MvsAsked
{
	Oid			store;
	MvsPosition after;
	int64		max_rows;
	bool		compacted;
	int64		synced_at;		/* version as of which it had read all there was */
	int64		wait;			/* milliseconds, where there is nothing */
	MvsFamily	family;
} MvsAsked;

PG_FUNCTION_INFO_V1(mvstore_wait_changes);

static uint32 wait_event_changes = 0;

static void open_feed(MvsRead *read, MvsFeed *feed, const MvsAsked *asked, int64 limit);
static void refuse_unknown(MvsRead *read, const MvsAsked *asked);
static void refuse_missed(MvsRead *read, const MvsAsked *asked);
static void tell_cost(MvsRead *read);
static int64 return_changes(ReturnSetInfo *result, const MvsAsked *asked);
static bool has_changes(const MvsAsked *asked, int64 *upto);
static bool look(const MvsAsked *asked, int64 *upto);
static void sleep_on(MvsDatabase *database, int64 milliseconds, bool in_vain);
static bool wait_for_changes(const MvsAsked *asked, int64 timeout);

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------ */

/*
 * Return up to where a read has all changes there are: never less than what was stable when it
 * began, as who gets fewer rows than he asks for goes on from what he was told before. Of a
 * snapshot that has waited for a lock meanwhile nobody may know any more.
 */
static int64
find_upto(MvsRead *read)
{
	int64		upto;

	if (mvs_as_of_is_fixed())
		return read->as_of;
	while ((upto = mvs_stable_known(read->snapshot)) == MVS_LOST)
	{
		CHECK_FOR_INTERRUPTS();
		if (mvs_read_renew(read))
			continue;
		mvs_counters_refused(read->store.info.oid, MVS_REFUSED_LATE);
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("it is not known any more which changes of store \"%s\" are stable in this transaction",
						RelationGetRelationName(read->store.heap)),
				 errdetail("Others have committed too much since its snapshot."),
				 errhint("Repeat the transaction; where it calls mvstore_stable_version() first, that is kept.")));
	}
	return upto;
}

/* Open what is asked for, by the active snapshot or a newer one, up to the stable version. */
static void
open_feed(MvsRead *read, MvsFeed *feed, const MvsAsked *asked, int64 limit)
{
	int64		upto;

	mvs_read_open(read, asked->store, MVS_NEWEST, asked->family, "mvstore_changes");
	upto = find_upto(read);
	if (read->as_of != MVS_NEWEST && !read->is_renewed)
		upto = read->as_of;
	else if (read->as_of != MVS_NEWEST)
		read->as_of = upto;
	refuse_unknown(read, asked);
	if (mvs_strict_history)
		refuse_missed(read, asked);

	/* For what was dropped the newest entry stands, which may be too new as of a version. */
	if (asked->compacted)
		mvs_read_refuse_below_floor(read);
	mvs_feed_open(feed, &read->store, read->snapshot, asked->after, upto, limit);
}

/* Refuse a position that no consumer can have; but the clock of a standby may be behind. */
static void
refuse_unknown(MvsRead *read, const MvsAsked *asked)
{
	int64		now;

	if (RecoveryInProgress())
		return;
	now = mvs_clock_now(mvs_database_find(MyDatabaseId));

	/* What is stable may be ahead of the clock, before that is known here. */
	if (asked->after.version > now)
		now = mvs_greatest(now, mvs_stable(read->snapshot, MVS_NEWEST));
	if (asked->after.version > now)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("position " INT64_FORMAT " in the changes of store \"%s\" lies in the future",
						asked->after.version, RelationGetRelationName(read->store.heap)),
				 errdetail("It is now version " INT64_FORMAT ".", now),
				 errhint("After a restore to an earlier state, consumers of changes begin anew.")));
}

/* Refuse a position behind which something has gone, or was changed, that is not returned. */
static void
refuse_missed(MvsRead *read, const MvsAsked *asked)
{
	Oid			store = RelationGetRelid(read->store.heap);
	int64		rewritten = mvs_floor_rewritten(store, read->snapshot);
	MvsFloors	floors;
	int64		gone;
	bool		is_gone;

	mvs_store_refuse_untold(&read->store);
	mvs_floor_read_all(store, read->snapshot, &floors);
	gone = asked->compacted ? floors.keys : floors.entries;

	/* Of those of the position's own version nobody knows which were behind it. */
	is_gone = gone > asked->after.version || (gone == asked->after.version && asked->after.key);
	if (!is_gone && rewritten <= Max(asked->after.version, asked->synced_at))
		return;
	mvs_counters_refused(store, MVS_REFUSED_GONE);
	if (is_gone)
		ereport(ERROR,
				(errcode(ERRCODE_HISTORY_GONE),
				 errmsg("changes of store \"%s\" behind version " INT64_FORMAT " are not complete",
						RelationGetRelationName(read->store.heap), asked->after.version),
				 asked->compacted ?
				 errdetail("Keys were removed whole that had entries up to version " INT64_FORMAT ".",
						   gone) :
				 errdetail("Entries up to version " INT64_FORMAT " were removed.", gone),
				 !asked->compacted && floors.keys <= asked->after.version ?
				 errhint("With compacted, the newest entry of each key is returned.") :
				 errhint(BEGIN_ANEW)));
	ereport(ERROR,
			(errcode(ERRCODE_HISTORY_GONE),
			 errmsg("changes of store \"%s\" behind version " INT64_FORMAT " are not complete",
					RelationGetRelationName(read->store.heap), asked->after.version),
			 errdetail("The past of the store was changed at version " INT64_FORMAT ".",
					   rewritten),
			 mvs_is_stable(read->snapshot, rewritten) ? errhint(BEGIN_ANEW) :
			 errhint("It is not stable yet: have mvstore_wait_stable() wait for it, then begin anew.")));
}

/* Say once a session that reading changes costs as much as reading all of the store. */
static void
tell_cost(MvsRead *read)
{
	static bool told = false;

	if (told || OidIsValid(read->store.info.feed_index))
		return;
	told = true;
	ereport(NOTICE,
			(errmsg("store \"%s\" has no index for its changes, so all of it is read",
					RelationGetRelationName(read->store.heap)),
			 errhint("mvstore_set_feed() makes one.")));
}

/* Return the changes that the active snapshot sees, and how many. */
static int64
return_changes(ReturnSetInfo *result, const MvsAsked *asked)
{
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "mvstore row",
													  ALLOCSET_DEFAULT_SIZES);
	MvsRead		read;
	MvsFeed		feed;
	MvsEntry	entry;
	int64		count = 0;

	open_feed(&read, &feed, asked, asked->max_rows);
	tell_cost(&read);
	while (count < asked->max_rows && mvs_feed_next(&feed, &entry))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = Int64GetDatum(entry.version);
		values[1] = mvs_read_return_key(&read, feed.key);
		nulls[2] = entry.tombstone;
		if (!entry.tombstone)
			values[2] = mvs_read_return_value(&read, feed.key, &entry);
		nulls[3] = !entry.expires;
		values[3] = TimestampTzGetDatum(entry.expires_at);
		values[4] = BoolGetDatum(entry.tombstone);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
		count++;
	}
	mvs_feed_close(&feed);
	if (count == 0 && asked->wait > 0)
		mvs_read_release(&read);
	else
		mvs_read_close(&read);
	MemoryContextDelete(row_context);
	return count;
}

/* ------------------------------------------------------------------------
 * Waiting
 * ------------------------------------------------------------------------ */

/*
 * Whether the active snapshot sees any; set *upto to the version up to which it was looked.
 * Keeps no lock on the store.
 */
static bool
has_changes(const MvsAsked *asked, int64 *upto)
{
	MvsRead		read;
	MvsFeed		feed;
	MvsEntry	entry;
	bool		found;

	open_feed(&read, &feed, asked, 1);
	found = mvs_feed_next(&feed, &entry);
	*upto = feed.upto;
	mvs_feed_close(&feed);
	mvs_read_release(&read);
	return found;
}

/* The same, by a fresh snapshot. */
static bool
look(const MvsAsked *asked, int64 *upto)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mvstore look",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		found;

	PushActiveSnapshot(GetLatestSnapshot());
	found = has_changes(asked, upto);
	PopActiveSnapshot();
	InvalidateCatalogSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return found;
}

/*
 * Sleep until something may have got stable. Who is woken in vain again and again, as
 * others write to other stores, sleeps a little longer than they take.
 */
static void
sleep_on(MvsDatabase *database, int64 milliseconds, bool in_vain)
{
	static int64 pause = 0;
	uint32		wait_event = mvs_compat_wait_event(&wait_event_changes, "MvstoreWaitChanges");

	/* A standby must look, or who shares no memory; else who settles a version says so. */
	if (database == NULL)
		pause = MVS_STABLE_INTERVAL;
	else
		pause = in_vain ? Min(Max(pause * 2, 1), LONGEST_PAUSE) : 0;
	if (pause > 0)
	{
		(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(pause, milliseconds),
						 wait_event);
		CHECK_FOR_INTERRUPTS();
	}
	if (database == NULL || milliseconds <= pause)
		return;

	/* A wait for a lock since may have used up the latch of who woke us. */
	SetLatch(MyLatch);
	(void) ConditionVariableTimedSleep(&database->settled, Min(milliseconds - pause, INT_MAX),
									   wait_event);
}

/* Wait until there are changes; false at the timeout, in milliseconds. */
static bool
wait_for_changes(const MvsAsked *asked, int64 timeout)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);
	MvsDatabase *database = RecoveryInProgress() ? NULL : mvs_session_join_if_used();
	int64		seen = -1;		/* so many changes of the store have been looked at */
	TimestampTz slept_at = 0;
	bool		found = false;

	if (database)
		ConditionVariablePrepareToSleep(&database->settled);
	for (;;)
	{
		int64		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		int64		written = database ? mvs_counters_changed(asked->store) : -1;
		bool		in_vain;

		/* What SQL inserts is not counted. */
		if (written < 0 || written != seen || left <= 0)
		{
			int64		last = database ? mvs_clock_last(database) : MVS_NEWEST;
			int64		upto;

			found = look(asked, &upto);
			seen = upto >= last ? written : -1;
		}
		if (found || left <= 0)
			break;
		in_vain = slept_at != 0 &&
			!TimestampDifferenceExceeds(slept_at, GetCurrentTimestamp(), 2 * LONGEST_PAUSE);
		slept_at = GetCurrentTimestamp();
		sleep_on(database, left, in_vain);
	}
	if (database)
		ConditionVariableCancelSleep();
	return found;
}

/* ------------------------------------------------------------------------
 * SQL functions
 * ------------------------------------------------------------------------ */

/*
 * mvstore_changes(store, after_version, after_key, max_rows, wait, compacted, synced_at):
 * the entries behind a position, up to the stable version, in the order of (version, key),
 * as (version, key, value, expires_at, deleted). Where there are none, wait for some.
 */
static Datum
changes(FunctionCallInfo fcinfo, MvsFamily family)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MvsAsked	asked = {.store = mvs_get_store(fcinfo, 0), .family = family};

	asked.after.version = mvs_get_version(fcinfo, 1, "after_version");
	if (!PG_ARGISNULL(2))
		asked.after.key = mvs_get_bound(fcinfo, 2, family, "after_key");
	asked.max_rows = mvs_get_limit(fcinfo, 3);
	if (!PG_ARGISNULL(4))
		asked.wait = mvs_get_timeout(fcinfo, 4, "wait");
	asked.compacted = mvs_get_flag(fcinfo, 5, "compacted");
	asked.synced_at = PG_ARGISNULL(6) ? 0 : mvs_get_version(fcinfo, 6, "synced_at");

	/* A snapshot of the whole transaction's sees no later change, nor does a fixed version. */
	if (asked.max_rows == 0 || IsolationUsesXactSnapshot() || mvs_as_of_is_fixed())
		asked.wait = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (return_changes(result, &asked) == 0 && asked.wait > 0 &&
		wait_for_changes(&asked, asked.wait))
	{
		PushActiveSnapshot(GetLatestSnapshot());
		(void) return_changes(result, &asked);
		PopActiveSnapshot();
	}
	return (Datum) 0;
}

MVS_VALUE_FUNCTIONS(mvstore_changes, changes);

/*
 * mvstore_wait_changes(store, after_version, timeout): wait as mvstore_changes() does, without
 * any snapshot. A procedure, as the snapshot of a statement cannot be let go.
 */
Datum
mvstore_wait_changes(PG_FUNCTION_ARGS)
{
	MvsAsked	asked = {.store = mvs_get_store(fcinfo, 0), .max_rows = 1, .compacted = true};
	int64		timeout = mvs_get_timeout(fcinfo, 2, "timeout");

	asked.after.version = mvs_get_version(fcinfo, 1, "after_version");
	asked.synced_at = MVS_NEWEST;	/* who reads then will be told */
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("mvstore_wait_changes() cannot be called inside a transaction block"),
				 errhint("In a transaction, mvstore_changes() can wait.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("mvstore_wait_changes() can be called under READ COMMITTED only"),
				 errdetail("The snapshot of a whole transaction would keep vacuum from all that is dropped meanwhile."),
				 errhint("Call it with default_transaction_isolation set to \"read committed\".")));

	/* As COMMIT does: where a procedure calls, its next statement takes a new one. */
	ForgetPortalSnapshots();
	InvalidateCatalogSnapshot();
	(void) wait_for_changes(&asked, timeout);
	PG_RETURN_VOID();
}
