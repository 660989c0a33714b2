/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  Counters of stores in shared memory, and what the views show.
 *
 * Everything is counted when it has committed. The hash of stores is guarded by
 * store_lock, shared for counting, exclusive for adding and removing; the
 * counters are atomic.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "base/settings.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "store/store.h"
#include "version/session.h"
#include "version/version.h"

static HTAB *store_stats = NULL;

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

static MvsStoreStats *find(Oid store, HASHACTION action);
static bool may_see_errors(Oid database);
static const char *worker_state_of(const MvsDatabase *slot);

Size
mvs_stats_shmem_size(void)
{
	return hash_estimate_size(MVS_MAX_COUNTED_STORES, sizeof(MvsStoreStats));
}

void
mvs_stats_shmem_startup(void)
{
	HASHCTL		control = {
		.keysize = sizeof(MvsStoreKey),
		.entrysize = sizeof(MvsStoreStats)
	};

	store_stats = mvs_compat_shmem_init_hash("mvstore store counters", MVS_MAX_COUNTED_STORES,
											 &control,
											 HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

/* The counters of a store of this database, with store_lock held. */
static MvsStoreStats *
find(Oid store, HASHACTION action)
{
	MvsStoreKey key = {.database = MyDatabaseId, .store = store};

	return hash_search(store_stats, &key, action, NULL);
}

void
mvs_stats_prepare(Oid store)
{
	MvsStoreStats *stats;

	LWLockAcquire(mvs_shared->store_lock, LW_SHARED);
	stats = find(store, HASH_FIND);
	LWLockRelease(mvs_shared->store_lock);
	if (stats)
		return;

	LWLockAcquire(mvs_shared->store_lock, LW_EXCLUSIVE);
	if (!find(store, HASH_FIND) && (stats = find(store, HASH_ENTER_NULL)) != NULL)
	{
		pg_atomic_init_u64(&stats->puts, 0);
		pg_atomic_init_u64(&stats->deletes, 0);
		pg_atomic_init_u64(&stats->requests, 0);
		pg_atomic_init_u64(&stats->entries, 0);
		pg_atomic_init_u64(&stats->bytes, 0);
		pg_atomic_init_u64(&stats->purged, 0);
		pg_atomic_init_u64(&stats->expired, 0);
		pg_atomic_init_u64(&stats->keys_due, 0);
		pg_atomic_init_u64(&stats->swept, 0);
		pg_atomic_init_u64(&stats->unmaintained, 0);
		pg_atomic_init_u64(&stats->maintained_at, 0);
		pg_atomic_init_u64(&stats->maintained_end, 0);
		pg_atomic_init_u64(&stats->maintained_vain, 0);
		pg_atomic_init_u64(&stats->maintained_left, 0);
		pg_atomic_init_u64(&stats->last_sweep, 0);
	}
	LWLockRelease(mvs_shared->store_lock);
}

void
mvs_stats_count(const MvsStoreCount *count)
{
	MvsStoreStats *stats;

	LWLockAcquire(mvs_shared->store_lock, LW_SHARED);
	stats = find(count->store, HASH_FIND);
	if (stats)
	{
		pg_atomic_fetch_add_u64(&stats->puts, count->puts);
		pg_atomic_fetch_add_u64(&stats->deletes, count->deletes);
		pg_atomic_fetch_add_u64(&stats->requests, count->requests);
	}
	LWLockRelease(mvs_shared->store_lock);
}

void
mvs_stats_tally(Oid store, const MvsTally *tally)
{
	MvsStoreStats *stats;

	LWLockAcquire(mvs_shared->store_lock, LW_SHARED);
	stats = find(store, HASH_FIND);
	if (stats)
	{
		pg_atomic_fetch_add_u64(&stats->entries, tally->entries);
		pg_atomic_fetch_add_u64(&stats->bytes, tally->bytes);
		pg_atomic_fetch_add_u64(&stats->purged, tally->purged);
		pg_atomic_fetch_add_u64(&stats->expired, tally->expired);
		pg_atomic_fetch_add_u64(&stats->keys_due, tally->keys_due);
		pg_atomic_fetch_add_u64(&stats->swept, tally->swept);
		pg_atomic_fetch_add_u64(&stats->unmaintained, tally->entries);
	}
	LWLockRelease(mvs_shared->store_lock);
}

MvsVacuum
mvs_stats_vacuum(Oid store)
{
	MvsVacuum	vacuum = {0};
	MvsStoreStats *stats;

	LWLockAcquire(mvs_shared->store_lock, LW_SHARED);
	stats = find(store, HASH_FIND);
	if (stats)
	{
		vacuum.dropped = (int64) pg_atomic_read_u64(&stats->unmaintained);
		vacuum.at = FullTransactionIdFromU64(pg_atomic_read_u64(&stats->maintained_at));
		vacuum.end = (TimestampTz) pg_atomic_read_u64(&stats->maintained_end);
		vacuum.vain = (int) pg_atomic_read_u64(&stats->maintained_vain);
		vacuum.left = (int64) pg_atomic_read_u64(&stats->maintained_left);
	}
	LWLockRelease(mvs_shared->store_lock);
	return vacuum;
}

void
mvs_stats_vacuumed(Oid store, const MvsVacuum *vacuum)
{
	MvsStoreStats *stats;

	LWLockAcquire(mvs_shared->store_lock, LW_SHARED);
	stats = find(store, HASH_FIND);
	if (stats)
	{
		pg_atomic_fetch_sub_u64(&stats->unmaintained, vacuum->dropped);
		pg_atomic_write_u64(&stats->maintained_at, U64FromFullTransactionId(vacuum->at));
		pg_atomic_write_u64(&stats->maintained_end, (uint64) vacuum->end);
		pg_atomic_write_u64(&stats->maintained_vain, (uint64) vacuum->vain);
		pg_atomic_write_u64(&stats->maintained_left, (uint64) vacuum->left);
	}
	LWLockRelease(mvs_shared->store_lock);
}

void
mvs_stats_swept(Oid store, TimestampTz at)
{
	MvsStoreStats *stats;

	LWLockAcquire(mvs_shared->store_lock, LW_SHARED);
	stats = find(store, HASH_FIND);
	if (stats)
		pg_atomic_write_u64(&stats->last_sweep, (uint64) at);
	LWLockRelease(mvs_shared->store_lock);
}

void
mvs_stats_forget_store(Oid store)
{
	LWLockAcquire(mvs_shared->store_lock, LW_EXCLUSIVE);
	(void) find(store, HASH_REMOVE);
	LWLockRelease(mvs_shared->store_lock);
}

void
mvs_stats_forget_database(Oid database)
{
	HASH_SEQ_STATUS status;
	MvsStoreStats *stats;

	LWLockAcquire(mvs_shared->store_lock, LW_EXCLUSIVE);
	hash_seq_init(&status, store_stats);
	while ((stats = hash_seq_search(&status)) != NULL)
		if (stats->key.database == database)
			(void) hash_search(store_stats, &stats->key, HASH_REMOVE, NULL);
	LWLockRelease(mvs_shared->store_lock);
}

int
mvs_stats_copy(Oid database, MvsStoreStats **copies)
{
	HASH_SEQ_STATUS status;
	MvsStoreStats *stats;
	int			count = 0;

	/* Copied first: nothing that can fail is done under the lock. */
	*copies = palloc(sizeof(MvsStoreStats) * MVS_MAX_COUNTED_STORES);
	LWLockAcquire(mvs_shared->store_lock, LW_SHARED);
	hash_seq_init(&status, store_stats);
	while ((stats = hash_seq_search(&status)) != NULL)
		if (!OidIsValid(database) || stats->key.database == database)
			(*copies)[count++] = *stats;
	LWLockRelease(mvs_shared->store_lock);
	return count;
}

void
mvs_stats_put(const MvsStoreStats *stats)
{
	MvsStoreStats *own = hash_search(store_stats, &stats->key, HASH_ENTER_NULL, NULL);

	if (own)
		*own = *stats;
}

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
	switch (slot->worker_state)
	{
		case MVS_WORKER_IDLE:
			if (slot->paused)
				return "paused";
			if (slot->throttled_since != 0)
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
	return worker_states[slot->worker_state];
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
		MvsDropStats stats;
		Datum		values[29];
		bool		nulls[29] = {false};
		int			column = 0;
		Oid			oid;
		TimestampTz oldest;
		TimestampTz throttled_since;

		LWLockAcquire(slot->queue_lock, LW_SHARED);
		oid = slot->oid;
		stats = slot->stats;
		oldest = slot->queue_oldest;
		throttled_since = slot->throttled_since;
		values[column++] = ObjectIdGetDatum(oid);
		nulls[column] = (slot->worker_pid == 0);
		values[column++] = Int32GetDatum(slot->worker_pid);
		values[column++] = PointerGetDatum(worker_state_of(slot));
		values[column++] = Int64GetDatum(slot->queue_count);
		values[column++] = Int64GetDatum((int64) (slot->queue_tail - slot->queue_head));
		values[column++] = Int64GetDatum((int64) mvs_queue_size);
		values[column++] = Int64GetDatum(slot->queue_high_water);
		nulls[column] = (slot->queue_count == 0);
		values[column++] = TimestampTzGetDatum(oldest);
		values[column++] = Int64GetDatum(stats.enqueued);
		values[column++] = Int64GetDatum(stats.merged);
		values[column++] = Int64GetDatum(stats.overflowed);
		values[column++] = Int64GetDatum(stats.processed);
		values[column++] = Int64GetDatum(slot->held_count);
		values[column++] = Int64GetDatum(slot->failed_count);
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
	count = mvs_stats_copy(MyDatabaseId, &copies);
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
	MvsTrouble	troubles[MVS_MAX_TROUBLES];
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	if (database == NULL)
		return (Datum) 0;
	LWLockAcquire(database->queue_lock, LW_SHARED);
	count = database->trouble_count;
	memcpy(troubles, database->troubles, sizeof(troubles));
	LWLockRelease(database->queue_lock);

	for (int i = 0; i < count; i++)
	{
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = CStringGetTextDatum(troubles[i].locked ? "lock" : "error");
		nulls[1] = !OidIsValid(troubles[i].store);	/* of the database */
		values[1] = ObjectIdGetDatum(troubles[i].store);
		values[2] = TimestampTzGetDatum(troubles[i].since);
		values[3] = Int64GetDatum(troubles[i].requests);
		nulls[4] = troubles[i].locked ||
			!(may_see_errors(MyDatabaseId) || mvs_store_is_readable(troubles[i].store));
		values[4] = CStringGetTextDatum(troubles[i].message);
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
	memset(&database->stats, 0, sizeof(database->stats));
	database->stats.since = GetCurrentTimestamp();
	database->queue_high_water = database->queue_count;
	LWLockRelease(database->queue_lock);

	mvs_stats_forget_database(MyDatabaseId);
	PG_RETURN_VOID();
}
