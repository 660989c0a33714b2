/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings of mvstore.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/settings.h"

int			mvs_batch_size;
bool		mvs_durable_drops;
int			mvs_drop_rate_limit;
int			mvs_drop_wal_limit;
int			mvs_flush_interval;
int			mvs_maintenance_every;
int			mvs_max_clock_ahead;
int			mvs_max_databases;
int			mvs_max_pin_ttl;
int			mvs_max_workers;
int			mvs_queue_size;
int			mvs_standby_interval;
bool		mvs_strict_history;
int			mvs_sweep_interval;
int			mvs_workers_per_database;

static void define_sizes(void);

void
mvs_settings_init(void)
{
	DefineCustomIntVariable("mvstore.batch_size",
							"Sets how many due drop requests make a batch.",
							"A batch has all that wait then.",
							&mvs_batch_size, 100, 1, 10000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.drop_rate_limit",
							"Sets how many entries a second a drop worker drops at most.",
							"Zero is no limit.",
							&mvs_drop_rate_limit, 0, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.drop_wal_limit",
							"Sets how much WAL a second a drop worker writes at least while others write.",
							"It writes as much as they do, if that is more. Zero has it go at full speed.",
							&mvs_drop_wal_limit, 16 * 1024, 0, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomBoolVariable("mvstore.durable_drops",
							 "Keeps drop requests on disk until they are done.",
							 "Off, a crash forgets those that have room in the queue.",
							 &mvs_durable_drops, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.flush_interval",
							"Sets how long a due drop request waits for a batch to fill.",
							NULL,
							&mvs_flush_interval, 50, 0, 24 * 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.maintenance_every",
							"Sets after how many flushes stores are vacuumed, where it pays.",
							"Zero leaves it to autovacuum.",
							&mvs_maintenance_every, 100, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.max_clock_ahead",
							"Sets how far ahead of the clock a version given to mvstore_use_version() can be.",
							NULL,
							&mvs_max_clock_ahead, 1000, 0, 24 * 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.max_pin_ttl",
							"Sets how long a pin can live without being renewed.",
							NULL,
							&mvs_max_pin_ttl, 7 * 24 * 3600, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.max_workers",
							"Sets how many drop workers run at the same time.",
							"Each takes one of max_worker_processes.",
							&mvs_max_workers, 4, 1, 1024,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.standby_interval",
							"Sets how far the stable version of standbys is behind while nobody writes.",
							"Zero lets it stand still then.",
							&mvs_standby_interval, 10 * 1000, 0, 24 * 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomBoolVariable("mvstore.strict_history",
							 "Raises an error for reads of dropped or future history.",
							 "Off, dropped history reads as absent and the future as the present.",
							 &mvs_strict_history, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.sweep_interval",
							"Sets how often entries are looked for that have got old enough to go.",
							NULL,
							&mvs_sweep_interval, 60, 1, 24 * 3600,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.workers_per_database",
							"Sets how many processes drop in one database while a backlog lasts.",
							"Each takes one of max_worker_processes.",
							&mvs_workers_per_database, 1, 1, 16,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	if (process_shared_preload_libraries_in_progress)
		define_sizes();
}

/* The settings by which shared memory is made. */
static void
define_sizes(void)
{
	DefineCustomIntVariable("mvstore.max_databases",
							"Sets how many databases of the server can have stores.",
							NULL,
							&mvs_max_databases, 1024, 1, 65536,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.queue_size",
							"Sets how many drop requests a database's queue has room for.",
							"What does not fit is kept on disk or found again by a sweep.",
							&mvs_queue_size, 65536, 1, 16 * 1024 * 1024,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
}
