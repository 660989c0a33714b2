/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  The memory of the queues: chunks of one pool, lent to the databases.
 *
 * The bytes of a database's queue have positions, from its head to its tail,
 * that only ever grow; here they have their place, in chunks that the database
 * has as long as it needs them. There is no less room than for a few full
 * queues together, and a database takes a chunk more only while it has fewer
 * than are left; so the more of them are full, the less each has, and there is
 * always something left for another one.
 *
 * All functions here that take MvsBytes want the lock held that guards them, a
 * queue_lock, exclusively but for mvs_pool_read(). None can raise an error.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_POOL_H
#define MVSTORE_POOL_H

#include "postgres.h"

#include "storage/lwlock.h"

/* Average bytes of a request that the queue has room for. */
#define MVS_REQUEST_SPACE 96

/* Chunks of memory that a full queue fills; and has, see pool.c. */
#define MVS_QUEUE_CHUNKS 512
#define MVS_MAX_CHUNKS (MVS_QUEUE_CHUNKS + 1)

/* The bytes of a queue. All zero: there are none. */
typedef struct MvsBytes
{
	uint64		head;			/* bytes ever taken out */
	uint64		tail;			/* bytes ever put in */
	int			chunk_count;
	uint16		chunks[MVS_MAX_CHUNKS];
} MvsBytes;

/*
 * Finds out how large the pool is to be; in the postmaster, before the others. What
 * was kept over a restart, so many bytes of each queue, has room, however small queues
 * are to be now.
 */
extern void mvs_pool_plan(const uint64 *kept, int count);

/* The pool's shared memory: see startup.c. */
extern Size mvs_pool_shmem_size(void);
extern int	mvs_pool_shmem_locks(void);
extern void mvs_pool_shmem_startup(LWLockPadded *locks);

/* Bytes that a queue can have. */
extern uint64 mvs_pool_limit(void);

/*
 * Has as many chunks as "count" bytes from the head on need, and no more. False,
 * with nothing changed, where they are not to be had; with "fair" that is also where
 * others have to have some left. For no more bytes than before it never fails,
 * wherever in a chunk they begin.
 */
extern bool mvs_pool_secure(MvsBytes *bytes, uint64 count, bool fair);

/* Bytes that no queue has more than. */
extern Size mvs_pool_longest(void);

/*
 * Moves the head by "count" bytes. The chunks that it leaves behind serve for what
 * comes at the end.
 */
extern void mvs_pool_advance(MvsBytes *bytes, uint64 count);

/* Copies into, and out of, the secured bytes at a position. */
extern void mvs_pool_write(MvsBytes *bytes, uint64 position, const char *data, Size size);
extern void mvs_pool_read(MvsBytes *bytes, uint64 position, char *data, Size size);

#endif							/* MVSTORE_POOL_H */
