/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  Counters of stores in shared memory.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_COUNTERS_H
#define MVSTORE_COUNTERS_H

#include "postgres.h"

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/lwlock.h"

/* Why somebody is refused who could do nothing about it, and is to ask anew. */
typedef enum MvsRefusal
{
	MVS_REFUSED_GONE,			/* 72000: history is gone */
	MVS_REFUSED_LATE			/* 40001: others came first */
} MvsRefusal;

#define MVS_REFUSALS (MVS_REFUSED_LATE + 1)

/* Counters of one store; without one, what a database counts beyond the life of its stores. */
typedef struct MvsStoreKey
{
	Oid			database;
	Oid			store;
} MvsStoreKey;

typedef struct MvsStoreStats
{
	MvsStoreKey key;
	pg_atomic_uint64 puts;
	pg_atomic_uint64 deletes;
	pg_atomic_uint64 requests;
	pg_atomic_uint64 changes;	/* transactions that counted any of these, or changed its past */
	pg_atomic_uint64 entries;
	pg_atomic_uint64 bytes;
	pg_atomic_uint64 purged;
	pg_atomic_uint64 expired;
	pg_atomic_uint64 keys_due;
	pg_atomic_uint64 swept;		/* entries that sweeps have read */
	pg_atomic_uint64 unmaintained;	/* these six: see MvsVacuum */
	pg_atomic_uint64 maintained_at;
	pg_atomic_uint64 maintained_end;
	pg_atomic_uint64 maintained_time;
	pg_atomic_uint64 maintained_vain;
	pg_atomic_uint64 maintained_left;
	pg_atomic_uint64 last_sweep;	/* a TimestampTz, 0: never */
	pg_atomic_uint64 refused[MVS_REFUSALS];
} MvsStoreStats;

/* What a transaction counts for a store. */
typedef struct MvsStoreCount
{
	Oid			store;
	int64		puts;
	int64		deletes;
	int64		requests;
} MvsStoreCount;

/* What the worker counts for a store in one transaction. */
typedef struct MvsTally
{
	int64		entries;
	int64		bytes;
	int64		purged;			/* keys */
	int64		expired;		/* of these, those that had expired */
	int64		keys_due;		/* looked at for their age */
	int64		swept;			/* entries that sweeps have read */
} MvsTally;

/* Their shared memory: see startup.c. */
extern Size mvs_counters_shmem_size(void);
extern int	mvs_counters_shmem_locks(void);
extern void mvs_counters_shmem_startup(LWLockPadded *locks);

/*
 * Count what was done to a store of the current database. Where all places are taken, a store
 * that has none is not counted. None of these functions can fail.
 */
extern void mvs_counters_count(const MvsStoreCount *count);
extern void mvs_counters_tally(Oid store, const MvsTally *tally);
extern void mvs_counters_swept(Oid store, TimestampTz at);

/*
 * Count that somebody is about to be refused at a store: at once, and for the database as well.
 * Not with an LWLock held.
 */
extern void mvs_counters_refused(Oid store, MvsRefusal why);

/* Return how many transactions have changed a store, or asked for drops; -1: it is not counted. */
extern int64 mvs_counters_changed(Oid store);

/* What we last did about vacuuming a store. */
typedef struct MvsVacuum
{
	int64		dropped;		/* entries dropped since */
	FullTransactionId at;		/* the next transaction then; invalid: never */
	TimestampTz end;			/* when it had been done; 0: never */
	int64		time;			/* microseconds that a gentle one takes, as far as is known */
	int			vain;			/* so often, in a row, dead entries did not get fewer */
	int64		left;			/* then, how many there were */
} MvsVacuum;

extern MvsVacuum mvs_counters_vacuum(Oid store);

/* Put a new one in its place, for "dropped" entries. */
extern void mvs_counters_vacuumed(Oid store, const MvsVacuum *vacuum);
extern void mvs_counters_forget_store(Oid store);

/*
 * Set *copies to those of the counters of a database's stores, or with InvalidOid of all,
 * and return their number; put one of them back.
 */
extern int	mvs_counters_copy(Oid database, MvsStoreStats **copies);
extern void mvs_counters_put(const MvsStoreStats *stats);
extern void mvs_counters_forget_database(Oid database);

/* The counters of the current database and its stores begin anew. */
extern void mvs_counters_reset(void);

#endif							/* MVSTORE_COUNTERS_H */
