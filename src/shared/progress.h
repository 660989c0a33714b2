/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  How far operations that take long have got.
 *
 * The worker tells of what takes it more than one transaction, and who waits for a
 * flush of that. PostgreSQL's own pgstat_progress_start_command() is of no use here:
 * it knows PostgreSQL's commands only, and one for each process.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_PROGRESS_H
#define MVSTORE_PROGRESS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/database.h"

/* Operations of a database that are shown at a time; what comes then is not. */
#define MVS_MAX_OPERATIONS 16

typedef enum MvsCommand
{
	MVS_COMMAND_NONE,			/* a free place */
	MVS_COMMAND_SWEEP,			/* these count entries that were read: */
	MVS_COMMAND_COMPACT,
	MVS_COMMAND_RANGE,
	MVS_COMMAND_REPLAY,			/* and these requests */
	MVS_COMMAND_FLUSH
} MvsCommand;

/* One of them; store and id say which. */
typedef struct MvsOperation
{
	MvsCommand	command;
	Oid			store;			/* InvalidOid: it is about the database */
	uint64		id;				/* of the request, or of the process that waits; else 0 */
	int			pid;			/* of who has last done something of it */
	int64		done;
	int64		total;			/* as it was guessed at the beginning; -1: nobody knows */
	uint64		sequence;		/* of a flush: it waits for requests up to here */
	TimestampTz started_at;
} MvsOperation;

/* Those of a database, behind queue_lock. */
typedef struct MvsProgress
{
	MvsOperation operations[MVS_MAX_OPERATIONS];
} MvsProgress;

/* Its state of a slot: see startup.c. */
extern const MvsDatabasePart mvs_progress_part;

/*
 * Tell that so much more of an operation is done, of "total" as far as is known; the first time
 * it gets a place, if one is free. Nothing here can fail.
 */
extern void mvs_progress_step(MvsDatabase *database, MvsCommand command, Oid store, uint64 id,
							  int64 done, int64 total);

/* Tell that this process waits for requests up to a sequence number: "total" or fewer. */
extern void mvs_progress_wait(MvsDatabase *database, uint64 sequence, int64 total);

/* An operation is over, whether it had a place or not. */
extern void mvs_progress_end(MvsDatabase *database, Oid store, uint64 id);

/* There is no worker: nothing of its operations is under way. With queue_lock held. */
extern void mvs_progress_clear(MvsProgress *progress);

#endif							/* MVSTORE_PROGRESS_H */
