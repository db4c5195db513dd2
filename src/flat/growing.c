/*-------------------------------------------------------------------------
 *
 * growing.c
 *	  Forming rows and appending them to the lists.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flat/growing.h"
#include "miscadmin.h"
#include "page/pagelist.h"
#include "page/record.h"
#include "page/stop.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

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
	row->fine = ix->nodes.fine ? row->code + dims : NULL;
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
								&row->slot.growing->sq8, row->code,
								row->fine))
	{
		row->list = VECAM_LIST_GROWING;
		row->slot.growing->node = VECAM_INVALID_REF;
	}
	else
		row->list = VECAM_LIST_UNDEFINED;
}

/*
 * Put the row into a free slot of the locked page.
 *
 * WAL: slot page.
 */
static void
put_row(Relation index, Buffer buf, VecamRow *row)
{
	VecamRecord *record = vecam_record_start(index);
	Page		page = vecam_record_page(record, buf, false);

	vecam_slots_put(page, vecam_slots_find_free(VecamPageGetSlots(page)),
					row->slot.bytes);
	vecam_record_finish(record);
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
	VecamRecord *record = vecam_record_start(index);
	Page		page = vecam_record_page(record, buf, false);
	BlockNumber blocks[VECAM_MAX_EXTENTS];

	for (int i = 0; i < ix->meta.nextents; i++)
	{
		Page		extent = vecam_record_page(record, extents[i], true);
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
	vecam_record_finish(record);
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
	buf = vecam_list_lock_room(index, ix, row->list);

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
	VECAM_STOP("insert-formed");
	buf = vecam_list_lock_room(index, ix, row->list);
	put_row(index, buf, row);
	UnlockReleaseBuffer(buf);
}

/*
 * Rows that the pages of the growing list have room for: about as many as it
 * has, while pages are filled one after another.
 */
int64
vecam_growing_capacity(Relation index, const VecamIndex *ix)
{
	return vecam_list_count_pages(index, VECAM_LIST_GROWING) *
		VECAM_SLOTS_PER_PAGE(ix->meta.growing_size);
}
