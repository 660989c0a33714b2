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
 * uncommitted entry itself is what others wait for. So no transaction holds
 * two key locks, and lock memory does not grow with the writes.
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


static void open_write(MvsWrite *write, Oid store, const char *function, AclMode rights);
static void choose_key(MvsWrite *write, bytea *key);
static void open_key(MvsWrite *write, FunctionCallInfo fcinfo, const char *function,
					 MvsFamily family, AclMode rights);
static void begin_write(MvsWrite *write, FunctionCallInfo fcinfo, const char *function,
						MvsFamily family, AclMode rights);
static void hold_key(MvsWrite *write, int64 version, MvsHead *head);
static int64 live_version(MvsWrite *write, const MvsEntry *entry, bool found);
static bool is_wanted(MvsWrite *write, const MvsEntry *entry, bool found, bytea *value,
					  int64 expected);
static bool look_with_snapshot(MvsWrite *write, MvsEntry *entry);
static bool is_same_unread(MvsWrite *write, const MvsHead *head);
static bool judge_head(MvsWrite *write, MvsHead *head, bytea *value, int64 expected);
static int64 place_version(MvsWrite *write, const MvsHead *head);
static int64 choose_ttl(MvsWrite *write, int64 ttl);
static TimestampTz expiry(MvsWrite *write, int64 version, int64 ttl);
static int64 write_head(MvsWrite *write, bytea *value, int64 ttl, TimestampTz until,
						int64 expected);
static void refuse_seen(MvsWrite *write, int64 version);
static void write_past(MvsWrite *write, bytea *value, int64 version);
static void count_write(MvsWrite *write, bytea *value);

/* ------------------------------------------------------------------------
 * What every write does
 * ------------------------------------------------------------------------ */

/* Open a store for writing. */
static void
open_write(MvsWrite *write, Oid store, const char *function, AclMode rights)
{
	write->database = mvs_command_begin_write(function);
	mvs_store_open(&write->store, store, RowExclusiveLock, rights);
	mvs_store_refuse_unguarded(&write->store);
}

/* The key that the write is of. */
static void
choose_key(MvsWrite *write, bytea *key)
{
	write->key = key;
	mvs_lock_tag_key(&write->lock, RelationGetRelid(write->store.heap), key);
}

/* Open the store in argument 0 for writing the key in argument 1. */
static void
open_key(MvsWrite *write, FunctionCallInfo fcinfo, const char *function,
		 MvsFamily family, AclMode rights)
{
	Oid			store = mvs_get_store(fcinfo, 0);
	bytea	   *key = mvs_get_key(fcinfo, 1, family, "key");

	open_write(write, store, function, rights);
	choose_key(write, key);
}

/* Begin to write that key. */
static void
begin_write(MvsWrite *write, FunctionCallInfo fcinfo, const char *function,
			MvsFamily family, AclMode rights)
{
	open_key(write, fcinfo, function, family, rights);
	mvs_statement_begin(&write->statement, &write->store, CMD_INSERT);
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
 * Hold the key, with nobody else's write of it under way, and look at its
 * head; with a version, instead at the entry there, of which that holds, too.
 */
static void
hold_key(MvsWrite *write, int64 version, MvsHead *head)
{
	for (;;)
	{
		(void) LockAcquire(&write->lock, ExclusiveLock, false, false);
		mvs_entry_look(&write->store, write->key, write->database, head);
		if (version != MVS_NEWEST && !TransactionIdIsValid(head->wait_for))
			mvs_entry_look_at(&write->store, write->key, version, write->database,
							  head);
		if (!TransactionIdIsValid(head->wait_for))
			return;
		LockRelease(&write->lock, ExclusiveLock, false);
		XactLockTableWait(head->wait_for, write->store.heap, &head->entry.tid,
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
look_with_snapshot(MvsWrite *write, MvsEntry *entry)
{
	MvsCursor	cursor;
	bool		found;

	mvs_cursor_open(&cursor, &write->store, GetTransactionSnapshot());
	found = mvs_cursor_find(&cursor, write->key, MVS_NEWEST, entry);
	mvs_cursor_close(&cursor);
	return found;
}

/*
 * Whether the head is that of the transaction's own snapshot, or both have none,
 * without reading the key by the index where that can be helped.
 */
static bool
is_same_unread(MvsWrite *write, const MvsHead *head)
{
	MvsEntry	seen;

	/* The newer ones of what is there have not gone before it. */
	if (head->found)
	{
		ItemPointerData tid = head->entry.tid;

		return mvs_entry_is_seen(&write->store, &tid, GetTransactionSnapshot());
	}

	/* What our snapshot may see cannot have left the index. */
	return head->passed == 0 || !look_with_snapshot(write, &seen);
}

/*
 * Whether a write above a head is to be made. A transaction with one snapshot goes by
 * what that sees; 40001 where the head is another.
 */
static bool
judge_head(MvsWrite *write, MvsHead *head, bytea *value, int64 expected)
{
	MvsEntry	seen;
	bool		found;

	if (!IsolationUsesXactSnapshot())
		return is_wanted(write, &head->entry, head->found, value, expected);
	if (IsolationIsSerializable() && value != NULL && expected == MVS_ANY)
	{
		/* Nothing was read, so there are to be no locks on what was. */
		if (!head->own && !is_same_unread(write, head))
			mvs_command_refuse_concurrent(RelationGetRelid(write->store.heap));
		return true;
	}

	found = look_with_snapshot(write, &seen);
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

	if (mvs_version_mine() == 0)
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
					 errhint("Remove the row with DELETE.")));
		return mvs_version_take(write->database, above);
	}

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
	int64		now = Max(mvs_clock_now(write->database), version);

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

/* Have the store's policy look at what a new head superseded, and at when it expires. */
static void
request_policy(MvsWrite *write, int64 version, bool superseding, TimestampTz expires_at)
{
	const MvsPolicy *policy = &write->store.info.policy;
	bool		limited = policy->keep_versions > 0 || policy->keep_for >= 0;
	int64		before = limited && superseding ? version : 0;
	int64		expires = expires_at == DT_NOEND ? 0 : Max(mvs_version_of_time(expires_at), 1);

	if (before > 0 || expires > 0)
		mvs_transaction_write(&write->store, write->key, before, expires);
}

/*
 * Write a new head: a value, or a tombstone where it is NULL. It expires after its ttl,
 * or without one (-1) at "until". The version; or 0, and nothing written, where the live
 * version is not the one expected, and for a tombstone where there is nothing to delete.
 */
static int64
write_head(MvsWrite *write, bytea *value, int64 ttl, TimestampTz until, int64 expected)
{
	MvsHead		head;
	int64		version;
	TimestampTz expires_at;

	hold_key(write, MVS_NEWEST, &head);
	if (!judge_head(write, &head, value, expected))
	{
		LockRelease(&write->lock, ExclusiveLock, false);
		return 0;
	}

	version = place_version(write, &head);
	expires_at = ttl < 0 ? until : expiry(write, version, ttl);
	if (head.own && !mvs_statement_delete(&write->statement, &head.entry.tid))
		elog(ERROR, "could not replace an entry of the current transaction");
	expires_at = mvs_statement_insert(&write->statement, write->key, version, value, expires_at);
	LockRelease(&write->lock, ExclusiveLock, false);
	MVS_FAULT("entry-written");

	count_write(write, value);
	request_policy(write, version, head.found, expires_at);
	CommandCounterIncrement();
	return version;
}

int64
mvs_write_entry(MvsWrite *write, bytea *key, bytea *value, TimestampTz expires_at)
{
	choose_key(write, key);
	return write_head(write, value, -1, expires_at, MVS_ANY);
}

/*
 * Refuse a version of the key that has been dropped, if the transaction's own snapshot
 * goes on seeing it. (The index refuses what is there.)
 */
static void
refuse_seen(MvsWrite *write, int64 version)
{
	MvsCursor	cursor;
	MvsEntry	entry;
	bool		seen;

	mvs_cursor_open(&cursor, &write->store, GetTransactionSnapshot());
	seen = mvs_cursor_find(&cursor, write->key, version, &entry) && entry.version == version;
	mvs_cursor_close(&cursor);
	if (seen)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("duplicate key value violates unique constraint \"%s\"",
						RelationGetRelationName(write->store.index)),
				 errdetail("The transaction's snapshot sees the entry at version " INT64_FORMAT ", which has gone since.",
						   version),
				 errtableconstraint(write->store.heap,
									RelationGetRelationName(write->store.index))));
}

/* Write an entry into the past. */
static void
write_past(MvsWrite *write, bytea *value, int64 version)
{
	const MvsPolicy *policy = &write->store.info.policy;
	MvsHead		head;
	Oid			oid = RelationGetRelid(write->store.heap);
	int64		floor;
	TimestampTz expires_at;

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
	hold_key(write, version, &head);
	if (IsolationUsesXactSnapshot() && head.passed > 0)
		refuse_seen(write, version);
	expires_at = mvs_statement_insert(&write->statement, write->key, version, value, DT_NOEND);
	LockRelease(&write->lock, ExclusiveLock, false);

	count_write(write, value);
	mvs_transaction_rewritten(oid);
	if (policy->keep_versions > 0 || policy->keep_for >= 0)
		mvs_transaction_look(&write->store, write->key, mvs_clock_last(write->database));
	request_policy(write, version, false, expires_at);
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
	bytea	   *value = mvs_get_value(fcinfo, 2, family);
	int64		ttl = mvs_get_ttl(fcinfo, 3);
	int64		version;

	begin_write(&write, fcinfo, "mvstore_put()", family, ACL_INSERT);
	version = write_head(&write, value, choose_ttl(&write, ttl), DT_NOEND, MVS_ANY);
	mvs_write_end(&write);
	RETURN_VERSION(version);
}

MVS_VALUE_FUNCTIONS(mvstore_put, put);

/* mvstore_put_if(store, key, value, expected, ttl): NULL where another version is live. */
static Datum
put_if(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	bytea	   *value = mvs_get_value(fcinfo, 2, family);
	int64		expected = mvs_get_version(fcinfo, 3, "expected");
	int64		ttl = mvs_get_ttl(fcinfo, 4);
	int64		version;

	begin_write(&write, fcinfo, "mvstore_put_if()", family, ACL_INSERT | ACL_SELECT);
	version = write_head(&write, value, choose_ttl(&write, ttl), DT_NOEND, expected);
	mvs_write_end(&write);
	RETURN_VERSION(version);
}

MVS_VALUE_FUNCTIONS(mvstore_put_if, put_if);

/* An element of put_many. */
typedef struct Pair
{
	bytea	   *key;
	bytea	   *value;			/* NULL: delete */
	int			place;
} Pair;

/* By key, and of equal keys the last of the array first. */
static int
compare_pairs(const void *left, const void *right)
{
	const Pair *a = left;
	const Pair *b = right;
	int			order = mvs_key_compare(a->key, b->key);

	return order != 0 ? order : b->place - a->place;
}

/*
 * Set *pairs to those of arguments 1 and 2, in the order of the keys: writers that take
 * them in one order do not wait for each other in a circle. The number of them.
 */
static int
get_pairs(FunctionCallInfo fcinfo, MvsFamily family, Pair **pairs)
{
	bytea	  **keys;
	bytea	  **values;
	int			count = mvs_get_keys(fcinfo, 1, family, &keys);

	if (mvs_get_values(fcinfo, 2, family, &values) != count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("keys and new_values must have the same number of elements")));

	*pairs = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Pair) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		(*pairs)[i].key = keys[i];
		(*pairs)[i].value = values[i];
		(*pairs)[i].place = i;
	}
	qsort(*pairs, count, sizeof(Pair), compare_pairs);
	return count;
}

/*
 * mvstore_put_many(store, keys, new_values, ttl): one version for all; NULL values delete.
 * The version, or NULL where nothing was written.
 */
static Datum
put_many(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	Pair	   *pairs;
	int			count;
	AclMode		rights = ACL_INSERT;
	int64		ttl;
	int64		version = 0;
	MemoryContext pair_context;
	MemoryContext old;
	Oid			store = mvs_get_store(fcinfo, 0);

	count = get_pairs(fcinfo, family, &pairs);
	ttl = mvs_get_ttl(fcinfo, 3);
	for (int i = 0; i < count; i++)
		if (pairs[i].value == NULL)
			rights |= ACL_SELECT;	/* what is returned tells of the key */

	mvs_write_begin(&write, store, "mvstore_put_many()", rights);
	ttl = choose_ttl(&write, ttl);
	pair_context = AllocSetContextCreate(CurrentMemoryContext, "mvstore put_many",
										 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(pair_context);
	for (int i = 0; i < count; i++)
	{
		int64		written;

		CHECK_FOR_INTERRUPTS();
		if (i > 0 && mvs_key_compare(pairs[i].key, pairs[i - 1].key) == 0)
			continue;
		choose_key(&write, pairs[i].key);
		written = write_head(&write, pairs[i].value, pairs[i].value ? ttl : -1, DT_NOEND,
							 MVS_ANY);
		if (written != 0)
			version = written;
		MemoryContextReset(pair_context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(pair_context);
	mvs_write_end(&write);
	RETURN_VERSION(version);
}

MVS_VALUE_FUNCTIONS(mvstore_put_many, put_many);

/* mvstore_delete(store, key): write a tombstone; NULL if there is nothing to delete. */
static Datum
delete(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	int64		version;

	begin_write(&write, fcinfo, "mvstore_delete()", family, ACL_INSERT | ACL_SELECT);
	version = write_head(&write, NULL, -1, DT_NOEND, MVS_ANY);
	mvs_write_end(&write);
	RETURN_VERSION(version);
}

MVS_KEY_FUNCTIONS(mvstore_delete, delete);

/* mvstore_delete_if(store, key, expected): NULL where another version is live. */
static Datum
delete_if(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	int64		expected = mvs_get_version(fcinfo, 2, "expected");
	int64		version;

	begin_write(&write, fcinfo, "mvstore_delete_if()", family, ACL_INSERT | ACL_SELECT);
	version = write_head(&write, NULL, -1, DT_NOEND, expected);
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
	MvsHead		head;

	open_key(&write, fcinfo, "mvstore_lock()", family, ACL_INSERT);
	hold_key(&write, MVS_NEWEST, &head);
	mvs_store_close(&write.store);
	PG_RETURN_VOID();
}

MVS_KEY_FUNCTIONS(mvstore_lock, lock);

/* mvstore_put_at(store, key, value, version): write a value into the past. */
static Datum
put_at(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	bytea	   *value = mvs_get_value(fcinfo, 2, family);
	int64		version = mvs_get_version(fcinfo, 3, "version");

	begin_write(&write, fcinfo, "mvstore_put_at()", family, ACL_INSERT);
	write_past(&write, value, version);
	mvs_write_end(&write);
	PG_RETURN_VOID();
}

MVS_VALUE_FUNCTIONS(mvstore_put_at, put_at);

/* mvstore_delete_at(store, key, version): write a tombstone into the past. */
static Datum
delete_at(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsWrite	write;
	int64		version = mvs_get_version(fcinfo, 2, "version");

	begin_write(&write, fcinfo, "mvstore_delete_at()", family, ACL_INSERT);
	write_past(&write, NULL, version);
	mvs_write_end(&write);
	PG_RETURN_VOID();
}

MVS_KEY_FUNCTIONS(mvstore_delete_at, delete_at);
