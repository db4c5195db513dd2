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
#include "flat/growing.h"
#include "page/slots.h"
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

	for (VecamList list = 0; list < VECAM_NLISTS; list++)
		vecam_list_delete_rows(info, ix, list, stats, callback, callback_state);

	pfree(ix);
	return stats;
}

/*
 * Count a page and tell the free space map about it.  Takes and drops a share
 * lock.
 */
static void
survey_page(IndexVacuumInfo *info, BlockNumber blkno,
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
				space = vecam_slots_free_space(VecamPageGetSlots(page));
				stats->num_index_tuples += VecamPageGetSlots(page)->nlive;
				break;
			case VECAM_PAGE_TIDS:
				stats->num_index_tuples += VecamPageGetSlots(page)->nlive;
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
	for (VecamList list = 0; list < VECAM_NLISTS; list++)
		vecam_list_free_empty_pages(info, ix, list, stats);
	pfree(ix);

	stats->num_index_tuples = 0;
	stats->estimated_count = false;
	stats->pages_free = 0;
	nblocks = RelationGetNumberOfBlocks(info->index);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < nblocks; blkno++)
	{
		vecam_vacuum_delay_point();
		survey_page(info, blkno, stats);
	}
	stats->num_pages = nblocks;

	IndexFreeSpaceMapVacuum(info->index);
	return stats;
}
