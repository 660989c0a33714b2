/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  What this process remembers of tables, until they change.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/inval.h"

#include "base/cache.h"

static uint64 cache_age = 0;

/* Relcache callback: forget a table, or all. */
static void
forget_table(Datum argument, Oid table)
{
	HTAB	   *cache = (HTAB *) DatumGetPointer(argument);
	HASH_SEQ_STATUS status;
	Oid		   *known;

	cache_age++;
	if (OidIsValid(table))
	{
		(void) hash_search(cache, &table, HASH_REMOVE, NULL);
		return;
	}
	hash_seq_init(&status, cache);
	while ((known = hash_seq_search(&status)) != NULL)
		(void) hash_search(cache, known, HASH_REMOVE, NULL);
}

HTAB *
mvs_cache_create(const char *name, Size size)
{
	HASHCTL		control = {
		.keysize = sizeof(Oid),
		.entrysize = size
	};
	HTAB	   *cache = hash_create(name, 32, &control, HASH_ELEM | HASH_BLOBS);

	CacheRegisterRelcacheCallback(forget_table, PointerGetDatum(cache));
	return cache;
}

uint64
mvs_cache_age(void)
{
	return cache_age;
}
