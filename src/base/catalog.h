/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  The objects of the extension: its tables, and rows of them.
 *
 * The tables are written by C code alone, past the rights of the caller; whoever
 * writes them checks what the caller may do.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_CATALOG_H
#define MVSTORE_CATALOG_H

#include "postgres.h"

#include "access/htup.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* Objects of the extension that the C code uses. */
typedef enum MvsCatalog
{
	MVS_POLICY,
	MVS_POLICY_KEY,
	MVS_FLOOR,
	MVS_FLOOR_KEY,
	MVS_REWRITE,
	MVS_REWRITE_KEY,
	MVS_JOURNAL,
	MVS_JOURNAL_KEY,
	MVS_CALENDAR,
	MVS_CALENDAR_ENDS,
	MVS_PIN,
	MVS_PREPARED,
	MVS_PAUSED,
	MVS_STABLE,
	MVS_CLOCK
} MvsCatalog;

#define MVS_CATALOG_COUNT (MVS_CLOCK + 1)

/*
 * The version of the extension's SQL objects that this library goes with. The Makefile
 * takes it from mvstore.control.
 */
extern const char mvs_sql_version[];

/* Return the version of them that the database has; NULL without the extension. */
extern char *mvs_extension_version(void);

/*
 * Return the schema that CREATE EXTENSION chose, or the OID of an object in it. Without
 * the extension: InvalidOid with "missing_ok", else raise 55000.
 */
extern Oid	mvs_catalog_schema(bool missing_ok);
extern Oid	mvs_catalog_oid(MvsCatalog object, bool missing_ok);

/* Whether a table is as the library knows it, or is not there. */
extern bool mvs_catalog_is_known(MvsCatalog object);

/*
 * Open and lock a table, index or sequence of it; without the extension, NULL or an error as
 * above. Raise 55000 where the library does not know it as it is.
 */
extern Relation mvs_catalog_open(MvsCatalog object, bool missing_ok, LOCKMODE mode);

/*
 * Return whether the database uses mvstore, and does not only have the extension: it has
 * stores, requests or pins, or may have when a prepared transaction commits. Wait for no
 * lock: who holds one is about to use it.
 */
extern bool mvs_catalog_in_use(void);

/* Return whether a snapshot, NULL being a fresh one, sees any row of a table. */
extern bool mvs_catalog_has_row(Oid table, Snapshot snapshot);

/*
 * Lock what the worker writes of the catalog, without waiting, to the end of the
 * transaction; false where that cannot be had. Without the extension, do nothing.
 */
extern bool mvs_catalog_lock(void);

/*
 * Return a copy of the row of "store", which is the first column of "catalog" and of
 * "index"; NULL where "snapshot", NULL being a fresh one, sees none.
 */
extern HeapTuple mvs_catalog_find(Relation catalog, MvsCatalog index, Oid store,
								  Snapshot snapshot);

/* Return a copy of the row at "tid"; NULL where there is none any more. */
extern HeapTuple mvs_catalog_fetch(Relation catalog, ItemPointer tid);

/*
 * Change, or delete, the row at "tid" that a fresh snapshot has found. Raise 55P03 where
 * that would mean to wait in a process that never does.
 */
extern void mvs_catalog_update(Relation catalog, ItemPointer tid, HeapTuple tuple);
extern void mvs_catalog_delete(Relation catalog, ItemPointer tid);

/* From now on, never wait in this process for another transaction that is at a row. */
extern void mvs_catalog_never_wait(void);

/* Raise 55P03 in such a process: another transaction will have made the row. */
extern void mvs_catalog_refuse_wait(Relation catalog);

/* Wait for others who are at the row at "tid", and lock it; false if they have changed it. */
extern bool mvs_catalog_lock_row(Relation catalog, ItemPointer tid);

/* Delete all rows of a store; false if there were none. */
extern bool mvs_catalog_forget(MvsCatalog table, MvsCatalog index, Oid store);

/*
 * Run a command on a table of the catalog, past the rights of the caller, and return the
 * number of its rows. In "format" %s stands for the table's name, twice at most; "count" parameters
 * have the types and values given.
 */
extern uint64 mvs_catalog_run(MvsCatalog table, const char *format, int count,
							  const Oid *types, Datum *values);

/* Return whether such a command is running: what its triggers see is mvstore's own doing. */
extern bool mvs_catalog_is_running(void);

#endif							/* MVSTORE_CATALOG_H */
