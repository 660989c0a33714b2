/*-------------------------------------------------------------------------
 *
 * gather.h
 *	  The entries of many keys of a store, read and deleted together.
 *
 * The index alone says where the entries are; then they are read, and deleted, in the
 * order in which the table has them. So no page is visited again for each key that has an
 * entry there.
 *
 * They are deleted at once, or left to transactions to come. Then each of these deletes no entry
 * before the older ones of its key: what stays of a key is always its newest part. And then only
 * what stays has to be read before that: what is older than an entry that stays and is seen goes,
 * whether it is seen or not, and is looked at when it does.
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
	TransactionId xmin;			/* that has inserted it; or not read */
	bool		wanted;			/* is to be read */
	bool		read;
	bool		seen;			/* by the snapshot, or not read */
	bool		untouched;		/* nobody has locked it, or tried to delete it; or not read */
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
	bool		in_the_way;		/* of the rest is somebody */
	int			oldest;			/* entry that is left to be deleted; below first: none */
	int64		end;			/* the greatest of what goes */
	int64		expires;		/* of its head, as of mvs_entry_expires() */
} MvsGatheredKey;

/* Bytes that an entry takes, with its share of a key. */
#define MVS_GATHER_SPACE 128

/* Blocks that are told apart, if they are closer to each other than that. */
#define MVS_SCATTER_BLOCKS 65536

/* Over how many blocks of the table entries are scattered that are neighbours in the index. */
typedef struct MvsScatter
{
	int			entries;
	int			blocks;
	uint8		known[MVS_SCATTER_BLOCKS / BITS_PER_BYTE];
} MvsScatter;

/* What went of those left to be deleted. */
typedef struct MvsGatherGone
{
	int64		entries;
	int64		bytes;
	int64		end;			/* the greatest of theirs */
	int64		version;		/* likewise */
} MvsGatherGone;

typedef struct MvsPlace MvsPlace;

/* Whether there is no time left for what takes long; NULL: there is. */
typedef bool (*MvsGatherStops) (void);

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
	Size		key_bytes;		/* of the keys themselves */
	MvsPlace   *order;			/* of the table: what was read, or is to be deleted */
	int			blocks;			/* of the table, that these are in */
	BlockNumber blocks_now;		/* that the table has */
	int			left;			/* of these, are to be deleted: all there are in it then */
	int			next;			/* of these, is to be looked at */
	int			passed;			/* before that, as older ones have to go first */
	TransactionId began;		/* what is older, had come before it was gathered */
	int			in_the_way;		/* the first key that somebody is in the way of; key_count: none */

	/* The walk over the index. */
	bytea	   *at;				/* key of the index entry that it is at, or NULL */
	bytea	   *detoasted;		/* what of it is to be freed */
	int64		version;
	bool		goes_on;		/* from key to key; else each is sought */
	int			seeks;			/* since it went on last, if it does not */
} MvsGather;

/* Begin to gather, in the current memory context, what a snapshot sees. */
extern void mvs_gather_begin(MvsGather *gather, MvsStore *store, Snapshot snapshot);

/* Whether there are so many entries, or keys, or these take as much as so many entries do. */
extern bool mvs_gather_is_full(const MvsGather *gather, int limit);

/* Gather a key, in ascending order; it must stay where it is. */
extern void mvs_gather_key(MvsGather *gather, const bytea *key);

/*
 * Gather keys, as they come, from a key (NULL: from the first) up to but without "to" (NULL: the
 * end), until it is full; false: that was the last. One that has too many to be whole is the
 * last, too, and there are more.
 */
extern bool mvs_gather_keys(MvsGather *gather, const bytea *from, const bytea *to, int limit,
							MvsScatter *scatter);

/*
 * Read the entries that were gathered. With "newest" above 0, as they are left to transactions
 * to come, so many of each key, and of the others those that mvs_gather_see() is called for; but
 * all of a key where the oldest is gone. False: not all of that, as "stops" has told to stop.
 */
extern bool mvs_gather_read(MvsGather *gather, int newest, MvsGatherStops stops);

/* Whether the snapshot sees an entry, which is read if it was not. */
extern bool mvs_gather_see(MvsGather *gather, int entry);

/* Whether those that are neighbours in the index are mostly in different blocks. */
extern bool mvs_gather_is_wide(const MvsGather *gather);

/* Go on to a key, in ascending order; NULL: it was not gathered, or not as a whole. */
extern const MvsGatheredKey *mvs_gather_find(MvsGather *gather, const bytea *key);

/* Delete the entries that are to go; false where somebody is in the way, after some of them. */
extern bool mvs_gather_delete(MvsGather *gather);

/*
 * Leave the entries that are to go to be deleted in transactions to come, which are told of by
 * the memory of the gather alone; return how many they are.
 */
extern int	mvs_gather_leave(MvsGather *gather);

/*
 * Delete at most so many of them by the cursor of a transaction, which sees what has become of
 * them; add what went to *gone. False: none are left, but for keys that somebody is in the way of.
 */
extern bool mvs_gather_delete_some(MvsGather *gather, const MvsCursor *cursor, int limit,
								   MvsGatherGone *gone);

/* Whether anybody is in the way of a key: of which, mvs_gather_find() tells, from the first on. */
extern bool mvs_gather_is_in_the_way(const MvsGather *gather);

extern void mvs_gather_end(MvsGather *gather);

/* Count where an entry is. */
extern void mvs_scatter_add(MvsScatter *scatter, const ItemPointerData *place);

/* Whether neighbours in the index are mostly in different blocks. */
extern bool mvs_scatter_is_wide(const MvsScatter *scatter);

#endif							/* MVSTORE_GATHER_H */
