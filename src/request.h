/*-------------------------------------------------------------------------
 *
 * request.h
 *	  What a transaction will leave behind at its commit: drop requests,
 *	  marks, and what it counts for its stores.
 *
 * All of it follows the subtransactions: rolled back with them, kept with them.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_REQUEST_H
#define MVSTORE_REQUEST_H

#include "postgres.h"

#include "store.h"

/* Registers the transaction callbacks; from _PG_init. */
extern void mvs_request_init(void);

/* A drop that somebody asked for. */
extern void mvs_request_drop(MvsStore *store, const bytea *key, int32 keep, int64 before);

/* A drop by the store's policy, of what was superseded up to a version. */
extern void mvs_request_policy(MvsStore *store, const bytea *key, int64 before);

/* A sweep of a store; with InvalidOid, of all that have a policy. */
extern void mvs_request_mark(Oid store);

/* Rows of the journal, or what the worker has in hand, are to be looked at. */
extern void mvs_request_journal(void);
extern void mvs_request_recheck(void);

/* The row of mvstore_paused has come, or gone. */
extern void mvs_request_pause(bool on);

/* The store was dropped: its counters go. */
extern void mvs_request_forget(Oid store);

/* Counts a put, or a delete, of a store. */
extern void mvs_request_count(Oid store, bool tombstone);

#endif							/* MVSTORE_REQUEST_H */
