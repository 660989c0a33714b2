/*-------------------------------------------------------------------------
 *
 * scan_path.c
 *	  Scans of stores in FROM: how they are planned.
 *
 * A function in FROM is called with the arguments that it was given, all of its
 * rows are stored, and then filtered. For mvstore_scan and mvstore_scan_prefix
 * there is a better way: a custom scan that reads a row when it is asked for
 * one (scan_node.c). Where the query says of the key what key_clause.c
 * understands, it reads no more than those ranges. A condition that compares
 * the key with columns of other tables gives ranges for each of their rows: a
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

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
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
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "base/compat.h"
#include "base/text.h"
#include "functions/estimate.h"
#include "functions/key_clause.h"
#include "functions/scan_node.h"
#include "functions/scan_path.h"

static set_rel_pathlist_hook_type prev_set_rel_pathlist = NULL;
static get_relation_stats_hook_type prev_get_relation_stats = NULL;

/* fmgr.c's, in no header. */
extern Datum fmgr_security_definer(PG_FUNCTION_ARGS);

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
get_scan(RangeTblEntry *rte, const MvsReader **reader, MvsFamily *family)
{
	Node	   *call;

	if (rte->rtekind != RTE_FUNCTION || rte->funcordinality || list_length(rte->functions) != 1)
		return NULL;
	call = linitial_node(RangeTblFunction, rte->functions)->funcexpr;
	if (!IsA(call, FuncExpr))
		return NULL;
	*reader = mvs_reader_find(((FuncExpr *) call)->funcid, family);
	if (*reader == NULL ||
		((*reader)->source != MVS_RANGE && (*reader)->source != MVS_PREFIX))
		return NULL;
	return (FuncExpr *) call;
}

/*
 * Whether a scan can stand in place of a function: not where that has settings of its own (ALTER
 * FUNCTION ... SET), or other rights.
 */
static bool
is_replaceable(FuncExpr *call)
{
	FmgrInfo	function;

	fmgr_info(call->funcid, &function);
	return function.fn_addr != fmgr_security_definer;
}

/* Whether text is in the database's encoding what its bytes are in UTF-8. */
static bool
has_bytes_of_text(FuncExpr *call, const MvsReader *reader)
{
	return exprType(list_nth(call->args, reader->keys)) == BYTEAOID ||
		GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII;
}

/*
 * Whether a scan may leave out keys that the query filters out. Those count as rows of max_rows;
 * and text is in the database's encoding what may be several keys in UTF-8, or none.
 */
static bool
can_narrow(FuncExpr *call, const MvsReader *reader)
{
	Node	   *limit = list_nth(call->args, reader->max_rows);

	return IsA(limit, Const) && ((Const *) limit)->constisnull &&
		has_bytes_of_text(call, reader);
}

/* Those of a list of RestrictInfos that give ranges to a scan. */
static List *
find_ranges(PlannerInfo *root, RelOptInfo *rel, List *clauses)
{
	RangeTblEntry *rte = planner_rt_fetch(rel->relid, root);
	const MvsReader *reader;
	MvsFamily	family;
	FuncExpr   *call = get_scan(rte, &reader, &family);
	List	   *found = NIL;
	ListCell   *cell;

	if (call == NULL || !can_narrow(call, reader))
		return NIL;
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

/* The key, if the query has any use for it; or NULL. */
static Expr *
find_key(RelOptInfo *rel)
{
	ListCell   *cell;

	foreach(cell, rel->reltarget->exprs)
	{
		if (IsA(lfirst(cell), Var) && mvs_key_clause_is_key(lfirst(cell), (int) rel->relid))
			return lfirst(cell);
	}
	return NULL;
}

/* What the query can make use of in the order of a scan's rows: that of the keys' bytes. */
static List *
find_order(PlannerInfo *root, RelOptInfo *rel, FuncExpr *call, const MvsReader *reader)
{
	Node	   *reverse = list_nth(call->args, reader->reverse);
	Expr	   *key = find_key(rel);
	bool		is_text;
	Oid			operator;
	List	   *order = NIL;

	if (key == NULL || !has_bytes_of_text(call, reader) ||
		!IsA(reverse, Const) || ((Const *) reverse)->constisnull)
		return NIL;

	is_text = exprType((Node *) key) == TEXTOID;
	operator = is_text ? TextLessOperator : ByteaLessOperator;
	if (DatumGetBool(((Const *) reverse)->constvalue))
		operator = get_commutator(operator);
	if (!is_text || mvs_text_is_bytewise(exprCollation((Node *) key)))
		order = mvs_compat_expression_pathkey(root, key, operator, rel->relids);
	if (is_text && order == NIL)
		order = mvs_compat_expression_pathkey(root,
											  (Expr *) makeRelabelType(key, TEXTOID, -1,
																	   C_COLLATION_OID,
																	   COERCE_IMPLICIT_CAST),
											  operator, rel->relids);
	return order;
}

/*
 * What it costs to read a row: a step in the index, and its part of a page. That is no less than
 * for a row of a copy, so that the planner has rows kept that are read over and over.
 */
static double
cost_row(RelOptInfo *rel)
{
	int			bytes = MAXALIGN(rel->reltarget->width) + MAXALIGN(SizeofHeapTupleHeader);

	return cpu_index_tuple_cost + cpu_tuple_cost + seq_page_cost * bytes / BLCKSZ;
}

/* A scan with the conditions on the rel alone, and on those that "outer" names. */
static Path *
make_path(PlannerInfo *root, RelOptInfo *rel, FuncExpr *call, List *order, Relids outer)
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
	path->pathkeys = order;
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
	path->total_cost = path->startup_cost + rows * (cost_row(rel) + filter.per_tuple) +
		path->rows * path->pathtarget->cost.per_tuple;

	custom->flags = CUSTOMPATH_SUPPORT_PROJECTION;
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

/* set_rel_pathlist_hook: plan scans that return row by row, and need not read everything. */
static void
set_scan_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	const MvsReader *reader;
	MvsFamily	family;
	FuncExpr   *call;
	List	   *order;
	List	   *done = NIL;
	ListCell   *cell;

	if (prev_set_rel_pathlist)
		prev_set_rel_pathlist(root, rel, rti, rte);
	if (!IS_SIMPLE_REL(rel) || IS_DUMMY_REL(rel) ||
		(call = get_scan(rte, &reader, &family)) == NULL || !is_replaceable(call))
		return;

	/* It does nothing that the function's own scan does not, so that is not needed. */
	order = find_order(root, rel, call, reader);
	if (find_ranges(root, rel, rel->baserestrictinfo) != NIL)
		rel->rows = clamp_row_est(rel->tuples *
								  estimate_part(root, rel, call, rel->baserestrictinfo));
	rel->pathlist = NIL;
	add_path(rel, make_path(root, rel, call, order, rel->lateral_relids));

	/* A function that may return something else each time is called once. */
	if (contain_volatile_functions((Node *) call))
		return;
	foreach(cell, find_join_ranges(root, rel))
	{
		Relids		outer = bms_union(lfirst_node(RestrictInfo, cell)->clause_relids,
									  rel->lateral_relids);

		outer = bms_del_member(outer, (int) rel->relid);
		if (!has_relids(done, outer))
			add_path(rel, make_path(root, rel, call, order, outer));
		done = lappend(done, outer);
	}
}

/* get_relation_stats_hook: the keys of a scan are distinct. */
static bool
get_key_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber column,
			  VariableStatData *variable)
{
	const MvsReader *reader;
	MvsFamily	family;

	if (prev_get_relation_stats && prev_get_relation_stats(root, rte, column, variable))
		return true;
	if (column != MVS_KEY_COLUMN || get_scan(rte, &reader, &family) == NULL)
		return false;

	/* Of a subquery around it that is not known: the caller goes down into these, too. */
	variable->isunique = variable->rel && variable->rel->rtekind == RTE_FUNCTION;
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
	const MvsReader *reader;
	MvsFamily	family;
	FuncExpr   *call = get_scan(rte, &reader, &family);
	List	   *ranges = extract_actual_clauses(find_ranges(root, rel, clauses), false);

	if (call == NULL)
		elog(ERROR, "function of a scan not recognized");
	scan->scan.plan.targetlist = columns;
	scan->scan.plan.qual = extract_actual_clauses(clauses, false);
	scan->flags = path->flags;
	scan->custom_exprs = lcons(call, ranges);
	scan->custom_private = list_make2_int(family, reader->source == MVS_PREFIX);

	/* The list of columns may still be exchanged for another one of what the rel is to have. */
	scan->custom_scan_tlist = make_columns(rel, rte, (Node *) call,
										   list_concat_copy(rel->reltarget->exprs,
															scan->scan.plan.qual));
	scan->methods = mvs_scan_node_methods();
	return &scan->scan.plan;
}
