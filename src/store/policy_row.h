/*-------------------------------------------------------------------------
 *
 * policy_row.h
 *	  The columns of mvstore_policy, which has a row for each store.
 *
 * store.c reads the rows and records storage in them; functions/stores.c writes them.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_POLICY_ROW_H
#define MVSTORE_POLICY_ROW_H

#define Anum_policy_store 1
#define Anum_policy_keep_versions 2
#define Anum_policy_keep_for 3
#define Anum_policy_ttl 4
#define Anum_policy_incarnation 5
#define Anum_policy_storage 6
#define Natts_policy 6

#endif							/* MVSTORE_POLICY_ROW_H */
