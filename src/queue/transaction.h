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
#ifndef MVSTORE_TRANSACTION_H
#define MVSTORE_TRANSACTION_H

#include "postgres.h"

#include "queue/queue.h"
#include "store/store.h"

/* Register the transaction callbacks; from _PG_init. */
extern void mvs_transaction_init(void);

/*
 * Request a drop that somebody asks for: of a key, beyond its newest "keep" entries, what was
 * superseded up to "before".
 */
extern void mvs_transaction_drop(MvsStore *store, const bytea *key, int32 keep, int64 before);

/*
 * Request that of the keys in [from, to), NULL being open; with "keep" 0, a compaction.
 * Bounds can have any length.
 */
extern void mvs_transaction_range(MvsStore *store, const bytea *from, const bytea *to,
								  int32 keep, int64 before);

/*
 * Request what the store's policy says to a new head: "before" is its version where it
 * superseded something, or 0; "expires" the version as of which it expires, or 0.
 */
extern void mvs_transaction_write(MvsStore *store, const bytea *key, int64 before, int64 expires);

/* Request all that the policy says of a key, in which the past was written. */
extern void mvs_transaction_look(MvsStore *store, const bytea *key, int64 before);

/* Warn, once a session, where requests are not worked off for now, and say why. */
extern void mvs_transaction_warn(void);

/* Request a sweep of a store; with InvalidOid, of all. */
extern void mvs_transaction_mark(Oid store);

/* Have rows of the journal looked at, or what the worker has in hand. */
extern void mvs_transaction_journal(void);
extern void mvs_transaction_recheck(void);

/*
 * Tell that a key was erased, or with "prefix" all keys that begin with it: what the
 * transaction has asked for of these is void, and requests of others may be.
 */
extern void mvs_transaction_erased(Oid store, const bytea *key, bool prefix);

/* Tell that the past of a store was changed: see mvs_floor_rewrite(). */
extern void mvs_transaction_rewritten(Oid store);

/* Tell that pins have come, gone or changed. */
extern void mvs_transaction_pins(void);

/* Tell that the tables of the extension are new. */
extern void mvs_transaction_extension_created(void);

/* Tell that the row of mvstore_paused has come, with "on", or gone. */
extern void mvs_transaction_pause(MvsPause pause);

/* Have the counters of a store go, which was dropped. */
extern void mvs_transaction_forget(Oid store);

/* Count a put, or a delete, of a store. */
extern void mvs_transaction_count(Oid store, bool tombstone);

/* Have who waits for changes of a store look, as what there was of it is gone. */
extern void mvs_transaction_changed(Oid store);

#endif							/* MVSTORE_TRANSACTION_H */
