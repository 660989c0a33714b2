/*-------------------------------------------------------------------------
 *
 * sleep.h
 *	  When the drop worker sleeps, and until when; whether it ends instead.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_SLEEP_H
#define MVSTORE_SLEEP_H

#include "postgres.h"

/* Sleep until there is something to do, for ever if need be. Ends an idle worker. */
extern void mvs_sleep_until_needed(void);

/* End a worker that has not slept for long, where another database waits for its place. */
extern void mvs_sleep_make_room(void);

#endif							/* MVSTORE_SLEEP_H */
