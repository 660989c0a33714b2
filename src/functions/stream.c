/*-------------------------------------------------------------------------
 *
 * stream.c
 *	  A scan of a store under way, row by row.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "functions/stream.h"

static void open_stream(MvsStream *stream, FunctionCallInfo fcinfo, int as_of_argument,
						MvsFamily family, const char *function);
static bool next_range(MvsStream *stream);

void
mvs_stream_open_range(MvsStream *stream, FunctionCallInfo fcinfo, MvsFamily family)
{
	stream->max_rows = mvs_get_limit(fcinfo, 4);
	stream->reverse = mvs_get_flag(fcinfo, 5, "reverse");
	mvs_get_range(fcinfo, 1, family, &stream->bounds.from, &stream->bounds.to);
	open_stream(stream, fcinfo, 3, family, "mvstore_scan");
}

void
mvs_stream_open_prefix(MvsStream *stream, FunctionCallInfo fcinfo, MvsFamily family)
{
	stream->bounds.from = mvs_get_bound(fcinfo, 1, family, "prefix");
	stream->bounds.to = mvs_key_prefix_end(stream->bounds.from);
	stream->max_rows = mvs_get_limit(fcinfo, 3);
	stream->reverse = mvs_get_flag(fcinfo, 4, "reverse");
	open_stream(stream, fcinfo, 2, family, "mvstore_scan_prefix");
}

/* Open the store. */
static void
open_stream(MvsStream *stream, FunctionCallInfo fcinfo, int as_of_argument, MvsFamily family,
			const char *function)
{
	mvs_read_begin(&stream->read, fcinfo, as_of_argument, family, function);
	mvs_read_refuse_below_floor(&stream->read);
	stream->scanning = false;
}

void
mvs_stream_begin(MvsStream *stream, const MvsKeyRanges *within)
{
	mvs_stream_stop(stream);
	stream->within = within;
	stream->next_range = 0;
	stream->left = stream->max_rows;
}

/* Begin with the next range that is to be read; false: there is none. */
static bool
next_range(MvsStream *stream)
{
	const MvsKeyRanges *within = stream->within;
	int			count = within ? within->count : 1;
	int			next = stream->next_range;
	MvsKeyRange range = stream->bounds;

	/* There may be very many, in which nothing is found. */
	CHECK_FOR_INTERRUPTS();
	if (next == count)
		return false;
	if (within)
		mvs_key_range_narrow(&range, &within->ranges[stream->reverse ? count - 1 - next : next]);
	stream->next_range++;
	mvs_scan_open(&stream->scan, &stream->read.store, stream->read.snapshot, range.from, range.to,
				  stream->read.as_of, stream->reverse);
	stream->scanning = true;
	return true;
}

bool
mvs_stream_next(MvsStream *stream)
{
	while (stream->left > 0 && (stream->scanning || next_range(stream)))
	{
		while (mvs_scan_next(&stream->scan, &stream->entry))
		{
			if (mvs_read_is_live(&stream->read, &stream->entry))
			{
				stream->left--;
				return true;
			}
		}
		mvs_stream_stop(stream);
	}
	mvs_stream_stop(stream);
	return false;
}

void
mvs_stream_put_row(MvsStream *stream, Datum *values, bool *nulls)
{
	mvs_read_put_row(&stream->read, stream->scan.key.key, &stream->entry, true, values, nulls);
}

void
mvs_stream_pause(MvsStream *stream)
{
	if (stream->scanning)
		mvs_scan_pause(&stream->scan);
}

void
mvs_stream_stop(MvsStream *stream)
{
	if (stream->scanning)
		mvs_scan_close(&stream->scan);
	stream->scanning = false;
}

void
mvs_stream_close(MvsStream *stream)
{
	mvs_stream_stop(stream);
	mvs_read_close(&stream->read);
}
