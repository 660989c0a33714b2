/*-------------------------------------------------------------------------
 *
 * drop_request.h
 *	  The format of a drop request: as a transaction collects it, as the queue
 *	  and the kept file hold it, and as the worker has it in hand.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_DROP_REQUEST_H
#define MVSTORE_DROP_REQUEST_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

#include "base/key.h"

/* What a request asks for. The last two are a policy's own, and implicit. */
typedef enum MvsRequestKind
{
	MVS_REQUEST_DROP,			/* of one key */
	MVS_REQUEST_RANGE,			/* of all keys in a range */
	MVS_REQUEST_COMPACT,		/* of all keys in a range; purges, too */
	MVS_REQUEST_WRITE,			/* a new head came: what the policy says to that */
	MVS_REQUEST_LOOK			/* all that the policy says of a key */
} MvsRequestKind;

/* One drop request. */
typedef struct MvsRequest
{
	uint32		size;			/* of the whole, aligned */
	uint16		key_length;
	uint16		to_length;		/* of a range's end, which stands behind the key */
	uint8		kind;
	uint8		bounded:1;		/* the range has an end */
	uint8		attempts:7;		/* that have failed, of those who had it in hand before */
	ItemPointerData row;		/* where its row in mvstore_journal was made, or invalid */
	int32		keep;
	Oid			store;
	int64		incarnation;	/* life of the store that it was made in */
	int64		journal;		/* row of mvstore_journal, or 0 */
	int64		before;			/* covers what was superseded up to here */
	int64		expires;		/* of a new head: version as of which it has expired, or 0 */
	uint64		sequence;		/* in its transaction, before it is published, its number there */
	TimestampTz committed_at;
	char		key[FLEXIBLE_ARRAY_MEMBER];
} MvsRequest;

#define MvsRequestIsImplicit(request) ((request)->kind >= MVS_REQUEST_WRITE)
#define MvsRequestIsRange(request) \
	((request)->kind == MVS_REQUEST_RANGE || (request)->kind == MVS_REQUEST_COMPACT)

/* A number that no other request in the worker's hands has. */
#define MvsRequestId(request) \
	((request)->journal != 0 ? (uint64) (request)->journal : (request)->sequence)

#define MvsRequestSize(key_length, to_length) \
	MAXALIGN(offsetof(MvsRequest, key) + (key_length) + (to_length))
#define MVS_MAX_REQUEST MvsRequestSize(MVS_MAX_BOUND, MVS_MAX_BOUND)

#endif							/* MVSTORE_DROP_REQUEST_H */
