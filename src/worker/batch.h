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

/*
 * Work off one batch, of what is in hand and of the queue, if one is due, or with
 * "force" anything in the queue; false if none was.
 */
extern bool mvs_batch_next(bool force);

/* When the queue is to be worked off; DT_NOEND: not as things are. With queue_lock held. */
extern TimestampTz mvs_batch_due(TimestampTz now);

/*
 * Work off requests in hand, a transaction for each store, and set their outcomes. An
 * error is that of a request.
 */
extern void mvs_batch_work_off(MvsPending **batch, int count);

#endif							/* MVSTORE_BATCH_H */
