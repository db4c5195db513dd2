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
#include "flat/seal.h"
#include "page/pagelist.h"
#include "page/slots.h"
#include "page/stop.h"
#include "storage/bufmgr.h"
#include "storage/indexfsm.h"

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

	pfree(ix);
	return stats;
}

/*
 * Count a page and tell the free space map about it.  Takes and drops a share
 * lock.
 */
static void
survey_page(IndexVacuumInfo *info, const VecamIndex *ix, BlockNumber blkno,
			IndexBulkDeleteResult *stats)
{
	Relation	index = info->index;
	Buffer		buf = ReadBufferExtended(index, MAIN_FORKNUM, blkno, RBM_NORMAL,
										 info->strategy);
	Page		page;
	bool		is_free = false;
	Size		space = 0;

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buf);
	if (PageIsNew(page))
		is_free = true;
	else
	{
		vecam_page_check(index, blkno, page);
		switch (VecamPageGetOpaque(page)->kind)
		{
			case VECAM_PAGE_FREE:
				is_free = true;
				break;
			case VECAM_PAGE_GROWING:
			case VECAM_PAGE_TIDS:
				stats->num_index_tuples += vecam_slots_count_rows(page);
				/* beside a graph the map serves nodes, see listroom.c */
				if (!ix->meta.has_graph &&
					VecamPageGetOpaque(page)->kind == VECAM_PAGE_GROWING)
					space = vecam_slots_free_space(VecamPageGetSlots(page));
				break;
			case VECAM_PAGE_NODE:
				vecam_node_page_check(index, blkno, page, &ix->nodes);
				stats->num_index_tuples += vecam_nodes_count_rows(&ix->nodes, page);
				space = (Size) ix->nodes.node_size *
					VecamPageGetNodes(page)->nfree;
				break;
			default:
				break;
		}
	}
	UnlockReleaseBuffer(buf);

	if (is_free)
	{
		vecam_record_free_page(index, blkno);
		stats->pages_free++;
	}
	else
		vecam_record_free_space(index, blkno, space);
}

/* Rows in the growing list. */
static int64
count_growing_rows(Relation index, const VecamIndex *ix)
{
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	BlockNumber blkno;
	int64		rows = 0;

	vecam_list_begin(walk, index, &ix->meta, VECAM_LIST_GROWING);
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
	VecamSealer *sealer;

	if (!ix->meta.has_graph && !seal)
		return;
	if (seal)
		seal_growing_rows(index);
	VECAM_STOP("vacuum-cleanup");
	sealer = vecam_sealer_begin(index, VECAM_SEAL_EXCLUSIVE, true);
	vecam_sealer_trim_chunks(sealer, vecam_vacuum_delay_point);
	VECAM_STOP("vacuum-trimmed");
	if (seal)
		vecam_seal_rows(sealer, PG_INT64_MAX, vecam_vacuum_delay_point);
	vecam_sealer_repair(sealer, seal, vecam_vacuum_delay_point);
	VECAM_STOP("vacuum-repaired");
	vecam_index_reread(index, ix);
	for (VecamList list = VECAM_NROWLISTS; list < VECAM_NLISTS; list++)
		vecam_list_free_empty_pages(info, ix, list, stats);
	vecam_sealer_end(sealer);
	vecam_index_reread(index, ix);
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

	ix = vecam_index_open(info->index);
	maintain_graph(info, ix, stats);
	for (VecamList list = 0; list < VECAM_NROWLISTS; list++)
		vecam_list_free_empty_pages(info, ix, list, stats);
	vecam_index_reread(info->index, ix);

	VECAM_STOP("vacuum-survey");
	stats->num_index_tuples = 0;
	stats->estimated_count = false;
	stats->pages_free = 0;
	nblocks = RelationGetNumberOfBlocks(info->index);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < nblocks; blkno++)
	{
		vecam_vacuum_delay_point();
		survey_page(info, ix, blkno, stats);
	}
	pfree(ix);
	stats->num_pages = nblocks;

	IndexFreeSpaceMapVacuum(info->index);
	return stats;
}
