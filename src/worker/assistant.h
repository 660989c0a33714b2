/*-------------------------------------------------------------------------
 *
 * assistant.h
 *	  The assistant of a drop worker.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_ASSISTANT_H
#define MVSTORE_ASSISTANT_H

#include "postgres.h"

extern PGDLLEXPORT void mvs_assistant_main(Datum argument);

#endif							/* MVSTORE_ASSISTANT_H */
