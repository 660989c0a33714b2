/*-------------------------------------------------------------------------
 *
 * droppers.h
 *	  Who drops in a database: its drop worker and the assistants of that, as others
 *	  see them.
 *
 * Each of them has a place: the worker the first, an assistant another one from its
 * start to its end.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_DROPPERS_H
#define MVSTORE_DROPPERS_H

#include "postgres.h"

#include "access/transam.h"

#include "shared/database.h"

/* The assistants of a database's worker, behind queue_lock. */
typedef struct MvsDroppers
{
	int			assistants;		/* that there are, of a worker that has ended, too */
	bool		taken[MVS_MAX_DROPPERS];	/* places */
	bool		lacks_slot;		/* more are wanted, and the server has no slot for them */
} MvsDroppers;

/* Its state of a slot: see startup.c. */
extern const MvsDatabasePart mvs_droppers_part;

/*
 * Have this process be an assistant of the worker with a process id; false where that is
 * the worker no more, or no place is free.
 */
extern bool mvs_droppers_join(MvsDatabase *database, int worker_pid);

/* Have it be one no more, and tell the worker that there is. */
extern void mvs_droppers_leave(MvsDatabase *database);

/*
 * Tell writers by which transaction this process deletes entries, invalid being none: they
 * need not wait for it.
 */
extern void mvs_droppers_delete(MvsDatabase *database, FullTransactionId xid);

/* Whether a transaction is one of these. */
extern bool mvs_droppers_have(const MvsDatabase *database, TransactionId xid);

#endif							/* MVSTORE_DROPPERS_H */
