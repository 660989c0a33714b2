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
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "entry.h"
#include "journal.h"
#include "queue.h"
#include "store.h"
#include "version.h"

#define Anum_journal_id 1
#define Anum_journal_system 2
#define Anum_journal_database 3
#define Anum_journal_store 4
#define Anum_journal_incarnation 5
#define Anum_journal_key 6
#define Anum_journal_keep 7
#define Anum_journal_before 8
#define Natts_journal 8

static bool is_own(const Datum *values);

void
mvs_journal_write(MvsDatabase *database, char *requests, Size size)
{
	Relation	journal = table_open(mvs_catalog_oid(MVS_JOURNAL, false), RowExclusiveLock);
	CatalogIndexState indexes = CatalogOpenIndexes(journal);
	Datum		values[Natts_journal];
	bool		nulls[Natts_journal] = {false};

	values[Anum_journal_system - 1] = Int64GetDatum(GetSystemIdentifier());
	values[Anum_journal_database - 1] = ObjectIdGetDatum(MyDatabaseId);
	for (Size position = 0; position < size;)
	{
		MvsRequest *request = (MvsRequest *) (requests + position);
		HeapTuple	tuple;
		bytea	   *key;

		position += request->size;
		if (request->implicit)
			continue;
		key = palloc(VARHDRSZ + request->key_length);
		SET_VARSIZE(key, VARHDRSZ + request->key_length);
		memcpy(VARDATA(key), request->key, request->key_length);
		request->journal = mvs_version_tick(database);
		values[Anum_journal_id - 1] = Int64GetDatum(request->journal);
		values[Anum_journal_store - 1] = ObjectIdGetDatum(request->store);
		values[Anum_journal_incarnation - 1] = Int64GetDatum(request->incarnation);
		values[Anum_journal_key - 1] = PointerGetDatum(key);
		values[Anum_journal_keep - 1] = Int32GetDatum(request->keep);
		values[Anum_journal_before - 1] = Int64GetDatum(request->before);
		tuple = heap_form_tuple(RelationGetDescr(journal), values, nulls);
		CatalogTupleInsertWithInfo(journal, tuple, indexes);
		heap_freetuple(tuple);
		pfree(key);
	}
	CatalogCloseIndexes(indexes);
	table_close(journal, RowExclusiveLock);
}

/* Whether a row was made in this database of this system. */
static bool
is_own(const Datum *values)
{
	return DatumGetInt64(values[Anum_journal_system - 1]) == (int64) GetSystemIdentifier() &&
		DatumGetObjectId(values[Anum_journal_database - 1]) == MyDatabaseId;
}

bool
mvs_journal_find(int64 id, ItemPointer tid)
{
	Relation	journal;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	if (!OidIsValid(mvs_catalog_oid(MVS_JOURNAL, true)))
		return false;			/* gone with the extension */
	journal = table_open(mvs_catalog_oid(MVS_JOURNAL, false), AccessShareLock);

	ScanKeyInit(&key, Anum_journal_id, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	scan = systable_beginscan(journal, mvs_catalog_oid(MVS_JOURNAL_KEY, false), true,
							  NULL, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_journal];
		bool		nulls[Natts_journal];

		heap_deform_tuple(tuple, RelationGetDescr(journal), values, nulls);
		if (is_own(values))
		{
			*tid = tuple->t_self;
			found = true;
		}
	}
	systable_endscan(scan);
	table_close(journal, AccessShareLock);
	return found;
}

void
mvs_journal_delete(ItemPointer tid)
{
	Relation	journal = table_open(mvs_catalog_oid(MVS_JOURNAL, false), RowExclusiveLock);

	CatalogTupleDelete(journal, tid);
	table_close(journal, RowExclusiveLock);
}

List *
mvs_journal_read(int64 after, int limit)
{
	Relation	journal;
	Relation	index;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *requests = NIL;

	if (!OidIsValid(mvs_catalog_oid(MVS_JOURNAL, true)))
		return NIL;
	journal = table_open(mvs_catalog_oid(MVS_JOURNAL, false), AccessShareLock);
	index = index_open(mvs_catalog_oid(MVS_JOURNAL_KEY, false), AccessShareLock);
	ScanKeyInit(&key, Anum_journal_id, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after));
	scan = systable_beginscan_ordered(journal, index, NULL, 1, &key);
	while (list_length(requests) < limit &&
		   HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		Datum		values[Natts_journal];
		bool		nulls[Natts_journal];
		bytea	   *request_key;
		MvsRequest *request;
		int			length;

		heap_deform_tuple(tuple, RelationGetDescr(journal), values, nulls);
		if (!is_own(values))
			continue;
		request_key = DatumGetByteaPP(values[Anum_journal_key - 1]);
		length = VARSIZE_ANY_EXHDR(request_key);
		if (length > MVS_MAX_KEY)
			continue;			/* no request of ours */
		request = palloc0(MvsRequestSize(length));
		request->size = MvsRequestSize(length);
		request->key_length = length;
		request->keep = DatumGetInt32(values[Anum_journal_keep - 1]);
		request->store = DatumGetObjectId(values[Anum_journal_store - 1]);
		request->incarnation = DatumGetInt64(values[Anum_journal_incarnation - 1]);
		request->journal = DatumGetInt64(values[Anum_journal_id - 1]);
		request->before = DatumGetInt64(values[Anum_journal_before - 1]);
		/* The clock that ids come from tells when it was made. */
		request->committed_at = mvs_version_to_time(request->journal);
		memcpy(request->key, VARDATA_ANY(request_key), length);
		if ((Pointer) request_key != DatumGetPointer(values[Anum_journal_key - 1]))
			pfree(request_key);
		requests = lappend(requests, request);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(journal, AccessShareLock);
	return requests;
}
