/*-------------------------------------------------------------------------
 *
 * ddl.h
 *	  Staying out of the way of commands on whole databases.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_DDL_H
#define MVSTORE_DDL_H

/* Install the hook; from _PG_init, when preloaded. */
extern void mvs_ddl_init(void);

#endif							/* MVSTORE_DDL_H */
