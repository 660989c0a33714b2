/*-------------------------------------------------------------------------
 *
 * rules.c
 *	  Tables of cases for src/store/rule.c, and every small history.
 *
 * What is expected follows from design section 6. In the tables it is written
 * down; for the small histories it is computed entry by entry, from the text and
 * without a thought of how src/store/rule.c does it.
 *
 * Prints a line for each test: its name, what it got, what was expected, with
 * tabs between. t/model_of_rules_agrees.pl compiles this, runs it and compares.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/rule.h"

#undef printf					/* the C library's, not the server's */
#undef snprintf

#define MAX_ENTRIES 4
#define NEVER PG_INT64_MAX
#define NEWEST PG_INT64_MAX

/* Of the head: its expiry, or one of these. */
#define DELETED 0
#define LIVES NEVER

/* Who asks for a drop. A policy's keep is 0, and its keep_for -1, where not set. */
typedef struct Ask
{
	enum
	{
		ASK_REQUEST, ASK_POLICY, ASK_COMPACTION
	}			kind;
	int32		keep;
	int64		keep_for;
	int64		at;				/* before, or now */
} Ask;

#define REQUEST(keep, before) {ASK_REQUEST, keep, -1, before}
#define POLICY(keep_versions, keep_for, now) {ASK_POLICY, keep_versions, keep_for, now}
#define COMPACTION(before) {ASK_COMPACTION, 0, -1, before}

/* ---- Tables ---------------------------------------------------------- */

static const struct
{
	const char *name;
	int64		versions[MAX_ENTRIES];	/* newest first */
	int64		head;
	const char *ends;
}			ends[] =
{
	/* name, versions, head, ends */
	{"an entry ends when the next one came, a head that lives never", {9, 4, 1}, LIVES, "never 9 4"},
	{"a tombstone ends as it comes", {9, 4}, DELETED, "9 9"},
	{"a head that expires ends then", {9, 4}, 12, "12 9"},
	{"a head may expire as it comes", {9, 4}, 9, "9 9"},
	{"a head that expired before it came ends as it comes", {9, 4}, 5, "9 9"},
	{"an entry put into the past ends the one below it", {9, 5, 1}, LIVES, "never 9 5"},
};

static const struct
{
	const char *name;
	int64		versions[MAX_ENTRIES];
	int64		head;
	Ask			ask;
	int64		horizon;
	MvsVerdict	expected;		/* first, floor, held, together */
}			verdicts[] =
{
	/* name, versions, head, who asks, horizon, {first, floor, held, together} */
	{"request: of no entries none goes", {0}, LIVES, REQUEST(1, NEWEST), NEWEST, {0, 0, 0, 0}},
	{"request: a head never goes", {9}, LIVES, REQUEST(1, NEWEST), NEWEST, {1, 0, 0, 0}},
	{"request: all but the head", {9, 7, 5, 3}, LIVES, REQUEST(1, NEWEST), NEWEST, {1, 9, 0, 0}},
	{"request: exactly keep entries stay", {9, 7, 5}, LIVES, REQUEST(3, NEWEST), NEWEST, {3, 0, 0, 0}},
	{"request: the one beyond keep goes", {9, 7, 5, 3}, LIVES, REQUEST(3, NEWEST), NEWEST, {3, 5, 0, 0}},
	{"request: keep is more than there is", {9, 7}, LIVES, REQUEST(PG_INT32_MAX, NEWEST), NEWEST, {2, 0, 0, 0}},
	{"request: superseded exactly at before goes", {9, 7, 5}, LIVES, REQUEST(1, 7), NEWEST, {2, 7, 0, 0}},
	{"request: superseded one after before stays", {9, 7, 5}, LIVES, REQUEST(1, 6), NEWEST, {3, 0, 0, 0}},
	{"request: before is below all", {9, 7, 5}, LIVES, REQUEST(1, 0), NEWEST, {3, 0, 0, 0}},
	{"request: keep holds what before lets go", {9, 7, 5, 3}, LIVES, REQUEST(3, 9), NEWEST, {3, 5, 0, 0}},
	{"request: before holds what keep lets go", {9, 7, 5, 3}, LIVES, REQUEST(1, 5), NEWEST, {3, 5, 0, 0}},
	{"request: newer puts count in rank only", {12, 11, 9, 7}, LIVES, REQUEST(2, 9), NEWEST, {3, 9, 0, 0}},
	{"request: sparse versions", {NEWEST - 1, 1000000, 2, 1}, LIVES, REQUEST(1, 999999), NEWEST, {3, 2, 0, 0}},
	{"request: before an entry is put into the past", {9, 1}, LIVES, REQUEST(1, 5), NEWEST, {2, 0, 0, 0}},
	{"request: the entry put there supersedes", {9, 5, 1}, LIVES, REQUEST(1, 5), NEWEST, {2, 5, 0, 0}},
	{"request: one more put there counts in rank", {9, 7, 5, 1}, LIVES, REQUEST(3, 7), NEWEST, {3, 5, 0, 0}},
	{"request: a tombstone stays", {9, 7}, DELETED, REQUEST(1, NEWEST), NEWEST, {1, 9, 0, 0}},
	{"request: a lone tombstone stays", {9}, DELETED, REQUEST(1, NEWEST), NEWEST, {1, 0, 0, 0}},
	{"request: an expired head stays", {9, 7}, 9, REQUEST(1, NEWEST), NEWEST, {1, 9, 0, 0}},

	{"horizon: superseded exactly at it goes", {9, 7, 5}, LIVES, REQUEST(1, NEWEST), 9, {1, 9, 0, 0}},
	{"horizon: superseded one after it is held", {9, 7, 5}, LIVES, REQUEST(1, NEWEST), 8, {2, 7, 9, 0}},
	{"horizon: held is the lowest end of what it keeps", {9, 7, 5, 3}, LIVES, REQUEST(1, NEWEST), 5, {3, 5, 7, 0}},
	{"horizon: below all, all is held", {9, 7, 5, 3}, LIVES, REQUEST(1, NEWEST), 0, {4, 0, 5, 0}},
	{"horizon: holds nothing that stays anyway", {9, 7, 5, 3}, LIVES, REQUEST(3, NEWEST), 7, {3, 5, 0, 0}},
	{"horizon: holds what no other rule does", {9, 7, 5, 3}, LIVES, REQUEST(1, 7), 6, {3, 5, 7, 0}},
	{"horizon: a purge exactly at it", {9, 7}, DELETED, POLICY(1, -1, 20), 9, {0, 9, 0, 1}},
	{"horizon: a purge one after it is held", {9, 7}, DELETED, POLICY(1, -1, 20), 8, {2, 0, 9, 0}},
	{"horizon: what is older than a held purge goes", {9, 7, 5}, DELETED, POLICY(1, -1, 20), 8, {2, 7, 9, 0}},
	{"horizon: with a held purge stays what rank keeps", {9, 7, 5, 3}, DELETED, POLICY(5, -1, 20), 8, {4, 0, 9, 0}},
	{"horizon: with a held purge goes what is beyond keep_versions", {9, 7, 5, 3}, DELETED, POLICY(2, -1, 20), 8, {2, 7, 9, 0}},
	{"horizon: with a held purge goes what is old enough", {9, 7, 5}, DELETED, POLICY(0, 11, 20), 7, {2, 7, 9, 0}},
	{"horizon: an expiry after it is held, and without a policy all with it", {9, 7}, 12, POLICY(0, -1, 20), 11, {2, 0, 12, 0}},
	{"horizon: with a held expiry goes what is beyond keep_versions", {9, 7, 5}, 12, POLICY(2, -1, 20), 11, {2, 7, 12, 0}},
	{"horizon: a compaction is held by it", {9, 7, 5}, LIVES, COMPACTION(9), 8, {2, 7, 9, 0}},

	{"policy: of no entries none goes", {0}, LIVES, POLICY(1, 0, 20), NEWEST, {0, 0, 0, 0}},
	{"policy: none, all stays", {9, 7, 5}, LIVES, POLICY(0, -1, 20), NEWEST, {3, 0, 0, 0}},
	{"policy: the head alone", {9, 7, 5}, LIVES, POLICY(1, -1, 20), NEWEST, {1, 9, 0, 0}},
	{"policy: exactly keep_versions stay", {9, 7, 5}, LIVES, POLICY(3, -1, 20), NEWEST, {3, 0, 0, 0}},
	{"policy: the one beyond keep_versions goes", {9, 7, 5, 3}, LIVES, POLICY(3, -1, 20), NEWEST, {3, 5, 0, 0}},
	{"policy: superseded exactly keep_for ago goes", {9, 7, 5}, LIVES, POLICY(0, 11, 20), NEWEST, {1, 9, 0, 0}},
	{"policy: superseded a little less long ago stays", {9, 7, 5}, LIVES, POLICY(0, 12, 20), NEWEST, {2, 7, 0, 0}},
	{"policy: keep_for alone keeps the head, old as it is", {9}, LIVES, POLICY(0, 0, 1000), NEWEST, {1, 0, 0, 0}},
	{"policy: superseded just now, keep_for 0", {9, 7}, LIVES, POLICY(0, 0, 9), NEWEST, {1, 9, 0, 0}},
	{"policy: keep_for reaches beyond the beginning", {9, 7}, LIVES, POLICY(0, NEVER, 20), NEWEST, {2, 0, 0, 0}},
	{"policy: of both, keep_versions holds", {9, 7, 5, 3}, LIVES, POLICY(3, 0, 20), NEWEST, {3, 5, 0, 0}},
	{"policy: of both, keep_for holds", {9, 7, 5, 3}, LIVES, POLICY(1, 14, 20), NEWEST, {3, 5, 0, 0}},
	{"policy: sparse versions", {NEWEST - 9, 1000000, 2, 1}, LIVES, POLICY(1, 8, NEWEST - 2), NEWEST, {2, 1000000, 0, 0}},
	{"policy: an entry put into the past counts", {9, 5, 1}, LIVES, POLICY(2, -1, 20), NEWEST, {2, 5, 0, 0}},
	{"policy: it supersedes at its own version", {9, 5, 1}, LIVES, POLICY(0, 12, 20), NEWEST, {2, 5, 0, 0}},

	{"purge: a tombstone stays without a policy", {9, 7}, DELETED, POLICY(0, -1, 20), NEWEST, {2, 0, 0, 0}},
	{"purge: with keep_versions all of the key goes", {9, 7}, DELETED, POLICY(5, -1, 20), NEWEST, {0, 9, 0, 2}},
	{"purge: a lone tombstone goes", {9}, DELETED, POLICY(1, -1, 20), NEWEST, {0, 9, 0, 1}},
	{"purge: written exactly keep_for ago", {9, 7}, DELETED, POLICY(0, 11, 20), NEWEST, {0, 9, 0, 1}},
	{"purge: written a little less long ago", {9, 7}, DELETED, POLICY(0, 12, 20), NEWEST, {2, 0, 0, 0}},
	{"purge: older history may go before the tombstone", {9, 7, 5}, DELETED, POLICY(0, 12, 20), NEWEST, {2, 7, 0, 0}},
	{"purge: of both, keep_for is for the tombstone", {9, 7}, DELETED, POLICY(2, 11, 20), NEWEST, {0, 9, 0, 2}},
	{"purge: of both, keep_for holds the tombstone", {9, 7, 5}, DELETED, POLICY(2, 12, 20), NEWEST, {2, 7, 0, 0}},

	{"expiry: exactly now, without a policy", {9, 7}, 12, POLICY(0, -1, 12), NEWEST, {0, 12, 0, 2}},
	{"expiry: one after now, without a policy", {9, 7}, 13, POLICY(0, -1, 12), NEWEST, {2, 0, 0, 0}},
	{"expiry: exactly now, with keep_versions", {9, 7}, 12, POLICY(2, -1, 12), NEWEST, {0, 12, 0, 2}},
	{"expiry: one after now, with keep_versions", {9, 7}, 13, POLICY(1, -1, 12), NEWEST, {1, 9, 0, 0}},
	{"expiry: exactly keep_for ago", {9, 7}, 12, POLICY(0, 3, 15), NEWEST, {0, 12, 0, 1}},
	{"expiry: a little less long ago", {9, 7}, 12, POLICY(0, 4, 15), NEWEST, {1, 9, 0, 0}},
	{"expiry: at the version itself", {9, 7}, 9, POLICY(0, -1, 9), NEWEST, {0, 9, 0, 2}},

	{"compaction: of no entries none goes", {0}, LIVES, COMPACTION(NEWEST), NEWEST, {0, 0, 0, 0}},
	{"compaction: superseded exactly at it goes", {9, 7, 5}, LIVES, COMPACTION(7), NEWEST, {2, 7, 0, 0}},
	{"compaction: superseded one after it stays", {9, 7, 5}, LIVES, COMPACTION(6), NEWEST, {3, 0, 0, 0}},
	{"compaction: a head that lives stays", {9, 7}, LIVES, COMPACTION(NEWEST), NEWEST, {1, 9, 0, 0}},
	{"compaction: a tombstone exactly at it goes", {9, 7}, DELETED, COMPACTION(9), NEWEST, {0, 9, 0, 0}},
	{"compaction: a tombstone one after it stays", {9, 7, 5}, DELETED, COMPACTION(8), NEWEST, {2, 7, 0, 0}},
	{"compaction: expired exactly at it goes", {9, 7}, 12, COMPACTION(12), NEWEST, {0, 12, 0, 0}},
	{"compaction: expired one after it stays", {9, 7}, 13, COMPACTION(12), NEWEST, {1, 9, 0, 0}},
	{"compaction: sparse versions", {NEWEST - 1, 1000000, 2, 1}, LIVES, COMPACTION(1000000), NEWEST, {2, 1000000, 0, 0}},
	{"compaction: an entry put into the past supersedes", {9, 5, 1}, LIVES, COMPACTION(5), NEWEST, {2, 5, 0, 0}},
};

static const struct
{
	const char *name;
	int64		versions[MAX_ENTRIES];
	int64		head;
	Ask			ask;
	int			expected;
}			pendings[] =
{
	/* name, versions, head, policy, how many entries */
	{"pending: of no entries none", {0}, LIVES, POLICY(1, 5, 20), 0},
	{"pending: a head that stays for good", {9, 7}, LIVES, POLICY(0, 0, 20), 1},
	{"pending: superseded exactly keep_for ago", {9, 7, 5}, LIVES, POLICY(0, 11, 20), 1},
	{"pending: superseded a little less long ago", {9, 7, 5}, LIVES, POLICY(0, 12, 20), 2},
	{"pending: also what keep_versions keeps", {9, 7, 5}, LIVES, POLICY(3, 14, 20), 3},
	{"pending: a tombstone exactly keep_for ago", {9, 7}, DELETED, POLICY(0, 11, 20), 0},
	{"pending: a tombstone a little less long ago", {9, 7}, DELETED, POLICY(0, 12, 20), 2},
	{"pending: expired exactly keep_for ago", {9, 7}, 12, POLICY(0, 8, 20), 0},
	{"pending: expired a little less long ago", {9, 7}, 12, POLICY(0, 9, 20), 1},
	{"pending: without keep_for a tombstone waits for nothing", {9, 7}, DELETED, POLICY(2, -1, 20), 0},
	{"pending: without keep_for an expiry that is now", {9, 7}, 20, POLICY(2, -1, 20), 0},
	{"pending: without keep_for an expiry to come", {9, 7}, 21, POLICY(2, -1, 20), 1},
	{"pending: without a policy an expiry to come", {9, 7}, 21, POLICY(0, -1, 20), 1},
	{"pending: an entry put into the past", {9, 5, 1}, LIVES, POLICY(0, 15, 20), 2},
};

/* ---- What src/store/rule.c says --------------------------------------------- */

static MvsHistory
history_of(const int64 *versions, int64 head)
{
	MvsHistory	history = {.versions = versions, .tombstone = head == DELETED};

	history.expires = history.tombstone ? NEVER : head;
	while (history.count < MAX_ENTRIES && versions[history.count] > 0)
		history.count++;
	return history;
}

static MvsVerdict
judge(const MvsHistory *history, const Ask *ask, int64 horizon)
{
	MvsRule		rule = {ask->keep, ask->at};
	MvsPolicy	policy = {ask->keep, ask->keep_for};
	MvsDroppable droppable = {0};

	if (ask->kind == ASK_REQUEST)
		droppable.first = mvs_rule_request(history, &rule);
	else if (ask->kind == ASK_POLICY)
		droppable = mvs_rule_policy(history, &policy, ask->at);
	else
		droppable.first = mvs_rule_compact(history, ask->at);
	return mvs_rule_judge(history, droppable, horizon);
}

static int
pending_of(const MvsHistory *history, const Ask *ask)
{
	MvsPolicy	policy = {ask->keep, ask->keep_for};

	return mvs_rule_pending(history, &policy, ask->at);
}

/* ---- What section 6 says of one entry ---------------------------------- */

/* Section 2; an expiry before the version, which only plain SQL makes, comes with it. */
static int64
end_of(const MvsHistory *history, int entry)
{
	if (entry > 0)
		return history->versions[entry - 1];
	if (history->tombstone || history->expires < history->versions[0])
		return history->versions[0];
	return history->expires;
}

/* By itself, whatever becomes of the others. */
static bool
is_droppable_alone(const MvsHistory *history, const Ask *ask, int entry)
{
	int			rank = entry + 1;
	bool		by_count = ask->keep > 0;
	bool		by_age = ask->keep_for >= 0;

	if (ask->kind == ASK_REQUEST)
		return rank > ask->keep && end_of(history, entry) <= ask->at;
	if (ask->kind == ASK_COMPACTION)
		return (entry > 0 || history->tombstone || history->expires != NEVER) &&
			end_of(history, entry) <= ask->at;
	return entry > 0 && (by_count || by_age) &&
		(!by_count || rank > ask->keep) &&
		(!by_age || end_of(history, entry) <= ask->at - ask->keep_for);
}

/* The whole key, head and all. */
static bool
is_purged(const MvsHistory *history, const Ask *ask)
{
	bool		by_count = ask->keep > 0;
	bool		by_age = ask->keep_for >= 0;

	return ask->kind == ASK_POLICY && history->count > 0 &&
		(history->tombstone ? by_count || by_age : history->expires <= ask->at) &&
		(!by_age || end_of(history, 0) <= ask->at - ask->keep_for);
}

static bool
is_droppable(const MvsHistory *history, const Ask *ask, int entry)
{
	return is_droppable_alone(history, ask, entry) || is_purged(history, ask);
}

/* The verdict that follows. False: what stays is not the newest part. */
static bool
expect(const MvsHistory *history, const Ask *ask, int64 horizon, MvsVerdict *expected)
{
	MvsVerdict	nothing = {.first = history->count};
	bool		newest_part = true;
	bool		purged = is_purged(history, ask) && end_of(history, 0) <= horizon;

	*expected = nothing;
	for (int entry = 0; entry < history->count; entry++)
	{
		int64		end = end_of(history, entry);
		bool		alone = is_droppable_alone(history, ask, entry);

		if (purged || (alone && end <= horizon))
		{
			expected->first = Min(expected->first, entry);
			expected->floor = Max(expected->floor, end);
			if (!alone)
				expected->together = entry + 1;
			continue;
		}
		/* It waits for its own end, or for that of the head. */
		if (!alone)
			end = is_purged(history, ask) ? end_of(history, 0) : 0;
		if (end > 0 && (expected->held == 0 || end < expected->held))
			expected->held = end;
		if (expected->first < entry)
			newest_part = false;
	}
	return newest_part;
}

/* How many entries have yet to end, or to have ended as long ago as the policy wants. */
static int
expect_pending(const MvsHistory *history, const Ask *ask)
{
	int			pending = 0;

	for (int entry = 0; entry < history->count; entry++)
		if (end_of(history, entry) > ask->at - Max(ask->keep_for, 0))
			pending++;
	return pending;
}

/* What time alone makes droppable, it does when one of the newest "pending" is due. */
static bool
is_enough(const MvsHistory *history, const Ask *ask, int pending, int64 latest)
{
	Ask			before = *ask;
	Ask			after = *ask;

	for (after.at++; after.at <= latest; before.at = after.at++)
	{
		bool		changes = false;
		bool		is_due = false;

		for (int entry = 0; entry < history->count; entry++)
			if (is_droppable(history, &before, entry) != is_droppable(history, &after, entry))
				changes = true;
		for (int entry = 0; entry < pending; entry++)
			if (end_of(history, entry) == after.at - Max(ask->keep_for, 0))
				is_due = true;
		if (changes && !is_due)
			return false;
	}
	return true;
}

/* ---- Comparing -------------------------------------------------------- */

static void
print_verdict(const char *name, const MvsVerdict *got, const MvsVerdict *expected)
{
	printf("%s", name);
	for (int i = 0; i < 2; i++)
	{
		const MvsVerdict *verdict = i == 0 ? got : expected;

		printf("\tfirst %d, floor %lld, held %lld, together %d", verdict->first,
			   (long long) verdict->floor, (long long) verdict->held, verdict->together);
	}
	printf("\n");
}

static void
try_tables(void)
{
	for (int i = 0; i < lengthof(ends); i++)
	{
		MvsHistory	history = history_of(ends[i].versions, ends[i].head);

		printf("%s\t", ends[i].name);
		for (int entry = 0; entry < history.count; entry++)
		{
			int64		end = mvs_rule_end(&history, entry);

			if (end == NEVER)
				printf("never");
			else
				printf("%s%lld", entry > 0 ? " " : "", (long long) end);
		}
		printf("\t%s\n", ends[i].ends);
	}
	for (int i = 0; i < lengthof(verdicts); i++)
	{
		MvsHistory	history = history_of(verdicts[i].versions, verdicts[i].head);
		MvsVerdict	got = judge(&history, &verdicts[i].ask, verdicts[i].horizon);

		print_verdict(verdicts[i].name, &got, &verdicts[i].expected);
	}
	for (int i = 0; i < lengthof(pendings); i++)
	{
		MvsHistory	history = history_of(pendings[i].versions, pendings[i].head);

		printf("%s\t%d\t%d\n", pendings[i].name, pending_of(&history, &pendings[i].ask),
			   pendings[i].expected);
	}
}

/* ---- Every small history ---------------------------------------------- */

#define MAX_VERSION 5
#define MAX_TIME 8				/* of expiries, horizons, before and now */
#define MAX_KEEP_FOR 3

static int	wrong;

/* Say where the rules differ, the first few times. */
static void
complain(const char *what, const MvsHistory *history, const Ask *ask, int64 horizon)
{
	static const char *const kinds[] = {"request", "policy", "compaction"};

	if (wrong++ >= 5)
		return;
	printf("%s: %s, versions", what, kinds[ask->kind]);
	for (int i = 0; i < history->count; i++)
		printf(" %lld", (long long) history->versions[i]);
	printf("%s, expires %lld, keep %d, keep_for %lld, at %lld, horizon %lld\tdiffers\tas section 6\n",
		   history->tombstone ? " deleted" : "", (long long) history->expires, ask->keep,
		   (long long) ask->keep_for, (long long) ask->at, (long long) horizon);
}

static void
try_ask(const MvsHistory *history, const Ask *ask)
{
	for (int64 horizon = 0; horizon <= MAX_TIME; horizon++)
	{
		MvsVerdict	got = judge(history, ask, horizon);
		MvsVerdict	expected;

		if (!expect(history, ask, horizon, &expected))
			complain("not the newest part", history, ask, horizon);
		if (got.first != expected.first || got.floor != expected.floor ||
			got.held != expected.held || got.together != expected.together)
			complain("verdict", history, ask, horizon);
	}

	/* Now is never below a version, plain SQL aside. */
	if (ask->kind == ASK_POLICY && (history->count == 0 || ask->at >= history->versions[0]))
	{
		int			pending = pending_of(history, ask);

		if (pending != expect_pending(history, ask))
			complain("pending", history, ask, NEWEST);
		if (!is_enough(history, ask, pending, MAX_TIME + MAX_KEEP_FOR))
			complain("not all is pending that time lets go", history, ask, NEWEST);
	}
}

static int
try_history(const MvsHistory *history)
{
	int			asks = 0;

	for (int64 at = 0; at <= MAX_TIME; at++)
	{
		for (int keep = 0; keep <= MAX_ENTRIES; keep++)
		{
			Ask			request = REQUEST(keep, at);

			for (int64 keep_for = -1; keep_for <= MAX_KEEP_FOR; keep_for++)
			{
				Ask			policy = POLICY(keep, keep_for, at);

				try_ask(history, &policy);
				asks++;
			}
			if (keep > 0)		/* a request keeps one at least */
			{
				try_ask(history, &request);
				asks++;
			}
		}
		try_ask(history, &(Ask) COMPACTION(at));
		asks++;
	}
	return asks;
}

static void
try_small_histories(void)
{
	int			histories = 0;
	int			asks = 0;

	for (int set = 0; set < 1 << MAX_VERSION; set++)
	{
		int64		versions[MAX_VERSION] = {0};
		int			count = 0;

		for (int version = MAX_VERSION; version > 0; version--)
			if (set & (1 << (version - 1)))
				versions[count++] = version;
		if (count > MAX_ENTRIES)
			continue;
		for (int64 head = DELETED; head <= MAX_TIME; head++)
		{
			MvsHistory	history = history_of(versions, head < MAX_TIME ? head : LIVES);

			asks += try_history(&history);
			histories++;
		}
	}
	printf("%d small histories, asked %d times: as section 6 says\t%d wrong\t0 wrong\n",
		   histories, asks, wrong);
}

int
main(void)
{
	try_tables();
	try_small_histories();
	return 0;
}
