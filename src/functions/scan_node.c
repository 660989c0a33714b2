/*-------------------------------------------------------------------------
 *
 * scan_node.c
 *	  Scans of stores that a query filters by key: how they are executed.
 *
 * Custom scans of a single rel cannot be of a function: so ours is one as for
 * a join, without a scanrelid, and its rows are those that the plan describes.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "parser/parsetree.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "functions/key_clause.h"
#include "functions/scan_node.h"

typedef struct MvsScanState
{
	CustomScanState custom;
	Index		rti;			/* of the function in the range table */
	SetExprState *call;
	MvsKeyClause *clauses;
	ExprState **values;			/* of the clauses */
	int			clause_count;
	TupleDesc	shape;			/* of the function's rows */
	TupleTableSlot *row;
	Tuplestorestate *rows;		/* NULL: not called yet */
	bool		backward;		/* rows may be asked for in either direction */
	MemoryContext call_context; /* of the function's arguments */
	MemoryContext range_context;
} MvsScanState;

/* fmgr.c's, in no header. */
extern Datum fmgr_security_definer(PG_FUNCTION_ARGS);

static Node *create_state(CustomScan *scan);
static void begin_scan(CustomScanState *node, EState *estate, int flags);
static TupleTableSlot *exec_scan(CustomScanState *node);
static void end_scan(CustomScanState *node);
static void rescan(CustomScanState *node);
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

bool
mvs_scan_node_reaches(const FmgrInfo *function)
{
	return function->fn_addr != fmgr_security_definer;
}

static Node *
create_state(CustomScan *scan)
{
	MvsScanState *state = (MvsScanState *) newNode(sizeof(MvsScanState), T_CustomScanState);

	state->custom.methods = &exec_methods;
	return (Node *) state;
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

	state->rti = bms_singleton_member(plan->custom_relids);
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
	state->row = ExecInitExtraTupleSlot(estate, state->shape, &TTSOpsMinimalTuple);
	state->backward = (flags & EXEC_FLAG_BACKWARD) != 0;
	state->call_context = AllocSetContextCreate(CurrentMemoryContext, "mvstore scan arguments",
												ALLOCSET_DEFAULT_SIZES);
	state->range_context = AllocSetContextCreate(CurrentMemoryContext, "mvstore scan ranges",
												 ALLOCSET_DEFAULT_SIZES);
}

/* The ranges for the values that the conditions have now. */
static MvsKeyRanges *
get_ranges(MvsScanState *state)
{
	ExprContext *context = state->custom.ss.ps.ps_ExprContext;
	Datum	   *values;
	bool	   *nulls;
	MemoryContext old;
	MvsKeyRanges *ranges;

	MemoryContextReset(state->range_context);
	old = MemoryContextSwitchTo(state->range_context);
	values = palloc(sizeof(Datum) * state->clause_count);
	nulls = palloc(sizeof(bool) * state->clause_count);
	for (int i = 0; i < state->clause_count; i++)
		values[i] = ExecEvalExpr(state->values[i], context, &nulls[i]);
	ranges = mvs_key_clause_ranges(state->clauses, state->clause_count, values, nulls);
	MemoryContextSwitchTo(old);
	return ranges;
}

/* Call the function. */
static void
read_rows(MvsScanState *state)
{
	FmgrInfo   *function = &state->call->func;

	/* It may have been altered since the plan was made. */
	if (mvs_scan_node_reaches(function))
		function->fn_extra = get_ranges(state);
	state->rows = ExecMakeTableFunctionResult(state->call, state->custom.ss.ps.ps_ExprContext,
											  state->call_context, state->shape,
											  state->backward);
	if (mvs_scan_node_reaches(function))
		function->fn_extra = NULL;
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

/* Step to the next row. */
static TupleTableSlot *
next_row(ScanState *node)
{
	MvsScanState *state = (MvsScanState *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	int			count = state->shape->natts;

	ExecClearTuple(slot);
	if (state->rows == NULL)
		read_rows(state);
	if (!tuplestore_gettupleslot(state->rows,
								 ScanDirectionIsForward(node->ps.state->es_direction), false,
								 state->row))
		return slot;
	slot_getallattrs(state->row);
	memcpy(slot->tts_values, state->row->tts_values, sizeof(Datum) * count);
	memcpy(slot->tts_isnull, state->row->tts_isnull, sizeof(bool) * count);
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

	/* In a subquery of what is looked at again. */
	if (epq->relsubs_rowmark[state->rti - 1] == NULL)
		return !TupIsNull(next_row(node));

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

static void
end_scan(CustomScanState *node)
{
	MvsScanState *state = (MvsScanState *) node;

	if (state->rows)
		tuplestore_end(state->rows);
	state->rows = NULL;
}

/* Begin anew; with the same rows, unless what they depend on is another. */
static void
rescan(CustomScanState *node)
{
	MvsScanState *state = (MvsScanState *) node;

	if (state->rows && node->ss.ps.chgParam)
		end_scan(node);
	if (state->rows)
		tuplestore_rescan(state->rows);
	ExecScanReScan(&node->ss);
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
	ExplainPropertyText("Key Cond",
						deparse_expression((Node *) ranges, context, explain->verbose, false),
						explain);
}
