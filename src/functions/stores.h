/*-------------------------------------------------------------------------
 *
 * stores.h
 *	  Stores come and go: creating, attaching, new policies, clearing, forgetting.
 *
 * Most of it is SQL functions and triggers. Others read the rows of mvstore_policy.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_POLICY_H
#define MVSTORE_POLICY_H

/*
 * After a command that may have exchanged the storage of tables: has the stores swept
 * that have another one, all or, given its OID, one.
 */
extern void mvs_policy_check_storage(Oid store);

/* Columns of mvstore_policy. */
#define Anum_policy_store 1
#define Anum_policy_keep_versions 2
#define Anum_policy_keep_for 3
#define Anum_policy_ttl 4
#define Anum_policy_incarnation 5
#define Anum_policy_storage 6
#define Natts_policy 6

#endif							/* MVSTORE_POLICY_H */
