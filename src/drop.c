/*-------------------------------------------------------------------------
 *
 * drop.c
 *	  Dropping entries of one store in one transaction of the worker.
 *
 * Locks, in this order and none of them waited for: the store's table, ROW
 * EXCLUSIVE; the store's drop lock; then the snapshot is taken by which
 * everything is judged. What the horizon of that snapshot does not cover stays.
 * Deletions go straight to the table access method: no trigger, no expression
 * of an index, nothing of the user's runs.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "drop.h"
#include "fault.h"
#include "stable.h"
#include "version.h"

MvsDropState
mvs_drop_begin(MvsDrop *drop, MvsDatabase *database, Oid store)
{
	LOCKTAG		lock;
	bool		locked;

	memset(drop, 0, sizeof(MvsDrop));
	drop->database = database;
	drop->oid = store;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (!mvs_store_try_open(&drop->store, store, &locked))
		return locked ? MVS_DROP_LOCKED : MVS_DROP_GONE;
	mvs_lock_tag(&lock, MVS_LOCK_DROP, store, 0);
	if (LockAcquire(&lock, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
	{
		mvs_store_close(&drop->store);
		return MVS_DROP_LOCKED;
	}

	MVS_FAULT("drop-locked");
	PushActiveSnapshot(GetTransactionSnapshot());
	drop->horizon = mvs_version_stable(database, GetActiveSnapshot());
	drop->now = mvs_version_now(database);
	mvs_cursor_open(&drop->cursor, &drop->store, GetActiveSnapshot());
	return MVS_DROP_READY;
}

void
mvs_drop_collect(MvsDrop *drop, const bytea *key)
{
	MvsEntry	entry;
	bool		found;

	mvs_drop_collect_begin(drop);
	for (found = mvs_cursor_find(&drop->cursor, key, MVS_NEWEST, &entry);
		 found;
		 found = mvs_cursor_next(&drop->cursor, &entry))
	{
		CHECK_FOR_INTERRUPTS();
		mvs_drop_collect_entry(drop, &entry);
	}
}

void
mvs_drop_collect_begin(MvsDrop *drop)
{
	drop->entries.history.count = 0;
}

void
mvs_drop_collect_entry(MvsDrop *drop, const MvsEntry *entry)
{
	MvsKeyEntries *entries = &drop->entries;
	int			i = entries->history.count;

	if (i == entries->space)
	{
		int			space = Max(entries->space * 2, 64);

		if (entries->space == 0)
		{
			entries->versions = palloc(space * sizeof(int64));
			entries->tids = palloc(space * sizeof(ItemPointerData));
			entries->bytes = palloc(space * sizeof(int64));
		}
		else
		{
			entries->versions = repalloc_huge(entries->versions, space * sizeof(int64));
			entries->tids = repalloc_huge(entries->tids, space * sizeof(ItemPointerData));
			entries->bytes = repalloc_huge(entries->bytes, space * sizeof(int64));
		}
		entries->space = space;
		entries->history.versions = entries->versions;
	}
	if (i == 0)
	{
		entries->history.tombstone = entry->tombstone;
		entries->history.expires =
			!entry->expires || TIMESTAMP_IS_NOEND(entry->expires_at) ? MVS_NEWEST :
			TIMESTAMP_IS_NOBEGIN(entry->expires_at) ? 0 :
			mvs_version_of_time(entry->expires_at);
	}
	entries->versions[i] = entry->version;
	entries->tids[i] = entry->tid;
	entries->bytes[i] = mvs_cursor_bytes(&drop->cursor, entry);
	entries->history.count++;
}

bool
mvs_drop_entries(MvsDrop *drop, int first, int64 *held)
{
	MvsKeyEntries *entries = &drop->entries;
	MvsVerdict	verdict = mvs_rule_judge(&entries->history, first, drop->horizon);
	int			left = entries->history.count;

	*held = verdict.held;
	if (verdict.first == entries->history.count)
		return true;

	/* Writers that meet our deletions need not wait for us. */
	drop->database->worker_xid = GetCurrentTransactionId();

	/* Oldest first, so that what stays is always the newest part. */
	while (left > verdict.first)
	{
		CHECK_FOR_INTERRUPTS();
		if (!mvs_entry_delete(&drop->store, &entries->tids[left - 1]))
			break;
		left--;
		drop->tally.entries++;
		drop->tally.bytes += entries->bytes[left];
		MVS_FAULT("entry-deleted");
	}
	if (left < entries->history.count)
		drop->floor = Max(drop->floor, mvs_rule_end(&entries->history, left));
	if (left == 0)
	{
		drop->tally.purged++;
		if (!entries->history.tombstone)
			drop->tally.expired++;
	}
	return left == verdict.first;
}

void
mvs_drop_commit(MvsDrop *drop, MvsDropState state)
{
	if (state == MVS_DROP_READY)
	{
		mvs_cursor_close(&drop->cursor);
		if (drop->floor > 0)
		{
			/* Who sees a floor knows a stable version at or above it. */
			mvs_floor_raise(drop->oid, drop->floor);
			mvs_stable_write(drop->horizon);
		}
		MVS_FAULT("floor-raised");
		PopActiveSnapshot();
		mvs_store_close(&drop->store);
	}
	CommitTransactionCommand();
	MVS_FAULT_NO_ERROR("drop-committed");

	if (drop->tally.entries > 0)
	{
		mvs_stats_prepare(drop->oid);
		mvs_stats_tally(drop->oid, &drop->tally);
	}
	if (drop->tally.entries > 0 || drop->merged > 0)
	{
		LWLockAcquire(drop->database->queue_lock, LW_EXCLUSIVE);
		drop->database->stats.entries += drop->tally.entries;
		drop->database->stats.bytes += drop->tally.bytes;
		drop->database->stats.merged += drop->merged;
		LWLockRelease(drop->database->queue_lock);
	}
	pgstat_report_stat(false);
}
