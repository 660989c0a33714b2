/*-------------------------------------------------------------------------
 *
 * crew.h
 *	  The assistants of a drop worker, as the worker has them: when they are started
 *	  and sent away, what they are given to do.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_CREW_H
#define MVSTORE_CREW_H

#include "postgres.h"

#include "worker/drop.h"
#include "worker/pending.h"

/* How an assistant is told who it is, in bgw_extra. */
typedef struct MvsAssistantStart
{
	Oid			database;
	int			worker_pid;
} MvsAssistantStart;

/*
 * Bytes of each of the two message queues in a segment: first to the assistant, then back. Most
 * shares fit, so that the worker need not wait for who reads them.
 */
#define MVS_CREW_QUEUE ((Size) 1024 * 1024)

/* What hands a batch is in. */
typedef struct MvsShares
{
	int			own;			/* at its head: ours */
	int			others;			/* behind them: the assistants' */
} MvsShares;

/*
 * Hand out what of a sorted batch is for the assistants, and start or send away some of
 * these as the backlog has it. Where any is, requests for ranges go behind all others. What
 * is neither ours nor theirs is for another time.
 */
extern MvsShares mvs_crew_hand_out(MvsPending **batch, int count);

/*
 * Wait for what was handed out, and set its outcomes. Put the requests of all shares that
 * have none behind those that have one, in their order, and return the number of these. Of
 * our own share, "own_done" have one.
 */
extern int	mvs_crew_collect(MvsPending **batch, const MvsShares *shares, int own_done);

/* The backlog is worked off. */
extern void mvs_crew_rest(void);

/* Whether assistants of an earlier worker of the database are still at work. */
extern bool mvs_crew_is_of_another(void);

/*
 * Tell of a drop that has committed: in the worker, by counting it and expecting what
 * follows; in an assistant, with the answer.
 */
extern void mvs_crew_tell(const MvsDropNews *news);

/* In an assistant: have news kept from now on, in mvs_worker.context; and return them. */
extern void mvs_crew_keep_news(void);
extern List *mvs_crew_kept_news(void);

#endif							/* MVSTORE_CREW_H */
