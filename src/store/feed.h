/*-------------------------------------------------------------------------
 *
 * feed.h
 *	  The feed of a store: its entries in the order of their versions.
 *
 * For the functions that follow changes. With an index on (version, key), see
 * mvstore_set_feed(), what is read is what is returned; without one the whole table
 * is read and sorted.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_FEED_H
#define MVSTORE_FEED_H

#include "postgres.h"

#include "access/genam.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"
#include "utils/tuplesort.h"

#include "store/entry.h"
#include "store/store.h"

/* A position in a feed: behind an entry, or with no key behind all of a version. */
typedef struct MvsPosition
{
	int64		version;
	const bytea *key;
} MvsPosition;

/* A scan of the feed. */
typedef struct MvsFeed
{
	MvsStore   *store;
	Snapshot	snapshot;
	MvsPosition after;
	int64		upto;
	TupleTableSlot *slot;
	bytea	   *key;			/* of the entry that was returned last */
	bytea	   *detoasted;		/* the same, if it is to be freed */
	Relation	index;			/* NULL: none */
	IndexScanDesc scan;
	bool		within;			/* it is at entries of the version of the position itself */
	Tuplesortstate *sort;
} MvsFeed;

/*
 * Begin to read the entries behind a position, up to those of version "upto", as a snapshot
 * sees them. No more than "limit" will be asked for.
 */
extern void mvs_feed_open(MvsFeed *feed, MvsStore *store, Snapshot snapshot,
						  MvsPosition after, int64 upto, int64 limit);

/* Go on to the next; false at the end. */
extern bool mvs_feed_next(MvsFeed *feed, MvsEntry *entry);
extern void mvs_feed_close(MvsFeed *feed);

#endif							/* MVSTORE_FEED_H */
