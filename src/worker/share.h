/*-------------------------------------------------------------------------
 *
 * share.h
 *	  The messages between a drop worker and its assistants: a share of a batch goes
 *	  there, and what became of it comes back.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_SHARE_H
#define MVSTORE_SHARE_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "worker/pending.h"

/* What an assistant is to know besides the requests. */
typedef struct MvsShareTerms
{
	uint64		forgets;		/* of bottoms by the worker: see mvs_drop_forgets() */
} MvsShareTerms;

/* Write a share. */
extern void mvs_share_write(StringInfo message, const MvsShareTerms *terms,
							MvsPending **items, int count);

/*
 * Return the requests of a share, in the current memory context but for what stays in
 * the message, and set *terms and *count.
 */
extern MvsPending **mvs_share_read(const char *message, MvsShareTerms *terms, int *count);

/*
 * Write what became of the first of them, "done" in number, and what is to be known of the
 * drops: a list of MvsDropNews.
 */
extern void mvs_share_write_answer(StringInfo message, MvsPending **items, int done,
								   const List *news);

/* Set the outcomes of the requests to that, and *done; return the news. */
extern List *mvs_share_read_answer(const char *message, MvsPending **items, int *done);

#endif							/* MVSTORE_SHARE_H */
