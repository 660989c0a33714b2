/*-------------------------------------------------------------------------
 *
 * standby.h
 *	  Whether anybody follows the server's WAL.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_STANDBY_H
#define MVSTORE_STANDBY_H

#include "postgres.h"

/* Registers the hook that tells of standbys that connect; from _PG_init, when preloaded. */
extern void mvs_standby_init(void);

/*
 * Whether the row of mvstore_stable is to follow the clock: the WAL is archived, or
 * a physical walsender is there, or was let in just now. Takes ProcArrayLock.
 */
extern bool mvs_standby_is_there(void);

/* Wakes the workers of all databases, or has them started, to find that out. */
extern void mvs_standby_wake_workers(void);

#endif							/* MVSTORE_STANDBY_H */
