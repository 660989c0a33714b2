/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  The memory of the queues: chunks of one pool, lent to the databases.
 *
 * The bytes of a database's queue have positions, from queue_head to queue_tail,
 * that only ever grow; here they have their place, in chunks that the database
 * has as long as it needs them. There is no less room than for a few full
 * queues together, and a database takes a chunk more only while it has fewer
 * than are left; so the more of them are full, the less each has, and there is
 * always something left for another one.
 *
 * All functions here want the database's queue_lock held, exclusively but for
 * mvs_pool_read(). None can raise an error.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_POOL_H
#define MVSTORE_POOL_H

#include "postgres.h"

#include "shared/database.h"

/*
 * Finds out how large the pool is to be; in the postmaster, before the others. What
 * was kept over a restart, so many bytes of each queue, has room, however small queues
 * are to be now.
 */
extern void mvs_pool_plan(const uint64 *kept, int count);

/* Asks for the pool's shared memory, and sets it up; with its lock. */
extern Size mvs_pool_shmem_size(void);
extern void mvs_pool_shmem_startup(LWLock *lock);

/*
 * Has as many chunks as so many bytes from queue_head on need, and no more. False,
 * with nothing changed, where they are not to be had; with "fair" that is also where
 * others have to have some left. For no more bytes than before it never fails,
 * wherever in a chunk they begin.
 */
extern bool mvs_pool_secure(MvsDatabase *database, uint64 bytes, bool fair);

/* Bytes that no queue has more than. */
extern Size mvs_pool_longest(void);

/* Moves queue_head. The chunks that it leaves behind serve for what comes at the end. */
extern void mvs_pool_advance(MvsDatabase *database, uint64 bytes);

/* Copies into, and out of, the secured bytes at a position. */
extern void mvs_pool_write(MvsDatabase *database, uint64 position, const char *data, Size size);
extern void mvs_pool_read(MvsDatabase *database, uint64 position, char *data, Size size);

#endif							/* MVSTORE_POOL_H */
