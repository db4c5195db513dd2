/*-------------------------------------------------------------------------
 *
 * search.c
 *	  Best-first search of the graph, as a stream.
 *
 * Expanding a node reads its page once: the distance to its own code is
 * computed, and the distances to all its neighbours are estimated from their
 * sketches (SymphonyQG, Gou et al., SIGMOD 2025).  A node may stand in the
 * frontier several times, with estimates from different neighbours; the
 * smallest wins.  Expanded nodes wait in a window until the best estimate in
 * the frontier is worse than the L-th best of them (the look-ahead); then the
 * best may go.  So the effort follows the number of rows that are asked for.
 *
 * Hits wait in the order of their lower bounds.  A hit that is about to go gets
 * tighter ones from its node's finer code, and an upper bound with it, which
 * tells whether the order is certain.
 *
 * References are taken as hints: a slot that has been freed or reused since
 * its generation was noted is skipped.  What is returned was read under one
 * lock, distance and TIDs together.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/instrument.h"
#include "graph/graph.h"
#include "math/kernels.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/float.h"
#include "utils/memutils.h"

/* Rows that are pulled before the look-ahead begins to grow. */
#define FIRST_ROWS 10

/* An additional stop, once ROWS rows are out: (1 + 0.12)^2 of the best one. */
#define GAP_ROWS 10
#define GAP_FACTOR 1.2544

/* So many of the best hits are refined as soon as they are found. */
#define EAGER_HITS 8

typedef struct VisitedEntry
{
	uint64		key;			/* ref and generation */
	char		status;
} VisitedEntry;

#define SH_PREFIX visited
#define SH_ELEMENT_TYPE VisitedEntry
#define SH_KEY_TYPE uint64
#define SH_KEY key
#define SH_HASH_KEY(tb, key) ((uint32) (((key) * UINT64CONST(0x9E3779B97F4A7C15)) >> 32))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_FILLFACTOR 0.5
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/*
 * Begin a search for the point.  With `bound` hits are ordered by their lower
 * bounds of the operator's distance, else by the distance between codes, and
 * keep a copy of their code.  `memory` bounds the frontier.  All memory comes
 * from the current context.
 */
void
vecam_search_init(VecamSearch *search, VecamGraph *graph,
				  const VecamPoint *point, const VecamCodecQuery *bound,
				  int lookahead, Size memory)
{
	memset(search, 0, sizeof(*search));
	search->graph = graph;
	search->point = point;
	search->bound = bound;
	search->bound_of_point = bound && bound->sq8.q16 == point->sq8.q16;
	search->lookahead = lookahead;
	vecam_frontier_init(&search->frontier, memory);
	search->visited = visited_create(CurrentMemoryContext, 256, NULL);
	search->window_size = 2 * Max(lookahead, FIRST_ROWS);
	search->window = palloc(sizeof(VecamHit) * (search->window_size + 1));
	search->rest_allocated = 256;
	search->rest = palloc(sizeof(VecamHit) * search->rest_allocated);
	search->reads_before = pgBufferUsage.shared_blks_read;
	search->estimates = palloc(sizeof(float) * graph->ix->nodes.m0);
	if (graph->ix->nodes.fine)
		search->decoded = palloc(sizeof(float) * graph->ix->meta.dims);
	if (graph->ix->meta.nextents > 0)
		search->long_code = palloc(graph->ix->meta.dims);
}

/*
 * Was the node expanded by this search?
 */
bool
vecam_search_visited(VecamSearch *search, VecamRef ref, uint8 generation)
{
	return visited_lookup(search->visited,
						  ((uint64) ref << 8) | generation) != NULL;
}

/*
 * The node in a slot of the page in hand, or NULL if there is no such slot,
 * because the page is used for something else by now.
 */
VecamNodeHeader *
vecam_node_of_pin(VecamGraph *graph, VecamPin *pin, int slot)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamNodeHeader *node;

	if (BufferIsValid(pin->buf))
	{
		if (!vecam_page_is(graph->store->index, pin->buf, VECAM_PAGE_NODE))
			return NULL;
		vecam_node_page_check(graph->store->index, pin->blkno, pin->page, nl);
	}
	if (slot >= nl->per_page)
		return NULL;

	node = vecam_node_at(nl, pin->page, slot);
	if (node->degree > nl->m0 || node->ntids > VECAM_NODE_TIDS ||
		node->state > VECAM_NODE_MOVED)
		vecam_corrupt(graph->store->index, pin->blkno,
					  "node %d of state %u with %u edges and %u tids",
					  slot, node->state, node->degree, node->ntids);
	return node;
}

/*
 * The code of a node whose page is in hand: in the node, or put together in
 * long_code (dims bytes) from its extent pages, which are locked one by one.
 */
const uint8 *
vecam_node_code(VecamGraph *graph, VecamNodeHeader *node, uint8 *long_code)
{
	const VecamIndex *ix = graph->ix;
	uint8	   *code = VecamNodeCode(&ix->nodes, node);

	if (ix->meta.nextents == 0)
		return code;
	vecam_extents_read(graph->store, ix, code, long_code);
	return long_code;
}

/* Let a hit wait beyond the window.  Linking needs the best ones only. */
static void
add_to_rest(VecamSearch *search, const VecamHit *hit)
{
	if (search->bound == NULL)
	{
		pfree(hit->code);
		return;
	}
	if (search->nrest == search->rest_allocated)
	{
		search->rest_allocated *= 2;
		search->rest = repalloc_huge(search->rest, sizeof(VecamHit) *
									 (Size) search->rest_allocated);
	}
	if (search->nrest == 0 || hit->key < search->rest_min)
		search->rest_min = hit->key;
	search->rest[search->nrest++] = *hit;
}

/*
 * Add a hit to those that wait.  No hit of the window comes after one of the
 * rest.
 */
static void
add_hit(VecamSearch *search, const VecamHit *hit)
{
	VecamHit   *window = search->window;
	int			lo = 0;
	int			hi = search->nwindow;

	if (search->nrest > 0 && hit->key >= search->rest_min)
	{
		add_to_rest(search, hit);
		return;
	}
	while (lo < hi)
	{
		int			mid = (lo + hi) / 2;

		if (window[mid].key <= hit->key)
			lo = mid + 1;
		else
			hi = mid;
	}
	memmove(window + lo + 1, window + lo,
			sizeof(VecamHit) * (search->nwindow - lo));
	window[lo] = *hit;
	if (++search->nwindow > search->window_size)
		add_to_rest(search, &window[--search->nwindow]);
}

static int
compare_hits(const void *a, const void *b)
{
	double		x = ((const VecamHit *) a)->key;
	double		y = ((const VecamHit *) b)->key;

	return (x > y) - (x < y);
}

/* Refill the window from the rest, which is sorted for that. */
static void
refill_window(VecamSearch *search)
{
	int			taken = Min(search->window_size - search->nwindow,
							search->nrest);

	qsort(search->rest, search->nrest, sizeof(VecamHit), compare_hits);
	memcpy(search->window + search->nwindow, search->rest,
		   sizeof(VecamHit) * taken);
	search->nwindow += taken;
	search->nrest -= taken;
	memmove(search->rest, search->rest + taken,
			sizeof(VecamHit) * search->nrest);
	if (search->nrest > 0)
		search->rest_min = search->rest[0].key;
}

static VecamHitCode *
copy_code(VecamSearch *search, VecamNodeHeader *node, const uint8 *code)
{
	int			dims = search->graph->ix->meta.dims;
	VecamHitCode *copy = palloc(offsetof(VecamHitCode, code) + dims);

	copy->sq8 = node->sq8;
	copy->extra = node->extra;
	copy->sum = vecam_sq8_code_sum(dims, code);
	memcpy(copy->code, code, dims);
	return copy;
}

/* Estimate the distances of the node's neighbours and put them in line. */
static void
push_neighbours(VecamSearch *search, VecamNodeHeader *node, double distance2)
{
	const VecamNodeLayout *nl = &search->graph->ix->nodes;
	const VecamRef *refs = VecamNodeRefs(nl, node);
	const uint8 *generations = VecamNodeGenerations(nl, node);
	float	   *est = search->estimates;

	vecam_sketch_estimate(&search->point->sketch, &nl->sketch, distance2,
						  node->degree, VecamNodeSketches(nl, node),
						  VecamNodeFactors(nl, node), est);
	for (int i = 0; i < node->degree; i++)
	{
		VecamFrontierItem item;

		if (nl->has_extras)
		{
			float		diff = VecamNodeExtras(nl, node)[i] - search->point->extra;

			est[i] += diff * diff;
		}
		item = vecam_frontier_item(est[i], refs[i], generations[i]);
		if (vecam_frontier_is_far(&search->frontier, item) ||
			visited_lookup(search->visited, vecam_item_node(item)) == NULL)
			vecam_frontier_push(&search->frontier, item);
	}
	if (search->graph->counters)
		search->graph->counters->distances_estimated += node->degree;
}

/* Narrow the hit's bounds by the finer code of its node, whose page is in hand. */
static void
refine_hit(VecamSearch *search, VecamHit *hit, VecamNodeHeader *node)
{
	const VecamNodeLayout *nl = &search->graph->ix->nodes;
	double		lower;
	double		upper;

	hit->refined = true;
	if (!vecam_codec_interval(search->bound, &node->sq8,
							  VecamNodeCode(nl, node),
							  VecamNodeFine(nl, node), search->decoded,
							  &lower, &upper))
		return;
	hit->key = Max(hit->key, lower);
	hit->upper = upper;
	if (search->graph->counters)
		search->graph->counters->distances_computed++;
}

/* Is the hit among the first few, so that it is likely to go soon? */
static bool
is_near_front(VecamSearch *search, const VecamHit *hit)
{
	return search->nwindow < EAGER_HITS ||
		hit->key < search->window[EAGER_HITS - 1].key;
}

/* If linking looks for a node with this very code: end the search here. */
static void
compare_code(VecamSearch *search, VecamNodeHeader *node, const uint8 *code,
			 const VecamHit *hit)
{
	if (search->equal_code &&
		node->sq8.lo == search->equal_head->lo &&
		node->sq8.delta == search->equal_head->delta &&
		memcmp(code, search->equal_code, search->graph->ix->meta.dims) == 0)
	{
		search->equal_found = true;
		search->equal = *hit;
	}
}

/* Visit the node whose page is in hand. */
static void
expand_node(VecamSearch *search, VecamNodeHeader *node, VecamRef ref)
{
	VecamGraph *graph = search->graph;
	const uint8 *code = vecam_node_code(graph, node, search->long_code);
	const VecamSq8Query *sq8 = &search->point->sq8;
	int64		dot = vecam_sq8_integer_dot(sq8, code);
	double		distance2 = vecam_sq8_distance2_of_dot(sq8, &node->sq8, dot);
	float		diff = node->extra - search->point->extra;

	/* what comes next is known now, and loads while the rest is done */
	push_neighbours(search, node, distance2);
	vecam_search_prefetch(search);

	if (node->state == VECAM_NODE_LIVE)
	{
		VecamHit	hit;

		hit.distance2 = distance2 + diff * diff;
		if (search->bound_of_point)
			hit.key = vecam_codec_bound_of_dot(search->bound, &node->sq8, dot);
		else if (search->bound)
			hit.key = vecam_codec_bound(search->bound, &node->sq8, code);
		else
			hit.key = hit.distance2;
		hit.upper = get_float8_infinity();
		hit.asked = false;
		hit.refined = search->bound == NULL || search->decoded == NULL;
		if (!hit.refined && is_near_front(search, &hit))
			refine_hit(search, &hit, node);
		hit.ref = ref;
		hit.generation = node->generation;
		hit.overflow = node->overflow;
		hit.ntids = node->ntids;
		memcpy(hit.tids, node->tids, sizeof(hit.tids));
		hit.code = search->bound ? NULL : copy_code(search, node, code);
		compare_code(search, node, code, &hit);
		add_hit(search, &hit);
	}

	if (graph->counters)
	{
		graph->counters->nodes_visited++;
		graph->counters->distances_computed++;
	}
}

/* Is there such a block?  Asking the operating system costs a system call. */
static bool
block_exists(VecamSearch *search, BlockNumber blkno)
{
	VecamIndexCache *cache = search->graph->store->cache;

	if (blkno < search->nblocks)
		return true;
	if (cache && blkno < cache->nblocks)
		search->nblocks = cache->nblocks;
	else if (cache)
		search->nblocks = vecam_cache_nblocks(cache, search->graph->store->index);
	else
		search->nblocks = vecam_store_nblocks(search->graph->store);
	return blkno < search->nblocks;
}

/*
 * Take the page of a node in hand; NULL, but the page in hand, if the slot holds
 * it no more.
 */
static VecamNodeHeader *
pin_node(VecamSearch *search, VecamRef ref, uint8 generation, VecamPin *pin)
{
	VecamGraph *graph = search->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamNodeHeader *node;

	vecam_store_pin(graph->store, VecamRefBlock(nl, ref), BUFFER_LOCK_SHARE,
					pin);
	if (graph->counters)
		graph->counters->pages_read++;
	node = vecam_node_of_pin(graph, pin, VecamRefSlot(nl, ref));
	return node && node->generation == generation ? node : NULL;
}

/* Expand the frontier's item unless that has been done. */
static void
visit(VecamSearch *search, VecamFrontierItem item)
{
	VecamRef	ref = vecam_item_ref(item);
	VecamPin	pin;
	VecamNodeHeader *node;
	bool		found;

	visited_insert(search->visited, vecam_item_node(item), &found);
	if (found ||
		!block_exists(search, VecamRefBlock(&search->graph->ix->nodes, ref)))
		return;

	node = pin_node(search, ref, vecam_item_generation(item), &pin);
	if (node && node->state == VECAM_NODE_MOVED)
		vecam_frontier_push(&search->frontier,
							vecam_frontier_item(vecam_item_estimate(item),
												node->forward,
												node->forward_generation));
	else if (node && node->state != VECAM_NODE_FREE)
		expand_node(search, node, ref);
	vecam_store_unpin(search->graph->store, &pin);
}

/*
 * The look-ahead grows with the rows that are pulled: of a hundred nearest rows
 * the last are harder to find than of ten.
 */
static int
current_lookahead(const VecamSearch *search)
{
	if (search->popped <= FIRST_ROWS)
		return search->lookahead;
	return search->lookahead + (int) Min((search->popped - FIRST_ROWS) / 2,
										 search->window_size - search->lookahead);
}

/* May the best hit go? */
static bool
can_stop(VecamSearch *search)
{
	int			lookahead = current_lookahead(search);
	float		best;

	if (vecam_frontier_is_empty(&search->frontier) || search->equal_found)
		return true;
	best = vecam_item_estimate(vecam_frontier_top(&search->frontier));
	if (search->nwindow >= lookahead &&
		best > search->window[lookahead - 1].distance2)
		return true;
	return search->bound && search->popped >= GAP_ROWS &&
		search->nwindow > 0 && best > 0 &&
		best > GAP_FACTOR * search->window[0].distance2;
}

/*
 * Expand nodes until the best hit may go, or nothing is left to expand.
 */
void
vecam_search_run(VecamSearch *search)
{
	if (search->nwindow < current_lookahead(search) && search->nrest > 0)
		refill_window(search);
	while (!can_stop(search))
	{
		VecamFrontierItem item = vecam_frontier_pop(&search->frontier);

		CHECK_FOR_INTERRUPTS();
		vecam_search_prefetch(search);
		visit(search, item);
	}
}

static VecamHit
remove_hit(VecamSearch *search, int i)
{
	VecamHit	hit = search->window[i];

	search->nwindow--;
	memmove(search->window + i, search->window + i + 1,
			sizeof(VecamHit) * (search->nwindow - i));
	return hit;
}

/*
 * Refine the best hit, or the next one if it might belong before the best;
 * false if there is nothing to refine.
 */
static bool
refine_front(VecamSearch *search)
{
	VecamHit   *window = search->window;
	VecamHit	hit;
	VecamPin	pin;
	VecamNodeHeader *node;

	if (!window[0].refined)
		hit = remove_hit(search, 0);
	else if (search->nwindow > 1 && !window[1].refined &&
			 window[1].key <= window[0].upper)
		hit = remove_hit(search, 1);
	else
		return false;

	node = pin_node(search, hit.ref, hit.generation, &pin);
	hit.refined = true;

	/* the slot may hold another node of the same generation by now */
	if (node && node->state == VECAM_NODE_LIVE && node->ntids == hit.ntids &&
		memcmp(node->tids, hit.tids, sizeof(hit.tids)) == 0)
		refine_hit(search, &hit, node);
	vecam_store_unpin(search->graph->store, &pin);
	add_hit(search, &hit);
	return true;
}

/*
 * Take the best hit; false when there is none, that is, when the part of the
 * graph that can be reached is exhausted.
 */
bool
vecam_search_pop(VecamSearch *search, VecamHit *hit)
{
	do
	{
		vecam_search_run(search);
		if (search->nwindow == 0)
			return false;
	} while (refine_front(search));

	*hit = remove_hit(search, 0);
	search->popped++;
	return true;
}

/*
 * The smallest bound of the hits that wait, +Infinity if there are none.
 */
double
vecam_search_next_bound(const VecamSearch *search)
{
	if (search->nwindow > 0)
		return search->window[0].key;
	return search->nrest > 0 ? search->rest_min : get_float8_infinity();
}
