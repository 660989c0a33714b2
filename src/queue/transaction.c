/*-------------------------------------------------------------------------
 *
 * transaction.c
 *	  What a transaction will leave behind at its commit.
 *
 * Each subtransaction that asks for something has a level of its own, which is
 * forgotten when it rolls back. When it commits, its parent adopts the level as it
 * is, as nothing may fail there, and merges it when something is collected the next
 * time. At PRE_COMMIT the explicit requests are written to the journal, which may
 * fail; at COMMIT all is copied to shared memory, which may not, and needs no memory
 * of its own.
 *
 * An erasure makes void what was asked for its keys before it, and nothing later.
 * So requests and erasures are numbered as they come, and compared when the requests
 * leave the transaction: then all subtransactions have been kept or rolled back.
 *
 * A transaction collects no more than a queue holds. Beyond that its explicit
 * requests go to the journal at once, and its implicit ones become marks of
 * their stores.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/key.h"
#include "base/once.h"
#include "base/settings.h"
#include "queue/erasures.h"
#include "queue/journal.h"
#include "queue/order.h"
#include "queue/queue.h"
#include "queue/transaction.h"
#include "shared/counters.h"
#include "shared/fault.h"
#include "shared/lock.h"
#include "shared/wake.h"
#include "store/floor.h"
#include "version/clock.h"
#include "version/prepared.h"
#include "version/session.h"
#include "version/version.h"

/*
 * The requests of a level by what makes two of them duplicates. What a policy says is
 * found out at the look, whatever its "before". Others with different ones are not the
 * same: one may be due when the other has to wait.
 */
typedef struct RequestSlot
{
	Size		position;		/* in the level's buffer */
	uint32		hash;
	char		status;
} RequestSlot;

typedef struct Level
{
	struct Level *parent;
	struct Level *adopted;		/* that of a subtransaction that has committed, not yet merged */
	int			nest_level;
	MemoryContext context;
	char	   *buffer;			/* requests, one behind the other */
	Size		used;
	Size		space;
	struct requests_hash *index;	/* NULL while there is no more than one of them */
	int64		explicit_count;
	int64		implicit_count;
	int64		merged;
	int64		spilled;		/* explicit ones written to the journal at the limit */
	int64		skipped;		/* implicit ones that a mark stands for */
	List	   *marks;			/* OIDs of stores */
	List	   *forgotten;		/* OIDs of stores whose counters go */
	List	   *counts;			/* of MvsStoreCount */
	bool		journal;		/* rows of the journal are to be looked at */
	bool		recheck;		/* and what the worker has in hand */
	MvsErasures *erasures;		/* NULL: none */
	List	   *rewritten;		/* OIDs of stores whose past was changed */
	bool		pins;
	MvsPause	pause;
} Level;

static Level *levels = NULL;

/* Requests and erasures are numbered by this. */
static uint64 last_number = 0;

/* Room in the queue that this transaction has reserved for its explicit requests. */
static int64 reserved = 0;
static Size reserved_size = 0;
static LocalTransactionId secured = InvalidLocalTransactionId;	/* to which no request comes */

static uint32 hash_request(Level *level, Size position);
static bool same_request(Level *level, Size left, Size right);

#define SH_PREFIX requests
#define SH_ELEMENT_TYPE RequestSlot
#define SH_KEY_TYPE Size
#define SH_KEY position
#define SH_HASH_KEY(table, key) hash_request((table)->private_data, key)
#define SH_EQUAL(table, a, b) same_request((table)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, slot) (slot)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static Level *current_level(void);
static bool index_request(Level *level, Size position, Size *like);
static void add_request(Level *level, const MvsRequest *request);
static void collect(MvsStore *store, const MvsRequest *what, const bytea *key, const bytea *to);
static void collect_explicit(MvsStore *store, const MvsRequest *what, const bytea *key,
							 const bytea *to);
static void collect_implicit(MvsStore *store, const MvsRequest *what, const bytea *key);
static void keep_requests(Level *level, bool (*is_kept) (const Level *, const MvsRequest *));
static bool is_implicit(const Level *level, const MvsRequest *request);
static bool is_explicit(const Level *level, const MvsRequest *request);
static bool is_valid(const Level *level, const MvsRequest *request);
static void become_marks(Level *level);
static bool is_marked(Oid store);
static MvsStoreCount *count_of(Level *level, Oid store);
static void merge_adopted(Level *level);
static void merge_levels(Level *into, Level *from);
static MvsPause later_pause(MvsPause one, MvsPause other);
static void publish(Level *level);
static void void_erased(Level *level);
static void record_rewrites(Level *level);
static void secure_requests(Level *level);
static void sort_requests(Level *level);
static void finish_collecting(void);
static void write_prepared(void);
static void end_transaction(XactEvent event, void *argument);
static void end_subtransaction(SubXactEvent event, SubTransactionId mine,
							   SubTransactionId parent, void *argument);

void
mvs_transaction_init(void)
{
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}

/* ------------------------------------------------------------------------
 * Collecting
 * ------------------------------------------------------------------------ */

static uint32
hash_request(Level *level, Size position)
{
	MvsRequest *request = (MvsRequest *) (level->buffer + position);
	uint32		hash = hash_bytes((unsigned char *) request->key,
								  request->key_length + request->to_length);

	if (!MvsRequestIsImplicit(request))
		hash = hash_combine(hash, hash_bytes((unsigned char *) &request->before,
											 sizeof(request->before)));
	return hash_combine(hash_combine(hash, murmurhash32(request->store)),
						request->keep + request->kind);
}

static bool
same_request(Level *level, Size left, Size right)
{
	MvsRequest *a = (MvsRequest *) (level->buffer + left);
	MvsRequest *b = (MvsRequest *) (level->buffer + right);

	return a->store == b->store && a->incarnation == b->incarnation &&
		a->keep == b->keep && a->kind == b->kind && a->bounded == b->bounded &&
		(a->before == b->before || MvsRequestIsImplicit(a)) &&
		a->key_length == b->key_length && a->to_length == b->to_length &&
		memcmp(a->key, b->key, a->key_length + a->to_length) == 0;
}

/*
 * Return the level of the current subtransaction, made when there is none yet. So no level
 * adopts a second one before it has merged the first.
 */
static Level *
current_level(void)
{
	int			nest_level = GetCurrentTransactionNestLevel();

	if (levels)
		merge_adopted(levels);
	if (levels == NULL || levels->nest_level < nest_level)
	{
		MemoryContext context = AllocSetContextCreate(TopTransactionContext,
													  "mvstore requests",
													  ALLOCSET_DEFAULT_SIZES);
		Level	   *level = MemoryContextAllocZero(context, sizeof(Level));

		level->parent = levels;
		level->nest_level = nest_level;
		level->context = context;
		levels = level;
	}
	return levels;
}

/*
 * Enter the request at a position in the index; true where its like is there, at *like. Most
 * transactions ask for one thing: the index is made with the second.
 */
static bool
index_request(Level *level, Size position, Size *like)
{
	requests_hash *index = level->index;
	bool		found;

	if (position == 0)
		return false;
	level->index = NULL;		/* should memory run out, it may be half grown */
	if (index == NULL)
	{
		index = requests_create(level->context, 64, level);
		(void) requests_insert(index, 0, &found);
	}
	*like = requests_insert(index, position, &found)->position;
	level->index = index;
	return found;
}

/* Add a request to a level, unless it has its like. */
static void
add_request(Level *level, const MvsRequest *request)
{
	Size		like;

	if (level->used + request->size > level->space)
	{
		Size		space = Max(Max(level->space * 2, 1024), level->used + request->size);

		level->buffer = level->buffer ?
			repalloc_huge(level->buffer, space) :
			MemoryContextAllocHuge(level->context, space);
		level->space = space;
	}

	memcpy(level->buffer + level->used, request, request->size);
	if (index_request(level, level->used, &like))
	{
		/* Of a policy's, the later one covers more. */
		MvsRequest *earlier = (MvsRequest *) (level->buffer + like);

		earlier->before = Max(earlier->before, request->before);
		earlier->expires = request->expires;	/* of the head that stays */
		earlier->sequence = request->sequence;
		level->merged++;
		return;
	}
	level->used += request->size;
	if (MvsRequestIsImplicit(request))
		level->implicit_count++;
	else
		level->explicit_count++;
}

void
mvs_transaction_warn(void)
{
	static bool warned = false;
	MvsDatabase *database = mvs_session_join();

	if (warned)
		return;
	if (database->worker->state == MVS_WORKER_NO_SLOT)
		ereport(WARNING,
				(errmsg("drops are not worked off for lack of a free worker slot"),
				 errdetail("They are kept until there is one."),
				 errhint("Raise \"max_worker_processes\" and restart the server.")));
	else if (database->worker->state == MVS_WORKER_MISMATCH)
		ereport(WARNING,
				(errmsg("drops are not worked off because library and extension have different versions"),
				 errdetail("They are kept until the versions agree."),
				 errhint("Run ALTER EXTENSION mvstore UPDATE; where the library is the older one, install the newer one and restart the server.")));
	else if (database->queue->paused)
		ereport(WARNING,
				(errmsg("drops are not worked off because they are paused"),
				 errdetail("They are kept until mvstore_resume() is called.")));
	else if (mvs_shared->launcher_proc < 0 && database->worker->pid == 0)
		ereport(WARNING,
				(errmsg("drops are not worked off because the mvstore launcher is not running"),
				 errdetail("They are kept until it runs again."),
				 errhint("Raise \"max_worker_processes\" and restart the server, unless the server log gives another reason.")));
	else
		return;
	warned = true;
}

/* Collect a request: its kind, keep, before and expires as in "what". */
static void
collect(MvsStore *store, const MvsRequest *what, const bytea *key, const bytea *to)
{
	union
	{
		MvsRequest	request;
		char		space[MVS_MAX_REQUEST];
	}			place;
	MvsRequest *request = &place.request;
	Level	   *level = current_level();
	int			length = key ? (int) VARSIZE_ANY_EXHDR(key) : 0;
	int			to_length = to ? (int) VARSIZE_ANY_EXHDR(to) : 0;

	if (MvsRequestSize(length, to_length) > MVS_MAX_REQUEST)
		elog(ERROR, "key of %d bytes in a request of mvstore", Max(length, to_length));
	mvs_transaction_warn();

	memset(request, 0, MvsRequestSize(length, to_length));
	request->size = MvsRequestSize(length, to_length);
	request->key_length = length;
	request->to_length = to_length;
	request->kind = what->kind;
	request->bounded = (to != NULL);
	request->keep = what->keep;
	request->store = RelationGetRelid(store->heap);
	request->incarnation = store->info.incarnation;
	request->before = what->before;
	request->expires = what->expires;
	request->sequence = ++last_number;
	if (key)
		memcpy(request->key, VARDATA_ANY(key), length);
	if (to)
		memcpy(request->key + length, VARDATA_ANY(to), to_length);
	add_request(level, request);
	count_of(level, request->store)->requests++;
}

/* Collect one that somebody asked for. */
static void
collect_explicit(MvsStore *store, const MvsRequest *what, const bytea *key, const bytea *to)
{
	Level	   *level;

	/* Only what another extension does at the commit comes so late. */
	if (secured == mvs_compat_local_xid(MyProc))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nothing can be dropped by a transaction that is just being committed")));
	collect(store, what, key, to);
	MVS_FAULT("request-collected");
	level = levels;
	if (level->explicit_count > mvs_queue_size)
	{
		void_erased(level);
		sort_requests(level);
		mvs_journal_write(mvs_session_join(), level->buffer, level->used, false, true);
		CommandCounterIncrement();	/* an erasure to come is to see them */
		level->spilled += level->explicit_count;
		keep_requests(level, is_implicit);
	}
}

void
mvs_transaction_drop(MvsStore *store, const bytea *key, int32 keep, int64 before)
{
	MvsRequest	what = {.kind = MVS_REQUEST_DROP, .keep = keep, .before = before};

	collect_explicit(store, &what, key, NULL);
}

void
mvs_transaction_range(MvsStore *store, const bytea *from, const bytea *to, int32 keep, int64 before)
{
	MvsRequest	what = {
		.kind = keep > 0 ? MVS_REQUEST_RANGE : MVS_REQUEST_COMPACT,
		.keep = keep,
		.before = before
	};

	collect_explicit(store, &what, mvs_key_bound(from), mvs_key_bound(to));
}

/* Collect one of a policy. */
static void
collect_implicit(MvsStore *store, const MvsRequest *what, const bytea *key)
{
	if (is_marked(RelationGetRelid(store->heap)))
	{
		Level	   *level = current_level();

		level->skipped++;
		count_of(level, RelationGetRelid(store->heap))->requests++;
		return;
	}

	/* Plain SQL may have put in longer keys, which a revert writes: a pass sees to them. */
	if (VARSIZE_ANY_EXHDR(key) > MVS_MAX_KEY)
	{
		mvs_transaction_mark(RelationGetRelid(store->heap));
		return;
	}
	collect(store, what, key, NULL);
	if (levels->implicit_count > mvs_queue_size)
		become_marks(levels);
}

void
mvs_transaction_write(MvsStore *store, const bytea *key, int64 before, int64 expires)
{
	MvsRequest	what = {.kind = MVS_REQUEST_WRITE, .before = before, .expires = expires};

	collect_implicit(store, &what, key);
}

void
mvs_transaction_look(MvsStore *store, const bytea *key, int64 before)
{
	MvsRequest	what = {.kind = MVS_REQUEST_LOOK, .before = before};

	collect_implicit(store, &what, key);
}

/* Mark the stores of all implicit requests of a level in their place. */
static void
become_marks(Level *level)
{
	MemoryContext old = MemoryContextSwitchTo(level->context);

	for (Size position = 0; position < level->used;)
	{
		MvsRequest *request = (MvsRequest *) (level->buffer + position);

		if (MvsRequestIsImplicit(request))
			level->marks = list_append_unique_oid(level->marks, request->store);
		position += request->size;
	}
	MemoryContextSwitchTo(old);
	level->skipped += level->implicit_count;
	keep_requests(level, is_explicit);
}

/* Forget all requests of a level but some. */
static void
keep_requests(Level *level, bool (*is_kept) (const Level *, const MvsRequest *))
{
	Size		kept = 0;
	Size		like;

	if (level->index)
		requests_destroy(level->index);
	level->index = NULL;
	level->explicit_count = level->implicit_count = 0;
	for (Size position = 0; position < level->used;)
	{
		MvsRequest *request = (MvsRequest *) (level->buffer + position);
		uint32		size = request->size;

		if (is_kept(level, request))
		{
			if (MvsRequestIsImplicit(request))
				level->implicit_count++;
			else
				level->explicit_count++;
			memmove(level->buffer + kept, request, size);
			kept += size;
		}
		position += size;
	}
	level->used = kept;

	/* Should memory run out, the level may outlast that, and needs no index. */
	for (Size position = 0; position < kept;)
	{
		MvsRequest *request = (MvsRequest *) (level->buffer + position);

		(void) index_request(level, position, &like);
		position += request->size;
	}
}

static bool
is_implicit(const Level *level, const MvsRequest *request)
{
	return MvsRequestIsImplicit(request);
}

static bool
is_explicit(const Level *level, const MvsRequest *request)
{
	return !MvsRequestIsImplicit(request);
}

/* Whether this transaction marks a store already. */
static bool
is_marked(Oid store)
{
	for (Level *level = levels; level; level = level->parent)
		if (level->skipped > 0 && list_member_oid(level->marks, store))
			return true;
	return false;
}

void
mvs_transaction_mark(Oid store)
{
	Level	   *level = current_level();
	MemoryContext old = MemoryContextSwitchTo(level->context);

	level->marks = list_append_unique_oid(level->marks, store);
	MemoryContextSwitchTo(old);
}

void
mvs_transaction_forget(Oid store)
{
	Level	   *level;
	MemoryContext old;

	/* Without a slot there are no counters; without shared memory, no callbacks either. */
	if (mvs_database_find(MyDatabaseId) == NULL)
		return;
	level = current_level();
	old = MemoryContextSwitchTo(level->context);
	level->forgotten = list_append_unique_oid(level->forgotten, store);
	level->journal = true;		/* what was set aside is to be counted anew */
	MemoryContextSwitchTo(old);
}

void
mvs_transaction_journal(void)
{
	current_level()->journal = true;
}

void
mvs_transaction_recheck(void)
{
	current_level()->recheck = true;
}

void
mvs_transaction_erased(Oid store, const bytea *key, bool prefix)
{
	Level	   *level = current_level();

	if (level->erasures == NULL)
		level->erasures = mvs_erasures_create(level->context);
	mvs_erasures_add(level->erasures, store, key, prefix, ++last_number);
	level->recheck = true;
}

static bool
is_valid(const Level *level, const MvsRequest *request)
{
	CHECK_FOR_INTERRUPTS();
	return request->sequence > mvs_erasures_last(level->erasures, request);
}

/* Forget the requests of a level that its erasures have made void. */
static void
void_erased(Level *level)
{
	if (level->erasures)
		keep_requests(level, is_valid);
}

void
mvs_transaction_rewritten(Oid store)
{
	Level	   *level = current_level();
	MemoryContext old = MemoryContextSwitchTo(level->context);

	level->rewritten = list_append_unique_oid(level->rewritten, store);
	MemoryContextSwitchTo(old);
	mvs_transaction_changed(store);
}

/*
 * Record the changes of the past. Until the transaction has ended for others no version
 * from its own on is stable: so who has followed a store from there on has seen them.
 */
static void
record_rewrites(Level *level)
{
	ListCell   *cell;

	foreach(cell, level->rewritten)
	{
		int64		version = mvs_version_take(mvs_session_join(), 0);

		PushActiveSnapshot(GetTransactionSnapshot());
		if (mvs_store_exists(lfirst_oid(cell)))
			mvs_floor_rewrite(lfirst_oid(cell), version);
		PopActiveSnapshot();
	}
}

void
mvs_transaction_pins(void)
{
	current_level()->pins = true;
}

/* What becomes of the pause after the first of two, and then the second. */
static MvsPause
later_pause(MvsPause one, MvsPause other)
{
	if (other == MVS_PAUSE_AS_IT_IS || (other == MVS_PAUSE_UNKNOWN && one != MVS_PAUSE_AS_IT_IS))
		return one;
	return other;
}

void
mvs_transaction_pause(MvsPause pause)
{
	Level	   *level = current_level();

	level->pause = later_pause(level->pause, pause);
}

void
mvs_transaction_extension_created(void)
{
	Level	   *level = current_level();

	level->pause = later_pause(level->pause, MVS_PAUSE_UNKNOWN);
	level->journal = level->pins = true;
}

static MvsStoreCount *
count_of(Level *level, Oid store)
{
	MvsStoreCount *count;
	MemoryContext old;
	ListCell   *cell;

	foreach(cell, level->counts)
	{
		count = lfirst(cell);
		if (count->store == store)
			return count;
	}

	old = MemoryContextSwitchTo(level->context);
	count = palloc0(sizeof(MvsStoreCount));
	count->store = store;
	level->counts = lappend(level->counts, count);
	MemoryContextSwitchTo(old);
	return count;
}

void
mvs_transaction_count(Oid store, bool tombstone)
{
	MvsStoreCount *count = count_of(current_level(), store);

	if (tombstone)
		count->deletes++;
	else
		count->puts++;
}

void
mvs_transaction_changed(Oid store)
{
	(void) count_of(current_level(), store);
}

/* ------------------------------------------------------------------------
 * Ends of transactions
 * ------------------------------------------------------------------------ */

/* Merge what a level has adopted into it. After an error that can be done again. */
static void
merge_adopted(Level *level)
{
	Level	   *adopted = level->adopted;

	if (adopted == NULL)
		return;
	merge_adopted(adopted);
	MVS_FAULT("level-merging");
	merge_levels(level, adopted);
	level->adopted = NULL;
	MemoryContextDelete(adopted->context);
}

/* Add all that one level has to another; what is counted, last, when nothing can fail. */
static void
merge_levels(Level *into, Level *from)
{
	MemoryContext old;
	ListCell   *cell;

	for (Size position = 0; position < from->used;)
	{
		MvsRequest *request = (MvsRequest *) (from->buffer + position);

		add_request(into, request);
		position += request->size;
	}
	old = MemoryContextSwitchTo(into->context);
	into->marks = list_concat_unique_oid(into->marks, from->marks);
	into->forgotten = list_concat_unique_oid(into->forgotten, from->forgotten);
	into->rewritten = list_concat_unique_oid(into->rewritten, from->rewritten);
	MemoryContextSwitchTo(old);
	if (from->erasures && into->erasures == NULL)
		into->erasures = mvs_erasures_create(into->context);
	if (from->erasures)
		mvs_erasures_merge(into->erasures, from->erasures);
	if (into->implicit_count > mvs_queue_size)
		become_marks(into);
	foreach(cell, from->counts)
		(void) count_of(into, ((MvsStoreCount *) lfirst(cell))->store);

	foreach(cell, from->counts)
	{
		MvsStoreCount *count = lfirst(cell);
		MvsStoreCount *sum = count_of(into, count->store);

		sum->puts += count->puts;
		sum->deletes += count->deletes;
		sum->requests += count->requests;
	}
	into->merged += from->merged;
	into->spilled += from->spilled;
	into->skipped += from->skipped;
	into->journal |= from->journal;
	into->recheck |= from->recheck;
	into->pins |= from->pins;
	into->pause = later_pause(into->pause, from->pause);
}

/* Hand a committed transaction's only level over to shared memory. */
static void
publish(Level *level)
{
	/* Whoever collected something has seen to it that there is a slot. */
	MvsDatabase *database = mvs_database_find(MyDatabaseId);
	ListCell   *cell;

	if (database == NULL)
		return;
	foreach(cell, level->counts)
		mvs_counters_count(lfirst(cell));
	foreach(cell, level->forgotten)
		mvs_counters_forget_store(lfirst_oid(cell));
	if (level->used > 0 || level->spilled > 0 || level->marks != NIL || level->journal ||
		level->recheck || level->pins || level->pause != MVS_PAUSE_AS_IT_IS)
	{
		MvsPublication publication = {
			.requests = level->buffer,
			.size = level->used,
			.count = level->explicit_count + level->implicit_count,
			.merged = level->merged,
			.reserved = reserved > 0,
			.journal = level->journal,
			.recheck = level->recheck,
			.erased = level->erasures != NULL,
			.pins = level->pins,
			.pause = level->pause,
			.spilled = level->spilled,
			.skipped = level->skipped,
			.marks = level->marks
		};

		mvs_queue_publish(database, &publication);
		reserved = 0;
		reserved_size = 0;
	}
}

/*
 * Make sure of the explicit requests of a transaction that is about to commit:
 * room for them in the queue, and rows in the journal, which survive a crash.
 * Without room they need the rows.
 */
static void
secure_requests(Level *level)
{
	MvsDatabase *database = mvs_session_join();
	Size		size = 0;

	for (Size position = 0; position < level->used;)
	{
		MvsRequest *request = (MvsRequest *) (level->buffer + position);

		position += request->size;
		if (!MvsRequestIsImplicit(request))
			size += request->size;
	}
	if (mvs_queue_reserve(database, level->explicit_count, size))
	{
		reserved = level->explicit_count;
		reserved_size = size;
	}
	if (mvs_durable_drops || reserved == 0)
	{
		MVS_FAULT("journal-before");
		PushActiveSnapshot(GetTransactionSnapshot());
		mvs_journal_write(database, level->buffer, level->used, false, reserved == 0);
		PopActiveSnapshot();
		MVS_FAULT("journal-written");
	}
}

/*
 * Put the requests of a level that are about to leave it in the order in which the worker goes
 * through them, so that it finds them and their rows beside each other. The level has no index
 * then.
 */
static void
sort_requests(Level *level)
{
	int64		count = level->explicit_count + level->implicit_count;
	MvsOrdered *order;
	char	   *sorted;
	Size		used = 0;

	if (count < 2 || count > PG_INT32_MAX)
		return;					/* it is a matter of speed only */
	order = MemoryContextAllocHuge(level->context, count * sizeof(MvsOrdered));
	for (Size position = 0, i = 0; position < level->used; i++)
	{
		order[i].request = (MvsRequest *) (level->buffer + position);
		position += order[i].request->size;
	}
	mvs_order_sort(order, (int) count);
	sorted = MemoryContextAllocHuge(level->context, level->used);
	for (int64 i = 0; i < count; i++)
	{
		memcpy(sorted + used, order[i].request, order[i].request->size);
		used += order[i].request->size;
	}
	pfree(order);
	pfree(level->buffer);
	level->buffer = sorted;
	level->space = level->used;
	if (level->index)
		requests_destroy(level->index);
	level->index = NULL;
}

/* See what a transaction that is about to end has collected: "levels" is one then, or none. */
static void
finish_collecting(void)
{
	/* Requests go with the extension. */
	if (levels && !OidIsValid(mvs_catalog_oid(MVS_JOURNAL, true)))
		levels = NULL;
	if (levels == NULL)
		return;
	merge_adopted(levels);
	void_erased(levels);
	if (levels->erasures)
		mvs_erasures_erase_notes(levels->erasures);
	record_rewrites(levels);
	sort_requests(levels);
	if (levels->pause == MVS_PAUSE_ON)
		(void) mvs_lock_pause(false);
}

/*
 * Write down what the commit of a transaction that is about to be prepared will have to
 * tell: its requests, implicit ones too, in the journal, and the rest in mvstore_prepared.
 */
static void
write_prepared(void)
{
	MvsDatabase *database = mvs_session_join();
	Level	   *level = current_level();
	MvsPrepared whole = {
		.count.requests = level->explicit_count + level->implicit_count + level->spilled +
		level->skipped,
		.news.journal = level->used > 0 || level->spilled > 0 || level->journal,
		.news.recheck = level->recheck,
		.news.erased = level->erasures != NULL,
		.news.pins = level->pins,
		.news.paused = level->pause != MVS_PAUSE_AS_IT_IS,
		.marked = list_member_oid(level->marks, InvalidOid)
	};
	ListCell   *cell;

	/* Should an end not have been told, there is to be room for us among the writers. */
	mvs_version_settle_prepared(database, mvs_queue_prepared_ended);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (level->used > 0)
		mvs_journal_write(database, level->buffer, level->used, true, true);
	mvs_prepared_write(mvs_version_mine(), &whole);
	foreach(cell, level->forgotten)
		(void) count_of(level, lfirst_oid(cell));
	foreach(cell, level->marks)
	{
		if (OidIsValid(lfirst_oid(cell)))
			(void) count_of(level, lfirst_oid(cell));
	}
	foreach(cell, level->counts)
	{
		MvsPrepared row = {.count = *(MvsStoreCount *) lfirst(cell)};

		row.marked = list_member_oid(level->marks, row.count.store);
		row.forgotten = list_member_oid(level->forgotten, row.count.store);
		mvs_prepared_write(mvs_version_mine(), &row);
	}
	PopActiveSnapshot();
	MVS_FAULT("prepare-written");
}

static void
end_transaction(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			finish_collecting();
			if (levels && levels->explicit_count > 0)
				secure_requests(levels);
			secured = mvs_compat_local_xid(MyProc);
			break;
		case XACT_EVENT_PRE_PREPARE:
			finish_collecting();
			if ((levels || mvs_version_mine() != 0) &&
				OidIsValid(mvs_catalog_oid(MVS_PREPARED, true)))
				write_prepared();
			secured = mvs_compat_local_xid(MyProc);
			break;
		case XACT_EVENT_PREPARE:
			/* What it tells is written down, and goes on from there. */
			if (levels || mvs_version_mine() != 0)
				mvs_version_prepare(mvs_database_find(MyDatabaseId));
			levels = NULL;
			MVS_FAULT_NO_ERROR("prepared");
			break;
		case XACT_EVENT_COMMIT:
			if (levels)
			{
				MVS_FAULT_NO_ERROR("committed");
				publish(levels);
				levels = NULL;
				MVS_FAULT_NO_ERROR("published");
			}
			mvs_version_end(true);

			/* Who applies the changes of others ends prepared transactions by no command. */
			if (MVS_COMPAT_ORIGIN != InvalidReplOriginId && MVS_COMPAT_ORIGIN != DoNotReplicateId &&
				mvs_version_any_prepared())
				mvs_wake_worker(mvs_database_find(MyDatabaseId));
			break;
		case XACT_EVENT_ABORT:
			levels = NULL;
			if (reserved > 0)
			{
				mvs_queue_release(mvs_database_find(MyDatabaseId), reserved, reserved_size);
				reserved = 0;
				reserved_size = 0;
			}
			mvs_version_end(false);
			break;
		default:
			break;				/* parallel workers collect nothing */
	}
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId mine,
				   SubTransactionId parent, void *argument)
{
	int			nest_level = GetCurrentTransactionNestLevel();
	Level	   *level = levels;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	mvs_version_end_subtransaction(event == SUBXACT_EVENT_COMMIT_SUB, nest_level);

	if (level == NULL || level->nest_level < nest_level)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		if (level->parent == NULL || level->parent->nest_level < nest_level - 1)
		{
			level->nest_level = nest_level - 1;
			return;
		}
		levels = level->parent;
		levels->adopted = level;
		MemoryContextSetParent(level->context, levels->context);
		return;
	}
	levels = level->parent;
	MemoryContextDelete(level->context);
}
