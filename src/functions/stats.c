/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  The functions below mvstore_stats, mvstore_store_stats and the views of
 *	  what the worker and the writers do; mvstore_stats_reset().
 *
 * They run in backends, copy what they show under its lock, and form rows of it
 * afterwards.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "base/settings.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "shared/drop_stats.h"
#include "shared/wake.h"
#include "store/store.h"
#include "version/session.h"
#include "version/version.h"

static const char *const worker_states[] = {
	[MVS_WORKER_NONE] = "stopped",
	[MVS_WORKER_WANTED] = "wanted",
	[MVS_WORKER_TURN] = "waiting for its turn",
	[MVS_WORKER_STARTING] = "starting",
	[MVS_WORKER_IDLE] = "idle",
	[MVS_WORKER_BUSY] = "busy",
	[MVS_WORKER_NO_SLOT] = "no free worker slot",
	[MVS_WORKER_MISMATCH] = "version mismatch",
};

PG_FUNCTION_INFO_V1(mvstore_stat_databases);
PG_FUNCTION_INFO_V1(mvstore_stat_stores);
PG_FUNCTION_INFO_V1(mvstore_stat_troubles);
PG_FUNCTION_INFO_V1(mvstore_stat_writers);
PG_FUNCTION_INFO_V1(mvstore_stats_reset);

static Datum interval_of(int64 usecs);
static const char *worker_state_of(const MvsDatabase *slot);
static bool may_see_errors(Oid database);

/* Microseconds as an interval. */
static Datum
interval_of(int64 usecs)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = usecs;
	return IntervalPGetDatum(interval);
}

/* What is told of a database's worker. With queue_lock held. */
static const char *
worker_state_of(const MvsDatabase *slot)
{
	switch (slot->worker->state)
	{
		case MVS_WORKER_IDLE:
			if (slot->queue->paused)
				return "paused";
			if (slot->worker->throttled_since != 0)
				return "rate limit";
			break;
		case MVS_WORKER_WANTED:
		case MVS_WORKER_TURN:
		case MVS_WORKER_NO_SLOT:
			/* Who is to start it may have found no slot itself, when the server was started. */
			if (mvs_shared->launcher_proc < 0)
				return "launcher not running";
			break;
		default:
			break;
	}
	return worker_states[slot->worker->state];
}

/*
 * Whether the current user may see messages of errors that the worker of a database met:
 * they name things of it. Those about a store are also for who may read that.
 */
static bool
may_see_errors(Oid database)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) ||
		(database == MyDatabaseId && mvs_compat_database_owned(database, GetUserId()));
}

/* What shared memory counts for each database that has a slot. */
Datum
mvstore_stat_databases(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; mvs_shared && i < mvs_shared->databases_used; i++)
	{
		MvsDatabase *slot = &mvs_shared->databases[i];
		const MvsBytes *bytes = &slot->queue->bytes;
		MvsDropStats stats;
		Datum		values[29];
		bool		nulls[29] = {false};
		int			column = 0;
		Oid			oid;
		TimestampTz oldest;
		TimestampTz throttled_since;

		LWLockAcquire(slot->queue_lock, LW_SHARED);
		oid = slot->oid;
		stats = *slot->stats;
		oldest = slot->queue->oldest;
		throttled_since = slot->worker->throttled_since;
		values[column++] = ObjectIdGetDatum(oid);
		nulls[column] = (slot->worker->pid == 0);
		values[column++] = Int32GetDatum(slot->worker->pid);
		values[column++] = PointerGetDatum(worker_state_of(slot));
		values[column++] = Int64GetDatum(slot->queue->count);
		values[column++] = Int64GetDatum((int64) (bytes->tail - bytes->head));
		values[column++] = Int64GetDatum((int64) mvs_queue_size);
		values[column++] = Int64GetDatum(slot->queue->high_water);
		nulls[column] = (slot->queue->count == 0);
		values[column++] = TimestampTzGetDatum(oldest);
		values[column++] = Int64GetDatum(stats.enqueued);
		values[column++] = Int64GetDatum(stats.merged);
		values[column++] = Int64GetDatum(stats.overflowed);
		values[column++] = Int64GetDatum(stats.processed);
		values[column++] = Int64GetDatum(slot->backlogs->parts[MVS_BACKLOG_REQUESTS].held);
		values[column++] = Int64GetDatum(slot->queue->failed_count);
		LWLockRelease(slot->queue_lock);

		if (!OidIsValid(oid))
			continue;
		values[2] = CStringGetTextDatum(DatumGetCString(values[2]));
		values[column++] = Int64GetDatum(stats.entries);
		values[column++] = Int64GetDatum(stats.bytes);
		values[column++] = Int64GetDatum(stats.batches);
		nulls[column] = (stats.last_batch_at == 0);
		values[column++] = TimestampTzGetDatum(stats.last_batch_at);
		nulls[column] = (stats.last_batch_at == 0);
		values[column++] = interval_of(stats.last_batch_usecs);
		nulls[column] = (stats.lag_count == 0);
		values[column++] = interval_of(stats.lag_total_usecs / Max(stats.lag_count, 1));
		nulls[column] = (stats.lag_count == 0);
		values[column++] = interval_of(stats.lag_max_usecs);
		values[column++] = Int64GetDatum(stats.sweeps);
		values[column++] = Int64GetDatum(stats.keys_due);
		values[column++] = Int64GetDatum(stats.maintenance_runs);
		nulls[column] = (stats.last_maintenance_at == 0);
		values[column++] = TimestampTzGetDatum(stats.last_maintenance_at);
		nulls[column] = (stats.last_error_at == 0 || !may_see_errors(oid));
		values[column++] = CStringGetTextDatum(stats.last_error);
		nulls[column] = (stats.last_error_at == 0);
		values[column++] = TimestampTzGetDatum(stats.last_error_at);
		values[column++] = TimestampTzGetDatum(stats.since);
		nulls[column] = (throttled_since == 0);
		values[column++] = TimestampTzGetDatum(throttled_since);
		Assert(column == lengthof(values));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* What shared memory counts for each store of this database. */
Datum
mvstore_stat_stores(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MvsStoreStats *copies;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	if (mvs_shared == NULL)
		return (Datum) 0;
	count = mvs_counters_copy(MyDatabaseId, &copies);
	for (int i = 0; i < count; i++)
	{
		MvsStoreStats *copy = &copies[i];
		uint64		last_sweep = pg_atomic_read_u64(&copy->last_sweep);
		Datum		values[11];
		bool		nulls[11] = {false};

		values[0] = ObjectIdGetDatum(copy->key.store);
		values[1] = Int64GetDatum((int64) pg_atomic_read_u64(&copy->puts));
		values[2] = Int64GetDatum((int64) pg_atomic_read_u64(&copy->deletes));
		values[3] = Int64GetDatum((int64) pg_atomic_read_u64(&copy->requests));
		values[4] = Int64GetDatum((int64) pg_atomic_read_u64(&copy->entries));
		values[5] = Int64GetDatum((int64) pg_atomic_read_u64(&copy->bytes));
		values[6] = Int64GetDatum((int64) pg_atomic_read_u64(&copy->purged));
		values[7] = Int64GetDatum((int64) pg_atomic_read_u64(&copy->expired));
		nulls[8] = (last_sweep == 0);
		values[8] = TimestampTzGetDatum((TimestampTz) last_sweep);
		values[9] = Int64GetDatum((int64) pg_atomic_read_u64(&copy->swept));
		values[10] = Int64GetDatum((int64) pg_atomic_read_u64(&copy->keys_due));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The stores, and tables of the catalog, that the worker of this database cannot get at. */
Datum
mvstore_stat_troubles(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MvsDatabase *database = mvs_session_join_if_used();
	MvsBacklog	backlog;

	InitMaterializedSRF(fcinfo, 0);
	if (database == NULL)
		return (Datum) 0;
	LWLockAcquire(database->queue_lock, LW_SHARED);
	mvs_backlog_combine(database->backlogs, &backlog);
	LWLockRelease(database->queue_lock);

	for (int i = 0; i < backlog.trouble_count; i++)
	{
		const MvsTrouble *trouble = &backlog.troubles[i];
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = CStringGetTextDatum(trouble->locked ? "lock" : "error");
		nulls[1] = !OidIsValid(trouble->store); /* of the database */
		values[1] = ObjectIdGetDatum(trouble->store);
		values[2] = TimestampTzGetDatum(trouble->since);
		values[3] = Int64GetDatum(trouble->requests);
		nulls[4] = trouble->locked ||
			!(may_see_errors(MyDatabaseId) || mvs_store_is_readable(trouble->store));
		values[4] = CStringGetTextDatum(trouble->message);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The transactions that are writing to stores of this database. */
Datum
mvstore_stat_writers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MvsDatabase *database = mvs_session_join_if_used();
	MvsWriter  *writers;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	if (database == NULL)
		return (Datum) 0;
	count = mvs_version_writers(database, &writers);
	for (int i = 0; i < count; i++)
	{
		Datum		values[2] = {
			Int32GetDatum(writers[i].pid), Int64GetDatum(writers[i].version)
		};
		bool		nulls[2] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* mvstore_stats_reset(): the counters of this database and of its stores begin anew. */
Datum
mvstore_stats_reset(PG_FUNCTION_ARGS)
{
	MvsDatabase *database;

	mvs_shared_require();
	database = mvs_database_find(MyDatabaseId);
	if (database == NULL)
		PG_RETURN_VOID();		/* nothing has been counted */
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	mvs_drop_stats_clear(database);
	database->queue->high_water = database->queue->count;
	LWLockRelease(database->queue_lock);

	mvs_counters_forget_database(MyDatabaseId);
	PG_RETURN_VOID();
}
