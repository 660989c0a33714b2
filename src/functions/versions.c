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
#include "shared/database.h"
#include "version/session.h"
#include "version/stable.h"
#include "version/version.h"

PG_FUNCTION_INFO_V1(mvstore_stable_version);
PG_FUNCTION_INFO_V1(mvstore_wait_stable);
PG_FUNCTION_INFO_V1(mvstore_version_at);
PG_FUNCTION_INFO_V1(mvstore_time_of);

static uint32 wait_event_stable = 0;

static bool wait_for(MvsDatabase *database, int64 version, int64 timeout);

/* mvstore_stable_version(): the newest version of which a read never changes. */
Datum
mvstore_stable_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(mvs_stable(GetActiveSnapshot(), MVS_NEWEST));
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
		PG_RETURN_BOOL(mvs_is_stable(GetActiveSnapshot(), version));
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
	PG_RETURN_INT64(Max(mvs_version_of_time(time), 0));
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
