/*-------------------------------------------------------------------------
 *
 * once.h
 *	  The lesser and the greater of two values that are asked for once.
 *
 * Min() and Max() of c.h are macros, which ask again for the one that they choose: where
 * that has changed meanwhile, the other is no bound for it.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_ONCE_H
#define MVSTORE_ONCE_H

#include "postgres.h"

/* Returns the lesser of two numbers, versions or times, both of which are evaluated once. */
static inline int64
mvs_least(int64 one, int64 other)
{
	return Min(one, other);
}

/* Returns the greater of them. */
static inline int64
mvs_greatest(int64 one, int64 other)
{
	return Max(one, other);
}

#endif							/* MVSTORE_ONCE_H */
