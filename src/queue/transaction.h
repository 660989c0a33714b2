/*-------------------------------------------------------------------------
 *
 * transaction.h
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

#include "store/store.h"

/* Registers the transaction callbacks; from _PG_init. */
extern void mvs_request_init(void);

/* A drop that somebody asked for. */
extern void mvs_request_drop(MvsStore *store, const bytea *key, int32 keep, int64 before);

/*
 * Likewise for the keys in [from, to), NULL being open; with keep 0, a compaction.
 * Bounds can have any length.
 */
extern void mvs_request_range(MvsStore *store, const bytea *from, const bytea *to,
							  int32 keep, int64 before);

/*
 * What the store's policy says to a new head: "before" is its version where it
 * superseded something, or 0; "expires" the version as of which it expires, or 0.
 */
extern void mvs_request_write(MvsStore *store, const bytea *key, int64 before, int64 expires);

/* All that the policy says of a key, in which the past was written. */
extern void mvs_request_look(MvsStore *store, const bytea *key, int64 before);

/* A sweep of a store; with InvalidOid, of all. */
extern void mvs_request_mark(Oid store);

/* Rows of the journal, or what the worker has in hand, are to be looked at. */
extern void mvs_request_journal(void);
extern void mvs_request_recheck(void);

/*
 * A key was erased, or all keys with it as prefix: what the transaction has asked
 * for of these is void, and requests of others may be.
 */
extern void mvs_request_erased(Oid store, const bytea *key, bool prefix);

/* Pins have come, gone or changed. */
extern void mvs_request_pins(void);

/* The row of mvstore_paused has come, or gone. */
extern void mvs_request_pause(bool on);

/* The store was dropped: its counters go. */
extern void mvs_request_forget(Oid store);

/* Counts a put, or a delete, of a store. */
extern void mvs_request_count(Oid store, bool tombstone);

#endif							/* MVSTORE_REQUEST_H */
