/*-------------------------------------------------------------------------
 *
 * run.h
 *	  Runs: looks at the keys that the calendar has due.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_RUN_H
#define MVSTORE_RUN_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "worker/drop.h"
#include "worker/walk.h"

/* What is known of the calendar of a store, in the worker's memory. */
typedef struct MvsRun
{
	int64		from;			/* no row has lower ends */
	int64		next;			/* perhaps the first has these; MVS_NEWEST: there are none */
	int64		age;			/* how long ago ends must be, in microseconds */
	TimestampTz looked_at;		/* when all had been done that was due */
	int64		horizon;		/* of the last slice */
} MvsRun;

/* Set *run to that of an empty calendar. */
extern void mvs_run_init(MvsRun *run);

/* The calendar may have got a row with an end; 0: with any. */
extern void mvs_run_expect(MvsRun *run, int64 end);

/* Empty the calendar of a store, as far as one transaction does that; false if more is left. */
extern bool mvs_run_forget(MvsRun *run, Oid store);

/* Whether there may be rows. */
extern bool mvs_run_is_expected(const MvsRun *run);

/* Whether the first is old enough and waits for the horizon. */
extern bool mvs_run_is_held(const MvsRun *run, int64 now, int64 horizon);

/*
 * When there is something to look at, by the clock, which is read once for all stores;
 * DT_NOEND: not before the horizon rises, or never.
 */
extern TimestampTz mvs_run_due(const MvsRun *run, TimestampTz clock, int64 now, int64 horizon);

/* Look at some keys whose time has come. */
extern MvsSliceEnd mvs_run_slice(MvsRun *run, MvsDrop *drop);

#endif							/* MVSTORE_RUN_H */
