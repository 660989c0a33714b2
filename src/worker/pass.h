/*-------------------------------------------------------------------------
 *
 * pass.h
 *	  Passes: walks over whole stores.
 *
 * A pass is made where only that can tell what is there: after a crash, an overflow,
 * for a new policy, or because somebody asks for it. It is active, and the store marked
 * when the worker ends, until also what the horizon kept of it has gone, in a run.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_PASS_H
#define MVSTORE_PASS_H

#include "postgres.h"

#include "worker/drop.h"
#include "worker/run.h"
#include "worker/walk.h"

/* The pass over a store, in the worker's memory; zeroed: none is wanted. */
typedef struct MvsPass
{
	bool		active;			/* to be made, under way, or done but for what waits */
	uint64		sequence;		/* it is for requests from here on; PG_UINT64_MAX: none */
	bool		again;			/* marked anew since: another pass, for these */
	uint64		again_sequence;
	int64		again_at;		/* when the horizon is here; 0: as soon as this one is done */
	bool		follows;		/* that was such a one, and began at once */
	bool		emptied;		/* the slices have emptied the calendar, and that is done: */
	bool		begun;			/* what follows is the walk */
	MvsWalk		walk;
	int64		left;			/* what only the horizon kept of it ends here at the latest */
	int64		wait_for;		/* that, when the walk is done: goes when the horizon is here */
} MvsPass;

/*
 * Want a pass, for requests from a sequence number on, of which nothing goes before the horizon
 * is at "wait_for"; 0: something may. Return true if it is to begin. While there is one under
 * way, another is made behind it.
 */
extern bool mvs_pass_want(MvsPass *pass, uint64 sequence, int64 wait_for);

/* Whether it is to be made, or under way. */
extern bool mvs_pass_is_walking(const MvsPass *pass);

/* The first request that it, or the one after it, is for. */
extern uint64 mvs_pass_sequence(const MvsPass *pass);

/* Do one slice. The first, or first ones, empty the calendar, so that runs expect nothing. */
extern MvsSliceEnd mvs_pass_slice(MvsPass *pass, MvsRun *run, MvsDrop *drop);

/* The slice has committed; what only the horizon kept ends at "left" at the latest. */
extern void mvs_pass_after_slice(MvsPass *pass, int64 left);

/* The walk has met all keys. */
extern void mvs_pass_end_walk(MvsPass *pass);

/* A run has done what a horizon allows. */
extern void mvs_pass_reach(MvsPass *pass, int64 horizon);

#endif							/* MVSTORE_PASS_H */
