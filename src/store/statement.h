/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  A call that writes to a store, as the statement that it is for its triggers.
 *
 * A put, delete or import is an INSERT, an erasure a DELETE, however many entries
 * are written. BEFORE STATEMENT triggers fire as it begins, AFTER triggers as it
 * ends. Where nothing of the user's is in the way, rows go straight through the
 * access methods, many at once, into the table and the index or two that we know; else
 * one by one through the executor's routines.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_STATEMENT_H
#define MVSTORE_STATEMENT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/execnodes.h"

#include "store/store.h"

/* Rows that go in at once, at most. */
#define MVS_STATEMENT_ROWS 32

/* An entry that is to be written. */
typedef struct MvsNewEntry
{
	bytea	   *key;
	bytea	   *value;			/* NULL: a tombstone */
	int64		version;
	TimestampTz expires_at;		/* DT_NOEND: never */
} MvsNewEntry;

/* What a statement does of one kind. */
typedef struct MvsStatementPart
{
	bool		begun;
	struct TransitionCaptureState *tables;	/* transition tables; NULL: none wants any */
} MvsStatementPart;

typedef struct MvsStatement
{
	MvsStore   *store;
	TupleTableSlot *slots[MVS_STATEMENT_ROWS];	/* the first; others as they are wanted */
	MemoryContext context;		/* of slots */
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

/* Return how many entries may be inserted at once: one where code of the user's would run. */
extern int	mvs_statement_rows(const MvsStatement *statement);

/*
 * Insert entries, as many as may be at once, or fewer, and set when they expire, which a
 * trigger may have changed. Raise what INSERT raises, and 39P01 where a trigger interferes.
 */
extern void mvs_statement_insert(MvsStatement *statement, MvsNewEntry **entries, int count);

/*
 * Delete the entry at "tid", without waiting; false where somebody has it locked, or has
 * changed it. Raise what DELETE raises, and 39P01 where a trigger keeps the entry. A
 * statement that inserts may do so, too: what it replaces is deleted before.
 */
extern bool mvs_statement_delete(MvsStatement *statement, ItemPointer tid);

/* End it: AFTER triggers fire. Raise what they raise. */
extern void mvs_statement_end(MvsStatement *statement);

#endif							/* MVSTORE_STATEMENT_H */
