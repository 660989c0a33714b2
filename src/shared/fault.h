/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  Fault points: places where a test can have an error, a crash or a wait.
 *
 * Compiled in by -DMVSTORE_FAULTS (make MVSTORE_FAULTS=1) only; otherwise a
 * point is nothing, and the setting does not exist. The setting mvstore.fault
 * is 'point:action' or 'point:action:n': the n-th time that a process meets the
 * point, the action is taken, once. The point * is every point. Actions:
 *
 *	error	raises an error; ignored at points where none can be raised
 *	crash	kills the process with SIGKILL, as the kernel might
 *	wait	waits until there is a file mvstore_fault_release in the data directory
 *
 * Once it has fired there is a file mvstore_fault_fired in the data directory,
 * holding the name of the point, and nothing fires while it is there: so a
 * crash happens once, and not at every restart.
 *
 * The setting mvstore.clock_shift shifts the clock that versions come from.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_FAULT_H
#define MVSTORE_FAULT_H

#include "postgres.h"

#ifdef MVSTORE_FAULTS

/* Defines the setting; from _PG_init. */
extern void mvs_fault_init(void);

/* A point is met. Use the macros. */
extern void mvs_fault_meet(const char *point, bool may_fail);

/* Milliseconds that the setting mvstore.clock_shift puts on the clock of versions. */
extern int	mvs_clock_shift;

#define MVS_CLOCK_SHIFT() ((int64) mvs_clock_shift * 1000)
#define MVS_FAULT_INIT() mvs_fault_init()
#define MVS_FAULT(point) mvs_fault_meet(point, true)
#define MVS_FAULT_NO_ERROR(point) mvs_fault_meet(point, false)
#else
#define MVS_CLOCK_SHIFT() INT64CONST(0)
#define MVS_FAULT_INIT() ((void) 0)
#define MVS_FAULT(point) ((void) 0)
#define MVS_FAULT_NO_ERROR(point) ((void) 0)
#endif

#endif							/* MVSTORE_FAULT_H */
