/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  The memory of the queues: chunks of one pool, lent to the databases.
 *
 * Bytes of position p are in the chunk with number p / chunk_size, counted from
 * the beginning of time, and that is chunks[number % MVS_MAX_CHUNKS]. A database
 * has one chunk more than its bytes fill, so that they have room wherever in the
 * first one they begin. When the head has left a chunk, it gets the number after
 * the last one: so what is only moved, from the head into room that is kept at
 * the end, never needs a chunk more.
 *
 * Dynamic shared memory would not do: the postmaster itself writes and reads the
 * queues, see keep.c.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "base/settings.h"
#include "shared/pool.h"

/* Full queues, of as many databases, that the pool has room for. */
#define FULL_QUEUES 8

typedef struct Pool
{
	LWLock	   *lock;			/* guards what follows; taken within a queue_lock */
	int			free_count;
	uint16		free[FLEXIBLE_ARRAY_MEMBER];
} Pool;

static Pool *pool = NULL;
static char *memory = NULL;

/* Bytes of a chunk: the postmaster finds out, and its children know. */
static Size chunk_size = 0;

static int	chunk_count(void);
static bool is_room(const uint64 *bytes, int count);
static Size pool_header_size(void);
static int	chunks_for(uint64 bytes);
static char *place_of(MvsBytes *bytes, uint64 position, Size *left);

uint64
mvs_pool_limit(void)
{
	return MAXALIGN((uint64) mvs_queue_size * MVS_REQUEST_SPACE);
}

/* Of the pool: a queue more than there are databases, for each is to leave as much as it has. */
static int
chunk_count(void)
{
	return Min(mvs_max_databases + 1, FULL_QUEUES) * MVS_MAX_CHUNKS;
}

static Size
pool_header_size(void)
{
	return MAXALIGN(offsetof(Pool, free) + chunk_count() * sizeof(uint16));
}

/* Whether queues of so many bytes have room; or none that larger chunks would help. */
static bool
is_room(const uint64 *bytes, int count)
{
	int			most = 0;
	int64		all = 0;

	for (int i = 0; i < count; i++)
	{
		int			chunks = chunks_for(bytes[i]);

		most = Max(most, chunks);
		all += chunks;
	}
	return most <= 2 || (most <= MVS_MAX_CHUNKS && all <= chunk_count());
}

void
mvs_pool_plan(const uint64 *kept, int count)
{
	chunk_size = MAXALIGN((mvs_pool_limit() + MVS_QUEUE_CHUNKS - 1) / MVS_QUEUE_CHUNKS);
	while (!is_room(kept, Min(count, mvs_max_databases)))
		chunk_size *= 2;
}

Size
mvs_pool_shmem_size(void)
{
	return add_size(pool_header_size(), mul_size(chunk_count(), chunk_size));
}

Size
mvs_pool_longest(void)
{
	return chunk_size * MVS_QUEUE_CHUNKS;
}

int
mvs_pool_shmem_locks(void)
{
	return 1;
}

void
mvs_pool_shmem_startup(LWLockPadded *locks)
{
	bool		found;

	StaticAssertStmt(FULL_QUEUES * MVS_MAX_CHUNKS <= PG_UINT16_MAX, "chunks need more bits");
	pool = ShmemInitStruct("mvstore pool", mvs_pool_shmem_size(), &found);
	memory = (char *) pool + pool_header_size();
	if (found)
		return;
	pool->lock = &locks[0].lock;
	pool->free_count = chunk_count();
	for (int i = 0; i < pool->free_count; i++)
		pool->free[i] = pool->free_count - 1 - i;
}

/* Chunks that so many bytes need, wherever they begin. */
static int
chunks_for(uint64 bytes)
{
	return bytes == 0 ? 0 : (int) Min((bytes + chunk_size - 1) / chunk_size + 1, INT_MAX);
}

bool
mvs_pool_secure(MvsBytes *bytes, uint64 count, bool fair)
{
	uint64		first = bytes->head / chunk_size;
	int			needed = chunks_for(count);
	int			more = needed - bytes->chunk_count;
	bool		granted = true;

	if (more == 0)
		return true;
	LWLockAcquire(pool->lock, LW_EXCLUSIVE);
	if (more > 0)
		granted = more <= pool->free_count &&
			(!fair || needed <= pool->free_count - more + 1);
	while (granted && bytes->chunk_count < needed)
		bytes->chunks[(first + bytes->chunk_count++) % MVS_MAX_CHUNKS] =
			pool->free[--pool->free_count];
	while (granted && bytes->chunk_count > needed)
		pool->free[pool->free_count++] =
			bytes->chunks[(first + --bytes->chunk_count) % MVS_MAX_CHUNKS];
	LWLockRelease(pool->lock);
	return granted;
}

void
mvs_pool_advance(MvsBytes *bytes, uint64 count)
{
	uint64		number = bytes->head / chunk_size;

	bytes->head += count;
	for (; number < bytes->head / chunk_size; number++)
		bytes->chunks[(number + bytes->chunk_count) % MVS_MAX_CHUNKS] =
			bytes->chunks[number % MVS_MAX_CHUNKS];
}

/* Where a position is, and how many bytes of its chunk are left from there. */
static char *
place_of(MvsBytes *bytes, uint64 position, Size *left)
{
	Size		offset = position % chunk_size;
	uint16		chunk = bytes->chunks[(position / chunk_size) % MVS_MAX_CHUNKS];

	*left = chunk_size - offset;
	return memory + chunk * chunk_size + offset;
}

void
mvs_pool_write(MvsBytes *bytes, uint64 position, const char *data, Size size)
{
	for (Size done = 0, piece; done < size; done += piece)
	{
		char	   *place = place_of(bytes, position + done, &piece);

		piece = Min(piece, size - done);
		memcpy(place, data + done, piece);
	}
}

void
mvs_pool_read(MvsBytes *bytes, uint64 position, char *data, Size size)
{
	for (Size done = 0, piece; done < size; done += piece)
	{
		char	   *place = place_of(bytes, position + done, &piece);

		piece = Min(piece, size - done);
		memcpy(data + done, place, piece);
	}
}
