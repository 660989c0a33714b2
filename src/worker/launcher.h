/*-------------------------------------------------------------------------
 *
 * launcher.h
 *	  The launcher: a process without a database that starts drop workers.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_LAUNCHER_H
#define MVSTORE_LAUNCHER_H

#include "postgres.h"

#include "shared/database.h"

/* Register the launcher with the postmaster; from _PG_init, when preloaded. */
extern void mvs_launcher_init(void);

extern PGDLLEXPORT void mvs_launcher_main(Datum argument);

/* Whether databases wait for a worker because mvstore.max_workers run. */
extern bool mvs_launcher_wants_slots(void);

/* Whether one waits because the server has no slot for it. */
extern bool mvs_launcher_lacks_slot(void);

#endif							/* MVSTORE_LAUNCHER_H */
