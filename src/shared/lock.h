/*-------------------------------------------------------------------------
 *
 * lock.h
 *	  Heavyweight locks of mvstore's own: their tags, and those that order
 *	  drops with what they must not overtake.
 *
 * They are advisory locks of classes that SQL cannot take, in the current
 * database, so that pg_locks shows them and the deadlock detector knows them.
 * Backends and the worker take them. In which order: see src/README.md.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_LOCK_H
#define MVSTORE_LOCK_H

#include "postgres.h"

#include "storage/lock.h"

typedef enum MvsLockClass
{
	MVS_LOCK_KEY = 0x4d01,		/* store, hash of the key: one write at a time */
	MVS_LOCK_DROP = 0x4d02,		/* store or 0, 0: see MvsLocker */
	MVS_LOCK_CLOCK = 0x4d03,	/* 0, 0: raising the durable mark */
	MVS_LOCK_PIN = 0x4d04,		/* 0, hash of the name: changing a pin */
	MVS_LOCK_PAUSE = 0x4d05,	/* 0, 0: dropping, or a pause that begins */
	MVS_LOCK_CREATE = 0x4d06,	/* schema, hash of the name: creating a store */
	MVS_LOCK_BATCH = 0x4d07,	/* store, 0: see MvsLocker */
	MVS_LOCK_FLOOR = 0x4d08		/* 0, 0: raising floors, by one drop after the other */
} MvsLockClass;

extern void mvs_lock_tag(LOCKTAG *tag, MvsLockClass class, Oid store, uint32 hash);

/* Set *tag to the lock that one write at a time takes of a key. */
extern void mvs_lock_tag_key(LOCKTAG *tag, Oid store, const bytea *key);

/* Who takes the drop locks of a store, and of the database (store InvalidOid). */
typedef enum MvsLocker
{
	MVS_LOCKER_PIN,				/* keeps batches and writers of the past away */
	MVS_LOCKER_PAST,			/* put_at: keeps batches and pins away */
	MVS_LOCKER_BATCH,			/* keeps all others away, but other batches */
	MVS_LOCKER_STORE			/* erase, TRUNCATE, policy, unpin: keeps all away */
} MvsLocker;

/* Takes them to the end of the transaction; false where that would mean to wait. */
extern bool mvs_lock_drops(Oid store, MvsLocker locker, bool wait);

/* Whether the caller's transaction has one that keeps batches from a store; not a batch's. */
extern bool mvs_lock_drops_held(Oid store);

/*
 * Takes the lock by which a pause, at its commit, waits for the batches under way: batches
 * share it, and so do pauses, but not with each other. To the end of the transaction; false
 * where that would mean to wait, which only a pause does.
 */
extern bool mvs_lock_pause(bool batch);

/*
 * Takes the lock by which floors are raised in one transaction of the workers after the
 * other, to its end. Who has it waits for nobody any more, so anybody may wait for it.
 */
extern void mvs_lock_floors(void);

#endif							/* MVSTORE_LOCK_H */
