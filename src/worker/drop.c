/*-------------------------------------------------------------------------
 *
 * drop.c
 *	  Dropping entries of one store in one transaction of the worker.
 *
 * Locks, in this order and none of them waited for: that of a pause; the store's
 * table, ROW EXCLUSIVE; the store's batch lock; then the snapshot is taken by which
 * everything is judged. What the horizon of that snapshot does not cover stays.
 * Deletions go straight to the table access method: no trigger, no expression
 * of an index, nothing of the user's runs.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_publication.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/once.h"
#include "base/settings.h"
#include "queue/queue.h"
#include "shared/drop_stats.h"
#include "shared/droppers.h"
#include "shared/fault.h"
#include "shared/lock.h"
#include "store/floor.h"
#include "store/pin.h"
#include "version/clock.h"
#include "version/stable.h"
#include "worker/drop.h"
#include "worker/process.h"

/*
 * What is known to be gone. Where an old snapshot keeps vacuum, and the index
 * itself, from forgetting what was dropped, a key that is dropped from again and
 * again has ever more dead entries before its oldest one. So for a key that had
 * many of them the bottom is kept, where the oldest was found, and the next look
 * begins there. Bottoms do not last long: rows that were written by something else
 * than mvstore may lie below, in this life of the store. So a pass, which is to meet these,
 * begins without any; other storage of a store, which may have again what was dropped, has bottoms
 * of its own, and those of a transaction that failed know of drops that were none. Keys are
 * known by 64 bits of hash; where two share one, entries stay until the bottoms are
 * thrown away.
 */
#define BOTTOM_FROM 32			/* dead entries */
#define BOTTOM_LIMIT 100000		/* keys */
#define BOTTOM_TIME 60000		/* milliseconds */

typedef struct Bottom
{
	uint64		key;
	int64		version;
	char		status;
} Bottom;

#define SH_PREFIX bottoms
#define SH_ELEMENT_TYPE Bottom
#define SH_KEY_TYPE uint64
#define SH_KEY key
#define SH_HASH_KEY(table, key) ((uint32) (key))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static bottoms_hash *bottoms = NULL;
static uint64 forgets = 0;		/* times that they were thrown away */
static bool under_way = false;	/* a drop has begun, and not committed */

static void end_transaction(XactEvent event, void *argument);
static bool is_anything_published(void);
static void collect_gathered(MvsDrop *drop, const MvsGatheredKey *key, int keep, int64 before);
static void add_entry(MvsDrop *drop, const MvsEntry *entry);
static void append_entry(MvsKeyEntries *entries, int64 version, ItemPointerData tid, int64 bytes);
static void describe_head(MvsKeyEntries *entries, const MvsEntry *entry);
static void swap_entries(MvsKeyEntries *entries, int i, int j);

/* However a transaction of the worker has ended, let nobody pass by its number any more. */
static void
end_transaction(XactEvent event, void *argument)
{
	if ((event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT) && mvs_worker.database)
		mvs_droppers_delete(mvs_worker.database, InvalidFullTransactionId);
}

/*
 * Whether the database has a publication, so that a deletion that cannot be published is to be
 * refused. Without one, PostgreSQL is not asked: what a table is published by is, before version
 * 17, found by going through what is known of all tables, so that many stores would take the
 * square of their number.
 */
static bool
is_anything_published(void)
{
	Relation	publications = table_open(PublicationRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(publications, InvalidOid, false, NULL, 0, NULL);
	bool		any = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	table_close(publications, AccessShareLock);
	return any;
}

MvsDropState
mvs_drop_begin(MvsDrop *drop, MvsDatabase *database, Oid store)
{
	static bool registered = false;
	bool		locked;

	if (!registered)
		RegisterXactCallback(end_transaction, NULL);
	registered = true;

	/* The last one has failed? */
	if (under_way)
		mvs_drop_forget_bottoms();
	under_way = true;

	mvs_pace_yield();
	memset(drop, 0, sizeof(MvsDrop));
	drop->database = database;
	drop->oid = store;
	drop->noted = MVS_NEWEST;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();

	/* With the lock, no pause can begin; and who has begun one may rely on it. */
	if (!mvs_lock_pause(true))
		return MVS_DROP_LOCKED;
	if (mvs_queue_is_paused(database))
		return MVS_DROP_PAUSED;
	if (!mvs_store_try_open(&drop->store, store, &locked))
		return locked ? MVS_DROP_LOCKED : MVS_DROP_GONE;
	if (!mvs_lock_drops(store, MVS_LOCKER_BATCH, false))
	{
		mvs_store_close(&drop->store);
		return MVS_DROP_LOCKED;
	}

	MVS_FAULT("drop-locked");
	mvs_store_refuse_unguarded(&drop->store);
	if (is_anything_published())
		CheckCmdReplicaIdentity(drop->store.heap, CMD_DELETE);
	drop->exchanged = (drop->store.info.storage != drop->store.heap->rd_rel->relfilenode);
	PushActiveSnapshot(GetTransactionSnapshot());
	drop->stable = mvs_stable_here(database, GetActiveSnapshot(), MVS_NEWEST);
	drop->horizon = mvs_least(drop->stable,
							  mvs_pin_lowest(mvs_pin_read(database, GetActiveSnapshot()), store));
	drop->now = mvs_clock_now(database);
	drop->notes.old = drop->now - Max(drop->store.info.policy.keep_for, 0);
	mvs_cursor_open(&drop->cursor, &drop->store, GetActiveSnapshot());
	return MVS_DROP_READY;
}

void
mvs_drop_forget_bottoms(void)
{
	if (bottoms)
		bottoms_destroy(bottoms);
	bottoms = NULL;
	forgets++;
}

uint64
mvs_drop_forgets(void)
{
	return forgets;
}

/* Throw the bottoms away when they are old, or many, or the past was written. */
static void
check_bottoms(MvsDrop *drop)
{
	static TimestampTz made_at;
	static uint64 past_writes;

	if (bottoms && bottoms->members < BOTTOM_LIMIT &&
		past_writes == drop->database->clock->past_writes &&
		!TimestampDifferenceExceeds(made_at, GetCurrentTransactionStartTimestamp(), BOTTOM_TIME))
		return;
	mvs_drop_forget_bottoms();
	bottoms = bottoms_create(TopMemoryContext, 256, NULL);
	made_at = GetCurrentTransactionStartTimestamp();
	past_writes = drop->database->clock->past_writes;
}

/* Return what the hashes of a store's keys begin with, in this life and storage of it. */
static uint64
bottoms_seed(const MvsStore *store)
{
	uint64		life = RelationGetRelid(store->heap) + ((uint64) store->info.incarnation << 32);

	return hash_combine64(life, store->heap->rd_rel->relfilenode);
}

void
mvs_drop_collect(MvsDrop *drop, const bytea *key, int keep, int64 before)
{
	MvsKeyEntries *entries = &drop->entries;
	int64		limit = (int64) keep + MVS_DROP_LIMIT + 1;
	uint64		hash;
	int64		kept = 0;		/* entries that are newer than the horizon */
	const MvsGatheredKey *gathered = drop->gather ? mvs_gather_find(drop->gather, key) : NULL;
	Bottom	   *bottom;
	MvsEntry	entry;
	bool		found;

	mvs_drop_collect_begin(drop);
	if (gathered)
	{
		collect_gathered(drop, gathered, keep, before);
		return;
	}
	check_bottoms(drop);
	hash = hash_bytes_extended((unsigned char *) VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key),
							   bottoms_seed(&drop->store));
	bottom = bottoms_lookup(bottoms, hash);
	found = mvs_cursor_find_oldest(&drop->cursor, key, bottom ? bottom->version : 0, &entry);
	if (found && drop->cursor.skipped >= BOTTOM_FROM)
	{
		bool		known;

		bottoms_insert(bottoms, hash, &known)->version = entry.version;
	}
	for (; found && entries->history.count < limit && kept <= keep;
		 found = mvs_cursor_next_newer(&drop->cursor, &entry))
	{
		mvs_process_check();
		add_entry(drop, &entry);
		describe_head(entries, &entry);
		kept += (entry.version > drop->horizon);
	}
	if (bottom && !found && (entries->history.tombstone || entries->history.expires != MVS_NEWEST))
	{
		/* Before a key is purged, all of it is to be known for sure. */
		(void) bottoms_delete(bottoms, hash);
		mvs_drop_collect(drop, key, keep, before);
		return;
	}
	entries->more = found && kept <= keep;
	if (found && mvs_cursor_find(&drop->cursor, key, MVS_NEWEST, &entry))
	{
		entries->whole = false;
		add_entry(drop, &entry);
		describe_head(entries, &entry);
	}
	for (int i = 0, j = entries->history.count - 1; i < j; i++, j--)
		swap_entries(entries, i, j);
}

void
mvs_drop_collect_begin(MvsDrop *drop)
{
	drop->entries.history.count = 0;
	drop->entries.whole = true;
	drop->entries.more = false;
	drop->entries.gathered = NULL;
}

void
mvs_drop_collect_entry(MvsDrop *drop, const MvsEntry *entry)
{
	if (drop->entries.history.count == 0)
		describe_head(&drop->entries, entry);
	add_entry(drop, entry);
}

/*
 * Collect a key that was gathered. All is seen down to an entry that can be the oldest to stay;
 * what is older goes with it, or stays with it.
 */
static void
collect_gathered(MvsDrop *drop, const MvsGatheredKey *key, int keep, int64 before)
{
	MvsKeyEntries *entries = &drop->entries;
	bool		dies = key->tombstone || key->expires != MVS_NEWEST;
	int64		bound = Min(before, Min(drop->horizon, drop->notes.old));
	bool		sure = true;

	for (int i = key->first; i < key->first + key->count; i++)
	{
		const MvsGathered *entry = &drop->gather->entries[i];

		if (sure ? !mvs_gather_see(drop->gather, i) : !entry->seen)
			continue;
		append_entry(entries, entry->version, entry->tid, entry->bytes);
		sure = dies || entries->history.count < keep || entry->version > bound;
	}
	entries->history.tombstone = key->tombstone;
	entries->history.expires = key->expires;
	entries->gathered = key;
}

void
mvs_drop_gather(MvsDrop *drop)
{
	mvs_drop_end_gather(drop);
	drop->gather = palloc(sizeof(MvsGather));
	mvs_gather_begin(drop->gather, &drop->store, GetActiveSnapshot());
}

void
mvs_drop_end_gather(MvsDrop *drop)
{
	MvsGather  *gather = drop->gather;

	if (gather == NULL)
		return;
	drop->gather = NULL;

	/* Nobody had any of them locked when it was read: then that was just now. */
	if (!mvs_gather_delete(gather))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not obtain lock on an entry of store \"%s\"",
						RelationGetRelationName(drop->store.heap))));
	mvs_gather_end(gather);

	/* The same key may come again in this transaction. */
	CommandCounterIncrement();
	UpdateActiveSnapshotCommandId();
}

int
mvs_drop_gather_limit(void)
{
	int			limit = mvs_pace_entries(MVS_GATHER_LIMIT);

	/* A second's worth at most, where so many a second are allowed. */
	return mvs_drop_rate_limit > 0 ? Min(mvs_drop_rate_limit, limit) : limit;
}

bool
mvs_drop_is_full(const MvsDrop *drop)
{
	/* A second's worth at most, where so many a second are allowed. */
	return drop->tally.entries >= (drop->gather ? MVS_GATHER_LIMIT : MVS_DROP_LIMIT) ||
		drop->read >= MVS_READ_LIMIT || mvs_pace_is_enough(drop->tally.entries) ||
		(mvs_drop_rate_limit > 0 && drop->tally.entries >= mvs_drop_rate_limit);
}

/* Add the entry under the cursor behind the others. */
static void
add_entry(MvsDrop *drop, const MvsEntry *entry)
{
	append_entry(&drop->entries, entry->version, entry->tid,
				 mvs_cursor_bytes(&drop->cursor, entry));
}

/* Add an entry behind the others. */
static void
append_entry(MvsKeyEntries *entries, int64 version, ItemPointerData tid, int64 bytes)
{
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
	entries->versions[i] = version;
	entries->tids[i] = tid;
	entries->bytes[i] = bytes;
	entries->history.count++;
}

/* Record what the rules want to know of the head. */
static void
describe_head(MvsKeyEntries *entries, const MvsEntry *entry)
{
	entries->history.tombstone = entry->tombstone;
	entries->history.expires = mvs_entry_expires(entry);
}

static void
swap_entries(MvsKeyEntries *entries, int i, int j)
{
	int64		version = entries->versions[i];
	ItemPointerData tid = entries->tids[i];
	int64		bytes = entries->bytes[i];

	entries->versions[i] = entries->versions[j];
	entries->tids[i] = entries->tids[j];
	entries->bytes[i] = entries->bytes[j];
	entries->versions[j] = version;
	entries->tids[j] = tid;
	entries->bytes[j] = bytes;
}

MvsDroppable
mvs_drop_policy(MvsDrop *drop, const bytea *key)
{
	const MvsHistory *history = &drop->entries.history;
	const MvsPolicy *policy = &drop->store.info.policy;
	MvsDroppable droppable = mvs_rule_policy(history, policy, drop->now);

	if (droppable.purge && !drop->entries.whole && droppable.first == history->count &&
		mvs_rule_end(history, 0) <= drop->horizon)
	{
		mvs_drop_collect(drop, key, PG_INT32_MAX, 0);
		droppable = mvs_rule_policy(history, policy, drop->now);
	}
	return droppable;
}

MvsVerdict
mvs_drop_judge(const MvsDrop *drop, MvsDroppable droppable)
{
	/* Not the head before what was not collected, nor what has its successor there. */
	if (!drop->entries.whole)
	{
		droppable.first = Max(droppable.first, 2);
		droppable.purge = false;
	}
	return mvs_rule_judge(&drop->entries.history, droppable, drop->horizon);
}

/* Make sure that the entries from one to another can be deleted, but the last, which shows. */
static bool
lock_entries(MvsDrop *drop, int from, int to)
{
	for (int i = from; i < to - 1; i++)
	{
		mvs_process_check();
		if (!mvs_entry_lock(&drop->store, &drop->entries.tids[i], false))
			return false;
	}
	return true;
}

/*
 * Have all of those that were gathered go from one on, together with what goes of other keys;
 * false where somebody may be in the way of one.
 */
static bool
leave_to_gather(MvsDrop *drop, int from)
{
	const MvsGatheredKey *key = drop->entries.gathered;
	MvsGathered *entries = drop->gather->entries + key->first;
	int			seen = 0;
	int			first = 0;

	/* A whole key goes in one transaction. */
	if (drop->later && from == 0)
		return false;
	for (first = 0; seen < from; first++)
		seen += entries[first].seen;
	for (int i = first; i < key->count; i++)
		if (!drop->later && entries[i].seen && !entries[i].untouched)
			return false;
	for (int i = first; i < key->count; i++)
		entries[i].goes = entries[i].seen;
	return true;
}

/* Delete the entries from "first" on, oldest first: what stays is always the newest part. */
static int
delete_entries(MvsDrop *drop, int first, int together)
{
	MvsKeyEntries *entries = &drop->entries;
	int			left = entries->history.count;

	while (left > first)
	{
		mvs_process_check();
		if (left == together && !lock_entries(drop, first, together))
			break;
		if (!mvs_entry_delete(&drop->store, &entries->tids[left - 1], left < together))
			break;
		left--;
		MVS_FAULT("entry-deleted");
	}

	/* The same key may come again in this transaction. */
	CommandCounterIncrement();
	UpdateActiveSnapshotCommandId();
	return left;
}

int
mvs_drop_entries(MvsDrop *drop, const MvsVerdict *verdict)
{
	MvsKeyEntries *entries = &drop->entries;
	int			count = entries->history.count;
	int			left = verdict->first;
	bool		left_to_gather;

	if (left == count)
		return count;

	left_to_gather = entries->gathered && leave_to_gather(drop, left);
	if (left_to_gather && drop->later)
		return left;

	/* Writers that meet our deletions need not wait for us. */
	mvs_droppers_delete(drop->database, GetTopFullTransactionId());

	if (!left_to_gather)
		left = delete_entries(drop, left, Min(verdict->together, count));
	for (int i = left; i < count; i++)
		drop->tally.bytes += entries->bytes[i];
	drop->tally.entries += count - left;
	if (left < count)
	{
		drop->floors.end = mvs_greatest(drop->floors.end, mvs_rule_end(&entries->history, left));
		drop->floors.entries = Max(drop->floors.entries, entries->versions[left]);
	}
	if (left == 0)				/* then it was the whole key */
	{
		drop->floors.keys = Max(drop->floors.keys, entries->versions[0]);
		drop->tally.purged++;
		if (!entries->history.tombstone)
			drop->tally.expired++;
	}
	return left;
}

void
mvs_drop_note_pending(MvsDrop *drop, const char *key, int length, MvsDroppable droppable)
{
	MvsHistory *history = &drop->entries.history;
	const MvsPolicy *policy = &drop->store.info.policy;
	bool		limited = policy->keep_versions > 0 || policy->keep_for >= 0;
	MvsVerdict	verdict = mvs_drop_judge(drop, droppable);
	int			pending = mvs_rule_pending(history, policy, drop->now);

	/* What only a foreign key keeps goes when that has gone. */
	if (drop->store.info.referenced && verdict.first < history->count)
		mvs_notes_add(&drop->notes, key, length, mvs_rule_end(history, verdict.first),
					  !drop->entries.whole);
	for (int i = verdict.first - 1; i >= 0; i--)
	{
		int64		end = mvs_rule_end(history, i);

		/*
		 * The successor of the newest of the oldest is not known: too early does no harm. Where
		 * nothing older stays, the key is to be looked at again at once; but where nothing goes
		 * before the head, that would be for ever.
		 */
		if (!drop->entries.whole && limited && i == 1)
			end = history->versions[1];
		/* Too young, or kept by the horizon alone. */
		else if ((i >= pending && i < droppable.first && (i > 0 || !droppable.purge)) ||
				 end == MVS_NEWEST)
			continue;
		mvs_notes_add(&drop->notes, key, length, end, !drop->entries.whole);
		if (end > drop->horizon && end <= drop->notes.old)
			drop->left = Max(drop->left, drop->entries.whole ? end : drop->notes.old);
		if (!drop->entries.whole)
			break;				/* whoever comes for this one sees what is next */
	}
}

void
mvs_drop_show(const MvsDrop *drop, MvsCommand command, uint64 id, int64 read)
{
	double		entries = drop->store.heap->rd_rel->reltuples;

	/* What part of them is in a range is not known. */
	if (command == MVS_COMMAND_RANGE)
		entries = -1;
	/* The owner may have set it to anything. */
	mvs_progress_step(drop->database, command, drop->oid, id, read, (int64) Min(entries, 1e18));
}

MvsDropNews
mvs_drop_commit(MvsDrop *drop, MvsDropState state)
{
	MvsDropNews news = {.store = drop->oid};

	if (state == MVS_DROP_READY)
	{
		mvs_drop_end_gather(drop);
		mvs_cursor_close(&drop->cursor);
		drop->noted = mvs_calendar_write(drop->oid, &drop->notes);
		if (drop->floors.end > drop->stable)
			elog(ERROR, "floor of relation %u would be above the stable version", drop->oid);
		if (drop->floors.end > 0)
		{
			/*
			 * The rows of floors are the same for all who drop: one after the other, which takes
			 * no longer than a commit does. Who sees a floor knows a stable version at or above
			 * it.
			 */
			mvs_lock_floors();
			mvs_floor_raise(drop->oid, &drop->floors);
			mvs_stable_write(drop->stable);
		}
		MVS_FAULT("floor-raised");
		PopActiveSnapshot();
		mvs_store_close(&drop->store);
	}
	CommitTransactionCommand();
	mvs_pace_learn(drop->tally.entries);
	under_way = false;
	MVS_FAULT_NO_ERROR("drop-committed");

	if (drop->tally.entries > 0 || drop->tally.keys_due > 0 || drop->tally.swept > 0)
		mvs_counters_tally(drop->oid, &drop->tally);
	if (drop->tally.entries > 0 || drop->tally.keys_due > 0 || drop->merged > 0)
	{
		LWLockAcquire(drop->database->queue_lock, LW_EXCLUSIVE);
		drop->database->stats->entries += drop->tally.entries;
		drop->database->stats->bytes += drop->tally.bytes;
		drop->database->stats->merged += drop->merged;
		drop->database->stats->keys_due += drop->tally.keys_due;
		LWLockRelease(drop->database->queue_lock);
	}
	pgstat_report_stat(false);

	news.exchanged = drop->exchanged;
	news.noted = drop->noted;
	news.age = Max(drop->store.info.policy.keep_for, 0);
	news.entries = drop->tally.entries;
	return news;
}
