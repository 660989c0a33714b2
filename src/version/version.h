/*-------------------------------------------------------------------------
 *
 * version.h
 *	  Versions: handing them out, and telling which are stable.
 *
 * A transaction has one version in its database. See clock.h for what a version is, and
 * design section 3.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_VERSION_H
#define MVSTORE_VERSION_H

#include "postgres.h"

#include "access/transam.h"
#include "utils/snapshot.h"

#include "version/clock.h"

/* What was stable for a snapshot is not known any more. */
#define MVS_LOST INT64CONST(-1)

/* Withdrawn versions kept for snapshots older than their end, by segments. */
#define MVS_RING_SEGMENT 64
#define MVS_RING_SEGMENTS 8
#define MVS_WRITER_RING (MVS_RING_SEGMENT * MVS_RING_SEGMENTS)

/* A transaction's version, from its first write until it has ended for others. */
typedef struct MvsWriter
{
	FullTransactionId xid;		/* of the top transaction */
	int64		version;		/* MVS_NEWEST: none, of one that is prepared */
	int			pid;			/* 0: it is prepared */
} MvsWriter;

/* The writers of a database, behind version_lock. */
typedef struct MvsWriters
{
	int64		last_truncate;	/* the greatest floor that a TRUNCATE set */
	bool		horizon_wanted; /* the worker waits for the oldest writer to end */
	int			ring_next;
	int			ring_count;
	MvsWriter	ring[MVS_WRITER_RING];
	FullTransactionId segment_next[MVS_RING_SEGMENTS];	/* next xid when a segment was full */
	FullTransactionId ring_lost;	/* that of the newest segment that was overwritten */
	int			prepared;		/* of those that are running */
	int			count;			/* of these: at most one per backend or prepared transaction */
	MvsWriter	running[FLEXIBLE_ARRAY_MEMBER];
} MvsWriters;

/* Its state of a slot, and what it shares besides: see startup.c. */
extern const MvsDatabasePart mvs_version_part;
extern Size mvs_version_shmem_size(void);
extern void mvs_version_shmem_startup(LWLockPadded *locks);

/* The transaction's version, or 0 if it has none yet. */
extern int64 mvs_version_mine(void);

/*
 * The transaction's version, taken now if it has none; then it is above the
 * argument. Assigns a transaction id. Raises what writing WAL can raise. Takes
 * version_lock, and for a moment the clock lock and the sequence's.
 */
extern int64 mvs_version_take(MvsDatabase *database, int64 above);

/*
 * Takes a version that was chosen outside for the transaction, which has none yet. Where
 * versions have got as far already, takes none, and returns the lowest that would do; else 0.
 * Raises and locks as mvs_version_take().
 */
extern int64 mvs_version_use(MvsDatabase *database, int64 version);

/*
 * The floor for a TRUNCATE of a store, for which the transaction takes its
 * version: at or above all that is in the store, with its table locked.
 */
extern int64 mvs_version_truncate(MvsDatabase *database);

/* Whether a floor may lie above the transaction's version; only a TRUNCATE's can. */
extern bool mvs_version_is_overtaken(MvsDatabase *database);

/*
 * The newest version at and below which every transaction has ended as the
 * snapshot sees it. No transaction gets a version at or below the answer later.
 * The durable mark is raised where the answer would reach beyond it, as far as
 * "wanted": then it takes the clock lock, and writes WAL, with no need of a
 * transaction id. For MVS_NEWEST it waits for no lock on the sequence.
 *
 * MVS_LOST for a snapshot too old for shared memory. Who knows a version that is stable
 * for it says so to mvs_version_told(), and answers with what that returns: the later of
 * it and of what was answered for the snapshot before. For MVS_LOST with that alone, or MVS_LOST;
 * what was said to mvs_version_told() does not count, until it is shown to who asks for it.
 * mvs_version_first_told() answers with what that was when it was first called for the snapshot
 * in this statement, by this process or another one of its parallel group.
 */
extern int64 mvs_version_stable(MvsDatabase *database, Snapshot snapshot, int64 wanted);
extern int64 mvs_version_told(MvsDatabase *database, Snapshot snapshot, int64 stable);
extern void mvs_version_shown(MvsDatabase *database, Snapshot snapshot);
extern int64 mvs_version_first_told(MvsDatabase *database, Snapshot snapshot, int64 stable);

/* The running or prepared transaction with the lowest version; version MVS_NEWEST: none. */
extern MvsWriter mvs_version_oldest_writer(MvsDatabase *database);

/* Copies of all running and prepared transactions with a version; the number of them. */
extern int	mvs_version_writers(MvsDatabase *database, MvsWriter **writers);

/*
 * Makes a prepared transaction known that a former life of the server has left, with its
 * version, or MVS_NEWEST; it may have been committed since.
 */
extern void mvs_version_recover(MvsDatabase *database, TransactionId xid, int64 version,
								bool committed);

/* Whether the database has any that has not been withdrawn. */
extern bool mvs_version_any_prepared(void);

/*
 * Withdraws the prepared transactions that have ended, of which nobody else tells. Before it
 * withdraws the first that may have committed it calls "tell", if there is one: so whoever finds
 * one withdrawn knows that it was told.
 */
extern void mvs_version_settle_prepared(MvsDatabase *database,
										void (*tell) (MvsDatabase *database));

/* Has the worker's latch set when the oldest writer ends. */
extern void mvs_version_watch_writers(MvsDatabase *database);

/* From the transaction callbacks; these cannot fail. */
extern void mvs_version_end(bool committed);
extern void mvs_version_prepare(MvsDatabase *database);
extern void mvs_version_end_subtransaction(bool committed, int nest_level);

#endif							/* MVSTORE_VERSION_H */
