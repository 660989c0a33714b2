/*-------------------------------------------------------------------------
 *
 * command.h
 *	  What SQL functions that change something begin with, and refuse alike.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_COMMAND_H
#define MVSTORE_COMMAND_H

#include "postgres.h"

#include "base/compat.h"
#include "shared/database.h"

/*
 * Begin a command and return the session's database. "function" is its name for
 * messages: raises 25006 in a read-only transaction and during recovery, 25000 in a
 * parallel operation, and what mvs_session_join() does.
 */
extern MvsDatabase *mvs_command_begin(const char *function);

/* Begin a command that writes to a store: raises 25006 also while mvstore.as_of is set. */
extern MvsDatabase *mvs_command_begin_write(const char *function);

/* Raise 55000 for a version that the clock of versions has not reached. */
extern void mvs_command_refuse_future(MvsDatabase *database, int64 version);

/*
 * Raise 40001: another transaction has changed what this one's snapshot goes on seeing of a
 * store.
 */
pg_noreturn extern void mvs_command_refuse_concurrent(Oid store);

#endif							/* MVSTORE_COMMAND_H */
