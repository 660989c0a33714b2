/*-------------------------------------------------------------------------
 *
 * stream.h
 *	  A scan of a store under way, row by row.
 *
 * What mvstore_scan and mvstore_scan_prefix return, whether they are called or
 * a scan of a plan stands in their place.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_STREAM_H
#define MVSTORE_STREAM_H

#include "postgres.h"

#include "fmgr.h"

#include "base/arguments.h"
#include "base/key.h"
#include "functions/key_clause.h"
#include "functions/reading.h"
#include "store/entry.h"

typedef struct MvsStream
{
	MvsRead		read;
	MvsKeyRange bounds;
	int64		max_rows;
	bool		reverse;
	const MvsKeyRanges *within; /* NULL: all that is within the bounds */
	int			next_range;
	int64		left;			/* of max_rows */
	bool		scanning;
	MvsScan		scan;			/* of one range, if so */
	MvsEntry	entry;			/* that it is at */
} MvsStream;

/*
 * Open a scan by the arguments of mvstore_scan, or those of mvstore_scan_prefix, which are to live
 * as long as it. Raise what mvs_read_open() does; 22004, 22023 for the arguments; and 72000.
 */
extern void mvs_stream_open_range(MvsStream *stream, FunctionCallInfo fcinfo, MvsFamily family);
extern void mvs_stream_open_prefix(MvsStream *stream, FunctionCallInfo fcinfo, MvsFamily family);

/*
 * Begin, or begin anew, with those keys that are in some ranges, too; NULL: with all. What is
 * needed from here on is allocated in the memory context of the calls, one for all of them.
 */
extern void mvs_stream_begin(MvsStream *stream, const MvsKeyRanges *within);

/* Go to the next row; false at the end. */
extern bool mvs_stream_next(MvsStream *stream);

/*
 * Set the columns of the row that the scan is at. They are valid until it goes on, and no longer
 * than the current memory context.
 */
extern void mvs_stream_put_row(MvsStream *stream, Datum *values, bool *nulls);

/* Before a time in which no row is asked for: keep no page of the index from VACUUM. */
extern void mvs_stream_pause(MvsStream *stream);

/* End what begin began; the store stays open. */
extern void mvs_stream_stop(MvsStream *stream);
extern void mvs_stream_close(MvsStream *stream);

#endif							/* MVSTORE_STREAM_H */
