/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  Batches of drop requests, in the worker.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_BATCH_H
#define MVSTORE_BATCH_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

#include "queue/queue.h"
#include "worker/walk.h"

/* What became of a request in a batch. */
typedef enum MvsOutcome
{
	MVS_OUTCOME_DONE,
	MVS_OUTCOME_ALREADY_DONE,	/* through its row in the journal, or another's work on it */
	MVS_OUTCOME_MORE,			/* there is more to do than one transaction does */
	MVS_OUTCOME_HELD,			/* by the horizon */
	MVS_OUTCOME_LOCKED,			/* by somebody's lock */
	MVS_OUTCOME_ERROR
} MvsOutcome;

/* A request in the worker's hands. */
typedef struct MvsPending
{
	MvsRequest *request;
	MvsOutcome	outcome;
	MvsOutcome	last_outcome;
	int			tries;			/* with that outcome, in a row */
	int64		wait_for;		/* held: until the horizon is there */
	bool		in_batch;		/* the one under way */
	bool		wants_room;		/* in the queue, where it still is, as it has no row */
	bool		keeps_room;		/* there, where it no longer is */
	TimestampTz retry_at;
	int			noted_tries;	/* of these, those that its row tells of */
	char		error[MVS_ERROR_LENGTH];	/* of the last try */
	MvsWalk		walk;			/* of a range: where it is */
	bool		judged;			/* by which entries are judged, in the current transaction */
	bool		found;			/* journal_tid is its row, likewise */
	ItemPointerData journal_tid;
} MvsPending;

/* Works off one batch, if one is due, or with force anything in the queue; false if none was. */
extern bool mvs_batch_run(bool force);

/*
 * Works off some of what stands in the journal and not in the queue; and whether
 * that is to be done now. A pass stops after each part of it, and when too much is
 * kept here, and goes on later.
 */
extern void mvs_batch_run_journal(void);
extern bool mvs_batch_journal_is_due(void);

/* Has the explicit requests that wait tried again: rows may be gone. */
extern void mvs_batch_recheck(void);

/* Whether so much is in trouble that the queue must wait, and may overflow. */
extern bool mvs_batch_is_full(void);

#endif							/* MVSTORE_BATCH_H */
