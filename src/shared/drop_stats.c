/*-------------------------------------------------------------------------
 *
 * drop_stats.c
 *	  Counters of the drops of a database.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "shared/drop_stats.h"

/* Of each slot. */
static MvsDropStats *drop_stats = NULL;

Size
mvs_drop_stats_shmem_size(void)
{
	return mul_size(mvs_max_databases, sizeof(MvsDropStats));
}

void
mvs_drop_stats_shmem_startup(LWLockPadded *locks)
{
	bool		found;

	drop_stats = ShmemInitStruct("mvstore drop counters", mvs_drop_stats_shmem_size(), &found);
}

void
mvs_drop_stats_reset(MvsDatabase *database)
{
	database->stats = &drop_stats[mvs_database_number(database)];
	memset(database->stats, 0, sizeof(MvsDropStats));
	database->stats->since = GetCurrentTimestamp();
}
