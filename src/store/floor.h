/*-------------------------------------------------------------------------
 *
 * floor.h
 *	  Floors: how far back the history of a store is complete.
 *
 * Of what has gone from a store, each floor is the greatest of something: of the ends,
 * so that reads as of it or later are complete; and for who follows the changes, of
 * the versions. They are read with a snapshot like the entries.
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
#define Anum_floor_entries 3
#define Anum_floor_keys 4
#define Natts_floor 4

/* Columns of mvstore_rewrite, and of its index. */
#define Anum_rewrite_store 1
#define Anum_rewrite_version 2
#define Natts_rewrite 2

#define ERRCODE_HISTORY_GONE MAKE_SQLSTATE('7', '2', '0', '0', '0')

/* The floors of a store; 0: nothing has ever gone. */
typedef struct MvsFloors
{
	int64		end;			/* the greatest end */
	int64		entries;		/* the greatest version of an entry */
	int64		keys;			/* that of the head of a key that went as a whole */
} MvsFloors;

/* Set *floors to those of a store as "snapshot" sees them. */
extern void mvs_floor_read_all(Oid store, Snapshot snapshot, MvsFloors *floors);

/*
 * Return the floor of a store as "snapshot" sees it, NULL being a fresh one; 0: nothing
 * has ever gone.
 */
extern int64 mvs_floor_read(Oid store, Snapshot snapshot);

/* Return the greatest of all floors, in a fresh snapshot, and set *store to its store. */
extern int64 mvs_floor_greatest(Oid *store);

/* Raise the floors of a store to "floors", where they are lower, in the current transaction. */
extern void mvs_floor_raise(Oid store, const MvsFloors *floors);

/*
 * Record that a transaction with a version changes the past of a store in another way than
 * by drops: who followed the changes up to a lower version cannot go on. And return the
 * greatest such version that a snapshot sees, 0 being none.
 */
extern void mvs_floor_rewrite(Oid store, int64 version);
extern int64 mvs_floor_rewritten(Oid store, Snapshot snapshot);

#endif							/* MVSTORE_FLOOR_H */
