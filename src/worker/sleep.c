/*-------------------------------------------------------------------------
 *
 * sleep.c
 *	  When the drop worker sleeps, and until when; whether it ends instead.
 *
 * It sleeps on its latch with no transaction open, and with no timeout unless
 * something is to happen at a known time.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "utils/timestamp.h"

#include "base/once.h"
#include "base/settings.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/database.h"
#include "shared/wake.h"
#include "version/version.h"
#include "worker/batch.h"
#include "worker/claim.h"
#include "worker/crew.h"
#include "worker/launcher.h"
#include "worker/left.h"
#include "worker/maintain.h"
#include "worker/pace.h"
#include "worker/pending.h"
#include "worker/process.h"
#include "worker/sleep.h"
#include "worker/steps.h"
#include "worker/sweep.h"

/* Milliseconds without work after which the worker ends, the second where there are no stores. */
#define IDLE_EXIT 300000
#define VACANT_EXIT 1000

/*
 * Milliseconds after which it makes room for one that is wanted elsewhere: without work; and where
 * there is some all the time. The position of a pass would be lost, so only one that follows
 * another is cut off.
 */
#define ROTATE_TIME 1000
#define LONGEST_TURN 10000

/* What lies before the worker, as seen once it has done all that was due. */
typedef struct Outlook
{
	TimestampTz now;
	bool		may_drop;		/* else drops are paused, or throttled */
	TimestampTz throttled;		/* until then; 0: not */
	bool		keeps;			/* something is in hand */
	bool		stays;			/* a step is to be tried again, or a vacuum under way */
	bool		crowded;		/* another database has waited for our place long enough */
	TimestampTz wake_at;		/* something is due, but what is in the queue; DT_NOEND: nothing */
} Outlook;

static void watch_writers(TimestampTz now);
static void look_ahead(Outlook *outlook);
static TimestampTz queue_due(const Outlook *outlook);
static int	time_to_stay(void);
static TimestampTz nap_end(const Outlook *outlook);
static bool is_dispensable(const Outlook *outlook);
static TimestampTz leave_at(void);
static bool may_leave(const Outlook *outlook);
static TimestampTz lie_down(const Outlook *outlook);
static TimestampTz turn_end(void);
static void give_way(TimestampTz until);

/* Have the end of a writer set the latch, if that is waited for. */
static void
watch_writers(TimestampTz now)
{
	if (mvs_sweep_waits_for_writers() || mvs_pending_waits_for_writers(now))
		mvs_version_watch_writers(mvs_worker.database);
}

/* Set *outlook to what lies before us. */
static void
look_ahead(Outlook *outlook)
{
	TimestampTz steps_at;
	bool		retrying;

	outlook->now = GetCurrentTimestamp();
	outlook->throttled = mvs_pace_throttled_until();
	outlook->may_drop = !mvs_pace_is_paused() && outlook->throttled == 0;
	outlook->keeps = mvs_pending_is_any() || mvs_left_is_any() || mvs_sweep_is_any();
	outlook->crowded = false;
	outlook->wake_at = outlook->throttled != 0 ? outlook->throttled : DT_NOEND;

	/* First the wish, then the look: who ends in between is seen or sets the latch. */
	if (outlook->may_drop && outlook->keeps)
	{
		watch_writers(outlook->now);
		outlook->wake_at = mvs_least(mvs_pending_due(outlook->now), mvs_sweep_due());
	}
	steps_at = mvs_steps_due(outlook->may_drop, &retrying);
	outlook->wake_at = Min(outlook->wake_at, steps_at);
	outlook->stays = retrying || mvs_maintain_is_running();

	/* Another database waits for our place? */
	if (mvs_launcher_wants_slots())
	{
		TimestampTz until = TimestampTzPlusMilliseconds(mvs_worker.claimed_at, ROTATE_TIME);

		/* Who waits for the rate limit only is not idle, and what he is in the midst of goes on. */
		if (outlook->keeps && outlook->throttled != 0)
			until = turn_end();
		else if (outlook->keeps)
		{
			until = TimestampTzPlusMilliseconds(mvs_worker.idle_since, ROTATE_TIME);
			if (!mvs_sweep_is_walking(false))
				until = mvs_least(until, turn_end());
		}
		outlook->crowded = until <= outlook->now;
		if (!outlook->crowded)
			outlook->wake_at = Min(outlook->wake_at, until);
	}
}

/* Return when the queue is to be worked off; DT_NOEND: not as things are. With queue_lock held. */
static TimestampTz
queue_due(const Outlook *outlook)
{
	return outlook->may_drop ? mvs_batch_due(outlook->now) : DT_NOEND;
}

/* Return the milliseconds that the worker stays without work. With queue_lock held. */
static int
time_to_stay(void)
{
	return mvs_worker.database->vacant ? VACANT_EXIT : IDLE_EXIT;
}

/* Whether nothing keeps the worker here. With queue_lock held. */
static bool
is_dispensable(const Outlook *outlook)
{
	const MvsDatabase *database = mvs_worker.database;

	if (outlook->keeps || outlook->stays || !mvs_queue_is_done(database) ||
		database->clock->stable_due || mvs_left_replay_is_under_way())
		return false;
	return database->vacant || mvs_steps_stable_due() == DT_NOEND;
}

/* Return when a worker that nothing keeps ends. */
static TimestampTz
leave_at(void)
{
	return TimestampTzPlusMilliseconds(Max(mvs_worker.idle_since, mvs_worker.served_at),
									   time_to_stay());
}

/* Whether the worker is to end. With queue_lock held. */
static bool
may_leave(const Outlook *outlook)
{
	return is_dispensable(outlook) && (outlook->crowded || leave_at() <= outlook->now);
}

/*
 * Return when a worker that finds the queue empty looks again, though nobody wakes it: while
 * requests come all the time, the first of them need not. None waits longer than it would.
 */
static TimestampTz
nap_end(const Outlook *outlook)
{
	if (mvs_worker.idle_since > outlook->now)
		return outlook->now;	/* the clock was moved back */
	return TimestampTzPlusMilliseconds(mvs_worker.idle_since, mvs_flush_interval);
}

/* Tell who publishes when to wake us; return when to get up without that. With queue_lock held. */
static TimestampTz
lie_down(const Outlook *outlook)
{
	MvsDatabase *database = mvs_worker.database;
	TimestampTz due_at = queue_due(outlook);
	TimestampTz wake_at = Min(outlook->wake_at, due_at);

	if (due_at != DT_NOEND)
		database->queue->wake_at = mvs_batch_size;
	else if (!outlook->may_drop || mvs_pending_is_full())
		database->queue->wake_at = PG_INT64_MAX;
	else if (nap_end(outlook) > outlook->now)
	{
		database->queue->wake_at = mvs_batch_size;
		wake_at = mvs_least(wake_at, nap_end(outlook));
	}
	else
		database->queue->wake_at = 1;

	/* One that may not leave sleeps all the same. */
	if (is_dispensable(outlook))
		wake_at = mvs_least(wake_at, leave_at());
	if (outlook->throttled == 0)
		database->worker->throttled_since = 0;
	database->worker->state = MVS_WORKER_IDLE;

	/* A wait for a lock may have used up the latch of what came in it, as of what is due. */
	return mvs_process_is_stopping() || ConfigReloadPending ? outlook->now : wake_at;
}

/*
 * Return when a worker that has something to do all the time makes room. A request for a range,
 * or a pass, that is cut off begins anew, so each turn then is twice as long as the last, until it
 * is done.
 */
static TimestampTz
turn_end(void)
{
	int			doubled = Min(mvs_worker.database->worker->long_turns, 20);

	return TimestampTzPlusMilliseconds(mvs_worker.claimed_at, (int64) LONGEST_TURN << doubled);
}

/* End until a time, as another database waits. With queue_lock held, which this releases. */
static void
give_way(TimestampTz until)
{
	MvsWorkerStatus *status = mvs_worker.database->worker;

	if (!mvs_pending_is_walking() && !mvs_sweep_is_walking(true))
		status->long_turns = 0;
	else if (turn_end() <= GetCurrentTimestamp())
		status->long_turns++;
	mvs_claim_give_way(until);
}

void
mvs_sleep_make_room(void)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!mvs_launcher_wants_slots() || mvs_sweep_is_walking(false) || now < turn_end())
		return;
	LWLockAcquire(mvs_worker.database->queue_lock, LW_EXCLUSIVE);
	give_way(now);
}

void
mvs_sleep_until_needed(void)
{
	MvsDatabase *database = mvs_worker.database;
	Outlook		outlook;
	TimestampTz wake_at;
	long		timeout = -1;

	/* Who has used it since may have committed since. */
	if (database->vacant)
		mvs_claim_review();
	look_ahead(&outlook);
	mvs_crew_rest();
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	if (may_leave(&outlook))
		mvs_claim_leave();
	if (outlook.crowded)
		give_way(mvs_least(outlook.wake_at, queue_due(&outlook)));
	wake_at = lie_down(&outlook);
	LWLockRelease(database->queue_lock);

	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	if (wake_at != DT_NOEND)
	{
		timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), wake_at);
		timeout = Min(Max(timeout, 0), MVS_LONGEST_TIMER);
	}
	if (timeout != 0)
		mvs_process_sleep(timeout);

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->worker->state = MVS_WORKER_BUSY;
	database->queue->wake_at = PG_INT64_MAX;
	LWLockRelease(database->queue_lock);
}
