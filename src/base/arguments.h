/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  Arguments and results of the SQL functions.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_ARGUMENTS_H
#define MVSTORE_ARGUMENTS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"

/* What a key or a value is for the caller; a store holds bytes. */
typedef enum MvsType
{
	MVS_TEXT,
	MVS_BYTES
} MvsType;

/* Raise 22004 where an argument is NULL: a missing value never means "everything". */
extern void mvs_refuse_null(FunctionCallInfo fcinfo, int argument, const char *name);

/*
 * Return an argument. Each raises 22004 where it is NULL, unless said otherwise, and what
 * is said beside it; "name" is the argument's name for messages.
 */
extern Oid	mvs_get_store(FunctionCallInfo fcinfo, int argument);
extern bytea *mvs_get_key(FunctionCallInfo fcinfo, int argument, MvsType type,
						  const char *name);	/* 54000: too long */
extern bytea *mvs_get_bound(FunctionCallInfo fcinfo, int argument, MvsType type,
							const char *name);	/* a key's neighbour: of any length */
extern bytea *mvs_get_value(FunctionCallInfo fcinfo, int argument, MvsType type);
extern int64 mvs_get_version(FunctionCallInfo fcinfo, int argument,
							 const char *name); /* 22023: negative */
extern int64 mvs_get_limit(FunctionCallInfo fcinfo, int argument);	/* NULL: none */
extern int64 mvs_get_timeout(FunctionCallInfo fcinfo, int argument);	/* milliseconds */
extern int64 mvs_get_ttl(FunctionCallInfo fcinfo, int argument);	/* microseconds; NULL: -1 */
extern bool mvs_get_flag(FunctionCallInfo fcinfo, int argument, const char *name);

/*
 * Set *keys or *values to the elements of an array and return how many there are. Raise
 * 2202E for more dimensions than one. Values may be NULL, keys must not.
 */
extern int	mvs_get_keys(FunctionCallInfo fcinfo, int argument, MvsType type,
						 bytea ***keys);
extern int	mvs_get_values(FunctionCallInfo fcinfo, int argument, MvsType type,
						   bytea ***values);

/*
 * Return an interval in microseconds, a day being 24 hours. Raise 22023 where it has
 * months or is negative; "what" is its name for messages.
 */
extern int64 mvs_interval_usecs(const char *what, const Interval *interval);

/* Return bytes as a result; raise 22021 where they are to be text and are not. */
extern Datum mvs_return_bytes(bytea *bytes, MvsType type);

#endif							/* MVSTORE_ARGUMENTS_H */
