/*-------------------------------------------------------------------------
 *
 * backlog.c
 *	  What is in the way of drops.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/backlog.h"

static void reset(MvsDatabase *database, void *place);
static MvsTrouble *find_trouble(MvsBacklog *backlog, const MvsTrouble *like);
static void merge_trouble(MvsBacklog *backlog, const MvsTrouble *trouble);

const MvsDatabasePart mvs_backlog_part = {.size = sizeof(MvsBacklogs), .reset = reset};

static void
reset(MvsDatabase *database, void *place)
{
	database->backlogs = place;
	mvs_backlog_clear(place);
	database->backlogs->pins_changed = true;
}

void
mvs_backlog_init(MvsBacklog *backlog)
{
	backlog->unfinished = PG_UINT64_MAX;
	backlog->held = backlog->pinned = backlog->retrying = 0;
	backlog->trouble_count = 0;
}

void
mvs_backlog_add_held(MvsBacklog *backlog, int64 count, bool pinned)
{
	backlog->held += count;
	if (pinned)
		backlog->pinned += count;
}

void
mvs_backlog_add_trouble(MvsBacklog *backlog, Oid store, bool locked, const char *message,
						int64 requests)
{
	MvsTrouble	trouble = {
		.store = store,
		.locked = locked,
		.since = GetCurrentTimestamp(),
		.requests = requests
	};

	if (!locked)
		strlcpy(trouble.message, message, MVS_ERROR_LENGTH);
	merge_trouble(backlog, &trouble);
}

/* The trouble of the same kind, on the same store; without a store, the very same. Or NULL. */
static MvsTrouble *
find_trouble(MvsBacklog *backlog, const MvsTrouble *like)
{
	for (int i = 0; i < backlog->trouble_count; i++)
	{
		MvsTrouble *trouble = &backlog->troubles[i];

		if (trouble->store == like->store && trouble->locked == like->locked &&
			(OidIsValid(like->store) || strcmp(trouble->message, like->message) == 0))
			return trouble;
	}
	return NULL;
}

/* Add a trouble to its like, or behind the others, if there is room. */
static void
merge_trouble(MvsBacklog *backlog, const MvsTrouble *trouble)
{
	MvsTrouble *known = find_trouble(backlog, trouble);

	if (known)
	{
		known->since = Min(known->since, trouble->since);
		known->requests += trouble->requests;
	}
	else if (backlog->trouble_count < MVS_MAX_TROUBLES)
		backlog->troubles[backlog->trouble_count++] = *trouble;
}

void
mvs_backlog_publish(MvsBacklogs *published, MvsBacklogPart part, const MvsBacklog *backlog)
{
	MvsBacklog	before;
	MvsBacklog *own = &published->parts[part];

	mvs_backlog_combine(published, &before);
	own->unfinished = backlog->unfinished;
	own->held = backlog->held;
	own->pinned = backlog->pinned;
	own->retrying = backlog->retrying;
	own->trouble_count = backlog->trouble_count;
	for (int i = 0; i < backlog->trouble_count; i++)
	{
		MvsTrouble *known = find_trouble(&before, &backlog->troubles[i]);

		own->troubles[i] = backlog->troubles[i];
		if (known)
			own->troubles[i].since = known->since;
	}
}

void
mvs_backlog_combine(const MvsBacklogs *published, MvsBacklog *all)
{
	mvs_backlog_init(all);
	for (const MvsBacklog *part = published->parts;
		 part < published->parts + MVS_BACKLOG_PARTS; part++)
	{
		all->unfinished = Min(all->unfinished, part->unfinished);
		all->held += part->held;
		all->pinned += part->pinned;
		all->retrying += part->retrying;
		for (int i = 0; i < part->trouble_count; i++)
			merge_trouble(all, &part->troubles[i]);
	}
	if (published->pins_changed)
		all->pinned = 0;
}

void
mvs_backlog_unpin(MvsBacklogs *published)
{
	for (int part = 0; part < MVS_BACKLOG_PARTS; part++)
		published->parts[part].pinned = 0;
}

void
mvs_backlog_clear(MvsBacklogs *published)
{
	for (int part = 0; part < MVS_BACKLOG_PARTS; part++)
		mvs_backlog_init(&published->parts[part]);
}
