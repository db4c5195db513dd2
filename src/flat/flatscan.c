/*-------------------------------------------------------------------------
 *
 * flatscan.c
 *	  Exact search: all rows of the lists, nearest bound first.
 *
 * A scan does not know how many rows will be asked for.  Its first pass over
 * the growing list keeps the FIRST_KEEP best candidates; if more are wanted
 * than that, another pass keeps many more of those that come after the last
 * one returned, and so on until a pass has kept all.  The order of (bound,
 * TID) depends on row and query alone, so it goes on correctly wherever rows
 * have moved in between, and memory stays bounded whatever the index's size.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flat/flatscan.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

/* Candidates of the first pass: LIMIT 100 needs about 140. */
#define FIRST_KEEP 512

/* How many times more candidates each further pass keeps. */
#define KEEP_GROWTH 16

static void growing_pass(VecamFlatScan *scan);

static int
compare_candidates(const void *a, const void *b)
{
	const VecamCandidate *ca = a;
	const VecamCandidate *cb = b;

	if (ca->bound != cb->bound)
		return ca->bound < cb->bound ? -1 : 1;
	return ItemPointerCompare(unconstify(ItemPointerData *, &ca->tid),
							  unconstify(ItemPointerData *, &cb->tid));
}

/*
 * Begin a scan that may use about `memory` bytes for its candidates.  The
 * structures it is given must outlive it; memory comes from the current
 * context.
 */
void
vecam_flat_begin(VecamFlatScan *scan, Relation index, const VecamIndex *ix,
				 const VecamCodecQuery *query, Size memory,
				 VecamSearchCounters *counters)
{
	Size		max_keep = memory / (2 * sizeof(VecamCandidate));

	scan->pass = growing_pass;
	scan->source = NULL;
	scan->index = index;
	scan->ix = ix;
	scan->query = query;
	scan->counters = counters;
	scan->code = ix->meta.nextents > 0 ? palloc(ix->meta.dims) : NULL;
	scan->nitems = 0;
	scan->next = 0;
	scan->keep = FIRST_KEEP;
	scan->max_keep = Max(FIRST_KEEP, Min(max_keep, INT_MAX / 2));
	scan->allocated = 2 * FIRST_KEEP;
	scan->items = palloc(sizeof(VecamCandidate) * scan->allocated);
	scan->dropped = false;
	scan->collected = false;
	scan->started = false;
}

/* Sort the candidates and drop those beyond scan->keep. */
static void
trim_candidates(VecamFlatScan *scan)
{
	qsort(scan->items, scan->nitems, sizeof(VecamCandidate),
		  compare_candidates);
	if (scan->nitems > scan->keep)
	{
		scan->nitems = scan->keep;
		scan->limit = scan->items[scan->nitems - 1];
		scan->dropped = true;
	}
}

/* Make room for another candidate. */
static void
make_room(VecamFlatScan *scan)
{
	if (scan->allocated < 2 * scan->keep)
	{
		scan->allocated = Min(scan->allocated * 2, 2 * scan->keep);
		scan->items = repalloc_huge(scan->items,
									sizeof(VecamCandidate) *
									(Size) scan->allocated);
	}
	else
		trim_candidates(scan);
}

/* Take up a row unless it was returned before or is too far away. */
void
vecam_flat_offer(VecamFlatScan *scan, double bound, ItemPointer tid)
{
	VecamCandidate c;

	if (scan->dropped && bound > scan->limit.bound)
		return;
	c.bound = bound;
	c.tid = *tid;
	if (scan->started && compare_candidates(&c, &scan->last) <= 0)
		return;
	if (scan->nitems == scan->allocated)
		make_room(scan);
	scan->items[scan->nitems++] = c;
}

/*
 * Put a long code together.  The caller holds a lock on the slot page, which
 * keeps the extent pages where they are; they are locked one after another
 * under it (slot page before extent pages, as everywhere).
 */
static const uint8 *
read_long_code(VecamFlatScan *scan, BlockNumber blkno,
			   VecamGrowingEntry *entry)
{
	int			nextents = scan->ix->meta.nextents;
	BlockNumber blocks[VECAM_MAX_EXTENTS];

	vecam_extent_blocks(scan->index, blkno, VecamGrowingPayload(entry),
						nextents, blocks);
	for (int i = 0; i < nextents; i++)
	{
		Buffer		buf = ReadBuffer(scan->index, blocks[i]);

		LockBuffer(buf, BUFFER_LOCK_SHARE);
		if (!vecam_page_is(scan->index, buf, VECAM_PAGE_EXTENT))
			vecam_corrupt(scan->index, blocks[i], "not an extent page");
		memcpy(scan->code + (Size) i * VECAM_PAGE_CAPACITY,
			   PageGetContents(BufferGetPage(buf)),
			   vecam_extent_bytes(scan->ix->meta.dims, i));
		UnlockReleaseBuffer(buf);
		scan->counters->pages_read++;
	}
	return scan->code;
}

static void
scan_entry(VecamFlatScan *scan, BlockNumber blkno, VecamGrowingEntry *entry)
{
	double		bound = 0;

	scan->counters->growing_rows++;
	if (scan->query)
	{
		const uint8 *code = scan->code ? read_long_code(scan, blkno, entry) :
			VecamGrowingPayload(entry);

		bound = vecam_codec_bound(scan->query, &entry->sq8, code);
		scan->counters->distances_computed++;
	}
	vecam_flat_offer(scan, bound, &entry->tid);
}

/* Offer all rows of one page.  Takes and drops a share lock on it. */
static void
scan_page(VecamFlatScan *scan, BlockNumber blkno)
{
	Buffer		buf = ReadBuffer(scan->index, blkno);
	VecamSlotPage *slots;

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	slots = vecam_slots_of_buffer(scan->index, buf, scan->ix,
								  VECAM_LIST_GROWING);
	if (slots)
	{
		for (int i = 0; i < slots->nslots; i++)
		{
			VecamTidEntry *slot = vecam_slot(slots, i);

			if (vecam_slot_is_live(slot))
				scan_entry(scan, blkno, (VecamGrowingEntry *) slot);
		}
	}
	UnlockReleaseBuffer(buf);
	scan->counters->pages_read++;
}

/* Offer all rows of the growing list. */
static void
growing_pass(VecamFlatScan *scan)
{
	BlockNumber blkno;

	vecam_list_begin(&scan->walk, scan->index, &scan->ix->meta,
					 VECAM_LIST_GROWING);
	while (BlockNumberIsValid(blkno = vecam_list_next(&scan->walk)))
	{
		CHECK_FOR_INTERRUPTS();
		scan_page(scan, blkno);
	}
}

/* One pass over the source; leaves the candidates sorted. */
static void
collect_candidates(VecamFlatScan *scan)
{
	scan->nitems = 0;
	scan->next = 0;
	scan->dropped = false;
	scan->pass(scan);
	trim_candidates(scan);
}

/*
 * The next row in the order of (bound, TID); false at the end.
 */
bool
vecam_flat_next(VecamFlatScan *scan, ItemPointer tid, double *bound)
{
	if (!scan->collected)
	{
		collect_candidates(scan);
		scan->collected = true;
	}
	else if (scan->next == scan->nitems && scan->dropped)
	{
		scan->keep = scan->keep > scan->max_keep / KEEP_GROWTH ?
			scan->max_keep : scan->keep * KEEP_GROWTH;
		collect_candidates(scan);
	}
	if (scan->next == scan->nitems)
		return false;

	scan->last = scan->items[scan->next++];
	scan->started = true;
	*tid = scan->last.tid;
	*bound = scan->last.bound;
	return true;
}

/*
 * Begin a scan of the list of undefined or of NULL vectors.
 */
void
vecam_tids_begin(VecamTidScan *scan, Relation index, const VecamIndex *ix,
				 VecamList list, VecamSearchCounters *counters)
{
	scan->index = index;
	scan->ix = ix;
	scan->counters = counters;
	scan->ntids = 0;
	scan->next = 0;
	vecam_list_begin(&scan->walk, index, &ix->meta, list);
}

/* Copy the TIDs of one page.  Takes and drops a share lock on it. */
static void
load_tids(VecamTidScan *scan, BlockNumber blkno)
{
	Buffer		buf = ReadBuffer(scan->index, blkno);
	VecamSlotPage *slots;

	scan->ntids = 0;
	scan->next = 0;
	LockBuffer(buf, BUFFER_LOCK_SHARE);
	slots = vecam_slots_of_buffer(scan->index, buf, scan->ix,
								  scan->walk.list);
	if (slots)
	{
		for (int i = 0; i < slots->nslots; i++)
		{
			VecamTidEntry *entry = vecam_slot(slots, i);

			if (vecam_slot_is_live(entry))
				scan->tids[scan->ntids++] = entry->tid;
		}
	}
	UnlockReleaseBuffer(buf);
	scan->counters->pages_read++;
}

/*
 * The next row of the list; false at the end.
 */
bool
vecam_tids_next(VecamTidScan *scan, ItemPointer tid)
{
	while (scan->next == scan->ntids)
	{
		BlockNumber blkno = vecam_list_next(&scan->walk);

		CHECK_FOR_INTERRUPTS();
		if (!BlockNumberIsValid(blkno))
			return false;
		load_tids(scan, blkno);
	}
	*tid = scan->tids[scan->next++];
	return true;
}
