/*-------------------------------------------------------------------------
 *
 * process.h
 *	  What all of the drop worker stands on: how it is connected and stopped, what
 *	  becomes of its errors, when it tries again, how far the horizon is.
 *
 * For the drop worker. The process that vacuums uses the connection alone.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_PROCESS_H
#define MVSTORE_PROCESS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/catalog.h"
#include "shared/backlog.h"
#include "shared/database.h"

/* This process, as the worker of a database. */
typedef struct MvsWorker
{
	MvsDatabase *database;		/* NULL until it is the worker */
	MemoryContext context;		/* of what its parts keep */
	TimestampTz claimed_at;
	TimestampTz idle_since;		/* of drops */
	TimestampTz served_at;		/* when it last did something for readers; 0: never */
} MvsWorker;

extern MvsWorker mvs_worker;

/* Install the worker's signal handlers: SIGTERM lets it finish what is due. */
extern void mvs_process_handle_signals(void);

/*
 * CHECK_FOR_INTERRUPTS() in work that may take long: a SIGTERM that has come some seconds ago ends
 * the process then, as what was due has had its time.
 */
extern void mvs_process_check(void);

/* Whether SIGTERM has come. */
extern bool mvs_process_is_terminated(void);

/* Whether the worker is to end, for that or another reason, and to begin nothing new. */
extern bool mvs_process_is_stopping(void);

/*
 * Whether the clock has been set back since this process last asked: times that it has in mind
 * then lie too far ahead.
 */
extern bool mvs_process_clock_went_back(void);

/* Milliseconds: no timer is set further ahead, as the clock may be set forth meanwhile. */
#define MVS_LONGEST_TIMER 600000

/* Sleep until the latch is set, or so many milliseconds; -1: for ever. */
extern void mvs_process_sleep(long timeout);

/*
 * Wait for a lock on a table of the catalog, in a transaction that has no other;
 * SIGTERM meanwhile ends the process.
 */
extern void mvs_process_lock_catalog(MvsCatalog table);

/* Give the settings that a transaction of ours depends on the values that it counts on. */
extern void mvs_process_pin_settings(void);

/*
 * Connect this process to a database, as superuser, with the settings pinned that no
 * ALTER DATABASE or ALTER ROLE may change for our processes.
 */
extern void mvs_process_connect(Oid database);

/*
 * Mark all changes that this process makes as not to be replicated, for who decodes the
 * WAL and wants only changes without an origin.
 */
extern void mvs_process_mark_changes(void);

/*
 * In a PG_CATCH block: end the transaction, and keep the error where the view
 * shows it; with "log", where it is another than the last, or that was long ago, in the
 * log, too. False where it was but a lock that could not be had at once, which is none.
 */
extern bool mvs_process_keep_error(bool log);

/* The last one kept in this process; assistants keep theirs in the same view. */
extern const char *mvs_process_last_error(void);

/* When to try again what failed, or met a lock, so many times before. */
extern TimestampTz mvs_process_error_delay(int tries);
extern TimestampTz mvs_process_lock_delay(int tries);

/*
 * Look at what lets entries go, for all that is kept here: the locks that it takes
 * are those of every read.
 */
typedef struct MvsLook
{
	TimestampTz clock;
	int64		now;			/* as a version, which may be ahead of it */
	int64		horizon;		/* of a snapshot taken now, or a little more, but for pins */
} MvsLook;

extern MvsLook mvs_process_look(void);

/* The horizon of a store, with the pins on it. */
extern int64 mvs_process_horizon(const MvsLook *look, Oid store);

/* Tell those who wait what a part of the worker keeps. */
extern void mvs_process_report(MvsBacklogPart part, const MvsBacklog *backlog);

#endif							/* MVSTORE_PROCESS_H */
