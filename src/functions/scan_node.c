/*-------------------------------------------------------------------------
 *
 * scan_node.c
 *	  Scans of stores in a plan: how they are executed.
 *
 * Rows are read one by one as they are asked for, and lie where they were read
 * until the next one is. Custom scans of a single rel cannot be of a function:
 * so ours is one as for a join, without a scanrelid, and its rows are those that
 * the plan describes.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "parser/parsetree.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

#include "base/compat.h"
#include "functions/key_clause.h"
#include "functions/scan_node.h"
#include "functions/stream.h"
#include "store/storage.h"

typedef struct MvsScanState
{
	CustomScanState custom;
	Index		rti;			/* of the function in the range table */
	MvsFamily	family;
	bool		by_prefix;		/* the function is mvstore_scan_prefix */
	SetExprState *call;
	Bitmapset  *call_params;	/* what its arguments depend on */
	MvsKeyClause *clauses;
	ExprState **values;			/* of the clauses */
	int			clause_count;
	TupleDesc	shape;			/* of the function's rows */
	bool		opened;			/* the stream has been, with the arguments */
	bool		begun;			/* it is at some row, or at its end */
	SubTransactionId begun_in;	/* where the query was begun, of which a cursor may be */
	MvsStream	stream;
	MemoryContext call_context; /* of the arguments */
	MemoryContext range_context;	/* of the ranges, and of where the scan is */
} MvsScanState;

static Node *create_state(CustomScan *scan);
static void begin_scan(CustomScanState *node, EState *estate, int flags);
static TupleTableSlot *exec_scan(CustomScanState *node);
static void end_scan(CustomScanState *node);
static void rescan(CustomScanState *node);
static void pause_scan(CustomScanState *node);
static void explain_scan(CustomScanState *node, List *ancestors, ExplainState *explain);

static const CustomScanMethods scan_methods = {
	.CustomName = MVS_SCAN_NAME,
	.CreateCustomScanState = create_state,
};

static const CustomExecMethods exec_methods = {
	.CustomName = MVS_SCAN_NAME,
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.ShutdownCustomScan = pause_scan,
	.ExplainCustomScan = explain_scan,
};

void
mvs_scan_node_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
}

const CustomScanMethods *
mvs_scan_node_methods(void)
{
	return &scan_methods;
}

static Node *
create_state(CustomScan *scan)
{
	MvsScanState *state = (MvsScanState *) newNode(sizeof(MvsScanState), T_CustomScanState);

	state->custom.methods = &exec_methods;
	return (Node *) state;
}

/* Collect the parameters of an expression that may be others when it is evaluated again. */
static bool
collect_params(Node *node, void *params)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		*(Bitmapset **) params = bms_add_member(*(Bitmapset **) params, ((Param *) node)->paramid);
	return expression_tree_walker(node, collect_params, params);
}

static void
begin_scan(CustomScanState *node, EState *estate, int flags)
{
	MvsScanState *state = (MvsScanState *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	Expr	   *call = linitial(plan->custom_exprs);
	List	   *conditions = list_copy_tail(plan->custom_exprs, 1);
	TupleDesc	shape;
	ListCell   *cell;

	state->begun_in = GetCurrentSubTransactionId();
	state->rti = bms_singleton_member(plan->custom_relids);
	state->family = linitial_int(plan->custom_private);
	state->by_prefix = lsecond_int(plan->custom_private);

	/* That asks whether the user may call the function, too. */
	state->call = ExecInitTableFunctionResult(call, node->ss.ps.ps_ExprContext, &node->ss.ps);
	state->clauses = palloc(sizeof(MvsKeyClause) * list_length(conditions));
	state->values = palloc(sizeof(ExprState *) * list_length(conditions));
	foreach(cell, conditions)
	{
		MvsKeyClause *clause = &state->clauses[state->clause_count];

		/* The key is the first column of our rows. */
		if (!mvs_key_clause_match(lfirst(cell), INDEX_VAR, clause))
			elog(ERROR, "condition on the key not recognized");
		state->values[state->clause_count++] = ExecInitExpr((Expr *) clause->value,
															&node->ss.ps);
	}

	get_expr_result_type((Node *) call, NULL, &shape);
	state->shape = CreateTupleDescCopy(shape);

	/* A whole row has the names that the query gives the columns, and so a type of its own. */
	state->shape->tdtypeid = RECORDOID;
	state->shape->tdtypmod = -1;
	ExecTypeSetColNames(state->shape, exec_rt_fetch(state->rti, estate)->eref->colnames);
	BlessTupleDesc(state->shape);

	/* A sub-select may depend on whatever the plan does. */
	if (contain_subplans((Node *) call))
		state->call_params = plan->scan.plan.allParam;
	else
		collect_params((Node *) call, &state->call_params);
	state->call_context = AllocSetContextCreate(CurrentMemoryContext, "mvstore scan arguments",
												ALLOCSET_DEFAULT_SIZES);
	state->range_context = AllocSetContextCreate(CurrentMemoryContext, "mvstore scan ranges",
												 ALLOCSET_DEFAULT_SIZES);
}

/* The ranges for the values that the conditions have now; NULL: everything. */
static MvsKeyRanges *
get_ranges(MvsScanState *state)
{
	ExprContext *context = state->custom.ss.ps.ps_ExprContext;
	Datum	   *values;
	bool	   *nulls;

	if (state->clause_count == 0)
		return NULL;
	values = palloc(sizeof(Datum) * state->clause_count);
	nulls = palloc(sizeof(bool) * state->clause_count);
	for (int i = 0; i < state->clause_count; i++)
		values[i] = ExecEvalExpr(state->values[i], context, &nulls[i]);
	return mvs_key_clause_ranges(state->clauses, state->clause_count, values, nulls);
}

/*
 * Do what a call of the function begins with. It is counted as one. The active snapshot goes
 * between two rows of a cursor, and the query's, which is the same, stays.
 */
static void
open_stream(MvsScanState *state)
{
	PlanState  *node = &state->custom.ss.ps;
	FunctionCallInfo fcinfo = state->call->fcinfo;
	PgStat_FunctionCallUsage usage;
	int			argument = 0;
	ListCell   *cell;

	foreach(cell, state->call->args)
	{
		NullableDatum *value = &fcinfo->args[argument++];

		value->value = ExecEvalExpr(lfirst(cell), node->ps_ExprContext, &value->isnull);
	}
	pgstat_init_function_usage(fcinfo, &usage);
	if (state->by_prefix)
		mvs_stream_open_prefix(&state->stream, fcinfo, state->family);
	else
		mvs_stream_open_range(&state->stream, fcinfo, state->family);
	pgstat_end_function_usage(&usage, true);
	mvs_storage_refuse_newer(&state->stream.read.store, state->begun_in);
	if (!state->stream.read.is_renewed)
		state->stream.read.snapshot = node->state->es_snapshot;
	state->opened = true;
}

/* Step the stream to its next row. */
static bool
next_of_stream(MvsScanState *state)
{
	MemoryContext old;
	bool		found;

	if (!state->opened)
	{
		old = MemoryContextSwitchTo(state->call_context);
		open_stream(state);
		MemoryContextSwitchTo(old);
	}
	old = MemoryContextSwitchTo(state->range_context);
	if (!state->begun)
		mvs_stream_begin(&state->stream, get_ranges(state));
	state->begun = true;
	found = mvs_stream_next(&state->stream);
	MemoryContextSwitchTo(old);
	return found;
}

/* Store what is in the slot's arrays; with the whole row behind it, if the plan has that. */
static void
store_row(MvsScanState *state, TupleTableSlot *slot)
{
	int			count = state->shape->natts;

	if (slot->tts_tupleDescriptor->natts > count)
	{
		ExprContext *context = state->custom.ss.ps.ps_ExprContext;
		MemoryContext old = MemoryContextSwitchTo(context->ecxt_per_tuple_memory);
		HeapTuple	row = heap_form_tuple(state->shape, slot->tts_values, slot->tts_isnull);

		slot->tts_values[count] = HeapTupleGetDatum(row);
		slot->tts_isnull[count] = false;
		MemoryContextSwitchTo(old);
	}
	ExecStoreVirtualTuple(slot);
}

/* Step to the next row. What it has lies where it was read, or with the expressions' values. */
static TupleTableSlot *
next_row(ScanState *node)
{
	MvsScanState *state = (MvsScanState *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	MemoryContext old;

	ExecClearTuple(slot);
	if (!next_of_stream(state))
		return slot;
	old = MemoryContextSwitchTo(node->ps.ps_ExprContext->ecxt_per_tuple_memory);
	mvs_stream_put_row(&state->stream, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(old);
	store_row(state, slot);
	return slot;
}

/*
 * While a row that was changed meanwhile is looked at again (EvalPlanQual), for
 * which our part of the join is to stay what it was: set the slot to that row.
 */
static bool
keep_row(ScanState *node, TupleTableSlot *slot)
{
	MvsScanState *state = (MvsScanState *) node;
	EPQState   *epq = node->ps.state->es_epq_active;

	/* In a subquery of what is looked at again: minors of before November 2025 come here. */
	if (epq->relsubs_rowmark[state->rti - 1] == NULL)
	{
		TupleTableSlot *row = next_row(node);

		return !TupIsNull(row); /* which evaluates its argument twice */
	}

	if (epq->relsubs_done[state->rti - 1])
		return false;
	epq->relsubs_done[state->rti - 1] = true;
	if (!EvalPlanQualFetchRowMark(epq, state->rti, slot))
		return false;
	ExecClearTuple(slot);
	store_row(state, slot);
	return true;
}

static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	return ExecScan(&node->ss, next_row, keep_row);
}

/* Close the store, and forget the arguments. */
static void
close_stream(MvsScanState *state)
{
	if (state->opened)
		mvs_stream_close(&state->stream);
	state->opened = false;
	MemoryContextReset(state->call_context);
}

static void
end_scan(CustomScanState *node)
{
	close_stream((MvsScanState *) node);
}

/*
 * Begin anew. The arguments and the version that is read stay what they are, unless what the
 * arguments depend on is another.
 */
static void
rescan(CustomScanState *node)
{
	MvsScanState *state = (MvsScanState *) node;

	if (bms_overlap(node->ss.ps.chgParam, state->call_params))
		close_stream(state);
	else if (state->opened)
		mvs_stream_stop(&state->stream);
	state->begun = false;
	MemoryContextReset(state->range_context);
	ExecScanReScan(&node->ss);
}

/* All rows that were asked for have been returned; of a cursor, there may be more to come. */
static void
pause_scan(CustomScanState *node)
{
	MvsScanState *state = (MvsScanState *) node;

	if (state->opened)
		mvs_stream_pause(&state->stream);
}

static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *explain)
{
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	List	   *context = set_deparse_context_plan(explain->deparse_cxt, &plan->scan.plan,
												   ancestors);
	Expr	   *ranges = make_ands_explicit(list_copy_tail(plan->custom_exprs, 1));

	ExplainPropertyText("Function Call",
						deparse_expression(linitial(plan->custom_exprs), context,
										   explain->verbose, false),
						explain);
	if (list_length(plan->custom_exprs) == 1)
		return;
	ExplainPropertyText("Key Cond",
						deparse_expression((Node *) ranges, context, explain->verbose, false),
						explain);
}
