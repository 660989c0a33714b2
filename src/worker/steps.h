/*-------------------------------------------------------------------------
 *
 * steps.h
 *	  What the drop worker does besides batches and sweeps.
 *
 * For readers, and to know what is to be dropped: the row of mvstore_stable, whether
 * drops are paused, calendar, pins, marks, journal; and maintenance.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_STEPS_H
#define MVSTORE_STEPS_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Try all of them that are due. Errors are kept and told of, not raised. */
extern void mvs_steps_try(void);

/*
 * When the next one is due, of those for which something must be dropped only if that
 * may be; DT_NOEND: not before somebody sets the latch. Sets *retrying to whether one of
 * these has failed or met a lock, and is to be tried again.
 */
extern TimestampTz mvs_steps_due(bool may_drop, bool *retrying);

/* When the row of mvstore_stable is to be written; DT_NOEND: not before somebody says so. */
extern TimestampTz mvs_steps_stable_due(void);

#endif							/* MVSTORE_STEPS_H */
