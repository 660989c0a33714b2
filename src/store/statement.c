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
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "base/key.h"
#include "base/snapshot.h"
#include "store/entry.h"
#include "store/statement.h"

static void open_target(MvsStatement *statement, bool inserting);
static TriggerDesc *choose_triggers(Relation heap, bool with_tables);
static void begin_part(MvsStatement *statement, CmdType command);
static Expr *null_of_domain(Form_pg_attribute column);
static void prepare_defaults(MvsStatement *statement);
static void fill_defaults(MvsStatement *statement);
static void fill_slot(MvsStatement *statement, int place, const MvsNewEntry *entry);
static void insert_plain(MvsStatement *statement, MvsNewEntry **entries, int count);
static void insert_into_index(MvsStatement *statement, MvsNewEntry **entries, int count);
static void insert_into_feed(MvsStatement *statement, MvsNewEntry **entries, int count);
static void insert_by_executor(MvsStatement *statement, MvsNewEntry *entry);
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
	statement->context = CurrentMemoryContext;
	statement->slots[0] = table_slot_create(store->heap, NULL);
	if (!store->info.plain_delete || (inserting && !store->info.plain_insert))
		open_target(statement, inserting && !store->info.plain_insert);
	if (inserting && store->info.plain_insert && OidIsValid(store->info.feed_index))
		statement->feed_index = index_open(store->info.feed_index, RowExclusiveLock);
	if (!inserting)
		(void) mvs_store_lock_indexes(store->heap, true);
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
	estate->es_snapshot = mvs_active_snapshot();
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

int
mvs_statement_rows(const MvsStatement *statement)
{
	const MvsStoreInfo *info = &statement->store->info;

	return info->plain_insert && info->plain_delete ? MVS_STATEMENT_ROWS : 1;
}

void
mvs_statement_insert(MvsStatement *statement, MvsNewEntry **entries, int count)
{
	Assert(count <= MVS_STATEMENT_ROWS);
	if (statement->store->info.plain_insert)
		insert_plain(statement, entries, count);
	else
		for (int i = 0; i < count; i++)
			insert_by_executor(statement, entries[i]);
}

/* Make an entry the row in a slot, but for the user's own columns. */
static void
fill_slot(MvsStatement *statement, int place, const MvsNewEntry *entry)
{
	const AttrNumber *columns = statement->store->info.columns;
	TupleTableSlot *slot = statement->slots[place];

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	slot->tts_values[columns[MVS_KEY] - 1] = PointerGetDatum(entry->key);
	slot->tts_isnull[columns[MVS_KEY] - 1] = false;
	slot->tts_values[columns[MVS_VERSION] - 1] = Int64GetDatum(entry->version);
	slot->tts_isnull[columns[MVS_VERSION] - 1] = false;
	slot->tts_values[columns[MVS_VALUE] - 1] = PointerGetDatum(entry->value);
	slot->tts_isnull[columns[MVS_VALUE] - 1] = (entry->value == NULL);
	slot->tts_values[columns[MVS_EXPIRES] - 1] = TimestampTzGetDatum(entry->expires_at);
	slot->tts_isnull[columns[MVS_EXPIRES] - 1] = (entry->expires_at == DT_NOEND);
}

/* Insert rows through the table and index access methods. */
static void
insert_plain(MvsStatement *statement, MvsNewEntry **entries, int count)
{
	Relation	heap = statement->store->heap;
	CommandId	command = GetCurrentCommandId(true);

	for (int i = 0; i < count; i++)
	{
		if (statement->slots[i] == NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(statement->context);

			statement->slots[i] = table_slot_create(heap, NULL);
			MemoryContextSwitchTo(old);
		}
		fill_slot(statement, i, entries[i]);
		ExecStoreVirtualTuple(statement->slots[i]);
	}
	if (count == 1)
		table_tuple_insert(heap, statement->slots[0], command, 0, NULL);
	else if (count > 1)
		table_multi_insert(heap, statement->slots, count, command, 0, NULL);
	insert_into_index(statement, entries, count);
	if (statement->feed_index)
		insert_into_feed(statement, entries, count);
}

/*
 * The table may have replaced the slots' values by toasted ones, which no index is to get. So
 * the indexes are given what the entries say. A B-tree needs no IndexInfo; nor does the server
 * build one for its own TOAST tables.
 */
static void
insert_into_index(MvsStatement *statement, MvsNewEntry **entries, int count)
{
	MvsStore   *store = statement->store;

	for (int i = 0; i < count; i++)
	{
		Datum		values[2] = {
			PointerGetDatum(entries[i]->key), Int64GetDatum(entries[i]->version)
		};
		bool		nulls[2] = {false, false};

		(void) index_insert(store->index, values, nulls, &statement->slots[i]->tts_tid,
							store->heap, UNIQUE_CHECK_YES, false, NULL);
	}
}

static void
insert_into_feed(MvsStatement *statement, MvsNewEntry **entries, int count)
{
	for (int i = 0; i < count; i++)
	{
		Datum		values[2] = {
			Int64GetDatum(entries[i]->version), PointerGetDatum(entries[i]->key)
		};
		bool		nulls[2] = {false, false};

		(void) index_insert(statement->feed_index, values, nulls, &statement->slots[i]->tts_tid,
							statement->store->heap, UNIQUE_CHECK_NO, false, NULL);
	}
}

/* Insert a row as INSERT would: defaults, row triggers, constraints, all indexes. */
static void
insert_by_executor(MvsStatement *statement, MvsNewEntry *entry)
{
	Relation	heap = statement->store->heap;
	const AttrNumber *columns = statement->store->info.columns;
	EState	   *estate = statement->estate;
	ResultRelInfo *target = statement->target;
	TriggerDesc *triggers = target->ri_TrigDesc;
	TupleTableSlot *slot = statement->slots[0];
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	Datum		expires_at;
	bool		isnull;

	fill_slot(statement, 0, entry);
	ResetPerTupleExprContext(estate);
	estate->es_output_cid = GetCurrentCommandId(true);
	fill_defaults(statement);
	ExecStoreVirtualTuple(slot);
	ItemPointerSetInvalid(&slot->tts_tid);
	target->ri_TrigDesc = statement->without_tables;
	ExecSimpleRelationInsert(target, estate, slot);

	/* What is read, locked and counted is the entry that was asked for. */
	if (!ItemPointerIsValid(&slot->tts_tid) ||
		entry->version != DatumGetInt64(slot_getattr(slot, columns[MVS_VERSION], &isnull)) ||
		mvs_key_compare(entry->key,
						DatumGetByteaPP(slot_getattr(slot, columns[MVS_KEY], &isnull))) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger on store \"%s\" suppressed an entry or changed its key or version",
						RelationGetRelationName(heap)),
				 errhint("A BEFORE ROW trigger on a store can check an entry, or change its value.")));
	expires_at = slot_getattr(slot, columns[MVS_EXPIRES], &isnull);
	entry->expires_at = isnull ? DT_NOEND : DatumGetTimestampTz(expires_at);

	if (statement->inserting.tables)
	{
		target->ri_TrigDesc = statement->with_tables;
		ExecARInsertTriggers(estate, target, slot, NIL, statement->inserting.tables);
	}
	target->ri_TrigDesc = triggers;
	MemoryContextSwitchTo(old);
}

/* NULL as a domain, which may refuse it. */
static Expr *
null_of_domain(Form_pg_attribute column)
{
	int32		typmod = column->atttypmod;
	Oid			base = getBaseTypeAndTypmod(column->atttypid, &typmod);
	Node	   *null = (Node *) makeNullConst(base, typmod, column->attcollation);

	return (Expr *) coerce_to_domain(null, base, typmod, column->atttypid, COERCION_IMPLICIT,
									 COERCE_IMPLICIT_CAST, -1, false);
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
		if (expression == NULL && DomainHasConstraints(column->atttypid))
			expression = null_of_domain(column);
		if (expression)
			statement->defaults[i] = ExecPrepareExpr(expression, statement->estate);
	}
}

static void
fill_defaults(MvsStatement *statement)
{
	TupleTableSlot *slot = statement->slots[0];
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
	ExecClearTuple(statement->slots[0]);
	statement->slots[0]->tts_tid = *tid;
	target->ri_TrigDesc = statement->without_tables;
	ExecSimpleRelationDelete(target, estate, &unused, statement->slots[0]);
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
	for (int i = 0; i < MVS_STATEMENT_ROWS && statement->slots[i]; i++)
		ExecDropSingleTupleTableSlot(statement->slots[i]);
}
