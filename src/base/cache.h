/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  What this process remembers of tables, until they change.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_CACHE_H
#define MVSTORE_CACHE_H

#include "postgres.h"

#include "utils/hsearch.h"

/*
 * Make a hash table of entries of "size" bytes, each of which begins with the OID of a
 * table, its key. A relcache invalidation removes the table's entry, or all entries, so
 * any access to the catalog may. For the life of the process.
 */
extern HTAB *mvs_cache_create(const char *name, Size size);

/*
 * Return a number that grows with each invalidation: who finds it the same before and after
 * has read in between what nobody has changed since.
 */
extern uint64 mvs_cache_age(void);

#endif							/* MVSTORE_CACHE_H */
