/*-------------------------------------------------------------------------
 *
 * write.c
 *	  The SQL functions that write to stores.
 *
 * Writers of one key queue up. A write takes the key lock, a heavyweight lock
 * on a hash of (store, key), and looks at the head of the key, uncommitted
 * entries included. Where another transaction is at work there, it lets the
 * lock go, waits for that transaction, holding nothing of ours, and looks
 * again. Otherwise it inserts and lets the lock go: from then on the
 * uncommitted entry itself is what others wait for. So lock memory does not
 * grow with the writes.
 *
 * A write of many keys takes them in ascending order, some at a time: the locks of
 * as many as can be had, then the looks, then all entries together, so that
 * neighbours in the index and in the table are met once. Only for the first of
 * them it waits. So no transaction waits with a key lock held, but by mvstore_lock(), or where
 * a unique index of the user's waits, or a BEFORE ROW trigger.
 *
 * Lock order: drop lock of the store (put_at), key lock, clock lock.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/arguments.h"
#include "base/key.h"
#include "base/once.h"
#include "functions/command.h"
#include "functions/write.h"
#include "queue/transaction.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "shared/fault.h"
#include "shared/lock.h"
#include "store/entry.h"
#include "store/floor.h"
#include "store/pin.h"
#include "store/statement.h"
#include "store/store.h"
#include "version/session.h"
#include "version/version.h"

/* For a conditional write's expected version: there is no condition. */
#define MVS_ANY (-1)

/* Bytes of values that are written together, about. */
#define MOST_BYTES 65536


/* A key that is being written. */
typedef struct KeyWrite
{
	MvsNewEntry entry;
	int64		ttl;			/* of the entry; -1: it expires as it says */
	LOCKTAG		lock;
	MvsHead		head;
} KeyWrite;

static void open_write(MvsWrite *write, Oid store, const char *function, AclMode rights);
static bytea *begin_write(MvsWrite *write, FunctionCallInfo fcinfo, const char *function,
						  MvsFamily family, AclMode rights);
static int	lock_keys(MvsWrite *write, KeyWrite *keys, int count);
static void unlock_keys(KeyWrite *keys, int from, int to);
static int	look_at_keys(MvsWrite *write, KeyWrite *keys, int count, int64 version);
static int	hold_keys(MvsWrite *write, KeyWrite *keys, int count, int64 version);
static int64 live_version(MvsWrite *write, const MvsEntry *entry, bool found);
static bool is_wanted(MvsWrite *write, const MvsEntry *entry, bool found, bytea *value,
					  int64 expected);
static bool look_with_snapshot(MvsWrite *write, bytea *key, MvsEntry *entry);
static bool is_same_unread(MvsWrite *write, const KeyWrite *key);
static bool judge_head(MvsWrite *write, KeyWrite *key, int64 expected);
static int64 place_version(MvsWrite *write, const MvsHead *head);
static int64 choose_ttl(MvsWrite *write, int64 ttl);
static TimestampTz expiry(MvsWrite *write, int64 version, int64 ttl);
static bool prepare_entry(MvsWrite *write, KeyWrite *key, int64 expected);
static int	write_heads(MvsWrite *write, KeyWrite *keys, int count, int64 expected);
static int64 write_head(MvsWrite *write, bytea *key, bytea *value, int64 ttl, int64 expected);
static void refuse_seen(MvsWrite *write, const MvsNewEntry *entry);
static void write_past(MvsWrite *write, bytea *key, bytea *value, int64 version);
static void count_write(MvsWrite *write, bytea *value);
static void request_policy(MvsWrite *write, const MvsNewEntry *entry, bool superseding);

/* ------------------------------------------------------------------------
 * What every write does
 * ------------------------------------------------------------------------ */

/* Open a store for writing; there is no statement yet. */
static void
open_write(MvsWrite *write, Oid store, const char *function, AclMode rights)
{
	memset(write, 0, sizeof(MvsWrite));
	write->database = mvs_command_begin_write(function);
	mvs_store_open(&write->store, store, RowExclusiveLock, rights);
	mvs_store_refuse_unguarded(&write->store);
}

/* Begin to write to the store in argument 0; the key in argument 1. */
static bytea *
begin_write(MvsWrite *write, FunctionCallInfo fcinfo, const char *function,
			MvsFamily family, AclMode rights)
{
	Oid			store = mvs_get_store(fcinfo, 0);
	bytea	   *key = mvs_get_key(fcinfo, 1, family, "key");

	mvs_write_begin(write, store, function, rights);
	return key;
}

void
mvs_write_begin(MvsWrite *write, Oid store, const char *function, AclMode rights)
{
	open_write(write, store, function, rights);
	mvs_statement_begin(&write->statement, &write->store, CMD_INSERT);
}

void
mvs_write_end(MvsWrite *write)
{
	mvs_statement_end(&write->statement);
	mvs_store_close(&write->store);
}

/*
 * Lock the first of some keys, and of the next those that can be had without waiting; how
 * many.
 */
static int
lock_keys(MvsWrite *write, KeyWrite *keys, int count)
{
	int			locked = 0;

	while (locked < count)
	{
		LOCKTAG    *lock = &keys[locked].lock;

		mvs_lock_tag_key(lock, RelationGetRelid(write->store.heap), keys[locked].entry.key);
		if (LockAcquire(lock, ExclusiveLock, false, locked > 0) == LOCKACQUIRE_NOT_AVAIL)
			break;
		locked++;
	}
	return locked;
}

static void
unlock_keys(KeyWrite *keys, int from, int to)
{
	for (int i = from; i < to; i++)
		LockRelease(&keys[i].lock, ExclusiveLock, false);
}

/*
 * Look at the heads of keys that are locked, up to the first that somebody else is writing;
 * how many nobody is. With a version, instead at the entry there, of which that holds, too.
 */
static int
look_at_keys(MvsWrite *write, KeyWrite *keys, int count, int64 version)
{
	int			seen;

	mvs_heads_open(&write->heads, &write->store, write->database, write->statement.slots[0],
				   count > 1);
	for (seen = 0; seen < count; seen++)
	{
		MvsHead    *head = &keys[seen].head;

		mvs_heads_find(&write->heads, keys[seen].entry.key, head);
		if (version != MVS_NEWEST && !TransactionIdIsValid(head->wait_for))
			mvs_heads_find_at(&write->heads, keys[seen].entry.key, version, head);
		if (TransactionIdIsValid(head->wait_for))
			break;
	}
	mvs_heads_close(&write->heads);
	return seen;
}

/*
 * Hold the first of some keys, and of the next those that can be had with it, with nobody
 * else's write of them under way, and look at their heads, or at entries; how many.
 */
static int
hold_keys(MvsWrite *write, KeyWrite *keys, int count, int64 version)
{
	for (;;)
	{
		int			locked = lock_keys(write, keys, count);
		int			held = look_at_keys(write, keys, locked, version);

		unlock_keys(keys, held, locked);
		if (held > 0)
			return held;
		XactLockTableWait(keys[0].head.wait_for, write->store.heap, &keys[0].head.entry.tid,
						  XLTW_InsertIndex);
	}
}

/* The version of a head that is a value and has not expired, for a writer; else 0. */
static int64
live_version(MvsWrite *write, const MvsEntry *entry, bool found)
{
	if (!found || entry->tombstone)
		return 0;
	if (entry->expires && !TIMESTAMP_IS_NOEND(entry->expires_at))
	{
		/* The clock may step back, but what a sweep took as expired stays so. */
		if (entry->expires_at <= GetCurrentStatementStartTimestamp() ||
			mvs_version_of_time(entry->expires_at) <=
			mvs_floor_read(RelationGetRelid(write->store.heap), NULL))
			return 0;
	}
	return entry->version;
}

/* Whether a head is such that the write is to be made. */
static bool
is_wanted(MvsWrite *write, const MvsEntry *entry, bool found, bytea *value, int64 expected)
{
	int64		live;

	if (expected == MVS_ANY && value != NULL)
		return true;
	live = live_version(write, entry, found);
	return (expected == MVS_ANY || live == expected) && (value != NULL || live != 0);
}

/* The head as the transaction's own snapshot sees it; read for predicate locks, too. */
static bool
look_with_snapshot(MvsWrite *write, bytea *key, MvsEntry *entry)
{
	MvsCursor	cursor;
	bool		found;

	mvs_cursor_open(&cursor, &write->store, GetTransactionSnapshot());
	found = mvs_cursor_find(&cursor, key, MVS_NEWEST, entry);
	mvs_cursor_close(&cursor);
	return found;
}

/*
 * Whether the head is that of the transaction's own snapshot, or both have none,
 * without reading the key by the index where that can be helped.
 */
static bool
is_same_unread(MvsWrite *write, const KeyWrite *key)
{
	const MvsHead *head = &key->head;
	MvsEntry	seen;

	/* The newer ones of what is there have not gone before it. */
	if (head->found)
	{
		ItemPointerData tid = head->entry.tid;

		return mvs_entry_is_seen(&write->store, &tid, GetTransactionSnapshot());
	}

	/* What our snapshot may see cannot have left the index. */
	return head->passed == 0 || !look_with_snapshot(write, key->entry.key, &seen);
}

/*
 * Whether a write above a head is to be made. A transaction with one snapshot goes by
 * what that sees; 40001 where the head is another.
 */
static bool
judge_head(MvsWrite *write, KeyWrite *key, int64 expected)
{
	MvsHead    *head = &key->head;
	bytea	   *value = key->entry.value;
	MvsEntry	seen;
	bool		found;

	if (!IsolationUsesXactSnapshot())
		return is_wanted(write, &head->entry, head->found, value, expected);
	if (IsolationIsSerializable() && value != NULL && expected == MVS_ANY)
	{
		/* Nothing was read, so there are to be no locks on what was. */
		if (!head->own && !is_same_unread(write, key))
			mvs_command_refuse_concurrent(RelationGetRelid(write->store.heap));
		return true;
	}

	found = look_with_snapshot(write, key->entry.key, &seen);
	if (!is_wanted(write, &seen, found, value, expected))
		return false;
	if (!head->own &&
		(head->found != found ||
		 (found && !ItemPointerEquals(&head->entry.tid, &seen.tid))))
		mvs_command_refuse_concurrent(RelationGetRelid(write->store.heap));
	return true;
}

/* The version for a write above a head; 40001 where the transaction came too late. */
static int64
place_version(MvsWrite *write, const MvsHead *head)
{
	int64		above = head->found ? head->entry.version : 0;

	/* No other transaction of this database can have written above the clock. */
	if (above > mvs_version_mine())
	{
		if (above > mvs_clock_now(write->database))
			mvs_clock_reread(write->database);
		if (above > mvs_clock_now(write->database))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("newest entry of the key in store \"%s\" lies in the future",
							RelationGetRelationName(write->store.heap)),
					 errdetail("Its version is " INT64_FORMAT ", which was not written by mvstore.",
							   above),
					 errhint("mvstore_attach(), after mvstore_detach(), moves the clock of the database there. A row that nobody wants goes with DELETE.")));
	}
	if (mvs_version_mine() == 0)
		return mvs_version_take(write->database, above);

	/* A TRUNCATE may have taken the head away; then the floor tells of it. */
	if (!head->found && mvs_version_is_overtaken(write->database))
	{
		int64		floor = mvs_floor_read(RelationGetRelid(write->store.heap), NULL);

		if (floor > mvs_version_mine())
		{
			mvs_counters_refused(RelationGetRelid(write->store.heap), MVS_REFUSED_LATE);
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not write to store \"%s\" below its floor",
							RelationGetRelationName(write->store.heap)),
					 errdetail("The transaction has version " INT64_FORMAT ", and the store was emptied as of version " INT64_FORMAT ".",
							   mvs_version_mine(), floor),
					 errhint("The transaction might succeed if retried.")));
		}
	}
	if (!head->own && above >= mvs_version_mine())
	{
		mvs_counters_refused(RelationGetRelid(write->store.heap), MVS_REFUSED_LATE);
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not write to store \"%s\" below a newer entry of the key",
						RelationGetRelationName(write->store.heap)),
				 errdetail("The transaction has version " INT64_FORMAT ", and the newest entry " INT64_FORMAT ".",
						   mvs_version_mine(), above),
				 errhint("The transaction might succeed if retried.")));
	}
	return mvs_version_mine();
}

/* The time to live that a write gives, or else the store's own; -1: none. */
static int64
choose_ttl(MvsWrite *write, int64 ttl)
{
	return ttl >= 0 ? ttl : write->store.info.ttl;
}

/* When an entry expires that is written with a version and a time to live. */
static TimestampTz
expiry(MvsWrite *write, int64 version, int64 ttl)
{
	int64		now = mvs_greatest(mvs_clock_now(write->database), version);

	if (ttl > MVS_NEWEST - now || !IS_VALID_TIMESTAMP(mvs_version_to_time(now + ttl)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl is out of range")));
	return mvs_version_to_time(now + ttl);
}

/* Count a write. */
static void
count_write(MvsWrite *write, bytea *value)
{
	mvs_transaction_count(RelationGetRelid(write->store.heap), value == NULL);
}

/* Have the store's policy look at what a new entry superseded, and at when it expires. */
static void
request_policy(MvsWrite *write, const MvsNewEntry *entry, bool superseding)
{
	const MvsPolicy *policy = &write->store.info.policy;
	bool		limited = policy->keep_versions > 0 || policy->keep_for >= 0;
	int64		before = limited && superseding ? entry->version : 0;
	int64		expires = entry->expires_at == DT_NOEND ? 0 :
	mvs_greatest(mvs_version_of_time(entry->expires_at), 1);

	if (before > 0 || expires > 0)
		mvs_transaction_write(&write->store, entry->key, before, expires);
}

/*
 * Make the entry ready for a key that is held, and take away what it replaces. False, with
 * no version, where it is not wanted: where the live version is not the one expected, and for
 * a tombstone where there is nothing to delete.
 */
static bool
prepare_entry(MvsWrite *write, KeyWrite *key, int64 expected)
{
	MvsNewEntry *entry = &key->entry;

	entry->version = 0;
	if (!judge_head(write, key, expected))
		return false;
	entry->version = place_version(write, &key->head);
	if (key->ttl >= 0)
		entry->expires_at = expiry(write, entry->version, key->ttl);
	if (key->head.own && !mvs_statement_delete(&write->statement, &key->head.entry.tid))
		elog(ERROR, "could not replace an entry of the current transaction");
	return true;
}

/*
 * Write new heads of keys, which ascend: of the first, and of the next that can be held with
 * it; of how many. Set their versions: 0, and nothing is written, where it is not wanted.
 */
static int
write_heads(MvsWrite *write, KeyWrite *keys, int count, int64 expected)
{
	MvsNewEntry *entries[MVS_STATEMENT_ROWS];
	int			held;
	int			wanted = 0;

	held = hold_keys(write, keys, count, MVS_NEWEST);
	for (int i = 0; i < held; i++)
		if (prepare_entry(write, &keys[i], expected))
			entries[wanted++] = &keys[i].entry;
	mvs_statement_insert(&write->statement, entries, wanted);
	unlock_keys(keys, 0, held);
	for (int i = 0; i < held; i++)
	{
		if (keys[i].entry.version == 0)
			continue;
		MVS_FAULT("entry-written");
		count_write(write, keys[i].entry.value);
		request_policy(write, &keys[i].entry, keys[i].head.found);
	}
	if (wanted > 0)
		CommandCounterIncrement();
	return held;
}

/* Write one, which expires after its ttl, or never without (-1). Its version, or 0. */
static int64
write_head(MvsWrite *write, bytea *key, bytea *value, int64 ttl, int64 expected)
{
	KeyWrite	one = {.entry = {.key = key, .value = value, .expires_at = DT_NOEND}, .ttl = ttl};

	(void) write_heads(write, &one, 1, expected);
	return one.entry.version;
}

int64
mvs_write_entry(MvsWrite *write, bytea *key, bytea *value, TimestampTz expires_at)
{
	KeyWrite	one = {.entry = {.key = key, .value = value, .expires_at = expires_at}, .ttl = -1};

	(void) write_heads(write, &one, 1, MVS_ANY);
	return one.entry.version;
}

/*
 * Refuse a version of the key that has been dropped, if the transaction's own snapshot
 * goes on seeing it. (The index refuses what is there.)
 */
static void
refuse_seen(MvsWrite *write, const MvsNewEntry *entry)
{
	MvsCursor	cursor;
	MvsEntry	found;
	bool		seen;

	mvs_cursor_open(&cursor, &write->store, GetTransactionSnapshot());
	seen = mvs_cursor_find(&cursor, entry->key, entry->version, &found) &&
		found.version == entry->version;
	mvs_cursor_close(&cursor);
	if (seen)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("duplicate key value violates unique constraint \"%s\"",
						RelationGetRelationName(write->store.index)),
				 errdetail("The transaction's snapshot sees the entry at version " INT64_FORMAT ", which has gone since.",
						   entry->version),
				 errtableconstraint(write->store.heap,
									RelationGetRelationName(write->store.index))));
}

/* Write an entry into the past. */
static void
write_past(MvsWrite *write, bytea *key, bytea *value, int64 version)
{
	const MvsPolicy *policy = &write->store.info.policy;
	KeyWrite	one = {
		.entry = {.key = key, .value = value, .version = version, .expires_at = DT_NOEND}
	};
	MvsNewEntry *entry = &one.entry;
	Oid			oid = RelationGetRelid(write->store.heap);
	int64		floor;

	if (version < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version must be at least 1")));
	mvs_command_refuse_future(write->database, version);

	/* To the end of the transaction no batch, and no pin, may go by what it does not see. */
	(void) mvs_lock_drops(oid, MVS_LOCKER_PAST, true);
	mvs_pin_refuse(write->database, write->store.heap, version);
	floor = mvs_floor_read(oid, NULL);
	if (version < floor)
	{
		mvs_counters_refused(oid, MVS_REFUSED_GONE);
		ereport(ERROR,
				(errcode(ERRCODE_HISTORY_GONE),
				 errmsg("history of store \"%s\" as of version " INT64_FORMAT " is gone",
						RelationGetRelationName(write->store.heap), version),
				 errdetail("Entries can be added at version " INT64_FORMAT " or later.", floor),
				 errhint("mvstore_pin() keeps history that will be added to.")));
	}

	mvs_clock_past(write->database, version);
	(void) hold_keys(write, &one, 1, version);
	if (IsolationUsesXactSnapshot() && one.head.passed > 0)
		refuse_seen(write, entry);
	mvs_statement_insert(&write->statement, &entry, 1);
	unlock_keys(&one, 0, 1);

	count_write(write, value);
	mvs_transaction_rewritten(oid);
	if (policy->keep_versions > 0 || policy->keep_for >= 0)
		mvs_transaction_look(&write->store, key, mvs_clock_last(write->database));
	request_policy(write, entry, false);
	CommandCounterIncrement();
}

/* ------------------------------------------------------------------------
 * Writes
 * ------------------------------------------------------------------------ */

/* The version that was written, NULL where nothing was. */
#define RETURN_VERSION(version) \
	do { \
		if ((version) == 0) \
			PG_RETURN_NULL(); \
		PG_RETURN_INT64(version); \
	} while (0)

/* mvstore_put(store, key, value, ttl): write a value; the version. */
static Datum
put(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	bytea	   *key;
	bytea	   *value = mvs_get_value(fcinfo, 2, family);
	int64		ttl = mvs_get_ttl(fcinfo, 3);
	int64		version;

	key = begin_write(&write, fcinfo, "mvstore_put()", family, ACL_INSERT);
	version = write_head(&write, key, value, choose_ttl(&write, ttl), MVS_ANY);
	mvs_write_end(&write);
	RETURN_VERSION(version);
}

MVS_VALUE_FUNCTIONS(mvstore_put, put);

/* mvstore_put_if(store, key, value, expected, ttl): NULL where another version is live. */
static Datum
put_if(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	bytea	   *key;
	bytea	   *value = mvs_get_value(fcinfo, 2, family);
	int64		expected = mvs_get_version(fcinfo, 3, "expected");
	int64		ttl = mvs_get_ttl(fcinfo, 4);
	int64		version;

	key = begin_write(&write, fcinfo, "mvstore_put_if()", family, ACL_INSERT | ACL_SELECT);
	version = write_head(&write, key, value, choose_ttl(&write, ttl), expected);
	mvs_write_end(&write);
	RETURN_VERSION(version);
}

MVS_VALUE_FUNCTIONS(mvstore_put_if, put_if);

/* What put_many is to write. */
typedef struct Pairs
{
	int			count;
	MvsKeyPlace *keys;			/* in their order, each once */
	bytea	  **values;			/* by the places of the keys; NULL: delete */
} Pairs;

/*
 * Set *pairs to those of arguments 1 and 2, in the order of the keys: writers that take
 * them in one order do not wait for each other in a circle. Add to *rights what they take.
 */
static void
get_pairs(FunctionCallInfo fcinfo, MvsFamily family, Pairs *pairs, AclMode *rights)
{
	bytea	  **keys;
	int			count = mvs_get_keys(fcinfo, 1, family, &keys);
	int			kept = 0;
	MvsKeyPlace *sorted;

	if (mvs_get_values(fcinfo, 2, family, &pairs->values) != count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("keys and new_values must have the same number of elements")));
	for (int i = 0; i < count; i++)
		if (pairs->values[i] == NULL)
			*rights |= ACL_SELECT;	/* what is returned tells of the key */

	sorted = mvs_keys_sort(keys, count);
	for (int i = 0; i < count; i++)
		if (i == 0 || mvs_key_compare(sorted[i].key, sorted[kept - 1].key) != 0)
			sorted[kept++] = sorted[i];
	pairs->keys = sorted;
	pairs->count = kept;
}

/* How many keys may be held at once: locks have room for some of each transaction. */
static int
keys_together(MvsWrite *write)
{
	return (int) mvs_least(mvs_statement_rows(&write->statement), Max(max_locks_per_xact / 2, 1));
}

/* Take over pairs from "first" on, as many as may be written together; how many. */
static int
take_pairs(KeyWrite *keys, int most, const Pairs *pairs, int first, int64 ttl)
{
	Size		bytes = 0;
	int			taken;

	for (taken = 0; taken < Min(pairs->count - first, most) && bytes < MOST_BYTES; taken++)
	{
		const MvsKeyPlace *key = &pairs->keys[first + taken];
		bytea	   *value = pairs->values[key->place];
		MvsNewEntry *entry = &keys[taken].entry;

		entry->key = key->key;
		entry->value = value;
		entry->expires_at = DT_NOEND;
		keys[taken].ttl = value ? ttl : -1;
		bytes += value ? VARSIZE_ANY(value) : 0;
	}
	return taken;
}

/* Write all pairs; the version, or 0 where nothing was written. */
static int64
write_pairs(MvsWrite *write, const Pairs *pairs, int64 ttl)
{
	KeyWrite	keys[MVS_STATEMENT_ROWS];
	int			most = keys_together(write);
	int64		version = 0;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mvstore put_many",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	for (int done = 0; done < pairs->count;)
	{
		int			taken = take_pairs(keys, most, pairs, done, ttl);
		int			written;

		CHECK_FOR_INTERRUPTS();
		written = write_heads(write, keys, taken, MVS_ANY);
		for (int i = 0; i < written; i++)
			version = Max(version, keys[i].entry.version);
		done += written;
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return version;
}

/*
 * mvstore_put_many(store, keys, new_values, ttl): one version for all; NULL values delete.
 * The version, or NULL where nothing was written.
 */
static Datum
put_many(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	Pairs		pairs;
	AclMode		rights = ACL_INSERT;
	int64		ttl;
	int64		version;
	Oid			store = mvs_get_store(fcinfo, 0);

	get_pairs(fcinfo, family, &pairs, &rights);
	ttl = mvs_get_ttl(fcinfo, 3);
	mvs_write_begin(&write, store, "mvstore_put_many()", rights);
	version = write_pairs(&write, &pairs, choose_ttl(&write, ttl));
	mvs_write_end(&write);
	RETURN_VERSION(version);
}

MVS_VALUE_FUNCTIONS(mvstore_put_many, put_many);

/* mvstore_delete(store, key): write a tombstone; NULL if there is nothing to delete. */
static Datum
delete(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	bytea	   *key;
	int64		version;

	key = begin_write(&write, fcinfo, "mvstore_delete()", family, ACL_INSERT | ACL_SELECT);
	version = write_head(&write, key, NULL, -1, MVS_ANY);
	mvs_write_end(&write);
	RETURN_VERSION(version);
}

MVS_KEY_FUNCTIONS(mvstore_delete, delete);

/* mvstore_delete_if(store, key, expected): NULL where another version is live. */
static Datum
delete_if(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	bytea	   *key;
	int64		expected = mvs_get_version(fcinfo, 2, "expected");
	int64		version;

	key = begin_write(&write, fcinfo, "mvstore_delete_if()", family, ACL_INSERT | ACL_SELECT);
	version = write_head(&write, key, NULL, -1, expected);
	mvs_write_end(&write);
	RETURN_VERSION(version);
}

MVS_KEY_FUNCTIONS(mvstore_delete_if, delete_if);

/*
 * mvstore_lock(store, key): nobody else writes the key until the transaction ends, which
 * releases the key's lock.
 */
static Datum
lock(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	Oid			store = mvs_get_store(fcinfo, 0);
	KeyWrite	one = {.entry.key = mvs_get_key(fcinfo, 1, family, "key")};

	open_write(&write, store, "mvstore_lock()", ACL_INSERT);
	(void) hold_keys(&write, &one, 1, MVS_NEWEST);
	mvs_store_close(&write.store);
	PG_RETURN_VOID();
}

MVS_KEY_FUNCTIONS(mvstore_lock, lock);

/* mvstore_put_at(store, key, value, version): write a value into the past. */
static Datum
put_at(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	bytea	   *key;
	bytea	   *value = mvs_get_value(fcinfo, 2, family);
	int64		version = mvs_get_version(fcinfo, 3, "version");

	key = begin_write(&write, fcinfo, "mvstore_put_at()", family, ACL_INSERT);
	write_past(&write, key, value, version);
	mvs_write_end(&write);
	PG_RETURN_VOID();
}

MVS_VALUE_FUNCTIONS(mvstore_put_at, put_at);

/* mvstore_delete_at(store, key, version): write a tombstone into the past. */
static Datum
delete_at(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	bytea	   *key;
	int64		version = mvs_get_version(fcinfo, 2, "version");

	key = begin_write(&write, fcinfo, "mvstore_delete_at()", family, ACL_INSERT);
	write_past(&write, key, NULL, version);
	mvs_write_end(&write);
	PG_RETURN_VOID();
}

MVS_KEY_FUNCTIONS(mvstore_delete_at, delete_at);
