/*-------------------------------------------------------------------------
 *
 * pins.c
 *	  The SQL functions that make pins and give them up.
 *
 * Locks: the drop lock of the pin's store, or that of the database if it is on all
 * stores (shared/lock.c). Then a lock on its name.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/arguments.h"
#include "base/settings.h"
#include "functions/command.h"
#include "queue/transaction.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "shared/lock.h"
#include "store/floor.h"
#include "store/pin.h"
#include "store/store.h"
#include "version/clock.h"
#include "version/session.h"
#include "version/stable.h"

PG_FUNCTION_INFO_V1(mvstore_pin);
PG_FUNCTION_INFO_V1(mvstore_unpin);
PG_FUNCTION_INFO_V1(mvstore_pin_lives);

static void check_owner(MvsDatabase *database, const MvsPin *pin);
static void get_name(FunctionCallInfo fcinfo, Name name);
static int64 get_pin_ttl(FunctionCallInfo fcinfo);
static void check_version(MvsDatabase *database, Oid store, int64 version, bool chosen);
static int	lock_pins(MvsDatabase *database, const char *name, MvsPin **pins);

/* Only who has the rights of its owner may change a pin that lives. */
static void
check_owner(MvsDatabase *database, const MvsPin *pin)
{
	Oid			owner = get_role_oid(NameStr(pin->owner), true);

	if (pin->expires <= mvs_pin_time(database))
		return;
	if (OidIsValid(owner) ? !has_privs_of_role(GetUserId(), owner) : !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of pin \"%s\"", NameStr(pin->name)),
				 errdetail("It is a pin of role \"%s\".", NameStr(pin->owner))));
}

/* The name in argument 0. */
static void
get_name(FunctionCallInfo fcinfo, Name name)
{
	char	   *string;

	mvs_refuse_null(fcinfo, 0, "name");
	string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (strlen(string) == 0 || strlen(string) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of a pin must have 1 to %d bytes", NAMEDATALEN - 1)));
	namestrcpy(name, string);
}

/* The ttl in argument 2, in microseconds. */
static int64
get_pin_ttl(FunctionCallInfo fcinfo)
{
	int64		ttl;

	mvs_refuse_null(fcinfo, 2, "ttl");
	ttl = mvs_get_ttl(fcinfo, 2);
	if (ttl > mvs_max_pin_ttl * USECS_PER_SEC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl of a pin is too long"),
				 errdetail("It can be at most \"mvstore.max_pin_ttl\", which is %d seconds.",
						   mvs_max_pin_ttl),
				 errhint("A pin can be renewed while it lives.")));
	return ttl;
}

/*
 * Refuse a version of which reads are not complete, or not yet possible. Where we
 * have chosen it, it is stable, and only of a store that was emptied just now can
 * the floor be above; for a pin on all stores that is no reason.
 */
static void
check_version(MvsDatabase *database, Oid store, int64 version, bool chosen)
{
	int64		floor;

	mvs_command_refuse_future(database, version);
	if (chosen && !OidIsValid(store))
		return;
	floor = OidIsValid(store) ? mvs_floor_read(store, NULL) : mvs_floor_greatest(&store);
	if (version < floor && chosen)
	{
		MvsUnstable why;

		mvs_stable_explain_now(floor, &why);
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("store \"%s\" has been emptied with version " INT64_FORMAT ", which is not stable yet",
						get_rel_name(store), floor),
				 errdetail_internal("%s", why.detail),
				 errhint("Try again when that has ended; mvstore_wait_stable() waits for a version.")));
	}
	if (version < floor)
	{
		mvs_counters_refused(store, MVS_REFUSED_GONE);
		ereport(ERROR,
				(errcode(ERRCODE_HISTORY_GONE),
				 errmsg("history of store \"%s\" as of version " INT64_FORMAT " is gone",
						get_rel_name(store), version),
				 errdetail("It is complete as of version " INT64_FORMAT " or later.", floor),
				 errhint("Pin a version from there on.")));
	}
}

/* mvstore_pin(name, version, ttl, store): reads as of the version stay complete for so long. */
Datum
mvstore_pin(PG_FUNCTION_ARGS)
{
	NameData	name;
	int64		ttl;
	int64		version = PG_ARGISNULL(1) ? -1 : mvs_get_version(fcinfo, 1, "version");
	Oid			store = PG_ARGISNULL(3) ? InvalidOid : PG_GETARG_OID(3);
	MvsDatabase *database;
	MvsPin	   *pins;
	int			count;

	get_name(fcinfo, &name);
	ttl = get_pin_ttl(fcinfo);
	database = mvs_command_begin("mvstore_pin()");
	if (!PG_ARGISNULL(3))
	{
		MvsStore	opened;

		mvs_store_open(&opened, store, AccessShareLock, ACL_SELECT);
		mvs_store_refuse_unguarded(&opened);
		mvs_store_close(&opened);
	}

	/* From here on no batch runs that does not see the pin. */
	(void) mvs_lock_drops(store, MVS_LOCKER_PIN, true);
	(void) mvs_pin_lock(NameStr(name), true);
	if (version < 0)
	{
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

		version = mvs_stable(snapshot, MVS_NEWEST);
		UnregisterSnapshot(snapshot);
	}
	count = mvs_pin_find(NameStr(name), &pins);
	for (int i = 0; i < count; i++)
		check_owner(database, &pins[i]);
	check_version(database, store, version, PG_ARGISNULL(1));
	mvs_pin_write(database, NameStr(name), store, version, ttl, pins, count);
	mvs_transaction_pins();
	PG_RETURN_INT64(version);
}

/*
 * Set *pins to the pins of a name, lock their stores and then the name, and return how many
 * there are; where there is none, nothing stays locked.
 *
 * A store is locked as by those who come next in such a transaction, an erasure or TRUNCATE:
 * who renews the pin meanwhile waits for it, and not for the name with the store's lock in hand.
 */
static int
lock_pins(MvsDatabase *database, const char *name, MvsPin **pins)
{
	int			count = mvs_pin_find(name, pins);
	int			locked;

	do
	{
		for (int i = 0; i < count; i++)
		{
			Oid			store = (*pins)[i].store;

			check_owner(database, &(*pins)[i]);
			(void) mvs_lock_drops(store, OidIsValid(store) ? MVS_LOCKER_STORE : MVS_LOCKER_PIN,
								  true);
		}
		locked = count;
		(void) mvs_pin_lock(name, true);
		count = mvs_pin_find(name, pins);
		if (count == 0 || count != locked)
			mvs_pin_unlock(name);
	} while (count != locked && count > 0);
	return count;
}

/* mvstore_unpin(name): give a pin up; false if there is none of that name. */
Datum
mvstore_unpin(PG_FUNCTION_ARGS)
{
	NameData	name;
	MvsPin	   *pins;
	int			count;
	bool		lived = false;
	MvsDatabase *database;

	get_name(fcinfo, &name);
	database = mvs_command_begin("mvstore_unpin()");

	count = lock_pins(database, NameStr(name), &pins);
	for (int i = 0; i < count; i++)
	{
		check_owner(database, &pins[i]);
		lived |= pins[i].expires > mvs_pin_time(database);
	}
	mvs_pin_delete(pins, count);
	if (count > 0)
		mvs_transaction_pins();
	PG_RETURN_BOOL(lived);
}

/* Whether a pin that expires then lives; on a standby, by the clock. */
Datum
mvstore_pin_lives(PG_FUNCTION_ARGS)
{
	MvsDatabase *database = RecoveryInProgress() ? NULL : mvs_session_join_if_used();

	PG_RETURN_BOOL(PG_GETARG_TIMESTAMPTZ(0) >
				   (database ? mvs_pin_time(database) : GetCurrentTimestamp()));
}
