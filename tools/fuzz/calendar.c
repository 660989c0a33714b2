/*
 * calendar.c
 *		The keys of a row of the calendar, whatever its bytes are.
 *
 * Each key found lies within the row, and the next one behind it. What is left when keys
 * are erased has all the others, in their order, and none of those.
 */
#include "shim.h"

#include "store/calendar.c"

static bool
is_erased(Oid store, const char *key, int length, void *argument)
{
	return length > 0 && (key[0] & 1) == *(int *) argument;
}

static void
try_row(FuzzInput *input)
{
	int			odd = fuzz_byte(input) & 1;
	int			size;
	char	   *bytes = fuzz_bytes(input, 100000, &size);
	MvsCalendarRow row = {.keys = bytes,.size = size};
	MvsCalendarRow left = row;
	int			position = 0;
	int			left_position = 0;
	const char *key;
	const char *left_key;
	int			length;
	int			left_length;
	bool		alone;
	bool		left_alone;
	char	   *others = palloc(Max(size, 1));

	left.size = copy_others(1, &row, is_erased, &odd, others);
	left.keys = others;
	check(left.size <= size);
	for (int start = 0; mvs_calendar_key(&row, &position, &key, &length, &alone); start = position)
	{
		check(length >= 0 && position >= start + 4 && position <= size);
		check(key == row.keys + start + 4 && key + length == row.keys + position);
		if (is_erased(1, key, length, &odd))
			continue;
		check(mvs_calendar_key(&left, &left_position, &left_key, &left_length, &left_alone));
		check(left_length == length && left_alone == alone && memcmp(left_key, key, length) == 0);
	}
	check(!mvs_calendar_key(&left, &left_position, &left_key, &left_length, &left_alone));
	check(left_position == left.size);
}

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_run(try_row, data, size);
	return 0;
}
