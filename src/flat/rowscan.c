/*-------------------------------------------------------------------------
 *
 * rowscan.c
 *	  All rows with a distance, from the growing list and from the graph.
 *
 * Rows move from the growing list to the graph, never back, so the growing
 * list is read first; a row that has moved since and is met again is known by
 * its TID.  The two streams are merged by bound.  The first pass over the list
 * keeps its nearest rows only.  If a later one does not meet all the others
 * again, it looks for them in all nodes: they may have moved to where the search
 * has been.  A node that compaction has
 * moved is met in both places; its rows are known by their TIDs, too.
 *
 * A row of the graph may be found when rows with larger bounds have been
 * returned already.  A strict scan drops it, since the planner relies on the
 * order; a relaxed one returns it late.
 *
 * When nothing is left that the graph's edges lead to, the node pages are
 * swept for nodes that were not visited.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "flat/rowscan.h"
#include "flat/tidset.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/float.h"

/* The query in the space of the codes, for the graph's distances. */
static void
set_point(VecamRowScan *scan, const float *q, const VecamCodecQuery *query,
		  const float *rotated)
{
	const VecamIndex *ix = scan->ix;
	int			dims = ix->meta.dims;

	vecam_point_alloc(&scan->point, ix);
	if (ix->meta.metric == VECAM_METRIC_IP)
	{
		/* the bound's query is not centred, the codes are */
		VecamCodec	codec = ix->codec;

		codec.metric = VECAM_METRIC_L2;
		vecam_codec_query_init(&scan->routing, &codec, q, scan->point.y,
							   scan->point.q16);
		vecam_point_share(&scan->point, ix, &scan->routing.sq8, 0);
	}
	else
	{
		memcpy(scan->point.y, rotated, sizeof(float) * dims);
		vecam_point_share(&scan->point, ix, &query->sq8, 0);
	}
}

static void
begin_graph(VecamRowScan *scan)
{
	vecam_store_init(&scan->store, scan->index, VECAM_STORE_LOGGED, 0);
	scan->store.cache = scan->ix->cache;
	memset(&scan->graph, 0, sizeof(scan->graph));
	scan->graph.store = &scan->store;
	scan->graph.ix = scan->ix;
	scan->graph.target = InvalidBlockNumber;
	scan->graph.counters = scan->counters;
}

static void
begin_search(VecamRowScan *scan, const float *q, const VecamCodecQuery *query,
			 const float *rotated, int lookahead)
{
	set_point(scan, q, query, rotated);
	vecam_search_init(&scan->search, &scan->graph, &scan->point, query,
					  lookahead, scan->memory);
	vecam_entries_seed(&scan->search);
}

static void growing_pass(VecamFlatScan *growing);

/*
 * Begin a scan.  `query` NULL: no distances are wanted, every bound is 0.
 * `q` is the query's components and `rotated` what vecam_codec_query_init made
 * of them.  All must outlive the scan.
 */
void
vecam_rows_begin(VecamRowScan *scan, Relation index, Relation heap,
				 VecamIndex *ix, const float *q, const VecamCodecQuery *query,
				 const float *rotated, int lookahead, bool strict, Size memory,
				 VecamSearchCounters *counters)
{
	scan->index = index;
	scan->heap = heap;
	scan->ix = ix;
	scan->memory = memory;
	scan->strict = strict;
	scan->counters = counters;
	scan->has_graph = ix->meta.has_graph;
	scan->swept = false;
	scan->seen = NULL;
	scan->started = false;
	scan->max_upper = -get_float8_infinity();
	scan->next_growing.valid = false;
	scan->next_graph.valid = false;
	scan->changes = ix->meta.entry_changes;
	scan->hit.ntids = 0;
	scan->next_tid = 0;
	scan->next_chunk_tid = 0;
	scan->chunks.chunk.ntids = 0;
	scan->chunks.left = 0;
	vecam_flat_begin(&scan->growing, index, ix, query, memory, counters);
	if (ix->meta.kind != VECAM_KIND_FLAT)
	{
		scan->growing.pass = growing_pass;
		scan->growing.source = scan;
		scan->growing.notes_rows = true;
	}
	if (scan->has_graph)
		begin_graph(scan);
	scan->searches = scan->has_graph && query;
	if (scan->searches)
		begin_search(scan, q, query, rotated, lookahead);
}

static tidset_hash *
seen_rows(VecamRowScan *scan, int n)
{
	if (scan->seen == NULL)
		scan->seen = tidset_create(CurrentMemoryContext, n, NULL);
	return scan->seen;
}

/* Remember the rows that the growing scan has in hand. */
static void
remember_growing_rows(VecamRowScan *scan)
{
	VecamCandidates *growing = &scan->growing.candidates;

	if (growing->n == 0 ||
		(!scan->has_graph && !(scan->growing.notes_rows && growing->dropped)))
		return;
	for (int i = 0; i < growing->n; i++)
	{
		bool		found;

		tidset_insert(seen_rows(scan, growing->n), growing->items[i].tid,
					  &found);
	}
}

static bool
is_seen(VecamRowScan *scan, ItemPointer tid)
{
	return scan->seen && tidset_lookup(scan->seen, *tid);
}

/* Remember a row of the graph; false if the scan has had it. */
static bool
remember_row(VecamRowScan *scan, ItemPointer tid)
{
	bool		found;

	tidset_insert(seen_rows(scan, VECAM_TIDSET_ROWS), *tid, &found);
	return !found;
}

/* Let next_growing be the next row of the growing list, if there is one. */
static void
fetch_growing(VecamRowScan *scan)
{
	VecamFlatScan *growing = &scan->growing;
	bool		new_pass;

	if (scan->next_growing.valid)
		return;
	scan->next_growing.upper = get_float8_infinity();
	new_pass = vecam_flat_needs_pass(growing);
	scan->next_growing.valid = vecam_flat_next(growing,
											   &scan->next_growing.tid,
											   &scan->next_growing.bound);
	if (new_pass)
		remember_growing_rows(scan);
}

/* Begin to read the chunks of a node, of which this is the first. */
static void
begin_chunks(VecamRowScan *scan, VecamChunkWalk *walk, VecamRef node,
			 uint8 generation, VecamRef first)
{
	walk->node = node;
	walk->generation = generation;
	walk->next = first;
	walk->left = first == VECAM_INVALID_REF ? 0 :
		vecam_max_chunks(&scan->graph);
	walk->changes = scan->changes;
	walk->chunk.ntids = 0;
}

/*
 * Begin the chain again, from the node as it is now, since its chunks have been
 * moved, or VACUUM has freed them.  Rows that come a second time are known.
 */
static void
restart_chunks(VecamRowScan *scan, VecamChunkWalk *walk)
{
	const VecamNodeLayout *nl = &scan->ix->nodes;
	VecamNodeHeader *node;
	VecamPin	pin;

	vecam_node_follow(&scan->graph, &walk->node, &walk->generation);
	walk->next = VECAM_INVALID_REF;
	vecam_store_pin(&scan->store, VecamRefBlock(nl, walk->node),
					BUFFER_LOCK_SHARE, &pin);
	node = vecam_node_of_pin(&scan->graph, &pin, VecamRefSlot(nl, walk->node));
	if (node && node->state == VECAM_NODE_LIVE &&
		node->generation == walk->generation)
		walk->next = node->overflow;
	vecam_store_unpin(&scan->store, &pin);
}

/*
 * May a chunk of the chain have come to the place where another one was
 * expected, so that what lies between them was passed over?  Compaction counts
 * in the meta page when it uses a page of chunks again.
 */
static bool
may_have_skipped(VecamRowScan *scan, VecamChunkWalk *walk)
{
	VecamMetaPageData meta;
	bool		changed;

	vecam_meta_read(scan->index, &meta);
	changed = meta.entry_changes != walk->changes;
	walk->changes = meta.entry_changes;
	return changed;
}

/*
 * Copy the next chunk; false at the end of the chain.  No page is in hand: to
 * tell whose a chunk is may take locks of nodes in any order.
 */
static bool
next_chunk(VecamRowScan *scan, VecamChunkWalk *walk)
{
	walk->chunk.ntids = 0;
	while (walk->left-- > 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (walk->next == VECAM_INVALID_REF)
		{
			if (!may_have_skipped(scan, walk))
				return false;
		}
		else if (vecam_read_chunk(&scan->graph, walk->next, walk->node,
								  walk->generation, &walk->chunk))
		{
			scan->counters->pages_read++;
			walk->next = walk->chunk.next;
			return true;
		}
		restart_chunks(scan, walk);
	}
	return false;
}

/* The next TID of the hit that was popped last. */
static bool
next_tid_of_hit(VecamRowScan *scan, ItemPointer tid)
{
	if (scan->next_tid < scan->hit.ntids)
	{
		*tid = scan->hit.tids[scan->next_tid++];
		return true;
	}
	while (scan->next_chunk_tid == scan->chunks.chunk.ntids)
	{
		scan->next_chunk_tid = 0;
		if (!next_chunk(scan, &scan->chunks))
			return false;
	}
	*tid = scan->chunks.chunk.tids[scan->next_chunk_tid++];
	return true;
}

/* Pop the next hit of the search; false when the graph is exhausted. */
static bool
next_hit(VecamRowScan *scan)
{
	if (!vecam_search_pop(&scan->search, &scan->hit))
		return false;
	vecam_search_prefetch_rows(&scan->search, scan->heap);
	scan->next_tid = 0;
	scan->next_chunk_tid = 0;
	begin_chunks(scan, &scan->chunks, scan->hit.ref, scan->hit.generation,
				 scan->hit.overflow);
	return true;
}

/* A node whose chunks a sweep is to read, with the bound of its rows. */
typedef struct ChainedNode
{
	VecamRef	ref;
	uint8		generation;
	VecamRef	overflow;
	double		bound;
} ChainedNode;

/* The bound of the rows of a node whose page is in hand. */
static double
bound_of_node(VecamFlatScan *sweep, VecamNodeHeader *node)
{
	VecamRowScan *scan = sweep->source;

	if (sweep->query == NULL)
		return 0;
	return vecam_codec_bound(sweep->query, &node->sq8,
							 vecam_node_code(&scan->graph, node, sweep->code));
}

/* Has the search visited this node?  What is missing may be in any one. */
static bool
was_visited(VecamFlatScan *sweep, VecamRef ref, uint8 generation)
{
	VecamRowScan *scan = sweep->source;

	return sweep == &scan->sweep && scan->searches &&
		vecam_search_visited(&scan->search, ref, generation);
}

/* Offer a row of a node. */
static void
offer_row(VecamFlatScan *sweep, double bound, ItemPointer tid)
{
	if (sweep->missing == NULL || tidset_lookup(sweep->missing, *tid))
		vecam_flat_offer(sweep, bound, tid);
}

/*
 * Offer the rows in the nodes of a page that the search has not visited.
 * Returns how many nodes have chunks as well, and notes them.
 */
static int
sweep_page(VecamFlatScan *sweep, BlockNumber blkno, ChainedNode *chained)
{
	VecamRowScan *scan = sweep->source;
	const VecamNodeLayout *nl = &scan->ix->nodes;
	VecamPin	pin;
	int			n = 0;

	vecam_store_pin(&scan->store, blkno, BUFFER_LOCK_SHARE, &pin);
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		VecamRef	ref = VecamMakeRef(nl, blkno, slot);
		VecamNodeHeader *node = vecam_node_of_pin(&scan->graph, &pin, slot);
		double		bound;

		if (node == NULL)
			break;				/* no node page */
		if (node->state != VECAM_NODE_LIVE ||
			was_visited(sweep, ref, node->generation))
			continue;
		bound = bound_of_node(sweep, node);
		for (int i = 0; i < node->ntids; i++)
			offer_row(sweep, bound, &node->tids[i]);
		if (node->overflow != VECAM_INVALID_REF)
			chained[n++] = (ChainedNode) {ref, node->generation,
				node->overflow, bound};
	}
	vecam_store_unpin(&scan->store, &pin);
	scan->counters->pages_read++;
	return n;
}

/* Offer the rows in the chunks of a node. */
static void
offer_chunks(VecamFlatScan *sweep, const ChainedNode *node)
{
	VecamRowScan *scan = sweep->source;
	VecamChunkWalk walk;

	begin_chunks(scan, &walk, node->ref, node->generation, node->overflow);
	while (next_chunk(scan, &walk))
	{
		for (int i = 0; i < walk.chunk.ntids; i++)
			offer_row(sweep, node->bound, &walk.chunk.tids[i]);
	}
}

/*
 * Offer the rows of the nodes that the search has not visited.  From the last
 * page to the first: compaction moves nodes toward the start only, so that
 * none can get behind the sweep.
 */
static void
sweep_pass(VecamFlatScan *sweep)
{
	VecamRowScan *scan = sweep->source;
	BlockNumber nblocks = RelationGetNumberOfBlocks(scan->index);
	ChainedNode *chained = palloc(sizeof(ChainedNode) *
								  scan->ix->nodes.per_page);

	for (BlockNumber blkno = nblocks; blkno-- > VECAM_META_BLKNO + 1;)
	{
		int			nchained;

		CHECK_FOR_INTERRUPTS();
		nchained = sweep_page(sweep, blkno, chained);
		for (int i = 0; i < nchained; i++)
			offer_chunks(sweep, &chained[i]);
	}
	pfree(chained);
}

/*
 * A graph may have come into being since the scan began, and taken rows over
 * before the growing list was read.
 */
static void
look_for_graph(VecamRowScan *scan)
{
	if (scan->has_graph)
		return;
	vecam_index_reread(scan->index, scan->ix);
	scan->has_graph = scan->ix->meta.has_graph;
	if (scan->has_graph)
		begin_graph(scan);
}

/* The rows that the first pass has met, without those that the scan knows. */
static tidset_hash *
rows_to_come(VecamRowScan *scan)
{
	VecamFlatScan *growing = &scan->growing;
	tidset_hash *rows = tidset_create(CurrentMemoryContext, growing->nrows, NULL);

	for (int i = 0; i < growing->nrows; i++)
	{
		bool		found;

		if (!is_seen(scan, &growing->rows[i]))
			tidset_insert(rows, growing->rows[i], &found);
	}
	return rows;
}

/*
 * A pass over the growing list.  Rows that an earlier pass left for this one and
 * that are not there any more have moved to the graph, unless VACUUM has removed
 * them.  Where they were too many to be noted, all rows of the graph are taken
 * for such.
 */
static void
growing_pass(VecamFlatScan *growing)
{
	VecamRowScan *scan = growing->source;
	bool		later = growing->collected;

	if (later && !growing->too_many_rows)
		growing->missing = rows_to_come(scan);
	vecam_flat_growing_pass(growing);
	look_for_graph(scan);
	if (later && scan->has_graph &&
		(growing->missing == NULL || growing->missing->members > 0))
		sweep_pass(growing);
	if (growing->missing)
		tidset_destroy(growing->missing);
	growing->missing = NULL;
}

/*
 * Begin the sweep.  A strict scan has no use for rows before the last one.
 */
static void
begin_sweep(VecamRowScan *scan)
{
	VecamFlatScan *sweep = &scan->sweep;

	vecam_flat_begin(sweep, scan->index, scan->ix, scan->growing.query,
					 scan->memory, scan->counters);
	sweep->pass = sweep_pass;
	sweep->source = scan;
	if (scan->strict && scan->started && sweep->query)
	{
		sweep->started = true;
		sweep->last.bound = scan->last_bound;
		ItemPointerSet(&sweep->last.tid, 0, 0);
	}
	scan->swept = true;
}

/* Let next_graph be the next row of the graph, if there is one. */
static void
fetch_graph(VecamRowScan *scan)
{
	VecamRowCandidate *next = &scan->next_graph;

	if (!scan->has_graph)
		return;
	while (!next->valid && !scan->swept)
	{
		if (!scan->searches)
			begin_sweep(scan);
		else if (next_tid_of_hit(scan, &next->tid))
		{
			next->bound = scan->hit.key;
			next->upper = scan->hit.upper;
			next->valid = remember_row(scan, &next->tid);
		}
		else if (!next_hit(scan))
			begin_sweep(scan);
	}
	while (!next->valid && vecam_flat_next(&scan->sweep, &next->tid,
										   &next->bound))
	{
		next->upper = get_float8_infinity();
		/* a later pass over the growing list must know it */
		next->valid = scan->growing.candidates.dropped ?
			remember_row(scan, &next->tid) : !is_seen(scan, &next->tid);
	}
}

/*
 * Does the row's place follow from the bounds: is its value above those of all
 * rows returned, and below those of all that are known to come?  Rows of one
 * node need not be equal to the last bit.
 */
static bool
is_certain(const VecamRowScan *scan, const VecamRowCandidate *row)
{
	if (row != &scan->next_graph || scan->swept || isinf(row->upper))
		return false;
	if (scan->hit.ntids > 1 || scan->hit.overflow != VECAM_INVALID_REF)
		return false;
	return row->bound > scan->max_upper &&
		row->upper < vecam_search_next_bound(&scan->search) &&
		!(scan->next_growing.valid && row->upper >= scan->next_growing.bound);
}

/*
 * The next row, by bound; false at the end.  *certain says that its place in
 * the order is right, so that its distance need not be known.
 */
bool
vecam_rows_next(VecamRowScan *scan, ItemPointer tid, double *bound,
				bool *certain)
{
	for (;;)
	{
		VecamRowCandidate *next;

		CHECK_FOR_INTERRUPTS();
		fetch_growing(scan);
		fetch_graph(scan);
		next = &scan->next_graph;
		if (!next->valid || (scan->next_growing.valid &&
							 scan->next_growing.bound <= next->bound))
			next = &scan->next_growing;
		if (!next->valid)
			return false;

		next->valid = false;
		if (scan->strict && scan->started && next->bound < scan->last_bound)
			continue;
		*certain = is_certain(scan, next);
		*tid = next->tid;
		*bound = next->bound;

		/* what is found late must not come before a row that is certain */
		scan->started = true;
		scan->last_bound = *certain ? next->upper : next->bound;
		scan->max_upper = Max(scan->max_upper, next->upper);
		return true;
	}
}
