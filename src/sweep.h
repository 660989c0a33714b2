/*-------------------------------------------------------------------------
 *
 * sweep.h
 *	  Sweeps: walking a whole store for what its policy lets go.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_SWEEP_H
#define MVSTORE_SWEEP_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "entry.h"
#include "shmem.h"

/* The sweeps of one store, in the worker's memory. */
typedef struct MvsSweep
{
	Oid			store;
	bool		active;			/* a pass is to be made, or under way */
	int64		version;		/* the pass is for garbage up to here */
	uint64		sequence;		/* and for requests from here on */
	bool		again;			/* marked anew since the pass began: another pass, for these */
	int64		again_version;
	uint64		again_sequence;
	TimestampTz due_at;			/* not before */
	int64		wait_for;		/* no pass before the horizon is here */
	int			tries;			/* that failed, or met a lock, in a row */
	bool		locked;			/* the last met a lock */
	char		error[MVS_ERROR_LENGTH];	/* else, why it failed */

	/* The pass under way. */
	MvsKeyBuffer next;			/* where it goes on, if key_done */
	bool		key_done;
	bool		key_big;		/* next has so many entries that it takes slices of its own */
	int64		lowest_horizon; /* of its slices */
	int64		held;			/* lowest end left because of the horizon, or 0 */
} MvsSweep;

/* Takes the marks of the database over. */
extern void mvs_sweep_take_marks(void);

/* Has all stores with a policy swept, for garbage up to a version. */
extern void mvs_sweep_all(int64 version, uint64 sequence);

/* Whether a slice of a sweep may be done. */
extern bool mvs_sweep_is_due(MvsSweep *sweep, TimestampTz now, int64 horizon);

/* Does a slice of the sweep that waits longest; false if none is due. */
extern bool mvs_sweep_run(void);

#endif							/* MVSTORE_SWEEP_H */
