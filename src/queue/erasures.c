/*-------------------------------------------------------------------------
 *
 * erasures.c
 *	  The keys that a transaction has erased, and the requests that are void by it.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "nodes/bitmapset.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/key.h"
#include "queue/erasures.h"
#include "store/calendar.h"

/* A key that was erased, or a prefix of such keys. */
typedef struct ErasureKey
{
	Oid			store;
	bool		prefix;
	int			length;
	const char *data;
} ErasureKey;

/* The last of its erasures. */
typedef struct Erasure
{
	ErasureKey	key;
	uint64		number;
	char		status;
} Erasure;

#define SH_PREFIX erasures
#define SH_ELEMENT_TYPE Erasure
#define SH_KEY_TYPE ErasureKey
#define SH_KEY key
#define SH_HASH_KEY(table, key) \
	hash_combine(hash_bytes((const unsigned char *) (key).data, (key).length), \
				 murmurhash32((key).store) + (key).prefix)
#define SH_EQUAL(table, a, b) \
	((a).store == (b).store && (a).prefix == (b).prefix && (a).length == (b).length && \
	 memcmp((a).data, (b).data, (a).length) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct MvsErasures
{
	MemoryContext context;
	erasures_hash *last;
	Bitmapset  *prefixes;		/* the lengths of the prefixes among them */
	List	   *stores;			/* OIDs */
};

static void add(MvsErasures *erasures, const ErasureKey *key, uint64 number);
static uint64 find(const MvsErasures *erasures, const ErasureKey *key);
static bool ends_with_prefix(const MvsRequest *request, int length);
static bool is_erased(Oid store, const char *key, int length, void *argument);

MvsErasures *
mvs_erasures_create(MemoryContext context)
{
	MvsErasures *erasures = MemoryContextAllocZero(context, sizeof(MvsErasures));

	erasures->context = context;
	erasures->last = erasures_create(context, 16, NULL);
	return erasures;
}

static void
add(MvsErasures *erasures, const ErasureKey *key, uint64 number)
{
	MemoryContext old = MemoryContextSwitchTo(erasures->context);
	ErasureKey	own = *key;
	Erasure    *erasure = erasures_lookup(erasures->last, own);

	if (erasure == NULL)
	{
		char	   *data = palloc(Max(key->length, 1));
		bool		found;

		memcpy(data, key->data, key->length);
		own.data = data;
		erasures->stores = list_append_unique_oid(erasures->stores, key->store);
		if (key->prefix)
			erasures->prefixes = bms_add_member(erasures->prefixes, key->length);
		erasure = erasures_insert(erasures->last, own, &found);
	}
	erasure->number = number;
	MemoryContextSwitchTo(old);
}

void
mvs_erasures_add(MvsErasures *erasures, Oid store, const bytea *key, bool prefix, uint64 number)
{
	ErasureKey	erased = {
		.store = store,
		.prefix = prefix,
		.length = VARSIZE_ANY_EXHDR(key),
		.data = VARDATA_ANY(key)
	};

	add(erasures, &erased, number);
}

void
mvs_erasures_merge(MvsErasures *into, const MvsErasures *from)
{
	erasures_iterator iterator;
	Erasure    *erasure;

	erasures_start_iterate(from->last, &iterator);
	while ((erasure = erasures_iterate(from->last, &iterator)) != NULL)
		add(into, &erasure->key, erasure->number);
}

/* The number of the last erasure of a key, or of a prefix; 0: none. */
static uint64
find(const MvsErasures *erasures, const ErasureKey *key)
{
	Erasure    *erasure = erasures_lookup(erasures->last, *key);

	return erasure ? erasure->number : 0;
}

/* Whether a range has no keys but those that begin with so many bytes of its first. */
static bool
ends_with_prefix(const MvsRequest *request, int length)
{
	bytea	   *prefix = mvs_key_make(request->key, length);
	bytea	   *end = mvs_key_prefix_end(prefix);
	bool		ends = end == NULL;

	if (end && request->bounded)
	{
		bytea	   *to = mvs_key_make(request->key + request->key_length, request->to_length);

		ends = mvs_key_compare(to, end) <= 0;
		pfree(to);
	}
	if (end)
		pfree(end);
	pfree(prefix);
	return ends;
}

uint64
mvs_erasures_last(const MvsErasures *erasures, const MvsRequest *request)
{
	ErasureKey	key = {
		.store = request->store,
		.length = request->key_length,
		.data = request->key
	};
	bool		range = MvsRequestIsRange(request);
	uint64		last = range ? 0 : find(erasures, &key);

	key.prefix = true;
	key.length = -1;
	while ((key.length = bms_next_member(erasures->prefixes, key.length)) >= 0 &&
		   key.length <= request->key_length)
	{
		uint64		number = find(erasures, &key);

		if (number > last && (!range || ends_with_prefix(request, key.length)))
			last = number;
	}
	return last;
}

/* Whether the key of a note in the calendar was erased. */
static bool
is_erased(Oid store, const char *key, int length, void *argument)
{
	const MvsErasures *erasures = argument;
	ErasureKey	erased = {.store = store, .length = length, .data = key};
	bool		found = find(erasures, &erased) > 0;

	erased.prefix = true;
	erased.length = -1;
	while (!found && (erased.length = bms_next_member(erasures->prefixes, erased.length)) >= 0 &&
		   erased.length <= length)
		found = find(erasures, &erased) > 0;
	return found;
}

void
mvs_erasures_erase_notes(MvsErasures *erasures)
{
	ListCell   *cell;

	/* Since it was written last, we keep the worker out. */
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(cell, erasures->stores)
		mvs_calendar_erase(lfirst_oid(cell), is_erased, erasures);
	PopActiveSnapshot();
}
