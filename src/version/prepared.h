/*-------------------------------------------------------------------------
 *
 * prepared.h
 *	  mvstore_prepared: what a transaction leaves that is prepared for two-phase commit.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_PREPARED_H
#define MVSTORE_PREPARED_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "shared/counters.h"
#include "shared/database.h"

/* What its commit tells of, besides the rows of other tables. */
typedef struct MvsNews
{
	bool		journal;		/* rows of the journal are to be looked at */
	bool		recheck;		/* what the worker has in hand is to be looked at anew */
	bool		erased;			/* keys were erased */
	bool		pins;			/* pins have come, gone or changed */
	bool		paused;			/* the row of mvstore_paused has come or gone */
} MvsNews;

/* A row: what it tells of a store, or with InvalidOid of the whole transaction. */
typedef struct MvsPrepared
{
	MvsStoreCount count;
	bool		marked;			/* the store is to be swept; with InvalidOid, all are */
	bool		forgotten;		/* it was dropped */
	MvsNews		news;
} MvsPrepared;

/*
 * Writes a row for the transaction, which has a version or 0, and is about to be prepared.
 * Raises what writing to a table can.
 */
extern void mvs_prepared_write(int64 version, const MvsPrepared *row);

/*
 * Makes those known that were prepared before this shared memory was made: to be called
 * before a version is handed out there. Reads the table, uncommitted rows too.
 */
extern void mvs_prepared_recover(MvsDatabase *database);

/*
 * Returns the lowest version of those who are prepared, or have committed after the snapshot:
 * for where shared memory does not tell. MVS_NEWEST: there are none.
 */
extern int64 mvs_prepared_lowest(Snapshot snapshot);

/*
 * Returns the rows of those that have committed, a list of MvsPrepared, and deletes them. Raises
 * 55P03 where somebody is at one.
 */
extern List *mvs_prepared_take(void);

#endif							/* MVSTORE_PREPARED_H */
