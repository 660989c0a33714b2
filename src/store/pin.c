/*-------------------------------------------------------------------------
 *
 * pin.c
 *	  The rows of pins.
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
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/snapshot.h"
#include "shared/backlog.h"
#include "shared/fault.h"
#include "shared/lock.h"
#include "store/pin.h"
#include "version/clock.h"

#define Anum_pin_name 1
#define Anum_pin_system 2
#define Anum_pin_database 3
#define Anum_pin_owner 4
#define Anum_pin_store 5
#define Anum_pin_version 6
#define Anum_pin_created 7
#define Anum_pin_expires 8
#define Natts_pin 8

/* Those that a snapshot saw, and by what time they live. */
struct MvsPins
{
	MvsPin	   *pins;
	int			count;
	TimestampTz now;
};

/* What the worker has in mind, by stores. */
static MvsPin *known = NULL;
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

static int	read_pins(const char *name, Snapshot snapshot, MvsPin **pins);
static int	compare_pins(const void *a, const void *b);
static int	compare_lowest(const void *a, const void *b);

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------ */

/*
 * Set *pins to the pins that are named "name", or with NULL to all, as "snapshot" sees
 * them, NULL being a fresh one; return how many there are.
 */
static int
read_pins(const char *name, Snapshot snapshot, MvsPin **pins)
{
	Relation	catalog = mvs_catalog_open(MVS_PIN, true, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;
	int			count = 0;
	int			space = 0;

	*pins = NULL;
	if (catalog == NULL)
		return 0;

	/* They are few. */
	scan = systable_beginscan(catalog, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_pin];
		bool		nulls[Natts_pin];
		MvsPin	   *pin;

		heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
		if (name && strcmp(NameStr(*DatumGetName(values[Anum_pin_name - 1])), name) != 0)
			continue;
		if (count == space)
		{
			space = Max(space * 2, 8);
			*pins = *pins ? repalloc(*pins, space * sizeof(MvsPin)) :
				palloc(space * sizeof(MvsPin));
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

TimestampTz
mvs_pin_time(MvsDatabase *database)
{
	return mvs_version_to_time(mvs_clock_now(database));
}

MvsPins *
mvs_pin_read(MvsDatabase *database, Snapshot snapshot)
{
	MvsPins    *read = palloc(sizeof(MvsPins));

	read->count = read_pins(NULL, snapshot, &read->pins);
	read->now = 0;
	if (read->count > 0)
	{
		read->now = mvs_pin_time(database);
		MVS_FAULT("pins-read");
	}
	return read;
}

int64
mvs_pin_lowest(const MvsPins *read, Oid store)
{
	int64		version = MVS_NEWEST;

	for (int i = 0; i < read->count; i++)
	{
		const MvsPin *pin = &read->pins[i];

		if ((!OidIsValid(pin->store) || pin->store == store) && pin->expires > read->now)
			version = Min(version, pin->version);
	}
	return version;
}

int
mvs_pin_find(const char *name, MvsPin **pins)
{
	return read_pins(name, NULL, pins);
}

/* Set *tag to the lock of a name. */
static void
tag_name(LOCKTAG *tag, const char *name)
{
	mvs_lock_tag(tag, MVS_LOCK_PIN, InvalidOid,
				 hash_bytes((const unsigned char *) name, (int) strlen(name)));
}

bool
mvs_pin_lock(const char *name, bool wait)
{
	LOCKTAG		tag;

	tag_name(&tag, name);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
mvs_pin_unlock(const char *name)
{
	LOCKTAG		tag;

	tag_name(&tag, name);
	(void) LockRelease(&tag, ExclusiveLock, false);
}

void
mvs_pin_write(MvsDatabase *database, const char *name, Oid store, int64 version, int64 ttl,
			  MvsPin *pins, int count)
{
	Relation	catalog = mvs_catalog_open(MVS_PIN, false, RowExclusiveLock);
	TimestampTz now = mvs_pin_time(database);
	TimestampTz clock = GetCurrentTimestamp();
	TimestampTz created = Min(now, clock);	/* versions may be ahead of the clock */
	NameData	pin_name;
	NameData	owner;
	Datum		values[Natts_pin];
	bool		nulls[Natts_pin] = {false};
	MvsPin	   *old = NULL;
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
			pins[i].expires > mvs_pin_time(database))
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

void
mvs_pin_delete(MvsPin *pins, int count)
{
	Relation	catalog = mvs_catalog_open(MVS_PIN, false, RowExclusiveLock);

	for (int i = 0; i < count; i++)
		CatalogTupleDelete(catalog, &pins[i].tid);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

void
mvs_pin_refuse(MvsDatabase *database, Relation store, int64 version)
{
	MvsPin	   *pins;
	int			count = read_pins(NULL, NULL, &pins);

	for (int i = 0; i < count; i++)
	{
		if ((OidIsValid(pins[i].store) && pins[i].store != RelationGetRelid(store)) ||
			pins[i].version < version || pins[i].expires <= mvs_pin_time(database))
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

bool
mvs_pin_forget(Oid store)
{
	MvsPin	   *pins;
	int			count = read_pins(NULL, NULL, &pins);
	Relation	catalog = mvs_catalog_open(MVS_PIN, false, RowExclusiveLock);
	bool		any = false;

	for (int i = 0; i < count; i++)
	{
		if (pins[i].store != store || !OidIsValid(store))
			continue;
		(void) mvs_pin_lock(NameStr(pins[i].name), true);
		if (HeapTupleIsValid(mvs_catalog_fetch(catalog, &pins[i].tid)))
			CatalogTupleDelete(catalog, &pins[i].tid);
		any = true;
	}
	table_close(catalog, RowExclusiveLock);
	return any;
}

/* ------------------------------------------------------------------------
 * What the worker has in mind
 * ------------------------------------------------------------------------ */

/* Remove a pin that has expired, unless somebody is at it. */
static void
remove_expired(const MvsPin *pin)
{
	Relation	catalog;
	TM_FailureData failure;
	ItemPointerData tid = pin->tid;

	if (!mvs_pin_lock(NameStr(pin->name), false))
		return;
	catalog = mvs_catalog_open(MVS_PIN, false, RowExclusiveLock);
	(void) mvs_compat_table_tuple_delete(catalog, &tid,
										 GetCurrentCommandId(true), mvs_active_snapshot(),
										 false, &failure);
	table_close(catalog, RowExclusiveLock);
}

static int
compare_pins(const void *a, const void *b)
{
	Oid			left = ((const MvsPin *) a)->store;
	Oid			right = ((const MvsPin *) b)->store;

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
	MvsPin	   *pins;
	int			count;
	bool		locked;

	StartTransactionCommand();
	locked = !mvs_catalog_lock();
	if (!locked)
	{
		/* First the flag, then the look. */
		LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
		database->backlogs->pins_changed = false;
		mvs_backlog_unpin(database->backlogs);
		LWLockRelease(database->queue_lock);

		PushActiveSnapshot(GetTransactionSnapshot());
		count = read_pins(NULL, mvs_active_snapshot(), &pins);
		/* An error leaves none. */
		known_count = lowest_count = 0;
		lowest_until = DT_NOBEGIN;
		if (known)
			pfree(known);
		known = NULL;
		if (lowest)
			pfree(lowest);
		lowest = NULL;
		known = MemoryContextAlloc(context, Max(count, 1) * sizeof(MvsPin));
		lowest = MemoryContextAlloc(context, Max(count, 1) * sizeof(Lowest));
		for (int i = 0; i < count; i++)
		{
			if (pins[i].expires > mvs_pin_time(database))
				known[known_count++] = pins[i];
			else
				remove_expired(&pins[i]);
		}
		qsort(known, known_count, sizeof(MvsPin), compare_pins);
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
		const MvsPin *pin = &known[i];

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
