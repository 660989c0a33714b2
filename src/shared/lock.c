/*-------------------------------------------------------------------------
 *
 * lock.c
 *	  Heavyweight locks of mvstore's own: their tags, and those that order
 *	  drops with what they must not overtake.
 *
 * A batch takes the drop lock of the database, shared with other batches and
 * writers of the past, and the batch lock of its store, shared with other batches
 * alone, without waiting, before its snapshot. A pin takes the drop lock of its store, or
 * that of the database if it is on all stores, shared with other pins. All but batches
 * order themselves by the drop lock of the store, and keep batches away by the
 * batch lock.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "shared/lock.h"

static bool take_lock(MvsLockClass class, Oid store, LOCKMODE mode, bool wait);

void
mvs_lock_tag(LOCKTAG *tag, MvsLockClass class, Oid store, uint32 hash)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, store, hash, class);
}

void
mvs_lock_tag_key(LOCKTAG *tag, Oid store, const bytea *key)
{
	mvs_lock_tag(tag, MVS_LOCK_KEY, store,
				 hash_bytes((const unsigned char *) VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)));
}

/* Take one lock; false where that would mean to wait. */
static bool
take_lock(MvsLockClass class, Oid store, LOCKMODE mode, bool wait)
{
	LOCKTAG		tag;

	mvs_lock_tag(&tag, class, store, 0);
	return LockAcquire(&tag, mode, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

bool
mvs_lock_drops(Oid store, MvsLocker locker, bool wait)
{
	static const LOCKMODE modes[] = {
		[MVS_LOCKER_PIN] = ShareLock,
		[MVS_LOCKER_PAST] = RowExclusiveLock,
		[MVS_LOCKER_STORE] = ExclusiveLock
	};

	/* Of the database: pins on all stores exclude everybody else, and nobody else anybody. */
	if (locker != MVS_LOCKER_PIN &&
		!take_lock(MVS_LOCK_DROP, InvalidOid, RowExclusiveLock, wait))
		return false;
	if (locker == MVS_LOCKER_BATCH)
		return take_lock(MVS_LOCK_BATCH, store, RowExclusiveLock, wait);
	return take_lock(MVS_LOCK_DROP, store, modes[locker], wait) &&
		take_lock(MVS_LOCK_BATCH, store, ShareLock, wait);
}

bool
mvs_lock_drops_held(Oid store)
{
	LOCKTAG		tag;

	mvs_lock_tag(&tag, MVS_LOCK_DROP, InvalidOid, 0);
	if (mvs_compat_lock_held(&tag, ShareLock))
		return true;
	mvs_lock_tag(&tag, MVS_LOCK_DROP, store, 0);
	return mvs_compat_lock_held(&tag, RowExclusiveLock) ||
		mvs_compat_lock_held(&tag, ShareLock) || mvs_compat_lock_held(&tag, ExclusiveLock);
}

bool
mvs_lock_pause(bool batch)
{
	return take_lock(MVS_LOCK_PAUSE, InvalidOid, batch ? RowExclusiveLock : ShareLock, !batch);
}

void
mvs_lock_floors(void)
{
	(void) take_lock(MVS_LOCK_FLOOR, InvalidOid, ExclusiveLock, true);
}
