/*-------------------------------------------------------------------------
 *
 * journal.h
 *	  mvstore_journal: the rows that explicit drop requests leave.
 *
 * A row is written by the transaction that makes the request and deleted by
 * the one that does the work; where a row is gone, so is the work.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_JOURNAL_H
#define MVSTORE_JOURNAL_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "shmem.h"

/* Writes rows for the explicit ones of requests that lie one behind the other. */
extern void mvs_journal_write(MvsDatabase *database, char *requests, Size size);

/* Finds a row; false if it is gone. */
extern bool mvs_journal_find(int64 id, ItemPointer tid);

/* Deletes a row that was found. */
extern void mvs_journal_delete(ItemPointer tid);

/*
 * Up to "limit" requests with ids above "after", in order, from rows that this
 * database has made: a list of MvsRequest in the current memory context.
 */
extern List *mvs_journal_read(int64 after, int limit);

#endif							/* MVSTORE_JOURNAL_H */
