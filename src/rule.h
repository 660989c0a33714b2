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

/* The decision for one key. */
typedef struct MvsVerdict
{
	int			first;			/* entries from here on go; count: none */
	int64		floor;			/* the greatest end of what goes, or 0 */
	int64		held;			/* the lowest end of what only the horizon keeps, or 0 */
} MvsVerdict;

/* The end of an entry: when the entry after it came, or its key was gone. */
extern int64 mvs_rule_end(const MvsHistory *history, int entry);

/* The first entry that a request alone makes droppable, count if none. */
extern int	mvs_rule_request(const MvsHistory *history, const MvsRule *rule);

/*
 * The first entry that a policy makes droppable at a time ("now" in versions);
 * 0 says that the whole key is purged.
 */
extern int	mvs_rule_policy(const MvsHistory *history, const MvsPolicy *policy, int64 now);

/* The first entry that a compaction makes droppable; 0 says that the key is purged. */
extern int	mvs_rule_compact(const MvsHistory *history, int64 before);

/*
 * Entries, from the newest on, whose ends are not yet as long ago as the policy
 * wants at a time: each is to be looked at when its end is. The end of a head that
 * stays for good is MVS_NEWEST.
 */
extern int	mvs_rule_pending(const MvsHistory *history, const MvsPolicy *policy, int64 now);

/* From the first droppable entry on, what the horizon lets go. */
extern MvsVerdict mvs_rule_judge(const MvsHistory *history, int first, int64 horizon);

#endif							/* MVSTORE_RULE_H */
