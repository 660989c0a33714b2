/*-------------------------------------------------------------------------
 *
 * keep.h
 *	  What shared memory holds, kept over a clean restart.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_KEEP_H
#define MVSTORE_KEEP_H

#include "postgres.h"

/*
 * Fill shared memory that has just been set up, and have it kept when the
 * postmaster ends. From the shmem_startup_hook, in the postmaster.
 */
extern void mvs_keep_init(void);

/*
 * Set *bytes to the bytes of each queue in the file that this start will fill it from, and
 * return how many there are.
 */
extern int	mvs_keep_queues(uint64 **bytes);

/* Remove the file that it was filled from. From the launcher: the start has not failed. */
extern void mvs_keep_end(void);

#endif							/* MVSTORE_KEEP_H */
