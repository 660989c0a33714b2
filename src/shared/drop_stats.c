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

#include "utils/timestamp.h"

#include "shared/drop_stats.h"

static void reset(MvsDatabase *database, void *place);

const MvsDatabasePart mvs_drop_stats_part = {.size = sizeof(MvsDropStats), .reset = reset};

static void
reset(MvsDatabase *database, void *place)
{
	database->stats = place;
	mvs_drop_stats_clear(database);
}

void
mvs_drop_stats_clear(MvsDatabase *database)
{
	memset(database->stats, 0, sizeof(MvsDropStats));
	database->stats->since = GetCurrentTimestamp();
}
