# shellcheck shell=bash
#
# ./dev mutants: what the code would be like if it were naive at one place, and
# which tests tell. Sourced by ./dev, whose functions and variables this uses.
#
# A mutant is an edit of a copy of this tree, and the tests that must fail for it,
# each of them; they run on a build with fault points. First the same tests run
# with no edit at all, when they must pass.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work"

mutants=()
declare -A tests_of edits_of

# mutant NAME 'TEST ...' FILE EDIT [FILE EDIT]: an edit is Perl's s~~~ on the whole file.
mutant() {
	local name=$1
	mutants+=("$name")
	tests_of[$name]=$2
	shift 2
	while [[ $# -gt 0 ]]; do
		edits_of[$name]+="$1 $2"$'\n'
		shift 2
	done
}

# ---- The mutants ----------------------------------------------------------

# The stable version is the newest one handed out, whoever is still writing.
mutant stable_is_newest 'specs/stable_versions_alone_are_read.spec t/stable_goes_by_the_snapshot.pl t/stable_never_changes.pl' \
	src/version/version.c 's~for \(int i = 0; i < writers->(ring_)?count; i\+\+\)\n\t\{\n\t\tMvsWriter  \*writer = ~for (int i = 0; i < 0; i++)\n\t{\n\t\tMvsWriter  *writer = ~g'

# It is judged by who writes now, not by who writes in the snapshot.
mutant stable_by_running_writers 'specs/stable_between_snapshot_and_call.spec t/stable_goes_by_the_snapshot.pl' \
	src/version/version.c 's~i < writers->ring_count~i < 0 * writers->ring_count~'

# What is no longer in the ring is taken for ended.
mutant ring_forgets 't/stable_goes_by_the_snapshot.pl' \
	src/version/version.c 's~return !snapshot->takenDuringRecovery &&\n\t\t!FullTransactionIdFollowsOrEquals\(writers->ring_lost, xmax\)~return !snapshot->takenDuringRecovery~'

# What was told for a snapshot before is not remembered.
mutant told_is_forgotten 't/stable_goes_by_the_snapshot.pl' \
	src/version/version.c 's~known->stable = Max\(known->stable, stable\);~known->stable = stable;~'

# Who sees a floor does not see a stable version above it.
mutant floor_without_row 't/stable_goes_by_the_snapshot.pl' \
	src/worker/drop.c 's~\t\t\tmvs_stable_write\(drop->stable\);\n~~'

# What the standby is told is the newest version, whoever is still writing.
mutant row_ignores_writers 't/standby_reads_what_is_settled.pl t/model_of_many_sessions_explains.pl' \
	src/version/stable.c 's~mvs_stable_here\(database, GetActiveSnapshot\(\), MVS_NEWEST\)~mvs_clock_now(database)~'

# A put in the same microsecond gets a version that was said to be stable.
mutant answer_is_not_last 't/stable_never_changes.pl' \
	src/version/version.c 's~\tdatabase->clock->last = Max\(database->clock->last, stable\);\n~~'

# The version is handed out in one critical section, and published in another.
mutant published_late 't/stable_never_changes.pl' \
	src/version/version.c 's~\tMvsWriter  \*writer = &writers->running\[writers->count\];\n~\tMvsWriter  *writer;\n~' \
	src/version/version.c 's~\tdatabase->clock->last = version;\n(?=\twriter->xid)~\tdatabase->clock->last = version;\n\tLWLockRelease(database->version_lock);\n\tpg_usleep(200);\n\tLWLockAcquire(database->version_lock, LW_EXCLUSIVE);\n\twriter = &writers->running[writers->count];\n~'

# A writer is withdrawn before its transaction has ended for others.
mutant withdrawn_early 't/stable_goes_by_the_snapshot.pl' \
	src/queue/transaction.c 's~case XACT_EVENT_PRE_COMMIT:\n~case XACT_EVENT_PRE_COMMIT:\n\t\t\tif (levels == NULL || levels->explicit_count == 0)\n\t\t\t\tmvs_version_end(true);\n~' \
	src/queue/transaction.c 's~case XACT_EVENT_COMMIT:\n~case XACT_EVENT_COMMIT:\n\t\t\tif (mvs_database_find(MyDatabaseId))\n\t\t\t\tConditionVariableBroadcast(&mvs_database_find(MyDatabaseId)->settled);\n~'

# A put leaves the index of the feed to somebody else.
mutant feed_index_forgotten 'specs/feed_index_is_built_beside_writers.spec' \
	src/store/statement.c 's~if \(statement->feed_index\)\n(?=\t\tinsert_into_feed)~if (false)\n~'

# An index that is not valid yet is none.
mutant unfinished_index_forgotten 'specs/feed_index_is_built_beside_writers.spec' \
	src/store/store.c 's~\t\telse\n\t\t\tplain = false;\n~~'

# Who follows the changes is shown what is not stable yet.
mutant changes_not_yet_stable 't/model_of_changes_agrees.pl' \
	src/functions/changes.c 's~(?<=read->snapshot, asked->after, )upto~MVS_NEWEST - 1~'

# A position in the middle of a transaction is taken for its end.
mutant changes_cut_transactions 't/model_of_changes_agrees.pl' \
	src/store/feed.c 's~feed->within = after\.key != NULL [^;]*;~feed->within = false;~' \
	src/store/feed.c 's~if \(feed->after\.key == NULL\)~if (true)~'

# Nobody asks which entries have gone.
mutant changes_ignore_gone_entries 't/model_of_changes_agrees.pl' \
	src/functions/changes.c 's~gone = asked->compacted \? floors\.keys : floors\.entries;~gone = floors.keys;~'

# Of the entries that went, the oldest is remembered.
mutant floor_of_entries_too_low 't/model_of_changes_agrees.pl' \
	src/worker/drop.c 's~drop->floors\.entries, entries->versions\[left\]~drop->floors.entries, entries->versions[entries->history.count - 1]~'

# Nobody asks which keys have gone.
mutant changes_ignore_gone_keys 't/model_of_changes_agrees.pl' \
	src/functions/changes.c 's~gone = asked->compacted \? floors\.keys : floors\.entries;~gone = asked->compacted ? 0 : floors.entries;~'

# Of a key that went whole, its oldest entry is remembered.
mutant floor_of_keys_too_low 't/model_of_changes_agrees.pl' \
	src/worker/drop.c 's~drop->floors\.keys, entries->versions\[0\]~drop->floors.keys, entries->versions[entries->history.count - 1]~'

# Erasures and writes into the past leave no trace for who follows the changes.
mutant rewrites_not_recorded 't/model_of_changes_agrees.pl' \
	src/queue/transaction.c 's~\n\t\t\tmvs_floor_rewrite\(lfirst_oid\(cell\), version\);~\n\t\t\t(void) version;~'

# Who was woken before all was stable takes what he has not seen for seen.
mutant wake_up_lost 't/changes_wake_who_waits.pl' \
	src/functions/changes.c 's~seen = upto >= last \? written : -1;~seen = written + 0 * (upto - last);~'

# What was changed while it was read is remembered as it was.
mutant stale_store_remembered 'specs/stores_changed_while_they_are_read_are_read_again.spec' \
	src/store/store.c 's~if \(age == mvs_cache_age\(\)\)~if (age > 0 || age == 0)~'

# The durable mark is raised in memory alone.
mutant mark_in_memory 't/faults_of_the_clock_break_no_order.pl' \
	src/version/clock.c 's~\(void\) GenericXLogFinish\(state\)~GenericXLogAbort(state)~'

# The durable mark is written, but perhaps not yet on disk when it is used.
mutant mark_not_flushed 't/faults_of_the_clock_break_no_order.pl' \
	src/version/clock.c 's~\tXLogFlush\(end\);\n~\t(void) end;\n~'

# The stable version follows the clock beyond the durable mark.
mutant stable_beyond_mark 't/faults_of_the_clock_break_no_order.pl' \
	src/version/version.c 's~\t\tif \(beyond <= database->clock->mark \|\| raised\)~\t\tif (beyond <= database->clock->mark || raised || beyond > 0)~' \
	src/version/version.c 's~\tstable = Min\(stable, database->clock->mark\);\n~~'

# Only writers move the durable mark.
mutant readers_wait_for_a_writer 't/stable_follows_the_clock_when_nobody_writes.pl' \
	src/version/version.c 's~\t\tif \(beyond <= database->clock->mark \|\| raised\)~\t\tif (beyond <= database->clock->mark || raised || beyond > 0)~'

# After a start versions begin with the clock, not above the mark.
mutant starts_with_the_clock 't/faults_of_the_clock_break_no_order.pl' \
	src/version/clock.c 's~clock->last = Max\(clock->last, mark\);~clock->last = Max(clock->last, 0);~'

# A first write takes its version without a look at the head.
mutant first_write_below_head 't/stable_never_changes.pl' \
	src/version/version.c 's~Max\(database->clock->last, above\) \+ 1~database->clock->last + 1 + 0 * above~'

# A later write goes below a newer head.
mutant late_writes_pass 'specs/writers_too_late_are_told.spec t/writers_side_by_side_lose_nothing.pl' \
	src/functions/write.c 's~if \(!head->own && above >= mvs_version_mine\(\)\)~if (!head->own && above < 0)~'

# REPEATABLE READ writes over what its snapshot does not see.
mutant repeatable_read_overwrites 'specs/writers_too_late_are_told.spec' \
	src/functions/write.c 's~if \(!head->own &&\n~if (false && !head->own &&\n~'

# Two writers may look at a key at the same time.
mutant no_key_lock 't/stable_never_changes.pl' \
	src/functions/write.c 's~\t\tif \(LockAcquire\(lock, ExclusiveLock,.*?\n\t\t\tbreak;\n~~' \
	src/functions/write.c 's~LockRelease\(&keys\[i\]\.lock, ExclusiveLock, false\);~(void) keys[i].lock;~'

# Who writes many keys walks past the next one.
mutant keys_walked_past 'sql/27_put_many_rows_at_once.sql' \
	src/store/entry.c 's~compare_place\(heads, key\) < 0; steps~compare_place(heads, key) <= 0; steps~'

# A conditional write is judged while another writer of the key may still commit.
mutant condition_judged_early 'specs/writers_conditions_are_judged_by_the_newest.spec' \
	src/functions/write.c 's~\n(?=\theld = hold_keys\(write, keys, count, MVS_NEWEST\);)~\n\tif (expected != MVS_ANY && !IsolationUsesXactSnapshot())\n\t{\n\t\tMvsEntry\tearly;\n\t\tbool\t\tfound = look_with_snapshot(write, keys->entry.key, &early);\n\n\t\tif (!is_wanted(write, &early, found, keys->entry.value, expected))\n\t\t\treturn 0;\n\t\texpected = MVS_ANY;\n\t}\n~'

# Under SERIALIZABLE a condition that fails is no read.
mutant no_predicate_locks 'specs/writers_conditions_are_reads.spec' \
	src/functions/write.c 's~mvs_cursor_open\(&cursor, &write->store, GetTransactionSnapshot\(\)\);~SnapshotData plain = *GetTransactionSnapshot();\n\n\tplain.snapshot_type = SNAPSHOT_SELF;\n\tmvs_cursor_open(&cursor, &write->store, &plain);~'

# Who prepares has no version any more.
mutant prepared_forgotten 'sql/17_prepared_transactions.sql' \
	src/version/version.c 's~\tadd_prepared\(writers, xid, MVS_NEWEST\);\n~\tadd_prepared(writers, xid, MVS_NEWEST);\n\twriters->running[find_writer(writers, xid)].version = MVS_NEWEST;\n~'

# After a restart the clock is there before those who are prepared.
mutant prepared_known_late 't/prepared_transactions_outlive_the_server.pl' \
	src/version/session.c 's~\tmvs_prepared_recover\(database\);\n\tmvs_clock_load\(database\);\n~\tmvs_clock_load(database);\n\tpg_usleep(2000000);\n\tmvs_prepared_recover(database);\n~'

# After a restart nobody knows of them.
mutant prepared_not_known_again 't/prepared_transactions_outlive_the_server.pl' \
	src/version/session.c 's~\tmvs_prepared_recover\(database\);~\t(void) mvs_prepared_recover;~'

# A prepared writer is withdrawn when somebody looks, or by who commits it, before it has ended.
mutant prepared_withdrawn_by_lookers 'sql/17_prepared_transactions.sql' \
	src/version/version.c 's~if \(TransactionIdIsInProgress\(xid\)\)\n\t\t\tcontinue;~~'
mutant prepared_withdrawn_early 't/model_of_many_sessions_explains.pl' \
	src/version/version.c 's~if \(TransactionIdIsInProgress\(xid\)\)\n\t\t\tcontinue;~if (TransactionIdIsInProgress(xid) \&\& !mvs_version_ends_early)\n\t\t\tcontinue;~' \
	src/version/version.c 's~\nvoid\n(?=mvs_version_settle_prepared)~\nextern bool mvs_version_ends_early;\nbool\t\tmvs_version_ends_early;\n\nvoid\n~' \
	src/worker/ddl.c 's~\tif \(!find_slot_to_clear~\tif (ends_prepared \&\& mvs_database_find(MyDatabaseId))\n\t{\n\t\textern bool mvs_version_ends_early;\n\n\t\tmvs_version_ends_early = true;\n\t\tmvs_version_settle_prepared(mvs_database_find(MyDatabaseId), NULL);\n\t\tmvs_version_ends_early = false;\n\t\tpg_usleep(2000);\n\t}\n\n\tif (!find_slot_to_clear~' \
	src/worker/ddl.c 's~mvs_version_settle_prepared\(database, mvs_queue_prepared_ended\)~mvs_queue_prepared_ended(database)~'

# What the policies want of a prepared transaction's puts is not written down.
mutant prepared_implicit_lost 'sql/17_prepared_transactions.sql' \
	src/queue/transaction.c 's~mvs_journal_write\(database, level->buffer, level->used, true, true\)~mvs_journal_write(database, level->buffer, level->used, false, true)~'

# Nor are the stores to be looked at whole, where it was too much.
mutant prepared_marks_lost 't/prepared_transactions_of_all_kinds.pl' \
	src/queue/transaction.c 's~row\.marked = list_member_oid\(level->marks, row\.count\.store\);~row.marked = false;~'

# After a crash nobody looks for what the policies want.
mutant no_sweep_after_crash 't/crash_under_load_loses_nothing.pl' \
	src/worker/steps.c 's~\t\tmvs_sweep_all\(0, 0\);\n~~'

# A database takes a place in shared memory when somebody looks.
# shellcheck disable=SC2016 # Perl's
mutant places_for_lookers 't/databases_without_a_store_take_no_place.pl' \
	src/base/catalog.c 's~(bool\nmvs_catalog_in_use\(void\)\n.*?\tbool\t\tused = )false~$1true~s'

# Of two commands on a template, the first to end lets the worker in.
mutant hold_off_is_a_flag 't/databases_are_copied_side_by_side.pl' \
	src/worker/ddl.c 's~database->worker->hold_offs\+\+~database->worker->hold_offs = 1~'

# A worker that may not leave wants to, again and again.
mutant who_must_stay_spins 't/worker_that_must_stay_sleeps.pl' \
	src/worker/sleep.c 's~if \(is_dispensable\(outlook\)\)\n~if (!outlook->keeps)\n~'

# The memory that a queue has had stays with it.
mutant room_is_not_given_back 't/databases_share_the_room_for_queues.pl' \
	src/queue/queue.c 's~\t\(void\) mvs_pool_secure\(&queue->bytes, bytes_taken\(queue\), true\);\n~~'

# After a crash nobody reads the journal.
# shellcheck disable=SC2016 # Perl's
mutant journal_unread_after_crash 't/crash_loses_no_request.pl' \
	src/worker/worker.c 's~(if \(!database->queue->swept\)\n\t\{\n.*\n\t\tdatabase->queue->journal_wanted = )true~$1false~' \
	src/worker/steps.c 's~(?<=if \(look\.changed && )(?=!look\.paused\))~mvs_worker.database->queue->swept \&\& ~'

# Some requests get no row in the journal, though they are to be durable.
mutant journal_rows_skipped 't/crash_under_load_loses_nothing.pl' \
	src/queue/transaction.c 's~if \(mvs_durable_drops \|\| reserved == 0\)~if ((mvs_durable_drops \&\& level->explicit_count % 3 != 0) || reserved == 0)~'

# Requests leave the journal in a transaction before the one that does the work.
# shellcheck disable=SC2016 # Perl's
mutant journal_emptied_first 't/crash_under_load_loses_nothing.pl' \
	src/worker/pending.h 's~\tbool\t\tin_batch~\tbool\t\tpredeleted;\n\tbool\t\tin_batch~' \
	src/worker/batch.c 's~(?=#include "miscadmin.h"\n)~#include "access/xact.h"\n~' \
	src/worker/request.c 's~if \(item->request->journal == 0\)\n\t\treturn;\n(?=\trow =)~if (item->request->journal == 0 || item->predeleted)\n\t\treturn;\n~' \
	src/worker/batch.c 's~(MvsDropState state) = (mvs_drop_begin\([^;]*;)\n((?:\t[\w\t ]+;\n)+)~$1;\n$3\n\tStartTransactionCommand();\n\tPushActiveSnapshot(GetTransactionSnapshot());\n\tfor (int i = 0; i < count; i++)\n\t{\n\t\tif (group[i]->predeleted)\n\t\t\tcontinue;\n\t\tmvs_request_find_row(group[i]);\n\t\tif (group[i]->outcome == MVS_OUTCOME_DONE && group[i]->found)\n\t\t{\n\t\t\tmvs_journal_delete(&group[i]->journal_tid);\n\t\t\tCommandCounterIncrement();\n\t\t\tgroup[i]->predeleted = true;\n\t\t}\n\t}\n\tPopActiveSnapshot();\n\tCommitTransactionCommand();\n\tstate = $2\n~'

# Drops do not heed the horizon.
mutant beyond_the_horizon 't/crash_under_load_loses_nothing.pl' \
	src/worker/drop.c 's~drop->stable = mvs_stable_here\(database, GetActiveSnapshot\(\), MVS_NEWEST\);~drop->stable = mvs_clock_now(database);~'

# A drop does not raise the floor.
mutant floor_not_raised 't/crash_under_load_loses_nothing.pl' \
	src/worker/drop.c 's~\t\t\tmvs_floor_raise\(drop->oid, &drop->floors\);\n~~'

# A subtransaction that rolls back leaves its requests.
mutant rolled_back_requests 't/crash_under_load_loses_nothing.pl' \
	src/queue/transaction.c 's~if \(event == SUBXACT_EVENT_COMMIT_SUB\)\n\t\{~if (true)\n\t{~'

# An erasure makes void what is asked after it, too.
mutant erasure_voids_all 't/erase_of_many_keys_voids_what_was_asked.pl' \
	src/queue/transaction.c 's~return request->sequence > mvs_erasures_last\(level->erasures, request\);~return mvs_erasures_last(level->erasures, request) == 0;~'

# A purge takes what it can, though the head has to stay.
mutant purge_in_parts 't/model_of_rules_agrees.pl specs/drops_purge_whole_keys.spec' \
	src/store/rule.c 's~bool\t\tpurged = droppable.purge && mvs_rule_end\(history, 0\) <= horizon;~bool\t\tpurged = droppable.purge;~' \
	src/worker/drop.c 's~left == together && !lock_entries~false \&\& !lock_entries~'

# What the worker drops is published as what users delete.
mutant drops_unmarked 't/replication_tells_drops_from_erasures.pl' \
	src/worker/worker.c 's~\tmvs_process_mark_changes\(\);\n~~'

# The origin is that of commits, too.
mutant commits_marked 't/replication_tells_drops_from_erasures.pl' \
	src/worker/process.c 's~\(event == XACT_EVENT_PRE_COMMIT\) \? InvalidReplOriginId : DoNotReplicateId~DoNotReplicateId~'

# What is gathered over many transactions goes as the table has it, whatever is older of a key.
mutant harvest_in_any_order 't/drops_of_a_scattered_table_lose_nothing.pl' \
	src/store/gather.c 's~if \(key->oldest != number\)~if (false)~'

# A pin that expires between two looks is no bound for the stable version.
mutant pins_are_read_twice 't/faults_of_expiring_pins_keep_the_horizon.pl' \
	src/worker/drop.c 's~drop->horizon = mvs_least\(~drop->horizon = Min(~'

# What was judged before a pin holds after it.
mutant harvest_ignores_pins 't/faults_of_scattered_drops_lose_nothing.pl' \
	src/worker/harvest.c 's~\t\tharvest->horizon <= drop->horizon &&\n~~'

# A row that is not where it was has gone.
mutant harvest_loses_what_moves 't/faults_of_scattered_drops_lose_nothing.pl' \
	src/store/gather.c 's~return !has_moved\(gather, entry\);~return !has_moved(gather, entry) || true;~'

# Each walk has a harvest of its own.
mutant harvests_side_by_side 't/faults_of_scattered_drops_lose_nothing.pl' \
	src/worker/walk.c 's~return harvesting == NULL;~return true;~'

# A replay ends when it has read all, and what it has read is not worked off.
mutant replay_ends_when_read 't/faults_that_wait_are_survived.pl' \
	src/worker/replay.c 's~if \(met_all && mvs_pending_fresh\(\) == 0\)~if (met_all)~'

# What a key keeps is counted without a look at it.
mutant harvest_keeps_unseen 't/faults_of_scattered_drops_lose_nothing.pl' \
	src/worker/drop.c 's~sure = dies \|\| entries->history.count < keep \|\| ~sure = dies || ~'

# The rows of requests go when these are judged.
mutant harvest_forgets_requests 't/faults_of_scattered_drops_lose_nothing.pl' \
	src/worker/request.c 's~if \(item->found && !drop->later\)~if (item->found)~'

# A request that is void meanwhile goes on.
mutant harvest_ignores_cancels 't/faults_of_scattered_drops_lose_nothing.pl' \
	src/worker/batch.c 's~ && !mvs_worker.database->queue->recheck;~;~'

# Where the oldest entry of a key was found holds for other storage of the store, too.
mutant bottoms_outlast_storage 't/storage_exchanged_is_swept.pl' \
	src/worker/drop.c 's~hash_combine64\(life, store->heap->rd_rel->relfilenode\)~life~'

# A look at what is old enough, which finds that a pass is to be made, ends that.
mutant run_ends_its_pass 't/storage_exchanged_is_swept.pl' \
	src/worker/pass.c 's~mvs_pass_is_walking\(pass\) \|\| pass->wait_for > horizon~pass->wait_for > horizon~'

# What is held, and has no room, has a pass made at once.
mutant held_are_swept_at_once 't/drops_overflow_behind_a_pin.pl' \
	src/worker/pending.c 's~item->outcome == MVS_OUTCOME_HELD \? item->wait_for : 0~0~'

# What waits for a pass is over when another one ends.
mutant later_pass_is_forgotten 't/drops_overflow_behind_a_pin.pl' \
	src/worker/pass.c 's~\tif \(pass->again\)\n\t\t\(void\) take_up\(pass\);\n~~'

# A pass that has failed begins anew.
mutant failed_pass_begins_anew 't/passes_go_on_where_they_failed.pl' \
	src/worker/walk.c 's~mvs_walk_begin\(walk, place->key, context\)~mvs_walk_begin(walk, NULL, context)~'

# What gets old waits for a pass, whatever is in the way of that.
mutant runs_wait_for_passes 't/passes_go_on_where_they_failed.pl' \
	src/worker/sweep.c 's~if \(walking && sweep->passes.tries == 0\)~if (walking)~'

# A locked key holds up those behind it in the calendar.
mutant locked_key_stops_the_run 't/policy_by_age_goes_round_locks.pl' \
	src/worker/run.c 's~\t\t\tstate = MVS_SLICE_DONE;\n\t\t\}\n\t\tif~\t\t}\n\t\tif~'

# One transaction empties the calendar, however much is in it.
mutant calendar_goes_at_once 't/policy_by_age_goes_round_locks.pl' \
	src/store/calendar.c 's~ &&\n\t\t   count < limit~~'

# Of a key that has more entries than a transaction drops, the rest is forgotten.
mutant harvest_forgets_the_rest 't/drops_of_a_scattered_table_lose_nothing.pl' \
	src/worker/walk.c 's~walk->behind_big = drop->entries\.more;~walk->behind_big = false;~'

# What a replay brings fills batches.
mutant replay_comes_first 't/drops_of_a_journal_leave_the_queue_its_share.pl' \
	src/worker/pending.c 's~many = item->fresh \|\| ~many = ~'

# The worker takes its own transactions for those of others.
mutant own_are_others 't/drops_make_way_for_others.pl' \
	src/shared/others.c 's~\t\tpg_atomic_fetch_add_u64\(&ours->ending, 1\);\n~~'

# The worker is taken for somebody else.
mutant worker_is_unknown 't/drops_make_way_for_others.pl' \
	src/worker/worker.c 's~\tmvs_others_register\(\);\n~~'

# It makes way for others without a limit, too.
mutant no_limit_is_none 't/drops_make_way_for_others.pl' \
	src/worker/pace.c 's~mvs_drop_wal_limit \* 1024.0 / USECS_PER_SEC;~Max(mvs_drop_wal_limit, 64) * 1024.0 / USECS_PER_SEC;~' \
	src/worker/pace.c 's~ && mvs_drop_wal_limit > 0 &&~ \&\&~'

# An erasure passes by a request that somebody is changing.
mutant erasure_passes_by 'specs/erase_voids_requests_in_hand.spec' \
	src/queue/journal.c 's~\t\t\tall = false;~\t\t\tcontinue;~'

# Who makes room says so when it has gone, and hears nothing until then.
# shellcheck disable=SC2016 # Perl's
mutant way_is_given_late 't/faults_of_making_room_lose_nothing.pl' \
	src/worker/claim.c 's~mvs_least\(Max\(until, now\),\s+(TimestampTzPlusMilliseconds\(now, ASK_AGAIN\))\);\n\tdatabase->queue->wake_at = 1;~$1;\n\tdatabase->queue->wake_at = PG_INT64_MAX;~'

# A worker stays in its place as long as something is done now and then.
mutant turns_are_endless 't/worker_gives_way.pl' \
	src/worker/sleep.c 's~LONGEST_TURN 10000~LONGEST_TURN 1000000000~'

# One that never comes to sleep stays, too.
mutant turns_end_asleep 't/worker_gives_way.pl' \
	src/worker/worker.c 's~\t*mvs_sleep_make_room\(\);\n~~'

# Who gives way takes its vacuum along.
mutant vacuums_go_with_their_worker 't/vacuum_goes_on_without_its_worker.pl' \
	src/worker/claim.c 's~if \(!gives_way \|\| mvs_launcher_lacks_slot\(\)\)~if (true)~'

# Where its worker is not there, a vacuum keeps its slot.
mutant vacuums_keep_their_slot 't/vacuum_goes_on_without_its_worker.pl' \
	src/worker/launcher.c 's~if \(slot_wanted && OidIsValid~if (false \&\& OidIsValid~'

# The next worker begins a vacuum beside that of the last one.
mutant vacuums_are_begun_twice 't/vacuum_goes_on_without_its_worker.pl' \
	src/worker/maintain.c 's~process != NULL \|\| mvs_worker.database->worker->vacuum_pid != 0~process != NULL~' \
	src/worker/vacuum.c 's~database == NULL \|\| !join\(database\)~database == NULL || (join(database), false)~'

# Where max_worker_processes is used up, nobody makes room.
mutant slots_are_kept 't/worker_without_a_slot_comes_later.pl' \
	src/worker/launcher.c 's~mvs_shared->workers_wanted \|\| mvs_shared->slot_wanted~mvs_shared->workers_wanted~'

# The feed takes it that a visible row has a key.
mutant feed_needs_no_key 'specs/feed_meets_a_row_without_key.spec' \
	src/store/feed.c 's~mvs_entry_refuse_null\(isnull, feed->store\);~;~g'

# Of a store all whose drops fail each is set aside.
mutant failures_are_set_aside_for_ever 't/failures_of_every_put_stay_few.pl' \
	src/worker/pending.c 's~of->count >= MOST_SET_ASIDE~false~'

# A slice that has passed by enough is taken for the last.
mutant passes_end_at_what_is_gone 't/passes_meet_what_is_in_their_way.pl' \
	src/worker/walk.c 's~!more && \(passed == NULL \|\| \(to && mvs_key_compare\(passed, to\) >= 0\)\)~!more~'

# Rights are looked at before the lock alone.
mutant rights_are_looked_at_before_the_lock 'specs/rights_are_looked_at_with_the_lock.spec' \
	src/store/store.c 's~heap && known != SharedInvalidMessageCounter~heap \&\& known == 0~'

# A revert asks for drops of keys that are too long for a request.
mutant requests_take_any_key 'sql/62_long_keys.sql' \
	src/queue/transaction.c 's~VARSIZE_ANY_EXHDR\(key\) > MVS_MAX_KEY~false~'

# No domain of a column refuses NULL.
mutant domains_are_not_asked 'sql/63_constraints_on_own_columns.sql' \
	src/store/statement.c 's~expression == NULL && DomainHasConstraints~false \&\& DomainHasConstraints~'

# A head in the future is told to be a conflict once the transaction has a version.
mutant the_future_is_a_conflict 'sql/44_plain_sql.sql' \
	src/functions/write.c 's~if \(above > mvs_version_mine\(\)\)~if (mvs_version_mine() == 0)~'

# Stores are vacuumed gently, however fast dead entries come.
# shellcheck disable=SC2016 # Perl's
mutant vacuum_never_hurries 't/vacuum_waits_for_nobody.pl' \
	src/worker/maintain.c 's~(candidate->hurry =)\n([^;]*);~$1 false \&\&\n\t\t($2);~'

# It writes as fast as it can, whoever else does.
mutant drops_make_no_way 't/drops_make_way_for_others.pl' \
	src/worker/pace.c 's~if \(wal_debt > 0 && ~if (false \&\& ~'

# A range that fails begins anew.
mutant ranges_begin_anew 't/drops_of_ranges_go_on_where_they_failed.pl' \
	src/worker/batch.c 's~mvs_walk_go_back\(&group\[i\]->walk, &places\[i\], mvs_worker\.context\)~mvs_walk_end(\&group[i]->walk)~'

# A range that another turn begins anew has come past what it failed by.
mutant turns_forget_failures 't/failures_are_counted_over_turns.pl' \
	src/worker/pending.c 's~item->repeats = \(request->attempts > 0\);\n\tif \(item->repeats\)~if (request->attempts > 0)~'

# What was cancelled while it failed is counted as failed.
mutant cancelled_is_failed 't/drops_of_ranges_go_on_where_they_failed.pl' \
	src/worker/pending.c 's~record_failure\(item, &gone\);~record_failure(item, \&gone) || gone;\n\t\tgone = false;~'

# A replay goes on where the last one has been, whatever a restore has brought.
mutant replays_begin_in_the_middle 't/restore_into_use_is_whole.pl' \
	src/worker/replay.c 's~\tfirst = 0;\n\tsettled = ~\tsettled = ~'

# A new extension's journal is read as any other, in the midst of a restore.
mutant restores_are_read_at_once 't/restore_into_use_is_whole.pl' \
	src/queue/journal.c 's~ \|\|\n\t\tid < mvs_clock_creation\(\)~~'

# Of several snapshots of a transaction, what was told for the first ones alone is kept.
mutant first_are_kept 'specs/stable_stays_as_it_was_told.spec' \
	src/version/version.c 's~known = unused \? unused : oldest;~known = unused ? unused : \&spare;~' \
	src/version/version.c 's~\tTold\t   \*oldest = NULL;\n\K~\tstatic Told spare;\n~'

# Those asked for last alone.
mutant last_are_kept 'specs/stable_stays_as_it_was_told.spec' \
	src/version/version.c 's~i >= TOLD_PLACES / 2 && ~~'

# Who has committed what a former life of the server has left is not known to older snapshots.
mutant ended_unnoticed 't/prepared_transactions_outlive_the_server.pl' \
	src/version/version.c 's~else if \(version != MVS_NEWEST\)\n\t\tadd_to_ring~else if (false)\n\t\tadd_to_ring~'

# A read goes by the snapshot that there is, from before the store was rewritten.
mutant reads_by_old_snapshots 'specs/reads_see_what_was_rewritten.spec' \
	src/functions/reading.c 's~RegisterSnapshot\(GetLatestSnapshot\(\)\)~RegisterSnapshot(mvs_active_snapshot())~'

# A function takes it that a snapshot is there.
mutant snapshots_are_there 't/utility_commands_end_as_they_began.pl' \
	src/base/snapshot.h 's~\tEnsurePortalSnapshotExists\(\);\n~~'

# What deletions open is locked as they meet it.
mutant deletions_wait_in_pages 't/worker_waits_in_no_page.pl' \
	src/store/store.c 's~\s+!lock_for_deletions\(heap\)~ (false \&\& !lock_for_deletions(heap))~'

# Who creates the extension tells nobody.
mutant creation_is_not_told 't/worker_knows_a_new_extension.pl' \
	src/worker/ddl.c 's~ \&\& database\)\n\t\tmvs_transaction_extension_created~ \&\& false)\n\t\tmvs_transaction_extension_created~'

# Triggers of others on the catalog run with the rights of a superuser.
mutant triggers_of_others_run 'sql/13_catalog_is_guarded.sql' \
	src/base/catalog.c 's~if \(!ours \&\& ~if (false \&\& !ours \&\& ~'

# A page of changes ends at what the row of mvstore_stable tells, where nobody knows better.
mutant pages_end_before 't/changes_reach_what_was_stable.pl' \
	src/functions/changes.c 's~mvs_stable_known\(read->snapshot\)~mvs_stable(read->snapshot, MVS_NEWEST)~'

# What is stable is asked anew within a statement.
mutant statements_move_on 'sql/38_session_reads_as_of.sql' \
	src/version/as_of.c 's~mvs_stable_of_statement\(snapshot\)~mvs_stable(snapshot, MVS_NEWEST)~'

# An end that no command has brought is told to nobody.
mutant appliers_tell_nobody 't/replication_of_prepared_transactions_is_told.pl' \
	src/queue/transaction.c 's~if \(MVS_COMPAT_ORIGIN != InvalidReplOriginId && ~if (false && ~'

# Who waits for changes is not woken by an erasure.
mutant erasures_wake_nobody 't/changes_wake_who_waits.pl' \
	src/queue/transaction.c 's~\tMemoryContextSwitchTo\(old\);\n\tmvs_transaction_changed\(store\);~\tMemoryContextSwitchTo(old);~'

# The guard looks at a row, whatever it is fired for.
mutant guard_fires_for_statements 'sql/13_catalog_is_guarded.sql' \
	src/functions/guard.c 's~TRIGGER_FIRED_FOR_ROW\(trigger->tg_event\) \|\|~true ||~'

# The worker forgets where it takes memory from, with each replay.
mutant replays_leak 't/worker_forgets_dropped_stores.pl' \
	src/worker/replay.c 's~ReadNextFullTransactionId\(\)\);\n\tCommitTransactionCommand\(\);\n\K\tMemoryContextSwitchTo\(old\);~\t(void) old;~'

# A store that was rewritten reads as empty for who must keep his snapshot.
mutant rewritten_is_empty 'specs/reads_see_what_was_rewritten.spec' \
	src/functions/reading.c 's~if \(mvs_read_renew\(read\) \|\| !~if (mvs_read_renew(read) || true || !~'

# And for a cursor of before; and its pages are pinned when they go.
mutant cursors_read_nothing 'sql/82_cursors_and_plans.sql' \
	src/functions/reading.c 's~if \(!is_lost\(store, snapshot\)\)\n\t\t\treturn;~return;~'
mutant newer_pages_are_pinned 'sql/82_cursors_and_plans.sql' \
	src/functions/scan_node.c 's~\tmvs_storage_refuse_newer\([^;]*;\n~~'

# Statistics tell whether there was something.
mutant analyzed_is_empty 'specs/reads_see_what_was_rewritten.spec' \
	src/store/storage.c 's~\treturn old;~\treturn old || ((Form_pg_class) GETSTRUCT(find_class_row(store, snapshot)))->reltuples == 0;~'

# What is kept goes where settling ends early.
mutant unsettled_is_lost 't/faults_of_settling_lose_nothing.pl' \
	src/worker/pending.c 's~if \(\(\*unsettled\)->stays\)~if (false)~'

# Each turn counts attempts anew.
mutant attempts_are_forgotten 't/failures_are_counted_over_turns.pl' \
	src/worker/pending.c 's~item->tries = item->recorded_tries = request->attempts;~~'

# Who waited for DROP EXTENSION is told of a relation's number.
mutant dropped_meanwhile_is_a_number 'specs/extension_dropped_meanwhile_is_missed.spec' \
	src/base/catalog.c 's~open_any\(table, false, RowExclusiveLock\)~relation_open(mvs_catalog_oid(table, false), RowExclusiveLock)~'

# Whoever creates an extension while ours is created is taken for its creator.
mutant creations_of_others 'specs/extension_of_others_is_no_creation.spec t/restore_into_use_is_whole.pl' \
	src/version/clock.c 's~ours = form \&\& [^;]*;~ours = form != NULL;~'

# A schema that is being dropped is taken for the one of its name.
mutant schemas_go 'specs/stores_are_created_in_a_schema_that_stays.spec' \
	src/functions/stores.c 's~if \(choose_schema\(name\) == schema\)~if (true)~'

# Tables that the library does not know are in the way of whoever drops his own.
mutant altered_tables_are_in_the_way 'sql/13_catalog_is_guarded.sql' \
	src/functions/stores.c 's~if \(!mvs_catalog_is_known\(MVS_POLICY\)\)~if (false)~'

# ---- Of the cluster -------------------------------------------------------

# mutant_of_cluster NAME 'TEST ...' EDIT ...: of the extension's script.
mutant_of_cluster() {
	local name=$1 tests=$2 edits=()
	shift 2
	while [[ $# -gt 0 ]]; do
		edits+=(cluster/mvstore_cluster--1.0.sql "$1")
		shift
	done
	mutant "cluster_$name" "$tests" "${edits[@]}"
}

# Shards commit, and then it is written down that they do.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster commits_before_it_decides cluster/t/writes_over_shards_are_whole.pl \
	's~\tIF NOT \@extschema\@\.mvstore_cluster_self_decided\(gid, chosen\) THEN\n.*?\tEND IF;\n~~s' \
	's~(IF \@extschema\@\.mvstore_cluster_finish\(gid, names, shards\)) THEN~$1 AND \@extschema\@.mvstore_cluster_self_decided(gid, NULL) THEN~'

# Recovery rolls back what was decided.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster recovery_rolls_back cluster/t/writes_over_shards_are_whole.pl \
	's~(mvstore_cluster_self_settled\(found_row\.gid\) = )\x27committed\x27~$1\x27never\x27~'

# Recovery commits what was prepared, whether it was decided or not.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster recovery_commits cluster/t/writes_over_shards_are_whole.pl \
	's~(\@extschema\@\.mvstore_cluster_self_settled\(found_row\.gid\)) = \x27committed\x27~coalesce($1, \x27\x27) <> \x27never\x27~'

# Recovery does not look whether the coordinator lives.
mutant_of_cluster recovery_disturbs cluster/t/writes_over_shards_are_whole.pl \
	's~SELECT coalesce\(pg_xact_status\(coordinator\) = \x27in progress\x27, false\)~SELECT false~'

# Who coordinates does until his transaction ends.
mutant_of_cluster coordinates_late cluster/t/decisions_stand.pl \
	's~RETURN whole \+ [^;\n]*;~RETURN whole;~'

# Several recover at a time.
mutant_of_cluster recover_together cluster/t/decisions_stand.pl \
	's~LOCK TABLE \@extschema\@\.mvstore_cluster_recovering IN SHARE UPDATE EXCLUSIVE MODE~LOCK TABLE \@extschema\@.mvstore_cluster_recovering IN ROW EXCLUSIVE MODE~g'

# Who waits in vain looks after nothing but what there is a row of.
mutant_of_cluster nothing_comes_late cluster/t/puts_wait_for_doubts_with_a_limit.pl \
	's~\(vain OR complete~(complete~'

# Recovery asks by whatever connection the session has.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster asks_by_any_connection cluster/t/decisions_stand.pl \
	's~unknown \|\| address~address~'

# What was decided is rolled back by who was interrupted then.
mutant_of_cluster interrupted_gives_up cluster/t/decisions_stand.pl \
	's~ELSIF state = \x27committed\x27 THEN~ELSIF state = \x27never\x27 THEN~'

# Who is cancelled after the decision says that nothing has happened.
mutant_of_cluster cancel_denies cluster/t/decisions_stand.pl \
	's~\tIF decided THEN~\tIF false THEN~'

# A standby has nothing prepared.
mutant_of_cluster standby_has_nothing cluster/t/decisions_stand.pl \
	's~WHERE NOT pg_is_in_recovery\(\) AND ~WHERE ~'

# Connections that are used again have the encoding of the shard.
mutant_of_cluster encoding_of_the_shard cluster/t/shards_of_any_encoding_hold_text.pl \
	's~ client_encoding=UTF8~ ~'

# Anybody writes to several shards.
mutant_of_cluster usage_is_not_asked cluster/t/puts_wait_for_doubts_with_a_limit.pl \
	's~ELSIF NOT has_server_privilege~ELSIF false AND NOT has_server_privilege~'


# Who was given up decides all the same.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster decides_late cluster/t/writes_over_shards_are_whole.pl \
	's~(WHERE p\.gid = mvstore_cluster_note_decided\.gid) AND p\.state = \x27open\x27~$1~'

# It begins on all shards at once, whatever pool is between.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster begins_at_once cluster/t/works_through_pgbouncer.pl \
	's~FOREACH name IN ARRAY names LOOP\n(\t\tanswers := answers \|\| \@extschema\@\.mvstore_cluster_all\()ARRAY\[name\]~FOR name IN SELECT \x27\x27 LOOP\n${1}names~'

# What shards refuse because they are ahead is an error at once.
mutant_of_cluster tries_once cluster/t/writes_over_shards_are_whole.pl \
	's~IF attempt >= 12 OR~IF attempt >= 1 OR~'

# Each shard takes a version of its own.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster versions_differ cluster/t/writes_over_shards_are_whole.pl \
	's~(\x27mvstore_put_many\w*\([^\n]*, arguments, )true~$1false~g'

# A pin is taken shard by shard.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster pins_some cluster/t/scans_equal_one_server.pl \
	's~(RETURN \(SELECT min\(r::bigint\) FROM )unnest\(\@extschema\@\.mvstore_cluster_write\(shards, (\x27mvstore_pin\([^\n]*\n[^\n]*)\) r\)~$1unnest(shards) shard, unnest(\@extschema\@.mvstore_cluster_write(ARRAY[shard], $2) r)~'

# The stable version is that of the shard that has come farthest.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster stable_is_highest cluster/t/scans_equal_one_server.pl \
	's~min(\(r\) FROM \@extschema\@\.mvstore_shard_stable_version)~max$1~'

# Rows of a scan come as shards send them.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster scans_unmerged cluster/t/scans_equal_one_server.pl \
	's~(mvstore_shard_scan\w*\([^\n]*\) r) ORDER BY r\.key[^\n]*(?= LIMIT)~$1~g'

# What waits on a shard does not see that who asked has gone.
mutant_of_cluster waits_for_nobody cluster/t/who_goes_leaves_nothing_waiting.pl \
	"s~SET LOCAL client_connection_check_interval = ''1s''; ~~"

# A transaction on a shard lasts as long as the session that was kept from ending it.
mutant_of_cluster idles_for_ever cluster/t/who_goes_leaves_nothing_waiting.pl \
	"s~WHEN lock_timeout > \x270\x27 THEN \x274h\x27~WHEN lock_timeout > \x270\x27 THEN \x270\x27~"

# What was prepared when shards were asked is in doubt, though it has ended since.
mutant_of_cluster doubts_are_old cluster/t/decisions_stand.pl \
	's~found_again := \@extschema\@\.mvstore_cluster_found\(again\)~found_again := found_rows~'

# What has no row in the snapshot of who looks was given up.
mutant_of_cluster doubts_of_the_snapshot cluster/t/decisions_stand.pl \
	's~kept boolean := [^;]*;~kept boolean := false;~'

# Who holds the cluster waits for himself.
mutant_of_cluster recovers_while_it_holds cluster/t/decisions_stand.pl \
	"s~AND l\\.mode IN \\(\x27ShareRow~AND l.mode IN (\x27None\x27) AND l.mode IN (\x27ShareRow~"

# Shards are asked for the present, whatever is to be read as of.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster as_of_not_passed cluster/t/scans_equal_one_server.pl \
	's~(SELECT r\.[^\n]* FROM mvstore_scan\w*\([^\n]*)a_as_of~${1}9223372036854775807~g'

# The setting mvstore.as_of is not looked at.
mutant_of_cluster as_of_not_set cluster/t/placement_and_refusals.pl \
	's~ELSIF as_of < 9223372036854775807 OR ~ELSIF true OR ~'

# A shard that is down has nothing.
# shellcheck disable=SC2016 # Perl's
mutant_of_cluster shards_down_are_empty cluster/t/writes_over_shards_are_whole.pl \
	's~(RETURNS TABLE(?:(?!\nCREATE ).)*?IF NOT \@extschema\@\.mvstore_cluster_again[^\n]* THEN\n\s*)RAISE;~$1RETURN;~gs' \
	's~(IF state IN \(\x27XX000\x27[^\n]* THEN\n)\t\tPERFORM \@extschema\@\.mvstore_cluster_lost\(state, message, false\);\n~$1~'

# Keys are placed by other bytes of the hash.
mutant_of_cluster placed_otherwise cluster/t/placement_and_refusals.pl \
	's~OPERATOR\(pg_catalog\.\|\|\) part\), 1\)~OPERATOR(pg_catalog.||) part), 2)~'

# A partition may lead to another shard.
mutant_of_cluster shards_exchanged cluster/t/placement_and_refusals.pl \
	's~ELSIF \(answer -> \x27shard\x27 ->> \x27number\x27\)::integer <> shard THEN~ELSIF false THEN~'

# A transaction may write twice.
mutant_of_cluster writes_twice cluster/t/placement_and_refusals.pl \
	's~IF currval\([^\n]* = this THEN~IF false THEN~'

# A put that waits for a key in doubt leaves that to others.
mutant_of_cluster waits_for_others cluster/t/puts_wait_for_doubts_with_a_limit.pl \
	's~IF attempt = 1 THEN\n\t\tPERFORM \@extschema\@\.mvstore_cluster_look\(true\);~IF attempt = 1 THEN\n\t\tNULL;~'

# Whoever calls the coordinator has shards do anything.
mutant_of_cluster calls_anything cluster/t/puts_wait_for_doubts_with_a_limit.pl \
	's~ELSIF call <> ALL \([^\n]* THEN~ELSIF false THEN~'

# A caller says himself who he is.
mutant_of_cluster caller_is_told cluster/t/callers_are_who_they_are.pl \
	's~\tNEW\.caller := current_user;\n~~'

# Anybody has a view that calls in the name of others.
mutant_of_cluster triggers_anywhere cluster/t/callers_are_who_they_are.pl \
	's~REVOKE ALL ON FUNCTION mvstore_cluster_called\(\) FROM PUBLIC;\n~~'

# Of the mappings of a user only the first is tried.
mutant_of_cluster one_mapping cluster/t/callers_are_who_they_are.pl \
	's~\t\tforbidden := false;~\t\tforbidden := false; EXIT;~'

# What is called for dblink may be anybody's.
mutant_of_cluster dblink_of_anybody cluster/t/install_planted_objects_do_no_harm.pl \
	's~\tIF strange IS NOT NULL THEN~\tIF false THEN~'

# ---- ./dev mutants --------------------------------------------------------

# Edit the copy; a text that is not there is an error.
edit() {
	perl -0we 'my ($file, $expression) = @ARGV;
		open(my $in, "<", $file) or die "$file: $!\n"; local $_ = <$in>; close($in);
		my $count = eval $expression; die $@ if $@;
		$count or die "$file: the text to edit is not there\n";
		open(my $out, ">", $file) or die "$file: $!\n"; print $out $_; close($out) or die "$file: $!\n"' "$@"
}

# make_mutant NAME: a copy of the tree with its edits; none: without any.
make_mutant() {
	local file expression
	rm -rf "$work/tree"
	cp -r "$work/src" "$work/tree"
	[[ $1 != none ]] || return 0
	while read -r file expression; do
		edit "$work/tree/$file" "$expression" || die "mutant $1 does not fit the sources any more"
	done <<<"${edits_of[$1]%$'\n'}"
}

# Whether each mutant fits the sources, for ./dev lint.
mutants_fit() {
	local name file expression
	for name in "${mutants[@]}"; do
		rm -rf "$work/fits"
		while read -r file expression; do
			mkdir -p "$work/fits/${file%/*}"
			[[ -e $work/fits/$file ]] || cp "$root/$file" "$work/fits/$file"
			edit "$work/fits/$file" "$expression" || { echo "mutant $name does not fit the sources any more"; return 1; }
		done <<<"${edits_of[$name]%$'\n'}"
	done
}

# What runs tests: all of them are of one kind.
word_for() { if [[ $1 == cluster/* ]]; then echo cluster; else echo test; fi; }

# try_mutant NAME RESULT TEST ...: run tests on the copy; the last line must be the
# result. What a mutant keeps from happening is not waited for as long as usual.
try_mutant() {
	local name=$1 wanted=$2 line verdict start=$SECONDS
	shift 2
	make_mutant "$name"
	MVSTORE_FAULTS=1 MVSTORE_TEST_LIMIT=900 PG_TEST_TIMEOUT_DEFAULT=${PG_TEST_TIMEOUT_DEFAULT:-30} \
		"$work/tree/dev" "$(word_for "$1")" "$@" >"$work/$name.out" 2>&1 </dev/null || true
	line=$(tail -n 1 "$work/$name.out")
	if [[ $line == "$wanted" ]]; then
		passed=$((passed + 1))
		verdict=$([[ $name == none ]] && echo passes || echo killed)
	else
		failed=$((failed + 1))
		verdict=survived
		[[ $name != none && $line =~ ^[0-9]+\ passed ]] || verdict=broken
		keep_logs "$work/$name.out"
	fi
	printf 'mutant %-28s ... %-8s %6d s\n' "$name" "$verdict" $((SECONDS - start))
	[[ $verdict != survived && $verdict != broken ]] ||
		grep -E '^(test|ok|not ok) |^\./dev: ' "$work/$name.out" | sed 's/^/    /' || true
}

# Set "installed" to how many pass beside the tests: with those in SQL, the installation.
count_installed() {
	installed=0
	[[ " $*" != *' sql/'* ]] || installed=1
}

dev_mutants() {
	local name test tests installed all=() cluster=() others=()
	[[ $# -gt 0 ]] || set -- "${mutants[@]}"
	for name in "$@"; do
		[[ -n ${tests_of[$name]:-} ]] || misuse "no such mutant: $name (there are: ${mutants[*]})"
		read -r -a tests <<<"${tests_of[$name]}"
		all+=("${tests[@]}")
	done
	unique all
	setup test
	copy_tree
	for name in "$@"; do
		make_mutant "$name"
	done
	say "Without a mutant, and with each of $#"
	for test in "${all[@]}"; do
		if [[ $(word_for "$test") == cluster ]]; then cluster+=("$test"); else others+=("$test"); fi
	done
	count_installed "${others[@]}"
	[[ ${#others[@]} -eq 0 ]] || try_mutant none "$((${#others[@]} + installed)) passed, 0 failed" "${others[@]}"
	[[ ${#cluster[@]} -eq 0 ]] || try_mutant none "${#cluster[@]} passed, 0 failed" "${cluster[@]}"
	for name in "$@"; do
		read -r -a tests <<<"${tests_of[$name]}"
		count_installed "${tests[@]}"
		try_mutant "$name" "$installed passed, ${#tests[@]} failed" "${tests[@]}"
	done
	[[ -z $logs ]] || say "The logs are kept in $logs"
	say "$passed passed, $failed failed"
	[[ $failed -eq 0 ]]
}
