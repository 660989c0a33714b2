/*-------------------------------------------------------------------------
 *
 * operate.c
 *	  What an operator does about drops: pausing them, and looking after
 *	  requests that are not done.
 *
 * All of it is rows: of mvstore_paused and of mvstore_journal. So it is
 * transactional, and survives a restart. A commit tells the worker to look.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/arguments.h"
#include "base/catalog.h"
#include "base/snapshot.h"
#include "functions/command.h"
#include "queue/journal.h"
#include "queue/queue.h"
#include "queue/transaction.h"
#include "shared/lock.h"
#include "store/pin.h"
#include "store/store.h"
#include "version/clock.h"
#include "version/session.h"
#include "version/stable.h"

PG_FUNCTION_INFO_V1(mvstore_pause);
PG_FUNCTION_INFO_V1(mvstore_resume);
PG_FUNCTION_INFO_V1(mvstore_retry_failed);
PG_FUNCTION_INFO_V1(mvstore_cancel_request);
PG_FUNCTION_INFO_V1(mvstore_request_state);
PG_FUNCTION_INFO_V1(mvstore_queued_requests);
PG_FUNCTION_INFO_V1(mvstore_drop_lock_class);
PG_FUNCTION_INFO_V1(mvstore_max_attempts);

static const MvsPins *pins_of_query(FunctionCallInfo fcinfo, MvsDatabase *database);
static bool is_held(const MvsPins *pins, Oid store, int64 before);

/* ------------------------------------------------------------------------
 * Pausing
 * ------------------------------------------------------------------------ */

/* mvstore_pause(): the worker of this database drops nothing until mvstore_resume(). */
Datum
mvstore_pause(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {TIMESTAMPTZOID, NAMEOID};
	NameData	role;
	Datum		values[2];

	(void) mvs_command_begin("mvstore_pause()");
	namestrcpy(&role, GetUserNameFromId(GetUserId(), false));
	values[0] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	values[1] = NameGetDatum(&role);
	(void) mvs_catalog_run(MVS_PAUSED, "INSERT INTO %s VALUES (true, $1, $2) ON CONFLICT DO NOTHING",
						   lengthof(types), types, values);
	mvs_transaction_pause(MVS_PAUSE_ON);
	PG_RETURN_VOID();
}

/* mvstore_resume(): it goes on, also with all that a restore has brought. */
Datum
mvstore_resume(PG_FUNCTION_ARGS)
{
	bool		restored;

	(void) mvs_command_begin("mvstore_resume()");
	(void) mvs_catalog_run(MVS_PAUSED, "DELETE FROM %s", 0, NULL, NULL);
	mvs_transaction_pause(MVS_PAUSE_OFF);
	restored = mvs_journal_adopt(mvs_session_join()) > 0;
	restored |= mvs_clock_restored(mvs_session_join());

	/* Of what a restore has brought into a database in use nobody else tells. */
	mvs_transaction_journal();
	mvs_transaction_pins();
	if (restored)
		mvs_transaction_mark(InvalidOid);
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------------
 * Requests
 * ------------------------------------------------------------------------ */

/* mvstore_retry_failed(store): try what failed again; how many requests there are. */
Datum
mvstore_retry_failed(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {OIDOID, INT4OID, INT8OID, OIDOID, INT8OID};
	Datum		values[] = {
		ObjectIdGetDatum(mvs_get_store(fcinfo, 0)),
		Int32GetDatum(MVS_MAX_ATTEMPTS),
		Int64GetDatum(GetSystemIdentifier()),
		ObjectIdGetDatum(MyDatabaseId),
		Int64GetDatum(mvs_clock_creation())
	};
	uint64		count;

	(void) mvs_command_begin("mvstore_retry_failed()");
	count = mvs_catalog_run(MVS_JOURNAL,
							"UPDATE %s SET attempts = 0, error = NULL"
							" WHERE store OPERATOR(pg_catalog.=) $1"
							" AND attempts OPERATOR(pg_catalog.>=) $2"
							" AND system OPERATOR(pg_catalog.=) $3"
							" AND database OPERATOR(pg_catalog.=) $4"
							" AND id OPERATOR(pg_catalog.>=) $5",
							lengthof(types), types, values);
	if (count > 0)
		mvs_transaction_journal();
	PG_RETURN_INT64((int64) count);
}

/* mvstore_cancel_request(id): void a request; false if there is none with that id. */
Datum
mvstore_cancel_request(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(mvs_get_version(fcinfo, 0, "id"))};
	uint64		count;

	(void) mvs_command_begin("mvstore_cancel_request()");
	count = mvs_catalog_run(MVS_JOURNAL, "DELETE FROM %s WHERE id OPERATOR(pg_catalog.=) $1",
							lengthof(types), types, values);
	if (count > 0)
	{
		/* What is kept in hand finds its row gone; what was set aside is counted anew. */
		mvs_transaction_recheck();
		mvs_transaction_journal();
	}
	PG_RETURN_BOOL(count > 0);
}

/* Whether a request waits for the horizon: a writer, or a pin. */
static bool
is_held(const MvsPins *pins, Oid store, int64 before)
{
	return !mvs_is_stable(mvs_active_snapshot(), before) ||
		(pins && mvs_pin_lowest(pins, store) < before);
}

/* The pins, read once for all rows that a query asks about; NULL without a place in memory. */
static const MvsPins *
pins_of_query(FunctionCallInfo fcinfo, MvsDatabase *database)
{
	typedef struct Read
	{
		CommandId	command;
		TransactionId xmin;
		TransactionId xmax;
		uint32		xcnt;
		MemoryContext context;
		MvsPins    *pins;
	} Read;
	Read	   *read = fcinfo->flinfo->fn_extra;
	Snapshot	snapshot = mvs_active_snapshot();
	MemoryContext old;

	if (database == NULL)
		return NULL;
	if (read && read->command == snapshot->curcid && read->xmin == snapshot->xmin &&
		read->xmax == snapshot->xmax && read->xcnt == snapshot->xcnt)
		return read->pins;
	if (read == NULL)
	{
		read = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(Read));
		read->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "mvstore pins",
											  ALLOCSET_SMALL_SIZES);
	}
	fcinfo->flinfo->fn_extra = NULL;
	MemoryContextReset(read->context);
	old = MemoryContextSwitchTo(read->context);
	read->pins = mvs_pin_read(database, snapshot);
	MemoryContextSwitchTo(old);
	read->command = snapshot->curcid;
	read->xmin = snapshot->xmin;
	read->xmax = snapshot->xmax;
	read->xcnt = snapshot->xcnt;
	fcinfo->flinfo->fn_extra = read;
	return read->pins;
}

/* What a row of the journal waits for; the arguments are columns of it. */
Datum
mvstore_request_state(PG_FUNCTION_ARGS)
{
	const char *state = "queued";

	if (mvs_journal_is_restored(PG_GETARG_INT64(0), PG_GETARG_INT64(1), PG_GETARG_OID(2)))
		state = "restored";
	else if (PG_GETARG_INT32(5) >= MVS_MAX_ATTEMPTS)
		state = "failed";
	else if (is_held(pins_of_query(fcinfo, mvs_session_join_if_used()), PG_GETARG_OID(6),
					 PG_GETARG_INT64(3)))
		state = "held";
	else if (PG_GETARG_BOOL(4))
		state = "spilled";
	PG_RETURN_TEXT_P(cstring_to_text(state));
}

/* What is in the queue without a row in the journal. */
Datum
mvstore_queued_requests(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MvsDatabase *database = mvs_session_join_if_used();
	MvsPins    *pins;
	char	   *requests;
	Size		size;

	InitMaterializedSRF(fcinfo, 0);
	if (database == NULL)
		return (Datum) 0;
	pins = mvs_pin_read(database, mvs_active_snapshot());
	size = mvs_queue_copy(database, &requests);
	for (Size position = 0; position < size;)
	{
		MvsRequest *request = (MvsRequest *) (requests + position);
		Datum		values[8];
		bool		nulls[8] = {false};
		bool		hidden;

		position += request->size;
		if (request->journal != 0)
			continue;
		values[0] = ObjectIdGetDatum(request->store);
		values[1] = CStringGetTextDatum(mvs_journal_kind(request));
		/* Keys are shown to those who may read the store, unless they may have been erased. */
		hidden = !mvs_store_is_readable(request->store) ||
			request->committed_at <= database->queue->erased_until;
		nulls[2] = hidden;
		values[2] = PointerGetDatum(cstring_to_text_with_len(request->key, request->key_length));
		nulls[3] = hidden || !request->bounded;
		values[3] = PointerGetDatum(cstring_to_text_with_len(request->key + request->key_length,
															 request->to_length));
		nulls[4] = (request->keep == 0);
		values[4] = Int32GetDatum(request->keep);
		values[5] = Int64GetDatum(request->before);
		values[6] = TimestampTzGetDatum(request->committed_at);
		values[7] = CStringGetTextDatum(is_held(pins, request->store, request->before) ?
										"held" : "queued");
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Constants for the views, so that no number stands in SQL as well. */
Datum
mvstore_drop_lock_class(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(MVS_LOCK_DROP);
}

Datum
mvstore_max_attempts(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(MVS_MAX_ATTEMPTS);
}
