/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  Stores come and go: creating, attaching, new policies, clearing, forgetting.
 *
 * All of it is SQL functions and triggers. Others read the rows of mvstore_policy.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_POLICY_H
#define MVSTORE_POLICY_H

/* Columns of mvstore_policy. */
#define Anum_policy_store 1
#define Anum_policy_keep_versions 2
#define Anum_policy_keep_for 3
#define Anum_policy_ttl 4
#define Anum_policy_incarnation 5
#define Natts_policy 5

#endif							/* MVSTORE_POLICY_H */
