/*-------------------------------------------------------------------------
 *
 * store.h
 *	  The store catalog: which tables are stores, with what policy and floor.
 *
 * The catalog tables are written by C code alone, past the rights of the
 * caller; functions here check what the caller may do to a store.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_STORE_H
#define MVSTORE_STORE_H

#include "postgres.h"

#include "access/htup.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "rule.h"

/* Objects of the extension that the C code uses. */
typedef enum MvsCatalog
{
	MVS_POLICY,
	MVS_POLICY_KEY,
	MVS_FLOOR,
	MVS_FLOOR_KEY,
	MVS_JOURNAL,
	MVS_JOURNAL_KEY,
	MVS_PAUSED,
	MVS_STABLE,
	MVS_CLOCK
} MvsCatalog;

#define MVS_CATALOG_COUNT (MVS_CLOCK + 1)

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
	bool		valid;
	int64		incarnation;
	MvsPolicy	policy;
	int64		ttl;			/* default time to live in microseconds; -1: none */
	Oid			index;			/* InvalidOid: no valid index of the shape */
	AttrNumber	columns[MVS_COLUMN_COUNT];
	bool		plain;			/* rows need no executor to go in */
	bool		referenced;		/* by a foreign key */
} MvsStoreInfo;

/* An open store. */
typedef struct MvsStore
{
	Relation	heap;
	Relation	index;
	MvsStoreInfo info;			/* a copy: invalidation cannot change it */
} MvsStore;

/* The OID of one of the extension's objects; 55000 (or InvalidOid) without the extension. */
extern Oid	mvs_catalog_oid(MvsCatalog object, bool missing_ok);

/* The version of the extension's SQL objects that this library goes with. */
#define MVS_SQL_VERSION "1.0"

/* The version that the database has; NULL without the extension. */
extern char *mvs_extension_version(void);

/*
 * Opens a store, with a lock on its table that is held to the end of the
 * transaction. Raises 42501 unless the current user has all of "rights",
 * 42809 if it is no store, 55000 if it lacks its index, 0A000 under row-level
 * security.
 */
extern void mvs_store_open(MvsStore *store, Oid relation, LOCKMODE mode, AclMode rights);

/*
 * The same for the worker: no rights are asked, the lock is taken without
 * waiting. In locked is told whether the lock could not be had; false with
 * locked false means that there is no such store.
 */
extern bool mvs_store_try_open(MvsStore *store, Oid relation, bool *locked);

/*
 * Locks what the worker writes of the catalog, without waiting, to the end of
 * the transaction; false where that cannot be had. Without the extension, nothing.
 */
extern bool mvs_catalog_lock(void);

/*
 * What the planner may know of a store: the number of its entries as PostgreSQL
 * estimates that of a table's rows. False where a read by the current user would
 * be refused, or the table is locked against it. Nothing is waited for, no lock
 * stays.
 */
extern bool mvs_store_measure(Oid relation, MvsStoreInfo *info, double *entries);

/* A copy of a catalog row, if it is where it once was. */
extern HeapTuple mvs_catalog_fetch(Relation catalog, ItemPointer tid);

/* Closes it, keeping the lock. */
extern void mvs_store_close(MvsStore *store);

/* All stores that have a policy or a ttl, as a list of OIDs. */
extern List *mvs_store_list(void);

/* The floor of a store as a snapshot sees it; 0: nothing has ever gone. */
extern int64 mvs_floor_read(Oid store, Snapshot snapshot);

/* Raises it, in the current transaction. */
extern void mvs_floor_raise(Oid store, int64 floor);

/* An interval as microseconds, a day being 24 hours; 22023 for months, negative. */
extern int64 mvs_interval_usecs(const char *what, const Interval *interval);

#endif							/* MVSTORE_STORE_H */
