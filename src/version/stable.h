/*-------------------------------------------------------------------------
 *
 * stable.h
 *	  The stable version: who knows it where, and its row.
 *
 * On a primary shared memory tells (version.c). The row of mvstore_stable holds
 * what was stable some time ago: for standbys, and for snapshots too old for
 * shared memory. The worker writes it.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_STABLE_H
#define MVSTORE_STABLE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/block.h"
#include "utils/snapshot.h"

#include "shared/database.h"

/* Milliseconds: the row is written no oftener. */
#define MVS_STABLE_INTERVAL 10

/*
 * The newest version at and below which every transaction has ended as the
 * snapshot sees it, here: on a primary, on a standby, or without our shared
 * memory, where nobody writes. Who needs no newer one than "wanted" says so, and
 * spares raising the durable mark for it (mvs_version_stable()).
 */
extern int64 mvs_stable(Snapshot snapshot, int64 wanted);

/* The same for who has joined a database, on a primary. */
extern int64 mvs_stable_here(MvsDatabase *database, Snapshot snapshot, int64 wanted);

/*
 * The same, but MVS_LOST where that has not been told for the snapshot and only the row of
 * mvstore_stable would tell: others may have been told a later one before the snapshot was taken.
 */
extern int64 mvs_stable_known(Snapshot snapshot);

/* The same as mvs_stable(), for who shows it to the user, who goes by it from then on. */
extern int64 mvs_stable_shown(Snapshot snapshot);

/* What it was when it was first asked for the snapshot in this statement. */
extern int64 mvs_stable_of_statement(Snapshot snapshot);

/* Whether a version is at or below it; cheaper when asked again. */
extern bool mvs_is_stable(Snapshot snapshot, int64 version);

/* Why a version is not stable, and what to do: for errdetail_internal() and errhint(). */
typedef struct MvsUnstable
{
	char	   *detail;
	const char *hint;
} MvsUnstable;

extern void mvs_stable_explain(Snapshot snapshot, int64 version, MvsUnstable *why);

/* The same for a snapshot of now. */
extern void mvs_stable_explain_now(int64 version, MvsUnstable *why);

/*
 * Raises the row to a version that is stable for the active snapshot, in the
 * worker's transaction, which has locked the catalog (mvs_catalog_lock()). The
 * size of the table, which grows while an old snapshot keeps its dead rows.
 */
extern BlockNumber mvs_stable_write(int64 version);

/*
 * For the worker: writes the row if versions have moved since, or a standby is
 * there, and it is time to, or at once; returns whether it tried. In due_at is told
 * when it is time, DT_NOEND if neither is so.
 */
extern bool mvs_stable_serve(MvsDatabase *database, bool at_once, TimestampTz *due_at);

#endif							/* MVSTORE_STABLE_H */
