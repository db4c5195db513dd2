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

#include "page/listwriter.h"
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
 * Write `bytes` bytes to a new extent page; returns its number.
 */
BlockNumber
vecam_extent_write(VecamStore *store, const void *data, Size bytes,
				   BlockNumber next)
{
	PGAlignedBlock image;
	Page		page = (Page) image.data;

	memset(page, 0, BLCKSZ);
	vecam_page_init(page, VECAM_PAGE_EXTENT);
	VecamPageGetOpaque(page)->next = next;
	memcpy(PageGetContents(page), data, bytes);
	vecam_page_set_used(page, bytes);
	return vecam_writer_page(store, page);
}

/*
 * The extent pages that a payload on page `owner` names.  They are about to be
 * locked, so they must be blocks of the relation other than that page and one
 * another (INV-6).
 */
void
vecam_extent_blocks(Relation index, BlockNumber owner, const uint8 *payload,
					int nextents, BlockNumber *blocks)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);

	memcpy(blocks, payload, sizeof(BlockNumber) * nextents);
	for (int i = 0; i < nextents; i++)
	{
		if (blocks[i] >= nblocks || blocks[i] == owner ||
			blocks[i] == VECAM_META_BLKNO || (i > 0 && blocks[i] == blocks[0]))
			vecam_corrupt(index, owner, "extent page at block %u", blocks[i]);
	}
}

/*
 * Write the code of a long row to extent pages; their numbers go to blocks.
 */
void
vecam_extents_write(VecamStore *store, const VecamIndex *ix, const uint8 *code,
					BlockNumber *blocks)
{
	for (int i = 0; i < ix->meta.nextents; i++)
		blocks[i] = vecam_extent_write(store,
									   code + (Size) i * VECAM_PAGE_CAPACITY,
									   vecam_extent_bytes(ix->meta.dims, i),
									   InvalidBlockNumber);
}

/*
 * Builds: give back the extent pages that a payload names.
 */
void
vecam_extents_give_back(VecamStore *store, const VecamIndex *ix,
						const uint8 *payload)
{
	BlockNumber blocks[VECAM_MAX_EXTENTS];

	memcpy(blocks, payload, sizeof(BlockNumber) * ix->meta.nextents);
	for (int i = 0; i < ix->meta.nextents; i++)
		vecam_store_take_page(store, blocks[i], NULL);
}

/*
 * Put a code together (dims bytes) from what stands for it in a slot or node,
 * which the caller has in hand: the code itself, or the blocks of its extent
 * pages, which are locked one after another.
 */
void
vecam_extents_read(VecamStore *store, const VecamIndex *ix,
				   const uint8 *payload, uint8 *code)
{
	BlockNumber blocks[VECAM_MAX_EXTENTS];
	BlockNumber nblocks;

	if (ix->meta.nextents == 0)
	{
		memcpy(code, payload, ix->meta.dims);
		return;
	}
	memcpy(blocks, payload, sizeof(BlockNumber) * ix->meta.nextents);
	nblocks = vecam_store_nblocks(store);
	for (int i = 0; i < ix->meta.nextents; i++)
	{
		VecamPin	pin;

		if (blocks[i] >= nblocks)
			vecam_corrupt(store->index, VECAM_META_BLKNO,
						  "extent page at block %u", blocks[i]);
		vecam_store_pin(store, blocks[i], BUFFER_LOCK_SHARE, &pin);
		if (BufferIsValid(pin.buf) &&
			!vecam_page_is(store->index, pin.buf, VECAM_PAGE_EXTENT))
			vecam_corrupt(store->index, blocks[i], "not an extent page");
		memcpy(code + (Size) i * VECAM_PAGE_CAPACITY,
			   PageGetContents(pin.page),
			   vecam_extent_bytes(ix->meta.dims, i));
		vecam_store_unpin(store, &pin);
	}
}

/*
 * Write the mean of an index; returns the first page of the chain.  Goes from
 * the last page to the first, so that each page can name the next.
 */
BlockNumber
vecam_mean_write(VecamStore *store, int dims, const float *mean)
{
	BlockNumber next = InvalidBlockNumber;
	int			npages = (dims + FLOATS_PER_PAGE - 1) / FLOATS_PER_PAGE;

	for (int piece = npages - 1; piece >= 0; piece--)
	{
		next = vecam_extent_write(store, mean + piece * FLOATS_PER_PAGE,
								  vecam_extent_bytes(sizeof(float) * dims,
													 piece), next);
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
		buf = vecam_read_page(index, blkno, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buf);
		if (!vecam_page_is(index, buf, VECAM_PAGE_EXTENT))
			vecam_corrupt(index, blkno, "not an extent page");
		memcpy(mean + done, PageGetContents(page), bytes);
		blkno = VecamPageGetOpaque(page)->next;
		UnlockReleaseBuffer(buf);
	}
}
