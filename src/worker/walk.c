/*-------------------------------------------------------------------------
 *
 * walk.c
 *	  Walking over many keys of a store, in slices of a transaction each.
 *
 * A walk goes from key to key in the order of the index, so that it neither holds
 * a snapshot for long nor keeps requests waiting. Its place is the immediate
 * successor of the last key that it has done, or a key that is too big for one
 * slice.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/key.h"
#include "worker/walk.h"

static void go_to(MvsWalk *walk, const bytea *key, int zeros, MemoryContext context);
static bool do_key(MvsDrop *drop, const bytea *key, int keep, MvsKeyWork work, void *argument);
static MvsSliceEnd walk_big_key(MvsDrop *drop, MvsWalk *walk, int keep, MvsKeyWork work,
								void *argument, MemoryContext context);
static MvsSliceEnd walk_keys(MvsDrop *drop, MvsWalk *walk, const bytea *to, int keep,
							 MvsKeyWork work, void *argument, MemoryContext context, int64 *seen);

void
mvs_walk_begin(MvsWalk *walk, const bytea *from, MemoryContext context)
{
	walk->key_big = false;
	walk->begun = false;
	if (from)
		go_to(walk, from, 0, context);
}

void
mvs_walk_end(MvsWalk *walk)
{
	if (walk->next.key)
		pfree(walk->next.key);
	memset(walk, 0, sizeof(MvsWalk));
}

/* Have the walk go on at a key with so many zero bytes behind it. */
static void
go_to(MvsWalk *walk, const bytea *key, int zeros, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	MvsKeyBuffer next = {0};

	mvs_key_copy(&next, key, zeros);
	if (walk->next.key)
		pfree(walk->next.key);
	walk->next = next;
	walk->begun = true;
	MemoryContextSwitchTo(old);
}

/* Collect a key and work on it; false where a lock is in the way. */
static bool
do_key(MvsDrop *drop, const bytea *key, int keep, MvsKeyWork work, void *argument)
{
	mvs_drop_collect(drop, key, keep);
	return drop->entries.history.count == 0 || work(drop, key, argument);
}

/* Go from key to key until the slice is full. */
static MvsSliceEnd
walk_keys(MvsDrop *drop, MvsWalk *walk, const bytea *to, int keep, MvsKeyWork work,
		  void *argument, MemoryContext context, int64 *seen)
{
	MvsGather  *gather;
	const bytea *key = NULL;
	bool		more;
	bool		done = true;

	mvs_drop_gather(drop);
	gather = drop->gather;
	more = mvs_gather_range(gather, walk->begun ? walk->next.key : NULL, to,
							mvs_drop_gather_limit());
	mvs_gather_read(gather);
	for (int i = 0; i < gather->key_count && done; i++)
	{
		CHECK_FOR_INTERRUPTS();
		key = gather->keys[i].key;
		done = do_key(drop, key, keep, work, argument);
		*seen += drop->entries.history.count;
		walk->key_big = drop->entries.more;
		if (walk->key_big || (mvs_drop_is_full(drop) && i + 1 < gather->key_count))
		{
			more = true;
			break;
		}
	}
	if (key == NULL && more)
	{
		key = mvs_key_make(VARDATA_ANY(gather->at), VARSIZE_ANY_EXHDR(gather->at));
		walk->key_big = true;
	}
	mvs_drop_end_gather(drop);
	if (!done)
	{
		/* Those before it are done, and this one is to be tried again. */
		go_to(walk, key, 0, context);
		return MVS_SLICE_LOCKED;
	}
	if (!more)
		return MVS_SLICE_DONE;

	/*
	 * On with the immediate successor of the last key done: it and a zero byte. Or with a key that
	 * has too many entries to collect them all, from its oldest one.
	 */
	go_to(walk, key, walk->key_big ? 0 : 1, context);
	return MVS_SLICE_MORE;
}

/* Do part of a key that has very many entries; with key_big still set, there is more. */
static MvsSliceEnd
walk_big_key(MvsDrop *drop, MvsWalk *walk, int keep, MvsKeyWork work, void *argument,
			 MemoryContext context)
{
	int64		dropped = drop->tally.entries;

	bool		done = do_key(drop, walk->next.key, keep, work, argument);

	walk->key_big = drop->entries.more;
	if (!done)
		return MVS_SLICE_LOCKED;
	if (drop->tally.entries == dropped)
		walk->key_big = false;	/* where the oldest stay, all stay */
	if (!walk->key_big)
		go_to(walk, walk->next.key, 1, context);
	return MVS_SLICE_MORE;
}

MvsSliceEnd
mvs_walk_slice(MvsDrop *drop, MvsWalk *walk, const bytea *to, int keep, MvsKeyWork work,
			   void *argument, MemoryContext context, int64 *seen)
{
	int64		read = 0;
	MvsSliceEnd state;

	if (walk->key_big)
		return walk_big_key(drop, walk, keep, work, argument, context);
	state = walk_keys(drop, walk, to, keep, work, argument, context, &read);
	*seen += read;
	return state;
}
