/*-------------------------------------------------------------------------
 *
 * key_clause.c
 *	  Conditions of a query that say in which ranges the keys of a scan are.
 *
 * Keys are ordered by their bytes. Text is so by some collations only, but is
 * equal under all deterministic ones only where its bytes are; and LIKE and ^@
 * compare bytes.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/primnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "base/key.h"
#include "base/text.h"
#include "functions/key_clause.h"

static MvsKeyComparison get_comparison(Oid operator, Oid collation);
static MvsKeyComparison if_deterministic(Oid collation, MvsKeyComparison comparison);
static MvsKeyComparison if_bytewise(Oid collation, MvsKeyComparison comparison);
static MvsKeyRange get_range(MvsKeyComparison comparison, const bytea *value);
static MvsKeyRange get_like_range(const bytea *pattern);
static void add_elements(MvsKeyRanges *ranges, const MvsKeyRange *within, Datum array);
static int	compare_elements(const void *left, const void *right);

/* ------------------------------------------------------------------------
 * Conditions
 * ------------------------------------------------------------------------ */

bool
mvs_key_clause_is_key(Node *node, int relation)
{
	Var		   *var;

	/* Another collation, or a type like varchar. */
	while (node && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	var = (Var *) node;
	return node && IsA(node, Var) && var->varno == relation &&
		var->varattno == MVS_KEY_COLUMN && var->varlevelsup == 0;
}

bool
mvs_key_clause_match(Node *condition, int relation, MvsKeyClause *found)
{
	Oid			operator;
	Oid			collation;
	List	   *sides;

	if (IsA(condition, OpExpr) && list_length(((OpExpr *) condition)->args) == 2)
	{
		operator = ((OpExpr *) condition)->opno;
		collation = ((OpExpr *) condition)->inputcollid;
		sides = ((OpExpr *) condition)->args;
	}
	else if (IsA(condition, ScalarArrayOpExpr) && ((ScalarArrayOpExpr *) condition)->useOr)
	{
		operator = ((ScalarArrayOpExpr *) condition)->opno;
		collation = ((ScalarArrayOpExpr *) condition)->inputcollid;
		sides = ((ScalarArrayOpExpr *) condition)->args;
	}
	else
		return false;

	if (mvs_key_clause_is_key(linitial(sides), relation))
		found->value = lsecond(sides);
	else if (mvs_key_clause_is_key(lsecond(sides), relation))
	{
		found->value = linitial(sides);
		operator = get_commutator(operator);
	}
	else
		return false;
	found->comparison = get_comparison(operator, collation);
	if (IsA(condition, ScalarArrayOpExpr))
		found->comparison = found->comparison == MVS_KEY_IS ? MVS_KEY_IS_ONE_OF :
			MVS_KEY_IS_OTHER;
	return found->comparison != MVS_KEY_IS_OTHER;
}

/* How an operator compares its left side with its right one. */
static MvsKeyComparison
get_comparison(Oid operator, Oid collation)
{
	switch (OidIsValid(operator) ? get_opcode(operator) : InvalidOid)
	{
		case F_BYTEAEQ:
			return MVS_KEY_IS;
		case F_BYTEALT:
		case F_TEXT_PATTERN_LT:
			return MVS_KEY_IS_BELOW;
		case F_BYTEALE:
		case F_TEXT_PATTERN_LE:
			return MVS_KEY_IS_UP_TO;
		case F_BYTEAGE:
		case F_TEXT_PATTERN_GE:
			return MVS_KEY_IS_FROM;
		case F_BYTEAGT:
		case F_TEXT_PATTERN_GT:
			return MVS_KEY_IS_ABOVE;
		case F_BYTEALIKE:
			return MVS_KEY_IS_LIKE;
		case F_TEXTEQ:
			return if_deterministic(collation, MVS_KEY_IS);
		case F_TEXTLIKE:
			return if_deterministic(collation, MVS_KEY_IS_LIKE);
		case F_STARTS_WITH:
			return if_deterministic(collation, MVS_KEY_BEGINS);
		case F_TEXT_LT:
			return if_bytewise(collation, MVS_KEY_IS_BELOW);
		case F_TEXT_LE:
			return if_bytewise(collation, MVS_KEY_IS_UP_TO);
		case F_TEXT_GE:
			return if_bytewise(collation, MVS_KEY_IS_FROM);
		case F_TEXT_GT:
			return if_bytewise(collation, MVS_KEY_IS_ABOVE);
		default:
			return MVS_KEY_IS_OTHER;
	}
}

/* What is so where text that is equal has equal bytes. */
static MvsKeyComparison
if_deterministic(Oid collation, MvsKeyComparison comparison)
{
	return OidIsValid(collation) && get_collation_isdeterministic(collation) ? comparison :
		MVS_KEY_IS_OTHER;
}

/* What is so where text is ordered by its bytes. */
static MvsKeyComparison
if_bytewise(Oid collation, MvsKeyComparison comparison)
{
	return mvs_text_is_bytewise(collation) ? comparison :
		MVS_KEY_IS_OTHER;
}

/* ------------------------------------------------------------------------
 * Ranges
 * ------------------------------------------------------------------------ */

MvsKeyRanges *
mvs_key_clause_ranges(const MvsKeyClause *clauses, int count, const Datum *values,
					  const bool *nulls)
{
	MvsKeyRanges *ranges = palloc0(sizeof(MvsKeyRanges));
	MvsKeyRange *all = palloc0(sizeof(MvsKeyRange));
	MvsKeyRange none = {.to = mvs_key_make("", 0)};
	int			array = -1;

	for (int i = 0; i < count; i++)
	{
		MvsKeyRange range;

		/* The operators are strict. Of lists, the first one gives ranges. */
		if (nulls[i])
			range = none;
		else if (clauses[i].comparison != MVS_KEY_IS_ONE_OF)
			range = get_range(clauses[i].comparison, DatumGetByteaPP(values[i]));
		else
		{
			if (array < 0)
				array = i;
			continue;
		}
		mvs_key_range_narrow(all, &range);
	}

	if (array >= 0 && !nulls[array])
		add_elements(ranges, all, values[array]);
	if (ranges->count == 0)
	{
		/* Nothing is to be read, but whether that is allowed is still asked. */
		if (array >= 0)
			mvs_key_range_narrow(all, &none);
		ranges->ranges = all;
		ranges->count = 1;
	}
	return ranges;
}

/* The keys that compare so with a value: of a longer one than any key is, with its beginning. */
static MvsKeyRange
get_range(MvsKeyComparison comparison, const bytea *value)
{
	MvsKeyRange range = {.from = NULL};

	if (comparison != MVS_KEY_IS_LIKE && VARSIZE_ANY_EXHDR(value) > BLCKSZ)
		value = mvs_key_make(VARDATA_ANY(value), BLCKSZ);
	switch (comparison)
	{
		case MVS_KEY_IS:
			range.from = value;
			range.to = mvs_key_successor(value);
			break;
		case MVS_KEY_IS_BELOW:
			range.to = value;
			break;
		case MVS_KEY_IS_UP_TO:
			range.to = mvs_key_successor(value);
			break;
		case MVS_KEY_IS_FROM:
			range.from = value;
			break;
		case MVS_KEY_IS_ABOVE:
			range.from = mvs_key_successor(value);
			break;
		case MVS_KEY_BEGINS:
			range.from = VARSIZE_ANY_EXHDR(value) > 0 ? value : NULL;
			range.to = mvs_key_prefix_end(value);
			break;
		case MVS_KEY_IS_LIKE:
			range = get_like_range(value);
			break;
		case MVS_KEY_IS_ONE_OF:
		case MVS_KEY_IS_OTHER:
			break;
	}
	return range;
}

/* The keys that begin as a pattern does, up to what stands for others. */
static MvsKeyRange
get_like_range(const bytea *pattern)
{
	const char *next = VARDATA_ANY(pattern);
	const char *end = next + VARSIZE_ANY_EXHDR(pattern);
	bytea	   *prefix = mvs_key_make(next, (int) (end - next));
	char	   *last = VARDATA(prefix);

	for (; next < end && *next != '%' && *next != '_'; next++)
	{
		if (*next == '\\')
		{
			/* A pattern that ends with it is an error, which the query is to find. */
			if (next + 1 == end)
				break;
			next++;
		}
		*last++ = *next;
	}
	SET_VARSIZE(prefix, last - (char *) prefix);
	return get_range(next < end ? MVS_KEY_BEGINS : MVS_KEY_IS, prefix);
}

/* Add a range for each element of an array that is within a range. */
static void
add_elements(MvsKeyRanges *ranges, const MvsKeyRange *within, Datum array)
{
	ArrayType  *elements = DatumGetArrayTypeP(array);
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int			keys = 0;

	deconstruct_array(elements, ARR_ELEMTYPE(elements), -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			values[keys++] = PointerGetDatum(DatumGetByteaPP(values[i]));
	qsort(values, keys, sizeof(Datum), compare_elements);

	ranges->ranges = palloc(sizeof(MvsKeyRange) * Max(keys, 1));
	for (int i = 0; i < keys; i++)
	{
		const bytea *key = (const bytea *) DatumGetPointer(values[i]);

		if ((i > 0 && compare_elements(&values[i - 1], &values[i]) == 0) ||
			(within->from && mvs_key_compare(key, within->from) < 0) ||
			(within->to && mvs_key_compare(key, within->to) >= 0))
			continue;
		ranges->ranges[ranges->count++] = get_range(MVS_KEY_IS, key);
	}
}

static int
compare_elements(const void *left, const void *right)
{
	return mvs_key_compare((const bytea *) DatumGetPointer(*(const Datum *) left),
						   (const bytea *) DatumGetPointer(*(const Datum *) right));
}
