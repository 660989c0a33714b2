/*-------------------------------------------------------------------------
 *
 * text.c
 *	  Text as the bytes that a store holds, and back; and its order as theirs.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/text.h"

bytea *
mvs_text_to_bytes(text *value)
{
	char	   *data = VARDATA_ANY(value);
	char	   *utf8 = pg_server_to_any(data, VARSIZE_ANY_EXHDR(value), PG_UTF8);

	/* text and bytea have the same layout */
	if (utf8 == data)
		return (bytea *) value;
	return (bytea *) cstring_to_text(utf8);
}

text *
mvs_text_from_bytes(bytea *value)
{
	char	   *data = VARDATA_ANY(value);
	int			length = VARSIZE_ANY_EXHDR(value);
	char	   *own;

	if (!pg_verify_mbstr(PG_UTF8, data, length, true))
		return NULL;
	own = pg_any_to_server(data, length, PG_UTF8);
	if (own == data)
		return (text *) value;
	return cstring_to_text(own);
}

/* Whether the collation of a row of the catalog is that of a locale "C", of libc or built in. */
static bool
is_bytewise(int cache, HeapTuple tuple, char provider, AttrNumber locale)
{
	bool		isnull;
	Datum		name = SysCacheGetAttr(cache, tuple, locale, &isnull);
	char	   *locale_name;

	/* Since 17, and whatever the locale: it has to do with upper and lower case only. */
	if (provider == 'b')
		return true;
	if (provider != COLLPROVIDER_LIBC || isnull)
		return false;
	locale_name = TextDatumGetCString(name);
	return strcmp(locale_name, "C") == 0 || strcmp(locale_name, "POSIX") == 0;
}

bool
mvs_text_is_bytewise(Oid collation)
{
	HeapTuple	tuple;
	bool		bytewise = false;

	if (collation == DEFAULT_COLLATION_OID)
	{
		tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
		if (HeapTupleIsValid(tuple))
			bytewise = is_bytewise(DATABASEOID, tuple,
								   ((Form_pg_database) GETSTRUCT(tuple))->datlocprovider,
								   Anum_pg_database_datcollate);
	}
	else
	{
		tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
		if (HeapTupleIsValid(tuple))
			bytewise = is_bytewise(COLLOID, tuple,
								   ((Form_pg_collation) GETSTRUCT(tuple))->collprovider,
								   Anum_pg_collation_collcollate);
	}
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return bytewise;
}
