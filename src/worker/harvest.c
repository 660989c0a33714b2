/*-------------------------------------------------------------------------
 *
 * harvest.c
 *	  What goes of many keys of a store, deleted in the order of its table.
 *
 * Where neighbours in the index are far from each other in the table, each entry that goes
 * costs a page of its own. So very many keys are gathered and judged in one transaction, which
 * deletes nothing of them; those after it delete the entries as the table has them, but none
 * before the older ones of its key. After each of them all is as after any other drop: of
 * each key the oldest entries have gone, and the floor is where they ended.
 *
 * Between these transactions no lock is held. What was superseded below a horizon stays
 * so, unless somebody has pinned or written the past, exchanged the contents of the table, or
 * changed what the policy says: then the harvest is thrown away. So it is when the process ends;
 * nothing tells of it but its memory.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "shared/droppers.h"
#include "shared/fault.h"
#include "version/clock.h"
#include "worker/harvest.h"
#include "worker/process.h"

/* Entries that one has at most: to gather and to read them takes some 100 ms. */
#define ENTRY_LIMIT INT64CONST(262144)

/* Milliseconds for which one holds, as after a pause: what it has not read is trusted no longer. */
#define LIFETIME 60000

/* Entries that a transaction deletes: neighbours in the table go in less than half the time. */
#define DELETE_LIMIT 20000

int
mvs_harvest_limit(void)
{
	/* The other half is for what takes the place of an array that has become too small. */
	return (int) Min(maintenance_work_mem * INT64CONST(1024) / 2 / MVS_GATHER_SPACE, ENTRY_LIMIT);
}

MvsHarvest *
mvs_harvest_create(const MvsDrop *drop, MemoryContext context)
{
	MemoryContext own = AllocSetContextCreate(context, "mvstore harvest", ALLOCSET_DEFAULT_SIZES);
	MvsHarvest *harvest = MemoryContextAllocZero(own, sizeof(MvsHarvest));

	harvest->context = own;
	harvest->storage = drop->store.heap->rd_rel->relfilenode;
	harvest->incarnation = drop->store.info.incarnation;
	harvest->policy = drop->store.info.policy;
	harvest->horizon = drop->horizon;
	harvest->past_writes = drop->database->clock->past_writes;
	return harvest;
}

void
mvs_harvest_end(MvsHarvest *harvest)
{
	MemoryContextDelete(harvest->context);
}

bool
mvs_harvest_gather(MvsHarvest *harvest, MvsDrop *drop, const bytea *from, const bytea *to,
				   MvsScatter *scatter)
{
	MemoryContext old = MemoryContextSwitchTo(harvest->context);
	bool		more;

	mvs_gather_begin(&harvest->gather, &drop->store, GetActiveSnapshot());
	more = mvs_gather_keys(&harvest->gather, from, to, mvs_harvest_limit(), scatter);
	MemoryContextSwitchTo(old);
	return more;
}

bool
mvs_harvest_read(MvsHarvest *harvest, MvsDrop *drop)
{
	MemoryContext old = MemoryContextSwitchTo(harvest->context);
	bool		done = mvs_gather_read(&harvest->gather, Max(harvest->policy.keep_versions, 1),
									   mvs_process_is_stopping);

	MemoryContextSwitchTo(old);
	drop->gather = &harvest->gather;
	drop->later = true;
	return done;
}

bool
mvs_harvest_pays(const MvsHarvest *harvest)
{
	const MvsGather *gather = &harvest->gather;

	return gather->left > 0 && gather->blocks <= gather->left / 2;
}

bool
mvs_harvest_is_left(const MvsHarvest *harvest)
{
	return harvest->gather.left > 0;
}

bool
mvs_harvest_leave(MvsHarvest *harvest, MvsDrop *drop)
{
	drop->gather = NULL;
	drop->later = false;
	harvest->judged_at = GetCurrentTimestamp();
	return mvs_gather_leave(&harvest->gather) > 0;
}

bool
mvs_harvest_holds(const MvsHarvest *harvest, const MvsDrop *drop)
{
	const MvsStoreInfo *info = &drop->store.info;

	return harvest->storage == drop->store.heap->rd_rel->relfilenode &&
		harvest->incarnation == info->incarnation &&
		harvest->policy.keep_versions == info->policy.keep_versions &&
		harvest->policy.keep_for == info->policy.keep_for &&
		harvest->horizon <= drop->horizon &&
		harvest->past_writes == drop->database->clock->past_writes &&
		!mvs_harvest_is_old(harvest) &&
		!info->referenced;
}

bool
mvs_harvest_is_old(const MvsHarvest *harvest)
{
	return TimestampDifferenceExceeds(harvest->judged_at, GetCurrentTimestamp(), LIFETIME);
}

bool
mvs_harvest_go_on(MvsHarvest *harvest, MvsDrop *drop)
{
	int			limit = mvs_pace_entries(DELETE_LIMIT);
	MvsGatherGone gone = {0};
	bool		more;

	if (mvs_drop_rate_limit > 0)
		limit = Min(limit, mvs_drop_rate_limit);
	mvs_droppers_delete(drop->database, GetTopFullTransactionId());
	more = mvs_gather_delete_some(&harvest->gather, &drop->cursor, limit, &gone);
	drop->tally.entries += gone.entries;
	drop->tally.bytes += gone.bytes;
	drop->floors.end = Max(drop->floors.end, gone.end);
	drop->floors.entries = Max(drop->floors.entries, gone.version);
	MVS_FAULT("harvest-deleted");
	return more;
}
