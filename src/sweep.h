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
	int64		wait_for;		/* not before the horizon is here */
	int			tries;			/* that failed, or met a lock, in a row */

	/* The pass under way. */
	int			key_length;		/* of the last key done; -1: none */
	int64		lowest_horizon; /* of its slices */
	int64		held;			/* greatest end left because of the horizon */
	char		key[MVS_MAX_KEY];
} MvsSweep;

typedef enum MvsSweepState
{
	MVS_SWEEP_MORE,				/* the pass goes on */
	MVS_SWEEP_DONE,				/* it has come to its end */
	MVS_SWEEP_TIMED,			/* the same, and the store wants another for its policy by age */
	MVS_SWEEP_GONE,				/* there is no such store */
	MVS_SWEEP_LOCKED			/* somebody has it locked: try later */
} MvsSweepState;

/* Begins a pass. */
extern void mvs_sweep_begin(MvsSweep *sweep);

/* Does one slice of a pass, in a transaction of its own. */
extern MvsSweepState mvs_sweep_slice(MvsSweep *sweep, MvsDatabase *database);

#endif							/* MVSTORE_SWEEP_H */
