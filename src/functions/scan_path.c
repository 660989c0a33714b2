/*-------------------------------------------------------------------------
 *
 * scan_path.c
 *	  Scans of stores that a query filters by key: how they are planned.
 *
 * A function in FROM is called with the arguments that it was given, and all
 * of its rows are filtered afterwards. Where the query says of the key what
 * key_clause.c understands, there is a better way for mvstore_scan and
 * mvstore_scan_prefix: a custom scan that calls the same function, and has it
 * read no more than those ranges (scan_node.c). A condition that compares the
 * key with columns of other tables gives ranges for each of their rows: a
 * parameterized path.
 *
 * The hooks are there from when the library is loaded: from the start of the
 * server; or, where it is not preloaded, from the first call of
 * mvstore_support() on, which comes before the paths of the first query.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/selfuncs.h"

#include "base/compat.h"
#include "functions/estimate.h"
#include "functions/key_clause.h"
#include "functions/scan_node.h"
#include "functions/scan_path.h"

static set_rel_pathlist_hook_type prev_set_rel_pathlist = NULL;
static get_relation_stats_hook_type prev_get_relation_stats = NULL;

static void set_scan_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte);
static bool get_key_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber column,
						  VariableStatData *variable);
static Plan *plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *columns,
					   List *clauses, List *children);

static const CustomPathMethods path_methods = {
	.CustomName = MVS_SCAN_NAME,
	.PlanCustomPath = plan_scan,
};

void
mvs_scan_path_init(void)
{
	mvs_scan_node_init();
	prev_set_rel_pathlist = set_rel_pathlist_hook;
	set_rel_pathlist_hook = set_scan_pathlist;
	prev_get_relation_stats = get_relation_stats_hook;
	get_relation_stats_hook = get_key_stats;
}

/* ------------------------------------------------------------------------
 * Which scans, and which conditions
 * ------------------------------------------------------------------------ */

/* The call of a function that scans keys, alone in its place in FROM; or NULL. */
static FuncExpr *
get_scan(RangeTblEntry *rte, const MvsReader **reader)
{
	Node	   *call;

	if (rte->rtekind != RTE_FUNCTION || rte->funcordinality || list_length(rte->functions) != 1)
		return NULL;
	call = linitial_node(RangeTblFunction, rte->functions)->funcexpr;
	if (!IsA(call, FuncExpr))
		return NULL;
	*reader = mvs_reader_find(((FuncExpr *) call)->funcid);
	if (*reader == NULL ||
		((*reader)->source != MVS_RANGE && (*reader)->source != MVS_PREFIX))
		return NULL;
	return (FuncExpr *) call;
}

/*
 * The call of one that may leave out keys that the query filters out. Those
 * count as rows of max_rows; and text is in the database's encoding what may be
 * several keys in UTF-8, or none.
 */
static FuncExpr *
get_scan_to_narrow(RangeTblEntry *rte)
{
	const MvsReader *reader;
	FuncExpr   *call = get_scan(rte, &reader);
	FmgrInfo	function;
	Node	   *limit;

	if (call == NULL)
		return NULL;
	fmgr_info(call->funcid, &function);
	if (!mvs_scan_node_reaches(&function))
		return NULL;
	limit = list_nth(call->args, reader->max_rows);
	if (!IsA(limit, Const) || !((Const *) limit)->constisnull)
		return NULL;
	if (exprType(list_nth(call->args, reader->keys)) != BYTEAOID &&
		GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII)
		return NULL;
	return call;
}

/* Those of a list of RestrictInfos that give ranges. */
static List *
find_ranges(PlannerInfo *root, RelOptInfo *rel, List *clauses)
{
	List	   *found = NIL;
	ListCell   *cell;

	foreach(cell, clauses)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, cell);
		MvsKeyClause clause;

		/* As for the conditions of an index: none before those that must be looked at first. */
		if (!info->pseudoconstant && restriction_is_securely_promotable(info, rel) &&
			mvs_key_clause_match((Node *) info->clause, (int) rel->relid, &clause) &&
			!bms_is_member((int) rel->relid, pull_varnos(root, clause.value)) &&
			!contain_volatile_functions(clause.value) && !contain_subplans(clause.value))
			found = lappend(found, info);
	}
	return found;
}

/* ------------------------------------------------------------------------
 * Paths
 * ------------------------------------------------------------------------ */

/*
 * The part of a scan's keys for which conditions hold: of the ranges known now
 * as the store's statistics have it, which the planner cannot find by itself.
 */
static double
estimate_part(PlannerInfo *root, RelOptInfo *rel, FuncExpr *call, List *conditions)
{
	List	   *infos = find_ranges(root, rel, conditions);
	MvsKeyClause *clauses = palloc(sizeof(MvsKeyClause) * list_length(infos));
	Datum	   *values = palloc(sizeof(Datum) * list_length(infos));
	bool	   *nulls = palloc(sizeof(bool) * list_length(infos));
	List	   *known = NIL;
	double		part = -1;
	ListCell   *cell;

	foreach(cell, infos)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, cell);
		int			count = list_length(known);
		Const	   *value;
		MvsKeyRanges *ranges;

		mvs_key_clause_match((Node *) info->clause, (int) rel->relid, &clauses[count]);
		value = (Const *) estimate_expression_value(root, clauses[count].value);
		if (!IsA(value, Const))
			continue;
		values[count] = value->constvalue;
		nulls[count] = value->constisnull;

		/* A pattern may begin with what stands for others. */
		ranges = mvs_key_clause_ranges(&clauses[count], 1, &values[count], &nulls[count]);
		if (ranges->ranges[0].from || ranges->ranges[0].to)
			known = lappend(known, info);
	}
	if (known)
		part = mvs_reader_fraction(root, call,
								   mvs_key_clause_ranges(clauses, list_length(known), values,
														 nulls));
	if (part < 0)
		return clauselist_selectivity(root, conditions, (int) rel->relid, JOIN_INNER, NULL);
	return part * clauselist_selectivity(root, list_difference_ptr(conditions, known),
										 (int) rel->relid, JOIN_INNER, NULL);
}

/*
 * A scan with the conditions on the rel alone, and on those that "outer" names.
 * The costs are of a function's scan that returns the rows in the ranges.
 */
static Path *
make_path(PlannerInfo *root, RelOptInfo *rel, FuncExpr *call, Relids outer)
{
	CustomPath *custom = makeNode(CustomPath);
	Path	   *path = &custom->path;
	List	   *clauses = rel->baserestrictinfo;
	QualCost	once;
	QualCost	filter;
	double		rows;

	path->pathtype = T_CustomScan;
	path->parent = rel;
	path->pathtarget = rel->reltarget;
	path->param_info = get_baserel_parampathinfo(root, rel, outer);
	path->parallel_safe = rel->consider_parallel;
	path->rows = rel->rows;
	if (path->param_info)
	{
		clauses = list_concat_copy(clauses, path->param_info->ppi_clauses);
		path->rows = path->param_info->ppi_rows;
	}

	rows = clamp_row_est(rel->tuples *
						 estimate_part(root, rel, call, find_ranges(root, rel, clauses)));
	cost_qual_eval_node(&once, (Node *) call, root);
	cost_qual_eval(&filter, clauses, root);
	path->startup_cost = once.startup + once.per_tuple + filter.startup +
		path->pathtarget->cost.startup;

	/* Each call goes down the index. That of a single one is in no way's costs. */
	if (path->param_info)
		path->startup_cost += seq_page_cost;
	path->total_cost = path->startup_cost + rows * (cpu_tuple_cost + filter.per_tuple) +
		path->rows * path->pathtarget->cost.per_tuple;

	custom->flags = CUSTOMPATH_SUPPORT_BACKWARD_SCAN | CUSTOMPATH_SUPPORT_PROJECTION;
	custom->methods = &path_methods;
	return path;
}

static bool
is_key_member(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec, EquivalenceMember *member,
			  void *argument)
{
	return mvs_key_clause_is_key((Node *) member->em_expr, (int) rel->relid);
}

/* The conditions on rows of other rels, too, that give ranges for each of them. */
static List *
find_join_ranges(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *clauses = NIL;
	ListCell   *cell;

	foreach(cell, rel->joininfo)
	{
		if (join_clause_is_movable_to(lfirst_node(RestrictInfo, cell), rel))
			clauses = lappend(clauses, lfirst(cell));
	}
	if (rel->has_eclass_joins)
		clauses = list_concat(clauses,
							  generate_implied_equalities_for_column(root, rel, is_key_member, NULL,
																	 rel->lateral_referencers));
	return find_ranges(root, rel, clauses);
}

static bool
has_relids(List *list, Relids relids)
{
	ListCell   *cell;

	foreach(cell, list)
	{
		if (bms_equal(lfirst(cell), relids))
			return true;
	}
	return false;
}

/* set_rel_pathlist_hook: plan scans that need not read everything. */
static void
set_scan_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	FuncExpr   *call;
	List	   *done = NIL;
	ListCell   *cell;

	if (prev_set_rel_pathlist)
		prev_set_rel_pathlist(root, rel, rti, rte);
	if (!IS_SIMPLE_REL(rel) || IS_DUMMY_REL(rel) || (call = get_scan_to_narrow(rte)) == NULL)
		return;

	/* It reads nothing that the function's own scan does not, so that is not needed. */
	if (find_ranges(root, rel, rel->baserestrictinfo) != NIL)
	{
		rel->rows = clamp_row_est(rel->tuples *
								  estimate_part(root, rel, call, rel->baserestrictinfo));
		rel->pathlist = NIL;
		add_path(rel, make_path(root, rel, call, rel->lateral_relids));
	}

	/* A function that may return something else each time is called once. */
	if (contain_volatile_functions((Node *) call))
		return;
	foreach(cell, find_join_ranges(root, rel))
	{
		Relids		outer = bms_union(lfirst_node(RestrictInfo, cell)->clause_relids,
									  rel->lateral_relids);

		outer = bms_del_member(outer, (int) rel->relid);
		if (!has_relids(done, outer))
			add_path(rel, make_path(root, rel, call, outer));
		done = lappend(done, outer);
	}
}

/* get_relation_stats_hook: the keys of a scan are distinct. */
static bool
get_key_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber column,
			  VariableStatData *variable)
{
	const MvsReader *reader;

	if (prev_get_relation_stats && prev_get_relation_stats(root, rte, column, variable))
		return true;
	if (column != MVS_KEY_COLUMN || get_scan(rte, &reader) == NULL)
		return false;
	variable->isunique = true;
	return true;
}

/* ------------------------------------------------------------------------
 * Plans
 * ------------------------------------------------------------------------ */

/* The columns of a scan's rows; behind them the whole row, if anybody asks for it. */
static List *
make_columns(RelOptInfo *rel, RangeTblEntry *rte, Node *call, List *used)
{
	int			relation = (int) rel->relid;
	List	   *columns = NIL;
	TupleDesc	shape;
	Bitmapset  *numbers = NULL;

	if (get_expr_result_type(call, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (int i = 0; i < shape->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(shape, i);
		Var		   *var = makeVar(relation, column->attnum, column->atttypid, column->atttypmod,
								  column->attcollation, 0);

		columns = lappend(columns, makeTargetEntry((Expr *) var, column->attnum,
												   pstrdup(NameStr(column->attname)), false));
	}

	pull_varattnos((Node *) used, rel->relid, &numbers);
	if (bms_is_member(-FirstLowInvalidHeapAttributeNumber, numbers))
	{
		Var		   *row = makeWholeRowVar(rte, relation, 0, false);

		columns = lappend(columns, makeTargetEntry((Expr *) row,
												   (AttrNumber) (shape->natts + 1), NULL, false));
	}
	return columns;
}

/*
 * Make the plan of a path. Its expressions are the call, and then the
 * conditions that give ranges, which the scan takes apart anew.
 */
static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *columns, List *clauses,
		  List *children)
{
	CustomScan *scan = makeNode(CustomScan);
	RangeTblEntry *rte = planner_rt_fetch(rel->relid, root);
	Node	   *call = linitial_node(RangeTblFunction, rte->functions)->funcexpr;
	List	   *ranges = extract_actual_clauses(find_ranges(root, rel, clauses), false);

	scan->scan.plan.targetlist = columns;
	scan->scan.plan.qual = extract_actual_clauses(clauses, false);
	scan->flags = path->flags;
	scan->custom_exprs = lcons(call, ranges);

	/* The list of columns may still be exchanged for another one of what the rel is to have. */
	scan->custom_scan_tlist = make_columns(rel, rte, call,
										   list_concat_copy(rel->reltarget->exprs,
															scan->scan.plan.qual));
	scan->methods = mvs_scan_node_methods();
	return &scan->scan.plan;
}
