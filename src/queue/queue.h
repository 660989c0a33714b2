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

/* What a transaction has done to the pause. */
typedef enum MvsPause
{
	MVS_PAUSE_AS_IT_IS,
	MVS_PAUSE_ON,
	MVS_PAUSE_OFF
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

/* Keeps room for requests that will be published, or are not; false where there is none. */
extern bool mvs_queue_reserve(MvsDatabase *database, int64 count, Size size);
extern void mvs_queue_release(MvsDatabase *database, int64 count, Size size);

/* Publishes it and wakes the worker where that is due. From the COMMIT callback. */
extern void mvs_queue_publish(MvsDatabase *database, const MvsPublication *publication);

/*
 * Copies requests from the head of the queue, at most "limit" and never more
 * than fit in "space" bytes; the number of them. They stay in the queue until
 * mvs_queue_remove().
 */
extern int	mvs_queue_peek(MvsDatabase *database, char *buffer, Size space, int limit);

/*
 * Removes the first "count" requests, of "size" bytes together, but keeps the room
 * of so many of them, that they can be put back; mvs_queue_release() gives it up.
 */
extern void mvs_queue_remove(MvsDatabase *database, int count, Size size, uint64 last_sequence,
							 int64 kept, Size kept_size);

/*
 * Puts a request back that was taken out, into the room that was kept for it, if
 * so; false where there is none. With queue_lock held.
 */
extern bool mvs_queue_put_back(MvsDatabase *database, MvsRequest *request, bool kept);

/* Empties the queue. With queue_lock held. */
extern void mvs_queue_clear(MvsDatabase *database);

/* All that is in the queue, in the current memory context; the bytes of it. */
extern Size mvs_queue_copy(MvsDatabase *database, char **requests);

/* Marks a store, or with InvalidOid all of them. With queue_lock held. */
extern void mvs_queue_mark(MvsDatabase *database, Oid store, uint64 sequence);

/*
 * When what is in the queue, if anything, is to be worked off: at once if somebody
 * waits for it, or if its time is yet to come, as the clock was moved back since.
 * With queue_lock held.
 */
extern TimestampTz mvs_queue_due(const MvsDatabase *database, TimestampTz now);

#endif							/* MVSTORE_QUEUE_H */
