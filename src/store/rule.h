/*-------------------------------------------------------------------------
 *
 * rule.h
 *	  What may be dropped: pure rules over the versions of one key.
 *
 * No table, no lock and no clock here: design section 6 as functions.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_RULE_H
#define MVSTORE_RULE_H

#include "postgres.h"

/* What a store keeps by itself. */
typedef struct MvsPolicy
{
	int32		keep_versions;	/* 0: no limit */
	int64		keep_for;		/* microseconds; -1: no limit */
} MvsPolicy;

/* What somebody asked to have dropped from one key. */
typedef struct MvsRule
{
	int32		keep;			/* entries that stay whatever their age */
	int64		before;			/* superseded at this version or earlier */
} MvsRule;

/* The entries of one key, newest first. */
typedef struct MvsHistory
{
	int			count;
	const int64 *versions;
	bool		tombstone;		/* the head is one */
	int64		expires;		/* version as of which the head has expired; MVS_NEWEST: never */
} MvsHistory;

/* What may go of one key, but for the horizon. */
typedef struct MvsDroppable
{
	int			first;			/* entries from here on go, each by itself; count: none */
	bool		purge;			/* the key goes as a whole, once its head can */
} MvsDroppable;

/* The decision for one key. */
typedef struct MvsVerdict
{
	int			first;			/* entries from here on go; count: none */
	int64		floor;			/* the greatest end of what goes, or 0 */
	int64		held;			/* the lowest end of what only the horizon keeps, or 0 */
	int			together;		/* what goes before this one goes all at once, or not at all */
} MvsVerdict;

/* Return the end of an entry: when the entry after it came, or its key was gone. */
extern int64 mvs_rule_end(const MvsHistory *history, int entry);

/* Return the first entry that a request alone makes droppable; count if none. */
extern int	mvs_rule_request(const MvsHistory *history, const MvsRule *rule);

/* Return what a policy makes droppable at a time, "now" in versions. */
extern MvsDroppable mvs_rule_policy(const MvsHistory *history, const MvsPolicy *policy,
									int64 now);

/* Return the first entry that a compaction makes droppable; 0 says that nothing stays. */
extern int	mvs_rule_compact(const MvsHistory *history, int64 before);

/*
 * Return how many entries, from the newest on, have ends that at "now" are not yet as
 * long ago as the policy wants: each is to be looked at when its end is. The end of a
 * head that stays for good is MVS_NEWEST.
 */
extern int	mvs_rule_pending(const MvsHistory *history, const MvsPolicy *policy, int64 now);

/*
 * Return what "horizon" lets go of what is droppable. A purge is whole or not at all:
 * where the head has to stay, there is none yet, and what does not go by itself stays
 * with it.
 */
extern MvsVerdict mvs_rule_judge(const MvsHistory *history, MvsDroppable droppable,
								 int64 horizon);

#endif							/* MVSTORE_RULE_H */
