/*-------------------------------------------------------------------------
 *
 * erasures.h
 *	  The keys that a transaction has erased, and the requests that are void by it.
 *
 * For transaction.c, which has one set for each level of a transaction.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_ERASURES_H
#define MVSTORE_ERASURES_H

#include "postgres.h"

#include "queue/drop_request.h"

typedef struct MvsErasures MvsErasures;

/* Return a set without erasures, in a memory context of its owner. */
extern MvsErasures *mvs_erasures_create(MemoryContext context);

/* Add an erasure of a key, or with "prefix" of all that begin with it: the last with a number. */
extern void mvs_erasures_add(MvsErasures *erasures, Oid store, const bytea *key, bool prefix,
							 uint64 number);

/* Add all of one set to another, which was made before it. */
extern void mvs_erasures_merge(MvsErasures *into, const MvsErasures *from);

/* Return the number of the last erasure of all keys that a request is about; 0: none. */
extern uint64 mvs_erasures_last(const MvsErasures *erasures, const MvsRequest *request);

/* Have the calendar forget the erased keys. */
extern void mvs_erasures_erase_notes(MvsErasures *erasures);

#endif							/* MVSTORE_ERASURES_H */
