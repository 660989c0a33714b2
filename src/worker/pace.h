/*-------------------------------------------------------------------------
 *
 * pace.h
 *	  Whether the drop worker may go on dropping: pauses, and how fast it may.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_PACE_H
#define MVSTORE_PACE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/*
 * Entries that a transaction drops, more or less, so that none lasts for long.
 * Some 10 ms worth of deletes. With mvstore.drop_rate_limit it may be fewer, and while
 * others write.
 */
#define MVS_DROP_LIMIT 5000

/* Whether anything may be dropped now. */
extern bool mvs_pace_may_drop(void);

/* Whether drops are paused, or perhaps. */
extern bool mvs_pace_is_paused(void);

/* A look at whether drops are paused, as the row says. */
typedef struct MvsPauseLook
{
	uint64		changes;		/* that there had been before it */
	bool		changed;		/* since the last look that was set, by somebody */
	bool		paused;
} MvsPauseLook;

/* Look, and have it hold from then on. In between others are not told that it is known. */
extern MvsPauseLook mvs_pace_look_at_pause(void);
extern void mvs_pace_set_pause(const MvsPauseLook *look);

/* Return whether drops are paused, as the row says; in a transaction. */
extern bool mvs_pace_read_pause(void);

/* Return when a look at the row is due: at once, where it may have changed since the last. */
extern TimestampTz mvs_pace_pause_due(void);

/* Count a transaction that has dropped so many entries. */
extern void mvs_pace_dropped(int64 entries);

/* The transactions that have dropped any. */
extern int64 mvs_pace_drops(void);

/* Until when mvstore.drop_rate_limit wants a pause for what was dropped; 0: not. */
extern TimestampTz mvs_pace_throttled_until(void);

/*
 * Before a transaction of drops: while others write, wait until the WAL of those before it
 * is no more than is allowed. Takes the queue's lock.
 */
extern void mvs_pace_yield(void);

/* Whether a transaction that has dropped so many entries has written enough, as others write. */
extern bool mvs_pace_is_enough(int64 entries);

/* Return how many entries it may drop for that, of "limit" at most. */
extern int	mvs_pace_entries(int limit);

/* Learn from the WAL of a transaction that has dropped so many entries. */
extern void mvs_pace_learn(int64 entries);

#endif							/* MVSTORE_PACE_H */
