/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  How much the drop worker has dropped, and how fast it may go on.
 *
 * What was dropped is a debt, which mvstore.drop_rate_limit pays off as time goes by.
 * As long as there is some, nothing more is dropped.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/settings.h"
#include "worker/pace.h"
#include "worker/process.h"

static int64 drops = 0;			/* transactions that have dropped something */
static double debt = 0;			/* entries that the limit has yet to allow */
static TimestampTz debt_at = 0; /* as of then */

void
mvs_pace_dropped(int64 entries)
{
	if (entries == 0)
		return;
	drops++;
	(void) mvs_pace_throttled_until();
	debt += (double) entries;
}

int64
mvs_pace_drops(void)
{
	return drops;
}

TimestampTz
mvs_pace_throttled_until(void)
{
	static int	limit = 0;
	TimestampTz now = GetCurrentTimestamp();

	/* What went under a higher limit is not to cost longer pauses than it did there. */
	if (mvs_drop_rate_limit < limit)
		debt *= (double) mvs_drop_rate_limit / limit;
	limit = mvs_drop_rate_limit;
	if (mvs_drop_rate_limit == 0)
		debt = 0;
	else
		debt -= (double) Max(now - debt_at, 0) * mvs_drop_rate_limit / USECS_PER_SEC;
	debt = Max(debt, 0);
	debt_at = now;
	if (debt < 1)
		return 0;
	if (mvs_worker.database->throttled_since == 0)
	{
		LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
		mvs_worker.database->throttled_since = now;
		LWLockRelease(mvs_worker.database->queue_lock);
	}
	return now + (TimestampTz) (debt * USECS_PER_SEC / mvs_drop_rate_limit);
}
