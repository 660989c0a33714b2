/*-------------------------------------------------------------------------
 *
 * others.h
 *	  Who else writes on the server, beside mvstore's own processes.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_OTHERS_H
#define MVSTORE_OTHERS_H

#include "postgres.h"

#include "storage/lwlock.h"

/* What was done since the server's start, more or less; what others have never gets less. */
typedef struct MvsOthers
{
	uint64		transactions;	/* of others, that have written something and ended */
	uint64		bytes;			/* of WAL, by others */
	uint64		own_bytes;		/* by this process */
} MvsOthers;

/* Have the transactions of this process be one of mvstore's. */
extern void mvs_others_register(void);

/* Set *look to what was done so far, and count what this process has done; in no transaction. */
extern void mvs_others_look(MvsOthers *look);

/* Sizes and sets up its shared memory. */
extern Size mvs_others_shmem_size(void);
extern void mvs_others_shmem_startup(LWLockPadded *locks);

#endif							/* MVSTORE_OTHERS_H */
