/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Fault points, in builds for tests.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "shared/fault.h"

#ifdef MVSTORE_FAULTS

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "base/settings.h"
#include "shared/database.h"
#include "storage/fd.h"
#include "utils/guc.h"

#define FIRED_FILE "mvstore_fault_fired"
#define RELEASE_FILE "mvstore_fault_release"

int			mvs_clock_shift = 0;

static char *fault_setting = NULL;

static bool parse_setting(char *point, char *action, int *count);
static void fire(const char *point, const char *action, bool may_fail);
static bool file_exists(const char *name);

void
mvs_fault_init(void)
{
	DefineCustomStringVariable("mvstore.fault",
							   "Sets the fault point that acts, in builds for tests.",
							   "point:action[:n]",
							   &fault_setting, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mvstore.clock_shift",
							"Sets by how much the clock of versions goes wrong, in builds for tests.",
							NULL,
							&mvs_clock_shift, 0, INT_MIN, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

static bool
file_exists(const char *name)
{
	struct stat status;

	return stat(name, &status) == 0;
}

/* Take the setting apart; false if there is none. */
static bool
parse_setting(char *point, char *action, int *count)
{
	*count = 1;
	return fault_setting && sscanf(fault_setting, "%63[^:]:%15[^:]:%d", point, action, count) >= 2;
}

void
mvs_fault_meet(const char *point, bool may_fail)
{
	char		wanted[64];
	char		action[16];
	int			count;

	if (mvs_shared == NULL || !parse_setting(wanted, action, &count))
		return;
	if (strcmp(wanted, "*") != 0 && strcmp(wanted, point) != 0)
		return;
	if (strcmp(action, "error") == 0 && !may_fail)
		return;
	if (pg_atomic_fetch_add_u32(&mvs_shared->fault_hits, 1) + 1 != (uint32) count)
		return;
	if (!file_exists(FIRED_FILE))
		fire(point, action, may_fail);
}

static void
fire(const char *point, const char *action, bool may_fail)
{
	FILE	   *file = fopen(FIRED_FILE, "w");

	if (file)
	{
		fprintf(file, "%s", point);
		fclose(file);
	}
	if (strcmp(action, "crash") == 0)
		kill(getpid(), SIGKILL);
	else if (strcmp(action, "error") == 0)
		elog(ERROR, "fault at point %s", point);
	else
		while (!file_exists(RELEASE_FILE))
		{
			if (may_fail)
				CHECK_FOR_INTERRUPTS();
			pg_usleep(10000L);
		}
}

#endif							/* MVSTORE_FAULTS */
