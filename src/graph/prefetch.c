/*-------------------------------------------------------------------------
 *
 * prefetch.c
 *	  Loading what a search will visit next.
 *
 * The nodes at the front of the frontier are likely to be expanded soon.  The
 * first two are loaded into the CPU's cache while another is being expanded.
 * And once a search has had to wait for the disk, the pages of the first few
 * are asked for ahead, so that several reads are under way at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/instrument.h"
#include "graph/graph.h"
#include "storage/bufmgr.h"

/* Bytes of a cache line. */
#define LINE 64

/* Items of the frontier whose pages are read ahead. */
#define DISK_AHEAD 6

/* The best hits whose rows are read ahead. */
#define ROWS_AHEAD 10

/* Has this backend waited for a page since the search began? */
static bool
is_cold(const VecamSearch *search)
{
	return pgBufferUsage.shared_blks_read != search->reads_before;
}

/* Load the lines of a node in the order in which it will be read. */
static void
load_node(const VecamNodeLayout *nl, char *page, int slot)
{
	char	   *node = (char *) vecam_node_at(nl, page, slot);

	vecam_prefetch_memory(page);
	vecam_prefetch_memory(page + BLCKSZ - sizeof(VecamPageOpaqueData));
	vecam_prefetch_memory(node);
	for (int at = nl->code; at < nl->distances; at += LINE)
		vecam_prefetch_memory(node + at);
	for (int at = LINE; at < nl->code; at += LINE)
		vecam_prefetch_memory(node + at);
}

/* Ask for the pages of the first items; a few are asked for twice. */
static void
read_ahead(VecamSearch *search)
{
	const VecamNodeLayout *nl = &search->graph->ix->nodes;
	VecamFrontier *frontier = &search->frontier;

	for (int i = 0; i < Min(frontier->nnear, DISK_AHEAD); i++)
	{
		VecamRef	ref = vecam_item_ref(frontier->near_items[i]);
		BlockNumber blkno = VecamRefBlock(nl, ref);
		BlockNumber *asked = &search->asked[blkno % lengthof(search->asked)];

		if (*asked == blkno || blkno >= search->nblocks)
			continue;
		*asked = blkno;
		PrefetchBuffer(search->graph->store->index, MAIN_FORKNUM, blkno);
	}
}

/* Load an item's node unless that has just been done. */
static void
load_item(VecamSearch *search, VecamFrontierItem item)
{
	const VecamNodeLayout *nl = &search->graph->ix->nodes;
	VecamRef	ref = vecam_item_ref(item);
	char	   *page;

	for (int i = 0; i < (int) lengthof(search->loaded); i++)
	{
		if (search->loaded[i] == item)
			return;
	}
	search->loaded[search->nloaded++ % lengthof(search->loaded)] = item;
	page = vecam_store_peek(search->graph->store, VecamRefBlock(nl, ref));
	if (page)
		load_node(nl, page, VecamRefSlot(nl, ref));
}

/*
 * Load what comes next, while the caller goes on with the present node.  What
 * is loaded without a pin may be any page by now, which does no harm.
 */
void
vecam_search_prefetch(VecamSearch *search)
{
	VecamFrontier *frontier = &search->frontier;

	if (vecam_frontier_is_empty(frontier))
		return;
	load_item(search, vecam_frontier_top(frontier));
	if (frontier->nnear > 4)
		load_item(search, vecam_frontier_second(frontier));
	if (is_cold(search))
		read_ahead(search);
}

/*
 * Ask for the table's pages of the rows that are likely to be returned next, if
 * the search has had to wait for the disk.
 */
void
vecam_search_prefetch_rows(VecamSearch *search, Relation heap)
{
	if (!is_cold(search))
		return;
	for (int i = 0; i < Min(search->nwindow, ROWS_AHEAD); i++)
	{
		VecamHit   *hit = &search->window[i];

		if (hit->asked || hit->ntids == 0)
			continue;
		hit->asked = true;
		PrefetchBuffer(heap, MAIN_FORKNUM,
					   ItemPointerGetBlockNumberNoCheck(&hit->tids[0]));
	}
}
