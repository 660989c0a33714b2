/*-------------------------------------------------------------------------
 *
 * text.c
 *	  Text as the bytes that a store holds, and back.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

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
