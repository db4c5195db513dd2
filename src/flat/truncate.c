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
#include "utils/timestamp.h"

/* The lock is asked for so often, as VACUUM does. */
#define LOCK_TRIES 100
#define LOCK_WAIT_US 50000

/* Others do not wait longer for it than this, looked at every so many pages. */
#define HOLD_MS 20
#define HOLD_CHECK_PAGES 32

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

/* Has the lock been held for long enough, and does somebody wait for it? */
static bool
is_wanted(Relation index, TimestampTz locked_at)
{
	return TimestampDifferenceExceeds(locked_at, GetCurrentTimestamp(), HOLD_MS) &&
		LockHasWaitersRelation(index, AccessExclusiveLock);
}

/*
 * The length that the index needs: the pages behind it are free.  With
 * `locked_at` not zero we have the index for ourselves since then: *stopped says
 * that others wait for it, so that not all free pages were looked at.
 */
static BlockNumber
needed_length(Relation index, TimestampTz locked_at, bool *stopped)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	int64		done = 0;

	*stopped = false;
	vecam_progress_begin(index, VECAM_PROGRESS_TRUNCATE, nblocks);
	while (nblocks > VECAM_META_BLKNO + 1 && !*stopped &&
		   is_free_page(index, nblocks - 1))
	{
		CHECK_FOR_INTERRUPTS();
		nblocks--;
		vecam_progress_update(++done);
		*stopped = locked_at != 0 && nblocks % HOLD_CHECK_PAGES == 0 &&
			is_wanted(index, locked_at);
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
 * Cut off the free pages at the end, having the index for ourselves.  True if it
 * was stopped short because others wait.
 */
static bool
truncate_locked(Relation index)
{
	bool		stopped;
	BlockNumber after = needed_length(index, GetCurrentTimestamp(), &stopped);

	if (after < RelationGetNumberOfBlocks(index))
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
	return stopped;
}

/*
 * Give the free pages at the end of the index back to the file system, if the
 * lock for it is to be had.  Nothing leads to them any more, and nobody has a
 * reference in hand who has no lock.
 *
 * An open cursor of this very session keeps nobody out; it may be using the
 * index, in which case nothing is done.
 */
void
vecam_truncate_index(Relation index)
{
	bool		more;

	if (index->rd_refcnt > 1 ||
		needed_length(index, 0, &more) == RelationGetNumberOfBlocks(index))
		return;
	VECAM_STOP("compact-truncate");
	do
	{
		if (!lock_for_truncation(index))
			return;
		more = truncate_locked(index);
		UnlockRelation(index, AccessExclusiveLock);
	} while (more);
	VECAM_STOP("compact-truncated");
}

/* What an index holds, by kinds of slots. */
typedef struct Contents
{
	int64		nodes;
	int64		slots[VECAM_NLISTS];
	int64		others;			/* pages that are not shared */
	int64		free_pages;
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
	else if (kind == VECAM_PAGE_FREE)
		contents->free_pages++;
	else
		contents->others++;
	UnlockReleaseBuffer(buf);
}

static int64
pages_for(int64 things, int per_page)
{
	return (things + per_page - 1) / per_page;
}

/*
 * The share of the index's bytes that hold nothing live, with or without its
 * free pages.  What is live is counted in the pages that it needs.
 */
double
vecam_index_fragmentation(Relation index, const VecamIndex *ix,
						  bool with_free_pages, void (*delay) (void))
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	Contents	contents = {0};
	int64		needed;
	int64		used = nblocks;

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
	if (!with_free_pages)
		used -= contents.free_pages;
	return Max(0.0, 1.0 - (double) needed / Max(used, 1));
}
