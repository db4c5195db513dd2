/*-------------------------------------------------------------------------
 *
 * check.c
 *	  vecam_check
 *
 * The check keeps VACUUM out by its lock of the table, and sealers by the seal
 * lock.  What is left are inserts: they add rows to lists and pages to
 * directories, and take away nothing.  So the graph stands still, and
 * whatever has been found to be owned stays owned.  The order of work then
 * makes every finding true:
 *
 *		survey		each page alone; what kind it is, states of nodes
 *		lists		directories, their pages and slots.  All that a page
 *					surveyed belonged to is still there.  A page that does
 *					not fit its directory entry is read anew: it may have
 *					joined the list after it was surveyed.
 *		nodes		codes, edges, TIDs; then chunks of TIDs
 *		reachability
 *		owners		pages that nothing names
 *		rows		TIDs that occur twice; the table
 *
 * During recovery nothing of this can be locked.  Findings then count only if
 * no WAL was replayed meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "admin/admin.h"
#include "admin/check.h"
#include "compat.h"
#include "miscadmin.h"
#include "page/claim.h"
#include "page/progress.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define RESULT_COLUMNS 4

PG_FUNCTION_INFO_V1(vecam_check);

/*
 * Report that an invariant does not hold.  slot: -1 if it is the page's.
 */
void
vecam_check_report(VecamCheck *check, int invariant, BlockNumber blkno,
				   int slot, const char *fmt,...)
{
	Datum		values[RESULT_COLUMNS];
	bool		nulls[RESULT_COLUMNS] = {false};
	char		name[16];
	char		message[512];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	snprintf(name, sizeof(name), "INV-%d", invariant);

	values[0] = CStringGetTextDatum(name);
	values[1] = Int64GetDatum((int64) blkno);
	nulls[1] = !BlockNumberIsValid(blkno);
	values[2] = Int32GetDatum(slot);
	nulls[2] = slot < 0;
	values[3] = CStringGetTextDatum(message);
	tuplestore_putvalues(check->result, check->desc, values, nulls);
	check->nfindings++;
}

/*
 * Copy a page of the index.  Takes and drops a share lock.
 */
void
vecam_check_copy_page(VecamCheck *check, BlockNumber blkno, Page copy)
{
	Buffer		buf = ReadBufferExtended(check->index, MAIN_FORKNUM, blkno,
										 RBM_NORMAL, check->strategy);

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	memcpy(copy, BufferGetPage(buf), BLCKSZ);
	UnlockReleaseBuffer(buf);
}

/*
 * Is this a block of the relation, which only grows?
 */
bool
vecam_check_block_exists(VecamCheck *check, BlockNumber blkno)
{
	if (blkno >= check->size)
		check->size = RelationGetNumberOfBlocks(check->index);
	return blkno < check->size;
}

/*
 * Note a TID of the index.
 */
void
vecam_check_add_row(VecamCheck *check, ItemPointer tid, BlockNumber blkno,
					int slot)
{
	VecamCheckRow *row;

	if (!ItemPointerIsValid(tid))
	{
		vecam_check_report(check, 1, blkno, slot, "invalid TID");
		return;
	}
	if (check->nrows == check->rows_allocated)
	{
		check->rows_allocated *= 2;
		check->rows = repalloc_huge(check->rows, sizeof(VecamCheckRow) *
									check->rows_allocated);
	}
	row = &check->rows[check->nrows++];
	row->tid = *tid;
	row->blkno = blkno;
	row->slot = slot;
}

static void *
allocate_zeroed(Size size, Size number)
{
	return palloc_extended(mul_size(size, Max(number, 1)),
						   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* What depends on the shape of the index, which the meta page has told. */
static void
allocate_tools(VecamCheck *check)
{
	const VecamIndex *ix = check->ix;
	int			dims = ix->meta.dims;

	check->blocks = allocate_zeroed(sizeof(VecamCheckBlock), check->nblocks);
	check->nodes = allocate_zeroed(sizeof(VecamCheckNode),
								   (Size) check->nblocks * ix->nodes.per_page);
	check->rows_allocated = 1024;
	check->rows = palloc(sizeof(VecamCheckRow) * check->rows_allocated);
	check->chunks_allocated = 128;
	check->chunks = palloc(sizeof(VecamCheckChunk) * check->chunks_allocated);
	check->code = palloc(dims);
	check->x = palloc(sizeof(float) * dims);
	check->centre = palloc(sizeof(float) * dims);
	check->sketch = palloc(ix->nodes.sketch_bytes);
	check->scratch = AllocSetContextCreate(CurrentMemoryContext, "vecam check",
										   ALLOCSET_DEFAULT_SIZES);
}

/* The check, in the order that the head of this file explains. */
static void
check_index(VecamCheck *check, Snapshot snapshot)
{
	check->nblocks = check->size = RelationGetNumberOfBlocks(check->index);
	if (!vecam_check_meta(check))
		return;
	allocate_tools(check);
	vecam_check_survey(check);
	vecam_check_mean(check);
	check->queue = allocate_zeroed(sizeof(VecamRef), check->nnodes);
	vecam_check_lists(check);
	vecam_check_nodes(check);
	vecam_check_chunks(check);
	vecam_check_reachability(check);
	vecam_check_owners(check);
	vecam_check_tids(check);
	if (snapshot)
		vecam_check_table(check, snapshot);
}

/* Check under the seal lock, as the table's owner. */
static void
check_in_place(VecamCheck *check, bool recovery, bool heapallindexed)
{
	Snapshot	snapshot = NULL;
	VecamUserContext user;

	vecam_admin_become_owner(&user, check->table);
	if (!recovery)
		(void) vecam_claim_block(check->index, VECAM_META_BLKNO, ExclusiveLock,
								 true);

	/*
	 * All rows that the snapshot sees were in the index before its first page
	 * is read.  The latest snapshot, since an older one may see row versions
	 * that an index built meanwhile has only the successors of.
	 */
	if (heapallindexed)
		snapshot = RegisterSnapshot(GetLatestSnapshot());
	check_index(check, snapshot);
	if (snapshot)
		UnregisterSnapshot(snapshot);

	if (!recovery)
		vecam_release_block(check->index, VECAM_META_BLKNO, ExclusiveLock);
	vecam_admin_restore_user(&user);
}

/* Rows that a failed or unfinished build has left out are no damage. */
static void
check_is_valid(Relation index)
{
	if (!index->rd_index->indisvalid)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot compare index \"%s\" with its table",
						RelationGetRelationName(index)),
				 errdetail("The index is not valid.")));
}

/*
 * vecam_check(index regclass, heapallindexed boolean): a row for each place
 * where an invariant does not hold.
 */
Datum
vecam_check(PG_FUNCTION_ARGS)
{
	bool		recovery = RecoveryInProgress();
	bool		heapallindexed = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	VecamCheck	check = {0};
	XLogRecPtr	replayed;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("index must not be null")));
	check.index = vecam_admin_open_for_check(PG_GETARG_OID(0), recovery,
											 &check.table);
	if (heapallindexed)
		check_is_valid(check.index);
	check.result = vecam_admin_start_rows(fcinfo, RESULT_COLUMNS, &check.desc);
	check.strategy = GetAccessStrategy(BAS_BULKREAD);

	replayed = recovery ? GetXLogReplayRecPtr(NULL) : InvalidXLogRecPtr;
	vecam_progress_start(check.index);
	check_in_place(&check, recovery, heapallindexed);
	vecam_progress_end();
	if (recovery && check.nfindings > 0 &&
		(!RecoveryInProgress() || GetXLogReplayRecPtr(NULL) != replayed))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not check index \"%s\" while WAL is replayed",
						RelationGetRelationName(check.index)),
				 errhint("Pause recovery with pg_wal_replay_pause() and try again.")));

	vecam_admin_close_after_check(check.index, recovery, check.table);
	return (Datum) 0;
}
