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
 * Where the entries that it meets are scattered over the table, it goes on by harvests
 * (harvest.c), as long as each has several entries of a page; of the walks of a process one
 * at a time.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/key.h"
#include "base/settings.h"
#include "worker/process.h"
#include "worker/walk.h"

/* A slice ends at the first key behind so many entries read. */
#define SLICE_ENTRIES 20000

/* And at the next key where it has passed by so many index entries of rows that are gone. */
#define SLICE_PASSED 100000

/* So many harvests of a walk may be for nothing. */
#define MOST_IN_VAIN 2

/*
 * The walk that has a harvest. The others go on without: harvests that wait for their turn would
 * take memory each, and become too old.
 */
static MvsWalk *harvesting = NULL;

static void end_harvest(MvsWalk *walk);
static void give_up_harvest(MvsWalk *walk);
static bool may_harvest(const MvsWalk *walk);
static void go_to(MvsWalk *walk, const bytea *key, int zeros, MemoryContext context);
static bool finish_key(MvsDrop *drop, const bytea *key, MvsKeyWork work, void *argument);
static MvsSliceEnd walk_big_key(MvsDrop *drop, MvsWalk *walk, int keep, int64 before,
								MvsKeyWork work, void *argument, MemoryContext context);
static MvsSliceEnd walk_keys(MvsDrop *drop, MvsWalk *walk, const bytea *to, MvsKeyWork work,
							 void *argument, MemoryContext context, int64 *seen);
static void set_behind(MvsWalk *walk, const bytea *key, int zeros);
static MvsSliceEnd judge_harvest(MvsDrop *drop, MvsWalk *walk, int keep, int64 before,
								 MvsKeyWork work, void *argument, int64 *seen);
static MvsSliceEnd begin_harvest(MvsDrop *drop, MvsWalk *walk, const bytea *to, int keep,
								 int64 before, MvsKeyWork work, void *argument,
								 MemoryContext context, int64 *seen);
static MvsSliceEnd go_on_harvest(MvsDrop *drop, MvsWalk *walk, MemoryContext context);
static MvsSliceEnd go_behind(MvsWalk *walk, MemoryContext context);

void
mvs_walk_begin(MvsWalk *walk, const bytea *from, MemoryContext context)
{
	end_harvest(walk);
	walk->scattered = walk->steps = false;
	walk->in_vain = 0;
	walk->key_big = false;
	walk->begun = false;
	if (from)
		go_to(walk, from, 0, context);
}

MvsWalkPlace
mvs_walk_place(const MvsWalk *walk)
{
	MvsWalkPlace place = {.big = walk->key_big};

	if (walk->begun)
		place.key = mvs_key_make(VARDATA_ANY(walk->next.key), VARSIZE_ANY_EXHDR(walk->next.key));
	return place;
}

void
mvs_walk_go_back(MvsWalk *walk, const MvsWalkPlace *place, MemoryContext context)
{
	mvs_walk_begin(walk, place->key, context);
	walk->key_big = place->big;
}

void
mvs_walk_end(MvsWalk *walk)
{
	end_harvest(walk);
	if (walk->next.key)
		pfree(walk->next.key);
	memset(walk, 0, sizeof(MvsWalk));
}

/* Throw away what is left of a harvest. */
static void
end_harvest(MvsWalk *walk)
{
	if (walk->harvest == NULL)
		return;
	mvs_harvest_end(walk->harvest);
	walk->harvest = NULL;
	harvesting = NULL;
}

/* Throw it away as it holds no longer. */
static void
give_up_harvest(MvsWalk *walk)
{
	end_harvest(walk);
	/* The next one may be too late as well: some keys are done in between. */
	walk->scattered = false;
}

/* Whether a walk may go on by harvests. */
static bool
may_harvest(const MvsWalk *walk)
{
	if (!walk->scattered || walk->steps || mvs_drop_rate_limit > 0)
		return false;
	/* Who has one may not have had a turn for long, as for a lock. */
	if (harvesting && mvs_harvest_is_old(harvesting->harvest))
		give_up_harvest(harvesting);
	return harvesting == NULL;
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
	MvsScatter *scatter = palloc0(sizeof(MvsScatter));
	MvsEntry	entry;
	MvsKeyBuffer key = {0};
	const bytea *at = walk->begun ? walk->next.key : NULL;
	bytea	   *passed;
	bool		more;
	bool		done = true;

	mvs_drop_collect_begin(drop);
	mvs_cursor_walk(&drop->cursor, at, true);
	while ((more = mvs_cursor_next_up_to(&drop->cursor, SLICE_PASSED, at, &entry, &passed)))
	{
		bytea	   *next = mvs_cursor_key(&drop->cursor);

		mvs_process_check();
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
			at = key.key;
		}
		mvs_cursor_free_key(&drop->cursor, next);
		mvs_drop_collect_entry(drop, &entry);
		mvs_scatter_add(scatter, &entry.tid);
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
	if (!more && (passed == NULL || (to && mvs_key_compare(passed, to) >= 0)))
		return MVS_SLICE_DONE;

	/* On with the immediate successor of the last key done: it and a zero byte. */
	if (more)
		go_to(walk, key.key, 1, context);
	else
		go_to(walk, passed, 0, context);
	walk->scattered = more && mvs_scatter_is_wide(scatter);
	return MVS_SLICE_MORE;
}

/* Do part of a key that has very many entries; with key_big still set, there is more. */
static MvsSliceEnd
walk_big_key(MvsDrop *drop, MvsWalk *walk, int keep, int64 before, MvsKeyWork work,
			 void *argument, MemoryContext context)
{
	int64		dropped = drop->tally.entries;

	mvs_drop_collect(drop, walk->next.key, keep, before);
	walk->key_big = drop->entries.more;
	if (!finish_key(drop, walk->next.key, work, argument))
		return MVS_SLICE_LOCKED;
	if (drop->tally.entries == dropped)
		walk->key_big = false;	/* where the oldest stay, all stay */
	if (!walk->key_big)
		go_to(walk, walk->next.key, 1, context);
	return MVS_SLICE_MORE;
}

/* ------------------------------------------------------------------------
 * Harvests
 * ------------------------------------------------------------------------ */

/* Set where the walk goes on behind the harvest, with whose memory that goes. */
static void
set_behind(MvsWalk *walk, const bytea *key, int zeros)
{
	MemoryContext old = MemoryContextSwitchTo(walk->harvest->context);

	mvs_key_copy(&walk->behind, key, zeros);
	MemoryContextSwitchTo(old);
}

/* Work on the keys of a harvest, and set where the walk goes on behind it. */
static MvsSliceEnd
judge_harvest(MvsDrop *drop, MvsWalk *walk, int keep, int64 before, MvsKeyWork work,
			  void *argument, int64 *seen)
{
	const MvsGather *gather = &walk->harvest->gather;

	for (int i = 0; i < gather->key_count; i++)
	{
		const bytea *key = gather->keys[i].key;

		mvs_process_check();
		set_behind(walk, key, 0);
		if (mvs_drop_is_full(drop))
		{
			/* Of many keys something goes that does not wait. */
			walk->steps = true;
			return MVS_SLICE_MORE;
		}
		mvs_drop_collect(drop, key, keep, before);
		*seen += drop->entries.history.count;
		walk->behind_big = drop->entries.more;	/* which is not known any more when it is done */
		if (!finish_key(drop, key, work, argument))
			return MVS_SLICE_LOCKED;
		if (walk->behind_big)
			return MVS_SLICE_MORE;
		set_behind(walk, key, 1);
	}
	return MVS_SLICE_DONE;
}

/* Gather and judge what goes from where the walk is on. */
static MvsSliceEnd
begin_harvest(MvsDrop *drop, MvsWalk *walk, const bytea *to, int keep, int64 before,
			  MvsKeyWork work, void *argument, MemoryContext context, int64 *seen)
{
	MvsScatter *scatter = palloc0(sizeof(MvsScatter));
	MvsHarvest *harvest = mvs_harvest_create(drop, context);
	bool		more;
	bool		left;

	walk->harvest = harvest;
	harvesting = walk;
	walk->gone = false;
	more = mvs_harvest_gather(harvest, drop, walk->begun ? walk->next.key : NULL, to, scatter);
	walk->scattered = mvs_scatter_is_wide(scatter);
	memset(&walk->behind, 0, sizeof(MvsKeyBuffer));
	walk->behind_big = false;
	if (mvs_harvest_read(harvest, drop))
		walk->end = judge_harvest(drop, walk, keep, before, work, argument, seen);
	else
	{
		walk->steps = true;		/* a slice ends soon */
		walk->end = MVS_SLICE_MORE;
	}
	if (walk->end == MVS_SLICE_DONE && more)
		walk->end = MVS_SLICE_MORE;
	left = mvs_harvest_leave(harvest, drop);
	walk->steps |= left && !mvs_harvest_pays(harvest);
	return left ? MVS_SLICE_MORE : go_behind(walk, context);
}

/* Have some of it go. */
static MvsSliceEnd
go_on_harvest(MvsDrop *drop, MvsWalk *walk, MemoryContext context)
{
	int64		dropped = drop->tally.entries;
	bool		more;

	if (!mvs_harvest_holds(walk->harvest, drop))
	{
		give_up_harvest(walk);

		/* While others write to the past, the next one would go the same way. */
		walk->steps |= ++walk->in_vain > MOST_IN_VAIN;
		return MVS_SLICE_MORE;
	}
	more = mvs_harvest_go_on(walk->harvest, drop);
	walk->gone |= drop->tally.entries > dropped;
	return more ? MVS_SLICE_MORE : go_behind(walk, context);
}

/* All has gone that could: go on behind it, or at the first key that somebody is in the way of. */
static MvsSliceEnd
go_behind(MvsWalk *walk, MemoryContext context)
{
	const MvsGather *gather = &walk->harvest->gather;
	MvsSliceEnd end = walk->end;

	walk->key_big = false;
	if (gather->in_the_way < gather->key_count)
	{
		go_to(walk, gather->keys[gather->in_the_way].key, 0, context);
		end = MVS_SLICE_LOCKED;
	}
	else if (walk->behind.key)
	{
		go_to(walk, walk->behind.key, 0, context);
		walk->key_big = walk->behind_big;
	}
	end_harvest(walk);

	/*
	 * It has gone round what is locked. Where nothing else was left, another one would find no
	 * more.
	 */
	if (end == MVS_SLICE_LOCKED && !walk->gone)
		walk->scattered = false;
	return end;
}

MvsSliceEnd
mvs_walk_slice(MvsDrop *drop, MvsWalk *walk, const bytea *to, int keep, int64 before,
			   MvsKeyWork work, void *argument, MemoryContext context, int64 *seen)
{
	int64		read = 0;
	MvsSliceEnd state;

	if (walk->harvest)
		return go_on_harvest(drop, walk, context);
	if (walk->key_big)
		return walk_big_key(drop, walk, keep, before, work, argument, context);
	if (may_harvest(walk))
		state = begin_harvest(drop, walk, to, keep, before, work, argument, context, &read);
	else
		state = walk_keys(drop, walk, to, work, argument, context, &read);
	*seen += read;
	return state;
}
