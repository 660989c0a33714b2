/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  The function below mvstore_progress: how far long operations have got.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "queue/flush.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/progress.h"
#include "shared/wake.h"

PG_FUNCTION_INFO_V1(mvstore_stat_progress);

static const char *const commands[] = {
	[MVS_COMMAND_SWEEP] = "sweep",
	[MVS_COMMAND_COMPACT] = "compact",
	[MVS_COMMAND_RANGE] = "drop range",
	[MVS_COMMAND_REPLAY] = "replay",
	[MVS_COMMAND_FLUSH] = "flush",
};

static void copy_operations(MvsDatabase *database, MvsProgress *progress, const char **phases);
static const char *phase_of(const MvsDatabase *database, const MvsBacklog *backlog,
							const MvsOperation *operation);

/* What the worker is at with an operation of its own. With queue_lock held. */
static const char *
phase_of(const MvsDatabase *database, const MvsBacklog *backlog, const MvsOperation *operation)
{
	if (database->queue->paused)
		return "paused";
	if (database->worker->throttled_since != 0)
		return "rate limit";
	for (int i = 0; i < backlog->trouble_count; i++)
		if (backlog->troubles[i].store == operation->store)
			return backlog->troubles[i].locked ? "waiting for a lock" : "waiting after an error";
	return operation->command == MVS_COMMAND_REPLAY ? "reading requests" : "reading entries";
}

/* Copy the operations of a database, and set *phases to what each is at. */
static void
copy_operations(MvsDatabase *database, MvsProgress *progress, const char **phases)
{
	MvsBacklog	backlog;

	LWLockAcquire(database->queue_lock, LW_SHARED);
	*progress = *database->operations;
	mvs_backlog_combine(database->backlogs, &backlog);
	for (int i = 0; i < MVS_MAX_OPERATIONS; i++)
		phases[i] = phase_of(database, &backlog, &progress->operations[i]);
	LWLockRelease(database->queue_lock);
}

/* The operations of this database. */
Datum
mvstore_stat_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MvsDatabase *database = mvs_database_find(MyDatabaseId);
	MvsProgress progress;
	const char *phases[MVS_MAX_OPERATIONS];

	InitMaterializedSRF(fcinfo, 0);
	if (database == NULL)
		return (Datum) 0;
	copy_operations(database, &progress, phases);
	for (int i = 0; i < MVS_MAX_OPERATIONS; i++)
	{
		MvsOperation *operation = &progress.operations[i];
		bool		entries = OidIsValid(operation->store);
		Datum		values[8];
		bool		nulls[8] = {false};

		if (operation->command == MVS_COMMAND_NONE)
			continue;
		if (operation->command == MVS_COMMAND_FLUSH)
		{
			int64		left = mvs_flush_left(database, operation->sequence, &phases[i]);

			operation->done = Max(operation->total - left, 0);
		}
		values[0] = Int32GetDatum(operation->pid);
		values[1] = CStringGetTextDatum(commands[operation->command]);
		values[2] = ObjectIdGetDatum(operation->store);
		nulls[2] = !entries;
		values[3] = CStringGetTextDatum(phases[i]);
		values[4] = Int64GetDatum(operation->done);

		/* A guess that was too low is none any more. */
		values[5] = Int64GetDatum(operation->total);
		nulls[5] = operation->total < operation->done;
		values[6] = CStringGetTextDatum(entries ? "entries" : "requests");
		values[7] = TimestampTzGetDatum(operation->started_at);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
