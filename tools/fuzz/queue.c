/*
 * queue.c
 *		The queue: requests of any size go in and come out, round its memory again and
 *		again, as a list of them says.
 */
#include "shim.h"

#include "queue/queue.c"
#include "queue/order.h"

/* Requests of a run, more or less; of a transaction. */
#define MOST 512
#define MOST_PUBLISHED 5

/* What the queue must have: in order, by a number. */
typedef struct Model
{
	uint32		sizes[MOST + MOST_PUBLISHED];
	unsigned char fills[MOST + MOST_PUBLISHED];
	int			first;
	int			end;
} Model;

static Model model;

/* Request number i of a publication. */
static MvsRequest *
make_request(FuzzInput *input, char *place, unsigned char fill)
{
	MvsRequest *request = (MvsRequest *) place;
	int			length = fuzz_number(input, MVS_MAX_BOUND + 1);
	int			to_length = (length & 1) ? fuzz_number(input, MVS_MAX_BOUND + 1) : 0;

	if (fuzz_byte(input) & 3)
		length &= 63;
	memset(request, 0, MvsRequestSize(length, to_length));
	request->size = MvsRequestSize(length, to_length);
	request->key_length = length;
	request->to_length = to_length;
	request->kind = fuzz_byte(input) % (MVS_REQUEST_LOOK + 1);
	request->store = 1;
	memset(request->key, fill, length + to_length);
	return request;
}

/* Whether a request that was published is the next in the queue that the model does not have. */
static bool
is_next(MvsQueue *queue, const MvsRequest *request)
{
	uint64		at = queue->bytes.head;
	MvsRequest	found;

	if (model.end - model.first >= queue->count)
		return false;
	for (int i = model.first; i < model.end; i++)
		at += model.sizes[i];
	mvs_pool_read(&queue->bytes, at, (char *) &found, offsetof(MvsRequest, key));
	return found.sequence == request->sequence;
}

/* Note what of a publication is in the queue: explicit ones that had room, implicit ones that fit. */
static void
note_published(MvsQueue *queue, const MvsPublication *publication)
{
	for (Size position = 0; position < publication->size;)
	{
		MvsRequest *request = (MvsRequest *) (publication->requests + position);
		bool		explicit = !MvsRequestIsImplicit(request);

		position += request->size;
		if (explicit ? !publication->reserved : !is_next(queue, request))
			continue;
		model.sizes[model.end] = request->size;
		model.fills[model.end++] = (unsigned char) request->key[0];
	}
	check(model.end - model.first == queue->count);
}

/* A transaction of some requests commits, or fails when room has been reserved. */
static void
publish(MvsDatabase *database, FuzzInput *input)
{
	static unsigned char fill;
	MvsPublication publication = {0};
	int64		explicit = 0;
	Size		explicit_size = 0;

	publication.count = 1 + fuzz_byte(input) % MOST_PUBLISHED;
	publication.requests = palloc0(MOST_PUBLISHED * MVS_MAX_REQUEST);
	for (int i = 0; i < publication.count; i++)
	{
		MvsRequest *request = make_request(input, publication.requests + publication.size, ++fill);

		publication.size += request->size;
		explicit += !MvsRequestIsImplicit(request);
		explicit_size += MvsRequestIsImplicit(request) ? 0 : request->size;
	}
	publication.reserved = mvs_queue_reserve(database, explicit, explicit_size);
	if (publication.reserved && fuzz_byte(input) % 8 == 0)
		mvs_queue_release(database, explicit, explicit_size);
	else
	{
		mvs_queue_publish(database, &publication);
		note_published(database->queue, &publication);
	}
	pfree(publication.requests);
}

/* Whether the worker puts a request back: once. */
static bool
goes_back(const MvsRequest *request)
{
	return request->key_length % 4 == 1 && request->incarnation == 0;
}

/* The worker takes some out, and puts some of these back. */
static void
take(MvsDatabase *database, FuzzInput *input)
{
	Size		space = MVS_MAX_REQUEST * (1 + fuzz_byte(input) % 3);
	char	   *buffer = palloc(space);
	int			limit = 1 + fuzz_byte(input) % 40;
	int			count = mvs_queue_peek(database, 0, buffer, space, limit);
	Size		size = 0;
	uint64		sequence = 0;
	int64		kept = 0;
	Size		kept_size = 0;
	char		expected[2 * MVS_MAX_BOUND];

	check(count > 0 || database->queue->count == 0);
	for (int i = 0; i < count; i++)
	{
		MvsRequest *request = (MvsRequest *) (buffer + size);

		check(request->size == model.sizes[model.first]);
		memset(expected, model.fills[model.first], sizeof(expected));
		check(memcmp(request->key, expected, request->key_length + request->to_length) == 0);
		model.first++;
		size += request->size;
		sequence = request->sequence;
		if (goes_back(request))
		{
			kept++;
			kept_size += request->size;
		}
	}
	mvs_queue_remove(database, count, size, sequence, kept, kept_size);
	for (Size position = 0; position < size;)
	{
		MvsRequest *request = (MvsRequest *) (buffer + position);

		position += request->size;
		if (!goes_back(request))
			continue;
		if (model.end >= MOST)
		{
			mvs_queue_release(database, 1, request->size);
			continue;
		}
		request->incarnation = 1;
		check(mvs_queue_put_back(database, request, true));
		model.sizes[model.end] = request->size;
		model.fills[model.end++] = (unsigned char) request->key[0];
	}
	pfree(buffer);
}

static void
try_queue(FuzzInput *input)
{
	MvsDatabase *database;

	mvs_queue_size = 4 + fuzz_byte(input) % 64;
	mvs_pool_plan(NULL, 0);
	mvs_pool_shmem_startup(fuzz_shared(sizeof(LWLockPadded)));
	fuzz_databases();
	database = mvs_database_take(1, NULL);
	memset(&model, 0, sizeof(model));
	while (input->left > 0 && model.end < MOST)
	{
		switch (fuzz_byte(input) % 8)
		{
			case 0:
			case 1:
			case 2:
			case 3:
				publish(database, input);
				break;
			case 4:
			case 5:
				take(database, input);
				break;
			case 6:
				mvs_queue_mark(database, fuzz_byte(input), fuzz_byte(input), fuzz_byte(input));
				check(database->queue->mark_count <= MVS_MAX_MARKS);
				break;
			case 7:
				{
					char	   *copy;
					Size		size = mvs_queue_copy(database, &copy);

					check(size == database->queue->bytes.tail - database->queue->bytes.head);
					pfree(copy);
				}
		}
		check(database->queue->reserved_count == 0 && database->queue->reserved_size == 0);
		check(model.end - model.first == database->queue->count);
	}
	while (model.first < model.end && model.end < MOST && database->queue->count > 0)
		take(database, input);
	mvs_queue_clear(database);
	check(database->queue->bytes.chunk_count == 0);
}

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_run(try_queue, data, size);
	return 0;
}
