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

bytea *
mvs_key_successor(const bytea *key)
{
	MvsKeyBuffer buffer = {.key = NULL};

	mvs_key_copy(&buffer, key, 1);
	return buffer.key;
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
