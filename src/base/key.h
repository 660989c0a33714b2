/*-------------------------------------------------------------------------
 *
 * key.h
 *	  Keys as bytes: their order, copies of them, the range of a prefix.
 *
 * A key is a bytea of any header size. One that mvstore did not write may have
 * any length, as may a bound of a range.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_KEY_H
#define MVSTORE_KEY_H

#include "postgres.h"

/* Bytes that a key may have; and those of a bound that no key can tell from a longer one. */
#define MVS_MAX_KEY 2000
#define MVS_MAX_BOUND (MVS_MAX_KEY + 1)

/* Compare two keys bytewise: below, at or above 0 as "left" is before, at or behind "right". */
extern int	mvs_key_compare(const bytea *left, const bytea *right);

/* A key of an array. */
typedef struct MvsKeyPlace
{
	uint64		start;			/* the first bytes of the key, as a number that orders as they do */
	bytea	   *key;
	int			place;			/* in the array */
} MvsKeyPlace;

/*
 * Return the keys of an array in ascending order, in the current memory context; of equal
 * ones the last of the array comes first.
 */
extern MvsKeyPlace *mvs_keys_sort(bytea **keys, int count);

/* Return bytes as a key, in the current memory context. */
extern bytea *mvs_key_make(const char *data, int length);

/*
 * Return the first key behind all that begin with "prefix", in the current memory
 * context; NULL where there is none.
 */
extern bytea *mvs_key_prefix_end(const bytea *prefix);

/*
 * Cut a bound, or NULL, to what no key can tell from it: as many bytes as a key has, and one more.
 */
extern const bytea *mvs_key_bound(const bytea *bound);

/* Return the first key behind "key", in the current memory context. */
extern bytea *mvs_key_successor(const bytea *key);

/* The keys in [from, to), NULL being open. */
typedef struct MvsKeyRange
{
	const bytea *from;
	const bytea *to;
} MvsKeyRange;

/* Take from a range what is not in the other one, too. */
extern void mvs_key_range_narrow(MvsKeyRange *range, const MvsKeyRange *other);

/* Room for a copy of a key. Zeroed, it is empty; it grows in the context it was first used in. */
typedef struct MvsKeyBuffer
{
	bytea	   *key;
	Size		space;
} MvsKeyBuffer;

/* Make the buffer's key a copy of "key" with "zeros" zero bytes behind it. */
extern void mvs_key_copy(MvsKeyBuffer *buffer, const bytea *key, int zeros);

#endif							/* MVSTORE_KEY_H */
