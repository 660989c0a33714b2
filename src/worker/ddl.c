/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  The utility hook: commands on whole databases, and those that rewrite tables.
 *
 * DROP DATABASE, ALTER DATABASE ... RENAME TO and SET TABLESPACE, and CREATE
 * DATABASE ... TEMPLATE fail while anybody is connected to the database, be it
 * a worker that does nothing. So before such a command, if its user has the
 * right to it, the database's worker is asked to end, and none is started until
 * the command has ended.
 *
 * COMMIT PREPARED and ROLLBACK PREPARED call nobody back, so the end of the transaction is
 * told from here. After VACUUM FULL and CLUSTER, stores whose storage is another one get a
 * pass. After a command that has dropped the extension, the user is told what becomes of the
 * stores; after one that creates it, the worker that may still be there.
 * An update of the extension that the library does not go along with is refused: a worker
 * that runs would go on with SQL objects that it does not know.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "functions/stores.h"
#include "queue/queue.h"
#include "queue/transaction.h"
#include "shared/database.h"
#include "shared/droppers.h"
#include "shared/fault.h"
#include "shared/wake.h"
#include "store/store.h"
#include "version/clock.h"
#include "version/version.h"
#include "worker/ddl.h"

/* Milliseconds to wait for a worker to end. */
#define STOP_TIME 5000

static ProcessUtility_hook_type prev_process_utility = NULL;
static uint32 wait_event_stop = 0;

/* A slot that a command has its worker kept out of; the slot may go with the database. */
typedef struct HoldOff
{
	MvsDatabase *database;
	Oid			oid;
	bool		begun;
} HoldOff;

static void process_utility(PlannedStmt *statement, const char *query, bool read_only_tree,
							ProcessUtilityContext context, ParamListInfo params,
							QueryEnvironment *environment, DestReceiver *receiver,
							QueryCompletion *completion);
static void next_process_utility(PlannedStmt *statement, const char *query,
								 bool read_only_tree, ProcessUtilityContext context,
								 ParamListInfo params, QueryEnvironment *environment,
								 DestReceiver *receiver, QueryCompletion *completion);
static void forget_dropped(Oid oid);
static bool rewrites_tables(Node *command);
static bool ends_prepared_transaction(Node *command);
static void settle_prepared(void);
static bool may_drop_extension(Node *command);
static bool updates_extension(Node *command);
static void tell_of_creation(void);
static void check_extension_version(void);
static const char *exclusive_database(Node *command, bool *copied);
static bool find_slot_to_clear(Node *command, HoldOff *hold_off);
static bool may_create_database(void);
static void begin_hold_off(HoldOff *hold_off);
static void wait_for_worker(MvsDatabase *database);
static void end_hold_off(int code, Datum argument);

void
mvs_ddl_init(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

static void
next_process_utility(PlannedStmt *statement, const char *query, bool read_only_tree,
					 ProcessUtilityContext context, ParamListInfo params,
					 QueryEnvironment *environment, DestReceiver *receiver,
					 QueryCompletion *completion)
{
	if (prev_process_utility)
		prev_process_utility(statement, query, read_only_tree, context, params,
							 environment, receiver, completion);
	else
		standard_ProcessUtility(statement, query, read_only_tree, context, params,
								environment, receiver, completion);
}

static void
process_utility(PlannedStmt *statement, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	HoldOff		hold_off = {0};

	/* A CALL that rolls back may take the statement itself along: it is read before only. */
	bool		rewriting = rewrites_tables(statement->utilityStmt);
	bool		ends_prepared = ends_prepared_transaction(statement->utilityStmt);
	bool		updating = updates_extension(statement->utilityStmt);
	bool		creating = IsA(statement->utilityStmt, CreateExtensionStmt);	/* ours, perhaps */
	bool		dropping = IsA(statement->utilityStmt, DropdbStmt);
	List	   *stores = may_drop_extension(statement->utilityStmt) &&
	mvs_catalog_is_known(MVS_POLICY) ? mvs_store_list() : NIL;

	if (!find_slot_to_clear(statement->utilityStmt, &hold_off))
	{
		next_process_utility(statement, query, read_only_tree, context, params,
							 environment, receiver, completion);
		if (ends_prepared)
			settle_prepared();
		if (rewriting)
			mvs_stores_check_storage(InvalidOid);
		if (updating)
			check_extension_version();
		if (creating)
			tell_of_creation();
		if (stores != NIL)
			mvs_stores_report_left(stores);
		if (dropping)
			forget_dropped(hold_off.oid);
		return;
	}

	begin_hold_off(&hold_off);
	PG_ENSURE_ERROR_CLEANUP(end_hold_off, PointerGetDatum(&hold_off));
	{
		wait_for_worker(hold_off.database);
		next_process_utility(statement, query, read_only_tree, context, params,
							 environment, receiver, completion);
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_hold_off, PointerGetDatum(&hold_off));

	/* Before anybody may start a worker again. */
	if (dropping)
		forget_dropped(hold_off.oid);
	end_hold_off(0, PointerGetDatum(&hold_off));
}

/*
 * Free the slot of a database that was dropped, also if it has got one since the command began.
 * DROP DATABASE runs in no transaction block, so that is for good.
 */
static void
forget_dropped(Oid oid)
{
	CommandCounterIncrement();
	if (OidIsValid(oid) && !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(oid)))
		mvs_database_forget(oid);
}

/* Whether a command gives tables new storage with the same rows. */
static bool
rewrites_tables(Node *command)
{
	ListCell   *cell;
	bool		full = false;

	if (nodeTag(command) == T_RepackStmt)
		return true;
	if (!IsA(command, VacuumStmt))
		return false;
	foreach(cell, ((VacuumStmt *) command)->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "full") == 0)
			full = defGetBoolean(option);
	}
	return full;
}

/* Whether a command commits or rolls back a prepared transaction. */
static bool
ends_prepared_transaction(Node *command)
{
	return IsA(command, TransactionStmt) &&
		(((TransactionStmt *) command)->kind == TRANS_STMT_COMMIT_PREPARED ||
		 ((TransactionStmt *) command)->kind == TRANS_STMT_ROLLBACK_PREPARED);
}

/* Withdraw a prepared transaction that has ended, and have what it tells looked at. */
static void
settle_prepared(void)
{
	MvsDatabase *database = mvs_database_find(MyDatabaseId);

	MVS_FAULT_NO_ERROR("prepared-ended");
	if (database)
		mvs_version_settle_prepared(database, mvs_queue_prepared_ended);
}

/* Whether a command may drop the extension, by its name or along with other things. */
static bool
may_drop_extension(Node *command)
{
	DropStmt   *drop = (DropStmt *) command;

	if (!IsA(command, DropStmt))
		return IsA(command, DropOwnedStmt);
	return drop->removeType == OBJECT_EXTENSION ||
		(drop->removeType == OBJECT_SCHEMA && drop->behavior == DROP_CASCADE);
}

/* Whether a command is ALTER EXTENSION mvstore UPDATE. */
static bool
updates_extension(Node *command)
{
	return IsA(command, AlterExtensionStmt) &&
		strcmp(((AlterExtensionStmt *) command)->extname, "mvstore") == 0;
}

/*
 * Note that the extension is a new one, if it was it that this transaction has created. A worker
 * that is there already knows the tables of the one that was dropped before.
 */
static void
tell_of_creation(void)
{
	MvsDatabase *database = mvs_database_find(MyDatabaseId);

	if (mvs_clock_note_creation(database) && database)
		mvs_transaction_extension_created();
}

/* Raise 55000 if the SQL objects are now those of another library than this one. */
static void
check_extension_version(void)
{
	char	   *version;

	CommandCounterIncrement();
	version = mvs_extension_version();
	if (version && strcmp(version, mvs_sql_version) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot update extension \"mvstore\" to version %s", version),
				 errdetail("The library that the server has loaded goes with version %s.",
						   mvs_sql_version),
				 errhint("Restart the server, so that it loads the library that is installed, and try again.")));
}

/*
 * Return the database that a command must have for itself, or NULL; set *copied to whether as a
 * template.
 */
static const char *
exclusive_database(Node *command, bool *copied)
{
	List	   *options = NIL;
	const char *wanted = NULL;
	const char *name = NULL;	/* as far as the options say */
	ListCell   *cell;

	*copied = false;
	switch (nodeTag(command))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) command)->dbname;
		case T_RenameStmt:
			if (((RenameStmt *) command)->renameType == OBJECT_DATABASE)
				return ((RenameStmt *) command)->subname;
			return NULL;
		case T_AlterDatabaseStmt:
			options = ((AlterDatabaseStmt *) command)->options;
			wanted = "tablespace";
			break;
		case T_CreatedbStmt:
			options = ((CreatedbStmt *) command)->options;
			wanted = "template";
			name = "template1";
			*copied = true;
			break;
		default:
			return NULL;
	}

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, wanted) == 0 && option->arg)
			name = *copied ? defGetString(option) : ((AlterDatabaseStmt *) command)->dbname;
	}
	return name;
}

/* Find the slot of the database whose worker a command needs gone, if the user may run it. */
static bool
find_slot_to_clear(Node *command, HoldOff *hold_off)
{
	bool		copied;
	const char *name = exclusive_database(command, &copied);
	Oid			oid;
	bool		allowed;
	HeapTuple	tuple;

	if (name == NULL || mvs_shared == NULL)
		return false;
	oid = get_database_oid(name, true);
	if (!OidIsValid(oid) || (oid == MyDatabaseId && !copied))
		return false;
	allowed = mvs_compat_database_owned(oid, GetUserId());
	if (!allowed && copied)
	{
		tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(oid));
		allowed = HeapTupleIsValid(tuple) &&
			((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
	}
	if (copied && !may_create_database())
		allowed = false;
	hold_off->oid = oid;
	hold_off->database = allowed ? mvs_database_find(oid) : NULL;
	return hold_off->database != NULL;
}

/* Whether the current user may create databases. */
static bool
may_create_database(void)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	bool		allowed;

	if (!HeapTupleIsValid(tuple))
		return false;
	allowed = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb || superuser();
	ReleaseSysCache(tuple);
	return allowed;
}

/* Have the worker of a database end, and none started until as many have ended it as began it. */
static void
begin_hold_off(HoldOff *hold_off)
{
	MvsDatabase *database = hold_off->database;
	int			proc = -1;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	if (database->oid == hold_off->oid)
	{
		database->worker->hold_offs++;
		hold_off->begun = true;
		proc = database->worker->proc;
	}
	LWLockRelease(database->queue_lock);
	mvs_wake_proc(proc);
}

/* Wait until the worker of a database has ended, and its assistants. */
static void
wait_for_worker(MvsDatabase *database)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STOP_TIME);

	ConditionVariablePrepareToSleep(&database->progress);
	while (database->worker->pid != 0 || database->droppers->assistants > 0)
	{
		int64		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

		if (left <= 0)
			break;				/* the command itself will say what is in its way */
		(void) ConditionVariableTimedSleep(&database->progress, left,
										   mvs_compat_wait_event(&wait_event_stop,
																 "MvstoreStopWorker"));
	}
	ConditionVariableCancelSleep();
}

static void
end_hold_off(int code, Datum argument)
{
	HoldOff    *hold_off = (HoldOff *) DatumGetPointer(argument);
	MvsDatabase *database = hold_off->database;
	bool		wanted = false;

	LWLockAcquire(database->queue_lock, LW_EXCLUSIVE);
	if (hold_off->begun && database->oid == hold_off->oid)
		wanted = --database->worker->hold_offs == 0 && database->worker->pid == 0 &&
			database->worker->state != MVS_WORKER_NONE;
	LWLockRelease(database->queue_lock);
	if (wanted)
		mvs_wake_proc(mvs_shared->launcher_proc);
}
