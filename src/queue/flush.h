/*-------------------------------------------------------------------------
 *
 * flush.h
 *	  Waiting until what is published in the queue is done.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_FLUSH_H
#define MVSTORE_FLUSH_H

#include "postgres.h"

#include "shared/database.h"

/*
 * Wait until all that is published by now is done; serve interrupts. False at the timeout (in
 * milliseconds), and at once when what is left has failed, is paused, or cannot
 * go while the caller waits.
 */
extern bool mvs_flush_wait(MvsDatabase *database, int64 timeout);

/*
 * Return how many requests may be left of those up to a sequence number, or more: what the
 * worker keeps is counted whole. Set *phase to what that waits for.
 */
extern int64 mvs_flush_left(MvsDatabase *database, uint64 sequence, const char **phase);

#endif							/* MVSTORE_FLUSH_H */
