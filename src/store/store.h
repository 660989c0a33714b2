/*-------------------------------------------------------------------------
 *
 * store.h
 *	  The store catalog: which tables are stores, and how they are opened.
 *
 * Functions here check what the caller may do to a store.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_STORE_H
#define MVSTORE_STORE_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/acl.h"
#include "utils/rel.h"

#include "store/rule.h"

/* The columns that a store has. */
typedef enum MvsColumn
{
	MVS_KEY,
	MVS_VERSION,
	MVS_VALUE,
	MVS_EXPIRES
} MvsColumn;

#define MVS_COLUMN_COUNT (MVS_EXPIRES + 1)

/* What is known of a store; valid while its table is locked. */
typedef struct MvsStoreInfo
{
	Oid			oid;			/* hash key */
	int64		incarnation;
	MvsPolicy	policy;
	int64		ttl;			/* default time to live in microseconds; -1: none */
	Oid			storage;		/* file node that the last pass began with */
	TransactionId changed;		/* of the row in pg_class: who has perhaps rewritten it */
	Oid			index;			/* InvalidOid: no valid index of the shape */
	TransactionId indexed;		/* older snapshots may not find all by it, or invalid */
	Oid			feed_index;		/* on (version, key); InvalidOid: none that is valid */
	AttrNumber	columns[MVS_COLUMN_COUNT];
	bool		plain_insert;	/* rows need no executor to go in */
	bool		plain_delete;	/* nor to be deleted in the caller's transaction */
	bool		referenced;		/* by a foreign key */
	bool		guarded;		/* TRUNCATE always fires our trigger */
} MvsStoreInfo;

/* An open store. */
typedef struct MvsStore
{
	Relation	heap;
	Relation	index;
	MvsStoreInfo info;			/* a copy: invalidation cannot change it */
} MvsStore;

/*
 * Open a store, with a lock of "mode" on its table that is held to the end of the
 * transaction. Raise 42501 unless the current user has all of "rights", 42809 if it is
 * no store, saying what would make it one, 55000 if it lacks its index, 0A000 under
 * row-level security.
 */
extern void mvs_store_open(MvsStore *store, Oid relation, LOCKMODE mode, AclMode rights);

/* Open a store for the owner of its table alone: raise 42501 for others. */
extern void mvs_store_open_own(MvsStore *store, Oid relation, LOCKMODE mode);

/* Open a table of the current user's, and set *is_store to whether it is a store. */
extern Relation mvs_store_open_table(Oid relation, LOCKMODE mode, bool *is_store);

/*
 * Open a store for the worker: ask for no rights, and take the lock without waiting.
 * Where that fails, set *locked to whether the lock could not be had; otherwise there is
 * no such store.
 */
extern bool mvs_store_try_open(MvsStore *store, Oid relation, bool *locked);

/*
 * Where changes are decoded, a deletion asks all indexes of its table for the replica identity,
 * while it has a page locked. Whoever waited for one of them there could not be interrupted,
 * nor his deadlock be seen. So they are locked before; false: not at once, and it was not to wait.
 */
extern bool mvs_store_lock_indexes(Relation heap, bool waits);

/* Return whether the current user may read all that is in a table; false where it is gone. */
extern bool mvs_store_is_readable(Oid relation);

/*
 * Set *info and *entries to what the planner may know of a store: its number of entries
 * as PostgreSQL estimates that of a table's rows. False where a read by the current user
 * would be refused, or the table is locked against it. Wait for nothing, and leave no
 * lock.
 */
extern bool mvs_store_measure(Oid relation, MvsStoreInfo *info, double *entries);

/*
 * Return the indexes on (version, key), as a list of OIDs: those, too, that are no
 * feed_index, as they are not built yet, or never were.
 */
extern List *mvs_store_feed_indexes(MvsStore *store);

/* Return whether a table is a store that has a feed_index. It is locked for that. */
extern bool mvs_store_has_feed(Oid relation);

/*
 * Return the bytes of a table, with its indexes and TOAST; -1: it has gone, or somebody has some of
 * it locked. It waits for no lock, and keeps none.
 */
extern int64 mvs_store_size(Oid relation);

/* Raise 55000 for a store that a foreign key refers to: nothing can go from it. */
extern void mvs_store_refuse_referenced(MvsStore *store);

/*
 * Raise 55000 for a store that TRUNCATE could empty without our being told: what
 * is known of its past would not be true. Reads go on.
 */
extern void mvs_store_refuse_unguarded(MvsStore *store);

/* Raise 55000 where that may have happened, as the store has other storage than last noted. */
extern void mvs_store_refuse_untold(MvsStore *store);

/* Close a store, keeping the lock. */
extern void mvs_store_close(MvsStore *store);

/* Return the file node of a table; InvalidOid if there is none. */
extern Oid	mvs_store_storage(Oid table);

/*
 * Return whether a store has got another file node since its last pass began: something
 * may have exchanged its contents for a copy that it had made before.
 */
extern bool mvs_store_is_exchanged(Oid store);

/* Return the row of mvstore_policy, which is open, for a store; an error if it is gone. */
extern HeapTuple mvs_store_policy_row(Relation catalog, MvsStore *store);

/* Record for that, holding the drop lock, that a pass begins. */
extern void mvs_store_record_storage(MvsStore *store);

/* Return whether a relation is a store, open or not. */
extern bool mvs_store_exists(Oid relation);

/* Return all stores, as a list of OIDs. */
extern List *mvs_store_list(void);

/*
 * Set *info to the columns and the index of a table, which is locked. Raise 0A000, 42809 or
 * 55000 saying what it lacks to be a store: those, or being permanent.
 */
extern void mvs_store_check_shape(Relation heap, MvsStoreInfo *info);

/* Return the name of a table as a command takes it. */
extern const char *mvs_store_quoted_name(Relation heap);

#endif							/* MVSTORE_STORE_H */
