/*-------------------------------------------------------------------------
 *
 * sweep.h
 *	  Sweeps: what stores are to lose by their policies without a request.
 *
 * A pass walks a whole store, where only that can tell what is there: after a
 * crash, an overflow, for a new policy, or because somebody asks for it. A run
 * looks at the keys whose time has come by the calendar.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_SWEEP_H
#define MVSTORE_SWEEP_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "shared/database.h"
#include "worker/drop.h"

/* Take the marks of the database over. */
extern void mvs_sweep_take_marks(void);

/*
 * Have all stores swept, for requests from a sequence number on, once the horizon is
 * at "wait_for".
 */
extern void mvs_sweep_all(uint64 sequence, int64 wait_for);

/* Take over what stands in the calendar; false where somebody has it locked. */
extern bool mvs_sweep_load(void);

/*
 * What follows a drop that has committed: the calendar of the store may have new rows,
 * or its storage been exchanged.
 */
extern void mvs_sweep_expect(const MvsDropNews *news);

/* Whether there are any. */
extern bool mvs_sweep_is_any(void);

/*
 * Whether a pass is under way, and waits for nothing; if not "all_of_them", one that gets on, and
 * did not begin right behind another.
 */
extern bool mvs_sweep_is_walking(bool all_of_them);

/*
 * When something of them is to be done, as things look; DT_NOEND: not before the horizon
 * rises, or never. And whether one waits for that.
 */
extern TimestampTz mvs_sweep_due(void);
extern bool mvs_sweep_waits_for_writers(void);

/* Do a slice of the sweep that waits longest; false if none is due. */
extern bool mvs_sweep_slice(void);

/* Tell those who wait what is still to be swept. */
extern void mvs_sweep_report(void);

/* The worker ends: mark what is still to be swept. With queue_lock held. */
extern void mvs_sweep_give_back(MvsDatabase *database);

#endif							/* MVSTORE_SWEEP_H */
