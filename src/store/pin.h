/*-------------------------------------------------------------------------
 *
 * pin.h
 *	  The rows of pins.
 *
 * A pin promises that reads as of its version stay complete while it lives. It
 * is a row of mvstore_pin, made under a drop lock that no batch can hold at the
 * same time: so the snapshot of a batch sees every pin that was granted. Nothing
 * here tells the worker of a change; who makes one does (mvs_transaction_pins()).
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_PIN_H
#define MVSTORE_PIN_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "shared/database.h"

/* A row of mvstore_pin. */
typedef struct MvsPin
{
	ItemPointerData tid;
	NameData	name;
	NameData	owner;
	bool		own;			/* of this system and database */
	Oid			store;			/* InvalidOid: all */
	int64		version;
	TimestampTz created;
	TimestampTz expires;
} MvsPin;

/*
 * Lock a name, so that one transaction at a time changes its pins, to the end of the
 * transaction; false where that would mean to wait and "wait" is not set. The drop
 * lock comes first.
 */
extern bool mvs_pin_lock(const char *name, bool wait);

/* Let a name go again before the end of the transaction, by who has changed nothing of it. */
extern void mvs_pin_unlock(const char *name);

/*
 * Set *pins to the pins of a name, in a fresh snapshot and the current memory context;
 * return how many there are: our own, and what restores have brought.
 */
extern int	mvs_pin_find(const char *name, MvsPin **pins);

/*
 * Write a pin in the place of "pins", all that had its name, to live "ttl" microseconds
 * from now on.
 */
extern void mvs_pin_write(MvsDatabase *database, const char *name, Oid store, int64 version,
						  int64 ttl, MvsPin *pins, int count);

/* Delete the rows of pins. */
extern void mvs_pin_delete(MvsPin *pins, int count);

/* Delete the pins of a store that is dropped; return whether it had any. */
extern bool mvs_pin_forget(Oid store);

/*
 * Return the time by which pins expire, which is that of the clock of versions: so what
 * has expired once stays so, wherever the server's clock goes.
 */
extern TimestampTz mvs_pin_time(MvsDatabase *database);

/* The pins as a snapshot sees them, in the current memory context. */
typedef struct MvsPins MvsPins;
extern MvsPins *mvs_pin_read(MvsDatabase *database, Snapshot snapshot);

/* Return the lowest version that one of them on a store, or on all, has; MVS_NEWEST: none. */
extern int64 mvs_pin_lowest(const MvsPins *read, Oid store);

/*
 * Raise 55006 where a pin on a store, in a fresh snapshot, is at "version" or above it.
 * With the drop lock held.
 */
extern void mvs_pin_refuse(MvsDatabase *database, Relation store, int64 version);

/* ------------------------------------------------------------------------
 * What the worker keeps in mind of them
 * ------------------------------------------------------------------------ */

/*
 * Read the pins anew, to be kept in "context", and remove those that have expired;
 * false where somebody has the table locked.
 */
extern bool mvs_pin_load(MvsDatabase *database, MemoryContext context);

/* See which of them are in force at a time, given as a version. */
extern void mvs_pin_look(int64 now);

/* Return the lowest version of these on a store, without any lock; MVS_NEWEST: none. */
extern int64 mvs_pin_known(Oid store);

/* Return when the next one expires; DT_NOEND: none does. */
extern TimestampTz mvs_pin_next_expiry(void);

#endif							/* MVSTORE_PIN_H */
