/*-------------------------------------------------------------------------
 *
 * scan_node.h
 *	  Scans of stores that a query filters by key: how they are executed.
 *
 * A scan calls its function, as PostgreSQL's own node for functions does, and
 * hands it ranges of keys to which it is to keep.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_SCAN_NODE_H
#define MVSTORE_SCAN_NODE_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/extensible.h"

#include "functions/key_clause.h"

/* As EXPLAIN has it. */
#define MVS_SCAN_NAME "mvstore_scan"

/* Have the server know the node; from _PG_init. */
extern void mvs_scan_node_init(void);

extern const CustomScanMethods *mvs_scan_node_methods(void);

/*
 * Return whether ranges can be handed to a function: not where it has settings of its own
 * (ALTER FUNCTION ... SET), or other rights. What stands before it then uses fn_extra.
 */
extern bool mvs_scan_node_reaches(const FmgrInfo *function);

/*
 * Return the ranges that the function being called is to keep to; NULL where it is called by
 * itself. They are handed over in fn_extra, which is thus not for the function to use.
 */
static inline const MvsKeyRanges *
mvs_scan_node_ranges(FunctionCallInfo fcinfo)
{
	return fcinfo->flinfo ? fcinfo->flinfo->fn_extra : NULL;
}

#endif							/* MVSTORE_SCAN_NODE_H */
