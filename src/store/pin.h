/*-------------------------------------------------------------------------
 *
 * pin.h
 *	  Pins.
 *
 * A pin promises that reads as of its version stay complete while it lives. It
 * is a row of mvstore_pin, made under a drop lock that no batch can hold at the
 * same time: so the snapshot of a batch sees every pin that was granted.
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

/* The pins as a snapshot sees them, in the current memory context. */
typedef struct MvsPins MvsPins;
extern MvsPins *mvs_pin_read(MvsDatabase *database, Snapshot snapshot);

/* The lowest version that one of them on a store has; MVS_NEWEST: none. */
extern int64 mvs_pin_lowest(const MvsPins *read, Oid store);

/*
 * Raises 55006 where a pin on a store, in a fresh snapshot, is at a version or above
 * it. With the drop lock held.
 */
extern void mvs_pin_refuse(MvsDatabase *database, Relation store, int64 version);

/* Forgets the pins of a store that is dropped. */
extern void mvs_pin_forget(Oid store);

/*
 * For the worker, which keeps them in mind: reads the pins anew, and removes those
 * that have expired (false where somebody has the table locked). Sees at a time (in
 * versions) which are in force; the lowest version of these on a store, without any
 * lock; and the time when the next one expires, DT_NOEND if there is none.
 */
extern bool mvs_pin_load(MvsDatabase *database, MemoryContext context);
extern void mvs_pin_look(int64 now);
extern int64 mvs_pin_known(Oid store);
extern TimestampTz mvs_pin_next_expiry(void);

#endif							/* MVSTORE_PIN_H */
