/*-------------------------------------------------------------------------
 *
 * claim.h
 *	  A worker's claim to the slot of its database: how it is taken, and given up.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_CLAIM_H
#define MVSTORE_CLAIM_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/compat.h"

/* Become the worker of this database; false if it has one. */
extern bool mvs_claim_take(void);

/* How much has been requested in this database, ever. */
extern uint64 mvs_claim_requested(void);

/*
 * Without the extension: requests that its database still has are void; unless there are more than
 * were before the look for it: then it has come since.
 */
extern void mvs_claim_void(uint64 requested);

/* See whether the database still has something for a worker. */
extern void mvs_claim_review(void);

/* End for good, with nothing kept. With queue_lock held, which it releases. */
pg_noreturn extern void mvs_claim_leave(void);

/*
 * End until a time, or for a while; DT_NOEND: until then nothing is due. With queue_lock held,
 * which it releases.
 */
pg_noreturn extern void mvs_claim_give_way(TimestampTz until);

/* At the end of the process: give back what it keeps, and its place. */
extern void mvs_claim_release(int code, Datum argument);

#endif							/* MVSTORE_CLAIM_H */
