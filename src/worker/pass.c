/*-------------------------------------------------------------------------
 *
 * pass.c
 *	  Passes: walks over whole stores.
 *
 * A pass makes the store's calendar anew: its first slice empties it, and what is
 * not yet old enough, or waits for the horizon, is noted as the walk meets it.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "version/version.h"
#include "worker/drop.h"
#include "worker/pass.h"
#include "worker/process.h"
#include "worker/run.h"
#include "worker/walk.h"

static bool sweep_key(MvsDrop *drop, const bytea *key, void *argument);

bool
mvs_pass_want(MvsPass *pass, uint64 sequence)
{
	if (mvs_pass_is_walking(pass))
	{
		pass->again_sequence = pass->again ? Min(pass->again_sequence, sequence) : sequence;
		pass->again = true;
		return false;
	}
	/* The new pass is also for what the last one waits for. */
	pass->sequence = pass->active ? Min(sequence, pass->sequence) : sequence;
	pass->active = true;
	mvs_pass_begin(pass);
	return true;
}

void
mvs_pass_begin(MvsPass *pass)
{
	pass->begun = false;
	mvs_walk_begin(&pass->walk, NULL, mvs_worker.context);
	pass->left = pass->wait_for = 0;
}

bool
mvs_pass_is_walking(const MvsPass *pass)
{
	return pass->active && pass->wait_for == 0;
}

uint64
mvs_pass_sequence(const MvsPass *pass)
{
	return pass->again ? Min(pass->sequence, pass->again_sequence) : pass->sequence;
}

/* Let go what the policy allows of a key, and note what it will. */
static bool
sweep_key(MvsDrop *drop, const bytea *key, void *argument)
{
	MvsDroppable droppable = mvs_drop_policy(drop, key);
	MvsVerdict	verdict = mvs_drop_judge(drop, droppable);

	if (!drop->store.info.referenced && mvs_drop_entries(drop, &verdict) > verdict.first)
		return false;
	mvs_drop_note_pending(drop, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), droppable);
	return true;
}

MvsSliceEnd
mvs_pass_slice(MvsPass *pass, MvsRun *run, MvsDrop *drop)
{
	if (!pass->begun)
	{
		if (drop->exchanged)
			mvs_store_record_storage(&drop->store);
		drop->exchanged = false;
		mvs_run_forget(run, drop->oid);

		/* The table may have got old entries without us, which later looks are to find. */
		mvs_drop_forget_bottoms();
	}
	return mvs_walk_slice(drop, &pass->walk, NULL, drop->store.info.policy.keep_versions,
						  MVS_NEWEST, sweep_key, NULL, mvs_worker.context, &drop->tally.swept);
}

void
mvs_pass_after_slice(MvsPass *pass, int64 left)
{
	pass->begun = true;
	pass->left = Max(pass->left, left);
}

void
mvs_pass_end_walk(MvsPass *pass)
{
	/* What it could not let go for the horizon is noted; who waits, waits for that. */
	pass->wait_for = pass->left;
	pass->active = pass->wait_for > 0;
	if (pass->again)
	{
		/* A new mark asks for another. */
		pass->again = false;
		(void) mvs_pass_want(pass, pass->again_sequence);
	}
}

void
mvs_pass_reach(MvsPass *pass, int64 horizon)
{
	if (pass->wait_for <= horizon)
		pass->active = false;
}
