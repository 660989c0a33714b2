/*-------------------------------------------------------------------------
 *
 * process.c
 *	  What all of the drop worker stands on: how it is connected and stopped, what
 *	  becomes of its errors, when it tries again, how far the horizon is.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/once.h"
#include "shared/backlog.h"
#include "shared/drop_stats.h"
#include "shared/wake.h"
#include "store/pin.h"
#include "version/version.h"
#include "worker/process.h"

/* Milliseconds: the first delay after an error and after a lock; the longest. */
#define ERROR_DELAY 1000
#define LOCK_DELAY 50
#define MAX_DELAY 60000
#define MAX_LOCK_DELAY 2000

/* Milliseconds: signals that come within are one. */
#define SAME_SIGNAL 50

/* Microseconds: a clock that goes back by less is as one that is kept right. */
#define SMALL_STEP USECS_PER_SEC

MvsWorker	mvs_worker;

/* Milliseconds for which the first one lets us work. */
#define SIGTERM_PATIENCE 3000

static uint32 wait_event_main = 0;
static volatile sig_atomic_t got_sigterm = false;
static volatile TimestampTz sigterm_at = 0; /* the first one */
static volatile sig_atomic_t waiting = false;	/* for a lock on the catalog */

/* The last error kept. */
static char last_error[MVS_ERROR_LENGTH];

static bool is_past(TimestampTz now, int milliseconds);
static void handle_sigterm(SIGNAL_ARGS);
static void mark_changes(XactEvent event, void *argument);
static TimestampTz delay_until(int tries, int first, int longest);

/* ------------------------------------------------------------------------
 * Signals and latch
 * ------------------------------------------------------------------------ */

/* Whether so many milliseconds have passed since the first SIGTERM; a clock set back counts. */
static bool
is_past(TimestampTz now, int milliseconds)
{
	return now < sigterm_at || TimestampDifferenceExceeds(sigterm_at, now, milliseconds);
}

/*
 * SIGTERM: finish what is due. A second one is an order; so is one that meets us waiting. The
 * postmaster sends it to us and to our process group, which are two, or one, as it happens.
 */
static void
handle_sigterm(SIGNAL_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	int			save_errno = errno;

	if (!got_sigterm)
		sigterm_at = now;
	if (waiting || (got_sigterm && is_past(now, SAME_SIGNAL)))
		MVS_COMPAT_DIE();
	got_sigterm = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

void
mvs_process_handle_signals(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, handle_sigterm);
	BackgroundWorkerUnblockSignals();
}

void
mvs_process_check(void)
{
	CHECK_FOR_INTERRUPTS();
	if (got_sigterm && is_past(GetCurrentTimestamp(), SIGTERM_PATIENCE))
	{
		kill(MyProcPid, SIGTERM);
		CHECK_FOR_INTERRUPTS();
	}
}

bool
mvs_process_is_terminated(void)
{
	return got_sigterm;
}

bool
mvs_process_is_stopping(void)
{
	return got_sigterm || mvs_worker.database->worker->hold_offs > 0;
}

bool
mvs_process_clock_went_back(void)
{
	static TimestampTz latest = 0;
	TimestampTz now = GetCurrentTimestamp();
	bool		back = now < latest - SMALL_STEP;

	latest = back ? now : Max(latest, now);
	return back;
}

void
mvs_process_sleep(long timeout)
{
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout > 0 ? WL_TIMEOUT : 0),
					 timeout,
					 mvs_compat_wait_event(&wait_event_main, "MvstoreWorkerMain"));
}

void
mvs_process_lock_catalog(MvsCatalog table)
{
	Oid			oid = mvs_catalog_oid(table, true);

	/* As strong as it takes that nobody has an index of it whom we would wait for there. */
	if (!OidIsValid(oid) || ConditionalLockRelationOid(oid, RowExclusiveLock))
		return;

	/* Its holder may be a prepared transaction, for which a shutdown does not wait. */
	waiting = true;
	if (got_sigterm)
		proc_exit(0);
	LockRelationOid(oid, RowExclusiveLock);
	waiting = false;
}

/* ------------------------------------------------------------------------
 * The connection
 * ------------------------------------------------------------------------ */

/*
 * The settings that change what our processes do or see, with the values that they have
 * there: whatever ALTER DATABASE, ALTER ROLE, even for superusers, or the configuration
 * file say.
 *
 * Of the others, so they are the operator's: what VACUUM goes by (freeze ages, cost
 * limits, memory), how the log is written and WAL is, how I/O is done and measured. And
 * these mean nothing here: what the planner goes by, as no query is planned; how values
 * and times are written and read, as none are; where and how tables are made, as none
 * are; timeouts of idle sessions and all about clients. Triggers do not fire.
 */
static const char *const pinned_settings[][2] = {
	/* Who we are: a role's rights are not enough for VACUUM. */
	{"role", "none"},
	{"row_security", "off"},
	{"search_path", "pg_catalog, pg_temp"},
	{"session_replication_role", "origin"},
	/* How transactions run. */
	{"default_transaction_deferrable", "off"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	/* A request and its work come back together after a crash. */
	{"synchronous_commit", "off"},
	/* What ends them, and us: an error is one store's. */
	{"exit_on_error", "off"},
	{"idle_in_transaction_session_timeout", "0"},
	{"lock_timeout", "0"},
	{"statement_timeout", "0"},
	{"transaction_timeout", "0"},
	/* Damaged pages are errors, lest newer entries be missed, and older ones go. */
	{"ignore_checksum_failure", "off"},
	{"zero_damaged_pages", "off"},
	/* Dead entries that nobody counts are vacuumed never, or for ever. */
	{"track_counts", "on"},
};

void
mvs_process_pin_settings(void)
{
	for (int i = 0; i < lengthof(pinned_settings); i++)
		if (GetConfigOption(pinned_settings[i][0], true, false) != NULL)
			SetConfigOption(pinned_settings[i][0], pinned_settings[i][1],
							PGC_SUSET, PGC_S_OVERRIDE);
}

void
mvs_process_connect(Oid database)
{
	/* Before, so that ALTER DATABASE and ALTER ROLE do not count from the first access on. */
	mvs_process_pin_settings();

	/*
	 * What is written to data files is to go on to the disk little by little, as checkpoints have
	 * it: where the kernel does that at its own time, those who commit wait for the disk
	 * meanwhile. By the lowest source, so that any setting of backend_flush_after counts.
	 */
	SetConfigOption("backend_flush_after", GetConfigOption("checkpoint_flush_after", false, false),
					PGC_USERSET, PGC_S_DYNAMIC_DEFAULT);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);

	/* That of the session takes a look at roles, so it can only be set now. */
	StartTransactionCommand();
	SetConfigOption("session_authorization", GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false),
					PGC_SUSET, PGC_S_OVERRIDE);
	CommitTransactionCommand();
}

/*
 * Have the records of changes carry the origin, and that of the commit carry none. With
 * one, the commit would be decoded as of a time that the origin has to say, and pgoutput
 * would look for its name, which fails an assertion for this origin. Without changes,
 * what is left of a transaction is skipped, or empty.
 */
static void
mark_changes(XactEvent event, void *argument)
{
	MVS_COMPAT_ORIGIN = (event == XACT_EVENT_PRE_COMMIT) ? InvalidReplOriginId : DoNotReplicateId;
}

void
mvs_process_mark_changes(void)
{
	RegisterXactCallback(mark_changes, NULL);
	MVS_COMPAT_ORIGIN = DoNotReplicateId;
}

/* ------------------------------------------------------------------------
 * Errors, and other tries
 * ------------------------------------------------------------------------ */

bool
mvs_process_keep_error(bool log)
{
	static char logged[MVS_ERROR_LENGTH];
	static TimestampTz logged_at = 0;
	MvsDropStats *stats = mvs_worker.database->stats;
	TimestampTz now = GetCurrentTimestamp();
	ErrorData  *error;
	const char *said;

	HOLD_INTERRUPTS();
	waiting = false;
	if (geterrcode() == ERRCODE_LOCK_NOT_AVAILABLE)
	{
		FlushErrorState();
		AbortOutOfAnyTransaction();
		RESUME_INTERRUPTS();
		return false;
	}
	error = CopyErrorData();

	/* Cut between characters: it is stored, and told in other encodings. */
	said = error->message ? error->message : "unknown error";
	strlcpy(last_error, said, pg_mbcliplen(said, (int) strlen(said), MVS_ERROR_LENGTH - 1) + 1);

	/* What comes again and again, as from a full disk, is one line now and then. */
	if (log && (strcmp(logged, last_error) != 0 ||
				TimestampDifferenceExceeds(logged_at, now, MAX_DELAY)))
	{
		strlcpy(logged, last_error, MVS_ERROR_LENGTH);
		logged_at = now;
		EmitErrorReport();
	}
	FlushErrorState();
	AbortOutOfAnyTransaction();
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	strlcpy(stats->last_error, last_error, MVS_ERROR_LENGTH);
	stats->last_error_at = now;
	LWLockRelease(mvs_worker.database->queue_lock);
	FreeErrorData(error);
	RESUME_INTERRUPTS();
	return true;
}

const char *
mvs_process_last_error(void)
{
	return last_error;
}

/* Return a time: "first" milliseconds from now, doubled with each of the tries, up to "longest". */
static TimestampTz
delay_until(int tries, int first, int longest)
{
	int64		delay = Min((int64) first << Min(tries, 20), longest);

	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), delay);
}

TimestampTz
mvs_process_error_delay(int tries)
{
	return delay_until(tries, ERROR_DELAY, MAX_DELAY);
}

TimestampTz
mvs_process_lock_delay(int tries)
{
	return delay_until(tries, LOCK_DELAY, MAX_LOCK_DELAY);
}

/* ------------------------------------------------------------------------
 * The horizon, and what waits for it
 * ------------------------------------------------------------------------ */

MvsLook
mvs_process_look(void)
{
	MvsLook		look;

	look.clock = GetCurrentTimestamp();
	look.now = mvs_clock_now(mvs_worker.database);
	look.horizon = mvs_least(mvs_version_oldest_writer(mvs_worker.database).version - 1, look.now);
	mvs_pin_look(look.now);
	return look;
}

int64
mvs_process_horizon(const MvsLook *look, Oid store)
{
	return mvs_least(look->horizon, mvs_pin_known(store));
}

void
mvs_process_report(MvsBacklogPart part, const MvsBacklog *backlog)
{
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	mvs_backlog_publish(mvs_worker.database->backlogs, part, backlog);
	LWLockRelease(mvs_worker.database->queue_lock);
}
