/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between the PostgreSQL majors that mvstore supports
 *	  (15 to 18, and 19 as far as it is known), and nothing else. The newest
 *	  spelling is the normal one; older servers get it here. In alphabetical
 *	  order.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_COMPAT_H
#define MVSTORE_COMPAT_H

#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/paths.h"
#include "postmaster/autovacuum.h"
#include "replication/origin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 200000
#error "mvstore supports PostgreSQL 15 to 18"
#endif

#if PG_VERSION_NUM >= 160000
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "parser/parse_relation.h"
#include "varatt.h"
#endif

/* What EXPLAIN prints has a header of its own since 18. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/*
 * From libpq/auth.h, which cannot be included where the headers of Kerberos are
 * missing and the server was built with it.
 */
typedef void (*ClientAuthentication_hook_type) (struct Port *, int);
extern PGDLLIMPORT ClientAuthentication_hook_type ClientAuthentication_hook;

/* estimate_array_length() returns a fraction, and looks at statistics, since 17. */
static inline double
mvs_compat_array_length(PlannerInfo *root, Node *array)
{
#if PG_VERSION_NUM >= 170000
	return estimate_array_length(root, array);
#else
	return estimate_array_length(array);
#endif
}

/* DecodeDateTime() takes a place for more about an error since 16. */
static inline int
mvs_compat_decode_datetime(char **fields, int *types, int count, int *kind, struct pg_tm *tm,
						   fsec_t *fraction, int *zone)
{
#if PG_VERSION_NUM >= 160000
	DateTimeErrorExtra extra;

	return DecodeDateTime(fields, types, count, kind, tm, fraction, zone, &extra);
#else
	return DecodeDateTime(fields, types, count, kind, tm, fraction, zone);
#endif
}

/*
 * ExecInitRangeTable() takes the permissions apart since 16, and the relations
 * that run-time pruning left since 18.
 */
static inline void
mvs_compat_init_range_table(EState *estate, RangeTblEntry *entry)
{
#if PG_VERSION_NUM >= 160000
	List	   *permissions = NIL;

	addRTEPermissionInfo(&permissions, entry);
#if PG_VERSION_NUM >= 180000
	ExecInitRangeTable(estate, list_make1(entry), permissions, bms_make_singleton(1));
#else
	ExecInitRangeTable(estate, list_make1(entry), permissions);
#endif
#else
	ExecInitRangeTable(estate, list_make1(entry));
#endif
}

/* build_expression_pathkey() takes no rels that may be NULL since 16; below joins, none are. */
static inline List *
mvs_compat_expression_pathkey(PlannerInfo *root, Expr *expression, Oid operator, Relids rel)
{
#if PG_VERSION_NUM >= 160000
	return build_expression_pathkey(root, expression, operator, rel, false);
#else
	return build_expression_pathkey(root, expression, NULL, operator, rel, false);
#endif
}

/* index_beginscan() takes a place for its instrumentation since 18, and flags since 19. */
static inline IndexScanDesc
mvs_compat_index_beginscan(Relation heap, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 190000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0, 0);
#elif PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

/* The number of a process's transaction: moved within PGPROC in 17. */
static inline LocalTransactionId
mvs_compat_local_xid(PGPROC *proc)
{
#if PG_VERSION_NUM >= 170000
	return proc->vxid.lxid;
#else
	return proc->lxid;
#endif
}

/* LockHeldByMe() can look for stronger locks, too, since 17. */
static inline bool
mvs_compat_lock_held(const LOCKTAG *tag, LOCKMODE mode)
{
#if PG_VERSION_NUM >= 170000
	return LockHeldByMe(tag, mode, false);
#else
	return LockHeldByMe(tag, mode);
#endif
}

/* PG_MODULE_MAGIC_EXT names the module since 18. */
#if PG_VERSION_NUM < 180000
#define PG_MODULE_MAGIC_EXT(...) PG_MODULE_MAGIC
#endif

/* A function that does not return says so before its type since 18. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* A process is known by its number in the proc array: a field of PGPROC until 16. */
static inline int
mvs_compat_proc_number(PGPROC *proc)
{
#if PG_VERSION_NUM >= 170000
	return GetNumberFromPGProc(proc);
#else
	return proc->pgprocno;
#endif
}

/* The owner checks were one function per kind of object until 15. */
static inline bool
mvs_compat_database_owned(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, database, role);
#else
	return pg_database_ownercheck(database, role);
#endif
}

static inline bool
mvs_compat_table_owned(Oid table, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, table, role);
#else
	return pg_class_ownercheck(table, role);
#endif
}

/* The checks of rights, likewise. */
static inline bool
mvs_compat_may_create_in(Oid schema, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, schema, role, ACL_CREATE) == ACLCHECK_OK;
#else
	return pg_namespace_aclcheck(schema, role, ACL_CREATE) == ACLCHECK_OK;
#endif
}

/* Where the changes of this process come from; in one struct with when since 19. */
#if PG_VERSION_NUM >= 190000
#define MVS_COMPAT_ORIGIN replorigin_xact_state.origin
#else
#define MVS_COMPAT_ORIGIN replorigin_session_origin
#define InvalidReplOriginId InvalidRepOriginId
#endif

/* It asks whether a deferrable one will do since 18. */
#if PG_VERSION_NUM >= 180000
#define MVS_COMPAT_PRIMARY_KEY(relation) RelationGetPrimaryKeyIndex(relation, false)
#else
#define MVS_COMPAT_PRIMARY_KEY(relation) RelationGetPrimaryKeyIndex(relation)
#endif

/* Return how many dead rows of a table call for a vacuum, which 18 lets a setting limit. */
static inline double
mvs_compat_vacuum_threshold(double threshold, Relation heap)
{
#if PG_VERSION_NUM >= 180000
	const StdRdOptions *options = (const StdRdOptions *) heap->rd_options;
	int			most = options && options->autovacuum.vacuum_max_threshold >= -1 ?
	options->autovacuum.vacuum_max_threshold : autovacuum_vac_max_thresh;

	return most >= 0 && threshold > most ? most : threshold;
#else
	return threshold;
#endif
}

/* CLUSTER is a REPACK since 19. */
#if PG_VERSION_NUM < 190000
#define T_RepackStmt T_ClusterStmt
#endif

/*
 * Replace the value that a check hook was given, which has memory of its own kind since
 * 16; false without memory.
 */
static inline bool
mvs_compat_replace_setting(char **value, const char *replacement)
{
#if PG_VERSION_NUM >= 160000
	char	   *copy = guc_strdup(LOG, replacement);

	if (copy)
		guc_free(*value);
#else
	char	   *copy = strdup(replacement);

	if (copy)
		free(*value);
#endif
	if (copy)
		*value = copy;
	return copy != NULL;
}

/* A hash in shared memory has one size since 19, where it had an initial one, too. */
static inline HTAB *
mvs_compat_shmem_init_hash(const char *name, int64 size, HASHCTL *control, int flags)
{
#if PG_VERSION_NUM >= 190000
	return ShmemInitHash(name, size, control, flags);
#else
	return ShmemInitHash(name, size, size, control, flags);
#endif
}

/* A signal handler is told who sent the signal since 19. */
#if PG_VERSION_NUM >= 190000
#define MVS_COMPAT_DIE() die(postgres_signal_arg, pg_siginfo)
#else
#define MVS_COMPAT_DIE() die(postgres_signal_arg)
#endif

/* table_beginscan() takes flags since 19. */
static inline TableScanDesc
mvs_compat_table_beginscan(Relation relation, Snapshot snapshot)
{
#if PG_VERSION_NUM >= 190000
	return table_beginscan(relation, snapshot, 0, NULL, 0);
#else
	return table_beginscan(relation, snapshot, 0, NULL);
#endif
}

/* table_tuple_delete() takes options since 19. */
static inline TM_Result
mvs_compat_table_tuple_delete(Relation relation, ItemPointer tid, CommandId command,
							  Snapshot snapshot, bool wait, TM_FailureData *failure)
{
#if PG_VERSION_NUM >= 190000
	return table_tuple_delete(relation, tid, command, 0, snapshot, InvalidSnapshot, wait, failure);
#else
	return table_tuple_delete(relation, tid, command, snapshot, InvalidSnapshot, wait, failure,
							  false);
#endif
}

/* The subtransactions that were first and last to give a relation new storage: renamed in 16. */
#if PG_VERSION_NUM >= 160000
#define MVS_COMPAT_FIRST_STORAGE_SUBID(relation) (relation)->rd_firstRelfilelocatorSubid
#define MVS_COMPAT_STORAGE_SUBID(relation) (relation)->rd_newRelfilelocatorSubid
#else
#define MVS_COMPAT_FIRST_STORAGE_SUBID(relation) (relation)->rd_firstRelfilenodeSubid
#define MVS_COMPAT_STORAGE_SUBID(relation) (relation)->rd_newRelfilenodeSubid
#endif

/* What the server keeps of transaction ids was VariableCache until 16. */
#if PG_VERSION_NUM < 170000
#define TransamVariables ShmemVariableCache
#endif

/* An extension names its own wait events since 17. */
static inline uint32
mvs_compat_wait_event(uint32 *cached, const char *name)
{
#if PG_VERSION_NUM >= 170000
	if (*cached == 0)
		*cached = WaitEventExtensionNew(name);
	return *cached;
#else
	return PG_WAIT_EXTENSION;
#endif
}

#endif							/* MVSTORE_COMPAT_H */
