/*-------------------------------------------------------------------------
 *
 * record.c
 *	  Writing generic WAL records.
 *
 * The records are those of PostgreSQL's generic_xlog.c, and its redo routine
 * replays them; only the writing is done here.  GenericXLogFinish looks for
 * what has changed byte by byte, 5 us a page, which was a sixth of the time
 * that linking a row takes (some twenty pages), and it copies 16 kB a page.
 * Here the pages are compared in pieces of a cache line, 0.6 us a page.
 *
 * A delta is a sequence of fragments, each an offset and a length of two bytes
 * and the new bytes.  The hole between pd_lower and pd_upper is not logged:
 * replay zeroes it, and so does vecam_record_finish.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "access/rmgr.h"
#include "miscadmin.h"
#include "page/record.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#define FRAGMENT_HEADER ((int) (2 * sizeof(OffsetNumber)))

/* Bytes compared at once. */
#define PIECE 64

/*
 * Fragments lie more than a header apart, so they cannot take more than the
 * page, but for one header before either part of it.
 */
#define MAX_DELTA (BLCKSZ + 4 * FRAGMENT_HEADER)

typedef struct RecordPage
{
	Buffer		buf;
	bool		whole;			/* log an image of the page */
	int			delta_size;
	char		delta[MAX_DELTA];
	PGAlignedBlock image;		/* the page as it shall be */
} RecordPage;

struct VecamRecord
{
	Relation	index;
	int			npages;
	RecordPage	pages[VECAM_RECORD_PAGES];
};

/* A backend writes one record at a time. */
static VecamRecord the_record;

/*
 * Begin a record.  One that an error has left unfinished is forgotten: nothing
 * of it has happened.
 */
VecamRecord *
vecam_record_start(Relation index)
{
	the_record.index = index;
	the_record.npages = 0;
	return &the_record;
}

/*
 * The image of a page to change; it becomes the page by vecam_record_finish.
 * The buffer is exclusively locked until then; buffers are registered in the
 * order of locking, in which replay locks them.  With `whole` the record has
 * all of the page, for new pages.
 */
Page
vecam_record_page(VecamRecord *record, Buffer buf, bool whole)
{
	RecordPage *page = &record->pages[record->npages++];

	Assert(record->npages <= VECAM_RECORD_PAGES);
	page->buf = buf;
	page->whole = whole;
	page->delta_size = 0;
	memcpy(page->image.data, BufferGetPage(buf), BLCKSZ);
	return (Page) page->image.data;
}

/* The first place from `start` on where the pages differ, or `end`. */
static int
find_difference(const char *old, const char *new, int start, int end)
{
	while (start + PIECE <= end &&
		   memcmp(old + start, new + start, PIECE) == 0)
		start += PIECE;
	while (start < end && old[start] == new[start])
		start++;
	return start;
}

/*
 * The end of the difference at `start`: what follows is the same for longer
 * than a fragment's header, or up to `end`.
 */
static int
find_match(const char *old, const char *new, int start, int end)
{
	int			last = start;

	for (int i = start + 1; i < end && i - last <= FRAGMENT_HEADER + 1; i++)
	{
		if (old[i] != new[i])
			last = i;
	}
	return last + 1;
}

static void
add_fragment(RecordPage *page, int start, int end)
{
	OffsetNumber header[2] = {start, end - start};

	memcpy(page->delta + page->delta_size, header, FRAGMENT_HEADER);
	memcpy(page->delta + page->delta_size + FRAGMENT_HEADER,
		   page->image.data + start, end - start);
	page->delta_size += FRAGMENT_HEADER + end - start;
	Assert(page->delta_size <= MAX_DELTA);
}

/* Add what differs in a part of the page. */
static void
add_differences(RecordPage *page, const char *old, int start, int end)
{
	const char *new = page->image.data;

	while ((start = find_difference(old, new, start, end)) < end)
	{
		int			stop = find_match(old, new, start, end);

		add_fragment(page, start, stop);
		start = stop;
	}
}

/*
 * Compute the delta.  The hole of the present page counts as different
 * whatever it contains, as replay may have zeroes there.
 */
static void
compute_delta(RecordPage *page)
{
	const char *old = BufferGetPage(page->buf);
	PageHeader	was = (PageHeader) old;
	PageHeader	is = (PageHeader) page->image.data;

	add_differences(page, old, 0, Min(was->pd_lower, is->pd_lower));
	if (was->pd_lower < is->pd_lower)
		add_fragment(page, was->pd_lower, is->pd_lower);
	if (is->pd_upper < was->pd_upper)
		add_fragment(page, is->pd_upper, was->pd_upper);
	add_differences(page, old, Max(was->pd_upper, is->pd_upper), BLCKSZ);
}

/* Let the image be the page, with zeroes in the hole. */
static void
apply_image(RecordPage *page)
{
	PageHeader	header = (PageHeader) page->image.data;

	memset(page->image.data + header->pd_lower, 0,
		   header->pd_upper - header->pd_lower);
	memcpy(BufferGetPage(page->buf), page->image.data, BLCKSZ);
	MarkBufferDirty(page->buf);
}

static void
register_page(RecordPage *page, uint8 block_id)
{
	if (page->whole)
		XLogRegisterBuffer(block_id, page->buf,
						   REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
	else
	{
		XLogRegisterBuffer(block_id, page->buf, REGBUF_STANDARD);
		XLogRegisterBufData(block_id, page->delta, page->delta_size);
	}
}

/*
 * Change the pages and log that, if the index is logged.  The caller keeps
 * its locks.
 *
 * The buffers are marked dirty before the record is inserted, so that a
 * checkpoint which begins in between writes them.
 */
void
vecam_record_finish(VecamRecord *record)
{
	bool		logged = RelationNeedsWAL(record->index);
	XLogRecPtr	lsn;

	for (int i = 0; logged && i < record->npages; i++)
	{
		if (!record->pages[i].whole)
			compute_delta(&record->pages[i]);
	}
	if (logged)
		XLogBeginInsert();

	START_CRIT_SECTION();
	for (int i = 0; i < record->npages; i++)
	{
		apply_image(&record->pages[i]);
		if (logged)
			register_page(&record->pages[i], i);
	}
	if (logged)
	{
		lsn = XLogInsert(RM_GENERIC_ID, 0);
		for (int i = 0; i < record->npages; i++)
			PageSetLSN(BufferGetPage(record->pages[i].buf), lsn);
	}
	END_CRIT_SECTION();
}
