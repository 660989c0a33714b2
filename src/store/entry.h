/*-------------------------------------------------------------------------
 *
 * entry.h
 *	  Entries: access to the table and the index of a store.
 *
 * Nothing here knows of policies, floors or
 * the queue.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_ENTRY_H
#define MVSTORE_ENTRY_H

#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"

#include "base/key.h"
#include "shared/database.h"
#include "store/store.h"

/*
 * Entries that a walk over the index steps over before it seeks the next key. A step costs
 * some 30 ns within a page, a seek some 700 ns. ./dev bench threshold compiles something
 * else in, and compares.
 */
#ifndef MVSTORE_STEPS_BEFORE_SEEK
#define MVSTORE_STEPS_BEFORE_SEEK 24
#endif

/* Columns of the index. */
#define MVS_INDEX_KEY 1
#define MVS_INDEX_VERSION 2

/*
 * An entry under a cursor, valid until the cursor moves. The value may be
 * toasted; mvs_entry_value() detoasts it.
 */
typedef struct MvsEntry
{
	ItemPointerData tid;
	int64		version;
	Datum		value;
	bool		tombstone;
	bool		expires;
	TimestampTz expires_at;
} MvsEntry;

/* A position in a store, as a snapshot sees it. */
typedef struct MvsCursor
{
	MvsStore   *store;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool		lent;			/* the slot is the caller's */
	Snapshot	snapshot;
	int64		skipped;		/* index entries of rows that the snapshot does not see */
} MvsCursor;

extern void mvs_cursor_open(MvsCursor *cursor, MvsStore *store, Snapshot snapshot);
extern void mvs_cursor_close(MvsCursor *cursor);

/* Put a cursor at the newest entry of a key at or below "version"; false: there is none. */
extern bool mvs_cursor_find(MvsCursor *cursor, const bytea *key, int64 version, MvsEntry *entry);

/*
 * Put a cursor before all entries from a key on (NULL: the first), in the order of the index;
 * "with_keys", if mvs_cursor_next_up_to() is to follow.
 */
extern void mvs_cursor_walk(MvsCursor *cursor, const bytea *from, bool with_keys);

/* Go on to the next entry of what find or walk began; false at the end. */
extern bool mvs_cursor_next(MvsCursor *cursor, MvsEntry *entry);

/*
 * The same; but where the snapshot does not see "most" rows that the walk came by, end with
 * *passed, a copy of the next key of an index entry that is not "within"; else it is NULL.
 */
extern bool mvs_cursor_next_up_to(MvsCursor *cursor, int64 most, const bytea *within,
								  MvsEntry *entry, bytea **passed);

/*
 * Put a cursor at the oldest entry of a key at or above "version"; then, go from one to
 * the next newer. False where there is none.
 */
extern bool mvs_cursor_find_oldest(MvsCursor *cursor, const bytea *key, int64 version,
								   MvsEntry *entry);
extern bool mvs_cursor_next_newer(MvsCursor *cursor, MvsEntry *entry);

/* Return the key of the entry under a cursor, in the slot's memory. */
extern bytea *mvs_cursor_key(MvsCursor *cursor);

/* Free that, if it is a copy. The cursor has not moved since. */
extern void mvs_cursor_free_key(MvsCursor *cursor, bytea *key);

/* Return the bytes that the entry under a cursor takes on disk, TOAST included. */
extern int64 mvs_cursor_bytes(MvsCursor *cursor, const MvsEntry *entry);

/* Return the value of an entry: where it lies, or detoasted. */
extern bytea *mvs_entry_value(const MvsEntry *entry);

/*
 * A scan of the keys in [from, to), NULL being open: of each, the newest entry
 * at or below as_of. With reverse, in descending order of the keys.
 */
typedef struct MvsScan
{
	MvsCursor	walk;			/* goes from key to key, by the index alone */
	MvsCursor	point;			/* looks up one key */
	int64		as_of;
	bool		reverse;
	bool		begun;
	const bytea *from;
	const bytea *to;
	MvsKeyBuffer key;			/* the current one */
	MvsKeyBuffer bound;			/* that the walk was last put behind */
	bytea	   *at;				/* the key that the walk is at */
	bytea	   *detoasted;		/* that key, if it was compressed */
	int			steps;			/* over entries of the current key */
	bool		ended;			/* so has the walk */
	bool		ahead;			/* downwards: the walk is at a key behind the current one */
	ItemPointerData candidate;	/* downwards: the last entry at or below as_of, or invalid */
	bool		lost;			/* finding: the walk is at none of the keys asked for */
	int			apart;			/* finding: keys to look up before the walk is tried */
	int			next_apart;		/* and after it fails */
} MvsScan;

extern void mvs_scan_open(MvsScan *scan, MvsStore *store, Snapshot snapshot,
						  const bytea *from, const bytea *to, int64 as_of, bool reverse);

/* Go to the next key that has an entry, a tombstone or an expired one, too; false at the end. */
extern bool mvs_scan_next(MvsScan *scan, MvsEntry *entry);

/*
 * Before a time in which nothing is asked for: keep no page of the index from VACUUM. The entry
 * that the scan is at stays valid.
 */
extern void mvs_scan_pause(MvsScan *scan);

/*
 * Or, of a scan of all keys upwards: find the entry of a key, if there is one. Each key is
 * behind the last one asked for. Neighbours are found without a descent for each.
 */
extern bool mvs_scan_find(MvsScan *scan, const bytea *key, MvsEntry *entry);
extern void mvs_scan_close(MvsScan *scan);

/* The head of a key with everything uncommitted. */
typedef struct MvsHead
{
	bool		found;
	bool		own;			/* written by the current transaction */
	MvsEntry	entry;			/* without its value */
	TransactionId wait_for;		/* who must end before the head is known, or invalid */
	int64		passed;			/* index entries of rows that are gone, before it */
} MvsHead;

/*
 * A look at the heads of keys, for a writer that holds them from before the look is opened
 * until it is closed. Zeroed before it is opened for the first time.
 */
typedef struct MvsHeads
{
	SnapshotData dirty;
	MvsCursor	cursor;
	const MvsDatabase *database;
	bool		many;			/* keys are looked at in ascending order */
	bool		walking;		/* at an entry, the index's first from some key on, or at its end */
	bool		ended;
	int			reached;		/* keys that the walk was of use for */
	int			seeks;			/* since it was of none; 0: it was */
} MvsHeads;

/*
 * Open it: for "many" keys in ascending order, or for one. Deletions by the workers
 * of the database count as not made. A slot of the table that the caller does not need
 * until it is closed is used instead of one of its own, unless it is NULL.
 */
extern void mvs_heads_open(MvsHeads *heads, MvsStore *store, const MvsDatabase *database,
						   TupleTableSlot *slot, bool many);
extern void mvs_heads_close(MvsHeads *heads);

/* Set *head to the head of a key, or to its entry at "version". */
extern void mvs_heads_find(MvsHeads *heads, const bytea *key, MvsHead *head);
extern void mvs_heads_find_at(MvsHeads *heads, const bytea *key, int64 version, MvsHead *head);

/*
 * Delete the entry at "tid", without waiting; false where somebody has it locked. With
 * "locked", this transaction has.
 */
extern bool mvs_entry_delete(MvsStore *store, ItemPointer tid, bool locked);

/* What is to be erased: all entries of a key, uncommitted ones too, newest first. */
typedef struct MvsKeyRows
{
	int			count;
	int			space;
	ItemPointerData *tids;
	int64	   *versions;
	TransactionId wait_for;		/* who must end before they are known, or invalid */
} MvsKeyRows;

/* Set *rows to them; what it had allocated before is used again. */
extern void mvs_entry_look_all(MvsStore *store, const bytea *key, MvsKeyRows *rows);

/* Delete the entry at "tid", without waiting; false where it is locked, or was changed. */
extern bool mvs_entry_erase(MvsStore *store, ItemPointer tid);

/*
 * Lock the entry at "tid" against others. False where it has gone, or been changed; and
 * unless "wait" is set, where somebody has it locked.
 */
extern bool mvs_entry_lock(MvsStore *store, ItemPointer tid, bool wait);

/* Return whether a snapshot sees the entry at "tid". */
extern bool mvs_entry_is_seen(MvsStore *store, ItemPointer tid, Snapshot snapshot);

/*
 * Raise 55000 where a key or a version is NULL. They are declared NOT NULL, but a snapshot may see
 * rows of before that, or the constraint be one that was not validated.
 */
extern void mvs_entry_refuse_null(bool isnull, MvsStore *store);

/* Set *entry to what a row of a store's table, or a copy of one, says. */
extern void mvs_entry_of_row(MvsStore *store, TupleTableSlot *row, MvsEntry *entry);

/* Return the version as of which an entry has expired; MVS_NEWEST: never. */
extern int64 mvs_entry_expires(const MvsEntry *entry);

#endif							/* MVSTORE_ENTRY_H */
