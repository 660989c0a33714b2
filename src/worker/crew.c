/*-------------------------------------------------------------------------
 *
 * crew.c
 *	  The assistants of a drop worker, as the worker has them: when they are started
 *	  and sent away, what they are given to do.
 *
 * The worker has all that there is one of: the queue, what is in hand, the journal's
 * replay, sweeps. Of a sorted batch that is large enough it keeps the first keys, and gives
 * the next to assistants (assistant.c), each a part of its own. So no key is in two hands: the
 * worker goes on, with ranges at last, when all have answered. Until then the requests of a
 * share stay where they were; a share without an answer is as one that nobody began: what
 * of it was done is found done by the journal, or does no harm when it is done again.
 *
 * An assistant has a segment of shared memory with two message queues, of which the worker
 * has the other ends. Whichever of the two ends, the other one sees its queue detached: an
 * assistant without a worker finishes what it is at, and ends. Until it has, the next worker
 * drops nothing.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/shm_mq.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "queue/queue.h"
#include "shared/droppers.h"
#include "shared/fault.h"
#include "worker/crew.h"
#include "worker/launcher.h"
#include "worker/pace.h"
#include "worker/process.h"
#include "worker/share.h"
#include "worker/sweep.h"

/*
 * For how many requests a hand more pays: a share of fewer costs more than it saves, and
 * for a backlog of fewer it is not worth starting a process, which takes some 10 ms.
 */
#define SHARE_REQUESTS mvs_batch_size
#define START_REQUESTS (4 * (int64) mvs_batch_size)

/* Milliseconds before another try to start one, where one ended early or could not be started. */
#define RETRY_TIME 1000

typedef struct Assistant
{
	BackgroundWorkerHandle *handle; /* NULL: there is none */
	dsm_segment *segment;
	shm_mq_handle *to;
	shm_mq_handle *from;
	int			first;			/* of the batch, what it has in hand */
	int			count;
} Assistant;

static Assistant crew[MVS_MAX_DROPPERS - 1];
static TimestampTz start_at = 0;	/* no other before */
static bool refused = false;	/* the last that was to be started could not be */

static bool keeps_news = false; /* we are an assistant */
static List *kept_news = NIL;

static bool is_ready(const Assistant *assistant);
static void send_away(Assistant *assistant);
static void start_one(Assistant *assistant);
static bool register_process(Assistant *assistant);
static void set_lack(bool lacks_slot);
static int	hands_wanted(int count);
static int	muster(int hands);
static int	count_keys(MvsPending **batch, int count);
static int	end_of_share(MvsPending **batch, int from, int to, int keys);
static bool give(Assistant *assistant, MvsPending **batch, int first, int count);
static int	hear(Assistant *assistant, MvsPending **batch);
static void miss(Assistant *assistant, MvsPending **batch);

/* ------------------------------------------------------------------------
 * Who there is
 * ------------------------------------------------------------------------ */

/* Whether it has started, and not ended yet. */
static bool
is_ready(const Assistant *assistant)
{
	return assistant->handle && shm_mq_get_sender(shm_mq_get_queue(assistant->from)) != NULL;
}

/* Have one end, that has nothing in hand, or be done with one that has ended. */
static void
send_away(Assistant *assistant)
{
	shm_mq_detach(assistant->to);
	shm_mq_detach(assistant->from);
	dsm_detach(assistant->segment);
	pfree(assistant->handle);
	memset(assistant, 0, sizeof(Assistant));
}

/* Start one, if it can be started. */
static void
start_one(Assistant *assistant)
{
	MemoryContext old = MemoryContextSwitchTo(mvs_worker.context);
	volatile bool started = false;

	PG_TRY();
	{
		started = register_process(assistant);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);

		/* No memory: it goes without. */
		(void) mvs_process_keep_error(true);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	if (!started)
		start_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_TIME);
	refused = !started;
}

/* Make its segment and register the process; false where the server has no slot for it. */
static bool
register_process(Assistant *assistant)
{
	MvsAssistantStart start = {.database = MyDatabaseId, .worker_pid = MyProcPid};
	BackgroundWorker worker = {
		.bgw_type = "mvstore drop assistant",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "mvstore",
		.bgw_function_name = "mvs_assistant_main",
		.bgw_notify_pid = MyProcPid
	};
	dsm_segment *segment = dsm_create(2 * MVS_CREW_QUEUE, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	shm_mq	   *queues[2];
	BackgroundWorkerHandle *handle;

	if (segment == NULL)
		return false;
	dsm_pin_mapping(segment);
	for (int i = 0; i < 2; i++)
		queues[i] = shm_mq_create((char *) dsm_segment_address(segment) +
								  (Size) i * MVS_CREW_QUEUE, MVS_CREW_QUEUE);
	shm_mq_set_sender(queues[0], MyProc);
	shm_mq_set_receiver(queues[1], MyProc);

	snprintf(worker.bgw_name, BGW_MAXLEN, "mvstore drop assistant for database %u", MyDatabaseId);
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment));
	memcpy(worker.bgw_extra, &start, sizeof(start));
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		dsm_detach(segment);
		return false;
	}
	assistant->segment = segment;
	assistant->to = shm_mq_attach(queues[0], segment, handle);
	assistant->from = shm_mq_attach(queues[1], segment, handle);
	assistant->handle = handle; /* last: with one, it has all */
	return true;
}

/* Say whether one could not be started that is wanted. */
static void
set_lack(bool lacks_slot)
{
	MvsDatabase *database = mvs_worker.database;

	if (database->droppers->lacks_slot == lacks_slot)
		return;
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->droppers->lacks_slot = lacks_slot;
	LWLockRelease(database->queue_lock);
}

/* Return how many hands would shorten the backlog, with a batch of so many requests at its head. */
static int
hands_wanted(int count)
{
	int64		backlog = Max(mvs_worker.database->queue->count, count);

	/* Whoever has no worker at all comes first; and where a rate is set, it is for less. */
	if (mvs_launcher_lacks_slot() || mvs_drop_rate_limit > 0 || mvs_process_is_stopping())
		return 1;
	return (int) Min(mvs_workers_per_database, 1 + backlog / START_REQUESTS);
}

/* Have up to so many hands, ours among them, and return how many are ready. */
static int
muster(int hands)
{
	int			there = 1;
	int			ready = 1;
	pid_t		pid;

	for (int i = 0; i < lengthof(crew); i++)
	{
		Assistant  *assistant = &crew[i];
		bool		ended = assistant->handle &&
		GetBackgroundWorkerPid(assistant->handle, &pid) == BGWH_STOPPED;

		/* Before it was ready? So would the next one, perhaps. */
		if (ended && !is_ready(assistant))
			start_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_TIME);
		if (ended || (assistant->handle && (there >= mvs_workers_per_database ||
											mvs_launcher_lacks_slot())))
			send_away(assistant);
		there += (assistant->handle != NULL);
		ready += is_ready(assistant);
	}
	for (int i = 0; i < lengthof(crew) && there < hands; i++)
	{
		if (crew[i].handle || start_at > GetCurrentTimestamp())
			continue;
		start_one(&crew[i]);
		there += (crew[i].handle != NULL);
	}
	set_lack(there < hands && refused);
	return ready;
}

void
mvs_crew_rest(void)
{
	(void) muster(1);
}

bool
mvs_crew_is_of_another(void)
{
	return mvs_worker.database->droppers->assistants > 0;
}

/* ------------------------------------------------------------------------
 * What they do
 * ------------------------------------------------------------------------ */

/* Return how many requests are for keys: those for ranges are behind them. */
static int
count_keys(MvsPending **batch, int count)
{
	while (count > 0 && MvsRequestIsRange(batch[count - 1]->request))
		count--;
	return count;
}

/* Return where a share ends that is to go to "to", with all requests of its last key. */
static int
end_of_share(MvsPending **batch, int from, int to, int keys)
{
	while (to > from && to < keys && mvs_pending_same_key(batch[to - 1], batch[to]))
		to++;
	return to;
}

/* Give an assistant a share of the batch; false where it has ended. */
static bool
give(Assistant *assistant, MvsPending **batch, int first, int count)
{
	MvsShareTerms terms = {.forgets = mvs_drop_forgets()};
	StringInfoData message;
	bool		given;

	initStringInfo(&message);
	mvs_share_write(&message, &terms, batch + first, count);
	given = shm_mq_send(assistant->to, message.len, message.data, false, true) == SHM_MQ_SUCCESS;
	pfree(message.data);
	if (!given)
	{
		send_away(assistant);
		return false;
	}
	assistant->first = first;
	assistant->count = count;
	return true;
}

MvsShares
mvs_crew_hand_out(MvsPending **batch, int count)
{
	MvsShares	shares = {.own = count};
	int			hands = muster(hands_wanted(count));
	int			keys;
	int			size;
	int			first;

	hands = Min(hands, count / SHARE_REQUESTS);
	if (hands < 2 || mvs_process_is_stopping())
		return shares;
	keys = count_keys(batch, count);
	size = Min(keys / hands + 1, MVS_REQUEST_LIMIT);
	first = end_of_share(batch, 0, Min(size, keys), keys);
	if (first == keys)
		return shares;
	shares.own = first;
	for (int i = 0, hand = 1; i < lengthof(crew) && hand < hands && first < keys; i++)
	{
		int			end = end_of_share(batch, first, Min(first + size, keys), keys);

		if (!is_ready(&crew[i]))
			continue;
		hand++;
		if (give(&crew[i], batch, first, end - first))
			first = end;
	}
	shares.others = first - shares.own;
	MVS_FAULT("shares-out");
	return shares;
}

/* Return how many of its share an assistant has worked off, once it has answered. */
static int
hear(Assistant *assistant, MvsPending **batch)
{
	Size		size;
	void	   *answer;
	ListCell   *cell;
	int			done;

	if (shm_mq_receive(assistant->from, &size, &answer, false) != SHM_MQ_SUCCESS)
	{
		miss(assistant, batch);
		return 0;
	}
	foreach(cell, mvs_share_read_answer(answer, batch + assistant->first, &done))
		mvs_crew_tell(lfirst(cell));
	assistant->count = 0;
	return done;
}

/* A share has no answer: what was done of it, and is to follow from that, is not known. */
static void
miss(Assistant *assistant, MvsPending **batch)
{
	MvsDropNews news = {0};

	for (int i = assistant->first; i < assistant->first + assistant->count; i++)
	{
		if (batch[i]->request->store == news.store)
			continue;
		news.store = batch[i]->request->store;
		mvs_crew_tell(&news);
	}
	send_away(assistant);
	start_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_TIME);
}

int
mvs_crew_collect(MvsPending **batch, const MvsShares *shares, int own_done)
{
	int			count = shares->own + shares->others;
	MvsPending **left = palloc(count * sizeof(MvsPending *));
	int			left_count = 0;
	int			done = own_done;

	for (int i = own_done; i < shares->own; i++)
		left[left_count++] = batch[i];
	for (int i = 0; i < lengthof(crew); i++)
	{
		int			first = crew[i].first;
		int			there = crew[i].count;
		int			its_done;

		if (there == 0)
			continue;
		its_done = hear(&crew[i], batch);
		memmove(batch + done, batch + first, its_done * sizeof(MvsPending *));
		done += its_done;
		memcpy(left + left_count, batch + first + its_done,
			   (there - its_done) * sizeof(MvsPending *));
		left_count += there - its_done;
	}
	Assert(done + left_count == count);
	memcpy(batch + done, left, left_count * sizeof(MvsPending *));
	pfree(left);
	MVS_FAULT("shares-in");
	return done;
}

/* ------------------------------------------------------------------------
 * What is to be known of drops
 * ------------------------------------------------------------------------ */

void
mvs_crew_tell(const MvsDropNews *news)
{
	MemoryContext old;
	MvsDropNews *copy;

	if (!keeps_news)
	{
		mvs_pace_dropped(news->entries);
		mvs_sweep_expect(news);
		return;
	}
	old = MemoryContextSwitchTo(mvs_worker.context);
	copy = palloc(sizeof(MvsDropNews));
	*copy = *news;
	kept_news = lappend(kept_news, copy);
	MemoryContextSwitchTo(old);
}

void
mvs_crew_keep_news(void)
{
	keeps_news = true;
	kept_news = NIL;
}

List *
mvs_crew_kept_news(void)
{
	return kept_news;
}
