/*-------------------------------------------------------------------------
 *
 * extent.c
 *	  Things too long for a slot, in pages of their own.
 *
 * An extent page holds raw bytes from the start of its contents; pd_lower ends
 * them.  The code of a long row is cut into nextents pieces, one to a page, each but
 * the last as long as a page allows, and its slot names the pages.
 * The mean is a chain of extent pages, through the pages' next.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "page/meta.h"
#include "page/page.h"
#include "utils/rel.h"

#define FLOATS_PER_PAGE ((int) (VECAM_PAGE_CAPACITY / sizeof(float)))

/*
 * Bytes of one piece of a thing of `total` bytes.
 */
Size
vecam_extent_bytes(Size total, int piece)
{
	Size		start = (Size) piece * VECAM_PAGE_CAPACITY;

	Assert(start < total);
	return Min(total - start, (Size) VECAM_PAGE_CAPACITY);
}

/*
 * Write the mean of a new index; returns the first page of the chain.  For
 * builds: not logged here.  Goes from the last page to the first, so that each
 * page can name the next.
 */
BlockNumber
vecam_mean_write(Relation index, int dims, const float *mean)
{
	BlockNumber next = InvalidBlockNumber;
	int			npages = (dims + FLOATS_PER_PAGE - 1) / FLOATS_PER_PAGE;

	for (int piece = npages - 1; piece >= 0; piece--)
	{
		Size		bytes = vecam_extent_bytes(sizeof(float) * dims, piece);
		Buffer		buf = vecam_alloc_page(index);
		Page		page = BufferGetPage(buf);

		vecam_page_init(page, VECAM_PAGE_EXTENT);
		VecamPageGetOpaque(page)->next = next;
		memcpy(PageGetContents(page), mean + piece * FLOATS_PER_PAGE, bytes);
		vecam_page_set_used(page, bytes);
		MarkBufferDirty(buf);
		next = BufferGetBlockNumber(buf);
		UnlockReleaseBuffer(buf);
	}
	return next;
}

/*
 * Read the mean of `dims` coordinates.  Takes and drops share locks, one page
 * at a time.
 */
void
vecam_mean_read(Relation index, BlockNumber first, int dims, float *mean)
{
	BlockNumber blkno = first;

	for (int done = 0; done < dims; done += FLOATS_PER_PAGE)
	{
		Size		bytes = vecam_extent_bytes(sizeof(float) * dims,
											   done / FLOATS_PER_PAGE);
		Buffer		buf;
		Page		page;

		if (!BlockNumberIsValid(blkno))
			vecam_corrupt(index, first, "mean of fewer than %d dimensions", dims);
		buf = ReadBuffer(index, blkno);
		LockBuffer(buf, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buf);
		if (!vecam_page_is(index, buf, VECAM_PAGE_EXTENT))
			vecam_corrupt(index, blkno, "not an extent page");
		memcpy(mean + done, PageGetContents(page), bytes);
		blkno = VecamPageGetOpaque(page)->next;
		UnlockReleaseBuffer(buf);
	}
}
