/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  How far operations that take long have got.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "shared/progress.h"

static void reset(MvsDatabase *database, void *place);
static MvsOperation *find_place(MvsDatabase *database, bool used, Oid store, uint64 id);
static MvsOperation *take_place(MvsDatabase *database, MvsCommand command, Oid store, uint64 id,
								int64 total);

const MvsDatabasePart mvs_progress_part = {.size = sizeof(MvsProgress), .reset = reset};

static void
reset(MvsDatabase *database, void *place)
{
	database->operations = place;
	memset(place, 0, sizeof(MvsProgress));
}

/* Find the place of an operation, or a free one, where store and id are 0; NULL: there is none. */
static MvsOperation *
find_place(MvsDatabase *database, bool used, Oid store, uint64 id)
{
	for (int i = 0; i < MVS_MAX_OPERATIONS; i++)
	{
		MvsOperation *operation = &database->operations->operations[i];

		if ((operation->command != MVS_COMMAND_NONE) == used &&
			operation->store == store && operation->id == id)
			return operation;
	}
	return NULL;
}

/* The place that an operation has, or gets now; NULL where all are taken. */
static MvsOperation *
take_place(MvsDatabase *database, MvsCommand command, Oid store, uint64 id, int64 total)
{
	MvsOperation *operation = find_place(database, true, store, id);

	if (operation == NULL)
	{
		operation = find_place(database, false, InvalidOid, 0);
		if (operation == NULL)
			return NULL;
		operation->command = command;
		operation->store = store;
		operation->id = id;
		operation->total = total;
		operation->started_at = GetCurrentTimestamp();
	}
	operation->pid = MyProcPid;
	return operation;
}

void
mvs_progress_step(MvsDatabase *database, MvsCommand command, Oid store, uint64 id, int64 done,
				  int64 total)
{
	MvsOperation *operation;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	operation = take_place(database, command, store, id, total);
	if (operation)
		operation->done += done;
	LWLockRelease(database->queue_lock);
}

void
mvs_progress_wait(MvsDatabase *database, uint64 sequence, int64 total)
{
	MvsOperation *operation;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	operation = take_place(database, MVS_COMMAND_FLUSH, InvalidOid, MyProcPid, total);
	if (operation)
		operation->sequence = sequence;
	LWLockRelease(database->queue_lock);
}

void
mvs_progress_end(MvsDatabase *database, Oid store, uint64 id)
{
	MvsOperation *operation;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	operation = find_place(database, true, store, id);
	if (operation)
		memset(operation, 0, sizeof(MvsOperation));
	LWLockRelease(database->queue_lock);
}

void
mvs_progress_clear(MvsProgress *progress)
{
	for (int i = 0; i < MVS_MAX_OPERATIONS; i++)
		if (progress->operations[i].command != MVS_COMMAND_FLUSH)
			memset(&progress->operations[i], 0, sizeof(MvsOperation));
}
