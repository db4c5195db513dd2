/*-------------------------------------------------------------------------
 *
 * flatscan.c
 *	  Exact search: all rows of the lists, nearest bound first.
 *
 * Nearly all the time of a pass goes into reading codes from memory, and the
 * rest is kept out of its way: a few instructions per code (see
 * vecam_codec_bounds), and a prefetch that runs a page ahead.
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
#include "flat/tidset.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

/* Candidates of the first pass: LIMIT 100 needs about 140. */
#define FIRST_KEEP 512

/* How many times more candidates each further pass keeps. */
#define KEEP_GROWTH 16

#define CACHE_LINE 64

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
	Size		max_keep = memory / sizeof(VecamCandidate);

	scan->pass = vecam_flat_growing_pass;
	scan->source = NULL;
	scan->index = index;
	scan->ix = ix;
	scan->query = query;
	scan->counters = counters;
	scan->code = ix->meta.nextents > 0 ? palloc(ix->meta.dims) : NULL;
	scan->screen_limit = -1.0;
	vecam_candidates_init(&scan->candidates, FIRST_KEEP);
	scan->memory = memory;
	scan->max_keep = Max(FIRST_KEEP, Min(max_keep, INT_MAX / 2));
	scan->notes_rows = false;
	scan->too_many_rows = false;
	scan->rows = NULL;
	scan->nrows = 0;
	scan->allocated_rows = 0;
	scan->missing = NULL;
	scan->collected = false;
	scan->started = false;
}

/* Take up a row unless it was returned before or is too far away. */
void
vecam_flat_offer(VecamFlatScan *scan, double bound, ItemPointer tid)
{
	VecamCandidate c;

	if (bound > vecam_candidates_limit(&scan->candidates))
		return;
	c.bound = bound;
	c.tid = *tid;
	if (scan->started && vecam_compare_candidates(&c, &scan->last) <= 0)
		return;
	vecam_candidates_add(&scan->candidates, c);
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

/* Offer one row. */
static void
scan_entry(VecamFlatScan *scan, BlockNumber blkno, VecamGrowingEntry *entry)
{
	double		bound = 0;

	if (scan->query)
	{
		const uint8 *code = scan->code ? read_long_code(scan, blkno, entry) :
			VecamGrowingPayload(entry);

		bound = vecam_codec_bound(scan->query, &entry->sq8, code);
	}
	vecam_flat_offer(scan, bound, &entry->tid);
}

/* Offer the rows of a page one by one. */
static void
scan_entries(VecamFlatScan *scan, BlockNumber blkno, VecamSlotPage *slots)
{
	for (int i = 0; i < slots->nslots; i++)
	{
		VecamTidEntry *slot = vecam_slot(slots, i);

		if (vecam_slot_is_live(slot))
			scan_entry(scan, blkno, (VecamGrowingEntry *) slot);
	}
}

/*
 * Offer those of count neighbouring rows that can still become candidates.
 * Free slots are screened as well, which is cheaper than to look for them.
 */
static void
scan_batch(VecamFlatScan *scan, VecamSlotPage *slots, int first, int count)
{
	VecamGrowingEntry *entry = (VecamGrowingEntry *) vecam_slot(slots, first);
	double		limit = vecam_candidates_limit(&scan->candidates);
	int			rows[VECAM_SQ8_BATCH];
	double		bounds[VECAM_SQ8_BATCH];
	int			passed;

	if (limit != scan->screen_limit)
	{
		vecam_codec_screen(&scan->screen, scan->query, limit);
		scan->screen_limit = limit;
	}
	passed = vecam_codec_bounds(scan->query, &scan->screen, &entry->sq8,
								VecamGrowingPayload(entry), count,
								slots->slot_size, rows, bounds);
	for (int i = 0; i < passed; i++)
	{
		VecamTidEntry *slot = vecam_slot(slots, first + rows[i]);

		if (vecam_slot_is_live(slot))
			vecam_flat_offer(scan, bounds[i], &slot->tid);
	}
}

/* Fetch bytes from .. to of a page into the processor's cache. */
static inline void
prefetch_bytes(const char *page, Size from, Size to)
{
	for (Size i = from; i < to; i += CACHE_LINE)
		__builtin_prefetch(page + i);
}

/*
 * Offer the rows of a page whose codes are in its slots.  While it works on
 * them it has the memory fetch `next`, the page that comes after it: the
 * processor itself foresees no step from one page to another.  Batches are
 * small, so that memory is busy all the time.
 */
static void
scan_codes(VecamFlatScan *scan, VecamSlotPage *slots, const char *next)
{
	int			size = slots->slot_size;
	int			batch = Min(Max(4, TYPEALIGN(4, 1024 / size)), VECAM_SQ8_BATCH);
	Size		fetched = 0;

	for (int i = 0; i < slots->nslots; i += batch)
	{
		int			count = Min(slots->nslots - i, batch);
		Size		fetch = i + count < slots->nslots ?
			fetched + TYPEALIGN(CACHE_LINE, count * size) : BLCKSZ;

		if (next)
			prefetch_bytes(next, fetched, Min(fetch, BLCKSZ));
		fetched = fetch;
		scan_batch(scan, slots, i, count);
	}
}

/* Make room for as many rows more as a page has; false if they are too many. */
static bool
make_room_for_rows(VecamFlatScan *scan, int n)
{
	Size		bytes;

	if (scan->nrows + n <= scan->allocated_rows)
		return true;
	bytes = sizeof(ItemPointerData) * 2 * ((Size) scan->nrows + n);
	if (bytes > scan->memory + FIRST_KEEP * sizeof(ItemPointerData))
	{
		scan->too_many_rows = true;
		return false;
	}
	scan->allocated_rows = bytes / sizeof(ItemPointerData);
	scan->rows = scan->rows ? repalloc_huge(scan->rows, bytes) :
		palloc_extended(bytes, MCXT_ALLOC_HUGE);
	return true;
}

/* Note the rows of a page in the first pass, and in others that they are there. */
static void
note_rows(VecamFlatScan *scan, VecamSlotPage *slots)
{
	bool		first = !scan->collected;

	if (scan->too_many_rows ||
		(first && !make_room_for_rows(scan, slots->nslots)))
		return;
	for (int i = 0; i < slots->nslots; i++)
	{
		VecamTidEntry *slot = vecam_slot(slots, i);

		if (!vecam_slot_is_live(slot))
			continue;
		if (first)
			scan->rows[scan->nrows++] = slot->tid;
		else
			tidset_delete(scan->missing, slot->tid);
	}
}

/*
 * Offer the rows of one page, which is pinned; `next` is the one after it, or
 * InvalidBuffer.  Takes and drops a share lock, and drops the pin.
 */
static void
scan_page(VecamFlatScan *scan, Buffer buf, Buffer next)
{
	VecamSlotPage *slots;

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	slots = vecam_slots_of_buffer(scan->index, buf, scan->ix,
								  VECAM_LIST_GROWING);
	if (slots)
	{
		if (scan->query && scan->code == NULL)
			scan_codes(scan, slots,
					   BufferIsValid(next) ? BufferGetPage(next) : NULL);
		else
			scan_entries(scan, BufferGetBlockNumber(buf), slots);
		if (scan->notes_rows)
			note_rows(scan, slots);
		scan->counters->growing_rows += slots->nlive;
		if (scan->query)
			scan->counters->distances_computed += slots->nlive;
	}
	UnlockReleaseBuffer(buf);
	scan->counters->pages_read++;
}

/*
 * Offer all rows of the growing list.  Two pages are pinned at a time, one is
 * locked.
 */
void
vecam_flat_growing_pass(VecamFlatScan *scan)
{
	Buffer		buf;

	vecam_list_begin(&scan->walk, scan->index, &scan->ix->meta,
					 VECAM_LIST_GROWING);
	buf = vecam_list_read_next(&scan->walk);
	while (BufferIsValid(buf))
	{
		Buffer		next = vecam_list_read_next(&scan->walk);

		CHECK_FOR_INTERRUPTS();
		scan_page(scan, buf, next);
		buf = next;
	}
}

/* How many candidates the next pass shall keep. */
static int
next_keep(const VecamFlatScan *scan)
{
	int			keep = scan->candidates.keep;

	if (!scan->collected)
		return FIRST_KEEP;
	return keep > scan->max_keep / KEEP_GROWTH ? scan->max_keep :
		keep * KEEP_GROWTH;
}

/* One pass over the source. */
static void
collect_candidates(VecamFlatScan *scan)
{
	vecam_candidates_reset(&scan->candidates, next_keep(scan));
	scan->pass(scan);
	vecam_candidates_finish(&scan->candidates);
	scan->collected = true;
}

/*
 * Will vecam_flat_next make a pass?
 */
bool
vecam_flat_needs_pass(const VecamFlatScan *scan)
{
	return !scan->collected ||
		(scan->candidates.left == 0 && scan->candidates.dropped);
}

/*
 * The next row in the order of (bound, TID); false at the end.
 */
bool
vecam_flat_next(VecamFlatScan *scan, ItemPointer tid, double *bound)
{
	if (vecam_flat_needs_pass(scan))
		collect_candidates(scan);
	while (scan->candidates.left > 0)
	{
		VecamCandidate c = vecam_candidates_take(&scan->candidates);

		/* a row that was moved during the pass may have been met twice */
		if (scan->started && vecam_compare_candidates(&c, &scan->last) == 0)
			continue;
		scan->last = c;
		scan->started = true;
		*tid = c.tid;
		*bound = c.bound;
		return true;
	}
	return false;
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
	scan->seen = tidset_create(CurrentMemoryContext, VECAM_TIDSET_ROWS, NULL);
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
	bool		found;

	do
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
		/* compaction moves rows to pages that come later */
		tidset_insert(scan->seen, *tid, &found);
	} while (found);
	return true;
}
