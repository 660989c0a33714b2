/*-------------------------------------------------------------------------
 *
 * function.c
 *	  Arguments and results of the SQL functions.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "entry.h"
#include "function.h"
#include "text.h"

/* Refuse a NULL: a missing value never means "everything". */
static void
refuse_null(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

Oid
mvs_get_store(FunctionCallInfo fcinfo, int argument)
{
	refuse_null(fcinfo, argument, "store");
	return PG_GETARG_OID(argument);
}

bytea *
mvs_get_bound(FunctionCallInfo fcinfo, int argument, MvsType type, const char *name)
{
	refuse_null(fcinfo, argument, name);
	return type == MVS_TEXT ? mvs_text_to_bytes(PG_GETARG_TEXT_PP(argument))
		: PG_GETARG_BYTEA_PP(argument);
}

bytea *
mvs_get_key(FunctionCallInfo fcinfo, int argument, MvsType type, const char *name)
{
	bytea	   *key = mvs_get_bound(fcinfo, argument, type, name);

	if (VARSIZE_ANY_EXHDR(key) > MVS_MAX_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s is too long", name),
				 errdetail("It has %d bytes, and a key can have %d.",
						   (int) VARSIZE_ANY_EXHDR(key), MVS_MAX_KEY)));
	return key;
}

bytea *
mvs_get_value(FunctionCallInfo fcinfo, int argument, MvsType type)
{
	return mvs_get_bound(fcinfo, argument, type, "value");
}

int64
mvs_get_version(FunctionCallInfo fcinfo, int argument, const char *name)
{
	refuse_null(fcinfo, argument, name);
	if (PG_GETARG_INT64(argument) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
	return PG_GETARG_INT64(argument);
}

bool
mvs_get_flag(FunctionCallInfo fcinfo, int argument, const char *name)
{
	refuse_null(fcinfo, argument, name);
	return PG_GETARG_BOOL(argument);
}

Datum
mvs_return_bytes(bytea *bytes, MvsType type)
{
	if (type == MVS_TEXT)
		return PointerGetDatum(mvs_text_from_bytes(bytes));
	return PointerGetDatum(bytes);
}
