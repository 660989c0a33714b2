/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  Batches of drop requests, in the worker.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_BATCH_H
#define MVSTORE_BATCH_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "worker/pending.h"

/* Return how many requests a batch has at most: the rest of the queue is for writers. */
extern int	mvs_batch_limit(void);

/*
 * Go on with the batch under way by a transaction, or begin one, of what is in hand and of
 * the queue, if one is due, or with "force" anything in the queue; false if none was.
 */
extern bool mvs_batch_next(bool force);

/* Whether one has been begun and not been settled. */
extern bool mvs_batch_is_under_way(void);

/* When the queue is to be worked off; DT_NOEND: not as things are. With queue_lock held. */
extern TimestampTz mvs_batch_due(TimestampTz now);

/*
 * Work off a share of a batch, which is sorted, for some 100 ms, and return how many of its
 * requests, from the first on, have an outcome now.
 */
extern int	mvs_batch_work_share(MvsPending **items, int count);

#endif							/* MVSTORE_BATCH_H */
