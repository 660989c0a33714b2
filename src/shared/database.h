/*-------------------------------------------------------------------------
 *
 * database.h
 *	  What the processes of mvstore share.
 *
 * One MvsShared, with one MvsDatabase for each database that uses mvstore. All
 * of it lies in the main shared memory segment, so a crash restart begins anew.
 *
 * Locks, none of which is held across anything that can raise an error, nor while
 * another of them is taken, but queue_lock within MvsShared.lock, where a slot
 * changes hands, and the pool's lock within queue_lock:
 *
 *	MvsShared.lock			which database has which slot; the launcher's fields
 *	MvsDatabase.version_lock	clock and writers; XidGenLock is taken within it
 *	MvsDatabase.queue_lock	the queue, what is told of the worker, counters of drops
 *
 * Other parts have locks of their own: pool.c, counters.c.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_SHMEM_H
#define MVSTORE_SHMEM_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"

/* Processes that drop in one database at a time: the drop worker, and its assistants. */
#define MVS_MAX_DROPPERS 16

/*
 * A slot: what stays when it changes hands, and pointers to what the parts have of it, each
 * a struct that the part declares, says the lock of, and clears. They are there in a free
 * slot, too, which may be read; what is from databases_used on may not.
 */
typedef struct MvsDatabase
{
	/*
	 * InvalidOid: a free slot. Changed with MvsShared.lock and queue_lock held, both exclusively,
	 * so that either will do to read it. Who comes by a pointer that it has had for a while, and
	 * is not one of the sessions, looks again whose slot it is.
	 */
	Oid			oid;
	int			sessions;		/* of the database that have found it, behind queue_lock */
	bool		vacant;			/* nobody has used it since the catalog was seen empty; likewise */

	/* Behind version_lock. */
	LWLock	   *version_lock;
	struct MvsClock *clock;		/* version/clock.h */
	struct MvsWriters *writers; /* version/version.h */
	ConditionVariable settled;	/* broadcast when more may have got stable */

	/* Behind queue_lock. */
	LWLock	   *queue_lock;
	struct MvsQueue *queue;		/* queue/queue.h */
	struct MvsWorkerStatus *worker; /* wake.h */
	struct MvsDroppers *droppers;	/* droppers.h */
	struct MvsBacklogs *backlogs;	/* backlog.h */
	struct MvsDropStats *stats; /* drop_stats.h */
	struct MvsProgress *operations; /* progress.h */
	ConditionVariable progress; /* broadcast when one of these moves */

	/*
	 * Of no lock: the FullTransactionIds of those who drop, each at its own place, while they
	 * delete (droppers.h); 0: none. They are here as atomics are not to be cleared by memset().
	 */
	pg_atomic_uint64 dropping[MVS_MAX_DROPPERS];

	/* What one database writes to is on no cache line with another's. */
	char		padding[PG_CACHE_LINE_SIZE];
} MvsDatabase;

typedef struct MvsShared
{
	LWLock	   *lock;
	int			launcher_proc;	/* -1: none */
	bool		workers_wanted; /* more than may run: the idle are to end */
	bool		slot_wanted;	/* the server has no slot free for one of them */
	LWLockPadded *locks;		/* two per slot */
	pg_atomic_uint64 standby_met;	/* a TimestampTz: when a walsender was last let in; 0: never */
	int			database_count;
	int			databases_used; /* no slot from here on has ever been taken, nor touched */
#ifdef MVSTORE_FAULTS
	pg_atomic_uint32 fault_hits;	/* times that the point of mvstore.fault was met */
#endif
	MvsDatabase databases[FLEXIBLE_ARRAY_MEMBER];
} MvsShared;

/*
 * A part that has state of each database, in a struct of its own. What is here is called with
 * MvsShared.lock and queue_lock held, and cannot fail.
 */
typedef struct MvsDatabasePart
{
	Size		size;			/* bytes of the struct */
	Size		backend_size;	/* and so many more for each backend and prepared transaction */

	/* Points the slot to its struct, and clears that, for a database that is new there. */
	void		(*reset) (MvsDatabase *database, void *place);

	/* Whether nobody would miss what is there; NULL: nobody ever does. */
	bool		(*is_idle) (const MvsDatabase *database);

	/* Gives back what the slot has of other memory; NULL: nothing. */
	void		(*free) (MvsDatabase *database);
} MvsDatabasePart;

/* NULL where the library is not in shared_preload_libraries. */
extern MvsShared *mvs_shared;

/* Its shared memory: see startup.c. */
extern Size mvs_database_shmem_size(void);
extern int	mvs_database_shmem_locks(void);
extern void mvs_database_shmem_startup(LWLockPadded *locks);

/* Names the parts, in each process, before there is shared memory. */
extern void mvs_database_set_parts(const MvsDatabasePart *const *parts, int count);

/* Raises 55000 without shared memory. */
extern void mvs_shared_require(void);

/* The slot of a database, a free one if it has none yet; NULL where all are taken. */
extern MvsDatabase *mvs_database_take(Oid database, bool *fresh);

/* How many slots are to be looked at by who goes through all of them, without a lock. */
extern int	mvs_databases_used(void);

/* The slot of a database that has one, or NULL. Reads no tables. */
extern MvsDatabase *mvs_database_find(Oid database);

/* Frees the slot of a database that was dropped. */
extern void mvs_database_forget(Oid database);

/* Frees the slots of databases that are no more, or do not use them; whether one was. */
extern bool mvs_database_free_unused(void);

#endif							/* MVSTORE_SHMEM_H */
