/*-------------------------------------------------------------------------
 *
 * request.h
 *	  What a request for a range, or those of one key, let go in a transaction.
 *
 * Each sets the outcome of the requests. Their rows in the journal go with those that are
 * done; of a key whose entries go later (drop.h), the caller has them go.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_WORKER_REQUEST_H
#define MVSTORE_WORKER_REQUEST_H

#include "postgres.h"

#include "worker/drop.h"
#include "worker/pending.h"

/* Whether the entries of a request's key may have to be looked at, as things are. */
extern bool mvs_request_may_be_judged(const MvsDrop *drop, const MvsRequest *request);

/* Find the row of a request that has one; without it, the request is done already. */
extern void mvs_request_find_row(MvsPending *item);

/* Work off a request whose store is gone: there is nothing to drop. */
extern void mvs_request_gone(MvsPending *item);

/* Work off a slice of a range. */
extern void mvs_request_work_range(MvsDrop *drop, MvsPending *item);

/* Show how far it is, if there is more of it, once all requests of the transaction went well. */
extern void mvs_request_show(const MvsDrop *drop, const MvsPending *item);

/* Work off all requests of one key. */
extern void mvs_request_work_key(MvsDrop *drop, MvsPending **group, int count);

#endif							/* MVSTORE_WORKER_REQUEST_H */
