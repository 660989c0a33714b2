/*-------------------------------------------------------------------------
 *
 * standby.c
 *	  Whether anybody follows the server's WAL.
 *
 * A standby knows what is stable by the row of mvstore_stable alone, so there the
 * row has to go on with the clock, also while nobody writes. That costs WAL, and
 * wakes workers: so it is done only while there is a physical walsender, or the
 * WAL is archived. A walsender that comes tells the workers, so nobody has to look
 * for one; each beat looks whether it is still there.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/settings.h"
#include "shared/database.h"
#include "shared/standby.h"
#include "shared/wake.h"

/* Milliseconds, at least: from its authentication until a walsender is in the array. */
#define ARRIVAL_TIME 5000

static ClientAuthentication_hook_type prev_client_authentication = NULL;

static void meet_client(struct Port *port, int status);
static bool is_physical_walsender(int place);

/* Register the hook that tells of walsenders. */
void
mvs_standby_init(void)
{
	prev_client_authentication = ClientAuthentication_hook;
	ClientAuthentication_hook = meet_client;
}

/* A client has been let in, or not. */
static void
meet_client(struct Port *port, int status)
{
	if (prev_client_authentication)
		prev_client_authentication(port, status);
	if (status != STATUS_OK || !am_walsender || am_db_walsender || RecoveryInProgress())
		return;
	pg_atomic_write_u64(&mvs_shared->standby_met, GetCurrentTimestamp());
	mvs_standby_wake_workers();
}

void
mvs_standby_wake_workers(void)
{
	if (mvs_standby_interval == 0)
		return;
	for (int i = 0; i < mvs_databases_used(); i++)
	{
		MvsDatabase *database = &mvs_shared->databases[i];
		bool		taken;

		LWLockAcquire(mvs_shared->lock, LW_SHARED);
		taken = OidIsValid(database->oid);
		LWLockRelease(mvs_shared->lock);
		if (taken)
			mvs_wake_worker(database);
	}
}

/* Whether a place in the array of walsenders has one that sends the WAL as it is. */
static bool
is_physical_walsender(int place)
{
	WalSnd	   *walsender = &WalSndCtl->walsnds[place];
	PGPROC	   *process;
	int			pid;

	SpinLockAcquire(&walsender->mutex);
	pid = walsender->pid;
	SpinLockRelease(&walsender->mutex);
	if (pid == 0)
		return false;

	/* One that decodes the WAL is connected to a database. */
	process = BackendPidGetProc(pid);
	return process && !OidIsValid(process->databaseId);
}

bool
mvs_standby_is_there(void)
{
	TimestampTz met = (TimestampTz) pg_atomic_read_u64(&mvs_shared->standby_met);
	TimestampTz now = GetCurrentTimestamp();
	int			arrival = Max(ARRIVAL_TIME, mvs_standby_interval);

	if (mvs_standby_interval == 0)
		return false;

	/* It lies ahead where the clock was set back. */
	if (XLogArchivingActive() ||
		(met != 0 && !TimestampDifferenceExceeds(met, now, arrival) &&
		 !TimestampDifferenceExceeds(now, met, arrival)))
		return true;
	for (int i = 0; i < max_wal_senders; i++)
		if (is_physical_walsender(i))
			return true;
	return false;
}
