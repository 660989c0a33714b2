/*-------------------------------------------------------------------------
 *
 * pass.c
 *	  Passes: walks over whole stores.
 *
 * A pass makes the store's calendar anew: it first empties it, and what is
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

static bool take_up(MvsPass *pass);
static void begin_pass(MvsPass *pass);
static bool sweep_key(MvsDrop *drop, const bytea *key, void *argument);

/* Begin the pass that is wanted, or wait until the horizon allows it; true if it begins. */
static bool
take_up(MvsPass *pass)
{
	/* It is also for what the last one waits for. */
	pass->sequence = pass->active ? mvs_pass_sequence(pass) : pass->again_sequence;
	pass->wait_for = pass->active ? Min(pass->wait_for, pass->again_at) : pass->again_at;
	pass->active = true;
	if (pass->wait_for > 0)
		return false;
	pass->again = false;
	begin_pass(pass);
	return true;
}

bool
mvs_pass_want(MvsPass *pass, uint64 sequence, int64 wait_for)
{
	pass->again_sequence = pass->again ? Min(pass->again_sequence, sequence) : sequence;
	pass->again_at = pass->again ? Min(pass->again_at, wait_for) : wait_for;
	pass->again = true;
	return !mvs_pass_is_walking(pass) && take_up(pass);
}

/* Begin it at the first key. */
static void
begin_pass(MvsPass *pass)
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

		/* The table may have got old entries without us, which later looks are to find. */
		mvs_drop_forget_bottoms();
		pass->emptied = mvs_run_forget(run, drop->oid);
		if (!pass->emptied)
			return MVS_SLICE_MORE;
	}
	return mvs_walk_slice(drop, &pass->walk, NULL, drop->store.info.policy.keep_versions,
						  MVS_NEWEST, sweep_key, NULL, mvs_worker.context, &drop->tally.swept);
}

void
mvs_pass_after_slice(MvsPass *pass, int64 left)
{
	pass->begun = pass->emptied;
	pass->left = Max(pass->left, left);
}

void
mvs_pass_end_walk(MvsPass *pass)
{
	/* What it could not let go for the horizon is noted; who waits, waits for that. */
	pass->wait_for = pass->left;
	pass->active = pass->wait_for > 0;

	/* A new mark may ask for another. */
	pass->follows = pass->again && take_up(pass);
}

void
mvs_pass_reach(MvsPass *pass, int64 horizon)
{
	/* But one that was asked for by that very run, or meanwhile, is still to be made. */
	if (mvs_pass_is_walking(pass) || pass->wait_for > horizon)
		return;
	if (pass->again && pass->again_at <= horizon)
		pass->again_at = 0;
	else
		pass->active = false;
	if (pass->again)
		(void) take_up(pass);
}
