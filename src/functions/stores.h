/*-------------------------------------------------------------------------
 *
 * stores.h
 *	  Stores come and go: creating, attaching, new policies, clearing, forgetting.
 *
 * Most of it is SQL functions and triggers. The utility hook calls the rest.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_STORES_H
#define MVSTORE_STORES_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * After a command that may have exchanged the storage of tables, request a sweep of
 * "store" if it has got another one; with InvalidOid, of all stores that have.
 */
extern void mvs_stores_check_storage(Oid store);

/*
 * After a command that may have dropped the extension, raise a NOTICE if it has, with
 * those of "stores", the list from before, that are left as plain tables.
 */
extern void mvs_stores_report_left(List *stores);

#endif							/* MVSTORE_STORES_H */
