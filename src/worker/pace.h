/*-------------------------------------------------------------------------
 *
 * pace.h
 *	  How much the drop worker has dropped, and how fast it may go on.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_PACE_H
#define MVSTORE_PACE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Count a transaction that has dropped so many entries. */
extern void mvs_pace_dropped(int64 entries);

/* The transactions that have dropped any. */
extern int64 mvs_pace_drops(void);

/* Until when mvstore.drop_rate_limit wants a pause for what was dropped; 0: not. */
extern TimestampTz mvs_pace_throttled_until(void);

#endif							/* MVSTORE_PACE_H */
