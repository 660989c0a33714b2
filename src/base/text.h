/*-------------------------------------------------------------------------
 *
 * text.h
 *	  Text as the bytes that a store holds, and back; and its order as theirs.
 *
 * A store holds UTF-8, whatever the encoding of the database.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef MVSTORE_TEXT_H
#define MVSTORE_TEXT_H

#include "postgres.h"

/* Return the bytes of a text: "value" itself where no conversion is needed. */
extern bytea *mvs_text_to_bytes(text *value);

/*
 * Return bytes as text, "value" itself where no conversion is needed; NULL where they are
 * none. Raise 22P05 where the database's encoding lacks one of the characters.
 */
extern text *mvs_text_from_bytes(bytea *value);

/* Return whether a collation orders text as its bytes are. */
extern bool mvs_text_is_bytewise(Oid collation);

#endif							/* MVSTORE_TEXT_H */
