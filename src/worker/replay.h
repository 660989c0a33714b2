/*-------------------------------------------------------------------------
 *
 * replay.h
 *	  Replays of the journal: requests that stand there, and not in the queue.
 *
 * The worker makes one when it is the first since shared memory was made, when requests
 * had no room in the queue, and for those that were left to the journal.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_REPLAY_H
#define MVSTORE_REPLAY_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* When a replay is to begin, or to go on; DT_NOEND: not before things look otherwise. */
extern TimestampTz mvs_replay_due(void);

/*
 * Begin a replay, or go on with the one under way: take in hand as many requests as a batch
 * has. It goes on when these have been in one.
 */
extern void mvs_replay_go_on(void);

/*
 * Have another one begin, at the first row, whatever is known: rows of any age may be there, which
 * a restore has brought.
 */
extern void mvs_replay_all(void);

#endif							/* MVSTORE_REPLAY_H */
