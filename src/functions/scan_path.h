/*-------------------------------------------------------------------------
 *
 * scan_path.h
 *	  Scans of stores in FROM: how they are planned.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_SCAN_PATH_H
#define MVSTORE_SCAN_PATH_H

/* Install the hooks; from _PG_init, preloaded or not. */
extern void mvs_scan_path_init(void);

#endif							/* MVSTORE_SCAN_PATH_H */
