/*-------------------------------------------------------------------------
 *
 * walk.h
 *	  Walking over many keys of a store, in slices of a transaction each.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_WALK_H
#define MVSTORE_WALK_H

#include "postgres.h"

#include "base/key.h"
#include "worker/drop.h"
#include "worker/harvest.h"

/* What a slice ends with. */
typedef enum MvsSliceEnd
{
	MVS_SLICE_MORE,				/* there is more to do */
	MVS_SLICE_DONE,				/* that was the last */
	MVS_SLICE_LOCKED,			/* somebody has something locked: try this slice again */
	MVS_SLICE_GONE				/* of a sweep: there is no such store */
} MvsSliceEnd;

/* Where a walk is; zeroed, at the first key of the store. */
typedef struct MvsWalk
{
	MvsKeyBuffer next;			/* where it goes on, if begun */
	bool		begun;
	bool		key_big;		/* next has so many entries that it takes slices of its own */

	/* Where the table is not in the order of keys. */
	bool		scattered;		/* entries are to be harvested */
	bool		steps;			/* but here that would be of no use */
	int			in_vain;		/* harvests that held no longer when they were to go */
	MvsHarvest *harvest;		/* from next on, what goes and has not yet; or NULL */
	bool		gone;			/* of it something has gone */
	MvsKeyBuffer behind;		/* where to go on then, */
	bool		behind_big;		/* is key_big, */
	MvsSliceEnd end;			/* and what that slice ends with */
} MvsWalk;

/* Where a walk is before a slice. */
typedef struct MvsWalkPlace
{
	bytea	   *key;			/* NULL: at the first key of the store */
	bool		big;
} MvsWalkPlace;

/*
 * What is done with each key, whose entries are collected in drop->entries; false
 * where a lock is in the way.
 */
typedef bool (*MvsKeyWork) (MvsDrop *drop, const bytea *key, void *argument);

/* Put a walk at a key, or with NULL at the first. Its memory is the context's. */
extern void mvs_walk_begin(MvsWalk *walk, const bytea *from, MemoryContext context);

/*
 * Go from key to key, up to but without "to" (NULL: the end), until the slice is
 * full. "keep" entries of a key stay for sure, and what ends after "before". Add how many were
 * read to *seen.
 */
extern MvsSliceEnd mvs_walk_slice(MvsDrop *drop, MvsWalk *walk, const bytea *to, int keep,
								  int64 before, MvsKeyWork work, void *argument,
								  MemoryContext context, int64 *seen);

/*
 * Return a copy of where a walk is, in the current memory context; and have it go on there, after
 * a slice that has come to nothing.
 */
extern MvsWalkPlace mvs_walk_place(const MvsWalk *walk);
extern void mvs_walk_go_back(MvsWalk *walk, const MvsWalkPlace *place, MemoryContext context);

/* Free what it has. */
extern void mvs_walk_end(MvsWalk *walk);

#endif							/* MVSTORE_WALK_H */
