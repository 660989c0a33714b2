/*-------------------------------------------------------------------------
 *
 * erase.c
 *	  Erasing: keys go, as if they had never been.
 *
 * An erasure is no drop: it rewrites the past, in the caller's transaction, and
 * the floor does not move. With the store's drop lock held no batch, no pin and no
 * writer of the past comes in between. Each key is held like for a write, and what
 * is uncommitted there is waited for, holding nothing of the key. For triggers and
 * publications it is one DELETE.
 *
 * Besides the entries go the requests in the journal that name the key, and at the
 * end of the transaction the notes in the calendar; requests in the queue are voided
 * at COMMIT.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/arguments.h"
#include "base/key.h"
#include "functions/command.h"
#include "queue/journal.h"
#include "queue/transaction.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "shared/fault.h"
#include "shared/lock.h"
#include "store/entry.h"
#include "store/pin.h"
#include "store/statement.h"
#include "store/store.h"
#include "version/clock.h"
#include "version/session.h"

static ItemPointer try_key(MvsStatement *statement, MvsDatabase *database, MvsKeyRows *rows,
						   int64 *erased);
static int64 erase_key(MvsStatement *statement, MvsDatabase *database, const bytea *key,
					   MvsKeyRows *rows);
static int64 erase_keys(MvsStatement *statement, MvsDatabase *database, const bytea *prefix);
static void refuse_missed(MvsStore *store, const bytea *from, const bytea *to);

/*
 * Delete the entries of a key that is held, counting them; one that somebody has
 * locked ends that, and is to be waited for, or NULL.
 */
static ItemPointer
try_key(MvsStatement *statement, MvsDatabase *database, MvsKeyRows *rows, int64 *erased)
{
	MvsStore   *store = statement->store;
	ItemPointer locked = NULL;

	if (rows->count == 0)
		return NULL;
	mvs_pin_refuse(database, store->heap, rows->versions[rows->count - 1]);

	/* The head goes last: until then who has an entry locked can still write the key. */
	for (int i = rows->count - 1; i >= 0 && !locked; i--)
	{
		CHECK_FOR_INTERRUPTS();
		if (IsolationUsesXactSnapshot() &&
			!mvs_entry_is_seen(store, &rows->tids[i], GetTransactionSnapshot()))
			mvs_command_refuse_concurrent(RelationGetRelid(store->heap));
		if (mvs_statement_delete(statement, &rows->tids[i]))
			(*erased)++;
		else
			locked = &rows->tids[i];
	}
	CommandCounterIncrement();
	MVS_FAULT("key-erased");
	return locked;
}

/* Erase one key; the number of entries that went. */
static int64
erase_key(MvsStatement *statement, MvsDatabase *database, const bytea *key, MvsKeyRows *rows)
{
	MvsStore   *store = statement->store;
	LOCKTAG		lock;
	int64		erased = 0;
	ItemPointer locked;

	mvs_lock_tag_key(&lock, RelationGetRelid(store->heap), key);
	do
	{
		locked = NULL;
		(void) LockAcquire(&lock, ExclusiveLock, false, false);
		mvs_entry_look_all(store, key, rows);
		if (!TransactionIdIsValid(rows->wait_for))
			locked = try_key(statement, database, rows, &erased);
		LockRelease(&lock, ExclusiveLock, false);

		/* Waiting, we hold nothing of the key but what is deleted already. */
		if (TransactionIdIsValid(rows->wait_for))
			XactLockTableWait(rows->wait_for, store->heap, &rows->tids[rows->count - 1],
							  XLTW_Delete);
		else if (locked)
			(void) mvs_entry_lock(store, locked, true);
	} while (TransactionIdIsValid(rows->wait_for) || locked);
	return erased;
}

/* Erase all keys with a prefix, those that are being written, too. */
static int64
erase_keys(MvsStatement *statement, MvsDatabase *database, const bytea *prefix)
{
	bytea	   *end = mvs_key_prefix_end(prefix);
	MvsKeyBuffer next = {0};
	MvsKeyBuffer key = {0};
	MvsKeyRows	rows = {0};
	SnapshotData dirty;
	int64		erased = 0;
	bool		found = true;

	mvs_key_copy(&next, prefix, 0);
	InitDirtySnapshot(dirty);
	while (found)
	{
		MvsCursor	cursor;
		MvsEntry	entry;

		CHECK_FOR_INTERRUPTS();
		mvs_cursor_open(&cursor, statement->store, &dirty);
		mvs_cursor_walk(&cursor, next.key, false);
		found = mvs_cursor_next(&cursor, &entry);
		if (found)
		{
			bytea	   *met = mvs_cursor_key(&cursor);

			found = end == NULL || mvs_key_compare(met, end) < 0;
			mvs_key_copy(&key, met, 0);
			mvs_cursor_free_key(&cursor, met);
		}
		mvs_cursor_close(&cursor);
		if (found)
		{
			erased += erase_key(statement, database, key.key, &rows);

			/* On with its immediate successor. */
			mvs_key_copy(&next, key.key, 1);
		}
	}
	return erased;
}

/*
 * Refuse what the transaction's own snapshot would go on seeing of the keys, as others
 * have taken it away since: an older entry would come to light where newer ones were
 * erased. Under SERIALIZABLE the keys count as read, as the caller is told how many
 * entries went.
 */
static void
refuse_missed(MvsStore *store, const bytea *from, const bytea *to)
{
	MvsScan		scan;
	MvsEntry	entry;
	bool		missed;

	mvs_scan_open(&scan, store, GetTransactionSnapshot(), from, to, MVS_NEWEST, false);
	missed = mvs_scan_next(&scan, &entry);
	mvs_scan_close(&scan);
	if (missed)
	{
		mvs_counters_refused(RelationGetRelid(store->heap), MVS_REFUSED_LATE);
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent delete"),
				 errhint("The transaction might succeed if retried.")));
	}
}

/* Erase a key, or all keys with a prefix; the number of entries that went. */
static int64
erase(const char *function, Oid relation, const bytea *key, bool prefix)
{
	MvsDatabase *database = mvs_command_begin_write(function);
	MvsStore	store;
	MvsStatement statement;
	int64		erased;

	mvs_store_open_own(&store, relation, RowExclusiveLock);
	mvs_store_refuse_referenced(&store);
	mvs_store_refuse_unguarded(&store);
	(void) mvs_lock_drops(relation, MVS_LOCKER_STORE, true);
	mvs_statement_begin(&statement, &store, CMD_DELETE);

	if (prefix)
		erased = erase_keys(&statement, database, key);
	else
	{
		MvsKeyRows	rows = {0};

		erased = erase_key(&statement, database, key, &rows);
	}
	if (IsolationUsesXactSnapshot())
	{
		MvsKeyBuffer next = {0};

		mvs_key_copy(&next, key, 1);
		refuse_missed(&store, key, prefix ? mvs_key_prefix_end(key) : next.key);
	}
	mvs_journal_erase(relation, key, prefix);
	mvs_transaction_erased(relation, key, prefix);
	if (erased > 0)
		mvs_transaction_rewritten(relation);
	mvs_statement_end(&statement);
	mvs_store_close(&store);
	return erased;
}

/* mvstore_erase(store, key): remove a key as if it had never been; entries that went. */
static Datum
erase_one(FunctionCallInfo fcinfo, MvsFamily family)
{
	Oid			relation = mvs_get_store(fcinfo, 0);
	bytea	   *key = mvs_get_key(fcinfo, 1, family, "key");

	PG_RETURN_INT64(erase("mvstore_erase()", relation, key, false));
}

MVS_KEY_FUNCTIONS(mvstore_erase, erase_one);

/* mvstore_erase_prefix(store, prefix): remove all keys that begin with a prefix. */
static Datum
erase_prefix(FunctionCallInfo fcinfo, MvsFamily family)
{
	Oid			relation = mvs_get_store(fcinfo, 0);
	bytea	   *prefix = mvs_get_bound(fcinfo, 1, family, "prefix");

	PG_RETURN_INT64(erase("mvstore_erase_prefix()", relation, prefix, true));
}

MVS_KEY_FUNCTIONS(mvstore_erase_prefix, erase_prefix);
