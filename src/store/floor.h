/*-------------------------------------------------------------------------
 *
 * floor.h
 *	  Floors: how far back the history of a store is complete.
 *
 * The floor is the greatest end of what has gone: reads as of it or later are
 * complete.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_FLOOR_H
#define MVSTORE_FLOOR_H

#include "postgres.h"

#include "utils/snapshot.h"

/* Columns of mvstore_floor. */
#define Anum_floor_store 1
#define Anum_floor_floor 2
#define Natts_floor 2

#define ERRCODE_HISTORY_GONE MAKE_SQLSTATE('7', '2', '0', '0', '0')

/*
 * Return the floor of a store as "snapshot" sees it, NULL being a fresh one; 0: nothing
 * has ever gone.
 */
extern int64 mvs_floor_read(Oid store, Snapshot snapshot);

/* Return the greatest of all floors, in a fresh snapshot, and set *store to its store. */
extern int64 mvs_floor_greatest(Oid *store);

/* Raise the floor of a store to "floor", if it is lower, in the current transaction. */
extern void mvs_floor_raise(Oid store, int64 floor);

#endif							/* MVSTORE_FLOOR_H */
