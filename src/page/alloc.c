/*-------------------------------------------------------------------------
 *
 * alloc.c
 *	  Finding pages for new contents.
 *
 * The free space map is a hint: it is not WAL-logged, so after a crash it may
 * name pages that are in use, and miss pages that are free until the next
 * VACUUM.  A page taken from it is therefore tested under its lock.
 *
 * A free page is recorded with more space than any page with contents can
 * have, so that looking for a whole page never finds a page of a list.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "compat.h"
#include "miscadmin.h"
#include "page/page.h"
#include "storage/freespace.h"

/* The free space map's highest category, which only whole pages reach. */
#define WHOLE_PAGE MaxHeapTupleSize

/* The map's precision: it has 256 categories. */
#define FSM_STEP (BLCKSZ / 256)

StaticAssertDecl(VECAM_PAGE_CAPACITY - sizeof(VecamSlotPage) < WHOLE_PAGE,
				 "a slot page must not look like a free page");

/*
 * If the block is all-zero or a free page, return it exclusively locked, else
 * InvalidBuffer.  Does not wait for the lock: a page that somebody has locked
 * is about to be used.
 */
Buffer
vecam_claim_free_page(Relation index, BlockNumber blkno)
{
	Buffer		buf = ReadBuffer(index, blkno);
	Page		page;

	if (!ConditionalLockBuffer(buf))
	{
		ReleaseBuffer(buf);
		return InvalidBuffer;
	}
	page = BufferGetPage(buf);
	if (PageIsNew(page))
		return buf;
	vecam_page_check(index, blkno, page);
	if (VecamPageGetOpaque(page)->kind == VECAM_PAGE_FREE)
		return buf;

	UnlockReleaseBuffer(buf);
	return InvalidBuffer;
}

/*
 * Return an all-zero or free page, exclusively locked, that no list and no
 * chain names.  The caller initialises it in the WAL record that links it.
 *
 * Nobody waits for the lock of such a page, so the caller may go on to lock
 * other pages while it holds this one.  But the locks that it holds when it
 * calls must be of unlinked pages too: extending the relation waits for a
 * heavyweight lock, whose holder waits for no linked page's lock.
 */
Buffer
vecam_alloc_page(Relation index)
{
	for (;;)
	{
		BlockNumber blkno = vecam_find_space(index, WHOLE_PAGE);
		Buffer		buf;

		CHECK_FOR_INTERRUPTS();

		if (blkno == InvalidBlockNumber)
			return vecam_extend_relation(index);

		RecordPageWithFreeSpace(index, blkno, 0);
		buf = vecam_claim_free_page(index, blkno);
		if (BufferIsValid(buf))
			return buf;
	}
}

void
vecam_record_free_page(Relation index, BlockNumber blkno)
{
	RecordPageWithFreeSpace(index, blkno, WHOLE_PAGE);
}

/*
 * Note the free bytes of a page with contents, for vecam_find_space.  The map
 * rounds what a page has down and what is wanted up, so that a page with room
 * for just one slot would never be found; a little more is noted, as whoever
 * finds the page looks again anyway.
 */
void
vecam_record_free_space(Relation index, BlockNumber blkno, Size space)
{
	if (space > 0)
		space = Min(space + FSM_STEP - 1, WHOLE_PAGE - 1);
	RecordPageWithFreeSpace(index, blkno, space);
}

/*
 * A block that may have this much space, free pages included, or
 * InvalidBlockNumber.
 */
BlockNumber
vecam_find_space(Relation index, Size space)
{
	BlockNumber blkno = GetPageWithFreeSpace(index, space);

	/* after a crash of the machine the map may be ahead of the relation */
	if (blkno != InvalidBlockNumber &&
		blkno >= RelationGetNumberOfBlocks(index))
	{
		RecordPageWithFreeSpace(index, blkno, 0);
		return InvalidBlockNumber;
	}
	return blkno;
}
