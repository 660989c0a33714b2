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

/*
 * What keys and values are for the caller, whose function's name tells; a store holds
 * bytes. One function in C does the work of a family.
 */
typedef enum MvsFamily
{
	MVS_PLAIN,					/* mvstore_put: both are text */
	MVS_BYTEA,					/* mvstore_put_bytea: keys are text, values bytea */
	MVS_RAW						/* mvstore_put_raw: both are bytea */
} MvsFamily;

/*
 * Define the SQL functions of a family by what does their work, body(fcinfo, family):
 * all three; or, where there are keys but no values, the plain one and _raw.
 */
#define MVS_VALUE_FUNCTIONS(name, body) \
	MVS_FUNCTION(name, body, MVS_PLAIN); \
	MVS_FUNCTION(name##_bytea, body, MVS_BYTEA); \
	MVS_FUNCTION(name##_raw, body, MVS_RAW)
#define MVS_KEY_FUNCTIONS(name, body) \
	MVS_FUNCTION(name, body, MVS_PLAIN); \
	MVS_FUNCTION(name##_raw, body, MVS_RAW)
#define MVS_FUNCTION(name, body, family) \
	PG_FUNCTION_INFO_V1(name); \
	Datum name(PG_FUNCTION_ARGS) \
	{ \
		return body(fcinfo, family); \
	} \
	extern int	no_such_variable

/* Set *family to what a function is of the plain one, by name; false: it is none of them. */
extern bool mvs_family_has(const char *plain, const char *function, MvsFamily *family);

/* Raise 22004 where an argument is NULL: a missing value never means "everything". */
extern void mvs_refuse_null(FunctionCallInfo fcinfo, int argument, const char *name);

/*
 * Return an argument. Each raises 22004 where it is NULL, unless said otherwise, and what
 * is said beside it; "name" is the argument's name for messages.
 */
extern Oid	mvs_get_store(FunctionCallInfo fcinfo, int argument);
extern bytea *mvs_get_key(FunctionCallInfo fcinfo, int argument, MvsFamily family,
						  const char *name);	/* 54000: too long */
extern bytea *mvs_get_bound(FunctionCallInfo fcinfo, int argument, MvsFamily family,
							const char *name);	/* a key's neighbour: of any length */
extern bytea *mvs_get_value(FunctionCallInfo fcinfo, int argument, MvsFamily family);
extern void mvs_get_range(FunctionCallInfo fcinfo, int argument, MvsFamily family,
						  const bytea **from, const bytea **to);	/* two; NULL: open */
extern int64 mvs_get_version(FunctionCallInfo fcinfo, int argument,
							 const char *name); /* 22023: negative */
extern int64 mvs_get_limit(FunctionCallInfo fcinfo, int argument);	/* NULL: none */
extern int64 mvs_get_timeout(FunctionCallInfo fcinfo, int argument,
							 const char *name); /* milliseconds */
extern int64 mvs_get_ttl(FunctionCallInfo fcinfo, int argument);	/* microseconds; NULL: -1 */
extern bool mvs_get_flag(FunctionCallInfo fcinfo, int argument, const char *name);

/*
 * Set *keys or *values to the elements of an array and return how many there are. Raise
 * 2202E for more dimensions than one. Values may be NULL, keys must not.
 */
extern int	mvs_get_keys(FunctionCallInfo fcinfo, int argument, MvsFamily family,
						 bytea ***keys);
extern int	mvs_get_values(FunctionCallInfo fcinfo, int argument, MvsFamily family,
						   bytea ***values);

/*
 * Return an interval in microseconds, a day being 24 hours. Raise 22023 where it has
 * months or is negative; "what" is its name for messages.
 */
extern int64 mvs_interval_usecs(const char *what, const Interval *interval);

/*
 * Return a key, or the value under one, as a result. "store" and "function", the SQL
 * function's name without its suffix, are for the message where what is to be text is
 * none: raises 22021.
 */
extern Datum mvs_return_key(bytea *key, MvsFamily family, const char *store,
							const char *function);
extern Datum mvs_return_value(bytea *value, const bytea *key, MvsFamily family,
							  const char *store, const char *function);

#endif							/* MVSTORE_ARGUMENTS_H */
