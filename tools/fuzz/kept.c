/*
 * kept.c
 *		The file in which queues are kept over a clean restart.
 *
 * The input is what follows the header, or a whole file with nothing put right. What is
 * read must be such that the worker can take it out again, and that it can be kept again.
 */
#include "shim.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "worker/keep.c"
#include "queue/order.h"

static int	file = -1;
static int	new_file = -1;

static ControlFileData control;
static int	counted;

/* The file that is to be read. */
static char image[128 * 1024];
static size_t image_size;

ControlFileData *
get_controlfile(const char *directory, bool *good)
{
	ControlFileData *copy = palloc(sizeof(control));

	*good = true;
	control.state = DB_SHUTDOWNED;
	memcpy(copy, &control, sizeof(control));
	return copy;
}

FILE *
AllocateFile(const char *name, const char *mode)
{
	int			which = *mode == 'r' ? file : new_file;

	if (*mode == 'w' && ftruncate(which, 0) != 0)
		abort();
	lseek(which, 0, SEEK_SET);
	return fdopen(dup(which), mode);
}

int
FreeFile(FILE *stream)
{
	return fclose(stream);
}

int
durable_rename(const char *old, const char *new, int level)
{
	int			swapped = file;

	file = new_file;
	new_file = swapped;
	return 0;
}

void
mvs_counters_put(const MvsStoreStats *stats)
{
	counted++;
}

int
mvs_counters_copy(Oid database, MvsStoreStats **copies)
{
	*copies = palloc0(sizeof(MvsStoreStats) * Max(counted, 1));
	return counted;
}

/* A number of a struct, which is right as it is, or anything. */
static int64
spoil(FuzzInput *input, int64 right)
{
	switch (fuzz_byte(input))
	{
		case 1:
			return right + 1;
		case 2:
			return right - 1;
		case 3:
			return fuzz_number(input, 65536);
		case 4:
			return (int64) ((uint64) fuzz_number(input, 65536) << 48);
		case 5:
			return -1;
		case 6:
			return (int64) fuzz_number(input, 65536) << 16;
		default:
			return right;
	}
}

/* Append bytes to what is to be written. */
static void
append(const void *bytes, size_t size)
{
	check(image_size + size <= sizeof(image));
	memcpy(image + image_size, bytes, size);
	image_size += size;
}

/* Requests of a queue, the bytes of them. */
static char *
make_requests(FuzzInput *input, int count, Size *size)
{
	char	   *bytes = palloc0(count * MVS_MAX_REQUEST + 1);

	*size = 0;
	for (int i = 0; i < count; i++)
	{
		MvsRequest *request = (MvsRequest *) (bytes + *size);
		int			length = fuzz_byte(input) % 40;
		int			to_length = fuzz_byte(input) % 4;

		request->size = spoil(input, MvsRequestSize(length, to_length));
		request->key_length = spoil(input, length);
		request->to_length = spoil(input, to_length);
		request->kind = spoil(input, i % (MVS_REQUEST_LOOK + 1));
		request->store = fuzz_byte(input);
		request->sequence = i;
		memset(request->key, fuzz_byte(input), length);
		*size += MvsRequestSize(length, to_length);
	}
	return bytes;
}

/* A database of the file. */
static void
append_database(FuzzInput *input)
{
	KeptDatabase kept;
	int			count = fuzz_byte(input) % 8;
	Size		size;
	char	   *requests = make_requests(input, count, &size);

	memset(&kept, 0, sizeof(kept));
	kept.oid = spoil(input, 5);
	kept.mark_count = spoil(input, fuzz_byte(input) % 3);
	kept.queue_count = spoil(input, count);
	kept.queue_bytes = spoil(input, size);
	kept.published = fuzz_number(input, 65536);
	append(&kept, sizeof(kept));
	append(requests, size);
	pfree(requests);
}

/* Write the file that is to be read. */
static void
write_input(FuzzInput *input)
{
	unsigned char how = fuzz_byte(input);
	KeptHeader	header;
	int			databases = how >> 1 & 3;
	int			stores = how >> 3 & 3;
	pg_crc32c	crc;
	char	   *bytes;
	int			size;

	image_size = 0;
	if (how & 1)
	{
		bytes = fuzz_bytes(input, 4096, &size);
		append(bytes, size);
	}
	else
	{
		(void) make_header(&header);
		header.databases = spoil(input, databases);
		header.stores = spoil(input, stores);
		append(&header, sizeof(header));
		for (int i = 0; i < databases; i++)
			append_database(input);
		for (int i = 0; i < stores; i++)
		{
			MvsStoreStats counters = {0};

			append(&counters, sizeof(counters));
		}
		bytes = fuzz_bytes(input, 4096, &size);
		append(bytes, size);
		image_size -= Min(image_size, (size_t) spoil(input, 0) % 100);
		INIT_CRC32C(crc);
		COMP_CRC32C(crc, image, image_size);
		FIN_CRC32C(crc);
		append(&crc, sizeof(crc));
	}
	check(ftruncate(file, 0) == 0);
	check(pwrite(file, image, image_size, 0) == (ssize_t) image_size);
}

/* Start as the postmaster does. */
static void
start(void)
{
	uint64	   *kept;
	int			count;

	count = mvs_keep_queues(&kept);
	mvs_pool_plan(kept, count);
	mvs_pool_shmem_startup(fuzz_shared(sizeof(LWLockPadded)));
	fuzz_databases();
	counted = 0;
	mvs_keep_init();
}

/* Take all out of a queue, as the worker does. */
static int64
drain(MvsDatabase *database)
{
	MvsQueue   *queue = database->queue;
	Size		space = 4 * MVS_MAX_REQUEST;
	char	   *buffer = palloc(space);
	int64		all = 0;
	int			count;

	while ((count = mvs_queue_peek(database, 0, buffer, space, 100)) > 0)
	{
		MvsOrdered	ordered[100];
		Size		size = 0;
		uint64		sequence = 0;

		for (int i = 0; i < count; i++)
		{
			MvsRequest *request = (MvsRequest *) (buffer + size);

			size += request->size;
			sequence = request->sequence;
			ordered[i].request = request;
			check(request->size == MvsRequestSize(request->key_length, request->to_length));
			check(request->kind <= MVS_REQUEST_LOOK);
		}
		mvs_order_sort(ordered, count);
		for (int i = 1; i < count; i++)
			check(mvs_order_compare(ordered[i - 1].request, ordered[i].request) <= 0);
		mvs_queue_remove(database, count, size, sequence, 0, 0);
		all += count;
	}
	check(queue->bytes.head == queue->bytes.tail && queue->count == 0);
	check(queue->bytes.chunk_count == 0);
	pfree(buffer);
	return all;
}

static void
try_file(FuzzInput *input)
{
	int64		counts[FUZZ_DATABASES];
	int			databases;

	write_input(input);
	start();
	databases = mvs_shared->databases_used;
	for (int i = 0; i < databases; i++)
	{
		counts[i] = mvs_shared->databases[i].queue->count;
		mvs_queue_mark(&mvs_shared->databases[i], 1, 1, 0);
	}
	/* What was read is what is kept. */
	control.checkPoint++;
	write_file(0, 0);
	start();
	check(mvs_shared->databases_used == databases);
	for (int i = 0; i < databases; i++)
		check(drain(&mvs_shared->databases[i]) == counts[i]);
}

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (file < 0)
	{
		file = memfd_create("kept", 0);
		new_file = memfd_create("new", 0);
	}
	control.checkPoint = 1;
	fuzz_run(try_file, data, size);
	return 0;
}
