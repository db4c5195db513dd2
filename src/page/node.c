/*-------------------------------------------------------------------------
 *
 * node.c
 *	  The layout of nodes, and node pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "page/node.h"

/* Below this many dimensions sketches have 2 bits per dimension. */
#define TWO_BIT_DIMS 384

/* Sketches shorter than this are no guide; the least that a node may have. */
#define MIN_SKETCH_DIMS 64

/* Bytes of an edge beside its sketch. */
#define EDGE_BYTES \
	(sizeof(VecamSketchFactors) + sizeof(VecamRef) + sizeof(uint16) + 2)

#define NODE_CAPACITY (VECAM_PAGE_CAPACITY - sizeof(VecamNodePage))

/* Set the shape of the sketches from the option, 0 = chosen. */
static void
choose_sketch(VecamNodeLayout *layout, int dims, int sketch_bits)
{
	bool		two = sketch_bits == 0 ? dims < TWO_BIT_DIMS :
		sketch_bits >= 2 * dims;

	vecam_sketch_shape(&layout->sketch, dims,
					   sketch_bits == 0 ? dims : Min(dims, sketch_bits),
					   two ? 2 : 1);
	layout->sketch_bytes = VECAM_SKETCH_BYTES(&layout->sketch);
}

static int
edge_size(const VecamNodeLayout *layout)
{
	return layout->sketch_bytes + EDGE_BYTES +
		(layout->has_extras ? sizeof(float) : 0);
}

/*
 * Choose the number of edges so that nodes fill pages: the 2m of HNSW, or down
 * to three quarters of them if one node more then fits on a page.  0 if not
 * even those fit one page.
 */
static int
choose_edges(const VecamNodeLayout *layout, int base, int m)
{
	int			want = 2 * m;
	int			least = (want * 3 + 3) / 4;
	int			per_page = NODE_CAPACITY / (base + want * edge_size(layout));
	int			denser = (int) (NODE_CAPACITY / (per_page + 1) / 8 * 8 - base) /
		edge_size(layout);

	if (denser >= least)
		return Min(denser, want);
	return per_page > 0 ? want : 0;
}

/*
 * Make room for a finer code, at the cost of edges, down to 11 in 16 of the 2m,
 * but not of nodes per page.
 */
static void
choose_fine(VecamNodeLayout *layout, int dims, int base, int m)
{
	int			want = 2 * m;
	int			per_page = NODE_CAPACITY /
		TYPEALIGN(8, base + layout->m0 * edge_size(layout));
	int			bytes = VECAM_FINE_BYTES(dims);
	int			edges = (int) (NODE_CAPACITY / per_page / 8 * 8 - base -
							   TYPEALIGN(sizeof(uint32), bytes)) /
		edge_size(layout);

	if (edges < (want * 11 + 15) / 16)
		return;
	layout->m0 = Min(layout->m0, edges);
	layout->payload_bytes += bytes;
	layout->fine = 1;			/* place_parts says where */
}

/* Give each part its place; every part starts aligned to its elements. */
static void
place_parts(VecamNodeLayout *layout, int dims)
{
	int			m0 = layout->m0;
	int			at = sizeof(VecamNodeHeader);

	layout->sketches = at;
	at += m0 * layout->sketch_bytes;
	layout->factors = at;
	at += m0 * sizeof(VecamSketchFactors);
	layout->refs = at;
	at += m0 * sizeof(VecamRef);
	layout->extras = at;
	at += layout->has_extras ? m0 * sizeof(float) : 0;
	layout->code = at;
	if (layout->fine)
		layout->fine = at + dims;
	at += TYPEALIGN(sizeof(uint32), layout->payload_bytes);
	layout->distances = at;
	at += m0 * sizeof(uint16);
	layout->generations = at;
	at += m0;
	layout->occlusions = at;
	at += m0;
	layout->node_size = TYPEALIGN(8, at);
}

/*
 * Compute the layout of an index's nodes, with a finer code if that is wanted
 * and fits.  Where node and sketches of all
 * dimensions do not fit a page, the sketches take the first of the (rotated)
 * dimensions only.
 */
void
vecam_node_layout(VecamNodeLayout *layout, int dims, VecamMetric metric,
				  int nextents, int m, int sketch_bits, bool want_fine)
{
	int			base;

	memset(layout, 0, sizeof(*layout));
	layout->payload_bytes = nextents > 0 ?
		nextents * (int) sizeof(BlockNumber) : dims;
	base = sizeof(VecamNodeHeader) + 8 +
		TYPEALIGN(sizeof(uint32), layout->payload_bytes);
	layout->has_extras = (metric == VECAM_METRIC_IP);
	choose_sketch(layout, dims, sketch_bits);

	while ((layout->m0 = choose_edges(layout, base, m)) == 0)
	{
		int			bits = layout->sketch.words * 64 * layout->sketch.bits - 64;

		Assert(bits >= MIN_SKETCH_DIMS);
		choose_sketch(layout, dims, Min(bits, dims * 2 - 1));
	}
	if (want_fine && nextents == 0)
		choose_fine(layout, dims, base, m);
	place_parts(layout, dims);

	layout->per_page = NODE_CAPACITY / layout->node_size;
	while ((1 << layout->slot_bits) < layout->per_page)
		layout->slot_bits++;
}

/*
 * Make the page an empty node page: all slots are free.
 */
void
vecam_node_page_init(Page page, const VecamNodeLayout *layout)
{
	VecamNodePage *nodes;

	vecam_page_init(page, VECAM_PAGE_NODE);
	nodes = VecamPageGetNodes(page);
	nodes->node_size = layout->node_size;
	nodes->nslots = layout->per_page;
	nodes->nfree = layout->per_page;
	vecam_page_set_used(page, sizeof(VecamNodePage));
}

/*
 * A node is about to be written to a slot of the page image: the contents in
 * use reach to it, if they do not reach farther.  Slots behind them are zeroes,
 * which is to say free, so that a new page is logged without them.
 */
void
vecam_node_page_use_slot(Page page, const VecamNodeLayout *layout, int slot)
{
	Size		used = sizeof(VecamNodePage) +
		(Size) layout->node_size * (slot + 1);

	if (vecam_page_used(page) < used)
		vecam_page_set_used(page, used);
}

static bool
is_slot_used(Page page, const VecamNodeLayout *layout, int slot)
{
	return vecam_page_used(page) > sizeof(VecamNodePage) +
		(Size) layout->node_size * slot;
}

/*
 * The generation of a node that is to be written to a slot of the page.
 */
uint8
vecam_node_next_generation(Page page, const VecamNodeLayout *layout, int slot)
{
	if (is_slot_used(page, layout, slot))
		return vecam_node_at(layout, page, slot)->generation + 1;
	return VecamPageGetOpaque(page)->generation + 1;
}

/*
 * Turn the node page, whose nodes are gone, into a free page.  Scans remember
 * nodes by place and generation, so those to come must not be taken for them.
 */
void
vecam_node_page_free(Page page, const VecamNodeLayout *layout)
{
	uint8		first = VecamPageGetOpaque(page)->generation;
	uint8		used = 0;		/* generations, cyclic */

	for (int slot = 0; slot < layout->per_page; slot++)
	{
		if (is_slot_used(page, layout, slot))
			used = Max(used, (uint8) (vecam_node_at(layout, page, slot)->generation - first));
	}
	vecam_page_free(page);
	VecamPageGetOpaque(page)->generation = first + used;
}

/*
 * What is wrong with a node page: it must have the index's layout (INV-10).
 * NULL if it has.
 */
const char *
vecam_node_page_damage(Page page, const VecamNodeLayout *layout)
{
	VecamNodePage *nodes = VecamPageGetNodes(page);

	if (nodes->node_size == layout->node_size &&
		nodes->nslots == layout->per_page && nodes->nfree <= nodes->nslots)
		return NULL;
	return psprintf("%u nodes of %u bytes, %u free", nodes->nslots,
					nodes->node_size, nodes->nfree);
}

/*
 * The same; errors out on damage.
 */
void
vecam_node_page_check(Relation index, BlockNumber blkno, Page page,
					  const VecamNodeLayout *layout)
{
	const char *damage = vecam_node_page_damage(page, layout);

	if (damage)
		vecam_corrupt(index, blkno, "%s", damage);
}

/*
 * The heap TIDs in the nodes of a page.
 */
int
vecam_nodes_count_rows(const VecamNodeLayout *layout, Page page)
{
	int			rows = 0;

	for (int slot = 0; slot < layout->per_page; slot++)
	{
		VecamNodeHeader *node = vecam_node_at(layout, page, slot);

		if (node->state == VECAM_NODE_LIVE)
			rows += node->ntids;
	}
	return rows;
}

/*
 * Let edge `to` of a node image be edge `from` of another, or of itself.
 */
void
vecam_node_copy_edge(const VecamNodeLayout *nl, VecamNodeHeader *node, int to,
					 VecamNodeHeader *source, int from)
{
	VecamNodeRefs(nl, node)[to] = VecamNodeRefs(nl, source)[from];
	VecamNodeGenerations(nl, node)[to] = VecamNodeGenerations(nl, source)[from];
	VecamNodeDistances(nl, node)[to] = VecamNodeDistances(nl, source)[from];
	VecamNodeOcclusions(nl, node)[to] = VecamNodeOcclusions(nl, source)[from];
	VecamNodeFactors(nl, node)[to] = VecamNodeFactors(nl, source)[from];
	if (nl->has_extras)
		VecamNodeExtras(nl, node)[to] = VecamNodeExtras(nl, source)[from];
	memmove(VecamNodeSketch(nl, node, to), VecamNodeSketch(nl, source, from),
			nl->sketch_bytes);
}

/*
 * Remove an edge of a node image; the last one takes its place.
 */
void
vecam_node_drop_edge(const VecamNodeLayout *nl, VecamNodeHeader *node, int i)
{
	if (i < --node->degree)
		vecam_node_copy_edge(nl, node, i, node, node->degree);
}
