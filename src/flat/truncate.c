/*-------------------------------------------------------------------------
 *
 * truncate.c
 *	  How full an index is, and giving the free pages at its end back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/storage.h"
#include "flat/compact.h"
#include "miscadmin.h"
#include "page/progress.h"
#include "page/slots.h"
#include "page/stop.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/rel.h"

/* The lock is asked for so often, as VACUUM does. */
#define LOCK_TRIES 100
#define LOCK_WAIT_US 50000

static bool
is_free_page(Relation index, BlockNumber blkno)
{
	Buffer		buf = ReadBuffer(index, blkno);
	Page		page = BufferGetPage(buf);
	bool		is_free;

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	is_free = PageIsNew(page) || vecam_page_is(index, buf, VECAM_PAGE_FREE);
	UnlockReleaseBuffer(buf);
	return is_free;
}

/* The length that the index needs: the pages behind it are free. */
static BlockNumber
needed_length(Relation index)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	int64		done = 0;

	vecam_progress_begin(index, VECAM_PROGRESS_TRUNCATE, nblocks);
	while (nblocks > VECAM_META_BLKNO + 1 && is_free_page(index, nblocks - 1))
	{
		CHECK_FOR_INTERRUPTS();
		nblocks--;
		vecam_progress_update(++done);
	}
	return nblocks;
}

/* Get the index for ourselves if nobody uses it for a moment. */
static bool
lock_for_truncation(Relation index)
{
	for (int i = 0; i < LOCK_TRIES; i++)
	{
		if (ConditionalLockRelation(index, AccessExclusiveLock))
			return true;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(LOCK_WAIT_US);
	}
	return false;
}

/*
 * Give the free pages at the end of the index back to the file system, if the
 * lock for it is to be had.  Nothing leads to them any more,
 * and nobody has a reference in hand who has no lock.
 *
 * An open cursor of this very session keeps nobody out; it may be using the
 * index, in which case nothing is done.
 */
void
vecam_truncate_index(Relation index)
{
	BlockNumber before = RelationGetNumberOfBlocks(index);
	BlockNumber after;

	if (index->rd_refcnt > 1 || needed_length(index) == before)
		return;
	VECAM_STOP("compact-truncate");
	if (!lock_for_truncation(index))
		return;
	before = RelationGetNumberOfBlocks(index);
	after = needed_length(index);
	if (after < before)
	{
		/*
		 * What sessions keep of the index must not lead beyond its end.
		 * Entry points of nodes that are gone may be among that, and the
		 * invalidation is sent at commit only.
		 */
		vecam_meta_count_entry_change(index);
		CacheInvalidateRelcache(index);
		RelationTruncate(index, after);
	}
	UnlockRelation(index, AccessExclusiveLock);
	VECAM_STOP("compact-truncated");
}

/* What an index holds, by kinds of slots. */
typedef struct Contents
{
	int64		nodes;
	int64		slots[VECAM_NLISTS];
	int64		others;			/* pages that are not shared */
} Contents;

/* Count what a page holds.  Takes and drops a share lock. */
static void
count_contents(Relation index, const VecamIndex *ix, BlockNumber blkno,
			   Contents *contents)
{
	Buffer		buf = ReadBuffer(index, blkno);
	Page		page = BufferGetPage(buf);
	int			kind = VECAM_PAGE_FREE;

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	if (!PageIsNew(page))
	{
		vecam_page_check(index, blkno, page);
		kind = VecamPageGetOpaque(page)->kind;
	}
	if (kind == VECAM_PAGE_NODE)
	{
		vecam_node_page_check(index, blkno, page, &ix->nodes);
		for (int slot = 0; slot < ix->nodes.per_page; slot++)
		{
			VecamNodeHeader *node = vecam_node_at(&ix->nodes, page, slot);

			contents->nodes += node->state == VECAM_NODE_LIVE ||
				node->state == VECAM_NODE_BUILDING;
		}
	}
	else if (kind == VECAM_PAGE_GROWING || kind == VECAM_PAGE_TIDS ||
			 kind == VECAM_PAGE_ENTRY)
		contents->slots[VecamPageGetSlots(page)->list] +=
			VecamPageGetSlots(page)->nlive;
	else if (kind != VECAM_PAGE_FREE)
		contents->others++;
	UnlockReleaseBuffer(buf);
}

static int64
pages_for(int64 things, int per_page)
{
	return (things + per_page - 1) / per_page;
}

/*
 * The share of the index's bytes that hold nothing live.  What is live is
 * counted in the pages that it needs.
 */
double
vecam_index_fragmentation(Relation index, const VecamIndex *ix,
						  void (*delay) (void))
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	Contents	contents = {0};
	int64		needed;

	vecam_progress_begin(index, VECAM_PROGRESS_SURVEY, nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO; blkno < nblocks; blkno++)
	{
		CHECK_FOR_INTERRUPTS();
		delay();
		vecam_progress_update(blkno);
		count_contents(index, ix, blkno, &contents);
	}
	needed = contents.others + pages_for(contents.nodes, ix->nodes.per_page);
	for (VecamList list = 0; list < VECAM_NLISTS; list++)
		needed += pages_for(contents.slots[list],
							VECAM_SLOTS_PER_PAGE(vecam_slot_size(ix, list)));
	return Max(0.0, 1.0 - (double) needed / Max(nblocks, 1));
}
