/*-------------------------------------------------------------------------
 *
 * sealworker.c
 *	  The background worker that links growing rows into the graph.
 *
 * An inserting backend starts it for one index when the growing list has become
 * long (sealstart.c).  It links rows in short transactions until the list is
 * short again, lingers for a moment in case more rows come, and ends.
 *
 * It is in nobody's way: it takes each lock only if that is free at once (and
 * nobody waits for it), and gives all of them back after some 50 ms, so that
 * DDL, VACUUM and DROP wait no longer than for an INSERT of one row.  What
 * stays is two locks that none but other workers look at:
 *
 *	 - a tuple lock of the index, of a tuple that no relation can have: one
 *	   worker per index;
 *	 - a lock of a shared object that does not exist, numbered 1 to
 *	   vecam.seal_workers: so many workers in the cluster.
 *
 * They are of the lock method of advisory locks, so that they outlive a
 * transaction that fails and go with the process.
 *
 * An error is logged, and the worker keeps its locks for a while before it
 * ends: that tells all backends not to start another one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "am/am.h"
#include "am/sealworker.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_database.h"
#include "flat/growing.h"
#include "flat/seal.h"
#include "miscadmin.h"
#include "page/pagelist.h"
#include "page/progress.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "vecam.h"

/* Time between taking locks and giving them back; one row more may be linked. */
#define BATCH_MS 50

/* Rows between two looks at the clock. */
#define ROWS_PER_LOOK 8

/* How long the worker waits for more rows, and for locks; how often it looks. */
#define LINGER_MS 1000
#define PATIENCE_MS 30000
#define POLL_MS 100

/* How long no other worker is started after an error. */
#define REST_MS 60000

/* A list that was too long is sealed until it has this part of the threshold. */
#define SHORT_LIST 0.5

/* Attempts at the worker lock, which backends hold for an instant. */
#define LOCK_TRIES 3
#define LOCK_RETRY_MS 10

typedef enum BatchResult
{
	BATCH_SEALED,				/* rows were linked, and there are more */
	BATCH_IDLE,					/* the list is short */
	BATCH_BUSY,					/* somebody has the locks */
	BATCH_END					/* there will be nothing to do */
} BatchResult;

/*
 * The lock that the worker of an index holds.
 */
void
vecam_seal_worker_tag(LOCKTAG *tag, Oid database, Oid index)
{
	SET_LOCKTAG_TUPLE(*tag, database, index, InvalidBlockNumber, 1);
	tag->locktag_lockmethodid = USER_LOCKMETHOD;
}

/*
 * Of the locks of which the cluster's workers have one each, the nth.
 */
void
vecam_seal_place_tag(LOCKTAG *tag, int n)
{
	SET_LOCKTAG_OBJECT(*tag, InvalidOid, AccessMethodRelationId, InvalidOid, n);
	tag->locktag_lockmethodid = USER_LOCKMETHOD;
}

/* Take a lock for the life of the process, if it is free. */
static bool
take(const LOCKTAG *tag, LOCKMODE mode)
{
	return LockAcquire(tag, mode, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Become the worker of the index, if there is none and not too many. */
static bool
take_places(const SealRequest *request)
{
	LOCKTAG		tag;

	vecam_seal_worker_tag(&tag, request->database, request->index);
	for (int i = 0; !take(&tag, ExclusiveLock); i++)
	{
		if (i == LOCK_TRIES)
			return false;
		pg_usleep(LOCK_RETRY_MS * 1000L);
	}
	for (int n = 1; n <= request->max_workers; n++)
	{
		vecam_seal_place_tag(&tag, n);
		if (take(&tag, ExclusiveLock))
			return true;
	}
	return false;
}

/* Does somebody want to drop, rename or copy the database? */
static bool
is_in_the_way(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (!take(&tag, RowExclusiveLock))
		return true;
	LockRelease(&tag, RowExclusiveLock, true);
	return false;
}

/* Sleep; false if the worker should end. */
static bool
nap(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 POLL_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		if (vecam_seal_workers == 0)
			return false;
	}
	return !is_in_the_way();
}

/* Is this a vecam index that takes part in inserts? */
static bool
is_alive(Relation index)
{
	return index->rd_rel->relkind == RELKIND_INDEX &&
		index->rd_indam->ambuild == vecam_build &&
		index->rd_index->indisready && index->rd_index->indislive &&
		index->rd_rel->relpersistence != RELPERSISTENCE_TEMP;
}

/*
 * Open the index under the lock that INSERT takes; NULL if it is not there or
 * not free.  The table's lock is what REINDEX CONCURRENTLY waits for before it
 * drops an index.
 */
static Relation
open_index(Oid index_oid, BatchResult *result)
{
	Oid			table = IndexGetRelation(index_oid, true);
	Relation	index;

	*result = OidIsValid(table) ? BATCH_BUSY : BATCH_END;
	if (!OidIsValid(table) ||
		!ConditionalLockRelationOid(table, AccessShareLock) ||
		!ConditionalLockRelationOid(index_oid, RowExclusiveLock))
		return NULL;

	index = try_relation_open(index_oid, NoLock);
	if (index && is_alive(index))
		return index;
	if (index)
		relation_close(index, NoLock);
	*result = BATCH_END;
	return NULL;
}

/* Has it been so long? */
static bool
is_over(TimestampTz since, int ms)
{
	return TimestampDifferenceExceeds(since, GetCurrentTimestamp(), ms);
}

/* Link rows until the time of a batch is over. */
static BatchResult
seal_rows(Relation index, double stop_at)
{
	TimestampTz start = GetCurrentTimestamp();
	VecamIndex *ix = vecam_index_open(index);
	VecamSealer *sealer;
	int64		before;
	bool		more;

	if (!vecam_wants_seal(index, ix, vecam_growing_capacity(index, ix),
						  ix->meta.has_graph ? stop_at : 1))
		return BATCH_IDLE;
	sealer = vecam_sealer_begin(index, VECAM_SEAL_SHARED, false);
	if (sealer == NULL)
		return BATCH_BUSY;
	if (vecam_progress_start(index))
		vecam_progress_begin(index, VECAM_PROGRESS_SEAL,
							 vecam_list_count_pages(index, VECAM_LIST_GROWING));
	do
	{
		before = sealer->sealed;
		vecam_seal_rows(sealer, ROWS_PER_LOOK, NULL);
		more = sealer->sealed - before >= ROWS_PER_LOOK;
	} while (more && !is_over(start, BATCH_MS));
	vecam_sealer_end(sealer);
	return more ? BATCH_SEALED : BATCH_IDLE;
}

/* For the log: which index an error is about. */
static void
add_context(void *arg)
{
	errcontext("background sealing of index \"%s\"", (const char *) arg);
}

/* Seal with the rights of the index's owner and no more. */
static BatchResult
seal_as_owner(Relation index, double stop_at)
{
	const char *name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(index)),
												  RelationGetRelationName(index));
	ErrorContextCallback context = {error_context_stack, add_context,
	(void *) name};
	Oid			user;
	int			flags;
	BatchResult result;

	pgstat_report_activity(STATE_RUNNING, psprintf("sealing index %s", name));
	error_context_stack = &context;
	GetUserIdAndSecContext(&user, &flags);
	SetUserIdAndSecContext(index->rd_rel->relowner,
						   flags | SECURITY_RESTRICTED_OPERATION |
						   SECURITY_LOCAL_USERID_CHANGE);
	result = seal_rows(index, stop_at);
	SetUserIdAndSecContext(user, flags);
	error_context_stack = context.previous;
	return result;
}

/* One transaction of the worker. */
static BatchResult
seal_batch(Oid index_oid, double stop_at)
{
	BatchResult result;
	Relation	index;

	StartTransactionCommand();
	index = open_index(index_oid, &result);
	if (index)
	{
		result = seal_as_owner(index, stop_at);
		relation_close(index, NoLock);
	}
	if (result != BATCH_SEALED)
		vecam_progress_end();
	CommitTransactionCommand();
	return result;
}

/* Seal until there has been nothing to do for a while. */
static void
seal_until_short(Oid index)
{
	TimestampTz last = GetCurrentTimestamp();
	double		stop_at = 1;

	for (;;)
	{
		BatchResult result = seal_batch(index, stop_at);

		CHECK_FOR_INTERRUPTS();
		if (result == BATCH_END || is_in_the_way())
			return;
		if (result == BATCH_SEALED)
		{
			last = GetCurrentTimestamp();
			stop_at = SHORT_LIST;
			continue;
		}
		if (result == BATCH_IDLE)
			stop_at = 1;
		pgstat_report_stat(true);
		if (is_over(last, result == BATCH_IDLE ? LINGER_MS : PATIENCE_MS) ||
			!nap())
			return;
	}
}

/* After an error: let its cause be, but not the database's owner. */
static void
rest(void)
{
	TimestampTz start = GetCurrentTimestamp();

	pgstat_report_activity(STATE_IDLE, NULL);
	while (!is_over(start, REST_MS) && nap())
		;
}

/* Settings of the database or of its configuration that are not for this. */
static void
fix_settings(void)
{
	SetConfigOption("application_name", MyBgworkerEntry->bgw_type,
					PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("search_path", "pg_catalog, pg_temp",
					PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed",
					PGC_USERSET, PGC_S_OVERRIDE);
}

/*
 * The worker's main function.
 */
void
vecam_seal_worker_main(Datum arg)
{
	SealRequest request;
	volatile bool failed = false;

	memcpy(&request, MyBgworkerEntry->bgw_extra, sizeof(request));
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(request.database, InvalidOid,
											  BGWORKER_BYPASS_ALLOWCONN);
	fix_settings();
	if (!take_places(&request))
		return;

	PG_TRY();
	{
		seal_until_short(request.index);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(TopMemoryContext);
		EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		failed = true;
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	if (failed)
		rest();
}
