/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The drop worker of a database.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_WORKER_H
#define MVSTORE_WORKER_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "base/catalog.h"
#include "shared/database.h"

#define MVS_WORKER_TYPE "mvstore drop worker"

/* What this process keeps as the worker of a database. */
typedef struct MvsWorker
{
	MvsDatabase *database;		/* NULL until it is the worker */
	MemoryContext context;		/* of what is kept here */
	List	   *pending;		/* of MvsPending: see batch.h */
	List	   *left;			/* of MvsLeft: see left.h */
	List	   *sweeps;			/* of MvsSweep: see sweep.h */
	uint64		journal_sequence;	/* 0 during a pass over the journal, or PG_UINT64_MAX */
} MvsWorker;

extern MvsWorker mvs_worker;

/* Entry point; the argument is the OID of the database. */
extern PGDLLEXPORT void mvs_worker_main(Datum argument);

/* Whether it is to end, and to begin nothing new. */
extern bool mvs_worker_is_stopping(void);

/*
 * A look at what lets entries go, for all that is kept here: the locks that it takes
 * are those of every read.
 */
typedef struct MvsLook
{
	int64		now;
	int64		horizon;		/* of a snapshot taken now, or a little more, but for pins */
} MvsLook;

extern MvsLook mvs_worker_look(void);

/* The horizon of a store, with the pins on it. */
extern int64 mvs_worker_horizon(const MvsLook *look, Oid store);

/* A transaction has dropped so many entries. */
extern void mvs_worker_dropped(int64 entries);

/*
 * Connects this process to a database, as superuser, with the settings pinned that no
 * ALTER DATABASE or ALTER ROLE may change for our processes.
 */
extern void mvs_worker_connect(Oid database);

/* When to try again what failed, or met a lock, so many times before. */
extern TimestampTz mvs_worker_error_delay(int tries);
extern TimestampTz mvs_worker_lock_delay(int tries);

/*
 * Waits for a lock on a table of the catalog, in a transaction that has no other;
 * SIGTERM meanwhile ends the process.
 */
extern void mvs_worker_lock_catalog(MvsCatalog table);

/*
 * In a PG_CATCH block: ends the transaction, and keeps the error where the view
 * shows it; where it is another than the last, or that was long ago, in the log, too.
 * False where it was but a lock that could not be had at once, which is none.
 */
extern bool mvs_worker_note_error(bool log);

/* Tells those who wait for requests what is still kept here. */
extern void mvs_worker_report(void);

#endif							/* MVSTORE_WORKER_H */
