/*-------------------------------------------------------------------------
 *
 * storage.h
 *	  What a snapshot still sees of a store whose storage is another one by now.
 *
 * ALTER TABLE and pg_repack copy the rows: older snapshots see none of the copies. Of a TRUNCATE
 * a floor tells.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_STORAGE_H
#define MVSTORE_STORAGE_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "store/store.h"

/*
 * Raise 55006 where a subtransaction that began after "since" has made the storage of a store: who
 * reads it for longer than that would have its pages pinned when that is rolled back.
 */
extern void mvs_storage_refuse_newer(const MvsStore *store, SubTransactionId since);

/* Whether its storage was made by this transaction, which did not make the store. */
extern bool mvs_storage_is_of_here(const MvsStore *store);

/* Whether a store has the storage still that it has for a snapshot. */
extern bool mvs_storage_is_of(const MvsStore *store, Snapshot snapshot);

/*
 * Whether a table that a snapshot sees has not been emptied since, by TRUNCATE, nor attached anew
 * as a store.
 */
extern bool mvs_storage_has_life_of(const MvsStore *store, Snapshot snapshot);

/*
 * Whether other storage has the rows that the snapshot sees, as VACUUM FULL and CLUSTER, or a
 * move, leave them. Where it has none, there may have been none: that cannot be told.
 */
extern bool mvs_storage_has_rows_of(const MvsStore *store, Snapshot snapshot);

#endif							/* MVSTORE_STORAGE_H */
