/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  Arguments and results of the SQL functions.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_FUNCTION_H
#define MVSTORE_FUNCTION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"

/* What a key or a value is for the caller; a store holds bytes. */
typedef enum MvsType
{
	MVS_TEXT,
	MVS_BYTES
} MvsType;

/* Arguments; each raises 22004 where it is NULL, and what is said beside it. */
extern Oid	mvs_get_store(FunctionCallInfo fcinfo, int argument);
extern bytea *mvs_get_key(FunctionCallInfo fcinfo, int argument, MvsType type,
						  const char *name);	/* 54000: too long */
extern bytea *mvs_get_bound(FunctionCallInfo fcinfo, int argument, MvsType type,
							const char *name);	/* a key's neighbour: of any length */
extern bytea *mvs_get_value(FunctionCallInfo fcinfo, int argument, MvsType type);
extern int	mvs_get_keys(FunctionCallInfo fcinfo, int argument, MvsType type,
						 bytea ***keys);	/* the number of them; 2202E: dimensions */
extern int	mvs_get_values(FunctionCallInfo fcinfo, int argument, MvsType type,
						   bytea ***values);	/* likewise; elements may be NULL */
extern int64 mvs_get_version(FunctionCallInfo fcinfo, int argument,
							 const char *name); /* 22023: negative */
extern int64 mvs_get_limit(FunctionCallInfo fcinfo, int argument);	/* NULL: none */
extern int64 mvs_get_timeout(FunctionCallInfo fcinfo, int argument);	/* milliseconds */
extern bool mvs_get_flag(FunctionCallInfo fcinfo, int argument, const char *name);

/* An interval as microseconds, a day being 24 hours; 22023 for months, negative. */
extern int64 mvs_interval_usecs(const char *what, const Interval *interval);

/* Bytes as a result; 22021 where they are to be text and are not. */
extern Datum mvs_return_bytes(bytea *bytes, MvsType type);

#endif							/* MVSTORE_FUNCTION_H */
