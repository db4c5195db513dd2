/*-------------------------------------------------------------------------
 *
 * checkrows.c
 *	  vecam_check: TIDs, and the rows of the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>

#include "access/htup_details.h"
#include "access/tableam.h"
#include "admin/check.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "miscadmin.h"
#include "page/progress.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

static int
compare_rows(const void *a, const void *b)
{
	ItemPointerData x = ((const VecamCheckRow *) a)->tid;
	ItemPointerData y = ((const VecamCheckRow *) b)->tid;

	return ItemPointerCompare(&x, &y);
}

/*
 * Sort the TIDs of the index, and find those that it has twice.
 */
void
vecam_check_tids(VecamCheck *check)
{
	qsort(check->rows, check->nrows, sizeof(VecamCheckRow), compare_rows);
	for (Size i = 1; i < check->nrows; i++)
	{
		VecamCheckRow *row = &check->rows[i];
		VecamCheckRow *other = &check->rows[i - 1];

		CHECK_FOR_INTERRUPTS();
		if (compare_rows(row, other) == 0)
			vecam_check_report(check, 1, row->blkno, row->slot,
							   "TID (%u,%u), as slot %u of block %u has",
							   ItemPointerGetBlockNumberNoCheck(&row->tid),
							   ItemPointerGetOffsetNumberNoCheck(&row->tid),
							   other->slot, other->blkno);
	}
}

/* What is wrong with a line pointer to which a TID of the index leads. */
static const char *
line_pointer_damage(Page page, OffsetNumber offset)
{
	ItemId		item;

	if (PageIsNew(page) || offset > PageGetMaxOffsetNumber(page))
		return "a line pointer that does not exist";
	item = PageGetItemId(page, offset);
	if (!ItemIdIsUsed(item))
		return "an unused line pointer";
	if (ItemIdIsNormal(item) &&
		HeapTupleHeaderIsHeapOnly((HeapTupleHeader) PageGetItem(page, item)))
		return "the middle of a HOT chain";
	return NULL;
}

/* Look where the TIDs of one page of the table lead; returns how many. */
static Size
check_line_pointers(VecamCheck *check, Size first, BlockNumber nblocks)
{
	BlockNumber blkno = ItemPointerGetBlockNumberNoCheck(&check->rows[first].tid);
	Buffer		buf = InvalidBuffer;
	Size		n;

	if (blkno < nblocks)
	{
		buf = ReadBufferExtended(check->table, MAIN_FORKNUM, blkno, RBM_NORMAL,
								 check->strategy);
		LockBuffer(buf, BUFFER_LOCK_SHARE);
	}
	for (n = 0; first + n < check->nrows; n++)
	{
		VecamCheckRow *row = &check->rows[first + n];
		OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(&row->tid);
		const char *damage;

		if (ItemPointerGetBlockNumberNoCheck(&row->tid) != blkno)
			break;
		damage = BufferIsValid(buf) ?
			line_pointer_damage(BufferGetPage(buf), offset) :
			"a block that does not exist";
		if (damage)
			vecam_check_report(check, 28, row->blkno, row->slot,
							   "TID (%u,%u) leads to %s", blkno, offset,
							   damage);
	}
	if (BufferIsValid(buf))
		UnlockReleaseBuffer(buf);
	return n;
}

/* What a comparison with the table works with. */
typedef struct TableScan
{
	VecamCheck *check;
	const VecamOpclass *opclass;
	VecamRow	row;			/* the table's row as the index would store it */
	int64		nrows;			/* so far */
	MemoryContext scratch;		/* reset for every row */
} TableScan;

/* The row is in a list: all of it must be as it would be now. */
static void
compare_with_slot(TableScan *scan, const VecamCheckRow *place, Page page)
{
	VecamCheck *check = scan->check;
	VecamRow   *row = &scan->row;
	VecamSlotPage *slots = vecam_check_slots(check, page, row->list);
	VecamGrowingEntry *entry;

	if (slots == NULL || place->slot >= slots->nslots)
	{
		vecam_check_report(check, 1, place->blkno, place->slot,
						   "row in another list than %d", row->list);
		return;
	}
	entry = (VecamGrowingEntry *) vecam_slot(slots, place->slot);
	if (row->list != VECAM_LIST_GROWING ||
		!vecam_check_read_code(check, VecamGrowingPayload(entry), check->code))
		return;
	if (memcmp(&entry->sq8, &row->slot.growing->sq8, sizeof(VecamSq8Header)) != 0 ||
		memcmp(check->code, row->code, check->ix->meta.dims) != 0 ||
		(row->fine && memcmp(VecamGrowingPayload(entry) + check->ix->meta.dims,
							 row->fine, VECAM_FINE_BYTES(check->ix->meta.dims)) != 0))
		vecam_check_report(check, 9, place->blkno, place->slot,
						   "not the code of its row");
}

/* The row shares a node. */
static void
compare_with_node(TableScan *scan, const VecamCheckRow *place, Page page)
{
	VecamCheck *check = scan->check;
	const VecamNodeLayout *nl = &check->ix->nodes;
	int			dims = check->ix->meta.dims;
	VecamRow   *row = &scan->row;
	VecamSq8Header *head = &row->slot.growing->sq8;
	VecamNodeHeader *node = vecam_check_node_at(check, page, place->slot);
	uint8	   *fine;

	if (row->list != VECAM_LIST_GROWING)
	{
		vecam_check_report(check, 1, place->blkno, place->slot,
						   "row in a node, not in list %d", row->list);
		return;
	}
	if (node == NULL ||
		!vecam_check_read_code(check, VecamNodeCode(nl, node), check->code))
		return;
	fine = VecamNodeFine(nl, node);
	if (memcmp(&node->sq8, head, offsetof(VecamSq8Header, residual)) != 0 ||
		memcmp(check->code, row->code, dims) != 0)
		vecam_check_report(check, 15, place->blkno, place->slot,
						   "not the code of its row");
	else if (!(node->sq8.residual >= head->residual))
		vecam_check_report(check, 15, place->blkno, place->slot,
						   "residual %g, but %g of its row",
						   node->sq8.residual, head->residual);
	else if (row->fine && vecam_fine_residual(fine) <= FLT_MAX &&
			 memcmp(fine, row->fine, VECAM_FINE_BYTES(dims)) != 0)
		vecam_check_report(check, 15, place->blkno, place->slot,
						   "not the finer code of its row");
}

/* The row has been found in the index: is it what it should be? */
static void
compare_row(TableScan *scan, const VecamCheckRow *place)
{
	VecamCheck *check = scan->check;
	PGAlignedBlock copy;
	Page		page = (Page) copy.data;

	if (vecam_check_copy_nodes(check, place->blkno, page))
		compare_with_node(scan, place, page);
	else
	{
		vecam_check_copy_page(check, place->blkno, page);
		compare_with_slot(scan, place, page);
	}
}

static void
table_callback(Relation index, ItemPointer tid, Datum *values, bool *isnull,
			   bool tuple_is_alive, void *arg)
{
	TableScan  *scan = arg;
	VecamCheck *check = scan->check;
	MemoryContext old = MemoryContextSwitchTo(scan->scratch);
	VecamCheckRow key = {*tid, 0, 0};
	VecamCheckRow *place = bsearch(&key, check->rows, check->nrows,
								   sizeof(VecamCheckRow), compare_rows);

	CHECK_FOR_INTERRUPTS();
	vecam_progress_update_rows(++scan->nrows);
	if (place == NULL)
		vecam_check_report(check, 1, InvalidBlockNumber, -1,
						   "row (%u,%u) of the table is not in the index",
						   ItemPointerGetBlockNumber(tid),
						   ItemPointerGetOffsetNumber(tid));
	else if (check->has_mean)
	{
		vecam_row_form(&scan->row, check->ix, tid, isnull[0] ? NULL :
					   vecam_checked_components(scan->opclass, values[0],
												check->ix->meta.dims));
		compare_row(scan, place);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(scan->scratch);
}

/* Look at all rows that the snapshot sees, as a build of the index would. */
static void
scan_table(VecamCheck *check, Snapshot snapshot)
{
	IndexInfo  *info = BuildIndexInfo(check->index);
	TableScan	scan = {.check = check, .opclass = vecam_opclass(check->index)};

	/* or the scan would look at rows of other transactions */
	info->ii_Concurrent = true;
	scan.scratch = AllocSetContextCreate(CurrentMemoryContext,
										 "vecam check row",
										 ALLOCSET_DEFAULT_SIZES);
	vecam_row_init(&scan.row, check->ix);
	vecam_progress_begin(check->index, VECAM_PROGRESS_CHECK_TABLE, check->nrows);
	table_index_build_scan(check->table, check->index, info, true, false,
						   table_callback, &scan,
						   table_beginscan_strat(check->table, snapshot, 0,
												 NULL, true, true));
}

/*
 * Compare the index with its table: all rows that the snapshot sees must be
 * there, and no TID may lead to a place that another row may take.  (Dead line
 * pointers are in the index until VACUUM removes their TIDs from it.)
 */
void
vecam_check_table(VecamCheck *check, Snapshot snapshot)
{
	scan_table(check, snapshot);
	if (check->table->rd_rel->relam == HEAP_TABLE_AM_OID)
	{
		BlockNumber nblocks = RelationGetNumberOfBlocks(check->table);

		vecam_progress_begin(check->index, VECAM_PROGRESS_CHECK_TIDS, check->nrows);
		for (Size i = 0; i < check->nrows;)
		{
			CHECK_FOR_INTERRUPTS();
			i += check_line_pointers(check, i, nblocks);
			vecam_progress_update(i);
		}
	}
}
