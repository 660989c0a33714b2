/*-------------------------------------------------------------------------
 *
 * session.c
 *	  This session's database: its slot, taken where there is none yet, with
 *	  the clock of its versions loaded.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"

#include "base/catalog.h"
#include "shared/wake.h"
#include "version/clock.h"
#include "version/prepared.h"
#include "version/session.h"

static MvsDatabase *take_slot(void);
static void load(MvsDatabase *database);

/* Take a slot for the database; NULL where there is none to be had. */
static MvsDatabase *
take_slot(void)
{
	bool		fresh;
	MvsDatabase *database = mvs_database_take(MyDatabaseId, &fresh);

	/* Others of the database may have taken one meanwhile. */
	if (database == NULL)
	{
		(void) mvs_database_free_unused();
		database = mvs_database_take(MyDatabaseId, &fresh);
	}

	/* Stores may have come by a restore, or with a template: a worker is to look. */
	if (database && fresh)
		mvs_wake_worker(database);
	return database;
}

/* Have the slot know what a former life of the server has left: first writers, then the clock. */
static void
load(MvsDatabase *database)
{
	/* Recovery makes the writers anew, may end them, and may move the clock. */
	if (mvs_clock_is_loaded(database) || RecoveryInProgress())
		return;
	mvs_prepared_recover(database);
	mvs_clock_load(database);
}

MvsDatabase *
mvs_session_join(void)
{
	MvsDatabase *database;

	mvs_shared_require();
	database = mvs_database_find(MyDatabaseId);
	if (database == NULL)
		database = take_slot();
	if (database == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many databases with stores"),
				 errdetail("At most %d databases of a server can have stores.",
						   mvs_shared->database_count),
				 errhint("Raise \"mvstore.max_databases\" and restart the server, or drop one of the databases that mvstore_stats shows.")));
	if (database->vacant)
	{
		LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
		database->vacant = false;
		LWLockRelease(database->queue_lock);
	}
	load(database);
	return database;
}

MvsDatabase *
mvs_session_join_if_used(void)
{
	MvsDatabase *database = mvs_database_find(MyDatabaseId);

	if (database == NULL && mvs_shared != NULL && !RecoveryInProgress() && mvs_catalog_in_use())
		database = take_slot();
	if (database)
		load(database);
	return database;
}

void
mvs_session_review_use(void)
{
	bool		vacant = !mvs_catalog_in_use();
	MvsDatabase *database = mvs_database_find(MyDatabaseId);

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->vacant = vacant;
	LWLockRelease(database->queue_lock);
}
