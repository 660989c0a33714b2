/*-------------------------------------------------------------------------
 *
 * enqueue.c
 *	  The SQL functions that ask for drops, and those that wait for them.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "function.h"
#include "queue.h"
#include "request.h"
#include "shmem.h"
#include "store.h"
#include "version.h"

PG_FUNCTION_INFO_V1(mvstore_drop);
PG_FUNCTION_INFO_V1(mvstore_drop_bytea);
PG_FUNCTION_INFO_V1(mvstore_flush);

static Datum
drop(FunctionCallInfo fcinfo, MvsType key_type)
{
	MvsStore	store;
	MvsDatabase *database;
	Oid			relation = mvs_get_store(fcinfo, 0);
	bytea	   *key = mvs_get_key(fcinfo, 1, key_type, "key");
	int64		before = mvs_get_version(fcinfo, 3, "before");

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("keep must not be null")));
	if (PG_GETARG_INT32(2) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep must be at least 1"),
				 errhint("mvstore_delete() deletes a key.")));
	PreventCommandIfReadOnly("mvstore_drop()");
	PreventCommandIfParallelMode("mvstore_drop()");
	PreventCommandDuringRecovery("mvstore_drop()");
	database = mvs_database();
	mvs_store_open(&store, relation, AccessShareLock, ACL_DELETE);
	if (store.info.referenced)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot drop from store \"%s\" because a foreign key refers to it",
						RelationGetRelationName(store.heap))));

	/* What is superseded after the call is not covered by it. */
	mvs_request_drop(&store, key, PG_GETARG_INT32(2),
					 Min(before, mvs_version_last(database)));
	mvs_store_close(&store);
	PG_RETURN_VOID();
}

/* mvstore_drop(store, key text, keep, before): enqueue a drop of superseded entries. */
Datum
mvstore_drop(PG_FUNCTION_ARGS)
{
	return drop(fcinfo, MVS_TEXT);
}

/* mvstore_drop(store, key bytea, keep, before) */
Datum
mvstore_drop_bytea(PG_FUNCTION_ARGS)
{
	return drop(fcinfo, MVS_BYTES);
}

/* mvstore_flush(timeout): wait until every drop requested by now is done. */
Datum
mvstore_flush(PG_FUNCTION_ARGS)
{
	int64		timeout = mvs_get_timeout(fcinfo, 0);

	PreventCommandDuringRecovery("mvstore_flush()");
	PG_RETURN_BOOL(mvs_queue_wait(mvs_database(), timeout));
}
