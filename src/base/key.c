/*-------------------------------------------------------------------------
 *
 * key.c
 *	  Keys as bytes: their order, copies of them, the range of a prefix.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/key.h"

int
mvs_key_compare(const bytea *left, const bytea *right)
{
	int			left_length = VARSIZE_ANY_EXHDR(left);
	int			right_length = VARSIZE_ANY_EXHDR(right);
	int			order = memcmp(VARDATA_ANY(left), VARDATA_ANY(right),
							   Min(left_length, right_length));

	return order != 0 ? order : left_length - right_length;
}

static int
compare_places(const MvsKeyPlace *left, const MvsKeyPlace *right)
{
	int			order;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	order = mvs_key_compare(left->key, right->key);
	return order != 0 ? order : right->place - left->place;
}

#define ST_SORT sort_places
#define ST_ELEMENT_TYPE MvsKeyPlace
#define ST_COMPARE(left, right) compare_places(left, right)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

MvsKeyPlace *
mvs_keys_sort(bytea **keys, int count)
{
	MvsKeyPlace *places = MemoryContextAllocHuge(CurrentMemoryContext,
												 sizeof(MvsKeyPlace) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		uint64		start = 0;

		memcpy(&start, VARDATA_ANY(keys[i]), Min(VARSIZE_ANY_EXHDR(keys[i]), sizeof(start)));
		places[i].start = pg_ntoh64(start);
		places[i].key = keys[i];
		places[i].place = i;
	}
	sort_places(places, count);
	return places;
}

bytea *
mvs_key_make(const char *data, int length)
{
	bytea	   *key = palloc(VARHDRSZ + length);

	SET_VARSIZE(key, VARHDRSZ + length);
	memcpy(VARDATA(key), data, length);
	return key;
}

bytea *
mvs_key_prefix_end(const bytea *prefix)
{
	int			length = VARSIZE_ANY_EXHDR(prefix);
	const unsigned char *data = (const unsigned char *) VARDATA_ANY(prefix);
	bytea	   *end;

	/* A byte 0xff has no successor: the one before it must rise. */
	while (length > 0 && data[length - 1] == 0xff)
		length--;
	if (length == 0)
		return NULL;

	end = mvs_key_make((const char *) data, length);
	((unsigned char *) VARDATA(end))[length - 1]++;
	return end;
}

const bytea *
mvs_key_bound(const bytea *bound)
{
	return bound == NULL || VARSIZE_ANY_EXHDR(bound) < MVS_MAX_BOUND ? bound :
		mvs_key_successor(mvs_key_make(VARDATA_ANY(bound), MVS_MAX_KEY));
}

bytea *
mvs_key_successor(const bytea *key)
{
	int			length = VARSIZE_ANY_EXHDR(key);
	bytea	   *successor = palloc(VARHDRSZ + length + 1);

	SET_VARSIZE(successor, VARHDRSZ + length + 1);
	memcpy(VARDATA(successor), VARDATA_ANY(key), length);
	VARDATA(successor)[length] = 0;
	return successor;
}

void
mvs_key_range_narrow(MvsKeyRange *range, const MvsKeyRange *other)
{
	if (other->from && (range->from == NULL || mvs_key_compare(range->from, other->from) < 0))
		range->from = other->from;
	if (other->to && (range->to == NULL || mvs_key_compare(range->to, other->to) > 0))
		range->to = other->to;
}

void
mvs_key_copy(MvsKeyBuffer *buffer, const bytea *key, int zeros)
{
	Size		length = VARSIZE_ANY_EXHDR(key);
	Size		size = VARHDRSZ + length + zeros;

	if (size > buffer->space)
	{
		Size		space = Max(size, VARHDRSZ + MVS_MAX_KEY);

		if (buffer->key)
			buffer->key = repalloc(buffer->key, space);
		else
			buffer->key = palloc(space);
		buffer->space = space;
	}
	SET_VARSIZE(buffer->key, size);
	memcpy(VARDATA(buffer->key), VARDATA_ANY(key), length);
	memset(VARDATA(buffer->key) + length, 0, zeros);
}
