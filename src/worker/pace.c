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
 * Who commits waits until all WAL before that is on the disk, ours too. So while others
 * write, the WAL of drops is another debt, which mvstore.drop_wal_limit and what others
 * write themselves pay off; transactions are short, and for the debt there is a pause before
 * the next one. Nobody else writes: full speed. As entries come by writes, of at least as
 * much WAL, drops keep up with them; where they do not, as the queue shows, they come first.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/instrument.h"
#include "pgstat.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "queue/queue.h"
#include "shared/database.h"
#include "shared/drop_stats.h"
#include "shared/others.h"
#include "shared/wake.h"
#include "worker/pace.h"
#include "worker/process.h"

/* Milliseconds for which others count as writing, since one of their transactions ended. */
#define OTHERS_TIME 200

/* Milliseconds: what WAL the limit allows in them is a transaction's. */
#define PIECE_TIME 4

/* Milliseconds of the longest pause for WAL. */
#define LONGEST_YIELD 100

/* Fewer entries are not worth a transaction, though after a checkpoint each may log a page. */
#define FEWEST_ENTRIES 32

static bool pause_known = false;
static int64 drops = 0;			/* transactions that have dropped something, whole ones */
static int64 since_counted = 0; /* entries of those that were cut short for others */
static double debt = 0;			/* entries that the limit has yet to allow */
static TimestampTz debt_at = 0; /* as of then */

static MvsOthers seen;			/* what had been done, as of the last look */
static TimestampTz seen_at = 0;
static TimestampTz others_at = 0;	/* others were last seen to have written */
static bool gives_way = false;	/* they do, and it matters */
static double wal_debt = 0;		/* bytes that the limit has yet to allow */
static double entry_bytes = 100;	/* of WAL, that an entry takes */

static bool others_write(const MvsOthers *now, TimestampTz now_at);
static void wait_some(long usecs);
static double piece(void);

/* ------------------------------------------------------------------------
 * Pauses
 * ------------------------------------------------------------------------ */

TimestampTz
mvs_pace_pause_due(void)
{
	const MvsQueue *queue = mvs_worker.database->queue;

	return !pause_known || queue->pauses_known != queue->pause_changes ? 0 : DT_NOEND;
}

bool
mvs_pace_read_pause(void)
{
	Oid			table;

	mvs_process_lock_catalog(MVS_PAUSED);
	table = mvs_catalog_oid(MVS_PAUSED, true);
	return OidIsValid(table) && mvs_catalog_has_row(table, NULL);
}

MvsPauseLook
mvs_pace_look_at_pause(void)
{
	MvsDatabase *database = mvs_worker.database;
	MvsPauseLook look;

	pause_known = false;
	LWLockAcquire(database->queue_lock, LW_SHARED);
	look.changes = database->queue->pause_changes;
	look.changed = (look.changes != database->queue->pauses_known);
	LWLockRelease(database->queue_lock);

	StartTransactionCommand();
	look.paused = mvs_pace_read_pause();
	CommitTransactionCommand();
	return look;
}

void
mvs_pace_set_pause(const MvsPauseLook *look)
{
	MvsQueue   *queue = mvs_worker.database->queue;

	/* Should it have changed meanwhile, what its COMMIT has said holds, until the next look. */
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	if (queue->pause_changes == look->changes)
		queue->paused = look->paused;
	queue->pauses_known = look->changes;
	LWLockRelease(mvs_worker.database->queue_lock);
	ConditionVariableBroadcast(&mvs_worker.database->progress);
	pause_known = true;
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
	since_counted += entries;
	if (!mvs_pace_is_enough(entries) || since_counted >= MVS_DROP_LIMIT)
	{
		drops++;
		since_counted = 0;
	}
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

/* ------------------------------------------------------------------------
 * Beside others
 * ------------------------------------------------------------------------ */

/* Whether others write, by what has been done since the last look. */
static bool
others_write(const MvsOthers *now, TimestampTz now_at)
{
	/* What was done while nothing was dropped tells nothing: it may be all that there was to do. */
	if (now->transactions > seen.transactions &&
		!TimestampDifferenceExceeds(seen_at, now_at, OTHERS_TIME))
		others_at = now_at;
	others_at = Min(others_at, now_at);
	return others_at != 0 && !TimestampDifferenceExceeds(others_at, now_at, OTHERS_TIME);
}

/* Wait, and count it. Signals are for when that is over. */
static void
wait_some(long usecs)
{
	static uint32 wait_event = 0;
	MvsDatabase *database = mvs_worker.database;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->stats->yields++;
	LWLockRelease(database->queue_lock);
	pgstat_report_wait_start(mvs_compat_wait_event(&wait_event, "MvstoreWorkerYield"));
	pg_usleep(usecs);
	pgstat_report_wait_end();
}

void
mvs_pace_yield(void)
{
	MvsOthers	now;
	TimestampTz now_at = GetCurrentTimestamp();
	double		rate = mvs_drop_wal_limit * 1024.0 / USECS_PER_SEC; /* bytes a microsecond */
	double		longest = rate * LONGEST_YIELD * 1000;

	mvs_others_look(&now);
	gives_way = others_write(&now, now_at) && mvs_drop_wal_limit > 0 &&
		mvs_worker.database->queue->count <= mvs_queue_size / 2;
	wal_debt += (double) (now.own_bytes - seen.own_bytes) - (double) (now.bytes - seen.bytes) -
		rate * (double) Max(now_at - seen_at, 0);
	wal_debt = gives_way ? Min(Max(wal_debt, 0), longest) : 0;
	seen = now;
	seen_at = now_at;
	if (wal_debt > 0 && !mvs_process_is_stopping())
		wait_some((long) (wal_debt / rate));
}

/* Return the bytes of WAL that are a transaction's while others write. */
static double
piece(void)
{
	return Max(mvs_drop_wal_limit * 1024.0 * PIECE_TIME / 1000, BLCKSZ);
}

bool
mvs_pace_is_enough(int64 entries)
{
	return gives_way && entries >= FEWEST_ENTRIES &&
		(double) (pgWalUsage.wal_bytes - seen.own_bytes) >= piece();
}

int
mvs_pace_entries(int limit)
{
	double		entries = piece() / entry_bytes;

	return gives_way ? (int) Max(Min(entries, limit), FEWEST_ENTRIES) : limit;
}

void
mvs_pace_learn(int64 entries)
{
	if (entries >= FEWEST_ENTRIES)
		entry_bytes = Max((double) (pgWalUsage.wal_bytes - seen.own_bytes) / (double) entries, 1);
}
