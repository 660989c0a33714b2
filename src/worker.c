/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The drop worker of a database: batches, sweeps, and sleep.
 *
 * The worker takes requests from the queue in batches. A request that cannot be
 * worked off at once is kept here, in pending: held until the horizon has
 * passed it, or waiting for a lock or for another try after an error. Stores of
 * which only a sweep can tell are kept in sweeps. When the worker ends, however
 * it ends, what it keeps goes back: explicit requests are in the journal, for
 * implicit ones their stores are marked.
 *
 * It sleeps on its latch with no transaction open, and with no timeout unless
 * something is to happen at a known time.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "drop.h"
#include "journal.h"
#include "launcher.h"
#include "mvstore.h"
#include "queue.h"
#include "shmem.h"
#include "store.h"
#include "sweep.h"
#include "version.h"
#include "worker.h"

/* Tries of a request that fails alone, before it is set aside. */
#define MAX_TRIES 5

/* Milliseconds: the first delay after an error and after a lock; the longest. */
#define ERROR_DELAY 1000
#define LOCK_DELAY 50
#define MAX_DELAY 60000
#define MAX_LOCK_DELAY 2000

/* Milliseconds without work after which the worker ends. */
#define IDLE_EXIT (5 * 60 * 1000)

/* Milliseconds that SIGTERM leaves for what is due. */
#define SHUTDOWN_TIME 5000

/* Requests that a pass over the journal reads at a time, in batches. */
#define JOURNAL_BATCHES 10

/* What became of a request in a batch. */
typedef enum Outcome
{
	OUTCOME_DONE,
	OUTCOME_ALREADY_DONE,		/* through its row in the journal, or another's work on it */
	OUTCOME_HELD,				/* by the horizon */
	OUTCOME_LOCKED,				/* by somebody's lock */
	OUTCOME_ERROR
} Outcome;

/* A request in the worker's hands. */
typedef struct Pending
{
	MvsRequest *request;
	Outcome		outcome;
	Outcome		last_outcome;
	int			tries;			/* with that outcome, in a row */
	bool		in_batch;		/* the one under way */
	TimestampTz retry_at;
	bool		failed;			/* set aside */
	bool		found;			/* journal_tid is its row, in the current transaction */
	ItemPointerData journal_tid;
} Pending;

static MvsDatabase *database = NULL;	/* once this process is its worker */
static MemoryContext worker_context;	/* what outlives a loop */
static MemoryContext loop_context;
static List *pending = NIL;		/* of Pending */
static List *sweeps = NIL;		/* of MvsSweep */
static uint64 journal_sequence = PG_UINT64_MAX; /* 0 during a pass over the journal */
static TimestampTz idle_since;
static volatile sig_atomic_t got_sigterm = false;
static uint32 wait_event_main = 0;

static void handle_sigterm(SIGNAL_ARGS);
static void pin_settings(void);
static void forget_requests(void);
static bool claim_slot(void);
static void release_slot(int code, Datum argument);
static bool extension_is_here(void);
static void begin_sweeps(int64 version, uint64 sequence);
static void begin_sweep(Oid store, int64 version, uint64 sequence);
static void take_marks(void);
static bool pending_is_full(void);
static bool queue_is_due(bool force);
static bool is_due(Pending *item, TimestampTz now, int64 horizon);
static bool run_batch(bool force);
static void run_journal(void);
static void work_off(Pending **batch, int count);
static void settle(Pending **batch, int count);
static void work_group(Pending **group, int count);
static void work_group_in_transaction(Pending **group, int count);
static void find_journal_row(Pending *item);
static void work_key(MvsDrop *drop, Pending **group, int count);
static int	compare_pending(const void *a, const void *b);
static bool run_sweep(void);
static bool sweep_is_due(MvsSweep *sweep, TimestampTz now, int64 horizon);
static void after_slice(MvsSweep *sweep, MvsSweepState state);
static void note_error(bool log);
static void report_progress(void);
static int64 known_horizon(void);
static void sleep_until_needed(void);
static TimestampTz delay_until(int tries, int first, int longest);

/* ------------------------------------------------------------------------
 * Life
 * ------------------------------------------------------------------------ */

/* SIGTERM: finish what is due. A second one is an order. */
static void
handle_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	if (got_sigterm)
		die(postgres_signal_arg);
	got_sigterm = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

/* Settings that no ALTER DATABASE or ALTER ROLE may change for us. */
static void
pin_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"idle_in_transaction_session_timeout", "0"},
		{"lock_timeout", "0"},
		{"row_security", "off"},
		{"session_replication_role", "origin"},
		{"statement_timeout", "0"},
		/* A request and its work come back together after a crash. */
		{"synchronous_commit", "off"},
		{"transaction_timeout", "0"},
		{"zero_damaged_pages", "off"},
	};

	for (int i = 0; i < lengthof(settings); i++)
		if (GetConfigOption(settings[i][0], true, false) != NULL)
			SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

void
mvs_worker_main(Datum argument)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, handle_sigterm);
	BackgroundWorkerUnblockSignals();

	/* Registered first, so that it runs when locks and the connection are gone. */
	before_shmem_exit(release_slot, (Datum) 0);
	pin_settings();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, 0);

	worker_context = AllocSetContextCreate(TopMemoryContext, "mvstore worker",
										   ALLOCSET_DEFAULT_SIZES);
	loop_context = AllocSetContextCreate(TopMemoryContext, "mvstore worker loop",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(loop_context);
	if (!extension_is_here())
	{
		forget_requests();
		proc_exit(0);
	}
	if (!claim_slot())
		proc_exit(0);

	/* Shared memory is new: what it held is in the journal and in the stores. */
	if (!database->swept)
	{
		begin_sweeps(0, 0);
		journal_sequence = 0;
		report_progress();
		database->swept = true;
		run_journal();
	}

	idle_since = GetCurrentTimestamp();
	for (;;)
	{
		bool		busy;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(loop_context);
		MemoryContextReset(loop_context);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (got_sigterm || database->hold_off)
			break;

		if (database->mark_wanted)
		{
			StartTransactionCommand();
			mvs_version_serve_mark(database);
			CommitTransactionCommand();
			MemoryContextSwitchTo(loop_context);
		}
		take_marks();
		if (database->journal_wanted && !pending_is_full())
			run_journal();
		busy = run_batch(false);
		busy |= run_sweep();
		if (busy)
			idle_since = GetCurrentTimestamp();
		else
			sleep_until_needed();
	}

	/* A last effort; what it does not reach is not lost. */
	if (got_sigterm)
	{
		TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SHUTDOWN_TIME);

		while (GetCurrentTimestamp() < deadline && run_batch(true))
			CHECK_FOR_INTERRUPTS();
	}
	proc_exit(0);
}

/* Whether the database has the extension, and its objects are what we know. */
static bool
extension_is_here(void)
{
	bool		here;

	StartTransactionCommand();
	here = OidIsValid(get_extension_oid("mvstore", true)) &&
		OidIsValid(mvs_catalog_oid(MVS_POLICY, true)) &&
		OidIsValid(mvs_catalog_oid(MVS_JOURNAL, true)) &&
		OidIsValid(mvs_catalog_oid(MVS_CLOCK, true));
	/* The slot's clock is loaded in a transaction. */
	if (here)
		here = mvs_database_if_any() != NULL;
	CommitTransactionCommand();
	MemoryContextSwitchTo(loop_context);
	return here;
}

/* Without the extension, requests that its database still has are void. */
static void
forget_requests(void)
{
	MvsDatabase *slot = mvs_database_find(MyDatabaseId);

	if (slot == NULL)
		return;
	LWLockAcquire(slot->queue_lock, LW_EXCLUSIVE);
	if (slot->worker_pid == 0)
	{
		slot->queue_head = slot->queue_tail;
		slot->queue_count = 0;
		slot->taken = slot->published;
		slot->mark_count = 0;
		slot->all_marked = false;
		slot->journal_wanted = false;
		slot->mark_wanted = false;
		slot->worker_state = MVS_WORKER_NONE;
	}
	LWLockRelease(slot->queue_lock);
	ConditionVariableBroadcast(&slot->progress);
}

/* Become the worker of this database, unless it has one. */
static bool
claim_slot(void)
{
	MvsDatabase *slot = mvs_database();
	bool		claimed = false;

	LWLockAcquire(slot->queue_lock, LW_EXCLUSIVE);
	if (slot->worker_pid == 0)
	{
		slot->worker_pid = MyProcPid;
		slot->worker_proc = mvs_compat_proc_number();
		slot->worker_state = MVS_WORKER_BUSY;
		slot->queue_wake_at = PG_INT64_MAX;
		claimed = true;
	}
	LWLockRelease(slot->queue_lock);
	if (claimed)
		database = slot;
	return claimed;
}

/* At the end of the process: give back what it keeps, and its place. */
static void
release_slot(int code, Datum argument)
{
	ListCell   *cell;

	if (database == NULL)
		return;
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	foreach(cell, pending)
	{
		Pending    *item = lfirst(cell);

		if (item->request->journal != 0)
			database->journal_wanted = true;
		else
			mvs_queue_mark(database, item->request->store, item->request->before,
						   item->request->sequence);
	}
	foreach(cell, sweeps)
	{
		MvsSweep   *sweep = lfirst(cell);

		/* One that waits for its time is told of, so that the next worker knows it. */
		mvs_queue_mark(database, sweep->store,
					   Max(sweep->version, sweep->again ? sweep->again_version : 0),
					   sweep->active ? sweep->sequence : PG_UINT64_MAX);
	}
	if (journal_sequence != PG_UINT64_MAX)
		database->journal_wanted = true;
	database->unfinished = PG_UINT64_MAX;
	database->held_count = database->retry_count = database->failed_count = 0;
	database->worker_pid = 0;
	database->worker_proc = -1;
	database->worker_state = MVS_WORKER_WANTED;
	database->queue_wake_at = 1;
	LWLockRelease(database->queue_lock);
	ConditionVariableBroadcast(&database->progress);
	mvs_wake_proc(mvs_shared->launcher_proc);
	database = NULL;
}

/* ------------------------------------------------------------------------
 * Batches
 * ------------------------------------------------------------------------ */

/* Whether we keep so much that the queue must wait, and may overflow. */
static bool
pending_is_full(void)
{
	return list_length(pending) >= mvs_queue_size;
}

/* Whether the queue is to be worked off now. */
static bool
queue_is_due(bool force)
{
	bool		due;

	if (pending_is_full())
		return false;
	LWLockAcquire(database->queue_lock, LW_SHARED);
	due = database->queue_count > 0 &&
		(force || database->queue_count >= mvs_batch_size ||
		 database->flush_sequence > database->taken ||
		 TimestampDifferenceExceeds(database->queue_oldest, GetCurrentTimestamp(),
									mvs_flush_interval));
	LWLockRelease(database->queue_lock);
	return due;
}

/* What the horizon would be for a snapshot taken now, the clock aside. */
static int64
known_horizon(void)
{
	return mvs_version_oldest_writer(database).version - 1;
}

/* Whether a request that is kept here is to be tried now. */
static bool
is_due(Pending *item, TimestampTz now, int64 horizon)
{
	if (item->failed)
		return false;
	if (item->outcome == OUTCOME_HELD && item->request->before > horizon)
		return false;
	return item->retry_at <= now;
}

/* Work off one batch, if one is due; false if none was. */
static bool
run_batch(bool force)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end;
	int64		horizon = pending == NIL ? 0 : known_horizon();
	Pending   **batch = palloc(mvs_batch_size * sizeof(Pending *));
	List	   *left = NIL;
	int			count = 0;
	int			from_queue = 0;
	Size		queue_size = 0;
	uint64		last_sequence = 0;
	ListCell   *cell;

	/* What is kept and due comes first: it has waited longest. */
	foreach(cell, pending)
	{
		Pending    *item = lfirst(cell);

		item->in_batch = count < mvs_batch_size && is_due(item, now, horizon);
		if (item->in_batch)
			batch[count++] = item;
	}

	if (count < mvs_batch_size && queue_is_due(force))
	{
		Size		space = Max(mvs_batch_size * MVS_REQUEST_SPACE, MVS_MAX_REQUEST);
		char	   *buffer = palloc(space);

		from_queue = mvs_queue_peek(database, buffer, space, mvs_batch_size - count);
		for (int i = 0; i < from_queue; i++)
		{
			MvsRequest *request = (MvsRequest *) (buffer + queue_size);
			Pending    *item = MemoryContextAllocZero(worker_context, sizeof(Pending));

			item->request = MemoryContextAlloc(worker_context, request->size);
			memcpy(item->request, request, request->size);
			queue_size += request->size;
			last_sequence = request->sequence;
			batch[count++] = item;
		}
	}
	if (count == 0)
		return false;

	work_off(batch, count);

	/* Until now a batch stayed in pending, resp. in the queue: see release_slot(). */
	if (count > from_queue)
	{
		MemoryContext old = MemoryContextSwitchTo(worker_context);

		foreach(cell, pending)
			if (!((Pending *) lfirst(cell))->in_batch)
				left = lappend(left, lfirst(cell));
		MemoryContextSwitchTo(old);
		list_free(pending);
		pending = left;
	}
	settle(batch, count);
	report_progress();
	if (from_queue > 0)
		mvs_queue_remove(database, from_queue, queue_size, last_sequence);

	end = GetCurrentTimestamp();
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->stats.batches++;
	database->stats.last_batch_at = end;
	database->stats.last_batch_usecs = end - now;
	LWLockRelease(database->queue_lock);
	ConditionVariableBroadcast(&database->progress);
	return true;
}

/* Work off what stands in the journal, whether or not it also stands in the queue. */
static void
run_journal(void)
{
	int64		after = 0;
	int			limit = mvs_batch_size * JOURNAL_BATCHES;
	List	   *requests;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->journal_wanted = false;
	journal_sequence = 0;
	database->unfinished = 0;
	LWLockRelease(database->queue_lock);

	do
	{
		MemoryContext old = CurrentMemoryContext;
		ListCell   *cell;
		Pending   **batch = palloc(mvs_batch_size * sizeof(Pending *));
		int			count = 0;

		CHECK_FOR_INTERRUPTS();
		StartTransactionCommand();
		MemoryContextSwitchTo(worker_context);
		requests = mvs_journal_read(after, limit);
		CommitTransactionCommand();
		MemoryContextSwitchTo(old);

		foreach(cell, requests)
		{
			MvsRequest *request = lfirst(cell);
			ListCell   *other;
			bool		known = false;

			after = request->journal;
			foreach(other, pending)
				known |= ((Pending *) lfirst(other))->request->journal == request->journal;
			if (known)
				pfree(request);
			else
			{
				Pending    *item = MemoryContextAllocZero(worker_context, sizeof(Pending));

				item->request = request;
				batch[count++] = item;
			}
			if (count == mvs_batch_size || (count > 0 && lnext(requests, cell) == NULL))
			{
				work_off(batch, count);
				settle(batch, count);
				count = 0;
			}
		}
		pfree(batch);
		ConditionVariableBroadcast(&database->progress);
		if (got_sigterm || database->hold_off)
			return;				/* journal_sequence tells that the pass was not finished */
		if (pending_is_full())
		{
			/* The rest has to wait, where it is. */
			LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
			database->journal_wanted = true;
			LWLockRelease(database->queue_lock);
			break;
		}
	} while (list_length(requests) == limit);

	journal_sequence = PG_UINT64_MAX;
	report_progress();
	ConditionVariableBroadcast(&database->progress);
}

/* In index order, store by store. */
static int
compare_pending(const void *a, const void *b)
{
	const MvsRequest *left = (*(Pending *const *) a)->request;
	const MvsRequest *right = (*(Pending *const *) b)->request;
	int			order;

	if (left->store != right->store)
		return left->store < right->store ? -1 : 1;
	order = memcmp(left->key, right->key, Min(left->key_length, right->key_length));
	return order != 0 ? order : (int) left->key_length - (int) right->key_length;
}

/* Work off a batch: a transaction for each store. Sets the outcomes. */
static void
work_off(Pending **batch, int count)
{
	int			end;

	pgstat_report_activity(STATE_RUNNING, "dropping superseded entries");
	qsort(batch, count, sizeof(Pending *), compare_pending);
	for (int start = 0; start < count; start = end)
	{
		for (end = start + 1; end < count; end++)
			if (batch[end]->request->store != batch[start]->request->store)
				break;
		work_group(batch + start, end - start);
	}
}

/* Work off the requests of one store; after an error, each of them alone. */
static void
work_group(Pending **group, int count)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool failed = false;

	PG_TRY();
	{
		work_group_in_transaction(group, count);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		note_error(count == 1 && group[0]->tries == 0);
		failed = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);

	if (!failed)
		return;
	for (int i = 0; i < count; i++)
	{
		if (count > 1)
			work_group(group + i, 1);
		else
		{
			group[0]->outcome = OUTCOME_ERROR;
			group[0]->found = false;
		}
	}
}

static void
work_group_in_transaction(Pending **group, int count)
{
	MvsDrop		drop;
	MvsDropState state = mvs_drop_begin(&drop, database, group[0]->request->store);
	int			end;

	for (int start = 0; start < count; start = end)
	{
		end = start + 1;
		if (state == MVS_DROP_READY)
		{
			while (end < count && compare_pending(&group[start], &group[end]) == 0)
				end++;
			work_key(&drop, group + start, end - start);
		}
		else if (state == MVS_DROP_LOCKED)
			group[start]->outcome = OUTCOME_LOCKED;
		else
		{
			/* A store that is gone has nothing to drop. */
			find_journal_row(group[start]);
			if (group[start]->found)
				mvs_journal_delete(&group[start]->journal_tid);
		}
	}
	mvs_drop_commit(&drop, state);
}

/* Find the row of an explicit request; without one, the request is done already. */
static void
find_journal_row(Pending *item)
{
	item->found = item->request->journal != 0 &&
		mvs_journal_find(item->request->journal, &item->journal_tid);
	item->outcome = item->request->journal == 0 || item->found ?
		OUTCOME_DONE : OUTCOME_ALREADY_DONE;
}

/* Work off all requests of one key together. */
static void
work_key(MvsDrop *drop, Pending **group, int count)
{
	int			wanted = 0;		/* requests that can be worked off now */
	int			first;
	int64		held;
	bytea	   *key;

	for (int i = 0; i < count; i++)
	{
		MvsRequest *request = group[i]->request;

		find_journal_row(group[i]);
		if (group[i]->outcome == OUTCOME_ALREADY_DONE)
			continue;
		if (request->incarnation != drop->store.info.incarnation)
			continue;			/* of an earlier life */
		if (request->before > drop->horizon)
			group[i]->outcome = OUTCOME_HELD;
		else if (!drop->store.info.referenced)
			wanted++;
		else if (!request->implicit)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("cannot drop from store \"%s\" because a foreign key refers to it",
							RelationGetRelationName(drop->store.heap))));
	}

	if (wanted > 0)
	{
		key = palloc(VARHDRSZ + group[0]->request->key_length);
		SET_VARSIZE(key, VARHDRSZ + group[0]->request->key_length);
		memcpy(VARDATA(key), group[0]->request->key, group[0]->request->key_length);
		mvs_drop_collect(drop, key);
		first = drop->entries.history.count;
		drop->merged += wanted - 1;
		for (int i = 0; i < count; i++)
		{
			MvsRequest *request = group[i]->request;
			MvsRule		rule = {.keep = request->keep, .before = request->before};

			if (group[i]->outcome != OUTCOME_DONE ||
				request->incarnation != drop->store.info.incarnation)
				continue;
			first = Min(first, request->implicit ?
						mvs_rule_policy(&drop->entries.history, &drop->store.info.policy,
										drop->now) :
						mvs_rule_request(&drop->entries.history, &rule));
		}
		if (!mvs_drop_entries(drop, first, &held))
			for (int i = 0; i < count; i++)
				if (group[i]->outcome == OUTCOME_DONE)
					group[i]->outcome = OUTCOME_LOCKED;
	}

	for (int i = 0; i < count; i++)
		if (group[i]->outcome == OUTCOME_DONE && group[i]->found)
			mvs_journal_delete(&group[i]->journal_tid);
}

/* Keep what is not done, forget and count what is. */
static void
settle(Pending **batch, int count)
{
	MemoryContext old = MemoryContextSwitchTo(worker_context);
	TimestampTz now = GetCurrentTimestamp();
	int64		done = 0;
	int64		lag_total = 0;
	int64		lag_max = 0;

	for (int i = 0; i < count; i++)
	{
		Pending    *item = batch[i];

		if (item->outcome != item->last_outcome)
			item->tries = 0;
		item->last_outcome = item->outcome;
		switch (item->outcome)
		{
			case OUTCOME_DONE:
				done++;
				lag_total += now - item->request->committed_at;
				lag_max = Max(lag_max, now - item->request->committed_at);
				/* FALLTHROUGH */
			case OUTCOME_ALREADY_DONE:
				pfree(item->request);
				pfree(item);
				continue;
			case OUTCOME_HELD:
				/* By a snapshot that knew less than is known now? Then soon again. */
				item->retry_at = delay_until(item->tries++, LOCK_DELAY, MAX_LOCK_DELAY);
				break;
			case OUTCOME_LOCKED:
				item->retry_at = delay_until(item->tries++, LOCK_DELAY, MAX_LOCK_DELAY);
				break;
			case OUTCOME_ERROR:
				item->retry_at = delay_until(item->tries++, ERROR_DELAY, MAX_DELAY);
				if (item->tries >= MAX_TRIES)
				{
					item->failed = true;
					ereport(LOG,
							(errmsg("a drop request for store with OID %u was set aside after %d tries",
									item->request->store, item->tries),
							 errdetail("The last error was: %s", database->stats.last_error)));
				}
				break;
		}
		pending = lappend(pending, item);
	}
	MemoryContextSwitchTo(old);

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->stats.processed += done;
	database->stats.lag_count += done;
	database->stats.lag_total_usecs += lag_total;
	database->stats.lag_max_usecs = Max(database->stats.lag_max_usecs, lag_max);
	LWLockRelease(database->queue_lock);
}

/* ------------------------------------------------------------------------
 * Sweeps
 * ------------------------------------------------------------------------ */

/* Take the marks over. */
static void
take_marks(void)
{
	MvsMark		marks[MVS_MAX_MARKS];
	MvsMark		all;
	int			count;
	bool		all_marked;

	/* A look without the lock: whoever marks sets our latch afterwards. */
	if (database->mark_count == 0 && !database->all_marked)
		return;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	count = database->mark_count;
	memcpy(marks, database->marks, count * sizeof(MvsMark));
	all_marked = database->all_marked;
	all = database->all_stores;
	for (int i = 0; i < count; i++)
		database->unfinished = Min(database->unfinished, marks[i].sequence);
	if (all_marked)
		database->unfinished = Min(database->unfinished, all.sequence);
	database->mark_count = 0;
	database->all_marked = false;
	LWLockRelease(database->queue_lock);

	for (int i = 0; i < count; i++)
		begin_sweep(marks[i].store, marks[i].version, marks[i].sequence);
	if (all_marked)
		begin_sweeps(all.version, all.sequence);
	report_progress();
}

/* Have all stores swept. */
static void
begin_sweeps(int64 version, uint64 sequence)
{
	MemoryContext old = CurrentMemoryContext;
	List	   *stores;
	ListCell   *cell;

	StartTransactionCommand();
	MemoryContextSwitchTo(worker_context);
	stores = mvs_store_list();
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	foreach(cell, stores)
		begin_sweep(lfirst_oid(cell), version, sequence);
	list_free(stores);
}

/* Have one store swept; if it is being swept, once more. */
static void
begin_sweep(Oid store, int64 version, uint64 sequence)
{
	MvsSweep   *sweep = NULL;
	ListCell   *cell;

	foreach(cell, sweeps)
		if (((MvsSweep *) lfirst(cell))->store == store)
			sweep = lfirst(cell);
	if (sweep && sweep->active)
	{
		sweep->again_version = sweep->again ? Max(sweep->again_version, version) : version;
		sweep->again_sequence = sweep->again ? Min(sweep->again_sequence, sequence) : sequence;
		sweep->again = true;
		return;
	}
	if (sweep == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(worker_context);

		sweep = palloc0(sizeof(MvsSweep));
		sweep->store = store;
		sweeps = lappend(sweeps, sweep);
		MemoryContextSwitchTo(old);
	}
	sweep->active = true;
	sweep->version = version;
	sweep->sequence = sequence;
	sweep->due_at = 0;
	sweep->wait_for = 0;
	mvs_sweep_begin(sweep);
}

static bool
sweep_is_due(MvsSweep *sweep, TimestampTz now, int64 horizon)
{
	return sweep->due_at <= now && (!sweep->active || sweep->wait_for <= horizon);
}

/* Do a slice of the sweep that waits longest; false if none is due. */
static bool
run_sweep(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		horizon = sweeps == NIL ? 0 : known_horizon();
	MemoryContext old = CurrentMemoryContext;
	MvsSweep   *volatile sweep = NULL;
	volatile	MvsSweepState state = MVS_SWEEP_LOCKED;
	ListCell   *cell;

	foreach(cell, sweeps)
	{
		if (sweep_is_due(lfirst(cell), now, horizon))
		{
			sweep = lfirst(cell);
			break;
		}
	}
	if (sweep == NULL)
		return false;

	/* Behind the others, so that each gets its turn. */
	MemoryContextSwitchTo(worker_context);
	sweeps = list_delete_ptr(sweeps, sweep);
	sweeps = lappend(sweeps, sweep);
	MemoryContextSwitchTo(old);
	if (!sweep->active)
	{
		sweep->active = true;
		sweep->version = 0;
		sweep->sequence = PG_UINT64_MAX;
		sweep->wait_for = 0;
		mvs_sweep_begin(sweep);
	}

	pgstat_report_activity(STATE_RUNNING, "sweeping a store");
	PG_TRY();
	{
		state = mvs_sweep_slice(sweep, database);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		note_error(sweep->tries == 0);
		sweep->tries++;
		sweep->due_at = delay_until(sweep->tries, ERROR_DELAY, MAX_DELAY);
		report_progress();
		return true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	after_slice(sweep, state);
	report_progress();
	ConditionVariableBroadcast(&database->progress);
	return true;
}

/* What follows a slice. */
static void
after_slice(MvsSweep *sweep, MvsSweepState state)
{
	int64		wanted;

	if (state == MVS_SWEEP_LOCKED)
	{
		sweep->due_at = delay_until(sweep->tries++, LOCK_DELAY, MAX_LOCK_DELAY);
		return;
	}
	sweep->tries = 0;
	if (state == MVS_SWEEP_MORE)
		return;
	if (state == MVS_SWEEP_GONE)
	{
		sweeps = list_delete_ptr(sweeps, sweep);
		pfree(sweep);
		return;
	}

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->stats.sweeps++;
	LWLockRelease(database->queue_lock);

	/* A pass counts as made if no part of it was too early, and nothing was held. */
	wanted = Max(sweep->held, sweep->lowest_horizon < sweep->version ? sweep->version : 0);
	if (wanted > 0)
	{
		sweep->wait_for = wanted;
		mvs_sweep_begin(sweep);
	}
	else if (sweep->again)
	{
		sweep->again = false;
		sweep->version = sweep->again_version;
		sweep->sequence = sweep->again_sequence;
		sweep->wait_for = 0;
		mvs_sweep_begin(sweep);
	}
	else if (state == MVS_SWEEP_TIMED)
	{
		sweep->active = false;
		sweep->due_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													(int64) mvs_sweep_interval * 1000);
	}
	else
	{
		sweeps = list_delete_ptr(sweeps, sweep);
		pfree(sweep);
	}
}

/* ------------------------------------------------------------------------
 * Around it
 * ------------------------------------------------------------------------ */

/* In a PG_CATCH block: end the transaction, and keep the error where the view shows it. */
static void
note_error(bool log)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	error = CopyErrorData();
	if (log)
		EmitErrorReport();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	strlcpy(database->stats.last_error, error->message ? error->message : "unknown error",
			MVS_ERROR_LENGTH);
	database->stats.last_error_at = GetCurrentTimestamp();
	LWLockRelease(database->queue_lock);
	FreeErrorData(error);
	RESUME_INTERRUPTS();
}

/* A time from now that doubles with each try. */
static TimestampTz
delay_until(int tries, int first, int longest)
{
	int64		delay = Min((int64) first << Min(tries, 20), longest);

	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), delay);
}

/* Tell those who wait for requests what is still in our hands. */
static void
report_progress(void)
{
	uint64		unfinished = journal_sequence;
	int64		held = 0;
	int64		retry = 0;
	int64		failed = 0;
	ListCell   *cell;

	foreach(cell, pending)
	{
		Pending    *item = lfirst(cell);

		if (item->failed)
		{
			failed++;
			continue;
		}
		if (item->outcome == OUTCOME_HELD)
			held++;
		else
			retry++;
		unfinished = Min(unfinished, item->request->sequence);
	}
	foreach(cell, sweeps)
	{
		MvsSweep   *sweep = lfirst(cell);

		if (!sweep->active)
			continue;
		unfinished = Min(unfinished, sweep->sequence);
		if (sweep->again)
			unfinished = Min(unfinished, sweep->again_sequence);
		if (sweep->wait_for > 0)
			held++;
		else if (sweep->sequence != PG_UINT64_MAX)
			retry++;
	}

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->unfinished = unfinished;
	database->held_count = held;
	database->retry_count = retry;
	database->failed_count = failed;
	LWLockRelease(database->queue_lock);
}

/* Sleep until there is something to do, for ever if need be. Ends an idle worker. */
static void
sleep_until_needed(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz wake_at = DT_NOEND;
	bool		horizon_wanted = false;
	bool		keeps = false;
	bool		leave;
	int64		horizon;
	long		timeout;
	ListCell   *cell;

	foreach(cell, pending)
	{
		Pending    *item = lfirst(cell);

		keeps = true;
		if (item->failed)
			continue;
		if (item->outcome == OUTCOME_HELD)
			horizon_wanted = true;
		else
			wake_at = Min(wake_at, item->retry_at);
	}
	foreach(cell, sweeps)
	{
		MvsSweep   *sweep = lfirst(cell);

		keeps = true;
		if (sweep->active && sweep->wait_for > 0)
			horizon_wanted = true;
		if (!sweep->active || sweep->due_at > now)
			wake_at = Min(wake_at, sweep->due_at);
	}

	/* From here on the end of a writer sets the latch; it may be too late for that. */
	if (horizon_wanted)
	{
		mvs_version_watch_writers(database);
		horizon = known_horizon();
		foreach(cell, pending)
		{
			Pending    *item = lfirst(cell);

			if (item->outcome == OUTCOME_HELD && item->request->before <= horizon)
				wake_at = Min(wake_at, item->retry_at);
		}
		foreach(cell, sweeps)
			if (sweep_is_due(lfirst(cell), now, horizon))
				return;
	}

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	leave = !keeps && database->queue_count == 0 && database->mark_count == 0 &&
		!database->all_marked && !database->journal_wanted && !database->mark_wanted &&
		(mvs_launcher_wants_slots() ||
		 TimestampDifferenceExceeds(idle_since, now, IDLE_EXIT));
	if (leave)
	{
		/* Who publishes from now on finds no worker, and wants one. */
		database->worker_proc = -1;
		database->worker_pid = 0;
		database->worker_state = MVS_WORKER_NONE;
		database->queue_wake_at = 1;
	}
	else
	{
		bool		waiting = database->queue_count > 0 && !pending_is_full();

		if (waiting)
		{
			if (database->flush_sequence > database->taken)
				wake_at = now;
			else
				wake_at = Min(wake_at,
							  TimestampTzPlusMilliseconds(database->queue_oldest,
														  mvs_flush_interval));
		}
		else if (!keeps)
			wake_at = Min(wake_at, TimestampTzPlusMilliseconds(idle_since, IDLE_EXIT));
		database->queue_wake_at = waiting ? mvs_batch_size :
			pending_is_full() ? PG_INT64_MAX : 1;
		if (database->queue_count >= database->queue_wake_at ||
			database->mark_count > 0 || database->all_marked ||
			(database->journal_wanted && !pending_is_full()))
			wake_at = now;
		database->worker_state = MVS_WORKER_IDLE;
	}
	LWLockRelease(database->queue_lock);
	if (leave)
	{
		ConditionVariableBroadcast(&database->progress);
		database = NULL;
		mvs_wake_proc(mvs_shared->launcher_proc);
		proc_exit(0);
	}

	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	if (wake_at == DT_NOEND)
		timeout = -1;
	else
		timeout = Max(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), wake_at), 0);
	if (timeout != 0)
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout > 0 ? WL_TIMEOUT : 0),
						 timeout,
						 mvs_compat_wait_event(&wait_event_main, "MvstoreWorkerMain"));

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	database->worker_state = MVS_WORKER_BUSY;
	database->queue_wake_at = PG_INT64_MAX;
	LWLockRelease(database->queue_lock);
}
