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

/* A slice ends at the first key behind so many entries read. */
#define SLICE_ENTRIES 20000

static void go_to(MvsWalk *walk, const bytea *key, int zeros, MemoryContext context);
static bool finish_key(MvsDrop *drop, const bytea *key, MvsKeyWork work, void *argument);
static MvsSliceEnd walk_big_key(MvsDrop *drop, MvsWalk *walk, int keep, MvsKeyWork work,
								void *argument, MemoryContext context);
static MvsSliceEnd walk_keys(MvsDrop *drop, MvsWalk *walk, const bytea *to, MvsKeyWork work,
							 void *argument, MemoryContext context, int64 *seen);

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

/* Work on the key just read; false where a lock is in the way. */
static bool
finish_key(MvsDrop *drop, const bytea *key, MvsKeyWork work, void *argument)
{
	bool		done = drop->entries.history.count == 0 || work(drop, key, argument);

	mvs_drop_collect_begin(drop);
	return done;
}

/* Go from key to key until the slice is full. */
static MvsSliceEnd
walk_keys(MvsDrop *drop, MvsWalk *walk, const bytea *to, MvsKeyWork work, void *argument,
		  MemoryContext context, int64 *seen)
{
	MvsEntry	entry;
	MvsKeyBuffer key = {0};
	bool		more;
	bool		done = true;

	mvs_drop_collect_begin(drop);
	mvs_cursor_walk(&drop->cursor, walk->begun ? walk->next.key : NULL);
	while ((more = mvs_cursor_next(&drop->cursor, &entry)))
	{
		bytea	   *next = mvs_cursor_key(&drop->cursor);

		CHECK_FOR_INTERRUPTS();
		if (drop->entries.history.count > 0 && mvs_key_compare(next, key.key) != 0)
		{
			done = finish_key(drop, key.key, work, argument);
			if (!done || *seen >= SLICE_ENTRIES || mvs_drop_is_full(drop))
				break;
		}
		if (drop->entries.history.count == 0)
		{
			if (to && mvs_key_compare(next, to) >= 0)
				return MVS_SLICE_DONE;
			mvs_key_copy(&key, next, 0);
		}
		mvs_drop_collect_entry(drop, &entry);
		(*seen)++;
		if (drop->entries.history.count >= SLICE_ENTRIES)
		{
			/* Too many to collect them all: on with this key, from its oldest entry. */
			go_to(walk, key.key, 0, context);
			walk->key_big = true;
			return MVS_SLICE_MORE;
		}
	}
	if (!more)
		done = finish_key(drop, key.key, work, argument);
	if (!done)
	{
		/* Those before it are done, and this one is to be tried again. */
		go_to(walk, key.key, 0, context);
		return MVS_SLICE_LOCKED;
	}
	if (!more)
		return MVS_SLICE_DONE;

	/* On with the immediate successor of the last key done: it and a zero byte. */
	go_to(walk, key.key, 1, context);
	return MVS_SLICE_MORE;
}

/* Do part of a key that has very many entries; with key_big still set, there is more. */
static MvsSliceEnd
walk_big_key(MvsDrop *drop, MvsWalk *walk, int keep, MvsKeyWork work, void *argument,
			 MemoryContext context)
{
	int64		dropped = drop->tally.entries;

	mvs_drop_collect(drop, walk->next.key, keep);
	walk->key_big = drop->entries.more;
	if (!finish_key(drop, walk->next.key, work, argument))
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
	state = walk_keys(drop, walk, to, work, argument, context, &read);
	*seen += read;
	return state;
}
