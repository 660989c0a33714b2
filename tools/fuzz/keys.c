/*
 * keys.c
 *		Keys, and conditions on them: the range of a prefix, of a comparison, of a pattern;
 *		keys in order; requests in order.
 *
 * A key for which a condition holds is in the range that the condition stands for.
 */
#include "shim.h"

#include "functions/key_clause.c"
#include "queue/order.h"

/* A key, with a header of either size. */
static bytea *
get_key(FuzzInput *input)
{
	int			length;
	int			wanted = fuzz_byte(input);
	char	   *bytes;
	bytea	   *key;

	if (wanted == 255)
		wanted = fuzz_number(input, 3000);
	bytes = fuzz_bytes(input, wanted, &length);
	if (length < 100 && (fuzz_byte(input) & 1))
	{
		key = palloc(VARHDRSZ_SHORT + length);
		SET_VARSIZE_SHORT(key, VARHDRSZ_SHORT + length);
		memcpy(VARDATA_SHORT(key), bytes, length);
	}
	else
		key = mvs_key_make(bytes, length);
	return key;
}

static bool
begins(const bytea *key, const bytea *prefix)
{
	return VARSIZE_ANY_EXHDR(key) >= VARSIZE_ANY_EXHDR(prefix) &&
		memcmp(VARDATA_ANY(key), VARDATA_ANY(prefix), VARSIZE_ANY_EXHDR(prefix)) == 0;
}

/* LIKE, of bytes. A pattern that ends with a backslash is like nothing. */
static bool
is_like(const char *key, const char *key_end, const char *pattern, const char *end)
{
	const char *star = NULL;
	const char *star_key = NULL;

	for (;;)
	{
		if (pattern < end && *pattern == '%')
		{
			star = ++pattern;
			star_key = key;
			continue;
		}
		if (key == key_end)
			return pattern == end;
		if (pattern < end && *pattern == '_')
		{
			pattern++;
			key++;
			continue;
		}
		if (pattern < end)
		{
			const char *literal = *pattern == '\\' ? pattern + 1 : pattern;

			if (literal < end && *literal == *key)
			{
				pattern = literal + 1;
				key++;
				continue;
			}
		}
		if (star == NULL || star_key == key_end)
			return false;
		pattern = star;
		key = ++star_key;
	}
}

static bool
holds(MvsKeyComparison comparison, const bytea *key, const bytea *value)
{
	int			order = mvs_key_compare(key, value);

	switch (comparison)
	{
		case MVS_KEY_IS:
			return order == 0;
		case MVS_KEY_IS_BELOW:
			return order < 0;
		case MVS_KEY_IS_UP_TO:
			return order <= 0;
		case MVS_KEY_IS_FROM:
			return order >= 0;
		case MVS_KEY_IS_ABOVE:
			return order > 0;
		case MVS_KEY_BEGINS:
			return begins(key, value);
		case MVS_KEY_IS_LIKE:
			return is_like(VARDATA_ANY(key), VARDATA_ANY(key) + VARSIZE_ANY_EXHDR(key),
						   VARDATA_ANY(value), VARDATA_ANY(value) + VARSIZE_ANY_EXHDR(value));
		default:
			return true;
	}
}

static bool
is_in(const MvsKeyRange *range, const bytea *key)
{
	return (range->from == NULL || mvs_key_compare(range->from, key) <= 0) &&
		(range->to == NULL || mvs_key_compare(key, range->to) < 0);
}

static void
try_conditions(FuzzInput *input)
{
	MvsKeyClause clauses[4];
	Datum		values[4];
	bool		nulls[4];
	int			count = 1 + fuzz_byte(input) % 4;
	bytea	   *keys[6];
	MvsKeyRanges *ranges;

	for (int i = 0; i < count; i++)
	{
		clauses[i].comparison = fuzz_byte(input) % (MVS_KEY_IS_LIKE + 1);
		nulls[i] = fuzz_byte(input) > 250;
		keys[i] = get_key(input);
		values[i] = PointerGetDatum(keys[i]);
	}
	keys[count] = get_key(input);
	ranges = mvs_key_clause_ranges(clauses, count, values, nulls);
	check(ranges->count == 1);
	for (int i = 0; i <= count; i++)
	{
		bool		all = true;

		for (int k = 0; k < count; k++)
			all = all && !nulls[k] && holds(clauses[k].comparison, keys[i], keys[k]);
		check(!all || is_in(&ranges->ranges[0], keys[i]));
	}
}

static void
try_bounds(FuzzInput *input)
{
	bytea	   *key = get_key(input);
	bytea	   *other = get_key(input);
	bytea	   *end = mvs_key_prefix_end(key);
	bytea	   *next = mvs_key_successor(key);

	check(mvs_key_compare(key, next) < 0);
	check(mvs_key_compare(other, key) <= 0 || mvs_key_compare(other, next) >= 0);
	check(begins(other, key) == (mvs_key_compare(key, other) <= 0 && (end == NULL || mvs_key_compare(other, end) < 0)));
	check((mvs_key_compare(key, other) < 0) == (mvs_key_compare(other, key) > 0));
}

static void
try_sort(FuzzInput *input)
{
	int			count = fuzz_byte(input) % 40;
	bytea	  **keys = palloc(sizeof(bytea *) * Max(count, 1));
	MvsOrdered *ordered = palloc(sizeof(MvsOrdered) * Max(count, 1));
	MvsKeyPlace *places;

	for (int i = 0; i < count; i++)
	{
		int			length;
		MvsRequest *request;

		keys[i] = get_key(input);
		length = Min(VARSIZE_ANY_EXHDR(keys[i]), MVS_MAX_BOUND);
		request = palloc0(MvsRequestSize(length, 0));
		request->size = MvsRequestSize(length, 0);
		request->key_length = length;
		request->store = fuzz_byte(input) % 2;
		request->kind = fuzz_byte(input) % (MVS_REQUEST_LOOK + 1);
		memcpy(request->key, VARDATA_ANY(keys[i]), length);
		ordered[i].request = request;
	}
	places = mvs_keys_sort(keys, count);
	mvs_order_sort(ordered, count);
	for (int i = 1; i < count; i++)
	{
		int			order = mvs_key_compare(places[i - 1].key, places[i].key);

		check(order < 0 || (order == 0 && places[i - 1].place > places[i].place));
		check(mvs_order_compare(ordered[i - 1].request, ordered[i].request) <= 0);
	}
}

static void
try_keys(FuzzInput *input)
{
	switch (fuzz_byte(input) % 3)
	{
		case 0:
			try_conditions(input);
			break;
		case 1:
			try_bounds(input);
			break;
		case 2:
			try_sort(input);
			break;
	}
}

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_run(try_keys, data, size);
	return 0;
}
