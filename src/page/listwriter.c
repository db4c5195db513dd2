/*-------------------------------------------------------------------------
 *
 * listwriter.c
 *	  Writing a list while an index is built.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "page/listwriter.h"
#include "page/pagelist.h"
#include "page/slots.h"
#include "utils/memutils.h"

/*
 * Set up a writer; its block numbers are kept in the current memory context.
 */
void
vecam_writer_init(VecamListWriter *writer, VecamStore *store,
				  const VecamIndex *ix, VecamList list)
{
	writer->store = store;
	writer->list = list;
	writer->slot_size = vecam_slot_size(ix, list);
	writer->full = true;
	writer->allocated = 256;
	writer->blocks = palloc(sizeof(BlockNumber) * writer->allocated);
	writer->nblocks = 0;
}

/* Add an empty page to the list. */
static void
add_page(VecamListWriter *writer)
{
	VecamPin	pin;
	VecamChange change;

	if (writer->nblocks == writer->allocated)
	{
		writer->allocated *= 2;
		writer->blocks = repalloc_huge(writer->blocks,
									   sizeof(BlockNumber) * writer->allocated);
	}
	vecam_store_alloc(writer->store, &pin);
	vecam_change_start(&change, writer->store);
	vecam_slots_init(vecam_change_page(&change, &pin, true), writer->list,
					 writer->slot_size);
	vecam_change_finish(&change);
	writer->blocks[writer->nblocks++] = pin.blkno;
	writer->full = false;
	vecam_store_unpin(writer->store, &pin);
}

/*
 * Add a slot to the list; says where it is.  May allocate a page, so the
 * caller has none in hand.
 */
void
vecam_writer_put(VecamListWriter *writer, const void *entry,
				 BlockNumber *blkno, int *slot)
{
	VecamPin	pin;
	VecamChange change;
	Page		page;

	if (writer->full)
		add_page(writer);

	*blkno = writer->blocks[writer->nblocks - 1];
	vecam_store_pin(writer->store, *blkno, BUFFER_LOCK_EXCLUSIVE, &pin);
	vecam_change_start(&change, writer->store);
	page = vecam_change_page(&change, &pin, false);
	*slot = vecam_slots_find_free(VecamPageGetSlots(page));
	vecam_slots_put(page, *slot, entry);
	writer->full = vecam_slots_find_free(VecamPageGetSlots(page)) < 0;
	vecam_change_finish(&change);
	vecam_store_unpin(writer->store, &pin);
}

/*
 * Write a page image to a new block; returns its number.
 */
BlockNumber
vecam_writer_page(VecamStore *store, Page image)
{
	VecamPin	pin;
	VecamChange change;
	BlockNumber blkno;

	vecam_store_alloc(store, &pin);
	vecam_change_start(&change, store);
	memcpy(vecam_change_page(&change, &pin, true), image, BLCKSZ);
	vecam_change_finish(&change);
	blkno = pin.blkno;
	vecam_store_unpin(store, &pin);
	return blkno;
}

/*
 * Write the list's directory pages, last first so that each can name the next,
 * and root them.
 */
void
vecam_writer_finish(VecamListWriter *writer, VecamListRoot *root)
{
	Size		npages = (writer->nblocks + VECAM_DIRECTORY_CAPACITY - 1) /
		VECAM_DIRECTORY_CAPACITY;
	PGAlignedBlock image;
	Page		page = (Page) image.data;

	memset(page, 0, BLCKSZ);
	for (Size p = npages; p-- > 0;)
	{
		Size		first = p * VECAM_DIRECTORY_CAPACITY;
		Size		end = Min(first + VECAM_DIRECTORY_CAPACITY, writer->nblocks);

		vecam_directory_init(page, writer->list, p);
		VecamPageGetOpaque(page)->next = root->head;
		for (Size i = first; i < end; i++)
			vecam_directory_put(page, writer->blocks[i]);
		root->head = vecam_writer_page(writer->store, page);
		if (!BlockNumberIsValid(root->target))
			root->target = root->head;
	}
}
