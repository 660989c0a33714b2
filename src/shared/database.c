/*-------------------------------------------------------------------------
 *
 * database.c
 *	  Shared memory: its size, its set-up, and who has which slot of it.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "base/settings.h"
#include "shared/counters.h"
#include "shared/database.h"

MvsShared  *mvs_shared = NULL;

/* The parts that have state of each database. */
static const MvsDatabasePart *const *parts = NULL;
static int	part_count = 0;

/* Their structs of all slots, slot by slot. */
static char *structs = NULL;

/* The slot of this session's database, until the session ends: it counts in sessions. */
static MvsDatabase *own_slot = NULL;

static Size struct_size(const MvsDatabasePart *part);
static Size slot_size(void);
static Size slots_size(void);
static MvsDatabase *init_slot(int number);
static void reset_slot(MvsDatabase *database, Oid oid);
static void attach(MvsDatabase *database);
static void detach_at_exit(void);
static void detach(int code, Datum argument);
static bool is_vacant(const MvsDatabase *database);
static bool free_slot(Oid oid, bool dropped);

void
mvs_database_set_parts(const MvsDatabasePart *const *all, int count)
{
	parts = all;
	part_count = count;
}

/* Bytes of a part's struct: databases, and parts, share no cache line. */
static Size
struct_size(const MvsDatabasePart *part)
{
	return CACHELINEALIGN(add_size(part->size, mul_size(MaxBackends + max_prepared_xacts,
														part->backend_size)));
}

/* Bytes of all structs of a slot. */
static Size
slot_size(void)
{
	Size		size = 0;

	for (int i = 0; i < part_count; i++)
		size = add_size(size, struct_size(parts[i]));
	return size;
}

/* Bytes before them. */
static Size
slots_size(void)
{
	return CACHELINEALIGN(add_size(offsetof(MvsShared, databases),
								   mul_size(mvs_max_databases, sizeof(MvsDatabase))));
}

Size
mvs_database_shmem_size(void)
{
	return add_size(slots_size(), mul_size(mvs_max_databases, slot_size()));
}

int
mvs_database_shmem_locks(void)
{
	return 1 + 2 * mvs_max_databases;
}

void
mvs_database_shmem_startup(LWLockPadded *locks)
{
	bool		found;

	mvs_shared = ShmemInitStruct("mvstore", mvs_database_shmem_size(), &found);
	structs = (char *) mvs_shared + slots_size();
	if (found)
		return;
	memset(mvs_shared, 0, offsetof(MvsShared, databases));
	mvs_shared->lock = &locks[0].lock;
	mvs_shared->locks = &locks[1];
	mvs_shared->launcher_proc = -1;
	pg_atomic_init_u64(&mvs_shared->standby_met, 0);
	mvs_shared->database_count = mvs_max_databases;
}

/* What is set once for all in a slot: only then it costs memory. With MvsShared.lock held. */
static MvsDatabase *
init_slot(int number)
{
	LWLockPadded *locks = mvs_shared->locks + (Size) 2 * number;
	MvsDatabase *database = &mvs_shared->databases[number];

	memset(database, 0, sizeof(MvsDatabase));
	database->version_lock = &locks[0].lock;
	database->queue_lock = &locks[1].lock;
	for (int i = 0; i < MVS_MAX_DROPPERS; i++)
		pg_atomic_init_u64(&database->dropping[i], 0);
	ConditionVariableInit(&database->progress);
	ConditionVariableInit(&database->settled);
	return database;
}

/* Give a slot to a database, with nothing left in it of another one. With MvsShared.lock held. */
static void
reset_slot(MvsDatabase *database, Oid oid)
{
	char	   *place = structs + (database - mvs_shared->databases) * slot_size();

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	for (int i = 0; i < part_count; i++)
	{
		parts[i]->reset(database, place);
		place += struct_size(parts[i]);
	}
	for (int i = 0; i < MVS_MAX_DROPPERS; i++)
		pg_atomic_write_u64(&database->dropping[i], 0);
	database->sessions = 0;
	database->vacant = false;
	database->oid = oid;
	LWLockRelease(database->queue_lock);
}

/* Have a slot as our own, if we have none. With MvsShared.lock held. */
static void
attach(MvsDatabase *database)
{
	if (own_slot)
		return;
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->sessions++;
	LWLockRelease(database->queue_lock);
	own_slot = database;
}

/* Have what attach() has done undone at the end of the session. */
static void
detach_at_exit(void)
{
	static bool registered = false;

	if (own_slot && !registered)
	{
		on_shmem_exit(detach, (Datum) 0);
		registered = true;
	}
}

/* At the end of a session, when its transaction has ended, too. */
static void
detach(int code, Datum argument)
{
	LWLockAcquire(own_slot->queue_lock, LW_EXCLUSIVE);
	own_slot->sessions--;
	LWLockRelease(own_slot->queue_lock);
	own_slot = NULL;
}

MvsDatabase *
mvs_database_take(Oid oid, bool *fresh)
{
	MvsDatabase *database = NULL;

	LWLockAcquire(mvs_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < mvs_shared->databases_used; i++)
	{
		MvsDatabase *slot = &mvs_shared->databases[i];

		if (slot->oid == oid)
		{
			database = slot;
			break;
		}
		if (slot->oid == InvalidOid && database == NULL)
			database = slot;
	}
	if (database == NULL && mvs_shared->databases_used < mvs_shared->database_count)
		database = init_slot(mvs_shared->databases_used);
	if (fresh)
		*fresh = database && database->oid == InvalidOid;
	if (database && database->oid == InvalidOid)
	{
		reset_slot(database, oid);

		/* Only now is it looked at by those who go through all slots: see mvs_databases_used(). */
		pg_write_barrier();
		mvs_shared->databases_used = Max(mvs_shared->databases_used,
										 database - mvs_shared->databases + 1);
	}
	if (database && oid == MyDatabaseId)
		attach(database);
	LWLockRelease(mvs_shared->lock);
	detach_at_exit();
	return database;
}

/* Whether nobody would miss a slot. With queue_lock held. */
static bool
is_vacant(const MvsDatabase *database)
{
	bool		idle = database->vacant && database->sessions == 0;

	for (int i = 0; i < part_count && idle; i++)
		idle = parts[i]->is_idle == NULL || parts[i]->is_idle(database);
	return idle;
}

/* Free the slot of a database that was dropped, or if nobody would miss it; false where not. */
static bool
free_slot(Oid oid, bool dropped)
{
	MvsDatabase *database = mvs_database_find(oid);
	bool		freed;

	if (database == NULL)
		return false;
	LWLockAcquire(mvs_shared->lock, LW_EXCLUSIVE);
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	freed = database->oid == oid && (dropped || is_vacant(database));
	if (freed)
	{
		for (int i = 0; i < part_count; i++)
			if (parts[i]->free)
				parts[i]->free(database);
		database->oid = InvalidOid;
	}
	LWLockRelease(database->queue_lock);
	LWLockRelease(mvs_shared->lock);
	if (freed)
		mvs_counters_forget_database(oid);
	return freed;
}

bool
mvs_database_free_unused(void)
{
	bool		freed = false;

	/* A database may be so new that our cache still says there is none. */
	AcceptInvalidationMessages();
	for (int i = 0; i < mvs_shared->databases_used; i++)
	{
		Oid			oid;

		LWLockAcquire(mvs_shared->lock, LW_SHARED);
		oid = mvs_shared->databases[i].oid;
		LWLockRelease(mvs_shared->lock);
		if (OidIsValid(oid))
			freed |= free_slot(oid, !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(oid)));
	}
	return freed;
}

void
mvs_shared_require(void)
{
	if (mvs_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("mvstore must be loaded by the server to write to stores"),
				 errhint("Add mvstore to \"shared_preload_libraries\" and restart the server.")));
}

int
mvs_databases_used(void)
{
	int			count = mvs_shared ? mvs_shared->databases_used : 0;

	pg_read_barrier();
	return count;
}

MvsDatabase *
mvs_database_find(Oid oid)
{
	MvsDatabase *found = NULL;

	if (mvs_shared == NULL)
		return NULL;
	if (own_slot && oid == MyDatabaseId)
		return own_slot;
	LWLockAcquire(mvs_shared->lock, LW_SHARED);
	for (int i = 0; i < mvs_shared->databases_used && !found; i++)
		if (mvs_shared->databases[i].oid == oid)
			found = &mvs_shared->databases[i];
	if (found && oid == MyDatabaseId)
		attach(found);
	LWLockRelease(mvs_shared->lock);
	detach_at_exit();
	return found;
}

void
mvs_database_forget(Oid oid)
{
	(void) free_slot(oid, true);
}
