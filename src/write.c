/*-------------------------------------------------------------------------
 *
 * write.c
 *	  The SQL functions that write to stores, and those that ask for drops.
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

#include "access/xact.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "entry.h"
#include "fault.h"
#include "function.h"
#include "queue.h"
#include "request.h"
#include "shmem.h"
#include "store.h"
#include "version.h"

#define ERRCODE_HISTORY_GONE MAKE_SQLSTATE('7', '2', '0', '0', '0')

/* A write under way. */
typedef struct MvsWrite
{
	MvsStore	store;
	MvsDatabase *database;
	bytea	   *key;
	LOCKTAG		lock;
} MvsWrite;

PG_FUNCTION_INFO_V1(mvstore_put);
PG_FUNCTION_INFO_V1(mvstore_put_bytea);
PG_FUNCTION_INFO_V1(mvstore_put_text_bytea);
PG_FUNCTION_INFO_V1(mvstore_delete);
PG_FUNCTION_INFO_V1(mvstore_delete_bytea);
PG_FUNCTION_INFO_V1(mvstore_put_at);
PG_FUNCTION_INFO_V1(mvstore_put_at_bytea);
PG_FUNCTION_INFO_V1(mvstore_put_at_text_bytea);
PG_FUNCTION_INFO_V1(mvstore_delete_at);
PG_FUNCTION_INFO_V1(mvstore_delete_at_bytea);
PG_FUNCTION_INFO_V1(mvstore_drop);
PG_FUNCTION_INFO_V1(mvstore_drop_bytea);
PG_FUNCTION_INFO_V1(mvstore_flush);

static void begin_write(MvsWrite *write, FunctionCallInfo fcinfo, const char *function,
						MvsType key_type, AclMode rights);
static void hold_key(MvsWrite *write, int64 version, MvsHead *head);
static bool is_present(MvsWrite *write, const MvsEntry *entry, bool found);
static bool look_with_snapshot(MvsWrite *write, MvsEntry *entry);
static int64 place_version(MvsWrite *write, const MvsHead *head);
static int64 write_head(MvsWrite *write, bytea *value, int64 ttl);
static void write_past(MvsWrite *write, bytea *value, int64 version);
static void count_write(MvsWrite *write, bytea *value, int64 before, bool superseding);

/* ------------------------------------------------------------------------
 * What every write does
 * ------------------------------------------------------------------------ */

/* Open the store in argument 0 for writing the key in argument 1. */
static void
begin_write(MvsWrite *write, FunctionCallInfo fcinfo, const char *function,
			MvsType key_type, AclMode rights)
{
	Oid			relation = mvs_get_store(fcinfo, 0);

	write->key = mvs_get_key(fcinfo, 1, key_type, "key");
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PreventCommandDuringRecovery(function);
	write->database = mvs_database();
	mvs_store_open(&write->store, relation, RowExclusiveLock, rights);
	mvs_lock_tag(&write->lock, MVS_LOCK_KEY, relation,
				 hash_bytes((const unsigned char *) VARDATA_ANY(write->key),
							VARSIZE_ANY_EXHDR(write->key)));
}

/*
 * Hold the key, with nobody else's write of it under way, and look at its
 * head; with a version, make sure of the entry there too.
 */
static void
hold_key(MvsWrite *write, int64 version, MvsHead *head)
{
	volatile TransactionId *worker = &write->database->worker_xid;

	for (;;)
	{
		(void) LockAcquire(&write->lock, ExclusiveLock, false, false);
		mvs_entry_look(&write->store, write->key, worker, head);
		if (version != MVS_NEWEST && !TransactionIdIsValid(head->wait_for))
		{
			MvsHead		exact;

			mvs_entry_look_at(&write->store, write->key, version, worker, &exact);
			head->wait_for = exact.wait_for;
		}
		if (!TransactionIdIsValid(head->wait_for))
			return;
		LockRelease(&write->lock, ExclusiveLock, false);
		XactLockTableWait(head->wait_for, write->store.heap, &head->entry.tid,
						  XLTW_InsertIndex);
	}
}

/* Whether a head is a value that has not expired, for a writer. */
static bool
is_present(MvsWrite *write, const MvsEntry *entry, bool found)
{
	if (!found || entry->tombstone)
		return false;
	return !entry->expires || TIMESTAMP_IS_NOEND(entry->expires_at) ||
		entry->expires_at > GetCurrentStatementStartTimestamp();
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

/* The version for a write above a head; 40001 where the transaction came too late. */
static int64
place_version(MvsWrite *write, const MvsHead *head)
{
	int64		above = head->found ? head->entry.version : 0;

	if (mvs_version_mine() == 0)
	{
		if (above > 0 && above > mvs_version_now(write->database))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the newest entry of the key lies in the future"),
					 errdetail("Its version is " INT64_FORMAT ".", above),
					 errhint("Something other than mvstore has written to store \"%s\".",
							 RelationGetRelationName(write->store.heap))));
		return mvs_version_take(write->database, above);
	}

	/* A TRUNCATE may have taken the head away; then the floor tells of it. */
	if (!head->found && mvs_version_is_overtaken(write->database))
	{
		int64		floor = mvs_floor_read(RelationGetRelid(write->store.heap), NULL);

		if (floor > mvs_version_mine())
			above = floor;
	}
	if (!head->own && above >= mvs_version_mine())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not write below a newer entry of the key"),
				 errdetail("The transaction has version " INT64_FORMAT ", and the newest entry " INT64_FORMAT ".",
						   mvs_version_mine(), above),
				 errhint("The transaction might succeed if retried.")));
	return mvs_version_mine();
}

/* Count a write, and have the store's policy look at what it superseded. */
static void
count_write(MvsWrite *write, bytea *value, int64 before, bool superseding)
{
	const MvsPolicy *policy = &write->store.info.policy;

	mvs_request_count(RelationGetRelid(write->store.heap), value == NULL);
	if (superseding && policy->keep_versions > 0 && policy->keep_for < 0)
		mvs_request_policy(&write->store, write->key, before);
}

/*
 * Write a new head: a value, or a tombstone where it is NULL. The version; or
 * 0, and nothing written, for a tombstone where there is nothing to delete.
 */
static int64
write_head(MvsWrite *write, bytea *value, int64 ttl)
{
	MvsHead		head;
	int64		version;
	TimestampTz expires_at = DT_NOEND;
	bool		deletes = (value == NULL);

	hold_key(write, MVS_NEWEST, &head);
	if (IsolationUsesXactSnapshot())
	{
		MvsEntry	seen;
		bool		found = look_with_snapshot(write, &seen);

		if (deletes && !is_present(write, &seen, found))
		{
			LockRelease(&write->lock, ExclusiveLock, false);
			return 0;
		}
		if (!head.own &&
			(head.found != found ||
			 (found && !ItemPointerEquals(&head.entry.tid, &seen.tid))))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update"),
					 errhint("The transaction might succeed if retried.")));
	}
	else if (deletes && !is_present(write, &head.entry, head.found))
	{
		LockRelease(&write->lock, ExclusiveLock, false);
		return 0;
	}

	version = place_version(write, &head);
	if (ttl >= 0)
	{
		int64		now = Max(mvs_version_now(write->database), version);

		if (ttl > MVS_NEWEST - now || !IS_VALID_TIMESTAMP(mvs_version_to_time(now + ttl)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("ttl is out of range")));
		expires_at = mvs_version_to_time(now + ttl);
	}
	if (head.own && !mvs_entry_delete(&write->store, &head.entry.tid))
		elog(ERROR, "could not replace an entry of the current transaction");
	mvs_entry_insert(&write->store, write->key, version, value, expires_at);
	LockRelease(&write->lock, ExclusiveLock, false);
	MVS_FAULT("entry-written");

	count_write(write, value, version, head.found);
	CommandCounterIncrement();
	return version;
}

/* Write an entry into the past. */
static void
write_past(MvsWrite *write, bytea *value, int64 version)
{
	LOCKTAG		drop_lock;
	MvsHead		head;
	Oid			oid = RelationGetRelid(write->store.heap);
	int64		floor;
	int64		now = mvs_version_now(write->database);

	if (version < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version must be at least 1")));
	if (version > now)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version " INT64_FORMAT " lies in the future", version),
				 errdetail("It is now version " INT64_FORMAT ".", now),
				 errhint("A version is a time in microseconds since 1970.")));

	/* To the end of the transaction no batch may go by what it does not see. */
	mvs_lock_tag(&drop_lock, MVS_LOCK_DROP, oid, 0);
	(void) LockAcquire(&drop_lock, ShareLock, false, false);
	floor = mvs_floor_read(oid, NULL);
	if (version < floor)
		ereport(ERROR,
				(errcode(ERRCODE_HISTORY_GONE),
				 errmsg("history of store \"%s\" as of version " INT64_FORMAT " is gone",
						RelationGetRelationName(write->store.heap), version),
				 errdetail("Entries can be added at version " INT64_FORMAT " or later.", floor)));

	mvs_version_raise(write->database, version);
	hold_key(write, version, &head);
	mvs_entry_insert(&write->store, write->key, version, value, DT_NOEND);
	LockRelease(&write->lock, ExclusiveLock, false);

	count_write(write, value, mvs_version_last(write->database), head.found || value == NULL);
	CommandCounterIncrement();
}

/* ------------------------------------------------------------------------
 * Writes
 * ------------------------------------------------------------------------ */

static Datum
put(FunctionCallInfo fcinfo, MvsType key_type, MvsType value_type)
{
	MvsWrite	write;
	bytea	   *value = mvs_get_value(fcinfo, 2, value_type);
	int64		ttl = -1;
	int64		version;

	if (!PG_ARGISNULL(3))
	{
		ttl = mvs_interval_usecs("ttl", PG_GETARG_INTERVAL_P(3));
		if (ttl == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("ttl must be greater than zero")));
	}
	begin_write(&write, fcinfo, "mvstore_put()", key_type, ACL_INSERT);
	if (PG_ARGISNULL(3))
		ttl = write.store.info.ttl;
	version = write_head(&write, value, ttl);
	mvs_store_close(&write.store);
	PG_RETURN_INT64(version);
}

/* mvstore_put(store, key text, value text, ttl): write a value; the version. */
Datum
mvstore_put(PG_FUNCTION_ARGS)
{
	return put(fcinfo, MVS_TEXT, MVS_TEXT);
}

/* mvstore_put(store, key bytea, value bytea, ttl) */
Datum
mvstore_put_bytea(PG_FUNCTION_ARGS)
{
	return put(fcinfo, MVS_BYTES, MVS_BYTES);
}

/* mvstore_put(store, key text, value bytea, ttl) */
Datum
mvstore_put_text_bytea(PG_FUNCTION_ARGS)
{
	return put(fcinfo, MVS_TEXT, MVS_BYTES);
}

static Datum
delete(FunctionCallInfo fcinfo, MvsType key_type)
{
	MvsWrite	write;
	int64		version;

	begin_write(&write, fcinfo, "mvstore_delete()", key_type, ACL_INSERT | ACL_SELECT);
	version = write_head(&write, NULL, -1);
	mvs_store_close(&write.store);
	if (version == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(version);
}

/* mvstore_delete(store, key text): write a tombstone; NULL if there is nothing to delete. */
Datum
mvstore_delete(PG_FUNCTION_ARGS)
{
	return delete(fcinfo, MVS_TEXT);
}

/* mvstore_delete(store, key bytea) */
Datum
mvstore_delete_bytea(PG_FUNCTION_ARGS)
{
	return delete(fcinfo, MVS_BYTES);
}

static Datum
put_at(FunctionCallInfo fcinfo, MvsType key_type, MvsType value_type)
{
	MvsWrite	write;
	bytea	   *value = mvs_get_value(fcinfo, 2, value_type);
	int64		version = mvs_get_version(fcinfo, 3, "version");

	begin_write(&write, fcinfo, "mvstore_put_at()", key_type, ACL_INSERT);
	write_past(&write, value, version);
	mvs_store_close(&write.store);
	PG_RETURN_VOID();
}

/* mvstore_put_at(store, key text, value text, version): write a value into the past. */
Datum
mvstore_put_at(PG_FUNCTION_ARGS)
{
	return put_at(fcinfo, MVS_TEXT, MVS_TEXT);
}

/* mvstore_put_at(store, key bytea, value bytea, version) */
Datum
mvstore_put_at_bytea(PG_FUNCTION_ARGS)
{
	return put_at(fcinfo, MVS_BYTES, MVS_BYTES);
}

/* mvstore_put_at(store, key text, value bytea, version) */
Datum
mvstore_put_at_text_bytea(PG_FUNCTION_ARGS)
{
	return put_at(fcinfo, MVS_TEXT, MVS_BYTES);
}

static Datum
delete_at(FunctionCallInfo fcinfo, MvsType key_type)
{
	MvsWrite	write;
	int64		version = mvs_get_version(fcinfo, 2, "version");

	begin_write(&write, fcinfo, "mvstore_delete_at()", key_type, ACL_INSERT);
	write_past(&write, NULL, version);
	mvs_store_close(&write.store);
	PG_RETURN_VOID();
}

/* mvstore_delete_at(store, key text, version): write a tombstone into the past. */
Datum
mvstore_delete_at(PG_FUNCTION_ARGS)
{
	return delete_at(fcinfo, MVS_TEXT);
}

/* mvstore_delete_at(store, key bytea, version) */
Datum
mvstore_delete_at_bytea(PG_FUNCTION_ARGS)
{
	return delete_at(fcinfo, MVS_BYTES);
}

/* ------------------------------------------------------------------------
 * Drops
 * ------------------------------------------------------------------------ */

static Datum
drop(FunctionCallInfo fcinfo, MvsType key_type)
{
	MvsStore	store;
	MvsDatabase *database;
	Oid			relation = mvs_get_store(fcinfo, 0);
	bytea	   *key = mvs_get_key(fcinfo, 1, key_type, "key");
	int64		before = mvs_get_version(fcinfo, 3, "before");

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("keep must not be null")));
	if (PG_GETARG_INT32(2) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep must be at least 1"),
				 errhint("mvstore_delete() deletes a key.")));
	PreventCommandIfReadOnly("mvstore_drop()");
	PreventCommandIfParallelMode("mvstore_drop()");
	PreventCommandDuringRecovery("mvstore_drop()");
	database = mvs_database();
	mvs_store_open(&store, relation, AccessShareLock, ACL_DELETE);
	if (store.info.referenced)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot drop from store \"%s\" because a foreign key refers to it",
						RelationGetRelationName(store.heap))));

	/* What is superseded after the call is not covered by it. */
	mvs_request_drop(&store, key, PG_GETARG_INT32(2),
					 Min(before, mvs_version_last(database)));
	mvs_store_close(&store);
	PG_RETURN_VOID();
}

/* mvstore_drop(store, key text, keep, before): enqueue a drop of superseded entries. */
Datum
mvstore_drop(PG_FUNCTION_ARGS)
{
	return drop(fcinfo, MVS_TEXT);
}

/* mvstore_drop(store, key bytea, keep, before) */
Datum
mvstore_drop_bytea(PG_FUNCTION_ARGS)
{
	return drop(fcinfo, MVS_BYTES);
}

/* mvstore_flush(timeout): wait until every drop requested by now is done. */
Datum
mvstore_flush(PG_FUNCTION_ARGS)
{
	int64		timeout;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("timeout must not be null")));
	timeout = mvs_interval_usecs("timeout", PG_GETARG_INTERVAL_P(0)) / 1000;
	PreventCommandDuringRecovery("mvstore_flush()");
	PG_RETURN_BOOL(mvs_queue_wait(mvs_database(), timeout));
}
