/*-------------------------------------------------------------------------
 *
 * link.c
 *	  Putting a row into the graph.
 *
 * Several processes may link at once (see flat/seal.c); a page is changed by
 * one at a time, under its lock, and readers go on.  The steps:
 *
 *		prepare		search for the row's code, choose its neighbours
 *		write		the node with its edges, into a free slot
 *		neighbours	an edge back, from as many of them as profit from it
 *
 * An edge back is decided and written on the neighbour's page alone: its own
 * sketches, with the new code as the query, tell how far the new node is from
 * each of its neighbours, hence what it occludes and what occludes it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "graph/graph.h"
#include "math/kernels.h"
#include "miscadmin.h"
#include "page/pagelist.h"
#include "page/slots.h"
#include "page/stop.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

/* The frontier of a search that links; it drops what is far away. */
#define LINK_MEMORY (16 * 1024 * 1024)

/*
 * Occlusions take a byte: 16 steps to a factor of 2 around 1.  Zero marks an
 * anchor, an edge that makes way for none.
 */
#define OCCLUSION_ANCHOR 0
#define OCCLUSION_NONE 1
#define OCCLUSION_ONE 128
#define OCCLUSION_STEPS 16

/* A node with more anchors than this would lead to its own followers only. */
#define MAX_ANCHORS(m0) Max(2, (m0) / 3)

/*
 * Allocate what linking needs, in the current memory context.
 */
void
vecam_link_alloc(VecamLink *link, const VecamIndex *ix)
{
	memset(link, 0, sizeof(*link));
	vecam_point_alloc(&link->point, ix);
	link->chosen = palloc(sizeof(int) * ix->nodes.m0);
	link->decoded = palloc(sizeof(float) * ix->meta.dims);
}

/*
 * Find the neighbours of a row, or, with `join`, the node that has its code
 * already: the search for that is a short one.  The arguments must stay;
 * candidates are kept in the current memory context, which the caller resets
 * after each row.
 */
void
vecam_link_prepare(VecamLink *link, VecamGraph *graph,
				   const VecamSq8Header *head, const uint8 *code,
				   const uint8 *payload, int ef_construction, bool join)
{
	VecamIndex *ix = graph->ix;
	VecamSearch search;

	link->head = *head;
	link->code = code;
	link->payload = payload;
	link->level = vecam_node_level(ix, head, code);
	vecam_sq8_decode(ix->meta.dims, head, code, link->point.y);
	vecam_point_set(&link->point, ix, 0,
					vecam_extra_coordinate(ix, head, code));

	vecam_search_init(&search, graph, &link->point, NULL, ef_construction,
					  LINK_MEMORY);
	if (join)
	{
		search.equal_head = &link->head;
		search.equal_code = code;
	}
	vecam_entries_seed(&search);
	vecam_search_run(&search);

	link->is_equal = search.equal_found;
	link->equal = search.equal;
	link->hits = search.window;
	link->nhits = link->is_equal ? 0 : search.nwindow;
	link->nchosen = vecam_choose_neighbours(ix, link->hits, link->nhits,
											ix->nodes.m0, link->chosen);
}

/*
 * Write edge i of a node whose page image is in hand.
 */
void
vecam_set_edge(VecamGraph *graph, VecamNodeHeader *node, int i, VecamRef ref,
			   uint8 generation, float distance2, float extra, const float *x,
			   const float *centre)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;

	VecamNodeRefs(nl, node)[i] = ref;
	VecamNodeGenerations(nl, node)[i] = generation;
	VecamNodeDistances(nl, node)[i] = vecam_pack_distance(distance2);
	VecamNodeOcclusions(nl, node)[i] = OCCLUSION_NONE;
	if (nl->has_extras)
		VecamNodeExtras(nl, node)[i] = extra;
	vecam_sketch_encode(&nl->sketch, x, centre, VecamNodeSketch(nl, node, i),
						&VecamNodeFactors(nl, node)[i]);
}

/* Fill a free slot with the row's node. */
static void
fill_node(VecamLink *link, VecamGraph *graph, VecamNodeHeader *node,
		  VecamNodeState state, ItemPointer tid)
{
	const VecamIndex *ix = graph->ix;

	memset(node, 0, ix->nodes.node_size);
	node->state = state;
	node->level = link->level;
	node->generation = link->generation;
	node->overflow = VECAM_INVALID_REF;
	node->extra = link->point.extra;
	node->sq8 = link->head;
	if (tid)
		node->tids[node->ntids++] = *tid;
	memcpy(VecamNodeCode(&ix->nodes, node), link->payload,
		   ix->nodes.payload_bytes);

	for (int i = 0; i < link->nchosen; i++)
	{
		VecamHit   *hit = &link->hits[link->chosen[i]];

		vecam_sq8_decode(ix->meta.dims, &hit->code->sq8, hit->code->code,
						 link->decoded);
		vecam_set_edge(graph, node, i, hit->ref, hit->generation,
					   hit->distance2, hit->code->extra, link->decoded, link->point.y);
	}
	node->degree = link->nchosen;
}

/* A free slot of the page, or -1. */
static int
find_free_node(const VecamNodeLayout *nl, Page page)
{
	if (VecamPageGetNodes(page)->nfree == 0)
		return -1;
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		if (vecam_node_at(nl, page, slot)->state == VECAM_NODE_FREE)
			return slot;
	}
	return -1;
}

/* Take the block in hand if it is a node page with a free slot. */
static bool
try_node_page(VecamGraph *graph, BlockNumber blkno, VecamPin *pin)
{
	if (blkno >= vecam_store_nblocks(graph->store))
		return false;
	vecam_store_pin(graph->store, blkno, BUFFER_LOCK_EXCLUSIVE, pin);
	if (vecam_node_of_pin(graph, pin, 0) &&
		VecamPageGetNodes(pin->page)->nfree > 0)
		return true;
	vecam_store_unpin(graph->store, pin);
	return false;
}

/*
 * Add an empty node page.
 *
 * WAL: node page.
 */
static void
add_node_page(VecamGraph *graph, VecamPin *pin)
{
	VecamChange change;

	vecam_store_alloc(graph->store, pin);
	vecam_change_start(&change, graph->store);
	vecam_node_page_init(vecam_change_page(&change, pin, true),
						 &graph->ix->nodes);
	vecam_change_finish(&change);
}

/*
 * See to it that page graph->target has room for a node, which other processes
 * that link may take.  No page may be in hand.
 */
void
vecam_link_reserve_slot(VecamGraph *graph)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	Relation	index = graph->store->index;
	VecamPin	pin;

	if (BlockNumberIsValid(graph->target) &&
		try_node_page(graph, graph->target, &pin))
	{
		vecam_store_unpin(graph->store, &pin);
		return;
	}
	while (graph->store->mode == VECAM_STORE_LOGGED)
	{
		BlockNumber blkno = vecam_find_space(index, nl->node_size);

		CHECK_FOR_INTERRUPTS();
		if (!BlockNumberIsValid(blkno))
			break;
		if (try_node_page(graph, blkno, &pin))
		{
			vecam_store_unpin(graph->store, &pin);
			graph->target = blkno;
			return;
		}
		pin.buf = vecam_claim_free_page(index, blkno);
		if (BufferIsValid(pin.buf))
		{
			UnlockReleaseBuffer(pin.buf);
			break;				/* a whole free page: add_node_page takes it */
		}
		vecam_record_free_space(index, blkno, 0);
	}
	add_node_page(graph, &pin);
	graph->target = pin.blkno;
	vecam_store_unpin(graph->store, &pin);
}

/*
 * Write the row's node, in the given state and with the TID if there is one,
 * to the reserved page; link->ref and link->generation say where it is.  False
 * if another process has filled the page meanwhile.
 *
 * WAL: [the other page,] node page.
 */
bool
vecam_link_write_node(VecamLink *link, VecamGraph *graph, VecamNodeState state,
					  ItemPointer tid, VecamAlso *also)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamPin	pin;
	VecamChange change;
	Page		page;
	int			slot;

	vecam_store_pin(graph->store, graph->target, BUFFER_LOCK_EXCLUSIVE, &pin);
	slot = find_free_node(nl, pin.page);
	if (slot < 0)
	{
		vecam_store_unpin(graph->store, &pin);
		return false;
	}
	link->ref = VecamMakeRef(nl, pin.blkno, slot);
	link->generation = vecam_node_next_generation(pin.page, nl, slot);

	vecam_change_start(&change, graph->store);
	if (also)
		also->apply(vecam_change_page(&change, also->pin, false), also->arg);
	page = vecam_change_page(&change, &pin, false);
	vecam_node_page_use_slot(page, nl, slot);
	fill_node(link, graph, vecam_node_at(nl, page, slot), state, tid);
	VecamPageGetNodes(page)->nfree--;
	vecam_change_finish(&change);
	vecam_store_unpin(graph->store, &pin);
	return true;
}

/* Occlusion ratios as bytes, on a logarithmic scale. */
static uint8
pack_occlusion(double ratio)
{
	double		steps;

	if (ratio <= 0)
		return OCCLUSION_NONE;
	steps = rint(log2(ratio) * OCCLUSION_STEPS) + OCCLUSION_ONE;
	return steps < OCCLUSION_NONE ? OCCLUSION_NONE : steps > 255 ? 255 : (uint8) steps;
}

/* What a new edge would mean for the others of a node. */
typedef struct BackLink
{
	uint8		occlusion[256]; /* of each edge, with the new node in place */
	uint8		own;			/* of the new edge */
	int			nanchors;
	int			most_occluded;	/* of the others, or -1 */
	int			longest;
	float		longest_distance2;
	int			duplicate;		/* the edge exists, or -1 */
} BackLink;

/*
 * Weigh an edge from the node at `ref` to the linked row, which is distance2
 * away, against the edges that the node has.  w[j], the largest d(node, j) / d(s, j)
 * over nearer neighbours s, is kept with each edge, so that this page tells
 * what exact pruning would find from the vectors of all neighbours.
 */
static void
weigh_back_link(BackLink *bl, VecamLink *link, VecamGraph *graph,
				VecamNodeHeader *node, VecamRef ref, double distance2)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	double		diff = (double) node->extra - link->point.extra;
	double		own = 0;
	float		est[256];

	vecam_sketch_estimate(&link->point.sketch, &nl->sketch,
						  distance2 - diff * diff, node->degree,
						  VecamNodeSketches(nl, node),
						  VecamNodeFactors(nl, node), est);
	bl->nanchors = 0;
	bl->most_occluded = bl->longest = -1;
	bl->longest_distance2 = -1;
	bl->duplicate = -1;
	for (int j = 0; j < node->degree; j++)
	{
		float		d2 = vecam_unpack_distance(VecamNodeDistances(nl, node)[j]);
		double		e2 = est[j];

		if (nl->has_extras)
		{
			double		d = (double) VecamNodeExtras(nl, node)[j] - link->point.extra;

			e2 += d * d;
		}
		e2 = Max(e2, 1e-30);
		bl->occlusion[j] = VecamNodeOcclusions(nl, node)[j];
		if (VecamNodeRefs(nl, node)[j] == link->ref)
			bl->duplicate = j;
		if (d2 < distance2)
			own = Max(own, distance2 / e2);
		if (bl->occlusion[j] == OCCLUSION_ANCHOR)
		{
			bl->nanchors++;
			continue;
		}
		if (d2 >= distance2)
			bl->occlusion[j] = Max(bl->occlusion[j], pack_occlusion(d2 / e2));
		if (link->is_needed &&
			link->is_needed(link->needed_arg, ref, VecamNodeRefs(nl, node)[j]))
			continue;
		if (bl->most_occluded < 0 ||
			bl->occlusion[j] > bl->occlusion[bl->most_occluded])
			bl->most_occluded = j;
		if (d2 > bl->longest_distance2)
		{
			bl->longest = j;
			bl->longest_distance2 = d2;
		}
	}
	bl->own = pack_occlusion(own);
}

/*
 * The place for the edge, or -1 if the node is better off without it.  A full
 * node gives up its most redundant edge, if that is more redundant than the
 * new one, or its longest, for a new one that nothing occludes.  The estimates
 * only guide: any choice gives a valid graph.
 */
static int
choose_place(const BackLink *bl, const VecamNodeHeader *node, int m0,
			 double distance2, bool force)
{
	if (bl->duplicate >= 0)
		return bl->duplicate;
	if (node->degree < m0)
		return node->degree;
	if (bl->most_occluded < 0)
		return -1;
	if (bl->occlusion[bl->most_occluded] > Max(bl->own, OCCLUSION_ONE))
		return bl->most_occluded;
	if (bl->own < OCCLUSION_ONE && bl->longest_distance2 > distance2)
		return bl->longest;
	return force ? bl->most_occluded : -1;
}

/* Put the edge into its place, in a node image that is being changed. */
static void
put_edge(VecamLink *link, VecamGraph *graph, VecamNodeHeader *node,
		 const BackLink *bl, int place, double distance2, const float *decoded)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;

	memcpy(VecamNodeOcclusions(nl, node), bl->occlusion, node->degree);
	vecam_set_edge(graph, node, place, link->ref, link->generation, distance2,
				   link->point.extra, link->point.y, decoded);
	if (bl->duplicate < 0 || bl->occlusion[place] != OCCLUSION_ANCHOR)
		VecamNodeOcclusions(nl, node)[place] = bl->own;
	if (place == node->degree)
		node->degree++;
}

/* Pages that one record changes, in the order of their blocks. */
typedef struct PageGroup
{
	int			npages;
	VecamPin	pins[VECAM_RECORD_PAGES];
	Page		images[VECAM_RECORD_PAGES]; /* NULL: not changed so far */
	VecamChange change;
	bool		changed;
} PageGroup;

/*
 * Take the pages of the next hits in hand, as many as a record may have;
 * returns how many hits are on them.  The hits are sorted by their refs.
 */
static int
lock_group(PageGroup *group, VecamGraph *graph, VecamHit **hits, int nhits)
{
	int			i;

	group->npages = 0;
	group->changed = false;
	for (i = 0; i < nhits; i++)
	{
		BlockNumber blkno = VecamRefBlock(&graph->ix->nodes, hits[i]->ref);

		if (group->npages > 0 && group->pins[group->npages - 1].blkno == blkno)
			continue;
		if (group->npages == VECAM_RECORD_PAGES)
			break;
		group->images[group->npages] = NULL;
		vecam_store_pin(graph->store, blkno, BUFFER_LOCK_EXCLUSIVE,
						&group->pins[group->npages++]);
	}
	return i;
}

static void
unlock_group(PageGroup *group, VecamGraph *graph)
{
	if (group->changed)
		vecam_change_finish(&group->change);
	for (int i = 0; i < group->npages; i++)
		vecam_store_unpin(graph->store, &group->pins[i]);
}

/* The image of a page of the group, to be changed. */
static Page
change_group_page(PageGroup *group, VecamGraph *graph, int p)
{
	if (!group->changed)
		vecam_change_start(&group->change, graph->store);
	group->changed = true;
	if (group->images[p] == NULL)
		group->images[p] = vecam_change_page(&group->change, &group->pins[p],
											 false);
	return group->images[p];
}

/*
 * Give the hit, on page p of the group, an edge to the linked row if it
 * profits, or in any case, if it has not too many, an anchor.
 */
static void
link_back(VecamLink *link, VecamGraph *graph, PageGroup *group, int p,
		  const VecamHit *hit, bool anchor)
{
	const VecamIndex *ix = graph->ix;
	const VecamNodeLayout *nl = &ix->nodes;
	int			slot = VecamRefSlot(nl, hit->ref);
	VecamNodeHeader *node = vecam_node_of_pin(graph, &group->pins[p], slot);
	BackLink	bl;
	int			place;

	if (node == NULL || node->state != VECAM_NODE_LIVE ||
		node->generation != hit->generation)
		return;
	weigh_back_link(&bl, link, graph, node, hit->ref, hit->distance2);
	anchor = anchor && bl.nanchors < MAX_ANCHORS(nl->m0);
	place = choose_place(&bl, node, nl->m0, hit->distance2, anchor);
	if (place < 0)
		return;
	if (anchor)
	{
		bl.own = OCCLUSION_ANCHOR;
		link->anchor = hit->ref;
	}

	vecam_sq8_decode(ix->meta.dims, &hit->code->sq8, hit->code->code,
					 link->decoded);
	node = vecam_node_at(nl, change_group_page(group, graph, p), slot);
	put_edge(link, graph, node, &bl, place, hit->distance2, link->decoded);
}

/*
 * Link back from hits that are sorted by their refs, by as many as a record
 * has room for at a time; `anchor` is one of them.  Takes and drops exclusive
 * locks on their pages, in block order.
 *
 * WAL: up to four node pages.
 */
static void
link_back_all(VecamLink *link, VecamGraph *graph, VecamHit **hits, int nhits,
			  const VecamHit *anchor)
{
	while (nhits > 0)
	{
		PageGroup	group;
		int			n;
		int			p = 0;

		VECAM_STOP("link-back");
		n = lock_group(&group, graph, hits, nhits);
		for (int i = 0; i < n; i++)
		{
			while (group.pins[p].blkno !=
				   VecamRefBlock(&graph->ix->nodes, hits[i]->ref))
				p++;
			link_back(link, graph, &group, p, hits[i], hits[i] == anchor);
		}
		unlock_group(&group, graph);
		hits += n;
		nhits -= n;
	}
}

static int
compare_refs(const void *a, const void *b)
{
	VecamRef	x = (*(VecamHit *const *) a)->ref;
	VecamRef	y = (*(VecamHit *const *) b)->ref;

	return (x > y) - (x < y);
}

/*
 * Link back from the neighbours.  One of them, the nearest that can, has an
 * anchor to the row for as long as both are there.  So every node can be
 * reached over anchors from one that was linked before it, and at last from
 * the first ones, which were entry points, until VACUUM takes nodes out and
 * looks after those that are left.
 */
void
vecam_link_neighbours(VecamLink *link, VecamGraph *graph)
{
	VecamHit  **hits = palloc(sizeof(VecamHit *) * Max(link->nchosen, 1));
	VecamHit   *nearest = NULL;
	int			nhits = 0;

	for (int i = 0; i < link->nchosen; i++)
	{
		/* not the node itself, if it is being linked anew */
		if (link->hits[link->chosen[i]].ref != link->ref)
			hits[nhits++] = &link->hits[link->chosen[i]];
	}
	if (nhits > 0)
		nearest = hits[0];		/* neighbours are chosen from the nearest on */
	qsort(hits, nhits, sizeof(VecamHit *), compare_refs);
	link->anchor = VECAM_INVALID_REF;
	link_back_all(link, graph, hits, nhits, nearest);

	for (int i = 0; i < link->nhits && nhits > 0; i++)
	{
		if (link->anchor != VECAM_INVALID_REF)
			break;
		hits[0] = &link->hits[i];
		if (hits[0]->ref != link->ref && hits[0] != nearest)
			link_back_all(link, graph, hits, 1, hits[0]);
	}
	pfree(hits);
}

/*
 * Make the node LIVE with its TID, together with a change of also->pin; with
 * tid NULL make it DEAD, as its row is gone.  False if it is not there.
 *
 * WAL: [the other page,] node page.
 */
bool
vecam_link_publish(VecamLink *link, VecamGraph *graph, ItemPointer tid,
				   VecamAlso *also)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	int			slot = VecamRefSlot(nl, link->ref);
	VecamPin	pin;
	VecamNodeHeader *node;
	VecamChange change;
	bool		found;

	vecam_store_pin(graph->store, VecamRefBlock(nl, link->ref),
					BUFFER_LOCK_EXCLUSIVE, &pin);
	node = vecam_node_of_pin(graph, &pin, slot);
	found = node && node->state == VECAM_NODE_BUILDING &&
		node->generation == link->generation;
	if (found)
	{
		vecam_change_start(&change, graph->store);
		if (also)
			also->apply(vecam_change_page(&change, also->pin, false), also->arg);
		node = vecam_node_at(nl, vecam_change_page(&change, &pin, false), slot);
		node->state = tid ? VECAM_NODE_LIVE : VECAM_NODE_DEAD;
		if (tid)
			node->tids[node->ntids++] = *tid;
		vecam_change_finish(&change);
	}
	vecam_store_unpin(graph->store, &pin);
	return found;
}

/*
 * Offer the node of `link` as a neighbour to a node image that is being
 * changed (decoded: its code); true if it took it, which it does not if its
 * neighbours occlude the new one by more than `alpha`.  Only link->point, ref
 * and generation are used.
 */
bool
vecam_link_offer_edge(VecamGraph *graph, VecamLink *link,
					  VecamNodeHeader *node, const float *decoded,
					  double distance2, double alpha)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	BackLink	bl;
	int			place;

	weigh_back_link(&bl, link, graph, node, VECAM_INVALID_REF, distance2);
	if (bl.own > pack_occlusion(alpha))
		return false;
	place = choose_place(&bl, node, nl->m0, distance2, false);
	if (place < 0)
		return false;
	put_edge(link, graph, node, &bl, place, distance2, decoded);
	return true;
}
