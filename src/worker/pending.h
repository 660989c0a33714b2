/*-------------------------------------------------------------------------
 *
 * pending.h
 *	  Requests in the worker's hands.
 *
 * Who works on requests takes them over, or chooses among those that are here, sets
 * the outcome of each, and has them settled.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_PENDING_H
#define MVSTORE_PENDING_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

#include "queue/queue.h"
#include "store/rule.h"
#include "worker/process.h"
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
	bool		repeats;		/* has failed in another's hands, and not in ours: it may not be
								 * there yet */
	int64		wait_for;		/* held: until the horizon is there */
	bool		in_batch;		/* the one under way */
	bool		fresh;			/* was added, and has not been in one */
	bool		wants_room;		/* in the queue, where it still is, as it has no row */
	bool		keeps_room;		/* there, where it no longer is */
	bool		stays;			/* in memory of its own, not beside others */
	TimestampTz retry_at;
	int			recorded_tries; /* of these, those that its row tells of */
	char	   *error;			/* of the last try that failed; NULL: none has */
	MvsWalk		walk;			/* of a range: where it is */
	int64		read;			/* entries of its last slice, if there is more */

	/* In the current transaction, or harvest. */
	bool		found;			/* journal_tid is its row */
	ItemPointerData journal_tid;
	bool		judged;			/* entries of its key are judged by it, */
	MvsDroppable droppable;		/* and these could go */
} MvsPending;

/* Whether there are any. */
extern bool mvs_pending_is_any(void);

/* Whether no more is to be kept of what waits and is told of elsewhere. */
extern bool mvs_pending_is_crowded(void);

/* Whether so much is in trouble that the queue must wait, and may overflow. */
extern bool mvs_pending_is_full(void);

/* Whether a request for a range is in its midst. */
extern bool mvs_pending_is_walking(void);

/* A pass has met all keys of a store: whatever made its requests fail is gone. */
extern void mvs_pending_passed(Oid store);

/* How many have failed too often, and stand in the journal alone. */
extern int64 mvs_pending_set_aside(void);

/*
 * Set *rows to the ids of those that they have in the journal, with room for "space" more,
 * in the current memory context, and return their number.
 */
extern int	mvs_pending_rows(int64 **rows, Size space);

/* Whether two of them are for the same key. */
extern bool mvs_pending_same_key(const MvsPending *item, const MvsPending *other);

/* Set the error of one's last try, in the worker's own memory. */
extern void mvs_pending_set_error(MvsPending *item, const char *error);

/*
 * Return a copy of a request in the worker's own memory, which is in nobody's list yet. Those
 * that are taken over one after the other lie so.
 */
extern MvsPending *mvs_pending_take_over(const MvsRequest *request);

/* When the next one is to be looked at; DT_NOEND: not before the horizon rises. */
extern TimestampTz mvs_pending_due(TimestampTz now);

/* Whether one, here or left to the journal, is due but for writers that have yet to end. */
extern bool mvs_pending_waits_for_writers(TimestampTz now);

/*
 * Set batch to those that are due, at most "limit", and return how many. They stay here. With
 * "along" there will be a batch in any case, and what the horizon lets go now may be in it.
 */
extern int	mvs_pending_choose(MvsPending **batch, int limit, bool along);

/* Take a request over that stands elsewhere too, to be in the next batch. */
extern void mvs_pending_add(const MvsRequest *request);

/* Return how many of these are in no batch yet. */
extern int	mvs_pending_fresh(void);

/* Take those that were chosen out, to be settled. */
extern void mvs_pending_take_out(void);

/* Keep what is not done, forget and count what is. */
extern void mvs_pending_settle(MvsPending **batch, int count);

/*
 * Record the failures of what is in pending in the journal, some of them where they are many. A
 * request that has failed too often is then there alone, set aside; where that cannot be
 * recorded, it goes on being tried. Return whether any is in nobody's hands now, so that it is
 * to be reported what is kept.
 */
extern bool mvs_pending_record_failures(void);
extern bool mvs_pending_has_unrecorded(void);

/* Remove a batch from the queue, but keep the room of what stands nowhere else. */
extern void mvs_pending_remove_from_queue(int count, Size size, uint64 last_sequence);

/* Have explicit ones tried again: rows may be gone, keys erased, pins changed. */
extern void mvs_pending_recheck(void);

/* Tell those who wait what is here, and what is left to the journal. */
extern void mvs_pending_report(void);

/*
 * The worker ends: put them back into the queue. For what has no room there, have the
 * journal read, or the store swept. With queue_lock held.
 */
extern void mvs_pending_give_back(MvsDatabase *database);

#endif							/* MVSTORE_PENDING_H */
