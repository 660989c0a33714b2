/*-------------------------------------------------------------------------
 *
 * backlog.h
 *	  What is in the way of drops.
 *
 * Each part of the worker publishes what it keeps and cannot do yet, by itself. Who
 * waits for a flush, or shows what is in the way, sees all of it together.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_BACKLOG_H
#define MVSTORE_BACKLOG_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/database.h"

/* Bytes of the message of an error that are kept. */
#define MVS_ERROR_LENGTH 256

/* Stores of a database that are shown to be in the worker's way. */
#define MVS_MAX_TROUBLES 16

/* A store, or without one a table of the catalog, that the worker cannot get at. */
typedef struct MvsTrouble
{
	Oid			store;
	bool		locked;			/* else an error */
	TimestampTz since;
	int64		requests;		/* and sweeps that wait for it */
	char		message[MVS_ERROR_LENGTH];
} MvsTrouble;

/* The parts of the worker, in the order in which their troubles are shown. */
typedef enum MvsBacklogPart
{
	MVS_BACKLOG_STEPS,			/* what it does besides */
	MVS_BACKLOG_REQUESTS,		/* in hand, or left to the journal */
	MVS_BACKLOG_SWEEPS
} MvsBacklogPart;

#define MVS_BACKLOG_PARTS (MVS_BACKLOG_SWEEPS + 1)

typedef struct MvsBacklog
{
	uint64		unfinished;		/* lowest sequence taken and not done, or PG_UINT64_MAX */
	int64		held;			/* of these, waiting for the horizon */
	int64		pinned;			/* of these, because of a pin */
	int64		retrying;		/* waiting for a lock, or for another try */
	int			trouble_count;
	MvsTrouble	troubles[MVS_MAX_TROUBLES];
} MvsBacklog;

/* What the parts of a database's worker have published, behind queue_lock. */
typedef struct MvsBacklogs
{
	bool		pins_changed;	/* rows of mvstore_pin are to be looked at: none counts till then */
	MvsBacklog	parts[MVS_BACKLOG_PARTS];
} MvsBacklogs;

/* Its state of a slot: see startup.c. */
extern const MvsDatabasePart mvs_backlog_part;

/* Set *backlog to nothing. */
extern void mvs_backlog_init(MvsBacklog *backlog);

/* Add so many requests, or sweeps, that wait for the horizon; "pinned": for a pin. */
extern void mvs_backlog_add_held(MvsBacklog *backlog, int64 count, bool pinned);

/*
 * Add a trouble with a store, and so many more requests that wait for it. Without a
 * store, one that was added with another message is another trouble.
 */
extern void mvs_backlog_add_trouble(MvsBacklog *backlog, Oid store, bool locked,
									const char *message, int64 requests);

/*
 * What follows is about the published ones, with queue_lock held. Nothing of it can fail.
 */

/* Put a part's own in its place there. A trouble that is known began when it was first told of. */
extern void mvs_backlog_publish(MvsBacklogs *published, MvsBacklogPart part,
								const MvsBacklog *backlog);

/* Set *all to what they are together. */
extern void mvs_backlog_combine(const MvsBacklogs *published, MvsBacklog *all);

/* Pins have changed: nothing is pinned until it is known again. */
extern void mvs_backlog_unpin(MvsBacklogs *published);

/* There is no worker: nothing is in its way. */
extern void mvs_backlog_clear(MvsBacklogs *published);

#endif							/* MVSTORE_BACKLOG_H */
