/*-------------------------------------------------------------------------
 *
 * order.h
 *	  The order of drop requests in which neighbours meet: those for keys store by
 *	  store, in the order of the index, then those for ranges likewise.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_ORDER_H
#define MVSTORE_ORDER_H

#include "postgres.h"

#include "queue/drop_request.h"

/* A request to be put in order. */
typedef struct MvsOrdered
{
	const MvsRequest *request;
	void	   *owner;			/* the caller's */

	/* What the order mostly shows from, set by the sort. */
	uint64		group;			/* whether it is for a range, and the store */
	uint64		key;			/* where keys begin to differ: what is greater is behind */
} MvsOrdered;

/* Compare two of them; 0: they are for the same key, or for ranges that begin with it. */
extern int	mvs_order_compare(const MvsRequest *left, const MvsRequest *right);

/* Whether both are for ranges or both for keys, of the same store. */
extern bool mvs_order_together(const MvsRequest *left, const MvsRequest *right);

/* Put them in order. */
extern void mvs_order_sort(MvsOrdered *requests, int count);

#endif							/* MVSTORE_ORDER_H */
