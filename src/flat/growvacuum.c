/*-------------------------------------------------------------------------
 *
 * growvacuum.c
 *	  Removing rows and pages from the lists.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "flat/growing.h"
#include "page/pagelist.h"
#include "page/progress.h"
#include "page/record.h"
#include "storage/bufmgr.h"

/*
 * Find the rows of a locked page that the callback calls dead; returns how
 * many, their slots in dead[].  The callback is asked about every row.
 */
static int
find_dead_slots(VecamSlotPage *slots, int *dead,
				IndexBulkDeleteCallback callback, void *callback_state)
{
	int			ndead = 0;

	for (int i = 0; i < slots->nslots; i++)
	{
		VecamTidEntry *entry = vecam_slot(slots, i);

		if (vecam_slot_is_live(entry) && callback(&entry->tid, callback_state))
			dead[ndead++] = i;
	}
	return ndead;
}

/*
 * Free slots of the locked page.
 *
 * WAL: slot page.
 */
static void
remove_rows(Relation index, Buffer buf, const int *dead, int ndead)
{
	VecamRecord *record = vecam_record_start(index);
	Page		page = vecam_record_page(record, buf, false);

	for (int i = 0; i < ndead; i++)
		vecam_slots_remove(page, dead[i]);
	vecam_record_finish(record);
}

/*
 * Free one slot of the locked page, and its extent pages.
 *
 * WAL: slot page, extent pages.
 */
static void
remove_long_row(Relation index, const VecamIndex *ix, Buffer buf, int slot)
{
	VecamRecord *record = vecam_record_start(index);
	Page		page = vecam_record_page(record, buf, false);
	VecamTidEntry *entry = vecam_slot(VecamPageGetSlots(page), slot);
	BlockNumber blocks[VECAM_MAX_EXTENTS];
	Buffer		extents[VECAM_MAX_EXTENTS];
	int			nextents = ix->meta.nextents;

	/* a sealer at work has given the extents to the node */
	if (((VecamGrowingEntry *) entry)->node != VECAM_INVALID_REF)
		nextents = 0;
	vecam_extent_blocks(index, BufferGetBlockNumber(buf),
						VecamGrowingPayload((VecamGrowingEntry *) entry),
						nextents, blocks);
	for (int i = 0; i < nextents; i++)
	{
		extents[i] = ReadBuffer(index, blocks[i]);
		LockBuffer(extents[i], BUFFER_LOCK_EXCLUSIVE);
		if (!vecam_page_is(index, extents[i], VECAM_PAGE_EXTENT))
			vecam_corrupt(index, blocks[i], "not an extent page");
		vecam_page_free(vecam_record_page(record, extents[i], false));
	}
	vecam_slots_remove(page, slot);
	vecam_record_finish(record);

	for (int i = 0; i < nextents; i++)
	{
		UnlockReleaseBuffer(extents[i]);
		vecam_record_free_page(index, blocks[i]);
	}
}

/*
 * Remove the rows of a list whose TIDs the callback calls dead.  Every row
 * that was in the list when this began is shown to the callback, unless it has
 * moved to the graph by then.  Locks one slot page at a time.
 *
 * Rows that come later need not be shown, so the walk ends where the list ends
 * now.  A TID that VACUUM calls dead was found in the table before it called
 * us, and its line pointer is not used again until we are done: whoever put it
 * into the index had done so before.  For the same reason CREATE INDEX
 * CONCURRENTLY, whose callback collects TIDs to see which rows are missing,
 * misses none: it looks for rows that its snapshot sees, which was taken before,
 * and transactions insert into the index before they commit.
 *
 * Nor are rows missed that move.  Sealers move them to the graph, whose nodes
 * are looked at later (vecam_nodes_delete_rows).  Compaction, which moves them
 * to the end of the list, takes the lock that VACUUM and CREATE INDEX
 * CONCURRENTLY have of the table.
 */
void
vecam_list_delete_rows(IndexVacuumInfo *info, const VecamIndex *ix,
					   VecamList list, IndexBulkDeleteResult *stats,
					   IndexBulkDeleteCallback callback, void *callback_state)
{
	Relation	index = info->index;
	bool		has_extents = list == VECAM_LIST_GROWING && ix->meta.nextents > 0;
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	int		   *dead = palloc(sizeof(int) *
							  VECAM_SLOTS_PER_PAGE(sizeof(VecamTidEntry)));
	BlockNumber blkno;

	vecam_progress_begin(index, VECAM_PROGRESS_DELETE_ROWS,
						 vecam_list_count_pages(index, list));
	vecam_list_begin_bounded(walk, index, &ix->meta, list);
	while (BlockNumberIsValid(blkno = vecam_list_next(walk)))
	{
		Buffer		buf;
		VecamSlotPage *slots;
		int			ndead = 0;

		vecam_vacuum_delay_point();
		buf = ReadBufferExtended(index, MAIN_FORKNUM, blkno, RBM_NORMAL,
								 info->strategy);
		LockBuffer(buf, BUFFER_LOCK_EXCLUSIVE);
		slots = vecam_slots_of_buffer(index, buf, ix, list);
		if (slots)
			ndead = find_dead_slots(slots, dead, callback, callback_state);

		if (has_extents)
		{
			for (int i = 0; i < ndead; i++)
				remove_long_row(index, ix, buf, dead[i]);
		}
		else if (ndead > 0)
			remove_rows(index, buf, dead, ndead);

		UnlockReleaseBuffer(buf);
		stats->tuples_removed += ndead;
		vecam_progress_advance();
	}
	pfree(dead);
	pfree(walk);
}

/*
 * Give the pages of a list that hold no row back to the index; not those that
 * join it meanwhile.
 */
void
vecam_list_free_empty_pages(IndexVacuumInfo *info, const VecamIndex *ix,
							VecamList list, IndexBulkDeleteResult *stats)
{
	Relation	index = info->index;
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	BlockNumber blkno;

	vecam_progress_begin(index, VECAM_PROGRESS_FREE_PAGES,
						 vecam_list_count_pages(index, list));
	vecam_list_begin_bounded(walk, index, &ix->meta, list);
	while (BlockNumberIsValid(blkno = vecam_list_next(walk)))
	{
		Buffer		buf;
		VecamSlotPage *slots;
		bool		empty;

		vecam_vacuum_delay_point();
		buf = ReadBufferExtended(index, MAIN_FORKNUM, blkno, RBM_NORMAL,
								 info->strategy);
		LockBuffer(buf, BUFFER_LOCK_SHARE);
		slots = vecam_slots_of_buffer(index, buf, ix, list);
		empty = slots && slots->nlive == 0;
		UnlockReleaseBuffer(buf);

		if (empty && vecam_list_remove_page(index, walk->directory, blkno))
		{
			vecam_record_free_page(index, blkno);
			vecam_count_deleted_page(stats);
		}
		vecam_progress_advance();
	}
	pfree(walk);
}

/*
 * Count a page and tell the free space map about it.  Takes and drops a share
 * lock.
 */
void
vecam_survey_page(Relation index, const VecamIndex *ix, BlockNumber blkno,
				  BufferAccessStrategy strategy, IndexBulkDeleteResult *stats)
{
	Buffer		buf = ReadBufferExtended(index, MAIN_FORKNUM, blkno, RBM_NORMAL,
										 strategy);
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
