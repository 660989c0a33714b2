/*-------------------------------------------------------------------------
 *
 * harvest.h
 *	  What goes of many keys of a store, deleted in the order of its table.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_HARVEST_H
#define MVSTORE_HARVEST_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "worker/drop.h"

typedef struct MvsHarvest
{
	MemoryContext context;		/* of all that it has */
	MvsGather	gather;

	/* What it was judged by. */
	Oid			storage;		/* of the table */
	int64		incarnation;
	MvsPolicy	policy;
	int64		horizon;
	uint64		past_writes;
	TimestampTz judged_at;
} MvsHarvest;

/* Return how many entries one has at most. */
extern int	mvs_harvest_limit(void);

/* Begin one, in a context of its own below "context". */
extern MvsHarvest *mvs_harvest_create(const MvsDrop *drop, MemoryContext context);

/* Gather its entries, as of mvs_gather_keys(). */
extern bool mvs_harvest_gather(MvsHarvest *harvest, MvsDrop *drop, const bytea *from,
							   const bytea *to, MvsScatter *scatter);

/*
 * Read what was gathered, in the harvest's memory, for the drop to judge it key by key. Entries
 * that are to go stay, for other transactions, until mvs_harvest_go_on() has them go. False where
 * the worker is to end: nothing can be judged by it.
 */
extern bool mvs_harvest_read(MvsHarvest *harvest, MvsDrop *drop);

/*
 * Whether, when the judging has ended, anything is left to go, and it has several entries of a
 * page, so that it costs less than going from key to key.
 */
extern bool mvs_harvest_pays(const MvsHarvest *harvest);

/* Whether there is anything left of it to go. */
extern bool mvs_harvest_is_left(const MvsHarvest *harvest);

/* End the judging; false where nothing is to go. */
extern bool mvs_harvest_leave(MvsHarvest *harvest, MvsDrop *drop);

/* Whether, in another transaction, what was judged holds: not for long. */
extern bool mvs_harvest_holds(const MvsHarvest *harvest, const MvsDrop *drop);

/* Whether it does not, as it is too old. */
extern bool mvs_harvest_is_old(const MvsHarvest *harvest);

/* Have some go in a transaction; false where there are no more that can. */
extern bool mvs_harvest_go_on(MvsHarvest *harvest, MvsDrop *drop);

extern void mvs_harvest_end(MvsHarvest *harvest);

#endif							/* MVSTORE_HARVEST_H */
