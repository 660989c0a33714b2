/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Arguments and results of the SQL functions.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/arguments.h"
#include "base/compat.h"
#include "base/key.h"
#include "base/once.h"
#include "base/snapshot.h"
#include "base/text.h"

/* Milliseconds: 100 years, so that a deadline is a timestamp. */
#define LONGEST_TIMEOUT (INT64CONST(36525) * 24 * 3600 * 1000)

bool
mvs_family_has(const char *plain, const char *function, MvsFamily *family)
{
	static const char *const suffixes[] = {
		[MVS_PLAIN] = "",
		[MVS_BYTEA] = "_bytea",
		[MVS_RAW] = "_raw"
	};
	size_t		length = strlen(plain);

	for (int i = 0; i < lengthof(suffixes); i++)
	{
		if (strncmp(plain, function, length) == 0 && strcmp(suffixes[i], function + length) == 0)
		{
			*family = i;
			return true;
		}
	}
	return false;
}

void
mvs_refuse_null(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

Oid
mvs_get_store(FunctionCallInfo fcinfo, int argument)
{
	mvs_refuse_null(fcinfo, argument, "store");
	(void) mvs_active_snapshot();	/* whatever is looked up of it has one */
	return PG_GETARG_OID(argument);
}

/* A text or a bytea as the bytes that a store holds. */
static bytea *
to_bytes(Datum datum, bool is_text)
{
	return is_text ? mvs_text_to_bytes(DatumGetTextPP(datum)) : DatumGetByteaPP(datum);
}

static bool
has_text_keys(MvsFamily family)
{
	return family != MVS_RAW;
}

static bool
has_text_values(MvsFamily family)
{
	return family == MVS_PLAIN;
}

bytea *
mvs_get_bound(FunctionCallInfo fcinfo, int argument, MvsFamily family, const char *name)
{
	mvs_refuse_null(fcinfo, argument, name);
	return to_bytes(PG_GETARG_DATUM(argument), has_text_keys(family));
}

void
mvs_get_range(FunctionCallInfo fcinfo, int argument, MvsFamily family, const bytea **from,
			  const bytea **to)
{
	*from = PG_ARGISNULL(argument) ? NULL : mvs_get_bound(fcinfo, argument, family, "from_key");
	*to = PG_ARGISNULL(argument + 1) ? NULL :
		mvs_get_bound(fcinfo, argument + 1, family, "to_key");
	if (*from && *to && mvs_key_compare(*from, *to) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_key must not be greater than to_key"),
				 errhint("To scan downwards, set reverse; the bounds stay as they are.")));
}

/* A key, unless it is too long for one. */
static bytea *
check_key(bytea *key, const char *name)
{
	if (VARSIZE_ANY_EXHDR(key) > MVS_MAX_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s is too long", name),
				 errdetail("It has %d bytes, and a key can have %d.",
						   (int) VARSIZE_ANY_EXHDR(key), MVS_MAX_KEY)));
	return key;
}

bytea *
mvs_get_key(FunctionCallInfo fcinfo, int argument, MvsFamily family, const char *name)
{
	return check_key(mvs_get_bound(fcinfo, argument, family, name), name);
}

/* The elements of an array argument of one dimension; the number of them. */
static int
get_elements(FunctionCallInfo fcinfo, int argument, bool is_text, const char *name,
			 Datum **elements, bool **nulls)
{
	ArrayType  *array;
	int			count;

	mvs_refuse_null(fcinfo, argument, name);
	array = PG_GETARG_ARRAYTYPE_P(argument);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s must have one dimension", name)));
	deconstruct_array(array, is_text ? TEXTOID : BYTEAOID, -1, false, TYPALIGN_INT,
					  elements, nulls, &count);
	return count;
}

int
mvs_get_keys(FunctionCallInfo fcinfo, int argument, MvsFamily family, bytea ***keys)
{
	bool		is_text = has_text_keys(family);
	Datum	   *elements;
	bool	   *nulls;
	int			count = get_elements(fcinfo, argument, is_text, "keys", &elements, &nulls);

	*keys = palloc(sizeof(bytea *) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("key must not be null")));
		(*keys)[i] = check_key(to_bytes(elements[i], is_text), "key");
	}
	return count;
}

int
mvs_get_values(FunctionCallInfo fcinfo, int argument, MvsFamily family, bytea ***values)
{
	bool		is_text = has_text_values(family);
	Datum	   *elements;
	bool	   *nulls;
	int			count = get_elements(fcinfo, argument, is_text, "new_values", &elements, &nulls);

	*values = palloc(sizeof(bytea *) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*values)[i] = nulls[i] ? NULL : to_bytes(elements[i], is_text);
	return count;
}

bytea *
mvs_get_value(FunctionCallInfo fcinfo, int argument, MvsFamily family)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("value must not be null"),
				 errhint("mvstore_delete() deletes a key.")));
	return to_bytes(PG_GETARG_DATUM(argument), has_text_values(family));
}

int64
mvs_get_version(FunctionCallInfo fcinfo, int argument, const char *name)
{
	mvs_refuse_null(fcinfo, argument, name);
	if (PG_GETARG_INT64(argument) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
	return PG_GETARG_INT64(argument);
}

int64
mvs_get_limit(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return PG_INT64_MAX;
	if (PG_GETARG_INT64(argument) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rows must not be negative")));
	return PG_GETARG_INT64(argument);
}

int64
mvs_interval_usecs(const char *what, const Interval *interval)
{
	int64		usecs;

	if (interval->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not have months or years", what),
				 errhint("Say it in days; a day is 24 hours.")));
	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &usecs) ||
		pg_add_s64_overflow(usecs, interval->time, &usecs))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range", what)));
	if (usecs < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", what)));
	return usecs;
}

int64
mvs_get_timeout(FunctionCallInfo fcinfo, int argument, const char *name)
{
	mvs_refuse_null(fcinfo, argument, name);
	return mvs_least(mvs_interval_usecs(name, PG_GETARG_INTERVAL_P(argument)) / 1000,
					 LONGEST_TIMEOUT);
}

int64
mvs_get_ttl(FunctionCallInfo fcinfo, int argument)
{
	int64		ttl;

	if (PG_ARGISNULL(argument))
		return -1;
	ttl = mvs_interval_usecs("ttl", PG_GETARG_INTERVAL_P(argument));
	if (ttl == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl must be greater than zero")));
	return ttl;
}

bool
mvs_get_flag(FunctionCallInfo fcinfo, int argument, const char *name)
{
	mvs_refuse_null(fcinfo, argument, name);
	return PG_GETARG_BOOL(argument);
}

/* Bytes in hexadecimal, as bytea is shown. */
static char *
to_hex(const bytea *bytes)
{
	int			length = VARSIZE_ANY_EXHDR(bytes);
	char	   *hex = palloc(2 + 2 * length + 1);

	hex[0] = '\\';
	hex[1] = 'x';
	hex[2 + hex_encode(VARDATA_ANY(bytes), length, hex + 2)] = '\0';
	return hex;
}

Datum
mvs_return_key(bytea *key, MvsFamily family, const char *store, const char *function)
{
	text	   *result;

	if (!has_text_keys(family))
		return PointerGetDatum(key);
	result = mvs_text_from_bytes(key);
	if (result == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("store \"%s\" has a key that is not text", store),
				 errdetail("The key is %s.", to_hex(key)),
				 errhint("%s_raw() returns keys as bytea.", function)));
	return PointerGetDatum(result);
}

Datum
mvs_return_value(bytea *value, const bytea *key, MvsFamily family, const char *store,
				 const char *function)
{
	text	   *result;

	if (!has_text_values(family))
		return PointerGetDatum(value);
	result = mvs_text_from_bytes(value);
	if (result == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("store \"%s\" has a value that is not text", store),
				 errdetail("The key is %s.", to_hex(key)),
				 errhint("%s_bytea() returns values as bytea.", function)));
	return PointerGetDatum(result);
}
