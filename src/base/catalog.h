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
	MVS_JOURNAL,
	MVS_JOURNAL_KEY,
	MVS_CALENDAR,
	MVS_CALENDAR_ENDS,
	MVS_PIN,
	MVS_PAUSED,
	MVS_STABLE,
	MVS_CLOCK
} MvsCatalog;

#define MVS_CATALOG_COUNT (MVS_CLOCK + 1)

/* The version of the extension's SQL objects that this library goes with. */
#define MVS_SQL_VERSION "1.0"

/* The version that the database has; NULL without the extension. */
extern char *mvs_extension_version(void);

/* The schema that CREATE EXTENSION chose; 55000 (or InvalidOid) without the extension. */
extern Oid	mvs_catalog_schema(bool missing_ok);

/* The OID of one of the objects; likewise. */
extern Oid	mvs_catalog_oid(MvsCatalog object, bool missing_ok);

/*
 * Whether the database uses mvstore, and does not only have the extension: it has
 * stores, requests or pins. Waits for no lock: who holds one is about to.
 */
extern bool mvs_catalog_in_use(void);

/*
 * Locks what the worker writes of the catalog, without waiting, to the end of
 * the transaction; false where that cannot be had. Without the extension, nothing.
 */
extern bool mvs_catalog_lock(void);

/*
 * A copy of the row of a store, which is the first column of the table and of
 * its index, or NULL. A NULL snapshot is a fresh one.
 */
extern HeapTuple mvs_catalog_find(Relation catalog, MvsCatalog index, Oid store,
								  Snapshot snapshot);

/* A copy of a row, if it is where it once was. */
extern HeapTuple mvs_catalog_fetch(Relation catalog, ItemPointer tid);

/*
 * Change and delete a row that was found by a fresh snapshot. A process that has said so
 * once never waits for another transaction that is at the row, or will have made it:
 * 55P03 then.
 */
extern void mvs_catalog_update(Relation catalog, ItemPointer tid, HeapTuple tuple);
extern void mvs_catalog_delete(Relation catalog, ItemPointer tid);
extern void mvs_catalog_never_wait(void);
extern void mvs_catalog_refuse_wait(Relation catalog);

/* Waits for others who are at a row, and locks it; false if they have changed it. */
extern bool mvs_catalog_lock_row(Relation catalog, ItemPointer tid);

/* Deletes all rows of a store; false if there were none. */
extern bool mvs_catalog_forget(MvsCatalog table, MvsCatalog index, Oid store);

/*
 * Runs a command on a table, whose name stands for %s, past the rights of the
 * caller; the number of its rows.
 */
extern uint64 mvs_catalog_run(MvsCatalog table, const char *format, int count,
							  const Oid *types, Datum *values);

/* Whether such a command is running: what its triggers see is mvstore's own doing. */
extern bool mvs_catalog_is_running(void);

#endif							/* MVSTORE_CATALOG_H */
