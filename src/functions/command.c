/*-------------------------------------------------------------------------
 *
 * command.c
 *	  What SQL functions that change something begin with, and refuse alike.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/snapshot.h"
#include "functions/command.h"
#include "shared/counters.h"
#include "version/as_of.h"
#include "version/clock.h"
#include "version/session.h"

MvsDatabase *
mvs_command_begin(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PreventCommandDuringRecovery(function);
	(void) mvs_active_snapshot();
	return mvs_session_join();
}

MvsDatabase *
mvs_command_begin_write(const char *function)
{
	mvs_as_of_refuse_write(function);
	return mvs_command_begin(function);
}

void
mvs_command_refuse_future(MvsDatabase *database, int64 version)
{
	int64		now = mvs_clock_now(database);

	if (version > now)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version " INT64_FORMAT " lies in the future", version),
				 errdetail("It is now version " INT64_FORMAT ".", now),
				 errhint("A version is a time in microseconds since 1970.")));
}

void
mvs_command_refuse_concurrent(Oid store)
{
	mvs_counters_refused(store, MVS_REFUSED_LATE);
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update"),
			 errhint("The transaction might succeed if retried.")));
}
