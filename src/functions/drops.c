/*-------------------------------------------------------------------------
 *
 * drops.c
 *	  The SQL functions that ask for drops, and those that wait for them.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/arguments.h"
#include "base/key.h"
#include "base/once.h"
#include "functions/command.h"
#include "queue/flush.h"
#include "queue/transaction.h"
#include "shared/database.h"
#include "store/store.h"
#include "version/clock.h"
#include "version/session.h"

PG_FUNCTION_INFO_V1(mvstore_compact);
PG_FUNCTION_INFO_V1(mvstore_sweep);
PG_FUNCTION_INFO_V1(mvstore_flush);

static int32 get_keep(FunctionCallInfo fcinfo, int argument);
static int64 get_before(FunctionCallInfo fcinfo, int argument, MvsDatabase *database);
static void open_for_drop(MvsStore *store, Oid relation, bool owned);

/* How many entries of a key stay in any case. */
static int32
get_keep(FunctionCallInfo fcinfo, int argument)
{
	mvs_refuse_null(fcinfo, argument, "keep");
	if (PG_GETARG_INT32(argument) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep must be at least 1"),
				 errhint("mvstore_delete() deletes a key.")));
	return PG_GETARG_INT32(argument);
}

/* The version up to which a request covers what was superseded: nothing after the call. */
static int64
get_before(FunctionCallInfo fcinfo, int argument, MvsDatabase *database)
{
	return mvs_least(mvs_get_version(fcinfo, argument, "before"), mvs_clock_last(database));
}

/* Open a store that something is to go from. */
static void
open_for_drop(MvsStore *store, Oid relation, bool owned)
{
	if (owned)
		mvs_store_open_own(store, relation, AccessShareLock);
	else
		mvs_store_open(store, relation, AccessShareLock, ACL_DELETE);
	mvs_store_refuse_referenced(store);
	mvs_store_refuse_unguarded(store);
}

/* mvstore_drop(store, key, keep, before): enqueue a drop of superseded entries. */
static Datum
drop(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsStore	store;
	Oid			relation = mvs_get_store(fcinfo, 0);
	bytea	   *key = mvs_get_key(fcinfo, 1, family, "key");
	int32		keep = get_keep(fcinfo, 2);
	MvsDatabase *database = mvs_command_begin("mvstore_drop()");
	int64		before = get_before(fcinfo, 3, database);

	open_for_drop(&store, relation, false);
	mvs_transaction_drop(&store, key, keep, before);
	mvs_store_close(&store);
	PG_RETURN_VOID();
}

MVS_KEY_FUNCTIONS(mvstore_drop, drop);

/* mvstore_drop_prefix(store, prefix, keep, before): one request for all keys with a prefix. */
static Datum
drop_prefix(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsStore	store;
	Oid			relation = mvs_get_store(fcinfo, 0);
	bytea	   *prefix = mvs_get_bound(fcinfo, 1, family, "prefix");
	int32		keep = get_keep(fcinfo, 2);
	MvsDatabase *database = mvs_command_begin("mvstore_drop_prefix()");
	int64		before = get_before(fcinfo, 3, database);

	open_for_drop(&store, relation, false);
	mvs_transaction_range(&store, prefix, mvs_key_prefix_end(prefix), keep, before);
	mvs_store_close(&store);
	PG_RETURN_VOID();
}

MVS_KEY_FUNCTIONS(mvstore_drop_prefix, drop_prefix);

/* mvstore_drop_range(store, from_key, to_key, keep, before): one request for a range of keys. */
static Datum
drop_range(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsStore	store;
	Oid			relation = mvs_get_store(fcinfo, 0);
	bytea	   *from = mvs_get_bound(fcinfo, 1, family, "from_key");
	bytea	   *to = mvs_get_bound(fcinfo, 2, family, "to_key");
	int32		keep = get_keep(fcinfo, 3);
	MvsDatabase *database = mvs_command_begin("mvstore_drop_range()");
	int64		before = get_before(fcinfo, 4, database);

	if (mvs_key_compare(from, to) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_key must not be greater than to_key")));
	open_for_drop(&store, relation, false);
	mvs_transaction_range(&store, from, to, keep, before);
	mvs_store_close(&store);
	PG_RETURN_VOID();
}

MVS_KEY_FUNCTIONS(mvstore_drop_range, drop_range);

/* mvstore_compact(store, before): all that reads as of a version, or later, do not need. */
Datum
mvstore_compact(PG_FUNCTION_ARGS)
{
	MvsStore	store;
	Oid			relation = mvs_get_store(fcinfo, 0);
	MvsDatabase *database;
	int64		before;

	(void) mvs_get_version(fcinfo, 1, "before");
	database = mvs_command_begin("mvstore_compact()");
	before = get_before(fcinfo, 1, database);
	open_for_drop(&store, relation, true);
	mvs_transaction_range(&store, NULL, NULL, 0, before);
	mvs_store_close(&store);
	PG_RETURN_VOID();
}

/*
 * mvstore_sweep(store): ask for a sweep of the store: a pass by its policy. For its
 * owner, and for who may pause drops altogether.
 */
Datum
mvstore_sweep(PG_FUNCTION_ARGS)
{
	MvsStore	store;
	Oid			relation = mvs_get_store(fcinfo, 0);

	(void) mvs_command_begin("mvstore_sweep()");
	if (has_privs_of_role(GetUserId(), ROLE_PG_SIGNAL_BACKEND))
		mvs_store_open(&store, relation, AccessShareLock, ACL_NO_RIGHTS);
	else
		mvs_store_open_own(&store, relation, AccessShareLock);
	mvs_transaction_mark(relation);
	mvs_store_close(&store);
	PG_RETURN_VOID();
}

/* mvstore_flush(timeout): wait until every drop requested by now is done. */
Datum
mvstore_flush(PG_FUNCTION_ARGS)
{
	int64		timeout = mvs_get_timeout(fcinfo, 0, "timeout");
	bool		done;

	PreventCommandDuringRecovery("mvstore_flush()");
	done = mvs_flush_wait(mvs_session_join(), timeout);
	/* At the request it may not have been known yet. */
	if (!done)
		mvs_transaction_warn();
	PG_RETURN_BOOL(done);
}
