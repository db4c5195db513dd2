/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  ambulkdelete and amvacuumcleanup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "compat.h"
#include "flat/compact.h"
#include "flat/seal.h"
#include "page/pagelist.h"
#include "page/progress.h"
#include "page/slots.h"
#include "page/stop.h"
#include "storage/bufmgr.h"
#include "storage/indexfsm.h"

/* VACUUM compacts one part of so many of an index, but not less than this. */
#define COMPACT_PARTS 8
#define MIN_COMPACT_PAGES 64

/*
 * ambulkdelete: remove the rows whose TIDs the callback calls dead.  Called
 * again for each batch of dead TIDs; only tuples_removed adds up.
 */
IndexBulkDeleteResult *
vecam_bulkdelete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				 IndexBulkDeleteCallback callback, void *callback_state)
{
	VecamIndex *ix = vecam_index_open(info->index);

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));

	vecam_progress_start(info->index);
	/* rows move from the growing list to the graph, so that order */
	for (VecamList list = 0; list < VECAM_NROWLISTS; list++)
	{
		VECAM_STOP("vacuum-list");
		vecam_list_delete_rows(info, ix, list, stats, callback, callback_state);
	}
	VECAM_STOP("vacuum-nodes");
	vecam_index_reread(info->index, ix);
	if (ix->meta.has_graph)
		vecam_nodes_delete_rows(info, ix, stats, callback, callback_state);

	vecam_progress_end();
	pfree(ix);
	return stats;
}

/* Rows in the growing list, as long as it is now. */
static int64
count_growing_rows(Relation index, const VecamIndex *ix)
{
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	BlockNumber blkno;
	int64		rows = 0;

	vecam_list_begin_bounded(walk, index, &ix->meta, VECAM_LIST_GROWING);
	while (BlockNumberIsValid(blkno = vecam_list_next(walk)))
	{
		Buffer		buf = ReadBuffer(index, blkno);
		VecamSlotPage *slots;

		vecam_vacuum_delay_point();
		LockBuffer(buf, BUFFER_LOCK_SHARE);
		slots = vecam_slots_of_buffer(index, buf, ix, VECAM_LIST_GROWING);
		if (slots)
			rows += slots->nlive;
		UnlockReleaseBuffer(buf);
	}
	pfree(walk);
	return rows;
}

/* Seal the growing list, beside others who do. */
static void
seal_growing_rows(Relation index)
{
	VecamSealer *sealer = vecam_sealer_begin(index, VECAM_SEAL_SHARED, true);

	vecam_seal_rows(sealer, PG_INT64_MAX, vecam_vacuum_delay_point);
	vecam_sealer_end(sealer);
}

static void
delay_finish(void *arg)
{
	vecam_vacuum_delay_point();
}

/*
 * Seal the growing list if it is long enough, then repair the graph, alone.
 * What has come to the growing list in between is sealed before the repair, so
 * that no row claims a node.  The graph's own lists lose their empty pages
 * while no sealer can be adding to them.
 */
static void
maintain_graph(IndexVacuumInfo *info, VecamIndex *ix,
			   IndexBulkDeleteResult *stats)
{
	Relation	index = info->index;
	bool		seal = vecam_wants_seal(index, ix,
										count_growing_rows(index, ix), 1);
	VecamRepairStats repair;
	VecamSealer *sealer;

	if (!ix->meta.has_graph && !seal)
		return;
	if (seal)
		seal_growing_rows(index);
	VECAM_STOP("vacuum-cleanup");
	sealer = vecam_sealer_begin(index, VECAM_SEAL_EXCLUSIVE, true);
	vecam_finish_moves(&sealer->graph, delay_finish, NULL);
	vecam_sealer_trim_chunks(sealer, false, vecam_vacuum_delay_point);
	VECAM_STOP("vacuum-trimmed");
	if (seal)
		vecam_seal_rows(sealer, PG_INT64_MAX, vecam_vacuum_delay_point);
	vecam_sealer_repair(sealer, seal, false, vecam_vacuum_delay_point, &repair);
	VECAM_STOP("vacuum-repaired");
	vecam_index_reread(index, ix);
	for (VecamList list = VECAM_NROWLISTS; list < VECAM_NLISTS; list++)
		vecam_list_free_empty_pages(info, ix, list, stats);
	vecam_sealer_end(sealer);
	vecam_index_reread(index, ix);
}

/*
 * Compact the index if it holds less than its option asks for: a part of it at a
 * time, as VACUUM has other things to do.  The file stays as long as it is, so
 * free pages do not count: it would never end, and each VACUUM take out all dead
 * nodes, whatever that costs.
 */
static void
compact_fragmented(Relation index, const VecamIndex *ix)
{
	double		threshold = vecam_options_of(index).compact_threshold;
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	VecamCompactStats stats;

	if (threshold <= 0 || nblocks < MIN_COMPACT_PAGES ||
		vecam_index_fragmentation(index, ix, false,
								  vecam_vacuum_delay_point) <= threshold)
		return;
	vecam_compact_index(index, Max(nblocks / COMPACT_PARTS, MIN_COMPACT_PAGES),
						vecam_vacuum_delay_point, &stats);
	VECAM_STOP("vacuum-compacted");
}

/*
 * amvacuumcleanup: free pages without rows, count what is left, and make the
 * free space map say what is free.  The pass over all blocks also finds pages
 * that a crash left all-zero at the end of the relation.
 */
IndexBulkDeleteResult *
vecam_vacuumcleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	VecamIndex *ix;
	BlockNumber nblocks;

	if (info->analyze_only)
		return stats;
	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));

	vecam_progress_start(info->index);
	ix = vecam_index_open(info->index);
	maintain_graph(info, ix, stats);
	for (VecamList list = 0; list < VECAM_NROWLISTS; list++)
		vecam_list_free_empty_pages(info, ix, list, stats);
	vecam_index_reread(info->index, ix);

	compact_fragmented(info->index, ix);
	vecam_index_reread(info->index, ix);

	nblocks = RelationGetNumberOfBlocks(info->index);
	vecam_progress_begin(info->index, VECAM_PROGRESS_SURVEY, nblocks);
	VECAM_STOP("vacuum-survey");
	stats->num_index_tuples = 0;
	stats->estimated_count = false;
	stats->pages_free = 0;
	nblocks = RelationGetNumberOfBlocks(info->index);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < nblocks; blkno++)
	{
		vecam_vacuum_delay_point();
		vecam_progress_update(blkno);
		vecam_survey_page(info->index, ix, blkno, info->strategy, stats);
	}
	pfree(ix);
	stats->num_pages = nblocks;

	IndexFreeSpaceMapVacuum(info->index);
	vecam_progress_end();
	return stats;
}
