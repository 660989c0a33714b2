/*-------------------------------------------------------------------------
 *
 * keep.c
 *	  What shared memory holds, kept over a clean restart.
 *
 * When the postmaster ends after a shutdown checkpoint, queues, marks and
 * counters go to a file that names this checkpoint. The next start reads it if
 * its control file still says so, that is, if nothing was written in between
 * and the data directory is no older copy. A start can still fail then, so the
 * file stays until the launcher runs. Should nobody remove it, it is void all the
 * same: a start that comes so far that anything can be written first takes the
 * state "shut down" out of the control file, and only another checkpoint puts it
 * back. Without the file nothing is lost: explicit requests have their rows, and
 * a sweep finds what the policies want. The counters begin anew then.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "base/settings.h"
#include "queue/drop_request.h"
#include "queue/queue.h"
#include "shared/counters.h"
#include "shared/database.h"
#include "shared/drop_stats.h"
#include "shared/pool.h"
#include "worker/keep.h"

#define KEEP_FILE "pg_stat/mvstore.queue"
#define KEEP_FILE_NEW KEEP_FILE ".tmp"

/* Changes with whatever the file holds. */
#define KEEP_MAGIC 0x4d565131

typedef struct KeptHeader
{
	uint32		magic;
	uint32		database_size;	/* of the structs in it */
	uint32		store_size;
	uint32		request_size;
	uint64		system;
	XLogRecPtr	checkpoint;
	TimeLineID	timeline;
	int			databases;
	int			stores;
} KeptHeader;

/* Its queue's bytes follow it. */
typedef struct KeptDatabase
{
	Oid			oid;
	bool		swept;
	bool		journal_wanted;
	bool		all_marked;
	int			mark_count;
	MvsMark		marks[MVS_MAX_MARKS];
	MvsMark		all_stores;
	int64		queue_count;
	uint64		queue_bytes;
	int64		queue_high_water;
	uint64		published;
	TimestampTz erased_until;
	int64		failed_count;
	MvsDropStats stats;
} KeptDatabase;

/* A file being written, with what went into it. */
typedef struct KeptFile
{
	FILE	   *file;
	pg_crc32c	crc;
	bool		good;
} KeptFile;

/* A whole file, being taken apart. */
typedef struct KeptImage
{
	char	   *at;
	Size		left;
} KeptImage;

/* The checkpoint of the file that this start has found good; none: 0. */
static XLogRecPtr found_checkpoint;

static void put(KeptFile *kept, const void *data, Size size);
static bool get(KeptImage *image, void *data, Size size);
static bool will_recover(void);
static bool make_header(KeptHeader *header);
static bool is_kept(const MvsDatabase *database);
static void write_database(KeptFile *kept, MvsDatabase *database);
static void write_file(int code, Datum argument);
static bool slurp(KeptImage *image);
static bool are_requests(const char *at, uint64 size, int64 count);
static bool is_sound(KeptImage image, const KeptHeader *header);
static bool check_image(KeptImage *image, KeptHeader *header);
static void read_database(KeptImage *image);
static void read_file(void);

static void
put(KeptFile *kept, const void *data, Size size)
{
	COMP_CRC32C(kept->crc, data, size);
	if (kept->good && size > 0 && fwrite(data, size, 1, kept->file) != 1)
		kept->good = false;
}

static bool
get(KeptImage *image, void *data, Size size)
{
	if (image->left < size)
		return false;
	memcpy(data, image->at, size);
	image->at += size;
	image->left -= size;
	return true;
}

/*
 * Whether this start replays WAL of others first, as a standby does: then the file
 * tells what was to be done as it was written, and not what came since.
 */
static bool
will_recover(void)
{
	return access(STANDBY_SIGNAL_FILE, F_OK) == 0 || access(RECOVERY_SIGNAL_FILE, F_OK) == 0 ||
		access(BACKUP_LABEL_FILE, F_OK) == 0;
}

/* Set *header to that of a file of the data directory's state; false where none belongs to it. */
static bool
make_header(KeptHeader *header)
{
	bool		good;
	ControlFileData *control = get_controlfile(DataDir, &good);

	memset(header, 0, sizeof(KeptHeader));
	header->magic = KEEP_MAGIC;
	header->database_size = sizeof(KeptDatabase);
	header->store_size = sizeof(MvsStoreStats);
	header->request_size = sizeof(MvsRequest);
	header->system = control->system_identifier;
	header->checkpoint = control->checkPoint;
	header->timeline = control->checkPointCopy.ThisTimeLineID;
	good = good && control->state == DB_SHUTDOWNED;
	pfree(control);
	return good;
}

/* ------------------------------------------------------------------------
 * At the end
 * ------------------------------------------------------------------------ */

/* Whether a slot is to be there again. */
static bool
is_kept(const MvsDatabase *database)
{
	return OidIsValid(database->oid) && !(database->vacant && database->queue->count == 0);
}

static void
write_database(KeptFile *kept, MvsDatabase *database)
{
	MvsQueue   *queue = database->queue;
	KeptDatabase image;
	char		piece[BLCKSZ];

	memset(&image, 0, sizeof(image));
	image.oid = database->oid;
	image.swept = queue->swept;
	image.journal_wanted = queue->journal_wanted;
	image.all_marked = queue->all_marked;
	image.mark_count = queue->mark_count;
	memcpy(image.marks, queue->marks, sizeof(image.marks));
	image.all_stores = queue->all_stores;
	image.queue_count = queue->count;
	image.queue_bytes = queue->bytes.tail - queue->bytes.head;
	image.queue_high_water = queue->high_water;
	image.published = queue->published;
	image.erased_until = queue->erased_until;
	image.failed_count = queue->failed_count;
	image.stats = *database->stats;
	put(kept, &image, sizeof(image));
	for (uint64 position = queue->bytes.head; position < queue->bytes.tail;)
	{
		Size		size = Min(sizeof(piece), queue->bytes.tail - position);

		mvs_pool_read(&queue->bytes, position, piece, size);
		put(kept, piece, size);
		position += size;
	}
}

/*
 * The postmaster's last act, when all its children have ended; with another code
 * than 0 they may have left shared memory in any state. A server in single-user
 * mode has no children, and ends so over a wrong name of a database.
 */
static void
write_file(int code, Datum argument)
{
	KeptFile	kept = {.good = true};
	KeptHeader	header;
	MvsStoreStats *stores;

	if ((code != 0 && IsPostmasterEnvironment) || !make_header(&header))
		return;
	if (header.checkpoint == found_checkpoint)
		return;					/* we did not come far: the file still holds */
	kept.file = AllocateFile(KEEP_FILE_NEW, PG_BINARY_W);
	if (kept.file == NULL)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", KEEP_FILE_NEW)));
		return;
	}
	INIT_CRC32C(kept.crc);
	for (int i = 0; i < mvs_shared->databases_used; i++)
		if (is_kept(&mvs_shared->databases[i]))
			header.databases++;
	header.stores = mvs_counters_copy(InvalidOid, &stores);
	put(&kept, &header, sizeof(header));
	for (int i = 0; i < mvs_shared->databases_used; i++)
		if (is_kept(&mvs_shared->databases[i]))
			write_database(&kept, &mvs_shared->databases[i]);
	put(&kept, stores, sizeof(MvsStoreStats) * header.stores);
	FIN_CRC32C(kept.crc);
	if (kept.good && fwrite(&kept.crc, sizeof(kept.crc), 1, kept.file) != 1)
		kept.good = false;
	if (FreeFile(kept.file) != 0)
		kept.good = false;
	if (kept.good)
		(void) durable_rename(KEEP_FILE_NEW, KEEP_FILE, LOG);
	else
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", KEEP_FILE_NEW)));
		(void) unlink(KEEP_FILE_NEW);
	}
}

/* ------------------------------------------------------------------------
 * At the start
 * ------------------------------------------------------------------------ */

/* Read the file, if there is one. */
static bool
slurp(KeptImage *image)
{
	FILE	   *file = AllocateFile(KEEP_FILE, PG_BINARY_R);
	struct stat status;
	bool		good = false;

	if (file == NULL)
		return false;
	if (fstat(fileno(file), &status) == 0 && status.st_size > 0 &&
		(Size) status.st_size < MaxAllocHugeSize / 2)
	{
		image->left = status.st_size;
		image->at = MemoryContextAllocExtended(TopMemoryContext, image->left,
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
		good = image->at != NULL && fread(image->at, image->left, 1, file) == 1;
	}
	FreeFile(file);
	return good;
}

/* Whether bytes are so many requests, as a queue has them. */
static bool
are_requests(const char *at, uint64 size, int64 count)
{
	for (; size > 0 && count > 0; count--)
	{
		MvsRequest	request;

		if (size < offsetof(MvsRequest, key))
			return false;
		memcpy(&request, at, offsetof(MvsRequest, key));
		if (request.kind > MVS_REQUEST_LOOK || request.key_length > MVS_MAX_BOUND ||
			request.to_length > MVS_MAX_BOUND || request.size > size ||
			request.size != MvsRequestSize(request.key_length, request.to_length))
			return false;
		at += request.size;
		size -= request.size;
	}
	return size == 0 && count == 0;
}

/*
 * Whether what follows the header is what it says, so that nobody who reads it has to ask:
 * should a checksum be right by chance, the server is to start all the same.
 */
static bool
is_sound(KeptImage image, const KeptHeader *header)
{
	KeptDatabase kept;

	for (int i = 0; i < header->databases; i++)
	{
		if (!get(&image, &kept, sizeof(kept)) || !OidIsValid(kept.oid) ||
			kept.mark_count < 0 || kept.mark_count > MVS_MAX_MARKS ||
			kept.queue_bytes > image.left ||
			!are_requests(image.at, kept.queue_bytes, kept.queue_count))
			return false;
		image.at += kept.queue_bytes;
		image.left -= kept.queue_bytes;
	}
	return header->databases >= 0 && header->stores >= 0 &&
		image.left == header->stores * sizeof(MvsStoreStats);
}

/* Whether the file is whole, and of this state of the data directory. */
static bool
check_image(KeptImage *image, KeptHeader *header)
{
	KeptHeader	expected;
	pg_crc32c	crc;
	pg_crc32c	written;

	if (!make_header(&expected) || image->left < sizeof(KeptHeader) + sizeof(crc))
		return false;
	image->left -= sizeof(crc);
	memcpy(&written, image->at + image->left, sizeof(crc));
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, image->at, image->left);
	FIN_CRC32C(crc);
	if (!EQ_CRC32C(crc, written) || !get(image, header, sizeof(KeptHeader)))
		return false;
	return header->magic == expected.magic && header->database_size == expected.database_size &&
		header->store_size == expected.store_size &&
		header->request_size == expected.request_size &&
		header->system == expected.system && header->checkpoint == expected.checkpoint &&
		header->timeline == expected.timeline && is_sound(*image, header);
}

/* Fill a free slot; a database for which there is none is left out, and swept later. */
static void
read_database(KeptImage *image)
{
	KeptDatabase kept;
	MvsDatabase *database = NULL;

	(void) get(image, &kept, sizeof(kept));
	database = mvs_database_take(kept.oid, NULL);
	if (database && !mvs_pool_secure(&database->queue->bytes, kept.queue_bytes, false))
	{
		mvs_database_forget(kept.oid);
		database = NULL;
	}
	if (database)
	{
		MvsQueue   *queue = database->queue;
		MvsRequest	first;

		memcpy(&first, image->at, Min(kept.queue_bytes, offsetof(MvsRequest, key)));
		queue->swept = kept.swept;
		queue->journal_wanted = kept.journal_wanted;
		queue->all_marked = kept.all_marked;
		queue->mark_count = kept.mark_count;
		memcpy(queue->marks, kept.marks, sizeof(kept.marks));
		queue->all_stores = kept.all_stores;
		mvs_pool_write(&queue->bytes, 0, image->at, kept.queue_bytes);
		queue->count = kept.queue_count;
		queue->bytes.tail = kept.queue_bytes;
		queue->high_water = kept.queue_high_water;
		queue->published = kept.published;
		queue->erased_until = kept.erased_until;
		queue->taken = kept.published;
		if (kept.queue_count > 0)
		{
			/* What is in it may be in any order. */
			queue->put_back = 0;
			queue->put_back_end = kept.queue_bytes;
		}
		queue->oldest = kept.queue_count > 0 ? first.committed_at : 0;
		queue->failed_count = kept.failed_count;
		*database->stats = kept.stats;
	}
	image->at += kept.queue_bytes;
	image->left -= kept.queue_bytes;
}

int
mvs_keep_queues(uint64 **bytes)
{
	KeptImage	image = {0};
	KeptHeader	header;
	KeptDatabase kept;
	char	   *start;
	int			count = 0;

	*bytes = NULL;
	if (will_recover() || !slurp(&image))
		return 0;
	start = image.at;
	if (check_image(&image, &header))
	{
		*bytes = palloc((Size) Max(header.databases, 1) * sizeof(uint64));
		while (count < header.databases && get(&image, &kept, sizeof(kept)))
		{
			(*bytes)[count++] = kept.queue_bytes;
			image.at += kept.queue_bytes;
			image.left -= kept.queue_bytes;
		}
	}
	pfree(start);
	return count;
}

static void
read_file(void)
{
	KeptImage	image = {0};
	char	   *start;
	KeptHeader	header;
	MvsStoreStats store;

	found_checkpoint = InvalidXLogRecPtr;
	if (slurp(&image))
	{
		start = image.at;
		if (check_image(&image, &header))
			found_checkpoint = header.checkpoint;
		else
			ereport(LOG,
					(errmsg("file \"%s\" is of another start", KEEP_FILE),
					 errdetail("Stores with a policy will be swept.")));
		if (found_checkpoint != InvalidXLogRecPtr && !will_recover())
		{
			for (int i = 0; i < header.databases; i++)
				read_database(&image);
			for (int i = 0; i < header.stores && get(&image, &store, sizeof(store)); i++)
				mvs_counters_put(&store);
		}
		pfree(start);
	}
	if (found_checkpoint == InvalidXLogRecPtr)
		(void) unlink(KEEP_FILE);
	(void) unlink(KEEP_FILE_NEW);
}

void
mvs_keep_init(void)
{
	read_file();
	on_shmem_exit(write_file, (Datum) 0);
}

void
mvs_keep_end(void)
{
	(void) unlink(KEEP_FILE);
}
