/*-------------------------------------------------------------------------
 *
 * as_of.c
 *	  mvstore.as_of: the version that a session reads as of.
 *
 * What is given as a time is kept as the version that it is, so that it means the
 * same in a parallel worker, and after SET TimeZone.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "version/as_of.h"
#include "version/stable.h"
#include "version/clock.h"

/* As of the stable version of each snapshot. */
#define AS_OF_STABLE INT64CONST(-1)

static char *setting;
static int64 as_of = MVS_NEWEST;

static bool parse_version(const char *string, int64 *version);
static bool parse_time(const char *string, int64 *version);
static bool check_as_of(char **newval, void **extra, GucSource source);
static void assign_as_of(const char *newval, void *extra);

void
mvs_as_of_init(void)
{
	DefineCustomStringVariable("mvstore.as_of",
							   "Sets the version that is read where a read does not name one.",
							   "A version, a time, or \"stable\"; the default is the newest. Stores cannot be written to while it is set.",
							   &setting, "",
							   PGC_USERSET, 0, check_as_of, assign_as_of, NULL);
}

/* Set *version to a number that is one. */
static bool
parse_version(const char *string, int64 *version)
{
	char	   *end;

	errno = 0;
	*version = strtoi64(string, &end, 10);
	return errno == 0 && end != string && *end == '\0' && *version >= 0;
}

/*
 * Set *version to that of a time, in any form that timestamptz takes: inside a transaction,
 * as words like "today" are relative to its start, and the names of time zones are looked up.
 */
static bool
parse_time(const char *string, int64 *version)
{
	char		work[MAXDATELEN + MAXDATEFIELDS];
	char	   *fields[MAXDATEFIELDS];
	int			types[MAXDATEFIELDS];
	int			count;
	int			kind;
	struct pg_tm tm;
	fsec_t		fraction;
	int			zone;
	TimestampTz time;

	if (ParseDateTime(string, work, sizeof(work), fields, types, MAXDATEFIELDS, &count) != 0 ||
		mvs_compat_decode_datetime(fields, types, count, &kind, &tm, &fraction, &zone) != 0 ||
		kind != DTK_DATE || tm2timestamp(&tm, fraction, &zone, &time) != 0)
		return false;
	*version = mvs_version_of_time(time);
	return *version >= 0;
}

static bool
check_as_of(char **newval, void **extra, GucSource source)
{
	int64		version;

	if (**newval == '\0')
		return true;
	if (pg_strcasecmp(*newval, "stable") == 0)
		return mvs_compat_replace_setting(newval, "stable");
	if (parse_version(*newval, &version))
		return mvs_compat_replace_setting(newval, psprintf(INT64_FORMAT, version));

	/* A file is read in no transaction, so ALTER SYSTEM is to refuse what it could not say. */
	if (source == PGC_S_FILE || !IsTransactionState())
	{
		GUC_check_errdetail("In a configuration file, it must be a version or \"stable\".");
		GUC_check_errhint("mvstore_version_at() tells the version of a time.");
		return false;
	}
	if (parse_time(*newval, &version))
		return mvs_compat_replace_setting(newval, psprintf(INT64_FORMAT, version));
	GUC_check_errdetail("It must be a version, a time, or \"stable\".");
	return false;
}

static void
assign_as_of(const char *newval, void *extra)
{
	if (*newval == '\0')
		as_of = MVS_NEWEST;
	else if (strcmp(newval, "stable") == 0)
		as_of = AS_OF_STABLE;
	else
		(void) parse_version(newval, &as_of);
}

int64
mvs_as_of(Snapshot snapshot)
{
	static TimestampTz asked_at = 0;
	static TransactionId xmin;
	static TransactionId xmax;
	static uint32 running;
	static int64 stable;

	if (as_of != AS_OF_STABLE)
		return as_of;

	/* A statement that asks again, as for each row of a join, reads one state. */
	if (asked_at != GetCurrentStatementStartTimestamp() || xmin != snapshot->xmin ||
		xmax != snapshot->xmax || running != snapshot->xcnt)
		stable = mvs_stable_of_statement(snapshot);
	asked_at = GetCurrentStatementStartTimestamp();
	xmin = snapshot->xmin;
	xmax = snapshot->xmax;
	running = snapshot->xcnt;
	return stable;
}

bool
mvs_as_of_is_fixed(void)
{
	return as_of != MVS_NEWEST && as_of != AS_OF_STABLE;
}

void
mvs_as_of_refuse_write(const char *function)
{
	if (as_of == MVS_NEWEST)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			 errmsg("cannot execute %s while \"mvstore.as_of\" is set", function),
			 errdetail("The session reads stores as of \"%s\".", setting),
			 errhint("Run RESET mvstore.as_of before writing.")));
}
