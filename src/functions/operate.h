/*-------------------------------------------------------------------------
 *
 * operate.h
 *	  What an operator does about drops: pausing them, and looking after
 *	  requests that are not done.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_CONTROL_H
#define MVSTORE_CONTROL_H

#include "postgres.h"

#include "shared/database.h"

/* Reads whether the database is paused, in a transaction of the worker's own. */
extern void mvs_pause_load(MvsDatabase *database);

#endif							/* MVSTORE_CONTROL_H */
