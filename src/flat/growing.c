/*-------------------------------------------------------------------------
 *
 * growing.c
 *	  Forming rows and appending them to the lists.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "flat/growing.h"
#include "miscadmin.h"
#include "page/pagelist.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* Candidates of the free space map tried before the list gets a new page. */
#define FSM_TRIES 8

/*
 * Allocate a row for this index in the current memory context.
 */
void
vecam_row_init(VecamRow *row, const VecamIndex *ix)
{
	int			dims = ix->meta.dims;

	row->slot.bytes = palloc0(Max(ix->meta.growing_size,
								  sizeof(VecamTidEntry)));
	row->code = ix->meta.nextents == 0 ?
		VecamGrowingPayload(row->slot.growing) : palloc(dims);
	row->scratch = palloc(sizeof(float) * dims);
}

/*
 * Fill the row for a vector of the index's dimensions, or NULL, and choose the
 * list that it belongs to.
 */
void
vecam_row_form(VecamRow *row, const VecamIndex *ix, ItemPointer tid,
			   const float *x)
{
	row->slot.tid->tid = *tid;
	row->slot.tid->flags = 0;

	if (x == NULL)
		row->list = VECAM_LIST_NULL;
	else if (vecam_codec_encode(&ix->codec, x, row->scratch,
								&row->slot.growing->sq8, row->code))
	{
		row->list = VECAM_LIST_GROWING;
		row->slot.growing->node = VECAM_INVALID_REF;
	}
	else
		row->list = VECAM_LIST_UNDEFINED;
}

/*
 * The extent pages that a growing slot on page `blkno` names.  They are about
 * to be locked, so they must be blocks of the relation other than that page
 * and one another (INV-6).
 */
void
vecam_extents_of_entry(Relation index, BlockNumber blkno,
					   const VecamGrowingEntry *entry, int nextents,
					   BlockNumber *blocks)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);

	memcpy(blocks, VecamGrowingPayload(unconstify(VecamGrowingEntry *, entry)),
		   sizeof(BlockNumber) * nextents);
	for (int i = 0; i < nextents; i++)
	{
		if (blocks[i] >= nblocks || blocks[i] == blkno ||
			blocks[i] == VECAM_META_BLKNO || (i > 0 && blocks[i] == blocks[0]))
			vecam_corrupt(index, blkno, "extent page at block %u", blocks[i]);
	}
}

/*
 * Lock the page if it belongs to the list and has room, else InvalidBuffer.
 * With `wait` false a page that somebody has locked counts as full: concurrent
 * inserters so spread over pages.
 */
static Buffer
try_page(Relation index, const VecamIndex *ix, VecamList list,
		 BlockNumber blkno, bool wait)
{
	Buffer		buf = ReadBuffer(index, blkno);
	VecamSlotPage *slots;

	if (wait)
		LockBuffer(buf, BUFFER_LOCK_EXCLUSIVE);
	else if (!ConditionalLockBuffer(buf))
	{
		ReleaseBuffer(buf);
		return InvalidBuffer;
	}

	slots = vecam_slots_of_buffer(index, buf, &ix->meta, list);
	if (slots && vecam_slots_find_free(slots) >= 0)
		return buf;

	UnlockReleaseBuffer(buf);
	return InvalidBuffer;
}

/*
 * A page of the growing list with room that the free space map knows, or
 * InvalidBuffer.  Whole free pages are left to vecam_alloc_page.
 */
static Buffer
try_free_space(Relation index, const VecamIndex *ix)
{
	for (int i = 0; i < FSM_TRIES; i++)
	{
		BlockNumber blkno = vecam_find_space(index, ix->meta.growing_size);
		Buffer		buf;

		if (!BlockNumberIsValid(blkno))
			break;
		buf = try_page(index, ix, VECAM_LIST_GROWING, blkno, true);
		if (BufferIsValid(buf))
			return buf;

		buf = vecam_claim_free_page(index, blkno);
		if (BufferIsValid(buf))
		{
			UnlockReleaseBuffer(buf);
			break;
		}
		vecam_record_free_space(index, blkno, 0);
	}
	return InvalidBuffer;
}

/* One of the newest pages of the list, if it has room and nobody is on it. */
static Buffer
try_newest_pages(Relation index, const VecamIndex *ix, VecamList list)
{
	BlockNumber blocks[VECAM_NEWEST_PAGES];
	int			n = vecam_list_newest_pages(index, list, blocks);

	for (int i = 0; i < n; i++)
	{
		Buffer		buf = try_page(index, ix, list, blocks[i], false);

		if (BufferIsValid(buf))
			return buf;
	}
	return InvalidBuffer;
}

/*
 * Return a page of the list with room for a row, exclusively locked.  The
 * caller holds no content lock but of unlinked pages.
 */
static Buffer
lock_page_with_room(Relation index, const VecamIndex *ix, VecamList list)
{
	Buffer		buf = InvalidBuffer;
	bool		growing = (list == VECAM_LIST_GROWING);
	BlockNumber target = RelationGetTargetBlock(index);

	if (growing && BlockNumberIsValid(target))
		buf = try_page(index, ix, list, target, true);
	if (!BufferIsValid(buf) && growing)
		buf = try_free_space(index, ix);
	if (!BufferIsValid(buf))
		buf = try_newest_pages(index, ix, list);
	if (!BufferIsValid(buf))
		buf = vecam_list_add_page(index, list, vecam_slot_size(&ix->meta, list));
	if (growing)
		RelationSetTargetBlock(index, BufferGetBlockNumber(buf));
	return buf;
}

/*
 * Put the row into a free slot of the locked page.
 *
 * WAL: slot page.
 */
static void
put_row(Relation index, Buffer buf, VecamRow *row)
{
	GenericXLogState *state = GenericXLogStart(index);
	Page		page = GenericXLogRegisterBuffer(state, buf, 0);

	vecam_slots_put(page, vecam_slots_find_free(VecamPageGetSlots(page)),
					row->slot.bytes);
	GenericXLogFinish(state);
}

/*
 * Put the row into a free slot of the locked page and its code into the locked
 * extent pages.
 *
 * WAL: slot page, extent pages.
 */
static void
put_long_row(Relation index, const VecamIndex *ix, Buffer buf,
			 const Buffer *extents, VecamRow *row)
{
	GenericXLogState *state = GenericXLogStart(index);
	Page		page = GenericXLogRegisterBuffer(state, buf, 0);
	BlockNumber blocks[VECAM_MAX_EXTENTS];

	for (int i = 0; i < ix->meta.nextents; i++)
	{
		Page		extent = GenericXLogRegisterBuffer(state, extents[i],
													   GENERIC_XLOG_FULL_IMAGE);
		Size		bytes = vecam_extent_bytes(ix->meta.dims, i);

		vecam_page_init(extent, VECAM_PAGE_EXTENT);
		memcpy(PageGetContents(extent),
			   row->code + (Size) i * VECAM_PAGE_CAPACITY, bytes);
		vecam_page_set_used(extent, bytes);
		blocks[i] = BufferGetBlockNumber(extents[i]);
	}
	memcpy(VecamGrowingPayload(row->slot.growing), blocks,
		   sizeof(BlockNumber) * ix->meta.nextents);
	vecam_slots_put(page, vecam_slots_find_free(VecamPageGetSlots(page)),
					row->slot.bytes);
	GenericXLogFinish(state);
}

/*
 * Append a row whose code does not fit a slot.
 */
static void
append_long_row(Relation index, const VecamIndex *ix, VecamRow *row)
{
	Buffer		extents[VECAM_MAX_EXTENTS];
	Buffer		buf;

	for (int i = 0; i < ix->meta.nextents; i++)
		extents[i] = vecam_alloc_page(index);
	buf = lock_page_with_room(index, ix, row->list);

	put_long_row(index, ix, buf, extents, row);

	UnlockReleaseBuffer(buf);
	for (int i = 0; i < ix->meta.nextents; i++)
		UnlockReleaseBuffer(extents[i]);
}

/*
 * Add the row to its list.  Takes and drops locks of one slot page (and its
 * extents); the row is in the index when this returns.
 */
void
vecam_row_append(Relation index, const VecamIndex *ix, VecamRow *row)
{
	Buffer		buf;

	if (row->list == VECAM_LIST_GROWING && ix->meta.nextents > 0)
	{
		append_long_row(index, ix, row);
		return;
	}
	buf = lock_page_with_room(index, ix, row->list);
	put_row(index, buf, row);
	UnlockReleaseBuffer(buf);
}
