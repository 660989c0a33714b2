/*-------------------------------------------------------------------------
 *
 * maintain.h
 *	  Maintenance: vacuuming stores from which much was dropped.
 *
 * A process of its own does it, so that drops go on meanwhile. The drop worker
 * starts it, one at a time, and ends it when it ends itself.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_MAINTAIN_H
#define MVSTORE_MAINTAIN_H

#include "postgres.h"

#include "datatype/timestamp.h"

#define MVS_MAINTAIN_TYPE "mvstore maintenance"

/* Entry point; the argument is the OID of the database. */
extern PGDLLEXPORT void mvs_maintain_main(Datum argument);

/* For the drop worker: counts a flush that dropped something. */
extern void mvs_maintain_count(void);

/*
 * Starts the process where a store wants it, every mvstore.maintenance_every
 * flushes; when idle, also after fewer.
 */
extern void mvs_maintain(bool idle);

/* When to call that with idle, so many milliseconds after the last work; DT_NOEND: need not be. */
extern TimestampTz mvs_maintain_due(TimestampTz idle_since, int delay);

extern bool mvs_maintain_is_running(void);

/* Ends the process. */
extern void mvs_maintain_stop(void);

#endif							/* MVSTORE_MAINTAIN_H */
