/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  The functions below mvstore_stats, mvstore_store_stats, the views of metrics
 *	  and of what the worker and the writers do; mvstore_stats_reset().
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
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "base/settings.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "shared/drop_stats.h"
#include "shared/droppers.h"
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

/* What is shown of a database, copied under its lock. */
typedef struct DatabaseCopy
{
	Oid			oid;
	int			worker_pid;		/* 0: there is none */
	const char *worker_state;
	int			workers;		/* that drop, assistants among them */
	bool		lacks_assistant;	/* another is wanted, and the server has no slot for it */
	bool		lacks_slot;		/* a worker is wanted, and likewise */
	bool		lacks_launcher; /* or nobody to start it */
	int64		queue_length;
	int64		queue_bytes;
	int64		queue_high_water;
	TimestampTz queue_oldest;
	int64		held;
	int64		failed;
	TimestampTz throttled_since;	/* 0: it is not */
	MvsDropStats stats;
} DatabaseCopy;

/* Columns of mvstore_stat_databases(). */
#define DATABASE_COLUMNS 35

/* A row of it, as far as it is formed. */
typedef struct Row
{
	Datum		values[DATABASE_COLUMNS];
	bool		nulls[DATABASE_COLUMNS];
	int			count;
} Row;

PG_FUNCTION_INFO_V1(mvstore_stat_databases);
PG_FUNCTION_INFO_V1(mvstore_stat_stores);
PG_FUNCTION_INFO_V1(mvstore_stat_troubles);
PG_FUNCTION_INFO_V1(mvstore_stat_writers);
PG_FUNCTION_INFO_V1(mvstore_stat_feed);
PG_FUNCTION_INFO_V1(mvstore_stat_size);
PG_FUNCTION_INFO_V1(mvstore_stat_launcher);
PG_FUNCTION_INFO_V1(mvstore_stats_reset);

static Datum interval_of(int64 usecs);
static bool lacks_launcher(const MvsDatabase *slot);
static const char *worker_state_of(const MvsDatabase *slot);
static bool may_see_errors(Oid database);
static bool copy_database(const MvsDatabase *slot, DatabaseCopy *copy);
static void add_column(Row *row, Datum value, bool known);
static void add_count(Row *row, int64 count);
static void add_time(Row *row, TimestampTz time);
static void add_queue(Row *row, const DatabaseCopy *copy);
static void add_drops(Row *row, const DatabaseCopy *copy);
static void reset_counters(void);

/* Microseconds as an interval. */
static Datum
interval_of(int64 usecs)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = usecs;
	return IntervalPGetDatum(interval);
}

/* Whether the worker of a database is to be started, and who would do that is not there. */
static bool
lacks_launcher(const MvsDatabase *slot)
{
	/* It may have found no slot itself, when the server was started. */
	return mvs_shared->launcher_proc < 0 &&
		(slot->worker->state == MVS_WORKER_WANTED || slot->worker->state == MVS_WORKER_TURN ||
		 slot->worker->state == MVS_WORKER_NO_SLOT);
}

/* What is told of a database's worker. With queue_lock held. */
static const char *
worker_state_of(const MvsDatabase *slot)
{
	if (lacks_launcher(slot))
		return "launcher not running";
	if (slot->worker->state == MVS_WORKER_IDLE && slot->queue->paused)
		return "paused";
	if (slot->worker->state == MVS_WORKER_TURN && slot->worker->turn <= GetCurrentTimestamp())
		return worker_states[MVS_WORKER_WANTED];
	if (slot->worker->state == MVS_WORKER_IDLE && slot->worker->throttled_since != 0)
		return "rate limit";
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

/* Copy what is shown of a database; false where the slot has none. */
static bool
copy_database(const MvsDatabase *slot, DatabaseCopy *copy)
{
	LWLockAcquire(slot->queue_lock, LW_SHARED);
	copy->oid = slot->oid;
	copy->worker_pid = slot->worker->pid;
	copy->workers = (slot->worker->pid != 0) + slot->droppers->assistants;
	copy->lacks_assistant = slot->droppers->lacks_slot;
	copy->worker_state = worker_state_of(slot);
	copy->lacks_launcher = lacks_launcher(slot);
	copy->lacks_slot = !copy->lacks_launcher && slot->worker->state == MVS_WORKER_NO_SLOT;
	copy->queue_length = slot->queue->count;
	copy->queue_bytes = (int64) (slot->queue->bytes.tail - slot->queue->bytes.head);
	copy->queue_high_water = slot->queue->high_water;
	copy->queue_oldest = slot->queue->oldest;
	copy->held = slot->backlogs->parts[MVS_BACKLOG_REQUESTS].held;
	copy->failed = slot->queue->failed_count;
	copy->throttled_since = slot->worker->throttled_since;
	copy->stats = *slot->stats;
	LWLockRelease(slot->queue_lock);
	return OidIsValid(copy->oid);
}

/* Add a column to a row; NULL where it is not known. */
static void
add_column(Row *row, Datum value, bool known)
{
	if (row->count == DATABASE_COLUMNS)
		elog(ERROR, "mvstore_stat_databases() has more than %d columns", DATABASE_COLUMNS);
	row->nulls[row->count] = !known;
	row->values[row->count++] = value;
}

static void
add_count(Row *row, int64 count)
{
	add_column(row, Int64GetDatum(count), true);
}

/* Add a time; 0: never. */
static void
add_time(Row *row, TimestampTz time)
{
	add_column(row, TimestampTzGetDatum(time), time != 0);
}

/* The columns about the worker and the queue. */
static void
add_queue(Row *row, const DatabaseCopy *copy)
{
	const MvsDropStats *stats = &copy->stats;

	add_column(row, ObjectIdGetDatum(copy->oid), true);
	add_column(row, Int32GetDatum(copy->worker_pid), copy->worker_pid != 0);
	add_column(row, CStringGetTextDatum(copy->worker_state), true);
	add_column(row, Int32GetDatum(copy->workers), true);
	add_column(row, BoolGetDatum(copy->lacks_assistant), true);
	add_column(row, BoolGetDatum(copy->lacks_slot), true);
	add_column(row, BoolGetDatum(copy->lacks_launcher), true);
	add_count(row, copy->queue_length);
	add_count(row, copy->queue_bytes);
	add_count(row, mvs_queue_size);
	add_count(row, copy->queue_high_water);
	add_column(row, TimestampTzGetDatum(copy->queue_oldest), copy->queue_length > 0);
	add_count(row, stats->enqueued);
	add_count(row, stats->merged);
	add_count(row, stats->overflowed);
	add_count(row, stats->processed);
	add_count(row, copy->held);
	add_count(row, copy->failed);
}

/* The columns about what was done. */
static void
add_drops(Row *row, const DatabaseCopy *copy)
{
	const MvsDropStats *stats = &copy->stats;

	add_count(row, stats->entries);
	add_count(row, stats->bytes);
	add_count(row, stats->batches);
	add_time(row, stats->last_batch_at);
	add_column(row, interval_of(stats->last_batch_usecs), stats->last_batch_at != 0);
	add_count(row, stats->lag_count);
	add_column(row, interval_of(stats->lag_total_usecs), true);
	add_column(row, interval_of(stats->lag_max_usecs), stats->lag_count > 0);
	add_count(row, stats->sweeps);
	add_count(row, stats->keys_due);
	add_count(row, stats->yields);
	add_count(row, stats->maintenance_runs);
	add_time(row, stats->last_maintenance_at);
	add_column(row, CStringGetTextDatum(stats->last_error),
			   stats->last_error_at != 0 && may_see_errors(copy->oid) &&
			   pg_verifymbstr(stats->last_error, (int) strlen(stats->last_error), true));
	add_time(row, stats->last_error_at);
	add_column(row, TimestampTzGetDatum(stats->since), true);
	add_time(row, copy->throttled_since);
}

/* What shared memory counts for each database that has a slot. */
Datum
mvstore_stat_databases(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < mvs_databases_used(); i++)
	{
		DatabaseCopy copy;
		Row			row = {.count = 0};

		if (!copy_database(&mvs_shared->databases[i], &copy))
			continue;
		add_queue(&row, &copy);
		add_drops(&row, &copy);
		Assert(row.count == lengthof(row.values));
		tuplestore_putvalues(result->setResult, result->setDesc, row.values, row.nulls);
	}
	return (Datum) 0;
}

/* What shared memory counts for each store of this database; store 0: beyond the life of stores. */
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
		Datum		values[13];
		bool		nulls[13] = {false};

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
		values[11] = Int64GetDatum((int64) pg_atomic_read_u64(&copy->refused[MVS_REFUSED_GONE]));
		values[12] = Int64GetDatum((int64) pg_atomic_read_u64(&copy->refused[MVS_REFUSED_LATE]));
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

		values[0] = BoolGetDatum(trouble->locked);
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
		Datum		values[3] = {
			Int32GetDatum(writers[i].pid), Int64GetDatum(writers[i].version),
			TransactionIdGetDatum(XidFromFullTransactionId(writers[i].xid))
		};
		bool		nulls[3] = {writers[i].pid == 0};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Whether a store has an index in the order of versions. */
Datum
mvstore_stat_feed(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(mvs_store_has_feed(PG_GETARG_OID(0)));
}

/* The size of a store; NULL where somebody has it locked: who watches waits for nobody. */
Datum
mvstore_stat_size(PG_FUNCTION_ARGS)
{
	int64		size = mvs_store_size(PG_GETARG_OID(0));

	if (size < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(size);
}

/* Whether the launcher runs. */
Datum
mvstore_stat_launcher(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(mvs_shared && mvs_shared->launcher_proc >= 0);
}

/* Reset those of stores, and forget those of what is no store, or gone. */
static void
reset_counters(void)
{
	MvsStoreStats *copies;
	int			count = mvs_counters_copy(MyDatabaseId, &copies);

	for (int i = 0; i < count; i++)
	{
		Oid			store = copies[i].key.store;

		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(store)))
			mvs_counters_forget_store(store);
	}
	pfree(copies);
	mvs_counters_reset();
}

/* mvstore_stats_reset(): the counters of this database and of its stores begin anew. */
Datum
mvstore_stats_reset(PG_FUNCTION_ARGS)
{
	MvsDatabase *database;

	mvs_shared_require();
	reset_counters();
	database = mvs_database_find(MyDatabaseId);
	if (database == NULL)
		PG_RETURN_VOID();		/* a standby counts no more than these, nor has it whom to wake */
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	mvs_drop_stats_clear(database);
	database->queue->high_water = database->queue->count;
	LWLockRelease(database->queue_lock);

	/* Who waits for changes goes by what was counted. */
	ConditionVariableBroadcast(&database->settled);
	PG_RETURN_VOID();
}
