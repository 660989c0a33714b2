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
#include "worker/walk.h"
#include "worker/process.h"

/* The sweeps of one store, in the worker's memory. */
typedef struct MvsSweep
{
	Oid			store;
	TimestampTz due_at;			/* nothing is to be tried before */
	int			tries;			/* that failed, or met a lock, in a row */
	bool		locked;			/* the last met a lock */
	char		error[MVS_ERROR_LENGTH];	/* else, why it failed */

	/* Passes. */
	bool		active;			/* one is to be made, under way, or done but for what waits */
	uint64		sequence;		/* it is for requests from here on; PG_UINT64_MAX: none */
	bool		again;			/* marked anew since it began: another pass, for these */
	uint64		again_sequence;
	bool		begun;			/* the first slice is done */
	MvsWalk		walk;
	int64		left;			/* what only the horizon kept of it ends here at the latest */
	int64		wait_for;		/* that, when the pass is done: goes when the horizon is here */
	int64		horizon;		/* of the last run */

	/* Runs by the calendar. */
	int64		from;			/* no row has lower ends */
	int64		next;			/* perhaps the first has these; MVS_NEWEST: there are none */
	int64		age;			/* how long ago ends must be, in microseconds */
	TimestampTz looked_at;		/* when all had been done that was due */
} MvsSweep;

/* Takes the marks of the database over. */
extern void mvs_sweep_take_marks(void);

/* Has all stores swept, for requests from a sequence number on. */
extern void mvs_sweep_all(uint64 sequence);

/* Takes over what stands in the calendar; false where somebody has it locked. */
extern bool mvs_sweep_load(void);

/*
 * What follows a drop that has committed: the calendar of the store may have new rows,
 * or its storage been exchanged.
 */
extern void mvs_sweep_expect(const MvsDrop *drop);

/*
 * When something of it is to be done, as things look; DT_NOEND: not before the horizon
 * rises, or never. And whether it waits for that.
 */
extern TimestampTz mvs_sweep_due(MvsSweep *sweep, const MvsLook *look);
extern bool mvs_sweep_is_held(MvsSweep *sweep, const MvsLook *look);

/* Does a slice of the sweep that waits longest; false if none is due. */
extern bool mvs_sweep_run(void);

#endif							/* MVSTORE_SWEEP_H */
