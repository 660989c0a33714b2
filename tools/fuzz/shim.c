/*
 * shim.c
 *		What stands in for a server below the code that ./dev fuzz tries: memory,
 *		errors, locks that nobody else wants, a clock, slots of databases.
 */
#include "shim.h"

#include <setjmp.h>

#include "base/settings.h"
#include "miscadmin.h"
#include "queue/queue.h"
#include "shared/backlog.h"
#include "shared/drop_stats.h"
#include "shared/wake.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* ---- Memory ------------------------------------------------------------- */

/* Stands before each piece, which malloc() gave, so that an overrun by a byte is seen. */
typedef struct Piece
{
	struct Piece *next;
	struct Piece *before;
	size_t		size;
	size_t		padding;
} Piece;

static Piece pieces = {&pieces, &pieces, 0, 0};

MemoryContext CurrentMemoryContext;
MemoryContext TopMemoryContext;
volatile sig_atomic_t InterruptPending;
bool		IsPostmasterEnvironment = true;
char	   *DataDir = ".";

static void *
allocate(size_t size)
{
	Piece	   *piece = malloc(sizeof(Piece) + size);

	if (piece == NULL)
		abort();
	piece->size = size;
	piece->next = pieces.next;
	piece->before = &pieces;
	piece->next->before = pieces.next = piece;
	memset(piece + 1, 0x7f, Min(size, 4096));
	return piece + 1;
}

static void *
allocate_at_most(size_t size, size_t limit)
{
	if (size > limit)
		ereport(ERROR, (errmsg("invalid memory alloc request size %zu", size)));
	return allocate(size);
}

void *
palloc(Size size)
{
	return allocate_at_most(size, MaxAllocSize);
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
palloc_extended(Size size, int flags)
{
	return allocate_at_most(size, (flags & MCXT_ALLOC_HUGE) ? MaxAllocHugeSize : MaxAllocSize);
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return palloc_extended(size, MCXT_ALLOC_HUGE);
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	return palloc_extended(size, flags);
}

void
pfree(void *pointer)
{
	Piece	   *piece = (Piece *) pointer - 1;

	piece->next->before = piece->before;
	piece->before->next = piece->next;
	free(piece);
}

void *
repalloc(void *pointer, Size size)
{
	void	   *larger = palloc(size);

	memcpy(larger, pointer, Min(((Piece *) pointer - 1)->size, size));
	pfree(pointer);
	return larger;
}

void *
repalloc_huge(void *pointer, Size size)
{
	return repalloc(pointer, size);
}

void *
fuzz_shared(size_t size)
{
	return allocate(size);
}

void *
ShmemInitStruct(const char *name, Size size, bool *found)
{
	*found = false;
	return allocate(size);
}

Size
add_size(Size left, Size right)
{
	return left + right;
}

Size
mul_size(Size left, Size right)
{
	return left * right;
}

struct varlena *
pg_detoast_datum_packed(struct varlena *datum)
{
	return datum;
}

/* ---- Errors -------------------------------------------------------------- */

static jmp_buf on_error;
static int	error_level;

bool
errstart(int elevel, const char *domain)
{
	error_level = elevel;
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (error_level >= ERROR)
		longjmp(on_error, 1);
}

int
errcode(int sqlerrcode)
{
	return 0;
}

int
errcode_for_file_access(void)
{
	return 0;
}

int
errmsg(const char *fmt, ...)
{
	return 0;
}

int
errmsg_internal(const char *fmt, ...)
{
	return 0;
}

int
errdetail(const char *fmt, ...)
{
	return 0;
}

void
fuzz_failed(const char *file, int line, const char *text)
{
	fprintf(stderr, "%s:%d: this must hold: %s\n", file, line, text);
	abort();
}

/* ---- What else a server has ---------------------------------------------- */

static TimestampTz now;

bool
LWLockAcquire(LWLock *lock, LWLockMode mode)
{
	return true;
}

void
LWLockRelease(LWLock *lock)
{
}

TimestampTz
GetCurrentTimestamp(void)
{
	return ++now;
}

void
on_shmem_exit(pg_on_exit_callback function, Datum argument)
{
}

void
ProcessInterrupts(void)
{
}

int			mvs_queue_size = 64;
int			mvs_max_databases = FUZZ_DATABASES;
int			mvs_flush_interval = 50;

MvsShared  *mvs_shared;

void
fuzz_databases(void)
{
	mvs_shared = fuzz_shared(sizeof(MvsShared) + FUZZ_DATABASES * sizeof(MvsDatabase));
	memset(mvs_shared, 0, sizeof(MvsShared) + FUZZ_DATABASES * sizeof(MvsDatabase));
	mvs_shared->database_count = FUZZ_DATABASES;
	for (int i = 0; i < FUZZ_DATABASES; i++)
	{
		MvsDatabase *database = &mvs_shared->databases[i];

		database->stats = fuzz_shared(sizeof(MvsDropStats));
		memset(database->stats, 0, sizeof(MvsDropStats));
		database->backlogs = fuzz_shared(sizeof(MvsBacklogs));
		mvs_queue_part.reset(database, fuzz_shared(mvs_queue_part.size));
	}
}

MvsDatabase *
mvs_database_take(Oid oid, bool *was_taken)
{
	if (mvs_shared->databases_used == FUZZ_DATABASES || !OidIsValid(oid))
		return NULL;
	mvs_shared->databases[mvs_shared->databases_used].oid = oid;
	return &mvs_shared->databases[mvs_shared->databases_used++];
}

void
mvs_database_forget(Oid oid)
{
	mvs_shared->databases[--mvs_shared->databases_used].oid = InvalidOid;
}

void
mvs_wake_worker(MvsDatabase *database)
{
}

/* ---- A run ------------------------------------------------------------------ */

unsigned char
fuzz_byte(FuzzInput *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

int
fuzz_number(FuzzInput *input, int below)
{
	int			high = fuzz_byte(input);

	return (high << 8 | fuzz_byte(input)) % below;
}

char *
fuzz_bytes(FuzzInput *input, int length, int *size)
{
	char	   *bytes;

	*size = Min((size_t) length, input->left);
	bytes = allocate(*size);
	memcpy(bytes, input->at, *size);
	input->at += *size;
	input->left -= *size;
	return bytes;
}

void
fuzz_run(void (*function) (FuzzInput *input), const uint8_t *data, size_t size)
{
	FuzzInput	input = {data, size};

	now = 0;
	if (setjmp(on_error) == 0)
		function(&input);
	while (pieces.next != &pieces)
		pfree(pieces.next + 1);
}
