/*-------------------------------------------------------------------------
 *
 * left.h
 *	  Drop requests that the worker leaves to the journal for the time being.
 *
 * It keeps mvstore.queue_size of those that wait, for the horizon or for a lock. Of
 * the others, which have rows, it has in mind per store how many there are and when
 * one of them may be due: then the journal is read again.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_LEFT_H
#define MVSTORE_LEFT_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "queue/queue.h"
#include "worker/process.h"

/* Those of one store that wait for the same. */
typedef struct MvsLeft
{
	Oid			store;
	bool		locked;			/* they wait for a lock; else for the horizon */
	int64		count;
	int64		wait_for;		/* where that must be for the first of them */
	uint64		sequence;		/* the lowest */
} MvsLeft;

/* Leaves one that waits for a lock, or else for the horizon to get somewhere. */
extern void mvs_left_add(const MvsRequest *request, bool locked, int64 wait_for);

/* Rows may be gone: all are to be looked at again. */
extern void mvs_left_recheck(void);

/* A pass over the journal begins, which meets them all; it has come to its end. */
extern void mvs_left_pass_begins(void);
extern void mvs_left_pass_ended(void);

/* Whether some of these may be done now. */
extern bool mvs_left_may_go(const MvsLeft *left, const MvsLook *look);

/* When the journal is to be read again for them; DT_NOEND: not before things look otherwise. */
extern TimestampTz mvs_left_due(const MvsLook *look);

/* Has that done if it is time. */
extern void mvs_left_take_up(void);

#endif							/* MVSTORE_LEFT_H */
