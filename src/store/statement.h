/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  A call that writes to a store, as the statement that it is for its triggers.
 *
 * A put, delete or import is an INSERT, an erasure a DELETE, however many entries
 * are written. BEFORE STATEMENT triggers fire as it begins, AFTER triggers as it
 * ends. Where nothing of the user's is in the way, rows go straight through the
 * access methods, into the table and the index or two that we know; else through the
 * executor's routines.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_STATEMENT_H
#define MVSTORE_STATEMENT_H

#include "postgres.h"

#include "nodes/execnodes.h"

#include "store/store.h"

/* What a statement does of one kind. */
typedef struct MvsStatementPart
{
	bool		begun;
	struct TransitionCaptureState *tables;	/* transition tables; NULL: none wants any */
} MvsStatementPart;

typedef struct MvsStatement
{
	MvsStore   *store;
	TupleTableSlot *slot;
	Relation	feed_index;		/* NULL: rows of ours go into none */
	EState	   *estate;			/* the rest is unset where this is NULL: nothing wants it */
	ResultRelInfo *target;
	TriggerDesc *with_tables;	/* the table's triggers that have transition tables */
	TriggerDesc *without_tables;	/* and the others */
	ExprState **defaults;		/* of the user's own columns */
	MvsStatementPart inserting;
	MvsStatementPart deleting;
} MvsStatement;

/*
 * Begin a statement on a store, CMD_INSERT or CMD_DELETE. Raise what the triggers
 * raise, and 55000 where deletions could not be published.
 */
extern void mvs_statement_begin(MvsStatement *statement, MvsStore *store, CmdType command);

/*
 * Insert an entry: a NULL "value" is a tombstone, DT_NOEND never expires. Return when it
 * expires, which a trigger may have changed. Raise what INSERT raises, and 39P01 where a
 * trigger interferes.
 */
extern TimestampTz mvs_statement_insert(MvsStatement *statement, bytea *key, int64 version,
										bytea *value, TimestampTz expires_at);

/*
 * Delete the entry at "tid", without waiting; false where somebody has it locked, or has
 * changed it. Raise what DELETE raises, and 39P01 where a trigger keeps the entry. A
 * statement that inserts may do so, too: what it replaces is deleted before.
 */
extern bool mvs_statement_delete(MvsStatement *statement, ItemPointer tid);

/* End it: AFTER triggers fire. Raise what they raise. */
extern void mvs_statement_end(MvsStatement *statement);

#endif							/* MVSTORE_STATEMENT_H */
