/*-------------------------------------------------------------------------
 *
 * drop.h
 *	  Dropping entries of one store in one transaction of the worker.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_DROP_H
#define MVSTORE_DROP_H

#include "postgres.h"

#include "shared/counters.h"
#include "shared/database.h"
#include "shared/progress.h"
#include "store/calendar.h"
#include "store/entry.h"
#include "store/floor.h"
#include "store/gather.h"
#include "store/rule.h"
#include "store/store.h"
#include "worker/pace.h"

/*
 * MVS_DROP_LIMIT for entries that are gathered: no more than the processor still has in its caches
 * when they are deleted.
 */
#ifndef MVS_GATHER_LIMIT
#define MVS_GATHER_LIMIT 4000
#endif

/* Requests that it works off at most, whatever they drop. */
#define MVS_REQUEST_LIMIT 5000

/* Entries of ranges that it reads, more or less. */
#define MVS_READ_LIMIT 20000

/* The entries of one key that a snapshot sees, newest first: all, or the head and the oldest. */
typedef struct MvsKeyEntries
{
	MvsHistory	history;
	bool		whole;			/* all of them */
	bool		more;			/* of the oldest, too, not all */
	int			space;
	int64	   *versions;
	ItemPointerData *tids;
	int64	   *bytes;
	const MvsGatheredKey *gathered; /* they are those that were seen of it, or NULL */
} MvsKeyEntries;

/* A drop under way. */
typedef struct MvsDrop
{
	MvsDatabase *database;
	Oid			oid;
	MvsStore	store;
	MvsCursor	cursor;
	MvsKeyEntries entries;
	MvsGather  *gather;			/* entries of many keys, or NULL */
	bool		later;			/* what of these is to go goes, and counts, in others */
	bool		exchanged;		/* the store needs a pass, in another storage */
	int64		stable;			/* by the transaction's snapshot */
	int64		horizon;		/* that, or the lowest pin */
	int64		now;
	MvsFloors	floors;			/* to be raised to these */
	int64		left;			/* no noted end that only the horizon keeps is beyond; 0: none */
	int64		read;			/* entries of ranges that were read */
	int64		merged;			/* requests beyond the first of their key */
	MvsNotes	notes;			/* for the calendar */
	int64		noted;			/* lowest end there, once it is written; MVS_NEWEST: none */
	MvsTally	tally;
} MvsDrop;

/* What is to be known of a drop that has committed. */
typedef struct MvsDropNews
{
	Oid			store;
	bool		exchanged;		/* as in MvsDrop */
	int64		noted;
	int64		age;			/* of what the store's policy lets go, in microseconds */
	int64		entries;		/* that went */
} MvsDropNews;

typedef enum MvsDropState
{
	MVS_DROP_READY,
	MVS_DROP_GONE,				/* there is no such store */
	MVS_DROP_LOCKED,			/* somebody has it locked: try later */
	MVS_DROP_PAUSED				/* a pause has begun */
} MvsDropState;

/*
 * Start a transaction and set *drop to a drop from a store that is ready, waiting for no
 * lock. Whatever the answer, mvs_drop_commit() ends the transaction.
 */
extern MvsDropState mvs_drop_begin(MvsDrop *drop, MvsDatabase *database, Oid store);

/* Forget the bottoms, where the oldest entries of keys were found: others may lie below. */
extern void mvs_drop_forget_bottoms(void);

/* How often that was done here: those of another process go by it. */
extern uint64 mvs_drop_forgets(void);

/*
 * Collect the entries of a key; if they are very many, only the head and so
 * many of the oldest that MVS_DROP_LIMIT of these are not among the newest
 * "keep". The rules hold for them too: in what is left out nothing goes that
 * these keep. Nor is more collected than tells what the horizon keeps, so what it
 * costs to look at a key again and again follows what goes. What ends after "before" is not
 * asked to go.
 */
extern void mvs_drop_collect(MvsDrop *drop, const bytea *key, int keep, int64 before);

/*
 * Begin to gather entries of keys that are to be collected next, in ascending order; what of
 * them is to go goes when that ends, or at the commit.
 */
extern void mvs_drop_gather(MvsDrop *drop);
extern void mvs_drop_end_gather(MvsDrop *drop);

/* Return how many entries are to be gathered at a time. */
extern int	mvs_drop_gather_limit(void);

/* Collect them one by one, newest first. */
extern void mvs_drop_collect_begin(MvsDrop *drop);
extern void mvs_drop_collect_entry(MvsDrop *drop, const MvsEntry *entry);

/* Whether the transaction has done enough. */
extern bool mvs_drop_is_full(const MvsDrop *drop);

/*
 * Return what the store's policy makes droppable of the key, which was collected. Where a
 * purge cannot begin with what goes by itself, collect all of it.
 */
extern MvsDroppable mvs_drop_policy(MvsDrop *drop, const bytea *key);

/* Return what goes of that, by the transaction's horizon. */
extern MvsVerdict mvs_drop_judge(const MvsDrop *drop, MvsDroppable droppable);

/*
 * Have it go, oldest first, and return the first entry that has gone. Where somebody has
 * an entry locked, that one stays with all newer ones.
 */
extern int	mvs_drop_entries(MvsDrop *drop, const MvsVerdict *verdict);

/*
 * Note in the calendar what of the collected key waits for its age, by the
 * store's policy, or for the horizon.
 */
extern void mvs_drop_note_pending(MvsDrop *drop, const char *key, int length,
								  MvsDroppable droppable);

/* Show that a command, beyond this transaction, has read so many more entries: see progress.h. */
extern void mvs_drop_show(const MvsDrop *drop, MvsCommand command, uint64 id, int64 read);

/*
 * Write the calendar, raise the floor, commit and count, as the drop's state allows, and
 * return what is to be told.
 */
extern MvsDropNews mvs_drop_commit(MvsDrop *drop, MvsDropState state);

#endif							/* MVSTORE_DROP_H */
