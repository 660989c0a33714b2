/*-------------------------------------------------------------------------
 *
 * startup.h
 *	  Shared memory at the server's start.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_STARTUP_H
#define MVSTORE_STARTUP_H

/* Registers the hooks by which each part gets its shared memory; from _PG_init, when preloaded. */
extern void mvs_startup_init(void);

#endif							/* MVSTORE_STARTUP_H */
