/*-------------------------------------------------------------------------
 *
 * reading.c
 *	  A read under way: a store, a snapshot, and the version that it is as of.
 *
 * A read uses one snapshot, mostly the active one, for entries and floor alike, so what a drop
 * has removed and that it was removed are seen together or not at all. It
 * never writes, takes no lock but ACCESS SHARE on the store, and needs shared
 * memory only to tell whether a version lies in the future.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/transam.h"
#include "access/xact.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "base/snapshot.h"
#include "functions/reading.h"
#include "shared/counters.h"
#include "store/floor.h"
#include "store/storage.h"
#include "version/as_of.h"
#include "version/stable.h"
#include "version/clock.h"

static void choose_snapshot(MvsRead *read);
static bool is_rewritten(const MvsStore *store, Snapshot snapshot);
static bool is_lost(const MvsStore *store, Snapshot snapshot);
static bool is_own(TransactionId xid, Snapshot snapshot);
static bool is_new_to(TransactionId xid, Snapshot snapshot);
static void release_snapshot(MvsRead *read);
static int64 read_floor(MvsRead *read);
static bool has_expired(MvsRead *read, const MvsEntry *entry);

/*
 * Plain SQL under READ COMMITTED takes its snapshot when it has its locks, so that it sees all
 * rows of a table that was rewritten before, by ALTER TABLE or pg_repack: they are new to older
 * snapshots, which see none of them. We are told of the store when there is a snapshot already.
 * Who must keep it would take the store for empty. (It is, behind a TRUNCATE, of which a floor
 * tells.)
 */
static void
choose_snapshot(MvsRead *read)
{
	const MvsStore *store = &read->store;
	Snapshot	snapshot = mvs_active_snapshot();
	bool		lacks = is_new_to(store->info.indexed, snapshot);	/* see ii_BrokenHotChain */

	read->snapshot = snapshot;
	read->is_renewed = false;
	if (!lacks && !is_rewritten(store, snapshot))
		return;
	if (!lacks && mvs_storage_is_of_here(store))
	{
		/* A cursor, or the rest of a statement whose function has done it. */
		if (!is_lost(store, snapshot))
			return;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("store \"%s\" has been rewritten by this transaction since the query began",
						RelationGetRelationName(store->heap)),
				 errhint("A query that begins now can read it.")));
	}
	if (mvs_read_renew(read) || !(lacks || is_lost(store, snapshot)))
		return;
	mvs_counters_refused(store->info.oid, MVS_REFUSED_LATE);
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("store \"%s\" has been rewritten since the snapshot of this transaction",
					RelationGetRelationName(store->heap)),
			 errdetail("What it held then cannot be seen any more."),
			 errhint("Repeat the transaction.")));
}

/* Whether a store has other storage than a snapshot sees. */
static bool
is_rewritten(const MvsStore *store, Snapshot snapshot)
{
	SnapshotData before;

	if (is_new_to(store->info.changed, snapshot) || mvs_storage_is_of_here(store))
		return !mvs_storage_is_of(store, snapshot);

	/* Our own change of something else would hide what another one has done before. */
	if (!IsolationUsesXactSnapshot() || IsParallelWorker() ||
		store->heap->rd_createSubid != InvalidSubTransactionId ||
		!is_own(store->info.changed, snapshot))
		return false;
	before = *snapshot;
	before.curcid = FirstCommandId;
	return !mvs_storage_is_of(store, &before);
}

/*
 * Whether a snapshot sees no row of a store that was rewritten since, though there were some. (Of a
 * TRUNCATE a floor tells; and of a detached store that was altered and attached again nobody.)
 */
static bool
is_lost(const MvsStore *store, Snapshot snapshot)
{
	return mvs_storage_has_life_of(store, snapshot) && !mvs_storage_has_rows_of(store, snapshot);
}

/* Whether a transaction is our own, for a snapshot of ours. */
static bool
is_own(TransactionId xid, Snapshot snapshot)
{
	return TransactionIdIsNormal(xid) && !TransactionIdPrecedes(xid, snapshot->xmin) &&
		TransactionIdIsCurrentTransactionId(xid);
}

/* Whether a snapshot does not see what a transaction has done that is another one. */
static bool
is_new_to(TransactionId xid, Snapshot snapshot)
{
	return TransactionIdIsNormal(xid) && XidInMVCCSnapshot(xid, snapshot) &&
		!is_own(xid, snapshot);
}

bool
mvs_read_renew(MvsRead *read)
{
	CommandId	curcid = read->snapshot->curcid;

	if (IsolationUsesXactSnapshot() || IsInParallelMode())
		return false;

	/* A copy. Of our own transaction it is to see what the active one does. */
	release_snapshot(read);
	read->snapshot = RegisterSnapshot(GetLatestSnapshot());
	read->snapshot->curcid = curcid;
	read->is_renewed = true;
	return true;
}

/* Done with the snapshot. */
static void
release_snapshot(MvsRead *read)
{
	if (read->is_renewed)
		UnregisterSnapshot(read->snapshot);
}

void
mvs_read_open(MvsRead *read, Oid store, int64 as_of, MvsFamily family, const char *function)
{
	mvs_store_open(&read->store, store, AccessShareLock, ACL_SELECT);
	choose_snapshot(read);
	read->as_of = as_of == MVS_NEWEST ? mvs_as_of(read->snapshot) : as_of;
	read->floor_known = false;
	read->past = 0;
	read->now = GetCurrentStatementStartTimestamp();
	read->family = family;
	read->function = function;
	if (read->as_of != MVS_NEWEST)
		mvs_read_refuse_future(read);
}

void
mvs_read_begin(MvsRead *read, FunctionCallInfo fcinfo, int as_of_argument, MvsFamily family,
			   const char *function)
{
	Oid			store = mvs_get_store(fcinfo, 0);
	int64		as_of = as_of_argument < 0 ? MVS_NEWEST :
	mvs_get_version(fcinfo, as_of_argument, "as_of");

	mvs_read_open(read, store, as_of, family, function);
}

void
mvs_read_close(MvsRead *read)
{
	release_snapshot(read);
	mvs_store_close(&read->store);
}

void
mvs_read_release(MvsRead *read)
{
	Oid			heap = RelationGetRelid(read->store.heap);
	Oid			index = RelationGetRelid(read->store.index);

	release_snapshot(read);
	mvs_store_close(&read->store);
	UnlockRelationOid(index, AccessShareLock);
	UnlockRelationOid(heap, AccessShareLock);
}

/* The floor of the store as the snapshot sees it. */
static int64
read_floor(MvsRead *read)
{
	if (!read->floor_known)
	{
		read->floor = mvs_floor_read(RelationGetRelid(read->store.heap), read->snapshot);
		read->floor_known = true;
	}
	return read->floor;
}

void
mvs_read_refuse_future(MvsRead *read)
{
	MvsUnstable why;

	if (!mvs_strict_history || mvs_is_stable(read->snapshot, read->as_of))
		return;
	mvs_stable_explain(read->snapshot, read->as_of, &why);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version " INT64_FORMAT " of store \"%s\" is not stable yet",
					read->as_of, RelationGetRelationName(read->store.heap)),
			 errdetail_internal("%s", why.detail),
			 errhint("%s", why.hint)));
}

void
mvs_read_refuse_below_floor(MvsRead *read)
{
	if (read->as_of == MVS_NEWEST || !mvs_strict_history)
		return;
	mvs_store_refuse_untold(&read->store);
	if (read->as_of >= read_floor(read))
		return;
	mvs_counters_refused(RelationGetRelid(read->store.heap), MVS_REFUSED_GONE);
	ereport(ERROR,
			(errcode(ERRCODE_HISTORY_GONE),
			 errmsg("history of store \"%s\" as of version " INT64_FORMAT " is gone",
					RelationGetRelationName(read->store.heap), read->as_of),
			 errdetail("Reads are complete as of version " INT64_FORMAT " or later.",
					   read_floor(read)),
			 errhint("mvstore_pin() keeps history that will be read. With \"mvstore.strict_history\" off, what is left of it is shown.")));
}

/* Whether an entry is past its time to live, for this read. */
static bool
has_expired(MvsRead *read, const MvsEntry *entry)
{
	int64		expires;

	if (!entry->expires)
		return false;
	if (TIMESTAMP_NOT_FINITE(entry->expires_at))
		return TIMESTAMP_IS_NOBEGIN(entry->expires_at);
	expires = mvs_version_of_time(entry->expires_at);
	if (read->as_of != MVS_NEWEST)
		return expires <= read->as_of;

	/* The clock may step back, but what a sweep took as expired stays so. */
	return entry->expires_at <= read->now ||
		expires <= read->past || expires <= read_floor(read);
}

bool
mvs_read_is_live(MvsRead *read, const MvsEntry *entry)
{
	return !entry->tombstone && !has_expired(read, entry);
}

bool
mvs_read_find(MvsRead *read, MvsCursor *cursor, const bytea *key, MvsEntry *entry)
{
	return mvs_read_found(read, mvs_cursor_find(cursor, key, read->as_of, entry), entry);
}

bool
mvs_read_found(MvsRead *read, bool found, const MvsEntry *entry)
{
	if (!found)
	{
		mvs_read_refuse_below_floor(read);
		return false;
	}
	return mvs_read_is_live(read, entry);
}

Datum
mvs_read_return_key(MvsRead *read, bytea *key)
{
	return mvs_return_key(key, read->family, RelationGetRelationName(read->store.heap),
						  read->function);
}

Datum
mvs_read_return_value(MvsRead *read, const bytea *key, const MvsEntry *entry)
{
	return mvs_return_value(mvs_entry_value(entry), key, read->family,
							RelationGetRelationName(read->store.heap), read->function);
}

void
mvs_read_put_value(MvsRead *read, const bytea *key, const MvsEntry *entry, bool found,
				   Datum *values, bool *nulls)
{
	nulls[0] = !found;
	nulls[1] = !found || entry->tombstone;
	if (!nulls[0])
		values[0] = Int64GetDatum(entry->version);
	if (!nulls[1])
		values[1] = mvs_read_return_value(read, key, entry);
}

void
mvs_read_put_expiry(const MvsEntry *entry, bool found, Datum *value, bool *null)
{
	*null = !found || !entry->expires;
	if (!*null)
		*value = TimestampTzGetDatum(entry->expires_at);
}

void
mvs_read_put_row(MvsRead *read, bytea *key, const MvsEntry *entry, bool found, Datum *values,
				 bool *nulls)
{
	values[0] = mvs_read_return_key(read, key);
	nulls[0] = false;
	mvs_read_put_value(read, key, entry, found, &values[1], &nulls[1]);
	mvs_read_put_expiry(entry, found, &values[3], &nulls[3]);
}
