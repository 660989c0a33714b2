/*-------------------------------------------------------------------------
 *
 * read.c
 *	  The SQL functions that read stores.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/arguments.h"
#include "base/key.h"
#include "functions/reading.h"
#include "functions/stream.h"
#include "store/entry.h"
#include "version/clock.h"

/* Rows being returned. */
typedef struct MvsRows
{
	ReturnSetInfo *result;
	MemoryContext context;		/* of one row */
} MvsRows;

/* Keys that are looked up in the order of the index at a time. */
#define ASKED_AT_ONCE 10000

/* What is live under a key of many that are read. */
typedef struct MvsLookup
{
	MvsEntry	entry;			/* with a copy of the value */
	bool		live;
	bool		known;			/* it has been looked up */
} MvsLookup;

static Datum form_row(FunctionCallInfo fcinfo, MvsRead *read, bytea *key, const MvsEntry *entry);
static void begin_rows(MvsRows *rows, FunctionCallInfo fcinfo);
static void add_row(MvsRows *rows, MvsRead *read, bytea *key, const MvsEntry *entry, bool live);
static void end_rows(MvsRows *rows);
static void find_asked(MvsRead *read, bytea **keys, MvsLookup *asked, int count);
static void add_asked(MvsRows *rows, MvsRead *read, bytea **keys, int count);
static Datum return_stream(FunctionCallInfo fcinfo, MvsStream *stream);
static int64 count_keys(MvsRead *read, const bytea *from, const bytea *to);
static bool has_changed(MvsRead *before, MvsRead *after, MvsCursor *point, const bytea *key,
						const MvsEntry *new, MvsEntry *old, bool *was, bool *is);
static void add_change(MvsRows *rows, MvsRead *after, bytea *key, const MvsEntry *old, bool was,
					   const MvsEntry *new, bool is);

/* ------------------------------------------------------------------------
 * One key
 * ------------------------------------------------------------------------ */

/* mvstore_get(store, key, as_of): the value under a key, NULL if there is none. */
static Datum
get(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsRead		read;
	MvsCursor	cursor;
	MvsEntry	entry;
	bytea	   *key = mvs_get_key(fcinfo, 1, family, "key");
	bool		found;
	Datum		value = (Datum) 0;

	mvs_read_begin(&read, fcinfo, 2, family, "mvstore_get");
	mvs_cursor_open(&cursor, &read.store, read.snapshot);
	found = mvs_read_find(&read, &cursor, key, &entry);
	if (found)
	{
		value = mvs_read_return_value(&read, key, &entry);

		/* It is to outlive the cursor. */
		if (value == entry.value)
			value = datumCopy(value, false, -1);
	}
	mvs_cursor_close(&cursor);
	mvs_read_close(&read);

	if (!found)
		PG_RETURN_NULL();
	return value;
}

MVS_VALUE_FUNCTIONS(mvstore_get, get);

/* An entry as a row (key, version, value, expires_at). */
static Datum
form_row(FunctionCallInfo fcinfo, MvsRead *read, bytea *key, const MvsEntry *entry)
{
	TupleDesc	shape;
	Datum		values[MVS_READ_COLUMNS];
	bool		nulls[MVS_READ_COLUMNS];

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	mvs_read_put_row(read, key, entry, true, values, nulls);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls));
}

/* mvstore_get_entry(store, key, as_of): the live entry with its own version. */
static Datum
get_entry(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsRead		read;
	MvsCursor	cursor;
	MvsEntry	entry;
	bytea	   *key = mvs_get_key(fcinfo, 1, family, "key");
	bool		found;
	Datum		row = (Datum) 0;

	mvs_read_begin(&read, fcinfo, 2, family, "mvstore_get_entry");
	mvs_cursor_open(&cursor, &read.store, read.snapshot);
	found = mvs_read_find(&read, &cursor, key, &entry);
	if (found)
		row = form_row(fcinfo, &read, key, &entry);
	mvs_cursor_close(&cursor);
	mvs_read_close(&read);

	if (!found)
		PG_RETURN_NULL();
	return row;
}

MVS_VALUE_FUNCTIONS(mvstore_get_entry, get_entry);

/*
 * mvstore_previous(store, key, before): the newest entry below a version, tombstones
 * included.
 */
static Datum
previous(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsRead		read;
	MvsCursor	cursor;
	MvsEntry	entry;
	Oid			store = mvs_get_store(fcinfo, 0);
	bytea	   *key = mvs_get_key(fcinfo, 1, family, "key");
	int64		before = mvs_get_version(fcinfo, 2, "before");
	bool		found;
	Datum		row = (Datum) 0;

	/* An entry below a version is one at or below the version before it; 0 is below all. */
	mvs_read_open(&read, store, before == MVS_NEWEST ? before : Max(before - 1, 0), family,
				  "mvstore_previous");
	mvs_cursor_open(&cursor, &read.store, read.snapshot);
	found = mvs_cursor_find(&cursor, key, read.as_of, &entry);
	if (found)
		row = form_row(fcinfo, &read, key, &entry);
	else if (before > 0)
		mvs_read_refuse_below_floor(&read);
	mvs_cursor_close(&cursor);
	mvs_read_close(&read);

	if (!found)
		PG_RETURN_NULL();
	return row;
}

MVS_VALUE_FUNCTIONS(mvstore_previous, previous);

/* mvstore_contains(store, key, as_of): whether a key has a value. */
static Datum
contains(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsRead		read;
	MvsCursor	cursor;
	MvsEntry	entry;
	bytea	   *key = mvs_get_key(fcinfo, 1, family, "key");
	bool		found;

	mvs_read_begin(&read, fcinfo, 2, family, "mvstore_contains");
	mvs_cursor_open(&cursor, &read.store, read.snapshot);
	found = mvs_read_find(&read, &cursor, key, &entry);
	mvs_cursor_close(&cursor);
	mvs_read_close(&read);
	PG_RETURN_BOOL(found);
}

MVS_KEY_FUNCTIONS(mvstore_contains, contains);

/* ------------------------------------------------------------------------
 * Many keys
 * ------------------------------------------------------------------------ */

/* Begin to return rows of many. */
static void
begin_rows(MvsRows *rows, FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
	rows->result = (ReturnSetInfo *) fcinfo->resultinfo;
	rows->context = AllocSetContextCreate(CurrentMemoryContext, "mvstore row",
										  ALLOCSET_DEFAULT_SIZES);
}

/* Return a row (key, version, value, expires_at), only the key where nothing is live. */
static void
add_row(MvsRows *rows, MvsRead *read, bytea *key, const MvsEntry *entry, bool live)
{
	MemoryContext old = MemoryContextSwitchTo(rows->context);
	Datum		values[MVS_READ_COLUMNS];
	bool		nulls[MVS_READ_COLUMNS];

	mvs_read_put_row(read, key, entry, live, values, nulls);
	tuplestore_putvalues(rows->result->setResult, rows->result->setDesc, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(rows->context);
}

static void
end_rows(MvsRows *rows)
{
	MemoryContextDelete(rows->context);
}

/*
 * Look keys up in their order in the index, which takes less than one by one, until the
 * values found fill work_mem.
 */
static void
find_asked(MvsRead *read, bytea **keys, MvsLookup *asked, int count)
{
	MvsKeyPlace *sorted = mvs_keys_sort(keys, count);
	Size		space = (Size) work_mem * 1024;
	Size		used = 0;
	MvsScan		scan;

	mvs_scan_open(&scan, &read->store, read->snapshot, NULL, NULL, read->as_of, false);
	for (int i = 0; i < count && used <= space; i++)
	{
		MvsLookup  *lookup = &asked[sorted[i].place];
		MvsEntry   *entry = &lookup->entry;

		CHECK_FOR_INTERRUPTS();
		if (i > 0 && mvs_key_compare(sorted[i - 1].key, sorted[i].key) == 0)
		{
			*lookup = asked[sorted[i - 1].place];
			continue;
		}
		lookup->live = mvs_read_found(read, mvs_scan_find(&scan, sorted[i].key, entry), entry);
		if (lookup->live)
		{
			entry->value = datumCopy(entry->value, false, -1);
			used += VARSIZE_ANY(DatumGetPointer(entry->value));
		}
		lookup->known = true;
	}
	mvs_scan_close(&scan);
	pfree(sorted);
}

/* Return a row for each of some keys, in their order. */
static void
add_asked(MvsRows *rows, MvsRead *read, bytea **keys, int count)
{
	MvsLookup  *asked = palloc0(sizeof(MvsLookup) * count);
	MvsCursor	cursor;

	if (count > 1)
		find_asked(read, keys, asked, count);

	mvs_cursor_open(&cursor, &read->store, read->snapshot);
	for (int i = 0; i < count; i++)
	{
		MvsEntry   *entry = &asked[i].entry;

		CHECK_FOR_INTERRUPTS();
		if (!asked[i].known)
			asked[i].live = mvs_read_find(read, &cursor, keys[i], entry);
		add_row(rows, read, keys[i], entry, asked[i].live);
	}
	mvs_cursor_close(&cursor);
}

/* mvstore_get_many(store, keys, as_of): a row for each of the keys, in their order. */
static Datum
get_many(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsRead		read;
	MvsRows		rows;
	MemoryContext context;
	bytea	  **keys;
	int			count;

	(void) mvs_get_store(fcinfo, 0);
	count = mvs_get_keys(fcinfo, 1, family, &keys);
	mvs_read_begin(&read, fcinfo, 2, family, "mvstore_get_many");
	begin_rows(&rows, fcinfo);
	context = AllocSetContextCreate(CurrentMemoryContext, "mvstore keys", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < count; i += ASKED_AT_ONCE)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		add_asked(&rows, &read, &keys[i], Min(count - i, ASKED_AT_ONCE));
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	end_rows(&rows);
	mvs_read_close(&read);
	return (Datum) 0;
}

MVS_VALUE_FUNCTIONS(mvstore_get_many, get_many);

/* Return the rows of a scan. */
static Datum
return_stream(FunctionCallInfo fcinfo, MvsStream *stream)
{
	MvsRows		rows;

	begin_rows(&rows, fcinfo);
	mvs_stream_begin(stream, NULL);
	while (mvs_stream_next(stream))
		add_row(&rows, &stream->read, stream->scan.key.key, &stream->entry, true);
	end_rows(&rows);
	mvs_stream_close(stream);
	return (Datum) 0;
}

/* mvstore_scan(store, from_key, to_key, as_of, max_rows, reverse): a range of keys. */
static Datum
scan_range(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsStream	stream;

	mvs_stream_open_range(&stream, fcinfo, family);
	return return_stream(fcinfo, &stream);
}

MVS_VALUE_FUNCTIONS(mvstore_scan, scan_range);

/* mvstore_scan_prefix(store, prefix, as_of, max_rows, reverse): the keys with a prefix. */
static Datum
scan_prefix(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsStream	stream;

	mvs_stream_open_prefix(&stream, fcinfo, family);
	return return_stream(fcinfo, &stream);
}

MVS_VALUE_FUNCTIONS(mvstore_scan_prefix, scan_prefix);

/* The number of live keys in a range. */
static int64
count_keys(MvsRead *read, const bytea *from, const bytea *to)
{
	MvsScan		scan;
	MvsEntry	entry;
	int64		count = 0;

	mvs_read_refuse_below_floor(read);
	mvs_scan_open(&scan, &read->store, read->snapshot, from, to, read->as_of, false);
	while (mvs_scan_next(&scan, &entry))
		if (mvs_read_is_live(read, &entry))
			count++;
	mvs_scan_close(&scan);
	return count;
}

/* mvstore_count(store, from_key, to_key, as_of): how many keys have a value. */
static Datum
count_range(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsRead		read;
	const bytea *from;
	const bytea *to;
	int64		count;

	mvs_get_range(fcinfo, 1, family, &from, &to);
	mvs_read_begin(&read, fcinfo, 3, family, "mvstore_count");
	count = count_keys(&read, from, to);
	mvs_read_close(&read);
	PG_RETURN_INT64(count);
}

MVS_KEY_FUNCTIONS(mvstore_count, count_range);

/* mvstore_count_prefix(store, prefix, as_of): how many keys with a prefix have a value. */
static Datum
count_prefix(FunctionCallInfo fcinfo, MvsFamily family)
{
	MvsRead		read;
	bytea	   *prefix = mvs_get_bound(fcinfo, 1, family, "prefix");
	int64		count;

	mvs_read_begin(&read, fcinfo, 2, family, "mvstore_count_prefix");
	count = count_keys(&read, prefix, mvs_key_prefix_end(prefix));
	mvs_read_close(&read);
	PG_RETURN_INT64(count);
}

MVS_KEY_FUNCTIONS(mvstore_count_prefix, count_prefix);

/* ------------------------------------------------------------------------
 * Changes
 * ------------------------------------------------------------------------ */

/*
 * Return whether the live entry of a key is another for one read than for a later one.
 * "new" is what the later read finds there; set *old to what the earlier finds, and *was
 * and *is to whether they are live.
 */
static bool
has_changed(MvsRead *before, MvsRead *after, MvsCursor *point, const bytea *key,
			const MvsEntry *new, MvsEntry *old, bool *was, bool *is)
{
	*is = mvs_read_is_live(after, new);

	/* An entry that was there before can only have expired since. */
	if (new->version <= before->as_of)
	{
		*old = *new;
		*was = mvs_read_is_live(before, old);
		return *was != *is;
	}
	*was = mvs_cursor_find(point, key, before->as_of, old) && mvs_read_is_live(before, old);
	return *was || *is;
}

/* Return a row (key, old_version, old_value, new_version, new_value). */
static void
add_change(MvsRows *rows, MvsRead *after, bytea *key, const MvsEntry *old, bool was,
		   const MvsEntry *new, bool is)
{
	MemoryContext context = MemoryContextSwitchTo(rows->context);
	Datum		values[5];
	bool		nulls[5] = {false};

	values[0] = mvs_read_return_key(after, key);
	mvs_read_put_value(after, key, old, was, &values[1], &nulls[1]);
	mvs_read_put_value(after, key, new, is, &values[3], &nulls[3]);
	tuplestore_putvalues(rows->result->setResult, rows->result->setDesc, values, nulls);
	MemoryContextSwitchTo(context);
	MemoryContextReset(rows->context);
}

/*
 * mvstore_diff(store, from_version, to_version, prefix): the keys whose live entry is
 * another as of the one version than as of the other.
 */
static Datum
diff(FunctionCallInfo fcinfo, MvsFamily family)
{
	int64		from = mvs_get_version(fcinfo, 1, "from_version");
	int64		to = mvs_get_version(fcinfo, 2, "to_version");
	bytea	   *prefix = PG_ARGISNULL(3) ? NULL : mvs_get_bound(fcinfo, 3, family, "prefix");
	MvsRead		after;
	MvsRead		before;
	MvsRows		rows;
	MvsScan		scan;
	MvsCursor	point;
	MvsEntry	new;

	mvs_read_open(&after, mvs_get_store(fcinfo, 0), to, family, "mvstore_diff");
	if (from > after.as_of)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_version must not be greater than to_version")));
	before = after;
	before.as_of = from;
	after.past = from == MVS_NEWEST ? 0 : from;
	if (from != MVS_NEWEST)
		mvs_read_refuse_future(&before);
	mvs_read_refuse_below_floor(&before);

	begin_rows(&rows, fcinfo);
	mvs_cursor_open(&point, &after.store, after.snapshot);
	mvs_scan_open(&scan, &after.store, after.snapshot, prefix,
				  prefix ? mvs_key_prefix_end(prefix) : NULL, after.as_of, false);
	while (mvs_scan_next(&scan, &new))
	{
		MvsEntry	old;
		bool		was;
		bool		is;

		if (has_changed(&before, &after, &point, scan.key.key, &new, &old, &was, &is))
			add_change(&rows, &after, scan.key.key, &old, was, &new, is);
	}
	mvs_scan_close(&scan);
	mvs_cursor_close(&point);
	end_rows(&rows);
	mvs_read_close(&after);
	return (Datum) 0;
}

MVS_VALUE_FUNCTIONS(mvstore_diff, diff);

/*
 * mvstore_history(store, key, max_rows): every entry of a key, newest first, tombstones
 * included, (version, value, expires_at) each.
 */
static Datum
history(FunctionCallInfo fcinfo, MvsFamily family)
{
	bytea	   *key = mvs_get_key(fcinfo, 1, family, "key");
	int64		limit = mvs_get_limit(fcinfo, 2);
	MvsRead		read;
	MvsRows		rows;
	MvsCursor	cursor;
	MvsEntry	entry;
	bool		found;

	mvs_read_begin(&read, fcinfo, -1, family, "mvstore_history");
	begin_rows(&rows, fcinfo);
	mvs_cursor_open(&cursor, &read.store, read.snapshot);
	for (found = limit > 0 && mvs_cursor_find(&cursor, key, read.as_of, &entry);
		 found && limit-- > 0;
		 found = limit > 0 && mvs_cursor_next(&cursor, &entry))
	{
		MemoryContext old = MemoryContextSwitchTo(rows.context);
		Datum		values[3];
		bool		nulls[3] = {false};

		CHECK_FOR_INTERRUPTS();
		mvs_read_put_value(&read, key, &entry, true, &values[0], &nulls[0]);
		mvs_read_put_expiry(&entry, true, &values[2], &nulls[2]);
		tuplestore_putvalues(rows.result->setResult, rows.result->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(rows.context);
	}
	mvs_cursor_close(&cursor);
	end_rows(&rows);
	mvs_read_close(&read);
	return (Datum) 0;
}

MVS_VALUE_FUNCTIONS(mvstore_history, history);
