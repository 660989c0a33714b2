/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The clock of a database: the newest version, and the durable mark.
 *
 * A version is a time in microseconds since the Unix epoch, 1 or greater. See
 * design section 3.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_CLOCK_H
#define MVSTORE_CLOCK_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/database.h"

/* As of the newest; also: no limit. */
#define MVS_NEWEST PG_INT64_MAX

/* The clock of a database, behind version_lock. */
typedef struct MvsClock
{
	Oid			sequence;		/* that last and mark come from; none: not loaded */
	int64		last;			/* the newest version handed out or answered for */
	int64		mark;			/* none above it is handed out before it is durably raised */
	int64		written;		/* the sequence's value, unless it was restored; behind its page's
								 * lock */
	uint64		past_writes;	/* how often the past was written */
	bool		stable_due;		/* last has moved since mvstore_stable was written */
} MvsClock;

/* Its state of a slot: see startup.c. */
extern const MvsDatabasePart mvs_clock_part;

/* A timestamp as a version, and back. */
extern int64 mvs_version_of_time(TimestampTz time);
extern TimestampTz mvs_version_to_time(int64 version);

/* Loads last and mark of a slot from the durable mark, if that is another than before. */
extern void mvs_clock_load(MvsDatabase *database);

/* Whether that has been done. */
extern bool mvs_clock_is_loaded(MvsDatabase *database);

/*
 * Note when the extension was created in this database, which may have a slot, if this
 * transaction has done so, and return that. It is kept as the start value of the sequence, which
 * no restore sets.
 */
extern bool mvs_clock_note_creation(MvsDatabase *database);

/* When that was, as a version: no tick is below it. Without the extension, or a note, 0 or 1. */
extern int64 mvs_clock_creation(void);

/* The wall clock. */
extern int64 mvs_clock_wall(void);

/* The later of the wall clock and the newest version handed out; without a slot the clock. */
extern int64 mvs_clock_now(MvsDatabase *database);

/* The newest version handed out, without the wall clock. */
extern int64 mvs_clock_last(MvsDatabase *database);

/* A number from the clock that no version or other tick of this database has. */
extern int64 mvs_clock_tick(MvsDatabase *database);

/* The same; 0 where it would have to wait for somebody who has the sequence locked. */
extern int64 mvs_clock_try_tick(MvsDatabase *database);

/* The first of so many such numbers, one behind the other. */
extern int64 mvs_clock_ticks(MvsDatabase *database, int count);

/* An entry will be written at a version: later versions are above it. */
extern void mvs_clock_past(MvsDatabase *database, int64 version);

/*
 * Moves the durable mark to at least "needed", and some way ahead of the wall clock.
 * Without a slot it is the sequence alone. Takes the sequence's lock and the clock lock,
 * and writes WAL, with no need of a transaction id. Without waiting it may be that the
 * sequence cannot be had: false.
 */
extern bool mvs_clock_raise(MvsDatabase *database, int64 needed, bool wait);

/*
 * The stable version where the database has no slot, so that nobody has written there since
 * the server started: the durable mark, raised as far as "wanted" and the clock.
 * Whoever takes a slot afterwards gets versions above it; so look for one then.
 */
extern int64 mvs_clock_mark(int64 wanted);

/* Looks whether a restore has raised the mark; then later versions are above it. */
extern void mvs_clock_reread(MvsDatabase *database);

/* Whether a restore has set the mark, up or down; then the greater is taken. */
extern bool mvs_clock_restored(MvsDatabase *database);

/* The row of mvstore_stable is to be written; or is about to be, and may be asked for anew. */
extern void mvs_clock_want_stable(MvsDatabase *database);
extern void mvs_clock_stable_served(MvsDatabase *database);

/*
 * Likewise it is to be written, by who has version_lock: whether the worker is to be told, as
 * nobody else has said so yet.
 */
extern bool mvs_clock_moved(MvsDatabase *database);

#endif							/* MVSTORE_CLOCK_H */
