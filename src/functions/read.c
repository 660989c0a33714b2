/*-------------------------------------------------------------------------
 *
 * read.c
 *	  The SQL functions that read stores.
 *
 * A read uses the active snapshot, for entries and floor alike, so what a drop
 * has removed and that it was removed are seen together or not at all. It
 * never writes, takes no lock but ACCESS SHARE on the store, and needs shared
 * memory only to tell whether a version lies in the future.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/arguments.h"
#include "base/key.h"
#include "base/settings.h"
#include "store/entry.h"
#include "store/floor.h"
#include "store/store.h"
#include "version/clock.h"
#include "version/stable.h"

/* "snapshot too old": PostgreSQL 17 took the name away, not the meaning. */
/* A read under way. */
typedef struct MvsRead
{
	MvsStore	store;
	Snapshot	snapshot;
	int64		as_of;
	int64		floor;			/* valid if known */
	bool		floor_known;
	int64		past;			/* a version that it is compared with, or 0 */
} MvsRead;

PG_FUNCTION_INFO_V1(mvstore_get);
PG_FUNCTION_INFO_V1(mvstore_get_bytea);
PG_FUNCTION_INFO_V1(mvstore_get_text_bytea);
PG_FUNCTION_INFO_V1(mvstore_get_entry);
PG_FUNCTION_INFO_V1(mvstore_get_entry_bytea);
PG_FUNCTION_INFO_V1(mvstore_contains);
PG_FUNCTION_INFO_V1(mvstore_contains_bytea);
PG_FUNCTION_INFO_V1(mvstore_previous);
PG_FUNCTION_INFO_V1(mvstore_previous_bytea);
PG_FUNCTION_INFO_V1(mvstore_get_many);
PG_FUNCTION_INFO_V1(mvstore_get_many_bytea);
PG_FUNCTION_INFO_V1(mvstore_scan);
PG_FUNCTION_INFO_V1(mvstore_scan_bytea);
PG_FUNCTION_INFO_V1(mvstore_scan_prefix);
PG_FUNCTION_INFO_V1(mvstore_scan_prefix_bytea);
PG_FUNCTION_INFO_V1(mvstore_count);
PG_FUNCTION_INFO_V1(mvstore_count_bytea);
PG_FUNCTION_INFO_V1(mvstore_diff);
PG_FUNCTION_INFO_V1(mvstore_diff_bytea);
PG_FUNCTION_INFO_V1(mvstore_history);
PG_FUNCTION_INFO_V1(mvstore_history_bytea);

static void begin_read(MvsRead *read, FunctionCallInfo fcinfo, int as_of_argument);
static int64 read_floor(MvsRead *read);
static void refuse_future(MvsRead *read);
static void refuse_below_floor(MvsRead *read);
static bool has_expired(MvsRead *read, const MvsEntry *entry);
static bool is_live(MvsRead *read, const MvsEntry *entry);
static bool find_entry(MvsRead *read, MvsCursor *cursor, const bytea *key, MvsEntry *entry);
static Datum get_value(FunctionCallInfo fcinfo, MvsType key_type, MvsType value_type);
static Datum get_row(FunctionCallInfo fcinfo, MvsType type, bool previous);
static Datum contains(FunctionCallInfo fcinfo, MvsType type);
static Datum get_many(FunctionCallInfo fcinfo, MvsType type);
static void get_range(FunctionCallInfo fcinfo, MvsType type, const bytea **from, const bytea **to);
static Datum scan_range(FunctionCallInfo fcinfo, MvsType type);
static Datum scan_prefix(FunctionCallInfo fcinfo, MvsType type);
static void scan_keys(FunctionCallInfo fcinfo, MvsRead *read, MvsType type,
					  const bytea *from, const bytea *to, int64 limit, bool reverse);
static Datum count_keys(FunctionCallInfo fcinfo, MvsType type);
static void put_entry(MvsEntry *entry, bool live, MvsType type, Datum *values, bool *nulls);
static Datum diff(FunctionCallInfo fcinfo, MvsType type);
static Datum history(FunctionCallInfo fcinfo, MvsType type);

/* ------------------------------------------------------------------------
 * What every read does
 * ------------------------------------------------------------------------ */

/* Open the store in argument 0 for reading as of a version (argument, or -1: the newest). */
static void
begin_read(MvsRead *read, FunctionCallInfo fcinfo, int as_of_argument)
{
	Oid			relation = mvs_get_store(fcinfo, 0);

	read->as_of = as_of_argument < 0 ? MVS_NEWEST :
		mvs_get_version(fcinfo, as_of_argument, "as_of");
	mvs_store_open(&read->store, relation, AccessShareLock, ACL_SELECT);
	read->snapshot = GetActiveSnapshot();
	read->floor_known = false;
	read->past = 0;
	if (read->as_of != MVS_NEWEST)
		refuse_future(read);
}

/* The floor of the store as the snapshot sees it. */
static int64
read_floor(MvsRead *read)
{
	if (!read->floor_known)
	{
		read->floor = mvs_floor_read(RelationGetRelid(read->store.heap), read->snapshot);
		read->floor_known = true;
	}
	return read->floor;
}

/* Refuse a version of which it is not yet known what it will show. */
static void
refuse_future(MvsRead *read)
{
	MvsUnstable why;

	if (!mvs_strict_history || mvs_is_stable(read->snapshot, read->as_of))
		return;
	mvs_stable_explain(read->snapshot, read->as_of, &why);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version " INT64_FORMAT " of store \"%s\" is not stable yet",
					read->as_of, RelationGetRelationName(read->store.heap)),
			 errdetail_internal("%s", why.detail),
			 errhint("%s", why.hint)));
}

/* Refuse to say "absent" of a version that drops, or a TRUNCATE, may have made incomplete. */
static void
refuse_below_floor(MvsRead *read)
{
	if (read->as_of == MVS_NEWEST || !mvs_strict_history)
		return;
	mvs_store_refuse_untold(&read->store);
	if (read->as_of >= read_floor(read))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_HISTORY_GONE),
			 errmsg("history of store \"%s\" as of version " INT64_FORMAT " is gone",
					RelationGetRelationName(read->store.heap), read->as_of),
			 errdetail("Reads are complete as of version " INT64_FORMAT " or later.",
					   read_floor(read))));
}

/* Whether an entry is past its time to live, for this read. */
static bool
has_expired(MvsRead *read, const MvsEntry *entry)
{
	int64		expires;

	if (!entry->expires)
		return false;
	if (TIMESTAMP_NOT_FINITE(entry->expires_at))
		return TIMESTAMP_IS_NOBEGIN(entry->expires_at);
	expires = mvs_version_of_time(entry->expires_at);
	if (read->as_of != MVS_NEWEST)
		return expires <= read->as_of;

	/* The clock may step back, but what a sweep took as expired stays so. */
	return entry->expires_at <= GetCurrentStatementStartTimestamp() ||
		expires <= read->past || expires <= read_floor(read);
}

static bool
is_live(MvsRead *read, const MvsEntry *entry)
{
	return !entry->tombstone && !has_expired(read, entry);
}

/* The live entry of a key; false where it is absent, deleted or expired. */
static bool
find_entry(MvsRead *read, MvsCursor *cursor, const bytea *key, MvsEntry *entry)
{
	if (!mvs_cursor_find(cursor, key, read->as_of, entry))
	{
		refuse_below_floor(read);
		return false;
	}
	return is_live(read, entry);
}

/* ------------------------------------------------------------------------
 * One key
 * ------------------------------------------------------------------------ */

static Datum
get_value(FunctionCallInfo fcinfo, MvsType key_type, MvsType value_type)
{
	MvsRead		read;
	MvsCursor	cursor;
	MvsEntry	entry;
	bytea	   *key = mvs_get_key(fcinfo, 1, key_type, "key");
	bytea	   *value = NULL;

	begin_read(&read, fcinfo, 2);
	mvs_cursor_open(&cursor, &read.store, read.snapshot);
	if (find_entry(&read, &cursor, key, &entry))
		value = mvs_entry_value(&entry);
	mvs_cursor_close(&cursor);
	mvs_store_close(&read.store);

	if (value == NULL)
		PG_RETURN_NULL();
	return mvs_return_bytes(value, value_type);
}

/* mvstore_get(store, key text, as_of): the value under a key, NULL if there is none. */
Datum
mvstore_get(PG_FUNCTION_ARGS)
{
	return get_value(fcinfo, MVS_TEXT, MVS_TEXT);
}

/* mvstore_get(store, key bytea, as_of) */
Datum
mvstore_get_bytea(PG_FUNCTION_ARGS)
{
	return get_value(fcinfo, MVS_BYTES, MVS_BYTES);
}

/* mvstore_get_bytea(store, key text, as_of): the value under a text key, as bytes. */
Datum
mvstore_get_text_bytea(PG_FUNCTION_ARGS)
{
	return get_value(fcinfo, MVS_TEXT, MVS_BYTES);
}

/* A row (key, version, value, expires_at): the live entry, or the previous one. */
static Datum
get_row(FunctionCallInfo fcinfo, MvsType type, bool previous)
{
	MvsRead		read;
	MvsCursor	cursor;
	MvsEntry	entry;
	bytea	   *key = mvs_get_key(fcinfo, 1, type, "key");
	TupleDesc	shape;
	Datum		values[4];
	bool		nulls[4] = {false};
	bool		found;

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	if (previous)
	{
		int64		before = mvs_get_version(fcinfo, 2, "before");

		/* An entry below a version is one at or below the version before it. */
		begin_read(&read, fcinfo, -1);
		if (before == 0)
		{
			mvs_store_close(&read.store);
			PG_RETURN_NULL();	/* there never was a version below it */
		}
		read.as_of = before == MVS_NEWEST ? MVS_NEWEST : before - 1;
		if (read.as_of != MVS_NEWEST)
			refuse_future(&read);
	}
	else
		begin_read(&read, fcinfo, 2);

	mvs_cursor_open(&cursor, &read.store, read.snapshot);
	if (previous)
	{
		found = mvs_cursor_find(&cursor, key, read.as_of, &entry);
		if (!found)
			refuse_below_floor(&read);
	}
	else
		found = find_entry(&read, &cursor, key, &entry);
	if (found)
	{
		values[0] = mvs_return_bytes(key, type);
		values[1] = Int64GetDatum(entry.version);
		nulls[2] = entry.tombstone;
		if (!entry.tombstone)
			values[2] = mvs_return_bytes(mvs_entry_value(&entry), type);
		nulls[3] = !entry.expires;
		values[3] = TimestampTzGetDatum(entry.expires_at);
	}
	mvs_cursor_close(&cursor);
	mvs_store_close(&read.store);

	if (!found)
		PG_RETURN_NULL();
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls));
}

/* mvstore_get_entry(store, key text, as_of): the live entry with its own version. */
Datum
mvstore_get_entry(PG_FUNCTION_ARGS)
{
	return get_row(fcinfo, MVS_TEXT, false);
}

/* mvstore_get_entry(store, key bytea, as_of) */
Datum
mvstore_get_entry_bytea(PG_FUNCTION_ARGS)
{
	return get_row(fcinfo, MVS_BYTES, false);
}

/* mvstore_previous(store, key text, before): the newest entry below a version. */
Datum
mvstore_previous(PG_FUNCTION_ARGS)
{
	return get_row(fcinfo, MVS_TEXT, true);
}

/* mvstore_previous(store, key bytea, before) */
Datum
mvstore_previous_bytea(PG_FUNCTION_ARGS)
{
	return get_row(fcinfo, MVS_BYTES, true);
}

static Datum
contains(FunctionCallInfo fcinfo, MvsType type)
{
	MvsRead		read;
	MvsCursor	cursor;
	MvsEntry	entry;
	bytea	   *key = mvs_get_key(fcinfo, 1, type, "key");
	bool		found;

	begin_read(&read, fcinfo, 2);
	mvs_cursor_open(&cursor, &read.store, read.snapshot);
	found = find_entry(&read, &cursor, key, &entry);
	mvs_cursor_close(&cursor);
	mvs_store_close(&read.store);
	PG_RETURN_BOOL(found);
}

/* mvstore_contains(store, key text, as_of): whether a key has a value. */
Datum
mvstore_contains(PG_FUNCTION_ARGS)
{
	return contains(fcinfo, MVS_TEXT);
}

/* mvstore_contains(store, key bytea, as_of) */
Datum
mvstore_contains_bytea(PG_FUNCTION_ARGS)
{
	return contains(fcinfo, MVS_BYTES);
}

/* ------------------------------------------------------------------------
 * Many keys
 * ------------------------------------------------------------------------ */

static Datum
get_many(FunctionCallInfo fcinfo, MvsType type)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MvsRead		read;
	MvsCursor	cursor;
	MemoryContext row_context;
	MemoryContext old;
	bytea	  **keys;
	int			count;

	(void) mvs_get_store(fcinfo, 0);
	count = mvs_get_keys(fcinfo, 1, type, &keys);
	begin_read(&read, fcinfo, 2);
	InitMaterializedSRF(fcinfo, 0);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "mvstore get_many row",
										ALLOCSET_DEFAULT_SIZES);
	mvs_cursor_open(&cursor, &read.store, read.snapshot);
	for (int i = 0; i < count; i++)
	{
		MvsEntry	entry;
		Datum		values[3];
		bool		nulls[3] = {false};
		bool		live;

		CHECK_FOR_INTERRUPTS();
		live = find_entry(&read, &cursor, keys[i], &entry);
		old = MemoryContextSwitchTo(row_context);
		values[0] = mvs_return_bytes(keys[i], type);
		put_entry(&entry, live, type, &values[1], &nulls[1]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	mvs_cursor_close(&cursor);
	MemoryContextDelete(row_context);
	mvs_store_close(&read.store);
	return (Datum) 0;
}

/* mvstore_get_many(store, keys text[], as_of): a row for each of the keys, in their order. */
Datum
mvstore_get_many(PG_FUNCTION_ARGS)
{
	return get_many(fcinfo, MVS_TEXT);
}

/* mvstore_get_many_bytea(store, keys bytea[], as_of) */
Datum
mvstore_get_many_bytea(PG_FUNCTION_ARGS)
{
	return get_many(fcinfo, MVS_BYTES);
}

/* Return the live keys of a range, (key, version, value) each. */
static void
scan_keys(FunctionCallInfo fcinfo, MvsRead *read, MvsType type,
		  const bytea *from, const bytea *to, int64 limit, bool reverse)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext row_context;
	MemoryContext old;
	MvsScan		scan;
	MvsEntry	entry;

	refuse_below_floor(read);
	InitMaterializedSRF(fcinfo, 0);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "mvstore scan row",
										ALLOCSET_DEFAULT_SIZES);
	mvs_scan_open(&scan, &read->store, read->snapshot, from, to, read->as_of, reverse);
	while (limit > 0 && mvs_scan_next(&scan, &entry))
	{
		Datum		values[3];
		bool		nulls[3] = {false};

		if (!is_live(read, &entry))
			continue;
		old = MemoryContextSwitchTo(row_context);
		values[0] = mvs_return_bytes(scan.key.key, type);
		values[1] = Int64GetDatum(entry.version);
		values[2] = mvs_return_bytes(mvs_entry_value(&entry), type);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
		limit--;
	}
	mvs_scan_close(&scan);
	MemoryContextDelete(row_context);
}

/* The bounds in arguments 1 and 2, NULL being open. */
static void
get_range(FunctionCallInfo fcinfo, MvsType type, const bytea **from, const bytea **to)
{
	*from = PG_ARGISNULL(1) ? NULL : mvs_get_bound(fcinfo, 1, type, "from_key");
	*to = PG_ARGISNULL(2) ? NULL : mvs_get_bound(fcinfo, 2, type, "to_key");
	if (*from && *to && mvs_key_compare(*from, *to) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_key must not be greater than to_key"),
				 errhint("To scan downwards, set reverse; the bounds stay as they are.")));
}

static Datum
scan_range(FunctionCallInfo fcinfo, MvsType type)
{
	MvsRead		read;
	const bytea *from;
	const bytea *to;
	int64		limit = mvs_get_limit(fcinfo, 4);
	bool		reverse = mvs_get_flag(fcinfo, 5, "reverse");

	get_range(fcinfo, type, &from, &to);
	begin_read(&read, fcinfo, 3);
	scan_keys(fcinfo, &read, type, from, to, limit, reverse);
	mvs_store_close(&read.store);
	return (Datum) 0;
}

/* mvstore_scan(store, from_key, to_key, as_of, max_rows, reverse): a range of keys. */
Datum
mvstore_scan(PG_FUNCTION_ARGS)
{
	return scan_range(fcinfo, MVS_TEXT);
}

/* mvstore_scan_bytea(store, from_key, to_key, as_of, max_rows, reverse) */
Datum
mvstore_scan_bytea(PG_FUNCTION_ARGS)
{
	return scan_range(fcinfo, MVS_BYTES);
}

static Datum
scan_prefix(FunctionCallInfo fcinfo, MvsType type)
{
	MvsRead		read;
	bytea	   *prefix = mvs_get_bound(fcinfo, 1, type, "prefix");
	int64		limit = mvs_get_limit(fcinfo, 3);
	bool		reverse = mvs_get_flag(fcinfo, 4, "reverse");

	begin_read(&read, fcinfo, 2);
	scan_keys(fcinfo, &read, type, prefix, mvs_key_prefix_end(prefix), limit, reverse);
	mvs_store_close(&read.store);
	return (Datum) 0;
}

/* mvstore_scan_prefix(store, prefix text, as_of, max_rows, reverse) */
Datum
mvstore_scan_prefix(PG_FUNCTION_ARGS)
{
	return scan_prefix(fcinfo, MVS_TEXT);
}

/* mvstore_scan_prefix(store, prefix bytea, as_of, max_rows, reverse) */
Datum
mvstore_scan_prefix_bytea(PG_FUNCTION_ARGS)
{
	return scan_prefix(fcinfo, MVS_BYTES);
}

static Datum
count_keys(FunctionCallInfo fcinfo, MvsType type)
{
	MvsRead		read;
	MvsScan		scan;
	MvsEntry	entry;
	const bytea *from;
	const bytea *to;
	int64		count = 0;

	get_range(fcinfo, type, &from, &to);
	begin_read(&read, fcinfo, 3);
	refuse_below_floor(&read);
	mvs_scan_open(&scan, &read.store, read.snapshot, from, to, read.as_of, false);
	while (mvs_scan_next(&scan, &entry))
		if (is_live(&read, &entry))
			count++;
	mvs_scan_close(&scan);
	mvs_store_close(&read.store);
	PG_RETURN_INT64(count);
}

/* mvstore_count(store, from_key, to_key, as_of): how many keys have a value. */
Datum
mvstore_count(PG_FUNCTION_ARGS)
{
	return count_keys(fcinfo, MVS_TEXT);
}

/* mvstore_count_bytea(store, from_key, to_key, as_of) */
Datum
mvstore_count_bytea(PG_FUNCTION_ARGS)
{
	return count_keys(fcinfo, MVS_BYTES);
}

/* Version and value of an entry as two columns; NULL where there is no live one. */
static void
put_entry(MvsEntry *entry, bool live, MvsType type, Datum *values, bool *nulls)
{
	nulls[0] = nulls[1] = !live;
	if (!live)
		return;
	values[0] = Int64GetDatum(entry->version);
	values[1] = mvs_return_bytes(mvs_entry_value(entry), type);
}

/*
 * Return the keys whose live entry is another as of one version than as of a
 * later one, (key, old_version, old_value, new_version, new_value) each.
 */
static Datum
diff(FunctionCallInfo fcinfo, MvsType type)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		from = mvs_get_version(fcinfo, 1, "from_version");
	int64		to = mvs_get_version(fcinfo, 2, "to_version");
	bytea	   *prefix = PG_ARGISNULL(3) ? NULL : mvs_get_bound(fcinfo, 3, type, "prefix");
	MvsRead		after;
	MvsRead		before;
	MvsScan		scan;
	MvsCursor	point;
	MvsEntry	new;
	MemoryContext row_context;
	MemoryContext old_context;

	if (from > to)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_version must not be greater than to_version")));
	begin_read(&after, fcinfo, 2);
	before = after;
	before.as_of = from;
	after.past = from == MVS_NEWEST ? 0 : from;
	if (from != MVS_NEWEST)
		refuse_future(&before);
	refuse_below_floor(&before);

	InitMaterializedSRF(fcinfo, 0);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "mvstore diff row",
										ALLOCSET_DEFAULT_SIZES);
	mvs_cursor_open(&point, &after.store, after.snapshot);
	mvs_scan_open(&scan, &after.store, after.snapshot, prefix,
				  prefix ? mvs_key_prefix_end(prefix) : NULL, to, false);
	while (mvs_scan_next(&scan, &new))
	{
		MvsEntry	old = new;
		Datum		values[5];
		bool		nulls[5] = {false};
		bool		is_new = is_live(&after, &new);
		bool		was_old;

		/* An entry that was there before can only have expired since. */
		if (new.version <= from)
		{
			was_old = is_live(&before, &old);
			if (was_old == is_new)
				continue;
		}
		else
		{
			was_old = mvs_cursor_find(&point, scan.key.key, from, &old) &&
				is_live(&before, &old);
			if (!was_old && !is_new)
				continue;
		}

		old_context = MemoryContextSwitchTo(row_context);
		values[0] = mvs_return_bytes(scan.key.key, type);
		put_entry(&old, was_old, type, &values[1], &nulls[1]);
		put_entry(&new, is_new, type, &values[3], &nulls[3]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(row_context);
	}
	mvs_scan_close(&scan);
	mvs_cursor_close(&point);
	MemoryContextDelete(row_context);
	mvs_store_close(&after.store);
	return (Datum) 0;
}

/* mvstore_diff(store, from_version, to_version, prefix): what changed between two versions. */
Datum
mvstore_diff(PG_FUNCTION_ARGS)
{
	return diff(fcinfo, MVS_TEXT);
}

/* mvstore_diff_bytea(store, from_version, to_version, prefix) */
Datum
mvstore_diff_bytea(PG_FUNCTION_ARGS)
{
	return diff(fcinfo, MVS_BYTES);
}

/* Return every entry of a key, newest first, (version, value, expires_at) each. */
static Datum
history(FunctionCallInfo fcinfo, MvsType type)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bytea	   *key = mvs_get_key(fcinfo, 1, type, "key");
	int64		limit = mvs_get_limit(fcinfo, 2);
	MvsRead		read;
	MvsCursor	cursor;
	MvsEntry	entry;
	bool		found;

	begin_read(&read, fcinfo, -1);
	InitMaterializedSRF(fcinfo, 0);
	mvs_cursor_open(&cursor, &read.store, read.snapshot);
	for (found = limit > 0 && mvs_cursor_find(&cursor, key, MVS_NEWEST, &entry);
		 found && limit-- > 0;
		 found = limit > 0 && mvs_cursor_next(&cursor, &entry))
	{
		Datum		values[3];
		bool		nulls[3] = {false};

		CHECK_FOR_INTERRUPTS();
		values[0] = Int64GetDatum(entry.version);
		nulls[1] = entry.tombstone;
		if (!entry.tombstone)
			values[1] = mvs_return_bytes(mvs_entry_value(&entry), type);
		nulls[2] = !entry.expires;
		values[2] = TimestampTzGetDatum(entry.expires_at);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		if (!entry.tombstone)
			pfree(DatumGetPointer(values[1]));
	}
	mvs_cursor_close(&cursor);
	mvs_store_close(&read.store);
	return (Datum) 0;
}

/* mvstore_history(store, key text, max_rows): every entry of a key, newest first. */
Datum
mvstore_history(PG_FUNCTION_ARGS)
{
	return history(fcinfo, MVS_TEXT);
}

/* mvstore_history(store, key bytea, max_rows) */
Datum
mvstore_history_bytea(PG_FUNCTION_ARGS)
{
	return history(fcinfo, MVS_BYTES);
}
