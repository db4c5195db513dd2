/*-------------------------------------------------------------------------
 *
 * adopt.c
 *	  The nodes of a checkpoint in an index that is being built.
 *
 * The nodes are written first, dead and with ordinals for edges; then the
 * edges, whose sketches and distances follow from the codes; then each row of
 * the table makes the node that has its code live, or joins it.  What a
 * checkpoint says is hence a claim only: no TID, no bound and no sketch comes
 * from it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "graph/adopt.h"
#include "graph/tids.h"
#include "miscadmin.h"
#include "page/progress.h"
#include "utils/memutils.h"

#define NOTE_ADOPTED	1		/* a row has its code */
#define NOTE_REACHED	2		/* an edge leads to it */

/*
 * Make room for the nodes of a checkpoint, in the current memory context: some
 * 11 bytes for each, up to half of maintenance_work_mem, which the store's pages
 * have to do without.
 */
VecamAdoption *
vecam_adopt_begin(VecamGraph *graph, VecamLink *link, uint32 nnodes)
{
	VecamAdoption *adoption = palloc0(sizeof(VecamAdoption));
	Size		nblocks = nnodes / graph->ix->nodes.per_page + 1;
	Size		nplaces = (Size) nnodes + nnodes / 4 + 1;
	Size		memory = vecam_maintenance_memory();

	vecam_store_leave_memory(graph->store,
							 Min(memory / 2,
								 nplaces * sizeof(VecamCodePlace) + nnodes +
								 nblocks * sizeof(BlockNumber)));
	adoption->graph = graph;
	adoption->link = link;
	adoption->max_nodes = nnodes;
	adoption->blocks = vecam_bigarray_create(nblocks, sizeof(BlockNumber),
											 memory / 16);
	adoption->notes = vecam_bigarray_create(nnodes, sizeof(uint8), memory / 16);
	adoption->places = vecam_bigarray_create(nplaces, sizeof(VecamCodePlace),
											 memory * 3 / 8);
	adoption->nplaces = nplaces;
	adoption->code = palloc(graph->ix->meta.dims);
	return adoption;
}

/* The block of a node's page. */
static BlockNumber *
block_of(const VecamAdoption *adoption, uint32 ordinal)
{
	return vecam_bigarray_at(adoption->blocks,
							 ordinal / adoption->graph->ix->nodes.per_page);
}

/* NOTE_ bits of a node. */
static uint8 *
note_of(const VecamAdoption *adoption, uint32 ordinal)
{
	return vecam_bigarray_at(adoption->notes, ordinal);
}

static VecamRef
ref_of(const VecamAdoption *adoption, uint32 ordinal)
{
	const VecamNodeLayout *nl = &adoption->graph->ix->nodes;

	return VecamMakeRef(nl, *block_of(adoption, ordinal),
						ordinal % nl->per_page);
}

/* Take the page of a node in hand. */
static VecamNodeHeader *
pin_node(VecamAdoption *adoption, uint32 ordinal, int lockmode, VecamPin *pin)
{
	const VecamNodeLayout *nl = &adoption->graph->ix->nodes;

	vecam_store_pin(adoption->graph->store, *block_of(adoption, ordinal), lockmode,
					pin);
	return vecam_node_at(nl, pin->page, ordinal % nl->per_page);
}

/*
 * What decides whether codes are equal: all of the header but the residual,
 * which rows of one code differ in.
 */
#define CODE_HEAD offsetof(VecamSq8Header, residual)

static uint32
hash_code(const VecamIndex *ix, const VecamSq8Header *head, const uint8 *code)
{
	return hash_combine(hash_bytes((const unsigned char *) head, CODE_HEAD),
						hash_bytes(code, ix->meta.dims));
}

static bool
node_has_code(VecamAdoption *adoption, uint32 ordinal,
			  const VecamSq8Header *head, const uint8 *code)
{
	VecamGraph *graph = adoption->graph;
	VecamPin	pin;
	VecamNodeHeader *node = pin_node(adoption, ordinal, BUFFER_LOCK_SHARE, &pin);
	bool		equal = memcmp(&node->sq8, head, CODE_HEAD) == 0 &&
		memcmp(vecam_node_code(graph, node, adoption->code), code,
			   graph->ix->meta.dims) == 0;

	vecam_store_unpin(graph->store, &pin);
	return equal;
}

/* The place of the node that has the code, or an empty one. */
static VecamCodePlace *
find_place(VecamAdoption *adoption, const VecamSq8Header *head,
		   const uint8 *code, uint32 hash)
{
	Size		i = ((uint64) hash * adoption->nplaces) >> 32;

	for (;;)
	{
		VecamCodePlace *place = vecam_bigarray_at(adoption->places, i);

		if (place->node == 0 ||
			(place->hash == hash &&
			 node_has_code(adoption, place->node - 1, head, code)))
			return place;
		CHECK_FOR_INTERRUPTS();
		if (++i == adoption->nplaces)
			i = 0;
	}
}

/* Fill a node of a page image, but for its code. */
static void
fill_node(VecamAdoption *adoption, VecamNodeHeader *node,
		  const VecamCheckpointNode *source)
{
	const VecamIndex *ix = adoption->graph->ix;
	const VecamNodeLayout *nl = &ix->nodes;

	memset(node, 0, nl->node_size);
	node->state = VECAM_NODE_DEAD;
	node->level = source->level;
	node->degree = source->degree;
	node->generation = 1;
	node->overflow = VECAM_INVALID_REF;
	node->extra = vecam_extra_coordinate(ix, &source->sq8, source->code);
	node->sq8 = source->sq8;
	memcpy(VecamNodeRefs(nl, node), source->edges,
		   sizeof(uint32) * source->degree);
	memcpy(VecamNodeOcclusions(nl, node), source->occlusions, source->degree);
}

/*
 * Write the next node, with ordinals for edges.
 */
void
vecam_adopt_node(VecamAdoption *adoption, const VecamCheckpointNode *source)
{
	VecamGraph *graph = adoption->graph;
	const VecamIndex *ix = graph->ix;
	const VecamNodeLayout *nl = &ix->nodes;
	uint32		ordinal = adoption->nnodes;
	uint32		hash = hash_code(ix, &source->sq8, source->code);
	VecamCodePlace *place = find_place(adoption, &source->sq8, source->code, hash);
	BlockNumber extents[VECAM_MAX_EXTENTS];
	const void *payload = source->code;
	VecamChange change;
	VecamPin	pin;
	VecamNodeHeader *node;
	Page		page;

	if (ix->meta.nextents > 0)
	{
		vecam_extents_write(graph->store, ix, source->code, extents);
		payload = extents;
	}
	if (ordinal % nl->per_page == 0)
	{
		vecam_link_reserve_slot(graph);
		*block_of(adoption, ordinal) = graph->target;
	}
	node = pin_node(adoption, ordinal, BUFFER_LOCK_EXCLUSIVE, &pin);
	vecam_change_start(&change, graph->store);
	page = vecam_change_page(&change, &pin, false);
	vecam_node_page_use_slot(page, nl, ordinal % nl->per_page);
	fill_node(adoption, node, source);
	memcpy(VecamNodeCode(nl, node), payload,
		   ix->meta.nextents > 0 ? nl->payload_bytes : ix->meta.dims);
	if (nl->fine)
		vecam_fine_clear(VecamNodeFine(nl, node));
	VecamPageGetNodes(page)->nfree--;
	vecam_change_finish(&change);
	vecam_store_unpin(graph->store, &pin);

	adoption->nnodes++;
	if (place->node == 0)		/* of equal codes the first is found */
	{
		place->node = adoption->nnodes;
		place->hash = hash;
	}
}

/* Copy what distances need of a node. */
static void
read_code(VecamAdoption *adoption, uint32 ordinal, VecamHitCode *copy)
{
	VecamGraph *graph = adoption->graph;
	VecamPin	pin;
	VecamNodeHeader *node = pin_node(adoption, ordinal, BUFFER_LOCK_SHARE, &pin);

	vecam_extents_read(graph->store, graph->ix,
					   VecamNodeCode(&graph->ix->nodes, node), copy->code);
	copy->sq8 = node->sq8;
	copy->extra = node->extra;
	copy->sum = vecam_sq8_code_sum(graph->ix->meta.dims, copy->code);
	vecam_store_unpin(graph->store, &pin);
}

/* Tools of write_edges. */
typedef struct EdgeTools
{
	VecamNodeHeader *image;
	VecamHitCode *own;
	VecamHitCode *other;
	float	   *centre;
	float	   *x;
} EdgeTools;

/* Complete the edges of a node image that has ordinals in their place. */
static void
complete_edges(VecamAdoption *adoption, EdgeTools *tools)
{
	VecamGraph *graph = adoption->graph;
	const VecamIndex *ix = graph->ix;
	const VecamNodeLayout *nl = &ix->nodes;
	VecamNodeHeader *node = tools->image;

	vecam_sq8_decode(ix->meta.dims, &tools->own->sq8, tools->own->code,
					 tools->centre);
	for (int i = 0; i < node->degree; i++)
	{
		uint32		to = VecamNodeRefs(nl, node)[i];
		uint8		occlusion = VecamNodeOcclusions(nl, node)[i];

		read_code(adoption, to, tools->other);
		vecam_sq8_decode(ix->meta.dims, &tools->other->sq8, tools->other->code,
						 tools->x);
		vecam_set_edge(graph, node, i, ref_of(adoption, to), 1,
					   vecam_hit_distance2(ix, tools->own, tools->other),
					   tools->other->extra, tools->x, tools->centre);
		VecamNodeOcclusions(nl, node)[i] = occlusion;
		*note_of(adoption, to) |= NOTE_REACHED;
	}
}

/* Works on a copy, since the neighbours may be on the node's page. */
static void
write_edges(VecamAdoption *adoption, uint32 ordinal, EdgeTools *tools)
{
	VecamGraph *graph = adoption->graph;
	Size		size = graph->ix->nodes.node_size;
	VecamNodeHeader *node;
	VecamChange change;
	VecamPin	pin;

	node = pin_node(adoption, ordinal, BUFFER_LOCK_SHARE, &pin);
	memcpy(tools->image, node, size);
	vecam_store_unpin(graph->store, &pin);

	read_code(adoption, ordinal, tools->own);
	complete_edges(adoption, tools);

	node = pin_node(adoption, ordinal, BUFFER_LOCK_EXCLUSIVE, &pin);
	vecam_change_start(&change, graph->store);
	(void) vecam_change_page(&change, &pin, false);
	memcpy(node, tools->image, size);
	vecam_change_finish(&change);
	vecam_store_unpin(graph->store, &pin);
}

/*
 * All nodes are written: complete their edges.
 */
void
vecam_adopt_edges(VecamAdoption *adoption, MemoryContext scratch)
{
	const VecamIndex *ix = adoption->graph->ix;
	MemoryContext old = MemoryContextSwitchTo(scratch);
	Size		code_size = offsetof(VecamHitCode, code) + ix->meta.dims;
	EdgeTools	tools;

	tools.image = palloc(ix->nodes.node_size);
	tools.own = palloc(code_size);
	tools.other = palloc(code_size);
	tools.centre = palloc(sizeof(float) * ix->meta.dims);
	tools.x = palloc(sizeof(float) * ix->meta.dims);
	vecam_progress_begin(adoption->graph->store->index,
						 VECAM_PROGRESS_RESTORE_EDGES, adoption->nnodes);
	for (uint32 ordinal = 0; ordinal < adoption->nnodes; ordinal++)
	{
		CHECK_FOR_INTERRUPTS();
		vecam_progress_update_rows(ordinal);
		write_edges(adoption, ordinal, &tools);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
}

/* A node's first row: its codes are the row's. */
static void
make_live(VecamAdoption *adoption, uint32 ordinal, ItemPointer tid,
		  const VecamSq8Header *head, const uint8 *payload)
{
	VecamGraph *graph = adoption->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	int			dims = graph->ix->meta.dims;
	VecamChange change;
	VecamPin	pin;
	VecamNodeHeader *node = pin_node(adoption, ordinal, BUFFER_LOCK_EXCLUSIVE,
									 &pin);

	vecam_change_start(&change, graph->store);
	(void) vecam_change_page(&change, &pin, false);
	node->state = VECAM_NODE_LIVE;
	node->sq8 = *head;
	if (nl->fine)
		memcpy(VecamNodeFine(nl, node), payload + dims, VECAM_FINE_BYTES(dims));
	node->tids[node->ntids++] = *tid;
	vecam_change_finish(&change);
	vecam_store_unpin(graph->store, &pin);
	*note_of(adoption, ordinal) |= NOTE_ADOPTED;
	adoption->adopted++;
}

/*
 * Add a row to the node that has its code; false if there is none.  `payload`
 * begins with the code if that is not in extent pages.
 */
bool
vecam_adopt_row(VecamAdoption *adoption, ItemPointer tid,
				const VecamSq8Header *head, const uint8 *code,
				const uint8 *payload)
{
	VecamLink  *link = adoption->link;
	uint32		hash = hash_code(adoption->graph->ix, head, code);
	uint32		node = find_place(adoption, head, code, hash)->node;

	if (node == 0)
		return false;
	if ((*note_of(adoption, node - 1) & NOTE_ADOPTED) == 0)
	{
		make_live(adoption, node - 1, tid, head, payload);
		return true;
	}
	link->head = *head;
	link->payload = payload;
	link->equal.ref = ref_of(adoption, node - 1);
	link->equal.generation = 1;
	if (vecam_node_add_tid(adoption->graph, link, tid, NULL) != VECAM_JOINED)
		elog(ERROR, "node %u is gone", link->equal.ref);
	return true;
}

/*
 * The level of entry points: the given one, or the highest below that of which
 * there are enough.
 */
static int
choose_entry_level(VecamAdoption *adoption, int level)
{
	int64		counts[256] = {0};
	int64		n = 0;

	for (uint32 ordinal = 0; ordinal < adoption->nnodes; ordinal++)
	{
		VecamPin	pin;

		CHECK_FOR_INTERRUPTS();
		if ((*note_of(adoption, ordinal) & NOTE_ADOPTED) == 0)
			continue;
		counts[pin_node(adoption, ordinal, BUFFER_LOCK_SHARE, &pin)->level]++;
		vecam_store_unpin(adoption->graph->store, &pin);
	}
	for (int l = lengthof(counts) - 1; l >= level; l--)
		n += counts[l];
	while (level > 0 && n < VECAM_MIN_ENTRIES)
		n += counts[--level];
	return level;
}

/* Add a node to the entry points if its level is high enough. */
static void
add_entry(VecamAdoption *adoption, uint32 ordinal, VecamHitCode *code, float *y)
{
	VecamGraph *graph = adoption->graph;
	VecamPin	pin;
	int			level = pin_node(adoption, ordinal, BUFFER_LOCK_SHARE, &pin)->level;

	vecam_store_unpin(graph->store, &pin);
	if (level < graph->entries->level)
		return;
	read_code(adoption, ordinal, code);
	vecam_sq8_decode(graph->ix->meta.dims, &code->sq8, code->code, y);
	vecam_entries_add(graph->entries, graph->ix, ref_of(adoption, ordinal), 1,
					  level, code->extra, y, false);
}

/*
 * All rows have been looked up: choose the entry points, and give the memory
 * back.  True if the graph is
 * in need of repair, as some nodes have no row or nothing leads to them.
 */
bool
vecam_adopt_end(VecamAdoption *adoption, int entry_level)
{
	VecamGraph *graph = adoption->graph;
	int			dims = graph->ix->meta.dims;
	VecamHitCode *code = palloc(offsetof(VecamHitCode, code) + dims);
	float	   *y = palloc(sizeof(float) * dims);
	bool		damaged = false;

	graph->entries->level = choose_entry_level(adoption, entry_level);
	for (uint32 ordinal = 0; ordinal < adoption->nnodes; ordinal++)
	{
		uint8		note = *note_of(adoption, ordinal);

		CHECK_FOR_INTERRUPTS();
		if (note != (NOTE_ADOPTED | NOTE_REACHED))
			damaged = true;
		if (note & NOTE_ADOPTED)
			add_entry(adoption, ordinal, code, y);
	}
	pfree(y);
	pfree(code);
	vecam_bigarray_free(adoption->places);
	vecam_bigarray_free(adoption->notes);
	vecam_bigarray_free(adoption->blocks);
	return damaged;
}
