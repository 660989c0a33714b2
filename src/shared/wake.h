/*-------------------------------------------------------------------------
 *
 * wake.h
 *	  The worker of a database, as others see it: whether there is one, and waking it.
 *
 * The worker and the launcher write most of it. It is down here because all rooms wake the
 * worker, and those below worker/ tell users how it is.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_WAKE_H
#define MVSTORE_WAKE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/database.h"

typedef enum MvsWorkerState
{
	MVS_WORKER_NONE,			/* nothing to do, nobody started */
	MVS_WORKER_WANTED,			/* the launcher is to start one */
	MVS_WORKER_TURN,			/* likewise, but not before turn: it gave way to others */
	MVS_WORKER_STARTING,		/* registered with the postmaster */
	MVS_WORKER_IDLE,
	MVS_WORKER_BUSY,
	MVS_WORKER_NO_SLOT,			/* wanted, but max_worker_processes is used up */
	MVS_WORKER_MISMATCH			/* waits for ALTER EXTENSION: library and SQL objects differ */
} MvsWorkerState;

/* The worker of a database, behind queue_lock. */
typedef struct MvsWorkerStatus
{
	MvsWorkerState state;
	int			pid;			/* 0: none */
	int			proc;			/* its number in the proc array; -1: none */
	TimestampTz turn;			/* 0: at once */
	int			long_turns;		/* in a row that were cut off in the midst of something */
	TimestampTz throttled_since;	/* by mvstore.drop_rate_limit; 0: not */
	bool		orderly;		/* the last one has ended by itself */
	int			hold_offs;		/* commands on the database that want no worker there now */
	uint64		vacuums;		/* of stores, tried, ever; no statistics reset sets it back */
	int			vacuum_pid;		/* of the process that vacuums stores; 0: none */
	int64		drops_unseen;	/* transactions of drops that maintenance has yet to look at */
} MvsWorkerStatus;

/* Its state of a slot: see startup.c. */
extern const MvsDatabasePart mvs_wake_part;

/* Sets the latch of the process with a number in the proc array; -1 is nobody. */
extern void mvs_wake_proc(int proc);

/* Sets the latch of a database's worker, or the launcher's to get one. */
extern void mvs_wake_worker(MvsDatabase *database);

#endif							/* MVSTORE_WAKE_H */
