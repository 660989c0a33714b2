/*-------------------------------------------------------------------------
 *
 * version.h
 *	  Versions: handing them out, and telling which are stable.
 *
 * A version is a time in microseconds since the Unix epoch, 1 or greater. A
 * transaction has one version in its database. See design section 3.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_VERSION_H
#define MVSTORE_VERSION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/snapshot.h"

#include "shared/database.h"

/* As of the newest; also: no limit. */
#define MVS_NEWEST PG_INT64_MAX

/* What was stable for a snapshot is not known any more. */
#define MVS_LOST INT64CONST(-1)

/* Its shared memory: see startup.c. */
extern Size mvs_version_shmem_size(void);
extern void mvs_version_shmem_startup(LWLockPadded *locks);

/* A timestamp as a version, and back. */
extern int64 mvs_version_of_time(TimestampTz time);
extern TimestampTz mvs_version_to_time(int64 version);

/* Loads last and mark of a slot from the durable mark, if that is another than before. */
extern void mvs_version_load(MvsDatabase *database);

/* The later of the wall clock and the newest version handed out; without a slot the clock. */
extern int64 mvs_version_now(MvsDatabase *database);

/* The newest version handed out, without the clock. */
extern int64 mvs_version_last(MvsDatabase *database);

/* The transaction's version, or 0 if it has none yet. */
extern int64 mvs_version_mine(void);

/*
 * The transaction's version, taken now if it has none; then it is above the
 * argument. Assigns a transaction id. Raises what writing WAL can raise. Takes
 * version_lock, and for a moment the clock lock and the sequence's.
 */
extern int64 mvs_version_take(MvsDatabase *database, int64 above);

/* A number from the clock that no version or other tick of this database has. */
extern int64 mvs_version_tick(MvsDatabase *database);

/*
 * The floor for a TRUNCATE of a store, for which the transaction takes its
 * version: at or above all that is in the store, with its table locked.
 */
extern int64 mvs_version_truncate(MvsDatabase *database);

/* Whether a floor may lie above the transaction's version; only a TRUNCATE's can. */
extern bool mvs_version_is_overtaken(MvsDatabase *database);

/* An entry will be written at a version: later versions are above it. */
extern void mvs_version_past(MvsDatabase *database, int64 version);

/*
 * The newest version at and below which every transaction has ended as the
 * snapshot sees it. No transaction gets a version at or below the answer later.
 * The durable mark is raised where the answer would reach beyond it, as far as
 * "wanted": then it takes the clock lock, and writes WAL, with no need of a
 * transaction id. For MVS_NEWEST it waits for no lock on the sequence.
 *
 * MVS_LOST for a snapshot too old for shared memory. Who knows a version that is stable
 * for it says so to mvs_version_told(), and answers with what that returns: the later of
 * it and of what was answered for the snapshot before.
 */
extern int64 mvs_version_stable(MvsDatabase *database, Snapshot snapshot, int64 wanted);
extern int64 mvs_version_told(MvsDatabase *database, Snapshot snapshot, int64 stable);

/*
 * The stable version where the database has no slot, so that nobody has written there since
 * the server started: the durable mark, raised as far as "wanted" and the clock.
 * Whoever takes a slot afterwards gets versions above it; so look for one then.
 */
extern int64 mvs_version_mark(int64 wanted);

/* The row of mvstore_stable is to be written; or is about to be, and may be asked for anew. */
extern void mvs_version_want_stable(MvsDatabase *database);
extern void mvs_version_stable_served(MvsDatabase *database);

/* The running transaction with the lowest version; version MVS_NEWEST: none. */
extern MvsWriter mvs_version_oldest_writer(MvsDatabase *database);

/* Copies of all running transactions with a version; the number of them. */
extern int	mvs_version_writers(MvsDatabase *database, MvsWriter **writers);

/* Has the worker's latch set when the oldest writer ends. */
extern void mvs_version_watch_writers(MvsDatabase *database);

/* Looks whether a restore has raised the mark; then later versions are above it. */
extern void mvs_version_reread(MvsDatabase *database);

/* Whether a restore has set the mark, up or down; then the greater is taken. */
extern bool mvs_version_restored(MvsDatabase *database);

/* From the transaction callbacks; these cannot fail. */
extern void mvs_version_end(bool committed);
extern void mvs_version_end_subtransaction(bool committed, int nest_level);

#endif							/* MVSTORE_VERSION_H */
