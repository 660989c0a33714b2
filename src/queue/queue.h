/*-------------------------------------------------------------------------
 *
 * queue.h
 *	  The queue of drop requests in shared memory, and the marks beside it.
 *
 * The queue of a database is a string of bytes that holds whole requests, in the
 * order in which their transactions committed; for its memory see pool.h. Every
 * request ever published has a sequence number, whether it had room or not. All
 * functions here take queue_lock for copying only; none can raise an error.
 * Transactions publish at their commit; the worker takes out. Who waits for that:
 * flush.h.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_QUEUE_H
#define MVSTORE_QUEUE_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "queue/drop_request.h"
#include "shared/database.h"
#include "shared/pool.h"

/* Marks a database may hold apart before it marks all its stores. */
#define MVS_MAX_MARKS 64

/* A store of which only a sweep can tell what is to be dropped. */
typedef struct MvsMark
{
	Oid			store;
	uint64		sequence;		/* of the first request that it stands for */
	int64		wait_for;		/* nothing goes before the horizon is here; 0: something may */
	uint64		times;			/* that it was made, ever */
} MvsMark;

/* The queue of a database, and the word that is left for its worker; behind queue_lock. */
typedef struct MvsQueue
{
	MvsBytes	bytes;			/* of whole requests */
	int64		count;
	int64		reserved_count; /* room kept for requests of transactions that are committing */
	uint64		reserved_size;
	int64		high_water;
	int64		wake_at;		/* length at which the worker wants its latch set */
	TimestampTz oldest;			/* when the request at the head was published */
	uint64		published;		/* sequence of the last request published or overflowed */
	uint64		taken;			/* sequence up to which the worker has taken over */
	uint64		put_back;		/* but for this one, and perhaps later ones, */
	uint64		put_back_end;	/* until the head of bytes has come here */
	uint64		flush_sequence; /* somebody waits for requests up to here */

	int			mark_count;
	MvsMark		marks[MVS_MAX_MARKS];
	bool		all_marked;		/* there were more stores to mark than places */
	MvsMark		all_stores;

	bool		swept;			/* all stores, since this shared memory was made */
	bool		journal_wanted; /* requests wait in the journal alone */
	int64		failed_count;	/* set aside in the journal */
	bool		recheck;		/* requests in the worker's hands may be void, or due */
	TimestampTz erased_until;	/* keys of requests up to then may have been erased */
	bool		paused;			/* nothing is to be dropped */
	uint64		pause_changes;	/* times that it may have changed */
	uint64		pauses_known;	/* of these, those for which the worker has looked at its row */

	bool		prepared_wanted;	/* so are those of mvstore_prepared; nothing goes till then */
	uint64		prepared_sequence;	/* of the first request that they may tell of */
	uint64		prepared_ends;	/* commits of prepared transactions */
} MvsQueue;

/* What a transaction has done to the pause. */
typedef enum MvsPause
{
	MVS_PAUSE_AS_IT_IS,
	MVS_PAUSE_ON,
	MVS_PAUSE_OFF,
	MVS_PAUSE_UNKNOWN			/* the table is another one */
} MvsPause;

/* What a transaction leaves behind at its commit. */
typedef struct MvsPublication
{
	char	   *requests;		/* one behind the other */
	Size		size;
	int64		count;
	int64		merged;			/* duplicates left out */
	bool		reserved;		/* the explicit ones have room for sure */
	int64		spilled;		/* explicit ones that stand in the journal alone */
	bool		journal;		/* rows of the journal are to be looked at */
	bool		recheck;		/* what the worker has in hand is to be looked at anew */
	bool		erased;			/* keys were erased */
	bool		pins;			/* pins have come, gone or changed */
	MvsPause	pause;
	int64		skipped;		/* implicit ones that a mark stands for */
	const List *marks;			/* OIDs of stores to be marked */
} MvsPublication;

/* Its state of a slot: see startup.c. */
extern const MvsDatabasePart mvs_queue_part;

/*
 * Keep room for "count" requests of "size" bytes together, which will be published; false
 * where there is none. Or give it up.
 */
extern bool mvs_queue_reserve(MvsDatabase *database, int64 count, Size size);
extern void mvs_queue_release(MvsDatabase *database, int64 count, Size size);

/* Publish it and wake the worker where that is due. From the COMMIT callback. */
extern void mvs_queue_publish(MvsDatabase *database, const MvsPublication *publication);

/*
 * Tell that a prepared transaction has committed, which wakes the worker. The worker says that
 * it has taken what the rows tell, and what that is, and of the stores to be marked; "ends" is
 * prepared_ends of before it looked.
 */
extern void mvs_queue_prepared_ended(MvsDatabase *database);
extern void mvs_queue_prepared_taken(MvsDatabase *database, const MvsPublication *publication,
									 uint64 ends);

/*
 * Copy requests, so many bytes behind the head of the queue, to "buffer", never more than fit
 * in "space" bytes and at most "limit", and return their number. They stay in the queue until
 * mvs_queue_remove().
 */
extern int	mvs_queue_peek(MvsDatabase *database, Size behind, char *buffer, Size space,
						   int limit);

/*
 * Remove the first "count" requests, of "size" bytes together and up to "last_sequence", but
 * keep the room of "kept" of them, of "kept_size" bytes, that they can be put back;
 * mvs_queue_release() gives it up.
 */
extern void mvs_queue_remove(MvsDatabase *database, int count, Size size, uint64 last_sequence,
							 int64 kept, Size kept_size);

/*
 * Put a request back that was taken out, into the room that was kept for it, if it
 * was; false where there is none. With queue_lock held.
 */
extern bool mvs_queue_put_back(MvsDatabase *database, MvsRequest *request, bool kept);

/* Forget requests, marks, and what else there is word of. With queue_lock held. */
extern void mvs_queue_clear(MvsDatabase *database);

/* Whether no request and no mark is there, nor wanted from the journal. */
extern bool mvs_queue_is_done(const MvsDatabase *database);

/*
 * Whether nothing is to be dropped: drops are paused, or a prepared transaction that has
 * committed, of which the worker has not read yet, may have paused them.
 */
extern bool mvs_queue_is_paused(const MvsDatabase *database);

/*
 * Set *requests to a copy of all that is in the queue, in the current memory context, and
 * return the bytes of it.
 */
extern Size mvs_queue_copy(MvsDatabase *database, char **requests);

/*
 * Mark a store, or with InvalidOid all, for requests from "sequence" on, of which nothing goes
 * before the horizon is at "wait_for"; 0: something may. With queue_lock held.
 */
extern void mvs_queue_mark(MvsDatabase *database, Oid store, uint64 sequence, int64 wait_for);

/*
 * Return when what is in the queue, if anything, is to be worked off: at once if somebody
 * waits for it, or if its time is yet to come, as the clock was moved back since.
 * With queue_lock held.
 */
extern TimestampTz mvs_queue_due(const MvsDatabase *database, TimestampTz now);

#endif							/* MVSTORE_QUEUE_H */
