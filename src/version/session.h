/*-------------------------------------------------------------------------
 *
 * session.h
 *	  This session's database: its slot, taken where there is none yet, with
 *	  the clock of its versions loaded.
 *
 * Backends and workers come here first. Later they may ask mvs_database_find(),
 * which takes nothing and reads no tables.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_SESSION_H
#define MVSTORE_SESSION_H

#include "postgres.h"

#include "shared/database.h"

/*
 * Joins the database, for who uses mvstore there. Raises 55000 without shared memory
 * and 53400 where all slots are taken.
 */
extern MvsDatabase *mvs_session_join(void);

/*
 * Joins the database, for who would only know, if it is in use: it has a slot, or the
 * catalog holds something. Else NULL, as without shared memory, on a standby, and where
 * all slots are taken: then nobody writes to stores of the database.
 */
extern MvsDatabase *mvs_session_join_if_used(void);

/*
 * Looks whether the database, which has been joined, still uses mvstore; else others may
 * have its slot when they need one and the last session has ended.
 */
extern void mvs_session_review_use(void);

#endif							/* MVSTORE_SESSION_H */
