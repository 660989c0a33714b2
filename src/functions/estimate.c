/*-------------------------------------------------------------------------
 *
 * estimate.c
 *	  Rows that the planner may expect of the functions that return many.
 *
 * What is known of a store is what ANALYZE has left in pg_statistic, and it is
 * shown to those alone who may read the store: to others, and where the store
 * is not known before the query runs, a function keeps the ROWS it was declared
 * with. An estimate waits for nobody, and asks nothing of the store that could
 * fail: errors are for the execution, which may never come.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

#include "base/arguments.h"
#include "base/compat.h"
#include "base/key.h"
#include "base/text.h"
#include "functions/estimate.h"
#include "store/store.h"
#include "version/clock.h"

/* The planner's own guess of what a LIMIT lets through that it does not know. */
#define DEFAULT_LIMIT_FRACTION 0.1

static const MvsReader readers[] = {
	{"mvstore_diff", MVS_CHANGES, 3, 2, 0, 0},
	{"mvstore_get_many", MVS_ELEMENTS, 1, 2, 0, 0},
	{"mvstore_history", MVS_HISTORY, 1, 0, 2, 0},
	{"mvstore_scan", MVS_RANGE, 1, 3, 4, 5},
	{"mvstore_scan_prefix", MVS_PREFIX, 1, 2, 3, 4},
};

/* A bound of a range of keys. */
typedef struct MvsBound
{
	bool		open;
	const bytea *key;			/* NULL: open, or not known yet */
} MvsBound;

/* What is known of a store. */
typedef struct MvsStatistics
{
	double		entries;
	double		keys;
	VariableStatData key;		/* without a statsTuple: not analysed */
	VariableStatData version;
} MvsStatistics;

PG_FUNCTION_INFO_V1(mvstore_support);

static Node *get_argument(SupportRequestRows *request, int argument);
static Const *get_known(SupportRequestRows *request, int argument);
static bool get_version(SupportRequestRows *request, int argument, int64 *version);
static MvsBound get_bound(SupportRequestRows *request, int argument);
static bool open_statistics(MvsStatistics *statistics, const Const *store);
static void open_column(VariableStatData *column, Oid store, AttrNumber number, Oid type,
						RelOptInfo *size);
static void close_statistics(MvsStatistics *statistics);
static double fraction_below(VariableStatData *column, Oid operator, Datum value);
static double fraction_up_to(MvsStatistics *statistics, int64 version);
static double count_below(MvsStatistics *statistics, const bytea *key);
static double count_range(MvsStatistics *statistics, MvsBound from, MvsBound to);
static MvsBound end_of_prefix(MvsBound *prefix);
static double count_prefix(MvsStatistics *statistics, MvsBound prefix);
static MvsBound known_bound(const bytea *key);
static bool is_one_key(const MvsKeyRange *range);
static double count_ranges(MvsStatistics *statistics, const MvsKeyRanges *ranges,
						   const MvsKeyRange *within);
static double count_written(MvsStatistics *statistics, double keys, double fraction);
static double count_history(MvsStatistics *statistics, SupportRequestRows *request, int key);
static double count_changes(MvsStatistics *statistics, SupportRequestRows *request,
							const MvsReader *reader);
static double count_rows(MvsStatistics *statistics, SupportRequestRows *request,
						 const MvsReader *reader);
static double declared_rows(Oid function);
static double limit_rows(double rows, SupportRequestRows *request, int argument);

/* ------------------------------------------------------------------------
 * Arguments
 * ------------------------------------------------------------------------ */

const MvsReader *
mvs_reader_find(Oid function, MvsFamily *family)
{
	Oid			support = get_func_support(function);
	FmgrInfo	info;
	const char *name;

	if (!OidIsValid(support))
		return NULL;
	fmgr_info(support, &info);
	if (info.fn_addr != mvstore_support)
		return NULL;
	name = get_func_name(function);
	for (int i = 0; name && i < lengthof(readers); i++)
		if (mvs_family_has(readers[i].name, name, family))
			return &readers[i];
	return NULL;
}

/* An argument, worked out as far as may be for an estimate. */
static Node *
get_argument(SupportRequestRows *request, int argument)
{
	return estimate_expression_value(request->root,
									 list_nth(castNode(FuncExpr, request->node)->args, argument));
}

/* An argument whose value is known, or NULL. */
static Const *
get_known(SupportRequestRows *request, int argument)
{
	Node	   *node = get_argument(request, argument);

	return IsA(node, Const) ? (Const *) node : NULL;
}

/* A version; false if it is not known. */
static bool
get_version(SupportRequestRows *request, int argument, int64 *version)
{
	Const	   *known = get_known(request, argument);

	if (known == NULL || known->constisnull)
		return false;
	*version = DatumGetInt64(known->constvalue);
	return true;
}

/* A bound, which is open where it is NULL. */
static MvsBound
get_bound(SupportRequestRows *request, int argument)
{
	Const	   *known = get_known(request, argument);
	MvsBound	bound = {.open = known && known->constisnull};

	if (known && !known->constisnull)
		bound.key = known->consttype == TEXTOID ?
			mvs_text_to_bytes(DatumGetTextPP(known->constvalue)) :
			DatumGetByteaPP(known->constvalue);
	return bound;
}

/* ------------------------------------------------------------------------
 * Statistics
 * ------------------------------------------------------------------------ */

/* Find what is known of a store; false if that is nothing, or not for the caller. */
static bool
open_statistics(MvsStatistics *statistics, const Const *store)
{
	MvsStoreInfo info;
	RelOptInfo *size;
	Oid			relation;
	bool		isdefault;

	if (store == NULL || store->constisnull)
		return false;
	relation = DatumGetObjectId(store->constvalue);
	if (!mvs_store_measure(relation, &info, &statistics->entries))
		return false;

	/* All that the planner's functions ask of the table is its size. */
	size = makeNode(RelOptInfo);
	size->tuples = statistics->entries;
	open_column(&statistics->key, relation, info.columns[MVS_KEY], BYTEAOID, size);
	open_column(&statistics->version, relation, info.columns[MVS_VERSION], INT8OID, size);

	/*
	 * A store that was never analysed has most often just been filled, with one entry for each
	 * key. It is the safe side, too: a plan for more rows than come is slow, one for fewer may not
	 * end.
	 */
	statistics->keys = statistics->entries;
	if (HeapTupleIsValid(statistics->key.statsTuple))
	{
		double		keys = get_variable_numdistinct(&statistics->key, &isdefault);

		statistics->keys = Min(statistics->entries, keys);
	}
	return true;
}

/* Describe a column for the planner's functions. */
static void
open_column(VariableStatData *column, Oid store, AttrNumber number, Oid type, RelOptInfo *size)
{
	*column = (VariableStatData)
	{
		.rel = size,
			.statsTuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(store),
										  Int16GetDatum(number), BoolGetDatum(false)),
			.freefunc = ReleaseSysCache,
			.vartype = type,
			.atttype = type,
			.atttypmod = -1,
			.acl_ok = true		/* mvs_store_measure() has looked */
	};
}

static void
close_statistics(MvsStatistics *statistics)
{
	ReleaseVariableStats(statistics->key);
	ReleaseVariableStats(statistics->version);
}

/* The fraction of the histogram of a column below a value; half without a histogram. */
static double
fraction_below(VariableStatData *column, Oid operator, Datum value)
{
	FmgrInfo	function;
	double		fraction;

	fmgr_info(get_opcode(operator), &function);
	fraction = ineq_histogram_selectivity(NULL, column, operator, &function, false, false,
										  InvalidOid, value, column->vartype);
	return fraction < 0 ? 0.5 : fraction;
}

/* The fraction of the entries that are at or below a version; the store is analysed. */
static double
fraction_up_to(MvsStatistics *statistics, int64 version)
{
	FmgrInfo	function;
	Datum		next;
	double		listed;
	double		fraction;

	if (version == MVS_NEWEST)
		return 1;
	next = Int64GetDatum(version + 1);
	fmgr_info(F_INT8LT, &function);
	fraction = mcv_selectivity(&statistics->version, &function, InvalidOid, next, true, &listed);
	fraction += (1 - listed) * fraction_below(&statistics->version, Int8LessOperator, next);
	CLAMP_PROBABILITY(fraction);
	return fraction;
}

/* ------------------------------------------------------------------------
 * Counting
 * ------------------------------------------------------------------------ */

/*
 * How many keys are below one. pg_statistic counts entries: a key with many of
 * them is in the list of common values, and counts once. The histogram is of
 * the others, which are taken to have as many entries each.
 */
static double
count_below(MvsStatistics *statistics, const bytea *key)
{
	AttStatsSlot common;
	double		listed = 0;
	double		below = 0;

	if (get_attstatsslot(&common, statistics->key.statsTuple, STATISTIC_KIND_MCV, InvalidOid,
						 ATTSTATSSLOT_VALUES))
	{
		listed = common.nvalues;
		for (int i = 0; i < common.nvalues; i++)
			if (mvs_key_compare(DatumGetByteaPP(common.values[i]), key) < 0)
				below++;
		free_attstatsslot(&common);
	}
	return below + Max(statistics->keys - listed, 0) *
		fraction_below(&statistics->key, ByteaLessOperator, PointerGetDatum(key));
}

/* How many keys are in a range. */
static double
count_range(MvsStatistics *statistics, MvsBound from, MvsBound to)
{
	double		keys;

	if (from.open && to.open)
		return statistics->keys;
	if (!HeapTupleIsValid(statistics->key.statsTuple) ||
		(from.key == NULL && !from.open) || (to.key == NULL && !to.open))
		return statistics->keys *
			(from.open || to.open ? DEFAULT_INEQ_SEL : DEFAULT_RANGE_INEQ_SEL);
	keys = (to.open ? statistics->keys : count_below(statistics, to.key)) -
		(from.open ? 0 : count_below(statistics, from.key));
	return Max(keys, 0);
}

/* The end of the keys with a prefix; one that is open or empty is every key's. */
static MvsBound
end_of_prefix(MvsBound *prefix)
{
	MvsBound	end = {.open = false};

	if (prefix->key && VARSIZE_ANY_EXHDR(prefix->key) == 0)
		*prefix = (MvsBound)
	{
		.open = true
	};
	if (prefix->key)
		end.key = mvs_key_prefix_end(prefix->key);
	end.open = prefix->open || (prefix->key && end.key == NULL);
	return end;
}

/* How many keys have a prefix. */
static double
count_prefix(MvsStatistics *statistics, MvsBound prefix)
{
	MvsBound	end = end_of_prefix(&prefix);

	return count_range(statistics, prefix, end);
}

/* A bound of a range that is known. */
static MvsBound
known_bound(const bytea *key)
{
	MvsBound	bound = {.open = key == NULL, .key = key};

	return bound;
}

/* Whether a range is that of one key. */
static bool
is_one_key(const MvsKeyRange *range)
{
	Size		length;

	if (range->from == NULL || range->to == NULL)
		return false;
	length = VARSIZE_ANY_EXHDR(range->from);
	return VARSIZE_ANY_EXHDR(range->to) == length + 1 && VARDATA_ANY(range->to)[length] == 0 &&
		memcmp(VARDATA_ANY(range->from), VARDATA_ANY(range->to), length) == 0;
}

/* How many keys are in some ranges and in one more. */
static double
count_ranges(MvsStatistics *statistics, const MvsKeyRanges *ranges, const MvsKeyRange *within)
{
	double		count = 0;

	for (int i = 0; i < ranges->count; i++)
	{
		MvsKeyRange range = ranges->ranges[i];
		double		keys = 1;	/* a histogram knows of no single key */

		CHECK_FOR_INTERRUPTS();
		mvs_key_range_narrow(&range, within);
		if (!is_one_key(&range))
			keys = count_range(statistics, known_bound(range.from), known_bound(range.to));
		count += Max(keys, 1);
	}
	return count;
}

double
mvs_reader_fraction(PlannerInfo *root, FuncExpr *call, const MvsKeyRanges *ranges)
{
	SupportRequestRows request = {.root = root, .node = (Node *) call};
	MvsFamily	family;
	const MvsReader *reader = mvs_reader_find(call->funcid, &family);
	MvsBound	from = get_bound(&request, reader->keys);
	MvsBound	to = reader->source == MVS_PREFIX ? end_of_prefix(&from) :
	get_bound(&request, reader->keys + 1);
	MvsKeyRange scanned = {from.key, to.key};
	MvsStatistics statistics;
	double		fraction = -1;

	if ((from.key == NULL && !from.open) || (to.key == NULL && !to.open) ||
		!open_statistics(&statistics, get_known(&request, 0)))
		return fraction;
	if (HeapTupleIsValid(statistics.key.statsTuple))
	{
		double		keys = count_range(&statistics, from, to);

		fraction = count_ranges(&statistics, ranges, &scanned) / Max(keys, 1);
		CLAMP_PROBABILITY(fraction);
	}
	close_statistics(&statistics);
	return fraction;
}

/* How many of the keys have an entry among a fraction of all entries, taken at random. */
static double
count_written(MvsStatistics *statistics, double keys, double fraction)
{
	return keys * (1 - pow(1 - fraction, statistics->entries / statistics->keys));
}

/* How many entries a key has. */
static double
count_history(MvsStatistics *statistics, SupportRequestRows *request, int key)
{
	MvsBound	known = get_bound(request, key);
	VariableStatData *column = &statistics->key;

	if (!HeapTupleIsValid(column->statsTuple))
		return declared_rows(request->funcid);
	return statistics->entries *
		(known.key ? var_eq_const(column, ByteaEqualOperator, InvalidOid,
								  PointerGetDatum(known.key), false, true, false) :
		 var_eq_non_const(column, ByteaEqualOperator, InvalidOid,
						  get_argument(request, key), true, false));
}

/* How many keys changed between two versions. */
static double
count_changes(MvsStatistics *statistics, SupportRequestRows *request, const MvsReader *reader)
{
	double		keys = count_prefix(statistics, get_bound(request, reader->keys));
	int64		from;
	int64		to;
	bool		known = get_version(request, reader->as_of, &to);
	double		fraction;

	if (get_version(request, reader->as_of - 1, &from) && known &&
		HeapTupleIsValid(statistics->version.statsTuple))
	{
		fraction = fraction_up_to(statistics, to) - fraction_up_to(statistics, from);
		fraction = Max(fraction, 0);
	}
	else
		fraction = known && to == MVS_NEWEST ? DEFAULT_INEQ_SEL : DEFAULT_RANGE_INEQ_SEL;
	return count_written(statistics, keys, fraction);
}

/* How many rows a function returns of a store with entries. */
static double
count_rows(MvsStatistics *statistics, SupportRequestRows *request, const MvsReader *reader)
{
	double		keys;
	int64		as_of;

	if (reader->source == MVS_HISTORY)
		return count_history(statistics, request, reader->keys);
	if (reader->source == MVS_CHANGES)
		return count_changes(statistics, request, reader);

	keys = reader->source == MVS_PREFIX ?
		count_prefix(statistics, get_bound(request, reader->keys)) :
		count_range(statistics, get_bound(request, reader->keys),
					get_bound(request, reader->keys + 1));

	/* Of the past, the keys that had been written by then. */
	if (get_version(request, reader->as_of, &as_of) &&
		HeapTupleIsValid(statistics->version.statsTuple))
		keys = count_written(statistics, keys, fraction_up_to(statistics, as_of));
	return keys;
}

/* The ROWS of a function's declaration. */
static double
declared_rows(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	double		rows;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	rows = ((Form_pg_proc) GETSTRUCT(tuple))->prorows;
	ReleaseSysCache(tuple);
	return rows;
}

/* Bound an estimate by max_rows; not known, it counts as an unknown LIMIT does. */
static double
limit_rows(double rows, SupportRequestRows *request, int argument)
{
	Const	   *limit = get_known(request, argument);

	if (limit == NULL)
		return rows * DEFAULT_LIMIT_FRACTION;
	return limit->constisnull ? rows : Min(rows, DatumGetInt64(limit->constvalue));
}

/* mvstore_support(internal): what the planner asks about the functions that return many rows. */
Datum
mvstore_support(PG_FUNCTION_ARGS)
{
	SupportRequestRows *request = (SupportRequestRows *) PG_GETARG_POINTER(0);
	const MvsReader *reader;
	MvsFamily	family;
	MvsStatistics statistics;
	double		rows;

	if (!IsA(request, SupportRequestRows) || !IsA(request->node, FuncExpr) ||
		(reader = mvs_reader_find(request->funcid, &family)) == NULL)
		PG_RETURN_POINTER(NULL);

	if (reader->source == MVS_ELEMENTS)
		rows = mvs_compat_array_length(request->root, get_argument(request, reader->keys));
	else if (open_statistics(&statistics, get_known(request, 0)))
	{
		rows = statistics.entries > 0 ? count_rows(&statistics, request, reader) : 0;
		close_statistics(&statistics);
	}
	else
		rows = declared_rows(request->funcid);
	if (reader->max_rows > 0)
		rows = limit_rows(rows, request, reader->max_rows);

	request->rows = clamp_row_est(rows);
	PG_RETURN_POINTER(request);
}
