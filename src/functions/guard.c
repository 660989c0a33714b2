/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Rows of the catalog that come from elsewhere: by a subscription, by a restore.
 *
 * A publication of all tables, or of those in the schema of the extension, takes the
 * catalog along. What it says is the publisher's: on a subscriber it must neither be
 * believed nor stop the apply. So a row trigger on every table of the catalog passes
 * over all that replication brings, inserts as well as changes of a row that by chance
 * is the subscriber's own, and a store that is named may be missing. The trigger fires
 * ALWAYS, as the apply runs as a replica; an event trigger sees to it that it stays so.
 *
 * What pg_restore brings is believed. Where it meets rows, they become one.
 *
 * C code writes the catalog without triggers.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "store/floor.h"
#include "store/policy_row.h"

PG_FUNCTION_INFO_V1(mvstore_regclass_in);
PG_FUNCTION_INFO_V1(mvstore_guard);
PG_FUNCTION_INFO_V1(mvstore_keep_guard);

static bool is_replicated(void);
static bool join_row(Relation catalog, TupleTableSlot *row);
static bool is_guard_off(Oid table);

/*
 * Whether replication brings what is being written: PostgreSQL's, or one that says
 * where its changes come from. Not session_replication_role, under which people
 * restore dumps; nor "do not replicate", which names no place: our own worker says so.
 */
static bool
is_replicated(void)
{
	int			origin = MVS_COMPAT_ORIGIN;

	return (IsLogicalWorker() || (origin != InvalidReplOriginId && origin != DoNotReplicateId)) &&
		!mvs_catalog_is_running();
}

/* Input function of mvstore_regclass: the guard comes too late for an error of regclass. */
Datum
mvstore_regclass_in(PG_FUNCTION_ARGS)
{
	const char *name = PG_GETARG_CSTRING(0);
	List	   *names;

	/* A store that is gone is written as a number, or as "-". */
	if (!is_replicated() || name[strspn(name, "-0123456789")] == '\0')
		return DirectFunctionCall1(regclassin, CStringGetDatum(name));
	names = textToQualifiedNameList(cstring_to_text(name));
	PG_RETURN_OID(RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true));
}

/*
 * A row is to be inserted by pg_restore, or by hand: false if what is there is to
 * stay. Of policies the newer word holds; floors rise to the greater. Pins of one name and
 * requests of one number are the database's own of before, or have been changed since.
 */
static bool
join_row(Relation catalog, TupleTableSlot *row)
{
	TupleTableSlot *old = table_slot_create(catalog, NULL);
	Oid			key = MVS_COMPAT_PRIMARY_KEY(catalog);
	bool		goes_in = true;
	bool		isnull;

	if (!OidIsValid(key))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation \"%s\" of extension \"mvstore\" has been altered",
						RelationGetRelationName(catalog)),
				 errdetail("It has no primary key."),
				 errhint("Add the one that the extension's script gives it.")));
	slot_getallattrs(row);
	if (RelationFindReplTupleByIndex(catalog, key, LockTupleExclusive, row, old))
	{
		goes_in = RelationGetRelid(catalog) == mvs_catalog_oid(MVS_POLICY, false);
		if (goes_in)
			CatalogTupleDelete(catalog, &old->tts_tid);
		else if (RelationGetRelid(catalog) == mvs_catalog_oid(MVS_FLOOR, false))
		{
			MvsFloors	floors = {
				.end = DatumGetInt64(slot_getattr(row, Anum_floor_floor, &isnull)),
				.entries = DatumGetInt64(slot_getattr(row, Anum_floor_entries, &isnull)),
				.keys = DatumGetInt64(slot_getattr(row, Anum_floor_keys, &isnull))
			};

			mvs_floor_raise(DatumGetObjectId(slot_getattr(row, Anum_floor_store, &isnull)),
							&floors);
		}
	}
	ExecDropSingleTupleTableSlot(old);
	return goes_in;
}

/* Trigger before each row that SQL writes to the catalog, and before TRUNCATE. */
Datum
mvstore_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	catalog;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!(TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		  TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("mvstore_guard() must be fired before rows are written")));

	/* Published, it would empty the subscriber's, too: no row trigger sees it there. */
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot truncate \"%s\"", RelationGetRelationName(trigger->tg_relation)),
				 errdetail("It is the catalog of extension \"mvstore\".")));
	if (is_replicated())
		PG_RETURN_POINTER(NULL);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		PG_RETURN_POINTER(trigger->tg_newtuple);
	catalog = trigger->tg_relation;
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
	{
		if (!join_row(catalog, trigger->tg_trigslot))
			PG_RETURN_POINTER(NULL);

		/* Sessions that know the table are to look anew. */
		if (RelationGetRelid(catalog) == mvs_catalog_oid(MVS_POLICY, false))
		{
			bool		isnull;
			Oid			store = DatumGetObjectId(slot_getattr(trigger->tg_trigslot,
															  Anum_policy_store, &isnull));

			if (!isnull && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(store)))
				CacheInvalidateRelcacheByRelid(store);
		}
	}
	PG_RETURN_POINTER(trigger->tg_trigtuple);
}

/* Whether a table has the guard, and it does not fire ALWAYS. */
static bool
is_guard_off(Oid table)
{
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		off;

	ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(table));
	ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("mvstore_guard"));
	scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, NULL, lengthof(keys), keys);
	tuple = systable_getnext(scan);
	off = HeapTupleIsValid(tuple) &&
		((Form_pg_trigger) GETSTRUCT(tuple))->tgenabled != TRIGGER_FIRES_ALWAYS;
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
	return off;
}

/*
 * Event trigger after ALTER TABLE: the guard fires ALWAYS, also when others are disabled.
 * Whatever table was altered, by whomever: to look is cheaper than to ask which.
 */
Datum
mvstore_keep_guard(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("mvstore_keep_guard() must be called as an event trigger")));

	for (int i = 0; i < MVS_CATALOG_COUNT; i++)
		if (OidIsValid(mvs_catalog_oid(i, true)) && is_guard_off(mvs_catalog_oid(i, true)))
			(void) mvs_catalog_run(i, "ALTER TABLE %s ENABLE ALWAYS TRIGGER mvstore_guard",
								   0, NULL, NULL);
	PG_RETURN_NULL();
}
