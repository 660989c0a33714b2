/*-------------------------------------------------------------------------
 *
 * snapshot.h
 *	  The snapshot of a statement.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_SNAPSHOT_H
#define MVSTORE_SNAPSHOT_H

#include "postgres.h"

#include "tcop/pquery.h"
#include "utils/snapmgr.h"

/*
 * The active snapshot. A procedure has none after its COMMIT until it evaluates an expression,
 * and the check of a domain may call a function before; then it is what an expression would get.
 */
static inline Snapshot
mvs_active_snapshot(void)
{
	EnsurePortalSnapshotExists();
	return GetActiveSnapshot();
}

#endif							/* MVSTORE_SNAPSHOT_H */
