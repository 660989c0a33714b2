/*-------------------------------------------------------------------------
 *
 * others.c
 *	  Who else writes on the server, beside mvstore's own processes.
 *
 * The server counts the transactions that have ended and had an id, and knows how much WAL
 * there is. From both is taken what mvstore's processes say to be theirs, of all
 * databases. An end of ours is told before the server counts it, so that no other
 * process of ours takes it for one of somebody else; and again after that, as who looks
 * for the first time is not to take for news what was told and not counted then.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "executor/instrument.h"
#include "port/atomics.h"
#include "storage/shmem.h"

#include "base/compat.h"
#include "shared/others.h"

/* What mvstore's processes have done. */
typedef struct Ours
{
	pg_atomic_uint64 ending;	/* transactions that the server has counted, or will at once */
	pg_atomic_uint64 ended;		/* those that it has counted */
	pg_atomic_uint64 bytes;
} Ours;

static Ours *ours = NULL;

static void count_transaction(XactEvent event, void *argument);

Size
mvs_others_shmem_size(void)
{
	return MAXALIGN(sizeof(Ours));
}

void
mvs_others_shmem_startup(LWLockPadded *locks)
{
	bool		found;

	ours = ShmemInitStruct("mvstore others", sizeof(Ours), &found);
	if (found)
		return;
	pg_atomic_init_u64(&ours->ending, 0);
	pg_atomic_init_u64(&ours->ended, 0);
	pg_atomic_init_u64(&ours->bytes, 0);
}

/* Count a transaction of ours with an id once, when its end has begun, and once when it is over. */
static void
count_transaction(XactEvent event, void *argument)
{
	static TransactionId ending = InvalidTransactionId;
	TransactionId xid = GetTopTransactionIdIfAny();

	if ((event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_ABORT) &&
		TransactionIdIsValid(xid) && xid != ending)
	{
		pg_atomic_fetch_add_u64(&ours->ending, 1);
		ending = xid;
	}
	if ((event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT) && TransactionIdIsValid(ending))
	{
		pg_atomic_fetch_add_u64(&ours->ended, 1);
		ending = InvalidTransactionId;
	}
}

void
mvs_others_register(void)
{
	RegisterXactCallback(count_transaction, NULL);
}

void
mvs_others_look(MvsOthers *look)
{
	static MvsOthers last;
	static bool looked = false;
	uint64		ended = pg_atomic_read_u64(&ours->ended);
	uint64		transactions = TransamVariables->xactCompletionCount;
	uint64		bytes;

	/* Its own bytes include what WAL says of them, not what it pads them with. */
	look->own_bytes = pgWalUsage.wal_bytes;
	pg_atomic_fetch_add_u64(&ours->bytes, (int64) (look->own_bytes - last.own_bytes));
	bytes = GetXLogInsertRecPtr() - pg_atomic_read_u64(&ours->bytes);
	if (!looked)
		last.transactions = transactions - ended;
	looked = true;
	transactions -= pg_atomic_read_u64(&ours->ending);

	/* What was told and is not counted yet would be news when it is. */
	look->transactions = last.transactions;
	if ((int64) (transactions - last.transactions) > 0)
		look->transactions = transactions;
	look->bytes = last.bytes;
	if ((int64) (bytes - last.bytes) > 0)
		look->bytes = bytes;
	last = *look;
}
