/*-------------------------------------------------------------------------
 *
 * write.h
 *	  A write under way: a store, and the statement that writes to it.
 *
 * For backends, in functions that write many keys of a store other than those given.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_WRITE_H
#define MVSTORE_WRITE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/database.h"
#include "store/entry.h"
#include "store/statement.h"
#include "store/store.h"

/* A write under way. */
typedef struct MvsWrite
{
	MvsStore	store;
	MvsStatement statement;
	MvsDatabase *database;
	MvsHeads	heads;			/* at the keys that are held; closed in between */
} MvsWrite;

/*
 * Begin to write to a store, as one INSERT for its triggers. "function" is the writer's
 * name for messages. Raise what mvs_command_begin_write(), mvs_store_open(),
 * mvs_store_refuse_unguarded() and mvs_statement_begin() do.
 */
extern void mvs_write_begin(MvsWrite *write, Oid store, const char *function, AclMode rights);

/*
 * Write an entry of a key at the transaction's version: a value that expires at a time
 * (DT_NOEND: never), or a tombstone where it is NULL. Return the version, or 0 where there
 * is nothing to delete. Wait for who else is writing the key; raise 40001 where the
 * transaction came too late, and what mvs_statement_insert() does. What it allocates may
 * go after the call.
 */
extern int64 mvs_write_entry(MvsWrite *write, bytea *key, bytea *value,
							 TimestampTz expires_at);

/* All is written: AFTER triggers fire. */
extern void mvs_write_end(MvsWrite *write);

#endif							/* MVSTORE_WRITE_H */
