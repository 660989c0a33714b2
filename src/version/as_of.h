/*-------------------------------------------------------------------------
 *
 * as_of.h
 *	  mvstore.as_of: the version that a session reads as of.
 *
 * For reads that give no version of their own, and for writes, which are refused
 * meanwhile.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_AS_OF_H
#define MVSTORE_AS_OF_H

#include "postgres.h"

#include "utils/snapshot.h"

/* Define the setting; from _PG_init, in whichever process. */
extern void mvs_as_of_init(void);

/* Return the version that a snapshot is to be read as of; MVS_NEWEST where it is not set. */
extern int64 mvs_as_of(Snapshot snapshot);

/* Return whether that is one version for all snapshots. */
extern bool mvs_as_of_is_fixed(void);

/* Raise 25006 while the setting is set. "function" is the writer's name for the message. */
extern void mvs_as_of_refuse_write(const char *function);

#endif							/* MVSTORE_AS_OF_H */
