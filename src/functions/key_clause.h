/*-------------------------------------------------------------------------
 *
 * key_clause.h
 *	  Conditions of a query that say in which ranges the keys of a scan are.
 *
 * A condition is pushed down only where it holds for keys outside its ranges
 * never. It may hold for few of those inside: the query filters the rows as it
 * would without.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_KEY_CLAUSE_H
#define MVSTORE_KEY_CLAUSE_H

#include "postgres.h"

#include "nodes/nodes.h"

#include "base/key.h"

/* The column of the key, in the rows of each function that scans. */
#define MVS_KEY_COLUMN 1

/* How a key is compared with the value. */
typedef enum MvsKeyComparison
{
	MVS_KEY_IS_OTHER,			/* in no way that says in which range it is */
	MVS_KEY_IS,
	MVS_KEY_IS_BELOW,
	MVS_KEY_IS_UP_TO,
	MVS_KEY_IS_FROM,
	MVS_KEY_IS_ABOVE,
	MVS_KEY_BEGINS,
	MVS_KEY_IS_LIKE,
	MVS_KEY_IS_ONE_OF			/* the elements of an array */
} MvsKeyComparison;

typedef struct MvsKeyClause
{
	MvsKeyComparison comparison;
	Node	   *value;
} MvsKeyClause;

/* Ranges in ascending order that have no key in common. */
typedef struct MvsKeyRanges
{
	int			count;
	MvsKeyRange *ranges;
} MvsKeyRanges;

/* Return whether an expression is the key of the scan that is known as "relation". */
extern bool mvs_key_clause_is_key(Node *node, int relation);

/* Set *found to what a condition says of the key; false where that is nothing. */
extern bool mvs_key_clause_match(Node *condition, int relation, MvsKeyClause *found);

/*
 * Return the ranges of the keys for which all of the conditions may hold, one at least, in the
 * current memory context. "values" and "nulls" are what the values of the conditions have come to.
 */
extern MvsKeyRanges *mvs_key_clause_ranges(const MvsKeyClause *clauses, int count,
										   const Datum *values, const bool *nulls);

#endif							/* MVSTORE_KEY_CLAUSE_H */
