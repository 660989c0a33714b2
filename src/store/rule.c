/*-------------------------------------------------------------------------
 *
 * rule.c
 *	  What may be dropped: pure rules over the versions of one key.
 *
 * Ends fall as entries get older, so every rule makes a newest part stay and
 * the rest go, and one index tells all of it. Only a purge, which needs the head to
 * go, has a say of its own.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/rule.h"

int64
mvs_rule_end(const MvsHistory *history, int entry)
{
	if (entry > 0)
		return history->versions[entry - 1];
	if (history->tombstone)
		return history->versions[0];
	return Max(history->expires, history->versions[0]);
}

int
mvs_rule_request(const MvsHistory *history, const MvsRule *rule)
{
	int			first = rule->keep;

	while (first < history->count && mvs_rule_end(history, first) > rule->before)
		first++;
	return Min(first, history->count);
}

MvsDroppable
mvs_rule_policy(const MvsHistory *history, const MvsPolicy *policy, int64 now)
{
	bool		limited = policy->keep_versions > 0 || policy->keep_for >= 0;
	int64		latest = policy->keep_for >= 0 ? now - policy->keep_for : PG_INT64_MAX;
	MvsRule		rule = {.keep = Max(policy->keep_versions, 1), .before = latest};
	MvsDroppable droppable = {.first = history->count};

	if (history->count == 0)
		return droppable;

	/* The whole key: under any policy a tombstone, in any store an expired head. */
	droppable.purge = (history->tombstone ? limited : history->expires <= now) &&
		mvs_rule_end(history, 0) <= latest;
	if (limited)
		droppable.first = mvs_rule_request(history, &rule);
	return droppable;
}

int
mvs_rule_compact(const MvsHistory *history, int64 before)
{
	bool		dies = history->tombstone || history->expires != PG_INT64_MAX;
	int			first = dies ? 0 : 1;

	while (first < history->count && mvs_rule_end(history, first) > before)
		first++;
	return Min(first, history->count);
}

int
mvs_rule_pending(const MvsHistory *history, const MvsPolicy *policy, int64 now)
{
	int			pending = 0;

	/* Without an age, only what has not yet expired has its end to come. */
	if (policy->keep_for < 0)
		return history->count > 0 && !history->tombstone && history->expires > now ? 1 : 0;
	while (pending < history->count &&
		   mvs_rule_end(history, pending) > now - policy->keep_for)
		pending++;
	return pending;
}

MvsVerdict
mvs_rule_judge(const MvsHistory *history, MvsDroppable droppable, int64 horizon)
{
	bool		purged = droppable.purge && mvs_rule_end(history, 0) <= horizon;
	MvsVerdict	verdict = {.together = purged ? droppable.first : 0};
	int			first = purged ? 0 : droppable.first;

	while (first < history->count && mvs_rule_end(history, first) > horizon)
		verdict.held = mvs_rule_end(history, first++);
	if (droppable.purge && !purged && verdict.held == 0)
		verdict.held = mvs_rule_end(history, 0);
	verdict.first = first;
	if (first < history->count)
		verdict.floor = mvs_rule_end(history, first);
	return verdict;
}
