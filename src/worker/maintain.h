/*-------------------------------------------------------------------------
 *
 * maintain.h
 *	  Maintenance: when stores from which much was dropped are vacuumed.
 *
 * A process of its own does it (vacuum.c), so that drops go on meanwhile. The drop
 * worker starts it, one at a time, and ends it when it ends itself, unless it gives
 * way to another database's: then it goes on, and is the next worker's.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_MAINTAIN_H
#define MVSTORE_MAINTAIN_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "shared/counters.h"

#define MVS_MAINTAIN_TYPE "mvstore maintenance"

/* A store that may be vacuumed. */
typedef struct MvsCandidate
{
	Oid			store;
	MvsVacuum	last;			/* of it */
	int64		dead;			/* entries */
	bool		hurry;			/* dead entries come fast */
	bool		free;			/* nobody is in the way who was so at the last vacuum */
} MvsCandidate;

/* Whether a store is to be vacuumed now. In either process, in a transaction. */
extern bool mvs_maintain_pays(Oid store, MvsCandidate *candidate);

/* Dead entries of a store, as counted. */
extern int64 mvs_maintain_dead_entries(Oid store);

/*
 * Start the process where a store wants it, every mvstore.maintenance_every
 * flushes; when the drop worker is idle, also after fewer.
 */
extern void mvs_maintain(void);

/* When to call that for its being idle; DT_NOEND: need not be. */
extern TimestampTz mvs_maintain_due(void);

extern bool mvs_maintain_is_running(void);

/* End the process. */
extern void mvs_maintain_stop(void);

/* Take over what the last worker had yet to look at. */
extern void mvs_maintain_take_over(void);

/* Leave that to the next one. With queue_lock held. */
extern void mvs_maintain_hand_over(void);

#endif							/* MVSTORE_MAINTAIN_H */
