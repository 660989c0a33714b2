/*-------------------------------------------------------------------------
 *
 * revert.c
 *	  Reverting: a state of the past is written anew, as the state of now.
 *
 * The past stays as it was: a revert adds entries at the transaction's version, by
 * the same way as a put of many keys. What is to be written is found by the snapshot
 * of the statement, as for an UPDATE; what a write meets, it judges as any other.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "utils/memutils.h"

#include "base/arguments.h"
#include "base/key.h"
#include "functions/reading.h"
#include "functions/write.h"
#include "store/entry.h"
#include "version/clock.h"

/* A revert under way: the two states of the store, and how the one becomes the other. */
typedef struct MvsRevert
{
	MvsRead		then;
	MvsRead		now;
	MvsCursor	point;			/* looks up what was there then */
	MvsWrite	write;
	MemoryContext context;		/* of one key */
} MvsRevert;

static bool is_same(const MvsEntry *old, const MvsEntry *new);
static bool revert_key(MvsRevert *revert, MvsScan *scan, const MvsEntry *new);
static int64 revert_keys(MvsRevert *revert, const bytea *prefix);

/* Whether two values, and when they expire, are the same. */
static bool
is_same(const MvsEntry *old, const MvsEntry *new)
{
	return old->expires_at == new->expires_at &&
		toast_raw_datum_size(old->value) == toast_raw_datum_size(new->value) &&
		mvs_key_compare(DatumGetByteaPP(old->value), DatumGetByteaPP(new->value)) == 0;
}

/*
 * Write the key that a scan is at, of which "new" is the newest entry, such that what is live is
 * what was live then, unless it has expired since. False where there is nothing to write.
 */
static bool
revert_key(MvsRevert *revert, MvsScan *scan, const MvsEntry *new)
{
	bytea	   *key = scan->key.key;
	MvsEntry	old;
	bool		is;
	bool		was;
	bool		written = false;
	MemoryContext context;

	if (new->version <= revert->then.as_of)
		return false;
	is = mvs_read_is_live(&revert->now, new);
	was = mvs_cursor_find(&revert->point, key, revert->then.as_of, &old) &&
		mvs_read_is_live(&revert->then, &old) && mvs_read_is_live(&revert->now, &old);

	context = MemoryContextSwitchTo(revert->context);
	if (was ? !(is && is_same(&old, new)) : is)
	{
		/* The write may have to wait, and VACUUM not for that. The scan's memory stays. */
		MemoryContextSwitchTo(context);
		mvs_scan_pause(scan);
		MemoryContextSwitchTo(revert->context);
		written = mvs_write_entry(&revert->write, key, was ? mvs_entry_value(&old) : NULL,
								  was ? old.expires_at : DT_NOEND) != 0;
	}
	MemoryContextSwitchTo(context);
	MemoryContextReset(revert->context);
	return written;
}

/* Revert the keys with a prefix, NULL being all, in their order; how many were written. */
static int64
revert_keys(MvsRevert *revert, const bytea *prefix)
{
	MvsStore   *store = &revert->now.store;
	MvsScan		scan;
	MvsEntry	new;
	int64		count = 0;

	revert->context = AllocSetContextCreate(CurrentMemoryContext, "mvstore revert",
											ALLOCSET_DEFAULT_SIZES);
	mvs_cursor_open(&revert->point, store, revert->now.snapshot);
	mvs_scan_open(&scan, store, revert->now.snapshot, prefix,
				  prefix ? mvs_key_prefix_end(prefix) : NULL, MVS_NEWEST, false);
	while (mvs_scan_next(&scan, &new))
		if (revert_key(revert, &scan, &new))
			count++;
	mvs_scan_close(&scan);
	mvs_cursor_close(&revert->point);
	MemoryContextDelete(revert->context);
	return count;
}

/*
 * mvstore_revert(store, to_version, prefix): write what makes the state that of a version;
 * how many keys were written.
 */
static Datum
revert(FunctionCallInfo fcinfo, MvsFamily family)
{
	Oid			store = mvs_get_store(fcinfo, 0);
	int64		to_version = mvs_get_version(fcinfo, 1, "to_version");
	bytea	   *prefix = PG_ARGISNULL(2) ? NULL : mvs_get_bound(fcinfo, 2, family, "prefix");
	MvsRevert	state;
	int64		count;

	mvs_write_begin(&state.write, store, "mvstore_revert()", ACL_INSERT | ACL_SELECT);
	mvs_read_open(&state.then, store, to_version, family, "mvstore_revert");
	mvs_read_refuse_below_floor(&state.then);
	state.now = state.then;
	state.now.as_of = MVS_NEWEST;
	state.now.past = to_version;
	count = revert_keys(&state, prefix);
	mvs_read_close(&state.then);
	mvs_write_end(&state.write);
	PG_RETURN_INT64(count);
}

MVS_KEY_FUNCTIONS(mvstore_revert, revert);
