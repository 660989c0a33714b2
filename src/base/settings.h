/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings, for every part.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_SETTINGS_H
#define MVSTORE_SETTINGS_H

#include "postgres.h"

extern int	mvs_batch_size;		/* due requests that make a batch */
extern int	mvs_drop_rate_limit;	/* entries a second that a worker drops; 0: no limit */
extern int	mvs_drop_wal_limit; /* kB of WAL a second, while others write; 0: no limit */
extern bool mvs_durable_drops;	/* drop requests survive a crash */
extern int	mvs_flush_interval; /* milliseconds that a due request waits at most */
extern int	mvs_maintenance_every;	/* flushes after which stores may be vacuumed; 0: never */
extern int	mvs_max_clock_ahead;
extern int	mvs_max_databases;	/* databases that can have stores */
extern int	mvs_max_pin_ttl;	/* seconds that a pin lives without being renewed */
extern int	mvs_max_workers;	/* drop workers at a time */
extern int	mvs_queue_size;		/* requests in a database's queue */
extern int	mvs_standby_interval;	/* milliseconds between writes for standbys; 0: none */
extern bool mvs_strict_history; /* reads of dropped or future history fail */
extern int	mvs_sweep_interval; /* seconds between looks for what is old enough */
extern int	mvs_workers_per_database;	/* processes that drop in one, while a backlog lasts */

/* Define them all; from _PG_init, in whichever process. */
extern void mvs_settings_init(void);

#endif							/* MVSTORE_SETTINGS_H */
