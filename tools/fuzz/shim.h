/*
 * shim.h
 *		What stands in for a server below the code that ./dev fuzz tries.
 *
 * A target includes the .c file that it is about, so that static functions can be
 * called, too; what it does not call may stay unresolved. Memory of a run is given back
 * at its end. An error ends the run, as it would end a statement: fuzz_run() returns.
 */
#ifndef MVSTORE_FUZZ_SHIM_H
#define MVSTORE_FUZZ_SHIM_H

#include "postgres.h"

#include "shared/database.h"

/* The bytes of a run, taken from the front; 0 where there are none left. */
typedef struct FuzzInput
{
	const unsigned char *at;
	size_t		left;
} FuzzInput;

extern unsigned char fuzz_byte(FuzzInput *input);
extern int	fuzz_number(FuzzInput *input, int below);	/* two bytes */

/* As many bytes as there are, at most "length", in memory of just that size: *size. */
extern char *fuzz_bytes(FuzzInput *input, int length, int *size);

/* Try a function on the input. It must fail in no other way than by ereport(). */
extern void fuzz_run(void (*function) (FuzzInput *input), const uint8_t *data, size_t size);

/* Memory like shared memory of the server, filled with what it may not rely on. */
extern void *fuzz_shared(size_t size);

/* A slot without a database: struct and queue, for mvs_database_take(). */
#define FUZZ_DATABASES 3
extern void fuzz_databases(void);

/* What must hold. */
#define check(condition) \
	do { if (!(condition)) fuzz_failed(__FILE__, __LINE__, #condition); } while (0)
extern void fuzz_failed(const char *file, int line, const char *text) pg_attribute_noreturn();

#endif							/* MVSTORE_FUZZ_SHIM_H */
