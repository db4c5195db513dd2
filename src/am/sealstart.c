/*-------------------------------------------------------------------------
 *
 * sealstart.c
 *	  Starting the background worker that seals.
 *
 * There is no shared memory, since the library need not be preloaded.  So a
 * backend remembers which workers it has started, and a heavyweight lock that a
 * worker holds tells all others that it is there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "am/am.h"
#include "am/sealworker.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "vecam.h"

/* A backend starts a worker for the same index no more often than this. */
#define START_INTERVAL_MS 1000

static HTAB *demands = NULL;

/*
 * What this backend remembers of an index; stays for the backend's life.
 */
VecamSealDemand *
vecam_seal_demand(Oid index)
{
	VecamSealDemand *demand;
	bool		found;

	if (demands == NULL)
	{
		HASHCTL		ctl;

		memset(&ctl, 0, sizeof(ctl));
		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(VecamSealDemand);
		ctl.hcxt = TopMemoryContext;
		demands = hash_create("vecam seal demands", 16, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	demand = hash_search(demands, &index, HASH_ENTER, &found);
	if (!found)
	{
		demand->target = InvalidBlockNumber;
		demand->is_pressing = false;
		demand->worker = NULL;
		demand->started = 0;
	}
	return demand;
}

/*
 * Could a worker do anything?  Not with temporary tables, not with what only
 * this transaction sees, and not with a table that it has locked entirely.
 */
static bool
worker_has_access(Relation index, Relation heap)
{
	return index->rd_rel->relpersistence != RELPERSISTENCE_TEMP &&
		!vecam_is_new_file(index) &&
		!CheckRelationLockedByMe(heap, AccessExclusiveLock, true);
}

static bool
is_running(const BackgroundWorkerHandle *worker)
{
	pid_t		pid;
	BgwHandleStatus status;

	if (worker == NULL)
		return false;
	status = GetBackgroundWorkerPid((BackgroundWorkerHandle *) worker, &pid);
	return status == BGWH_STARTED || status == BGWH_NOT_YET_STARTED;
}

/* Does no worker hold the lock? */
static bool
is_free(const LOCKTAG *tag)
{
	if (LockAcquire(tag, ShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	LockRelease(tag, ShareLock, false);
	return true;
}

/* Would another worker have work, and be one of those allowed? */
static bool
there_is_room(Oid index)
{
	LOCKTAG		tag;

	vecam_seal_worker_tag(&tag, MyDatabaseId, index);
	if (!is_free(&tag))
		return false;
	for (int n = 1; n <= vecam_seal_workers; n++)
	{
		vecam_seal_place_tag(&tag, n);
		if (is_free(&tag))
			return true;
	}
	return false;
}

/*
 * Ask the postmaster for a worker.  If it has no free slot there will be none,
 * and inserters help when the list has grown further.
 */
static void
register_worker(Oid index, VecamSealDemand *demand)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	BackgroundWorker worker;
	SealRequest request;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "vecam", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "vecam_seal_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "vecam sealer", BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "vecam sealer of index %u", index);

	request.database = MyDatabaseId;
	request.index = index;
	request.max_workers = vecam_seal_workers;
	memcpy(worker.bgw_extra, &request, sizeof(request));

	if (demand->worker)
		pfree(demand->worker);
	if (!RegisterDynamicBackgroundWorker(&worker, &demand->worker))
		demand->worker = NULL;
	MemoryContextSwitchTo(old);
}

/*
 * Start a worker for the index, unless there is one or it is too early for
 * another attempt.  The worker acts on what it finds, whoever has inserted it:
 * it need not wait for this transaction's commit.
 */
void
vecam_start_seal_worker(Relation index, Relation heap,
						VecamSealDemand *demand)
{
	TimestampTz now = GetCurrentTimestamp();

	if (vecam_seal_workers == 0 || !worker_has_access(index, heap) ||
		is_running(demand->worker) ||
		!TimestampDifferenceExceeds(demand->started, now, START_INTERVAL_MS) ||
		!there_is_room(RelationGetRelid(index)))
		return;
	demand->started = now;
	register_worker(RelationGetRelid(index), demand);
}
