/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The drop worker of a database.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_WORKER_H
#define MVSTORE_WORKER_H

#include "postgres.h"

/* Entry point; the argument is the OID of the database. */
extern PGDLLEXPORT void mvs_worker_main(Datum argument);

#endif							/* MVSTORE_WORKER_H */
