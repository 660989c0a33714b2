/*-------------------------------------------------------------------------
 *
 * mvstore.c
 *	  Start-up, of each process that loads the library: who is asked in what order.
 *
 * The library also loads without shared_preload_libraries, when a function of
 * it is first called: then stores can be read, and everything that needs
 * shared memory says what to set.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "base/settings.h"
#include "functions/scan_path.h"
#include "queue/transaction.h"
#include "shared/fault.h"
#include "shared/standby.h"
#include "startup.h"
#include "version/as_of.h"
#include "worker/ddl.h"
#include "worker/launcher.h"

PG_MODULE_MAGIC_EXT(.name = "mvstore", .version = "1.0");

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	mvs_settings_init();
	mvs_as_of_init();
	MVS_FAULT_INIT();
	MarkGUCPrefixReserved("mvstore");
	mvs_scan_path_init();
	if (!process_shared_preload_libraries_in_progress)
		return;

	mvs_transaction_init();

	/* pg_upgrade must find no worker in a database that it drops. */
	if (IsBinaryUpgrade)
		return;
	mvs_startup_init();
	mvs_ddl_init();
	mvs_standby_init();
	mvs_launcher_init();
}
