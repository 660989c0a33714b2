/*-------------------------------------------------------------------------
 *
 * assistant.c
 *	  The assistant of a drop worker: it works off the shares of batches that the
 *	  worker gives it (crew.c), and keeps nothing.
 *
 * It ends when its worker does, when it has had nothing to do for a while, and like a
 * worker at SIGTERM, or when a command wants the database for itself; but not within a
 * share.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shm_mq.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "shared/droppers.h"
#include "shared/fault.h"
#include "shared/others.h"
#include "worker/assistant.h"
#include "worker/batch.h"
#include "worker/crew.h"
#include "worker/drop.h"
#include "worker/process.h"
#include "worker/share.h"

/* Milliseconds without a share after which it ends. */
#define IDLE_EXIT 10000

static MemoryContext share_context;

static void leave(int code, Datum argument);
static void serve(shm_mq_handle *to, shm_mq_handle *from);
static void work_share(const char *message, StringInfo answer);

void
mvs_assistant_main(Datum argument)
{
	MvsAssistantStart start;
	MvsDatabase *database;
	dsm_segment *segment;
	char	   *queues;

	mvs_process_handle_signals();
	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));

	/* The worker may have ended meanwhile. */
	segment = dsm_attach(DatumGetUInt32(argument));
	database = mvs_database_find(start.database);
	if (segment == NULL || database == NULL || !mvs_droppers_join(database, start.worker_pid))
		proc_exit(0);

	/* Registered first, so that it runs when locks and the connection are gone. */
	before_shmem_exit(leave, PointerGetDatum(database));
	queues = dsm_segment_address(segment);
	shm_mq_set_receiver((shm_mq *) queues, MyProc);
	mvs_process_connect(start.database);
	mvs_catalog_never_wait();
	mvs_process_mark_changes();
	mvs_others_register();
	mvs_worker.database = database;
	mvs_worker.context = share_context = AllocSetContextCreate(TopMemoryContext,
															   "mvstore share",
															   ALLOCSET_DEFAULT_SIZES);

	/* By this it is seen to be ready. */
	shm_mq_set_sender((shm_mq *) (queues + MVS_CREW_QUEUE), MyProc);
	serve(shm_mq_attach((shm_mq *) queues, segment, NULL),
		  shm_mq_attach((shm_mq *) (queues + MVS_CREW_QUEUE), segment, NULL));
	proc_exit(0);
}

static void
leave(int code, Datum argument)
{
	mvs_droppers_leave((MvsDatabase *) DatumGetPointer(argument));
}

/* Work off the shares that come by one queue, and answer by another, until it is to end. */
static void
serve(shm_mq_handle *shares, shm_mq_handle *answers)
{
	TimestampTz idle_since = GetCurrentTimestamp();
	shm_mq_result result;

	for (;;)
	{
		Size		size;
		void	   *message;
		long		left;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(share_context);
		MemoryContextReset(share_context);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (mvs_process_is_stopping())
			return;
		result = shm_mq_receive(shares, &size, &message, true);
		if (result == SHM_MQ_SUCCESS)
		{
			StringInfoData answer;

			initStringInfo(&answer);
			work_share(message, &answer);
			result = shm_mq_send(answers, answer.len, answer.data, false, true);
			idle_since = GetCurrentTimestamp();
			pgstat_report_activity(STATE_IDLE, NULL);
		}
		if (result == SHM_MQ_DETACHED)
			return;
		if (result == SHM_MQ_SUCCESS)
			continue;
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
											   TimestampTzPlusMilliseconds(idle_since, IDLE_EXIT));
		if (left <= 0)
			return;
		mvs_process_sleep(left);
	}
}

/* Work off one share, and write the answer. */
static void
work_share(const char *message, StringInfo answer)
{
	static uint64 forgets = 0;
	MvsShareTerms terms;
	int			count;
	int			done;
	MvsPending **items = mvs_share_read(message, &terms, &count);

	MVS_FAULT_NO_ERROR("share-taken");
	mvs_crew_keep_news();
	if (forgets != terms.forgets)
		mvs_drop_forget_bottoms();
	forgets = terms.forgets;
	done = mvs_batch_work_share(items, count);
	MVS_FAULT_NO_ERROR("share-done");

	/* Who looks whether stores want to be vacuumed is to know of it. */
	pgstat_report_stat(true);
	mvs_share_write_answer(answer, items, done, mvs_crew_kept_news());
}
