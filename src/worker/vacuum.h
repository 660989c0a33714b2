/*-------------------------------------------------------------------------
 *
 * vacuum.h
 *	  Maintenance: the process that vacuums stores.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_VACUUM_H
#define MVSTORE_VACUUM_H

#include "postgres.h"

/* Entry point; the argument is the OID of the database. */
extern PGDLLEXPORT void mvs_vacuum_main(Datum argument);

#endif							/* MVSTORE_VACUUM_H */
