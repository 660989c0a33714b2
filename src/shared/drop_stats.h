/*-------------------------------------------------------------------------
 *
 * drop_stats.h
 *	  Counters of the drops of a database.
 *
 * Backends count what they publish, the worker what it does. Those of stores: counters.h.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_DROP_STATS_H
#define MVSTORE_DROP_STATS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/backlog.h"
#include "shared/database.h"

/* Behind queue_lock. */
typedef struct MvsDropStats
{
	int64		enqueued;
	int64		merged;
	int64		overflowed;
	int64		processed;
	int64		entries;
	int64		bytes;
	int64		batches;
	int64		sweeps;
	int64		keys_due;		/* looked at for their age */
	int64		yields;			/* pauses for what others write */
	int64		maintenance_runs;
	TimestampTz last_maintenance_at;
	TimestampTz last_batch_at;
	int64		last_batch_usecs;
	int64		lag_count;
	int64		lag_total_usecs;
	int64		lag_max_usecs;
	char		last_error[MVS_ERROR_LENGTH];
	TimestampTz last_error_at;
	TimestampTz since;
} MvsDropStats;

/* Its state of a slot: see startup.c. */
extern const MvsDatabasePart mvs_drop_stats_part;

/* Has all of them begin anew. With queue_lock held. */
extern void mvs_drop_stats_clear(MvsDatabase *database);

#endif							/* MVSTORE_DROP_STATS_H */
