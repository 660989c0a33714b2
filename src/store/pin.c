/*-------------------------------------------------------------------------
 *
 * pin.c
 *	  Pins.
 *
 * Locks: a pin takes the drop lock of its store, or that of the database if it is
 * on all stores (shared/lock.c). Then a lock on its name.
 *
 * A row names the system and the database that made it, so that what a restore
 * brings has a place beside what is there. It is in force all the same: the
 * versions have come with it.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/arguments.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "queue/transaction.h"
#include "shared/lock.h"
#include "store/floor.h"
#include "store/pin.h"
#include "store/store.h"
#include "version/session.h"
#include "version/stable.h"
#include "version/version.h"

#define Anum_pin_name 1
#define Anum_pin_system 2
#define Anum_pin_database 3
#define Anum_pin_owner 4
#define Anum_pin_store 5
#define Anum_pin_version 6
#define Anum_pin_created 7
#define Anum_pin_expires 8
#define Natts_pin 8

/* A row of mvstore_pin. */
typedef struct Pin
{
	ItemPointerData tid;
	NameData	name;
	NameData	owner;
	bool		own;			/* of this system and database */
	Oid			store;			/* InvalidOid: all */
	int64		version;
	TimestampTz created;
	TimestampTz expires;
} Pin;

/* Those that a snapshot saw, and by what time they live. */
struct MvsPins
{
	Pin		   *pins;
	int			count;
	TimestampTz now;
};

/* What the worker has in mind, by stores. */
static Pin *known = NULL;
static int	known_count = 0;

/* Of these, as of its last look, the lowest on each store that has its own, and on all. */
typedef struct Lowest
{
	Oid			store;
	int64		version;
} Lowest;

static Lowest *lowest = NULL;
static int	lowest_count = 0;
static int64 lowest_of_all = MVS_NEWEST;
static TimestampTz lowest_until = DT_NOBEGIN;	/* then the next of them expires */

PG_FUNCTION_INFO_V1(mvstore_pin);
PG_FUNCTION_INFO_V1(mvstore_unpin);
PG_FUNCTION_INFO_V1(mvstore_pin_lives);

static int	read_pins(const char *name, Snapshot snapshot, Pin **pins);
static TimestampTz pin_time(MvsDatabase *database);
static int	compare_pins(const void *a, const void *b);
static int	compare_lowest(const void *a, const void *b);
static bool lock_name(const char *name, bool wait);
static void check_owner(MvsDatabase *database, const Pin *pin);
static void get_name(FunctionCallInfo fcinfo, Name name);
static int64 get_pin_ttl(FunctionCallInfo fcinfo);
static void check_version(MvsDatabase *database, Oid store, int64 version, bool chosen);
static void write_pin(MvsDatabase *database, const char *name, Oid store, int64 version,
					  int64 ttl, Pin *pins, int count);

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------ */

/* The pins of a name, or with NULL all, in a snapshot (NULL: a fresh one); how many there are. */
static int
read_pins(const char *name, Snapshot snapshot, Pin **pins)
{
	Oid			table = mvs_catalog_oid(MVS_PIN, true);
	Relation	catalog;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			count = 0;
	int			space = 0;

	*pins = NULL;
	if (!OidIsValid(table))
		return 0;

	/* They are few. */
	catalog = table_open(table, AccessShareLock);
	scan = systable_beginscan(catalog, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_pin];
		bool		nulls[Natts_pin];
		Pin		   *pin;

		heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
		if (name && strcmp(NameStr(*DatumGetName(values[Anum_pin_name - 1])), name) != 0)
			continue;
		if (count == space)
		{
			space = Max(space * 2, 8);
			*pins = *pins ? repalloc(*pins, space * sizeof(Pin)) : palloc(space * sizeof(Pin));
		}
		pin = &(*pins)[count++];
		pin->tid = tuple->t_self;
		pin->name = *DatumGetName(values[Anum_pin_name - 1]);
		pin->owner = *DatumGetName(values[Anum_pin_owner - 1]);
		pin->own = DatumGetInt64(values[Anum_pin_system - 1]) == (int64) GetSystemIdentifier() &&
			DatumGetObjectId(values[Anum_pin_database - 1]) == MyDatabaseId;
		pin->store = nulls[Anum_pin_store - 1] ? InvalidOid :
			DatumGetObjectId(values[Anum_pin_store - 1]);
		pin->version = DatumGetInt64(values[Anum_pin_version - 1]);
		pin->created = DatumGetTimestampTz(values[Anum_pin_created - 1]);
		pin->expires = DatumGetTimestampTz(values[Anum_pin_expires - 1]);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return count;
}

/* The time at which pins expire: what has expired once stays so, wherever the clock goes. */
static TimestampTz
pin_time(MvsDatabase *database)
{
	return mvs_version_to_time(mvs_version_now(database));
}

MvsPins *
mvs_pin_read(MvsDatabase *database, Snapshot snapshot)
{
	MvsPins    *read = palloc(sizeof(MvsPins));

	read->count = read_pins(NULL, snapshot, &read->pins);
	read->now = read->count > 0 ? pin_time(database) : 0;
	return read;
}

int64
mvs_pin_lowest(const MvsPins *read, Oid store)
{
	int64		version = MVS_NEWEST;

	for (int i = 0; i < read->count; i++)
	{
		const Pin  *pin = &read->pins[i];

		if ((!OidIsValid(pin->store) || pin->store == store) && pin->expires > read->now)
			version = Min(version, pin->version);
	}
	return version;
}

/* Whether a pin that expires then lives; on a standby, by the clock. */
Datum
mvstore_pin_lives(PG_FUNCTION_ARGS)
{
	MvsDatabase *database = RecoveryInProgress() ? NULL : mvs_session_join_if_used();

	PG_RETURN_BOOL(PG_GETARG_TIMESTAMPTZ(0) >
				   (database ? pin_time(database) : GetCurrentTimestamp()));
}

void
mvs_pin_refuse(MvsDatabase *database, Relation store, int64 version)
{
	Pin		   *pins;
	int			count = read_pins(NULL, NULL, &pins);

	for (int i = 0; i < count; i++)
	{
		if ((OidIsValid(pins[i].store) && pins[i].store != RelationGetRelid(store)) ||
			pins[i].version < version || pins[i].expires <= pin_time(database))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("store \"%s\" is pinned as of version " INT64_FORMAT,
						RelationGetRelationName(store), pins[i].version),
				 errdetail("Pin \"%s\" of role \"%s\" lives until %s.", NameStr(pins[i].name),
						   NameStr(pins[i].owner), timestamptz_to_str(pins[i].expires)),
				 errhint("Wait until then, or remove it with mvstore_unpin().")));
	}
	if (pins)
		pfree(pins);
}

void
mvs_pin_forget(Oid store)
{
	Pin		   *pins;
	int			count = read_pins(NULL, NULL, &pins);
	Relation	catalog = table_open(mvs_catalog_oid(MVS_PIN, false), RowExclusiveLock);

	for (int i = 0; i < count; i++)
	{
		if (pins[i].store == store && OidIsValid(store))
		{
			(void) lock_name(NameStr(pins[i].name), true);
			if (HeapTupleIsValid(mvs_catalog_fetch(catalog, &pins[i].tid)))
				CatalogTupleDelete(catalog, &pins[i].tid);
			/* The worker is to forget it, too. Without shared memory there is none. */
			if (mvs_shared != NULL)
				mvs_request_pins();
		}
	}
	table_close(catalog, RowExclusiveLock);
}

/* ------------------------------------------------------------------------
 * What the worker has in mind
 * ------------------------------------------------------------------------ */

/* Remove a pin that has expired, unless somebody is at it. */
static void
remove_expired(const Pin *pin)
{
	Relation	catalog;
	TM_FailureData failure;
	ItemPointerData tid = pin->tid;

	if (!lock_name(NameStr(pin->name), false))
		return;
	catalog = table_open(mvs_catalog_oid(MVS_PIN, false), RowExclusiveLock);
	(void) mvs_compat_table_tuple_delete(catalog, &tid,
										 GetCurrentCommandId(true), GetActiveSnapshot(),
										 false, &failure);
	table_close(catalog, RowExclusiveLock);
}

static int
compare_pins(const void *a, const void *b)
{
	Oid			left = ((const Pin *) a)->store;
	Oid			right = ((const Pin *) b)->store;

	return (left > right) - (left < right);
}

static int
compare_lowest(const void *a, const void *b)
{
	Oid			left = ((const Lowest *) a)->store;
	Oid			right = ((const Lowest *) b)->store;

	return (left > right) - (left < right);
}

bool
mvs_pin_load(MvsDatabase *database, MemoryContext context)
{
	Pin		   *pins;
	int			count;
	bool		locked;

	StartTransactionCommand();
	locked = !mvs_catalog_lock();
	if (!locked)
	{
		/* First the flag, then the look. */
		LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
		database->pins_changed = false;
		database->pinned_count = 0;
		LWLockRelease(database->queue_lock);

		PushActiveSnapshot(GetTransactionSnapshot());
		count = read_pins(NULL, GetActiveSnapshot(), &pins);
		/* An error leaves none. */
		known_count = lowest_count = 0;
		lowest_until = DT_NOBEGIN;
		if (known)
			pfree(known);
		known = NULL;
		if (lowest)
			pfree(lowest);
		lowest = NULL;
		known = MemoryContextAlloc(context, Max(count, 1) * sizeof(Pin));
		lowest = MemoryContextAlloc(context, Max(count, 1) * sizeof(Lowest));
		for (int i = 0; i < count; i++)
		{
			if (pins[i].expires > pin_time(database))
				known[known_count++] = pins[i];
			else
				remove_expired(&pins[i]);
		}
		qsort(known, known_count, sizeof(Pin), compare_pins);
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
	return !locked;
}

void
mvs_pin_look(int64 now)
{
	TimestampTz time = mvs_version_to_time(now);

	if (time < lowest_until)
		return;
	lowest_count = 0;
	lowest_of_all = MVS_NEWEST;
	lowest_until = DT_NOEND;
	for (int i = 0; i < known_count; i++)
	{
		const Pin  *pin = &known[i];

		if (pin->expires <= time)
			continue;
		lowest_until = Min(lowest_until, pin->expires);
		if (!OidIsValid(pin->store))
			lowest_of_all = Min(lowest_of_all, pin->version);
		else if (lowest_count > 0 && lowest[lowest_count - 1].store == pin->store)
			lowest[lowest_count - 1].version = Min(lowest[lowest_count - 1].version,
												   pin->version);
		else
		{
			lowest[lowest_count].store = pin->store;
			lowest[lowest_count++].version = pin->version;
		}
	}
}

int64
mvs_pin_known(Oid store)
{
	Lowest		wanted = {.store = store};
	Lowest	   *own = NULL;

	if (lowest_count > 0)
		own = bsearch(&wanted, lowest, lowest_count, sizeof(Lowest), compare_lowest);
	return own ? Min(own->version, lowest_of_all) : lowest_of_all;
}

TimestampTz
mvs_pin_next_expiry(void)
{
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < known_count; i++)
		next = Min(next, known[i].expires);
	return next;
}

/* ------------------------------------------------------------------------
 * SQL functions
 * ------------------------------------------------------------------------ */

/* One at a time changes a pin, to the transaction's end; false where that would mean to wait. */
static bool
lock_name(const char *name, bool wait)
{
	LOCKTAG		tag;

	mvs_lock_tag(&tag, MVS_LOCK_PIN, InvalidOid,
				 hash_bytes((const unsigned char *) name, (int) strlen(name)));
	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/* Only who has the rights of its owner may change a pin that lives. */
static void
check_owner(MvsDatabase *database, const Pin *pin)
{
	Oid			owner = get_role_oid(NameStr(pin->owner), true);

	if (pin->expires <= pin_time(database))
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

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("name must not be null")));
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

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("ttl must not be null")));
	ttl = mvs_interval_usecs("ttl", PG_GETARG_INTERVAL_P(2));
	if (ttl == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl must be greater than zero")));
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
	int64		now = mvs_version_now(database);
	int64		floor;

	if (version > now)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version " INT64_FORMAT " lies in the future", version),
				 errdetail("It is now version " INT64_FORMAT ".", now),
				 errhint("A version is a time in microseconds since 1970.")));
	if (chosen && !OidIsValid(store))
		return;
	floor = OidIsValid(store) ? mvs_floor_read(store, NULL) : mvs_floor_greatest(&store);
	if (version < floor && chosen)
	{
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
		MvsUnstable why;

		mvs_stable_explain(snapshot, floor, &why);
		UnregisterSnapshot(snapshot);
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("store \"%s\" has been emptied with version " INT64_FORMAT ", which is not stable yet",
						get_rel_name(store), floor),
				 errdetail_internal("%s", why.detail),
				 errhint("Try again when that has ended; mvstore_wait_stable() waits for a version.")));
	}
	if (version < floor)
		ereport(ERROR,
				(errcode(ERRCODE_HISTORY_GONE),
				 errmsg("history of store \"%s\" as of version " INT64_FORMAT " is gone",
						get_rel_name(store), version),
				 errdetail("It is complete as of version " INT64_FORMAT " or later.", floor)));
}

/* Write a pin in the place of those that had its name. */
static void
write_pin(MvsDatabase *database, const char *name, Oid store, int64 version, int64 ttl,
		  Pin *pins, int count)
{
	Relation	catalog = table_open(mvs_catalog_oid(MVS_PIN, false), RowExclusiveLock);
	TimestampTz now = pin_time(database);
	TimestampTz clock = GetCurrentTimestamp();
	TimestampTz created = Min(now, clock);	/* versions may be ahead of the clock */
	NameData	pin_name;
	NameData	owner;
	Datum		values[Natts_pin];
	bool		nulls[Natts_pin] = {false};
	Pin		   *old = NULL;
	HeapTuple	tuple;

	namestrcpy(&pin_name, name);
	namestrcpy(&owner, GetUserNameFromId(GetUserId(), false));
	for (int i = 0; i < count; i++)
	{
		if (pins[i].own)
			old = &pins[i];
		else
			CatalogTupleDelete(catalog, &pins[i].tid);
		if (pins[i].version == version && pins[i].store == store &&
			pins[i].expires > pin_time(database))
		{
			created = Min(created, pins[i].created);
			owner = pins[i].owner;
		}
	}
	values[Anum_pin_name - 1] = NameGetDatum(&pin_name);
	values[Anum_pin_system - 1] = Int64GetDatum(GetSystemIdentifier());
	values[Anum_pin_database - 1] = ObjectIdGetDatum(MyDatabaseId);
	values[Anum_pin_owner - 1] = NameGetDatum(&owner);
	values[Anum_pin_store - 1] = ObjectIdGetDatum(store);
	nulls[Anum_pin_store - 1] = !OidIsValid(store);
	values[Anum_pin_version - 1] = Int64GetDatum(version);
	values[Anum_pin_created - 1] = TimestampTzGetDatum(created);
	values[Anum_pin_expires - 1] = TimestampTzGetDatum(now + ttl);
	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
	if (old)
		CatalogTupleUpdate(catalog, &old->tid, tuple);
	else
		CatalogTupleInsert(catalog, tuple);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

/* What both functions need. */
static MvsDatabase *
check_command(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PreventCommandDuringRecovery(function);
	return mvs_session_join();
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
	Pin		   *pins;
	int			count;

	get_name(fcinfo, &name);
	ttl = get_pin_ttl(fcinfo);
	database = check_command("mvstore_pin()");
	if (!PG_ARGISNULL(3))
	{
		MvsStore	opened;

		mvs_store_open(&opened, store, AccessShareLock, ACL_SELECT);
		mvs_store_refuse_unguarded(&opened);
		mvs_store_close(&opened);
	}

	/* From here on no batch runs that does not see the pin. */
	(void) mvs_lock_drops(store, MVS_LOCKER_PIN, true);
	(void) lock_name(NameStr(name), true);
	if (version < 0)
	{
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

		version = mvs_stable(snapshot, MVS_NEWEST);
		UnregisterSnapshot(snapshot);
	}
	count = read_pins(NameStr(name), NULL, &pins);
	for (int i = 0; i < count; i++)
		check_owner(database, &pins[i]);
	check_version(database, store, version, PG_ARGISNULL(1));
	write_pin(database, NameStr(name), store, version, ttl, pins, count);
	mvs_request_pins();
	PG_RETURN_INT64(version);
}

/* mvstore_unpin(name): give a pin up; false if there is none of that name. */
Datum
mvstore_unpin(PG_FUNCTION_ARGS)
{
	NameData	name;
	Pin		   *pins;
	int			count;
	bool		lived = false;
	Relation	catalog;
	MvsDatabase *database;

	get_name(fcinfo, &name);
	database = check_command("mvstore_unpin()");

	/* The drop lock comes before that of the name. */
	count = read_pins(NameStr(name), NULL, &pins);
	for (int i = 0; i < count; i++)
	{
		check_owner(database, &pins[i]);
		(void) mvs_lock_drops(pins[i].store, MVS_LOCKER_PIN, true);
	}
	(void) lock_name(NameStr(name), true);
	catalog = table_open(mvs_catalog_oid(MVS_PIN, false), RowExclusiveLock);
	count = read_pins(NameStr(name), NULL, &pins);
	for (int i = 0; i < count; i++)
	{
		check_owner(database, &pins[i]);
		lived |= pins[i].expires > pin_time(database);
		CatalogTupleDelete(catalog, &pins[i].tid);
	}
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
	if (count > 0)
		mvs_request_pins();
	PG_RETURN_BOOL(lived);
}
