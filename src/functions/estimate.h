/*-------------------------------------------------------------------------
 *
 * estimate.h
 *	  What the planner may know of the functions that return many rows.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_ESTIMATE_H
#define MVSTORE_ESTIMATE_H

#include "postgres.h"

#include "nodes/pathnodes.h"
#include "nodes/primnodes.h"

#include "base/arguments.h"
#include "functions/key_clause.h"

/* What a function returns a row for. */
typedef enum MvsRowSource
{
	MVS_RANGE,					/* each key in a range: from, to */
	MVS_PREFIX,					/* each key with a prefix */
	MVS_HISTORY,				/* each entry of a key */
	MVS_ELEMENTS,				/* each element of an array */
	MVS_CHANGES					/* each key written between two versions */
} MvsRowSource;

/* A family of functions, with the numbers of its arguments; 0 where it has no such argument. */
typedef struct MvsReader
{
	const char *name;
	MvsRowSource source;
	int			keys;			/* the first that says which keys */
	int			as_of;
	int			max_rows;
	int			reverse;
} MvsReader;

/*
 * Return what is known of a function, and set *family; NULL where it is none that
 * mvstore_support is asked about.
 */
extern const MvsReader *mvs_reader_find(Oid function, MvsFamily *family);

/*
 * Return which part of the keys that a call of mvstore_scan or mvstore_scan_prefix scans is in
 * some ranges; below 0 where that is not known.
 */
extern double mvs_reader_fraction(PlannerInfo *root, FuncExpr *call, const MvsKeyRanges *ranges);

#endif							/* MVSTORE_ESTIMATE_H */
