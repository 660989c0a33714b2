/*-------------------------------------------------------------------------
 *
 * order.c
 *	  The order of drop requests in which neighbours meet.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bswap.h"

#include "queue/order.h"

static uint64 group_of(const MvsRequest *request);
static int	compare(const MvsOrdered *left, const MvsOrdered *right);
static int	common_bytes(const MvsOrdered *requests, int count);

#define ST_SORT sort_ordered
#define ST_ELEMENT_TYPE MvsOrdered
#define ST_COMPARE(a, b) compare(a, b)
#define ST_SCOPE static
#define ST_CHECK_FOR_INTERRUPTS
#define ST_DEFINE
#include "lib/sort_template.h"

static uint64
group_of(const MvsRequest *request)
{
	return ((uint64) MvsRequestIsRange(request) << 32) | request->store;
}

bool
mvs_order_together(const MvsRequest *left, const MvsRequest *right)
{
	return group_of(left) == group_of(right);
}

int
mvs_order_compare(const MvsRequest *left, const MvsRequest *right)
{
	int			order;

	if (group_of(left) != group_of(right))
		return group_of(left) < group_of(right) ? -1 : 1;
	order = memcmp(left->key, right->key, Min(left->key_length, right->key_length));
	return order != 0 ? order : (int) left->key_length - (int) right->key_length;
}

/* Compare likewise, without a look at the requests where what stands beside them differs. */
static int
compare(const MvsOrdered *left, const MvsOrdered *right)
{
	if (left->group != right->group)
		return left->group < right->group ? -1 : 1;
	if (left->key != right->key)
		return left->key < right->key ? -1 : 1;
	return mvs_order_compare(left->request, right->request);
}

/* Return with how many bytes the keys of all requests begin. */
static int
common_bytes(const MvsOrdered *requests, int count)
{
	const MvsRequest *first = requests[0].request;
	int			common = first->key_length;

	for (int i = 1; i < count; i++)
	{
		const MvsRequest *request = requests[i].request;
		int			limit = Min(common, request->key_length);

		for (common = 0; common < limit && request->key[common] == first->key[common];)
			common++;
	}
	return common;
}

void
mvs_order_sort(MvsOrdered *requests, int count)
{
	int			common;

	if (count < 2)
		return;
	common = common_bytes(requests, count);
	for (int i = 0; i < count; i++)
	{
		const MvsRequest *request = requests[i].request;
		uint64		key = 0;

		memcpy(&key, request->key + common, Min(request->key_length - common, sizeof(key)));
		requests[i].group = group_of(request);
		requests[i].key = pg_ntoh64(key);
	}
	sort_ordered(requests, count);
}
