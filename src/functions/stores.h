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

/*
 * After a command that may have exchanged the storage of tables, request a sweep of
 * "store" if it has got another one; with InvalidOid, of all stores that have.
 */
extern void mvs_stores_check_storage(Oid store);

#endif							/* MVSTORE_STORES_H */
