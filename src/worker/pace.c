/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  Whether the drop worker may go on dropping: pauses, and how fast it may.
 *
 * While it is not known whether drops are paused, they are.
 *
 * What was dropped is a debt, which mvstore.drop_rate_limit pays off as time goes by.
 * As long as there is some, nothing more is dropped.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/settings.h"
#include "queue/queue.h"
#include "shared/database.h"
#include "shared/wake.h"
#include "worker/pace.h"
#include "worker/process.h"

static bool pause_known = false;
static int64 drops = 0;			/* transactions that have dropped something */
static double debt = 0;			/* entries that the limit has yet to allow */
static TimestampTz debt_at = 0; /* as of then */

/* ------------------------------------------------------------------------
 * Pauses
 * ------------------------------------------------------------------------ */

TimestampTz
mvs_pace_pause_due(void)
{
	return !pause_known || mvs_worker.database->queue->pause_changed ? 0 : DT_NOEND;
}

bool
mvs_pace_read_pause(void)
{
	Oid			table;

	mvs_process_lock_catalog(MVS_PAUSED);
	table = mvs_catalog_oid(MVS_PAUSED, true);
	return OidIsValid(table) && mvs_catalog_has_row(table, NULL);
}

bool
mvs_pace_load_pause(void)
{
	MvsDatabase *database = mvs_worker.database;
	bool		paused;

	if (mvs_pace_pause_due() != 0)
		return true;
	pause_known = false;
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->queue->pause_changed = false;
	LWLockRelease(database->queue_lock);

	StartTransactionCommand();
	paused = mvs_pace_read_pause();
	CommitTransactionCommand();

	/* Should it change just now, what its COMMIT has said holds, and there is another look. */
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	if (!database->queue->pause_changed)
		database->queue->paused = paused;
	LWLockRelease(database->queue_lock);
	ConditionVariableBroadcast(&database->progress);
	return pause_known = true;
}

bool
mvs_pace_is_paused(void)
{
	return !pause_known || mvs_queue_is_paused(mvs_worker.database);
}

bool
mvs_pace_may_drop(void)
{
	return !mvs_pace_is_paused() && mvs_pace_throttled_until() == 0;
}

/* ------------------------------------------------------------------------
 * The rate
 * ------------------------------------------------------------------------ */

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
	if (mvs_worker.database->worker->throttled_since == 0)
	{
		LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
		mvs_worker.database->worker->throttled_since = now;
		LWLockRelease(mvs_worker.database->queue_lock);
	}
	return now + (TimestampTz) (debt * USECS_PER_SEC / mvs_drop_rate_limit);
}
