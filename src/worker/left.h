/*-------------------------------------------------------------------------
 *
 * left.h
 *	  Drop requests that the worker leaves to the journal for the time being.
 *
 * It keeps mvstore.queue_size of those that wait, for the horizon or for a lock. Of
 * the others, which have rows, it has in mind per store how many there are and when
 * one of them may be due: then the journal is read again.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_LEFT_H
#define MVSTORE_LEFT_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "queue/queue.h"
#include "worker/process.h"

/*
 * Leave a request that waits for a lock, or else for the horizon to get somewhere. One
 * that a replay under way has yet to meet is left to that.
 */
extern void mvs_left_add(const MvsRequest *request, bool locked, int64 wait_for);

/* Whether there are any. */
extern bool mvs_left_is_any(void);

/* When the journal is to be read again for them; DT_NOEND: not before things look otherwise. */
extern TimestampTz mvs_left_due(const MvsLook *look);

/* Whether some may go but for writers that have yet to end. */
extern bool mvs_left_waits_for_writers(const MvsLook *look);

/* Rows may be gone: all are to be looked at again. */
extern void mvs_left_recheck(void);

/*
 * A replay begins behind a row, and will come to all of them; it meets a row; it has
 * come to its end.
 */
extern void mvs_left_replay_begins(int64 met);
extern void mvs_left_replay_meets(int64 journal);
extern void mvs_left_replay_ends(void);
extern bool mvs_left_replay_is_under_way(void);

/* Add to *backlog what is left, and what a replay has yet to meet. */
extern void mvs_left_report(MvsBacklog *backlog, const MvsLook *look);

/* The worker ends: have another read the journal for them. With queue_lock held. */
extern void mvs_left_give_back(MvsDatabase *database);

#endif							/* MVSTORE_LEFT_H */
