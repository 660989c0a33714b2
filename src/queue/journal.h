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

#include "queue/drop_request.h"
#include "shared/database.h"

/* Failed attempts after which a request is set aside. */
#define MVS_MAX_ATTEMPTS 5

/*
 * Write rows for the requests, which lie one behind the other in "size" bytes: for the explicit
 * ones, or with "implicit" for all. "spilled" says that they will not be in the queue.
 */
extern void mvs_journal_write(MvsDatabase *database, char *requests, Size size, bool implicit,
							  bool spilled);

/* Return what a row says that a request asks for: drop, range, compact or policy. */
extern const char *mvs_journal_kind(const MvsRequest *request);

/* What became of a row. */
typedef enum MvsJournalRow
{
	MVS_ROW_FOUND,
	MVS_ROW_GONE,
	MVS_ROW_LOCKED				/* somebody is voiding or changing it */
} MvsJournalRow;

/*
 * Find the row of a request, by its id, and by its store, as a restore may have put another in
 * its place; set *tid to where it is. The journal stays locked to the end of the transaction.
 */
extern MvsJournalRow mvs_journal_find(const MvsRequest *request, ItemPointer tid);

/* Delete a row that was found; 55P03 where somebody has locked it since. */
extern void mvs_journal_delete(ItemPointer tid);

/*
 * Record in a request's row how many attempts have failed, and the last error; make a row
 * for a request of a policy. False where somebody has locked the row, or it is *gone.
 */
extern bool mvs_journal_record_failure(MvsDatabase *database, MvsRequest *request, int attempts,
									   const char *error, bool *gone);

/*
 * Set *requests to at most "limit" requests with ids above "after", in order, from rows
 * that this database has made: a list of MvsRequest in the current memory context. Leave
 * out those that were set aside, and add their number to *failed. Lower *lowest to the
 * lowest id of both, and set *last to that of the last row read. False where there are no
 * more.
 */
extern bool mvs_journal_read(int64 after, int limit, List **requests, int64 *failed,
							 int64 *lowest, int64 *last);

/* Delete the rows of a store that is dropped, but those that somebody is at. */
extern void mvs_journal_forget(Oid store);

/*
 * Delete the rows of a key that is erased, or with "prefix" of all keys that begin with it,
 * and of ranges that have no others.
 */
extern void mvs_journal_erase(Oid store, const bytea *key, bool prefix);

/*
 * Return whether a row with such an id, system and database came by a restore: it was made
 * elsewhere, or with an extension that was dropped. It is left to mvstore_resume(), as the
 * tables that it is about may still be to come.
 */
extern bool mvs_journal_is_restored(int64 id, int64 system, Oid database);

/* Take over the rows that a restore has brought; return how many there were. */
extern int64 mvs_journal_adopt(MvsDatabase *database);

#endif							/* MVSTORE_JOURNAL_H */
