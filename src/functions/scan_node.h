/*-------------------------------------------------------------------------
 *
 * scan_node.h
 *	  Scans of stores in a plan: how they are executed.
 *
 * A scan does what its function would, but returns each row when it is asked
 * for, and keeps to ranges of keys.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_SCAN_NODE_H
#define MVSTORE_SCAN_NODE_H

#include "postgres.h"

#include "nodes/extensible.h"

/* As EXPLAIN has it. */
#define MVS_SCAN_NAME "mvstore_scan"

/* Have the server know the node; from _PG_init. */
extern void mvs_scan_node_init(void);

/*
 * Of a plan with these, custom_exprs are the call of the function and the conditions that give
 * ranges; custom_private is the function's MvsFamily, and whether it is mvstore_scan_prefix.
 */
extern const CustomScanMethods *mvs_scan_node_methods(void);

#endif							/* MVSTORE_SCAN_NODE_H */
