/*-------------------------------------------------------------------------
 *
 * gather.h
 *	  The entries of many keys of a store, read and deleted together.
 *
 * The index alone says where the entries are; then they are read, and deleted, in the
 * order in which the table has them. So no page is visited again for each key that has an
 * entry there.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_GATHER_H
#define MVSTORE_GATHER_H

#include "postgres.h"

#include "store/entry.h"

/* An entry, or an index entry whose row the snapshot does not see. */
typedef struct MvsGathered
{
	int64		version;
	int64		bytes;			/* as of mvs_cursor_bytes() */
	ItemPointerData place;		/* where the index points to */
	ItemPointerData tid;		/* its row */
	bool		seen;			/* by the snapshot */
	bool		untouched;		/* nobody has locked it, or tried to delete it */
	bool		goes;			/* is to be deleted */
	int32		key;			/* that it is of */
} MvsGathered;

typedef struct MvsGatheredKey
{
	const bytea *key;
	int			first;			/* of its entries, newest first */
	int			count;
	bool		whole;			/* they are all here; else the key is to be read by itself */
	bool		tombstone;		/* of its head */
	int64		expires;		/* likewise, as of mvs_entry_expires() */
} MvsGatheredKey;

typedef struct MvsPlace MvsPlace;

typedef struct MvsGather
{
	MvsCursor	cursor;
	MvsGathered *entries;
	int			count;
	int			space;
	MvsGatheredKey *keys;
	int			key_count;
	int			key_space;
	int			key_next;		/* for who goes through the keys */
	MvsPlace   *order;			/* of the table */

	/* The walk over the index. */
	bytea	   *at;				/* key of the index entry that it is at, or NULL */
	bytea	   *detoasted;		/* what of it is to be freed */
	int64		version;
	bool		goes_on;		/* from key to key; else each is sought */
	int			seeks;			/* since it went on last, if it does not */
} MvsGather;

/* Begin to gather, in the current memory context, what a snapshot sees. */
extern void mvs_gather_begin(MvsGather *gather, MvsStore *store, Snapshot snapshot);

/* Gather a key, in ascending order; it must stay where it is. */
extern void mvs_gather_key(MvsGather *gather, const bytea *key);

/* Read the entries that were gathered. */
extern void mvs_gather_read(MvsGather *gather);

/* Go on to a key, in ascending order; NULL: it was not gathered, or not as a whole. */
extern const MvsGatheredKey *mvs_gather_find(MvsGather *gather, const bytea *key);

/* Delete the entries that are to go; false where somebody is in the way, after some of them. */
extern bool mvs_gather_delete(MvsGather *gather);

extern void mvs_gather_end(MvsGather *gather);

#endif							/* MVSTORE_GATHER_H */
