/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  Counters of stores in shared memory.
 *
 * Everything is counted when it has committed; refusals at once, as nothing commits.
 * The hash of stores is guarded by store_lock, shared for counting, exclusive for
 * adding and removing; the counters are atomic.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"

#include "base/compat.h"
#include "shared/counters.h"

/* Stores, over all databases, that have counters of their own. */
#define MAX_COUNTED_STORES 4096

static HTAB *store_stats = NULL;
static LWLock *store_lock = NULL;

static MvsStoreStats *find(Oid store, HASHACTION action);
static void clear(MvsStoreStats *stats);
static void add_store(Oid store);
static MvsStoreStats *find_to_count(Oid store);

Size
mvs_counters_shmem_size(void)
{
	return hash_estimate_size(MAX_COUNTED_STORES, sizeof(MvsStoreStats));
}

int
mvs_counters_shmem_locks(void)
{
	return 1;
}

void
mvs_counters_shmem_startup(LWLockPadded *locks)
{
	HASHCTL		control = {
		.keysize = sizeof(MvsStoreKey),
		.entrysize = sizeof(MvsStoreStats)
	};

	store_stats = mvs_compat_shmem_init_hash("mvstore store counters", MAX_COUNTED_STORES,
											 &control,
											 HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	store_lock = &locks[0].lock;
}

/* The counters of a store of this database, with store_lock held. */
static MvsStoreStats *
find(Oid store, HASHACTION action)
{
	MvsStoreKey key = {.database = MyDatabaseId, .store = store};

	return hash_search(store_stats, &key, action, NULL);
}

/* Have counters begin anew; what maintenance goes by stays. With store_lock held exclusively. */
static void
clear(MvsStoreStats *stats)
{
	pg_atomic_write_u64(&stats->puts, 0);
	pg_atomic_write_u64(&stats->deletes, 0);
	pg_atomic_write_u64(&stats->requests, 0);
	pg_atomic_write_u64(&stats->entries, 0);
	pg_atomic_write_u64(&stats->bytes, 0);
	pg_atomic_write_u64(&stats->purged, 0);
	pg_atomic_write_u64(&stats->expired, 0);
	pg_atomic_write_u64(&stats->keys_due, 0);
	pg_atomic_write_u64(&stats->swept, 0);
	pg_atomic_write_u64(&stats->last_sweep, 0);
	for (int i = 0; i < MVS_REFUSALS; i++)
		pg_atomic_write_u64(&stats->refused[i], 0);
}

/* Make a place for a store that has none, if there is room. */
static void
add_store(Oid store)
{
	MvsStoreStats *stats;

	LWLockAcquire(store_lock, LW_EXCLUSIVE);
	if (!find(store, HASH_FIND) && (stats = find(store, HASH_ENTER_NULL)) != NULL)
	{
		pg_atomic_init_u64(&stats->puts, 0);
		pg_atomic_init_u64(&stats->deletes, 0);
		pg_atomic_init_u64(&stats->requests, 0);
		pg_atomic_init_u64(&stats->changes, 0);
		pg_atomic_init_u64(&stats->entries, 0);
		pg_atomic_init_u64(&stats->bytes, 0);
		pg_atomic_init_u64(&stats->purged, 0);
		pg_atomic_init_u64(&stats->expired, 0);
		pg_atomic_init_u64(&stats->keys_due, 0);
		pg_atomic_init_u64(&stats->swept, 0);
		pg_atomic_init_u64(&stats->unmaintained, 0);
		pg_atomic_init_u64(&stats->maintained_at, 0);
		pg_atomic_init_u64(&stats->maintained_end, 0);
		pg_atomic_init_u64(&stats->maintained_time, 0);
		pg_atomic_init_u64(&stats->maintained_vain, 0);
		pg_atomic_init_u64(&stats->maintained_left, 0);
		pg_atomic_init_u64(&stats->last_sweep, 0);
		for (int i = 0; i < MVS_REFUSALS; i++)
			pg_atomic_init_u64(&stats->refused[i], 0);
	}
	LWLockRelease(store_lock);
}

/*
 * The counters of a store, which has some from now on; NULL where there is no room. Either way
 * store_lock is held then.
 */
static MvsStoreStats *
find_to_count(Oid store)
{
	MvsStoreStats *stats;

	LWLockAcquire(store_lock, LW_SHARED);
	stats = find(store, HASH_FIND);
	if (stats)
		return stats;
	LWLockRelease(store_lock);
	add_store(store);
	LWLockAcquire(store_lock, LW_SHARED);
	return find(store, HASH_FIND);
}

void
mvs_counters_count(const MvsStoreCount *count)
{
	MvsStoreStats *stats = find_to_count(count->store);

	if (stats)
	{
		pg_atomic_fetch_add_u64(&stats->puts, count->puts);
		pg_atomic_fetch_add_u64(&stats->deletes, count->deletes);
		pg_atomic_fetch_add_u64(&stats->requests, count->requests);
		pg_atomic_fetch_add_u64(&stats->changes, 1);
	}
	LWLockRelease(store_lock);
}

void
mvs_counters_tally(Oid store, const MvsTally *tally)
{
	MvsStoreStats *stats = find_to_count(store);

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
	LWLockRelease(store_lock);
}

void
mvs_counters_refused(Oid store, MvsRefusal why)
{
	Oid			counted[] = {store, InvalidOid};

	if (store_stats == NULL)
		return;
	for (int i = 0; i < lengthof(counted); i++)
	{
		MvsStoreStats *stats = find_to_count(counted[i]);

		if (stats)
			pg_atomic_fetch_add_u64(&stats->refused[why], 1);
		LWLockRelease(store_lock);
	}
}

int64
mvs_counters_changed(Oid store)
{
	int64		changed = -1;
	MvsStoreStats *stats;

	if (store_stats == NULL)
		return changed;
	LWLockAcquire(store_lock, LW_SHARED);
	stats = find(store, HASH_FIND);
	if (stats)
		changed = (int64) pg_atomic_read_u64(&stats->changes);
	LWLockRelease(store_lock);
	return changed;
}

MvsVacuum
mvs_counters_vacuum(Oid store)
{
	MvsVacuum	vacuum = {0};
	MvsStoreStats *stats;

	LWLockAcquire(store_lock, LW_SHARED);
	stats = find(store, HASH_FIND);
	if (stats)
	{
		vacuum.dropped = (int64) pg_atomic_read_u64(&stats->unmaintained);
		vacuum.at = FullTransactionIdFromU64(pg_atomic_read_u64(&stats->maintained_at));
		vacuum.end = (TimestampTz) pg_atomic_read_u64(&stats->maintained_end);
		vacuum.time = (int64) pg_atomic_read_u64(&stats->maintained_time);
		vacuum.vain = (int) pg_atomic_read_u64(&stats->maintained_vain);
		vacuum.left = (int64) pg_atomic_read_u64(&stats->maintained_left);
	}
	LWLockRelease(store_lock);
	return vacuum;
}

void
mvs_counters_vacuumed(Oid store, const MvsVacuum *vacuum)
{
	MvsStoreStats *stats;

	LWLockAcquire(store_lock, LW_SHARED);
	stats = find(store, HASH_FIND);
	if (stats)
	{
		pg_atomic_fetch_sub_u64(&stats->unmaintained, vacuum->dropped);
		pg_atomic_write_u64(&stats->maintained_at, U64FromFullTransactionId(vacuum->at));
		pg_atomic_write_u64(&stats->maintained_end, (uint64) vacuum->end);
		pg_atomic_write_u64(&stats->maintained_time, (uint64) vacuum->time);
		pg_atomic_write_u64(&stats->maintained_vain, (uint64) vacuum->vain);
		pg_atomic_write_u64(&stats->maintained_left, (uint64) vacuum->left);
	}
	LWLockRelease(store_lock);
}

void
mvs_counters_swept(Oid store, TimestampTz at)
{
	MvsStoreStats *stats = find_to_count(store);

	if (stats)
		pg_atomic_write_u64(&stats->last_sweep, (uint64) at);
	LWLockRelease(store_lock);
}

void
mvs_counters_forget_store(Oid store)
{
	LWLockAcquire(store_lock, LW_EXCLUSIVE);
	(void) find(store, HASH_REMOVE);
	LWLockRelease(store_lock);
}

void
mvs_counters_forget_database(Oid database)
{
	HASH_SEQ_STATUS status;
	MvsStoreStats *stats;

	LWLockAcquire(store_lock, LW_EXCLUSIVE);
	hash_seq_init(&status, store_stats);
	while ((stats = hash_seq_search(&status)) != NULL)
		if (stats->key.database == database)
			(void) hash_search(store_stats, &stats->key, HASH_REMOVE, NULL);
	LWLockRelease(store_lock);
}

void
mvs_counters_reset(void)
{
	HASH_SEQ_STATUS status;
	MvsStoreStats *stats;

	if (store_stats == NULL)
		return;
	LWLockAcquire(store_lock, LW_EXCLUSIVE);
	hash_seq_init(&status, store_stats);
	while ((stats = hash_seq_search(&status)) != NULL)
		if (stats->key.database == MyDatabaseId)
			clear(stats);
	LWLockRelease(store_lock);
}

int
mvs_counters_copy(Oid database, MvsStoreStats **copies)
{
	HASH_SEQ_STATUS status;
	MvsStoreStats *stats;
	int			count = 0;

	/* Copied first: nothing that can fail is done under the lock. */
	*copies = palloc(sizeof(MvsStoreStats) * MAX_COUNTED_STORES);
	LWLockAcquire(store_lock, LW_SHARED);
	hash_seq_init(&status, store_stats);
	while ((stats = hash_seq_search(&status)) != NULL)
		if (!OidIsValid(database) || stats->key.database == database)
			(*copies)[count++] = *stats;
	LWLockRelease(store_lock);
	return count;
}

void
mvs_counters_put(const MvsStoreStats *stats)
{
	MvsStoreStats *own = hash_search(store_stats, &stats->key, HASH_ENTER_NULL, NULL);

	if (own)
		*own = *stats;
}
