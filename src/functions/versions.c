/*-------------------------------------------------------------------------
 *
 * versions.c
 *	  The SQL functions about versions: which are stable, waiting until one is,
 *	  versions as times.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/arguments.h"
#include "base/compat.h"
#include "base/once.h"
#include "base/settings.h"
#include "base/snapshot.h"
#include "shared/database.h"
#include "version/session.h"
#include "version/stable.h"
#include "version/version.h"

PG_FUNCTION_INFO_V1(mvstore_stable_version);
PG_FUNCTION_INFO_V1(mvstore_wait_stable);
PG_FUNCTION_INFO_V1(mvstore_current_version);
PG_FUNCTION_INFO_V1(mvstore_use_version);
PG_FUNCTION_INFO_V1(mvstore_version_at);
PG_FUNCTION_INFO_V1(mvstore_time_of);

static uint32 wait_event_stable = 0;

static bool wait_for(MvsDatabase *database, int64 version, int64 timeout);

/* mvstore_stable_version(): the newest version of which a read never changes. */
Datum
mvstore_stable_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(mvs_stable_shown(mvs_active_snapshot()));
}

/* mvstore_current_version(): no version handed out is above it, and one above it will do. */
Datum
mvstore_current_version(PG_FUNCTION_ARGS)
{
	if (RecoveryInProgress())
		PG_RETURN_INT64(mvs_stable(mvs_active_snapshot(), MVS_NEWEST));
	mvs_shared_require();
	PG_RETURN_INT64(mvs_clock_now(mvs_session_join_if_used()));
}

/* mvstore_use_version(version): have it as the transaction's, before its first write. */
Datum
mvstore_use_version(PG_FUNCTION_ARGS)
{
	int64		version = mvs_get_version(fcinfo, 0, "version");
	int64		limit;
	int64		lowest;

	PreventCommandDuringRecovery("mvstore_use_version()");
	PreventCommandIfReadOnly("mvstore_use_version()");
	PreventCommandIfParallelMode("mvstore_use_version()");
	if (mvs_version_mine() != 0 && version == mvs_version_mine())
		PG_RETURN_VOID();
	if (mvs_version_mine() != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this transaction has a version already"),
				 errdetail("It has written with version " INT64_FORMAT ".", mvs_version_mine()),
				 errhint("Call mvstore_use_version() before the first write of the transaction.")));
	limit = mvs_clock_wall() + (int64) mvs_max_clock_ahead * 1000;
	if (version > limit)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version " INT64_FORMAT " lies too far in the future", version),
				 errdetail("A version is a time in microseconds since 1970. It can be at most " INT64_FORMAT " now.",
						   limit),
				 errhint("Set the clocks of the servers, or raise \"mvstore.max_clock_ahead\".")));
	lowest = mvs_version_use(mvs_session_join(), version);
	if (lowest != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("version " INT64_FORMAT " is too old to be used", version),
				 errdetail("The lowest that would do is " INT64_FORMAT ".", lowest),
				 errhint("Try the transaction again with a later version, on all servers.")));
	PG_RETURN_VOID();
}

/* Wait until a version is stable for new snapshots; false at the timeout. */
static bool
wait_for(MvsDatabase *database, int64 version, int64 timeout)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);
	bool		stable;

	if (database)
		ConditionVariablePrepareToSleep(&database->settled);
	for (;;)
	{
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
		int64		left;
		uint32		wait_event = mvs_compat_wait_event(&wait_event_stable, "MvstoreWaitStable");

		stable = mvs_is_stable(snapshot, version);
		UnregisterSnapshot(snapshot);
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		if (stable || left <= 0)
			break;

		/* A standby must look; on a primary, who may settle the version says so, but the clock. */
		if (database == NULL)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 Min(left, MVS_STABLE_INTERVAL), wait_event);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
		else
		{
			int64		ahead = version - mvs_clock_now(database);

			if (ahead > 0)
				left = Min(left, ahead / 1000 + 1);

			/* A wait for a lock since may have used up the latch of who woke us. */
			SetLatch(MyLatch);
			(void) ConditionVariableTimedSleep(&database->settled, Min(left, INT_MAX), wait_event);
		}
	}
	if (database)
		ConditionVariableCancelSleep();
	return stable;
}

/* mvstore_wait_stable(version, timeout): wait until it is stable; false if it does not get so. */
Datum
mvstore_wait_stable(PG_FUNCTION_ARGS)
{
	int64		version = mvs_get_version(fcinfo, 0, "version");
	int64		timeout = mvs_get_timeout(fcinfo, 1, "timeout");
	bool		standby = RecoveryInProgress();
	MvsDatabase *database = standby ? NULL : mvs_session_join_if_used();

	/* A snapshot of the whole transaction's sees no later end, and no transaction its own. */
	if (IsolationUsesXactSnapshot())
		PG_RETURN_BOOL(mvs_is_stable(mvs_active_snapshot(), version));
	if (mvs_version_mine() != 0 && mvs_version_mine() <= version)
		PG_RETURN_BOOL(false);
	if (!standby && database == NULL)
		timeout = 0;			/* nobody writes who could settle it */
	PG_RETURN_BOOL(wait_for(database, version, timeout));
}

/* mvstore_version_at(timestamptz): the version that a transaction would have had then. */
Datum
mvstore_version_at(PG_FUNCTION_ARGS)
{
	TimestampTz time = PG_GETARG_TIMESTAMPTZ(0);

	if (TIMESTAMP_IS_NOEND(time))
		PG_RETURN_INT64(MVS_NEWEST);
	if (TIMESTAMP_IS_NOBEGIN(time))
		PG_RETURN_INT64(0);
	PG_RETURN_INT64(mvs_greatest(mvs_version_of_time(time), 0));
}

/* mvstore_time_of(version): when it was. */
Datum
mvstore_time_of(PG_FUNCTION_ARGS)
{
	int64		version = mvs_get_version(fcinfo, 0, "version");

	/* All others lie within the range of timestamps, which ends later. */
	if (version == MVS_NEWEST)
		PG_RETURN_TIMESTAMPTZ(DT_NOEND);
	PG_RETURN_TIMESTAMPTZ(mvs_version_to_time(version));
}
