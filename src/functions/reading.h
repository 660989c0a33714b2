/*-------------------------------------------------------------------------
 *
 * reading.h
 *	  A read under way: a store, a snapshot, and the version that it is as of.
 *
 * What backends read by: the functions of read.c.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_READING_H
#define MVSTORE_READING_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/snapshot.h"

#include "base/arguments.h"
#include "store/entry.h"
#include "store/store.h"

/* A read under way. */
typedef struct MvsRead
{
	MvsStore	store;
	Snapshot	snapshot;
	bool		is_renewed;		/* it is not the active one: see mvs_read_open() */
	int64		as_of;
	int64		floor;			/* valid if known */
	bool		floor_known;
	int64		past;			/* a version that it is compared with, or 0 */
	TimestampTz now;			/* what has expired by then is not live */
	MvsFamily	family;
	const char *function;		/* for messages, without the family's suffix */
} MvsRead;

/*
 * Open a store for a read by the active snapshot (under READ COMMITTED a newer one, where the store
 * may have been rewritten since), as of a version; MVS_NEWEST is what
 * mvstore.as_of says, or the newest. Raise what mvs_store_open() does, and 55000 for a
 * version that is not stable.
 */
extern void mvs_read_open(MvsRead *read, Oid store, int64 as_of, MvsFamily family,
						  const char *function);

/* The same with the store in argument 0, and as_of in another one, or -1: the newest. */
extern void mvs_read_begin(MvsRead *read, FunctionCallInfo fcinfo, int as_of_argument,
						   MvsFamily family, const char *function);
extern void mvs_read_close(MvsRead *read);

/*
 * Go on by the newest snapshot, of what was opened just now. False where the one that there is must
 * be kept: that of the whole transaction, or in parallel mode.
 */
extern bool mvs_read_renew(MvsRead *read);

/* Close one whose result nobody depends on: give up its locks, too. */
extern void mvs_read_release(MvsRead *read);

/* Raise 55000 where it is not yet known what the version will show. */
extern void mvs_read_refuse_future(MvsRead *read);

/* Raise 72000 where drops, or a TRUNCATE, may have made the version incomplete. */
extern void mvs_read_refuse_below_floor(MvsRead *read);

/* Return whether an entry is a value that has not expired, for this read. */
extern bool mvs_read_is_live(MvsRead *read, const MvsEntry *entry);

/*
 * Set *entry to the live entry of a key. False where it is absent, deleted or expired;
 * raise 72000 where that cannot be told.
 */
extern bool mvs_read_find(MvsRead *read, MvsCursor *cursor, const bytea *key, MvsEntry *entry);

/* Return the same of what a look-up as of the read's version has found, or has not. */
extern bool mvs_read_found(MvsRead *read, bool found, const MvsEntry *entry);

/*
 * Return a key, or the value of an entry under it, as the read's family has them: not
 * copied, where that need not be.
 */
extern Datum mvs_read_return_key(MvsRead *read, bytea *key);
extern Datum mvs_read_return_value(MvsRead *read, const bytea *key, const MvsEntry *entry);

/*
 * Set columns of a row: version and value of an entry, or when it expires, NULL being never. Where
 * it is not found they are NULL.
 */
extern void mvs_read_put_value(MvsRead *read, const bytea *key, const MvsEntry *entry, bool found,
							   Datum *values, bool *nulls);
extern void mvs_read_put_expiry(const MvsEntry *entry, bool found, Datum *value, bool *null);

/* Set the columns of a row (key, version, value, expires_at). */
#define MVS_READ_COLUMNS 4
extern void mvs_read_put_row(MvsRead *read, bytea *key, const MvsEntry *entry, bool found,
							 Datum *values, bool *nulls);

#endif							/* MVSTORE_READING_H */
