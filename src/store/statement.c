/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  A call that writes to a store, as the statement that it is for its triggers.
 *
 * Whoever copies a table by triggers is to see all that happens to it in the
 * caller's transaction: puts, what they replace, and erasures. (Drops fire none:
 * no code of users runs in the worker.)
 *
 * The executor's routines for single rows know nothing of transition tables. So
 * where a table has triggers with such tables, these routines are given the other
 * triggers alone, and what captures the row and queues the former follows.
 *
 * The executor keeps what it has looked up of a trigger's function in the context
 * of its first call. So these routines run in that of the whole statement, as in an
 * INSERT: the caller may be in one for a single row.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "rewrite/rewriteHandler.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/key.h"
#include "store/entry.h"
#include "store/statement.h"

static void open_target(MvsStatement *statement, bool inserting);
static TriggerDesc *choose_triggers(Relation heap, bool with_tables);
static void begin_part(MvsStatement *statement, CmdType command);
static void prepare_defaults(MvsStatement *statement);
static void fill_defaults(MvsStatement *statement);
static void insert_plain(MvsStatement *statement);
static TimestampTz insert_by_executor(MvsStatement *statement, bytea *key, int64 version);
static bool delete_by_executor(MvsStatement *statement, ItemPointer tid);

/* ------------------------------------------------------------------------
 * Beginning
 * ------------------------------------------------------------------------ */

void
mvs_statement_begin(MvsStatement *statement, MvsStore *store, CmdType command)
{
	bool		inserting = (command == CMD_INSERT);

	memset(statement, 0, sizeof(MvsStatement));
	statement->store = store;
	statement->slot = table_slot_create(store->heap, NULL);
	if (!store->info.plain_delete || (inserting && !store->info.plain_insert))
		open_target(statement, inserting && !store->info.plain_insert);
	if (inserting && store->info.plain_insert && OidIsValid(store->info.feed_index))
		statement->feed_index = index_open(store->info.feed_index, RowExclusiveLock);
	begin_part(statement, command);
}

/* Get ready what the executor's routines want of a statement. */
static void
open_target(MvsStatement *statement, bool inserting)
{
	Relation	heap = statement->store->heap;
	EState	   *estate = CreateExecutorState();
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	ResultRelInfo *target = makeNode(ResultRelInfo);

	entry->rtekind = RTE_RELATION;
	entry->relid = RelationGetRelid(heap);
	entry->relkind = heap->rd_rel->relkind;
	entry->rellockmode = AccessShareLock;
	mvs_compat_init_range_table(estate, entry);
	InitResultRelInfo(target, heap, 1, NULL, 0);
	estate->es_opened_result_relations = lappend(NIL, target);
	estate->es_snapshot = GetActiveSnapshot();
	statement->estate = estate;
	statement->target = target;
	statement->with_tables = choose_triggers(heap, true);
	statement->without_tables = choose_triggers(heap, false);
	AfterTriggerBeginQuery();
	if (inserting)
	{
		ExecOpenIndices(target, false);
		prepare_defaults(statement);
	}
	MemoryContextSwitchTo(old);
}

/* The triggers of a table, of which those that have transition tables fire, or the others. */
static TriggerDesc *
choose_triggers(Relation heap, bool with_tables)
{
	TriggerDesc *triggers = CopyTriggerDesc(heap->trigdesc);

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (with_tables != (trigger->tgoldtable || trigger->tgnewtable))
			trigger->tgenabled = TRIGGER_DISABLED;
	}
	return triggers;
}

/* Begin what a statement does of one kind. */
static void
begin_part(MvsStatement *statement, CmdType command)
{
	EState	   *estate = statement->estate;
	ResultRelInfo *target = statement->target;
	bool		inserting = (command == CMD_INSERT);
	MvsStatementPart *part = inserting ? &statement->inserting : &statement->deleting;
	MemoryContext old;

	if (part->begun)
		return;
	part->begun = true;
	if (!inserting)
		CheckCmdReplicaIdentity(statement->store->heap, CMD_DELETE);
	if (estate == NULL)
		return;
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	part->tables = MakeTransitionCaptureState(target->ri_TrigDesc,
											  RelationGetRelid(target->ri_RelationDesc), command);
	if (inserting)
		ExecBSInsertTriggers(estate, target);
	else
		ExecBSDeleteTriggers(estate, target);
	MemoryContextSwitchTo(old);
}

/* ------------------------------------------------------------------------
 * Inserting
 * ------------------------------------------------------------------------ */

TimestampTz
mvs_statement_insert(MvsStatement *statement, bytea *key, int64 version, bytea *value,
					 TimestampTz expires_at)
{
	MvsStore   *store = statement->store;
	const AttrNumber *columns = store->info.columns;
	TupleTableSlot *slot = statement->slot;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	slot->tts_values[columns[MVS_KEY] - 1] = PointerGetDatum(key);
	slot->tts_isnull[columns[MVS_KEY] - 1] = false;
	slot->tts_values[columns[MVS_VERSION] - 1] = Int64GetDatum(version);
	slot->tts_isnull[columns[MVS_VERSION] - 1] = false;
	slot->tts_values[columns[MVS_VALUE] - 1] = PointerGetDatum(value);
	slot->tts_isnull[columns[MVS_VALUE] - 1] = (value == NULL);
	slot->tts_values[columns[MVS_EXPIRES] - 1] = TimestampTzGetDatum(expires_at);
	slot->tts_isnull[columns[MVS_EXPIRES] - 1] = (expires_at == DT_NOEND);

	if (store->info.plain_insert)
	{
		ExecStoreVirtualTuple(slot);
		insert_plain(statement);
		return expires_at;
	}
	return insert_by_executor(statement, key, version);
}

/* Insert the slot's row through the table and index access methods. */
static void
insert_plain(MvsStatement *statement)
{
	MvsStore   *store = statement->store;
	TupleTableSlot *slot = statement->slot;
	Datum		key = slot->tts_values[store->info.columns[MVS_KEY] - 1];
	Datum		version = slot->tts_values[store->info.columns[MVS_VERSION] - 1];
	Datum		by_key[2] = {key, version};
	Datum		by_version[2] = {version, key};
	bool		nulls[2] = {false, false};

	/* It may replace the slot's values by toasted ones, which no index is to get. */
	table_tuple_insert(store->heap, slot, GetCurrentCommandId(true), 0, NULL);
	(void) index_insert(store->index, by_key, nulls, &slot->tts_tid, store->heap,
						UNIQUE_CHECK_YES, false, BuildIndexInfo(store->index));
	if (statement->feed_index)
		(void) index_insert(statement->feed_index, by_version, nulls, &slot->tts_tid, store->heap,
							UNIQUE_CHECK_NO, false, BuildIndexInfo(statement->feed_index));
}

/*
 * Insert the slot's row as INSERT would: defaults, row triggers, constraints, all indexes.
 * When it expires.
 */
static TimestampTz
insert_by_executor(MvsStatement *statement, bytea *key, int64 version)
{
	Relation	heap = statement->store->heap;
	const AttrNumber *columns = statement->store->info.columns;
	EState	   *estate = statement->estate;
	ResultRelInfo *target = statement->target;
	TriggerDesc *triggers = target->ri_TrigDesc;
	TupleTableSlot *slot = statement->slot;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	Datum		expires_at;
	bool		isnull;

	ResetPerTupleExprContext(estate);
	estate->es_output_cid = GetCurrentCommandId(true);
	fill_defaults(statement);
	ExecStoreVirtualTuple(slot);
	ItemPointerSetInvalid(&slot->tts_tid);
	target->ri_TrigDesc = statement->without_tables;
	ExecSimpleRelationInsert(target, estate, slot);

	/* What is read, locked and counted is the entry that was asked for. */
	if (!ItemPointerIsValid(&slot->tts_tid) ||
		version != DatumGetInt64(slot_getattr(slot, columns[MVS_VERSION], &isnull)) ||
		mvs_key_compare(key, DatumGetByteaPP(slot_getattr(slot, columns[MVS_KEY], &isnull))) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger on store \"%s\" suppressed an entry or changed its key or version",
						RelationGetRelationName(heap)),
				 errhint("A BEFORE ROW trigger on a store can check an entry, or change its value.")));
	expires_at = slot_getattr(slot, columns[MVS_EXPIRES], &isnull);

	if (statement->inserting.tables)
	{
		target->ri_TrigDesc = statement->with_tables;
		ExecARInsertTriggers(estate, target, slot, NIL, statement->inserting.tables);
	}
	target->ri_TrigDesc = triggers;
	MemoryContextSwitchTo(old);
	return isnull ? DT_NOEND : DatumGetTimestampTz(expires_at);
}

/* Prepare the defaults of the columns that are the user's own. */
static void
prepare_defaults(MvsStatement *statement)
{
	MvsStore   *store = statement->store;
	TupleDesc	shape = RelationGetDescr(store->heap);

	statement->defaults = palloc0(shape->natts * sizeof(ExprState *));
	for (int i = 0; i < shape->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(shape, i);
		bool		own = false;
		Expr	   *expression;

		for (int j = 0; j < MVS_COLUMN_COUNT; j++)
			own |= (store->info.columns[j] == i + 1);
		if (own || column->attisdropped || column->attgenerated)
			continue;
		expression = (Expr *) build_column_default(store->heap, i + 1);
		if (expression)
			statement->defaults[i] = ExecPrepareExpr(expression, statement->estate);
	}
}

static void
fill_defaults(MvsStatement *statement)
{
	TupleTableSlot *slot = statement->slot;
	ExprContext *context = GetPerTupleExprContext(statement->estate);

	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
		if (statement->defaults[i])
			slot->tts_values[i] = ExecEvalExprSwitchContext(statement->defaults[i], context,
															&slot->tts_isnull[i]);
}

/* ------------------------------------------------------------------------
 * Deleting
 * ------------------------------------------------------------------------ */

bool
mvs_statement_delete(MvsStatement *statement, ItemPointer tid)
{
	begin_part(statement, CMD_DELETE);
	return statement->store->info.plain_delete ? mvs_entry_erase(statement->store, tid) :
		delete_by_executor(statement, tid);
}

/* Delete an entry as DELETE would: row triggers. */
static bool
delete_by_executor(MvsStatement *statement, ItemPointer tid)
{
	MvsStore   *store = statement->store;
	EState	   *estate = statement->estate;
	ResultRelInfo *target = statement->target;
	TriggerDesc *triggers = target->ri_TrigDesc;
	EPQState	unused = {0};	/* once it is locked, the row is not updated under us */
	MemoryContext old;

	if (!mvs_entry_lock(store, tid, false))
		return false;
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	ResetPerTupleExprContext(estate);
	estate->es_output_cid = GetCurrentCommandId(true);
	ExecClearTuple(statement->slot);
	statement->slot->tts_tid = *tid;
	target->ri_TrigDesc = statement->without_tables;
	ExecSimpleRelationDelete(target, estate, &unused, statement->slot);
	if (mvs_entry_is_seen(store, tid, SnapshotSelf))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger on store \"%s\" kept an entry from being deleted",
						RelationGetRelationName(store->heap)),
				 errhint("A BEFORE ROW trigger on a store can refuse that by an error.")));
	if (statement->deleting.tables)
	{
		target->ri_TrigDesc = statement->with_tables;
		ExecARDeleteTriggers(estate, target, tid, NULL, statement->deleting.tables, false);
	}
	target->ri_TrigDesc = triggers;
	MemoryContextSwitchTo(old);
	return true;
}

/* ------------------------------------------------------------------------
 * Ending
 * ------------------------------------------------------------------------ */

void
mvs_statement_end(MvsStatement *statement)
{
	EState	   *estate = statement->estate;

	if (estate)
	{
		if (statement->deleting.begun)
			ExecASDeleteTriggers(estate, statement->target, statement->deleting.tables);
		if (statement->inserting.begun)
			ExecASInsertTriggers(estate, statement->target, statement->inserting.tables);
		AfterTriggerEndQuery(estate);
		ExecCloseIndices(statement->target);
		ExecResetTupleTable(estate->es_tupleTable, false);
		FreeExecutorState(estate);
	}
	if (statement->feed_index)
		index_close(statement->feed_index, NoLock);
	ExecDropSingleTupleTableSlot(statement->slot);
}
