/*-------------------------------------------------------------------------
 *
 * journal.c
 *	  mvstore_journal: the rows that explicit drop requests leave.
 *
 * Ids come from the version clock, so they never come again. A row names the
 * system and the database that made it: what a restore brings is not ours.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/key.h"
#include "queue/journal.h"
#include "version/clock.h"

#define Anum_journal_id 1
#define Anum_journal_system 2
#define Anum_journal_database 3
#define Anum_journal_store 4
#define Anum_journal_incarnation 5
#define Anum_journal_kind 6
#define Anum_journal_key 7
#define Anum_journal_to_key 8
#define Anum_journal_keep 9
#define Anum_journal_before 10
#define Anum_journal_spilled 11
#define Anum_journal_attempts 12
#define Anum_journal_error 13
#define Natts_journal 13

/* Rows that are inserted together: so many that a page more or less does not matter. */
#define ROWS_AT_ONCE 200

/* Requests beyond it may have rows that are compressed, or cut. */
#define LONG_REQUEST (TOAST_TUPLE_THRESHOLD / 2)

/* Rows about to be inserted. */
typedef struct Rows
{
	Relation	journal;
	CatalogIndexState indexes;
	TupleDesc	descriptor;		/* a copy: to pin the same one for many slots takes long */
	int			count;
	MvsRequest *requests[ROWS_AT_ONCE];
	TupleTableSlot *slots[ROWS_AT_ONCE];
} Rows;

static const char *const kind_names[] = {
	[MVS_REQUEST_DROP] = "drop",
	[MVS_REQUEST_RANGE] = "range",
	[MVS_REQUEST_COMPACT] = "compact",
	[MVS_REQUEST_WRITE] = "policy",
	[MVS_REQUEST_LOOK] = "policy",
};

static bool is_restored(const Datum *values);
static bool is_row_of(Relation journal, HeapTuple tuple, const MvsRequest *request);
static MvsJournalRow state_of(const SnapshotData *dirty);
static bool has_block(Relation journal, BlockNumber block);
static MvsJournalRow find_where_made(Relation journal, const MvsRequest *request);
static MvsJournalRow find_by_id(Relation journal, const MvsRequest *request, ItemPointer tid);
static HeapTuple form_row(Relation journal, const MvsRequest *request, bool spilled,
						  int attempts, const char *error);
static void insert_rows(Rows *rows, MvsDatabase *database, bool spilled);
static void insert_long_row(const Rows *rows, MvsDatabase *database, MvsRequest *request,
							bool spilled);
static int	kind_of(const char *name);
static MvsRequest *read_row(Relation journal, HeapTuple tuple, int64 *failed);

/* Return a row for a request, which has its id. */
static HeapTuple
form_row(Relation journal, const MvsRequest *request, bool spilled, int attempts,
		 const char *error)
{
	Datum		values[Natts_journal];
	bool		nulls[Natts_journal] = {false};
	HeapTuple	tuple;
	bytea	   *key = mvs_key_make(request->key, request->key_length);
	bytea	   *to = mvs_key_make(request->key + request->key_length, request->to_length);

	values[Anum_journal_id - 1] = Int64GetDatum(request->journal);
	values[Anum_journal_system - 1] = Int64GetDatum(GetSystemIdentifier());
	values[Anum_journal_database - 1] = ObjectIdGetDatum(MyDatabaseId);
	values[Anum_journal_store - 1] = ObjectIdGetDatum(request->store);
	values[Anum_journal_incarnation - 1] = Int64GetDatum(request->incarnation);
	values[Anum_journal_kind - 1] = CStringGetTextDatum(kind_names[request->kind]);
	values[Anum_journal_key - 1] = PointerGetDatum(key);
	values[Anum_journal_to_key - 1] = PointerGetDatum(to);
	nulls[Anum_journal_to_key - 1] = !request->bounded;
	values[Anum_journal_keep - 1] = Int32GetDatum(request->keep);
	values[Anum_journal_before - 1] = Int64GetDatum(request->before);
	values[Anum_journal_spilled - 1] = BoolGetDatum(spilled);
	values[Anum_journal_attempts - 1] = Int32GetDatum(attempts);
	nulls[Anum_journal_error - 1] = (error == NULL);
	values[Anum_journal_error - 1] = error ? CStringGetTextDatum(error) : (Datum) 0;
	tuple = heap_form_tuple(RelationGetDescr(journal), values, nulls);
	pfree(key);
	pfree(to);
	return tuple;
}

const char *
mvs_journal_kind(const MvsRequest *request)
{
	return kind_names[request->kind];
}

/* Insert rows for the requests, and have it so that there are none. */
static void
insert_rows(Rows *rows, MvsDatabase *database, bool spilled)
{
	int64		id;

	if (rows->count == 0)
		return;
	id = mvs_clock_ticks(database, rows->count);
	for (int i = 0; i < rows->count; i++)
	{
		rows->requests[i]->journal = id + i;
		if (rows->slots[i] == NULL)
			rows->slots[i] = MakeSingleTupleTableSlot(rows->descriptor, &TTSOpsHeapTuple);
		ExecStoreHeapTuple(form_row(rows->journal, rows->requests[i], spilled, 0, NULL),
						   rows->slots[i], true);
	}
	CatalogTuplesMultiInsertWithInfo(rows->journal, rows->slots, rows->count, rows->indexes);
	for (int i = 0; i < rows->count; i++)
		rows->requests[i]->row = rows->slots[i]->tts_tid;
	rows->count = 0;
}

/*
 * Insert a row alone that may be too long for its page as it is: CatalogTuplesMultiInsertWithInfo()
 * would not know where it is then, for the index.
 */
static void
insert_long_row(const Rows *rows, MvsDatabase *database, MvsRequest *request, bool spilled)
{
	HeapTuple	tuple;

	request->journal = mvs_clock_tick(database);
	tuple = form_row(rows->journal, request, spilled, 0, NULL);
	CatalogTupleInsertWithInfo(rows->journal, tuple, rows->indexes);
	request->row = tuple->t_self;
	heap_freetuple(tuple);
}

void
mvs_journal_write(MvsDatabase *database, char *requests, Size size, bool implicit, bool spilled)
{
	Rows		rows = {.count = 0};

	rows.journal = mvs_catalog_open(MVS_JOURNAL, false, RowExclusiveLock);
	rows.indexes = CatalogOpenIndexes(rows.journal);
	rows.descriptor = CreateTupleDescCopy(RelationGetDescr(rows.journal));

	/* The xid before the ids: see begin_replay(). */
	(void) GetCurrentTransactionId();
	for (Size position = 0; position < size;)
	{
		MvsRequest *request = (MvsRequest *) (requests + position);

		position += request->size;
		if (MvsRequestIsImplicit(request) && !implicit)
			continue;
		if (request->size > LONG_REQUEST)
		{
			insert_long_row(&rows, database, request, spilled);
			continue;
		}
		rows.requests[rows.count++] = request;
		if (rows.count == ROWS_AT_ONCE)
			insert_rows(&rows, database, spilled);
	}
	insert_rows(&rows, database, spilled);
	for (int i = 0; i < ROWS_AT_ONCE && rows.slots[i]; i++)
		ExecDropSingleTupleTableSlot(rows.slots[i]);
	FreeTupleDesc(rows.descriptor);
	CatalogCloseIndexes(rows.indexes);
	table_close(rows.journal, RowExclusiveLock);
}

bool
mvs_journal_is_restored(int64 id, int64 system, Oid database)
{
	return system != (int64) GetSystemIdentifier() || database != MyDatabaseId ||
		id < mvs_clock_creation();
}

/* Whether a row came by a restore. */
static bool
is_restored(const Datum *values)
{
	return mvs_journal_is_restored(DatumGetInt64(values[Anum_journal_id - 1]),
								   DatumGetInt64(values[Anum_journal_system - 1]),
								   DatumGetObjectId(values[Anum_journal_database - 1]));
}

/* Whether a row is that of a request. */
static bool
is_row_of(Relation journal, HeapTuple tuple, const MvsRequest *request)
{
	Datum		values[Anum_journal_store];
	bool		isnull;

	for (int i = 0; i < Anum_journal_store; i++)
		values[i] = heap_getattr(tuple, i + 1, RelationGetDescr(journal), &isnull);
	return DatumGetInt64(values[Anum_journal_id - 1]) == request->journal && !is_restored(values) &&
		DatumGetObjectId(values[Anum_journal_store - 1]) == request->store;
}

/* Return the state of a row that a dirty snapshot has just seen. */
static MvsJournalRow
state_of(const SnapshotData *dirty)
{
	return TransactionIdIsValid(dirty->xmin) || TransactionIdIsValid(dirty->xmax) ?
		MVS_ROW_LOCKED : MVS_ROW_FOUND;
}

/*
 * Whether a block is there. The system is asked once in a transaction, mostly: with the lock
 * that this one has until its end, nobody cuts blocks off.
 */
static bool
has_block(Relation journal, BlockNumber block)
{
	static LocalTransactionId asked_by;
	static Oid	asked_for;
	static BlockNumber blocks;
	LocalTransactionId mine = mvs_compat_local_xid(MyProc);

	if (asked_by != mine || asked_for != RelationGetRelid(journal) || block >= blocks)
	{
		blocks = RelationGetNumberOfBlocks(journal);
		asked_by = mine;
		asked_for = RelationGetRelid(journal);
	}
	return block < blocks;
}

/* Find the row of a request where it was made; MVS_ROW_GONE: there it is not, or not any more. */
static MvsJournalRow
find_where_made(Relation journal, const MvsRequest *request)
{
	MvsJournalRow state = MVS_ROW_GONE;
	HeapTupleData tuple;
	Buffer		buffer;
	SnapshotData dirty;

	/* The table may have been emptied and truncated since, or be another one. */
	if (!ItemPointerIsValid(&request->row) ||
		!has_block(journal, ItemPointerGetBlockNumber(&request->row)))
		return MVS_ROW_GONE;
	InitDirtySnapshot(dirty);
	tuple.t_self = request->row;
	if (!heap_fetch(journal, &dirty, &tuple, &buffer, false))
		return MVS_ROW_GONE;
	if (is_row_of(journal, &tuple, request))
		state = state_of(&dirty);
	ReleaseBuffer(buffer);
	return state;
}

/* Find the row of a request by its id. */
static MvsJournalRow
find_by_id(Relation journal, const MvsRequest *request, ItemPointer tid)
{
	MvsJournalRow state = MVS_ROW_GONE;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	SnapshotData dirty;

	InitDirtySnapshot(dirty);
	ScanKeyInit(&key, Anum_journal_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(request->journal));
	scan = systable_beginscan(journal, mvs_catalog_oid(MVS_JOURNAL_KEY, false), true,
							  &dirty, 1, &key);
	while (state == MVS_ROW_GONE && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (!is_row_of(journal, tuple, request))
			continue;
		*tid = tuple->t_self;
		state = state_of(&dirty);
	}
	systable_endscan(scan);
	return state;
}

MvsJournalRow
mvs_journal_find(const MvsRequest *request, ItemPointer tid)
{
	Relation	journal;
	MvsJournalRow state;

	if (!OidIsValid(mvs_catalog_oid(MVS_JOURNAL, true)))
		return MVS_ROW_GONE;	/* with the extension */
	journal = mvs_catalog_open(MVS_JOURNAL, false, AccessShareLock);

	/* With what is uncommitted: who is at a row is not waited for. */
	*tid = request->row;
	state = find_where_made(journal, request);
	if (state == MVS_ROW_GONE)
		state = find_by_id(journal, request, tid);

	/* There will be more to find, until the end of the transaction. */
	table_close(journal, NoLock);
	return state;
}

void
mvs_journal_delete(ItemPointer tid)
{
	Relation	journal = mvs_catalog_open(MVS_JOURNAL, false, RowExclusiveLock);
	TM_FailureData failure;

	if (mvs_compat_table_tuple_delete(journal, tid, GetCurrentCommandId(true),
									  GetActiveSnapshot(), false, &failure) != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not obtain lock on a drop request"),
				 errdetail("Another transaction is changing it.")));
	table_close(journal, NoLock);
}

bool
mvs_journal_record_failure(MvsDatabase *database, MvsRequest *request, int attempts,
						   const char *error, bool *gone)
{
	Relation	journal;
	HeapTupleData old;
	Buffer		buffer;
	MvsJournalRow state = MVS_ROW_GONE;

	*gone = false;
	if (!OidIsValid(mvs_catalog_oid(MVS_JOURNAL, true)))
		return true;
	if (request->journal != 0)
	{
		state = mvs_journal_find(request, &old.t_self);
		*gone = (state == MVS_ROW_GONE);
		if (state != MVS_ROW_FOUND)
			return false;
	}
	journal = mvs_catalog_open(MVS_JOURNAL, false, RowExclusiveLock);
	if (state == MVS_ROW_GONE)
	{
		int64		id = mvs_clock_try_tick(database);

		if (id == 0)
		{
			/* The worker, which has locks, waits for nobody here. */
			table_close(journal, RowExclusiveLock);
			return false;
		}
		request->journal = id;
		CatalogTupleInsert(journal, form_row(journal, request, false, attempts, error));
	}
	else if (heap_fetch(journal, GetActiveSnapshot(), &old, &buffer, false))
	{
		Datum		values[Natts_journal];
		bool		nulls[Natts_journal] = {false};
		bool		replace[Natts_journal] = {false};
		HeapTuple	new;

		values[Anum_journal_attempts - 1] = Int32GetDatum(attempts);
		replace[Anum_journal_attempts - 1] = true;
		values[Anum_journal_error - 1] = CStringGetTextDatum(error);
		replace[Anum_journal_error - 1] = true;
		new = heap_modify_tuple(&old, RelationGetDescr(journal), values, nulls, replace);
		ReleaseBuffer(buffer);
		mvs_catalog_update(journal, &old.t_self, new);
	}
	table_close(journal, RowExclusiveLock);
	return true;
}

/* Return the kind that a row names; what a policy asked for once is looked at as a whole now. */
static int
kind_of(const char *name)
{
	for (int kind = MVS_REQUEST_LOOK; kind >= 0; kind--)
		if (strcmp(name, kind_names[kind]) == 0)
			return kind;
	return -1;
}

/* Return the request of a row; NULL where the row is not ours to work off, or was set aside. */
static MvsRequest *
read_row(Relation journal, HeapTuple tuple, int64 *failed)
{
	Datum		values[Natts_journal];
	bool		nulls[Natts_journal];
	bytea	   *key;
	bytea	   *to = NULL;
	MvsRequest *request;
	int			kind;
	int			length;
	int			to_length = 0;

	heap_deform_tuple(tuple, RelationGetDescr(journal), values, nulls);
	if (is_restored(values))
		return NULL;
	if (DatumGetInt32(values[Anum_journal_attempts - 1]) >= MVS_MAX_ATTEMPTS)
	{
		(*failed)++;
		return NULL;
	}
	kind = kind_of(TextDatumGetCString(values[Anum_journal_kind - 1]));
	key = DatumGetByteaPP(values[Anum_journal_key - 1]);
	length = VARSIZE_ANY_EXHDR(key);
	if (!nulls[Anum_journal_to_key - 1])
	{
		to = DatumGetByteaPP(values[Anum_journal_to_key - 1]);
		to_length = VARSIZE_ANY_EXHDR(to);
	}
	if (kind < 0 || length > MVS_MAX_BOUND || to_length > MVS_MAX_BOUND)
		return NULL;			/* no request of ours */
	request = palloc0(MvsRequestSize(length, to_length));
	request->size = MvsRequestSize(length, to_length);
	request->key_length = length;
	request->to_length = to_length;
	request->kind = kind;
	request->bounded = (to != NULL);
	request->attempts = Max(DatumGetInt32(values[Anum_journal_attempts - 1]), 0);
	request->keep = DatumGetInt32(values[Anum_journal_keep - 1]);
	request->store = DatumGetObjectId(values[Anum_journal_store - 1]);
	request->incarnation = DatumGetInt64(values[Anum_journal_incarnation - 1]);
	request->journal = DatumGetInt64(values[Anum_journal_id - 1]);
	request->row = tuple->t_self;
	request->before = DatumGetInt64(values[Anum_journal_before - 1]);
	/* The clock that ids come from tells when it was made. */
	request->committed_at = mvs_version_to_time(request->journal);
	memcpy(request->key, VARDATA_ANY(key), length);
	if (to)
		memcpy(request->key + length, VARDATA_ANY(to), to_length);
	if ((Pointer) key != DatumGetPointer(values[Anum_journal_key - 1]))
		pfree(key);
	return request;
}

bool
mvs_journal_read(int64 after, int limit, List **requests, int64 *failed, int64 *lowest,
				 int64 *last)
{
	Relation	journal;
	Relation	index;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple = NULL;
	int			count = 0;

	*requests = NIL;
	*last = after;
	if (!OidIsValid(mvs_catalog_oid(MVS_JOURNAL, true)))
		return false;
	journal = mvs_catalog_open(MVS_JOURNAL, false, AccessShareLock);
	index = mvs_catalog_open(MVS_JOURNAL_KEY, false, AccessShareLock);
	ScanKeyInit(&key, Anum_journal_id, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after));
	scan = systable_beginscan_ordered(journal, index, NULL, 1, &key);
	while (count < limit &&
		   HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		int64		failed_before = *failed;
		MvsRequest *request = read_row(journal, tuple, failed);
		bool		isnull;
		int64		id = DatumGetInt64(heap_getattr(tuple, Anum_journal_id,
													RelationGetDescr(journal), &isnull));

		/* A row of another system may have the id of one of ours, which then comes next. */
		count++;
		if (request || *failed > failed_before)
			*lowest = Min(*lowest, id);
		else
			id--;
		*last = Max(*last, id);
		if (request)
			*requests = lappend(*requests, request);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(journal, AccessShareLock);
	return count == limit;
}

void
mvs_journal_forget(Oid store)
{
	Relation	journal = mvs_catalog_open(MVS_JOURNAL, false, RowExclusiveLock);
	SysScanDesc scan = systable_beginscan(journal, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	PushActiveSnapshot(GetLatestSnapshot());
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		TM_FailureData failure;
		bool		isnull;

		if (DatumGetObjectId(heap_getattr(tuple, Anum_journal_store, RelationGetDescr(journal),
										  &isnull)) == store)
			(void) mvs_compat_table_tuple_delete(journal, &tuple->t_self,
												 GetCurrentCommandId(true),
												 GetActiveSnapshot(), false,
												 &failure);
	}
	PopActiveSnapshot();
	systable_endscan(scan);
	table_close(journal, NoLock);
}

/* Whether bytes are equal to others, or with "prefix" begin with them. */
static bool
matches(bytea *bytes, const bytea *key, bool prefix)
{
	Size		wanted = VARSIZE_ANY_EXHDR(key);
	Size		length = VARSIZE_ANY_EXHDR(bytes);

	return (prefix ? length >= wanted : length == wanted) &&
		memcmp(VARDATA_ANY(bytes), VARDATA_ANY(key), wanted) == 0;
}

/*
 * Void what requests there are for a key, or a prefix; false where one was being changed, and
 * may be left.
 */
static bool
erase_once(Relation journal, Oid store, const bytea *key, bool prefix, const bytea *end)
{
	SysScanDesc scan = systable_beginscan(journal, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	bool		all = true;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_journal];
		bool		nulls[Natts_journal];
		int			kind;

		heap_deform_tuple(tuple, RelationGetDescr(journal), values, nulls);
		if (DatumGetObjectId(values[Anum_journal_store - 1]) != store ||
			!matches(DatumGetByteaPP(values[Anum_journal_key - 1]), key, prefix))
			continue;

		/* A range that has other keys, too, stays. */
		kind = kind_of(TextDatumGetCString(values[Anum_journal_kind - 1]));
		if ((kind == MVS_REQUEST_RANGE || kind == MVS_REQUEST_COMPACT) &&
			(!prefix || (end && (nulls[Anum_journal_to_key - 1] ||
								 mvs_key_compare(DatumGetByteaPP(values[Anum_journal_to_key - 1]),
												 end) > 0))))
			continue;
		if (mvs_catalog_lock_row(journal, &tuple->t_self))
			mvs_catalog_delete(journal, &tuple->t_self);
		else
			all = false;
	}
	systable_endscan(scan);
	CommandCounterIncrement();
	return all;
}

void
mvs_journal_erase(Oid store, const bytea *key, bool prefix)
{
	bytea	   *end = prefix ? mvs_key_prefix_end(key) : NULL;
	Relation	journal = mvs_catalog_open(MVS_JOURNAL, false, RowExclusiveLock);

	while (!erase_once(journal, store, key, prefix, end))
		CHECK_FOR_INTERRUPTS();
	table_close(journal, NoLock);
}

int64
mvs_journal_adopt(MvsDatabase *database)
{
	Relation	journal = mvs_catalog_open(MVS_JOURNAL, false, RowExclusiveLock);
	SysScanDesc scan = systable_beginscan(journal, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	int64		count = 0;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_journal];
		bool		nulls[Natts_journal];
		bool		replace[Natts_journal] = {false};
		HeapTuple	adopted;

		heap_deform_tuple(tuple, RelationGetDescr(journal), values, nulls);

		/* Somebody else may have adopted it, or voided it, just now. */
		if (!is_restored(values) || !mvs_catalog_lock_row(journal, &tuple->t_self))
			continue;
		values[Anum_journal_id - 1] = Int64GetDatum(mvs_clock_tick(database));
		values[Anum_journal_system - 1] = Int64GetDatum(GetSystemIdentifier());
		values[Anum_journal_database - 1] = ObjectIdGetDatum(MyDatabaseId);
		values[Anum_journal_spilled - 1] = BoolGetDatum(true);
		replace[Anum_journal_id - 1] = replace[Anum_journal_system - 1] =
			replace[Anum_journal_database - 1] = replace[Anum_journal_spilled - 1] = true;
		adopted = heap_modify_tuple(tuple, RelationGetDescr(journal), values, nulls, replace);
		CatalogTupleUpdate(journal, &tuple->t_self, adopted);
		heap_freetuple(adopted);
		count++;
	}
	systable_endscan(scan);
	table_close(journal, NoLock);
	CommandCounterIncrement();
	return count;
}
