/*-------------------------------------------------------------------------
 *
 * checkgraph.c
 *	  vecam_check: nodes, their TID chunks, and how searches come to them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "admin/check.h"
#include "graph/tids.h"
#include "miscadmin.h"
#include "page/progress.h"
#include "utils/memutils.h"

/*
 * What is known of the node that a reference leads to; NULL if there is no such
 * place.
 */
VecamCheckNode *
vecam_check_node_of(VecamCheck *check, VecamRef ref)
{
	const VecamNodeLayout *nl = &check->ix->nodes;
	BlockNumber blkno = VecamRefBlock(nl, ref);
	int			slot = VecamRefSlot(nl, ref);

	if (blkno >= check->nblocks || slot >= nl->per_page ||
		check->blocks[blkno].kind != VECAM_PAGE_NODE)
		return NULL;
	return &check->nodes[(Size) blkno * nl->per_page + slot];
}

/* Can the parts of a node be told apart? */
static bool
node_is_sane(const VecamNodeLayout *nl, const VecamNodeHeader *node)
{
	return node->state <= VECAM_NODE_MOVED && node->degree <= nl->m0 &&
		node->ntids <= VECAM_NODE_TIDS;
}

/*
 * Note the node in a slot of a page that is surveyed.
 */
void
vecam_check_note_node(VecamCheck *check, BlockNumber blkno, int slot,
					  VecamNodeHeader *node)
{
	const VecamNodeLayout *nl = &check->ix->nodes;
	VecamCheckNode *note = &check->nodes[(Size) blkno * nl->per_page + slot];

	note->state = node->state;
	note->generation = node->generation;
	note->level = node->level;
	if (node->state == VECAM_NODE_FREE)
		return;

	if (!check->ix->meta.has_graph)
		vecam_check_report(check, 29, blkno, slot,
						   "a node, although there is no graph");
	if (!node_is_sane(nl, node))
	{
		vecam_check_report(check, 21, blkno, slot,
						   "node of state %u with %u edges and %u TIDs",
						   node->state, node->degree, node->ntids);
		note->state = VECAM_CHECK_BAD_NODE;
		return;
	}
	check->nnodes++;
}

/*
 * Note a chunk of a page that is surveyed.
 */
void
vecam_check_note_chunk(VecamCheck *check, BlockNumber blkno, int slot,
					   VecamTidChunk *chunk)
{
	VecamCheckChunk *note;

	if (chunk->ntids > VECAM_CHUNK_TIDS)
	{
		vecam_check_report(check, 27, blkno, slot, "chunk of %u TIDs",
						   chunk->ntids);
		return;
	}
	if (check->nchunks == check->chunks_allocated)
	{
		check->chunks_allocated *= 2;
		check->chunks = repalloc_huge(check->chunks, sizeof(VecamCheckChunk) *
									  check->chunks_allocated);
	}
	note = &check->chunks[check->nchunks++];
	note->ref = VecamMakeChunkRef(blkno, slot);
	note->linked = false;
}

/*
 * Copy a page that was a node page when it was surveyed.  It is one still,
 * except during recovery.
 */
bool
vecam_check_copy_nodes(VecamCheck *check, BlockNumber blkno, Page copy)
{
	if (blkno >= check->nblocks ||
		check->blocks[blkno].kind != VECAM_PAGE_NODE)
		return false;
	vecam_check_copy_page(check, blkno, copy);
	return !PageIsNew(copy) && vecam_page_damage(copy) == NULL &&
		VecamPageGetOpaque(copy)->kind == VECAM_PAGE_NODE &&
		vecam_node_page_damage(copy, &check->ix->nodes) == NULL;
}

/*
 * The node in a slot of such a copy if there is one that makes sense.
 */
VecamNodeHeader *
vecam_check_node_at(VecamCheck *check, Page copy, int slot)
{
	VecamNodeHeader *node = vecam_node_at(&check->ix->nodes, copy, slot);

	if (node->state == VECAM_NODE_FREE || !node_is_sane(&check->ix->nodes, node))
		return NULL;
	return node;
}

/* Copy the page of a chunk that was noted; the chunk, or NULL as above. */
static VecamTidChunk *
copy_chunk(VecamCheck *check, VecamRef ref, Page copy)
{
	VecamSlotPage *slots;

	vecam_check_copy_page(check, VecamChunkBlock(ref), copy);
	slots = vecam_check_slots(check, copy, VECAM_LIST_OVERFLOW);
	if (slots == NULL || VecamChunkSlot(ref) >= slots->nslots)
		return NULL;
	return (VecamTidChunk *) vecam_slot(slots, VecamChunkSlot(ref));
}

static int
compare_chunks(const void *a, const void *b)
{
	VecamRef	x = ((const VecamCheckChunk *) a)->ref;
	VecamRef	y = ((const VecamCheckChunk *) b)->ref;

	return (x > y) - (x < y);
}

/*
 * Where a moved node is now; false if it was not moved, or to no other place.
 */
static bool
read_forward(VecamCheck *check, VecamRef *ref, uint8 *generation)
{
	const VecamNodeLayout *nl = &check->ix->nodes;
	VecamCheckNode *note = vecam_check_node_of(check, *ref);
	VecamNodeHeader *node;
	PGAlignedBlock copy;

	if (note == NULL || note->state != VECAM_NODE_MOVED ||
		note->generation != *generation ||
		!vecam_check_copy_nodes(check, VecamRefBlock(nl, *ref),
								(Page) copy.data))
		return false;
	node = vecam_check_node_at(check, (Page) copy.data, VecamRefSlot(nl, *ref));
	if (node == NULL || node->state != VECAM_NODE_MOVED ||
		VecamRefBlock(nl, node->forward) >= VecamRefBlock(nl, *ref))
		return false;
	*ref = node->forward;
	*generation = node->forward_generation;
	return true;
}

/* A moved node has a reference to a slot before it, and nothing else. */
static void
check_moved_node(VecamCheck *check, BlockNumber blkno, int slot,
				 VecamNodeHeader *node)
{
	const VecamNodeLayout *nl = &check->ix->nodes;
	VecamCheckNode *note = vecam_check_node_of(check, node->forward);

	if (!check->ix->meta.moving)
		vecam_check_report(check, 30, blkno, slot,
						   "moved node, of which the meta page knows nothing");
	if (node->degree > 0 || node->ntids > 0 ||
		node->overflow != VECAM_INVALID_REF)
		vecam_check_report(check, 30, blkno, slot,
						   "moved node with edges or TIDs");
	if (VecamRefBlock(nl, node->forward) >= blkno || note == NULL ||
		note->state == VECAM_NODE_FREE ||
		note->generation != node->forward_generation)
		vecam_check_report(check, 30, blkno, slot,
						   "node moved to slot %d of block %u, which is no such node",
						   VecamRefSlot(nl, node->forward),
						   VecamRefBlock(nl, node->forward));
}

/* Does the chunk name this node, or a place from which it was moved? */
static bool
is_chunk_of(VecamCheck *check, VecamTidChunk *chunk, VecamRef node,
			uint8 generation)
{
	VecamRef	ref = VecamMakeRef(&check->ix->nodes,
								   ItemPointerGetBlockNumberNoCheck(&chunk->node),
								   ItemPointerGetOffsetNumberNoCheck(&chunk->node) - 1);
	uint8		ref_generation = chunk->generation;

	while (ref != node && read_forward(check, &ref, &ref_generation))
		CHECK_FOR_INTERRUPTS();
	return ref == node && ref_generation == generation;
}

/* The TIDs of a chunk in the chain of a node; the next one is returned. */
static VecamRef
check_chunk(VecamCheck *check, BlockNumber blkno, int slot, uint8 generation,
			VecamRef ref)
{
	VecamCheckChunk key = {ref, false};
	VecamCheckChunk *note = bsearch(&key, check->chunks, check->nchunks,
									sizeof(VecamCheckChunk), compare_chunks);
	PGAlignedBlock copy;
	VecamTidChunk *chunk;

	if (note == NULL || note->linked)
	{
		vecam_check_report(check, 27, blkno, slot, note ?
						   "names chunk %u of block %u, as another place does" :
						   "names chunk %u of block %u, where there is none",
						   VecamChunkSlot(ref), VecamChunkBlock(ref));
		return VECAM_INVALID_REF;
	}
	note->linked = true;
	chunk = copy_chunk(check, ref, (Page) copy.data);
	if (chunk == NULL || chunk->ntids > VECAM_CHUNK_TIDS ||
		!is_chunk_of(check, chunk, VecamMakeRef(&check->ix->nodes, blkno, slot),
					 generation))
	{
		vecam_check_report(check, 27, VecamChunkBlock(ref),
						   VecamChunkSlot(ref),
						   "chunk in the chain of node %d of block %u, which is not its own",
						   slot, blkno);
		return VECAM_INVALID_REF;
	}
	for (int i = 0; i < chunk->ntids; i++)
		vecam_check_add_row(check, &chunk->tids[i], blkno, slot);
	return chunk->next;
}

/* The TIDs of a node. */
static void
check_node_tids(VecamCheck *check, BlockNumber blkno, int slot,
				VecamNodeHeader *node)
{
	bool		has_tids = node->ntids > 0 ||
		node->overflow != VECAM_INVALID_REF;
	VecamRef	ref = node->overflow;

	if (node->state == VECAM_NODE_LIVE && !has_tids)
		vecam_check_report(check, 13, blkno, slot, "live node without a TID");
	if (node->state == VECAM_NODE_DEAD && has_tids)
		vecam_check_report(check, 13, blkno, slot, "dead node with TIDs");
	if (node->state == VECAM_NODE_BUILDING && has_tids)
		vecam_check_report(check, 14, blkno, slot,
						   "node with TIDs, although it is being built");

	for (int i = 0; i < node->ntids; i++)
		vecam_check_add_row(check, &node->tids[i], blkno, slot);
	while (ref != VECAM_INVALID_REF)
	{
		CHECK_FOR_INTERRUPTS();
		ref = check_chunk(check, blkno, slot, node->generation, ref);
	}
}

/* What a node says of itself. */
static void
check_node(VecamCheck *check, BlockNumber blkno, int slot,
		   VecamNodeHeader *node)
{
	const VecamIndex *ix = check->ix;
	uint8	   *payload = VecamNodeCode(&ix->nodes, node);
	int			level;

	if (node->state == VECAM_NODE_MOVED)
	{
		check_moved_node(check, blkno, slot, node);
		return;
	}
	check_node_tids(check, blkno, slot, node);
	if (!vecam_check_own_code(check, blkno, slot, payload, check->code))
		return;
	vecam_check_code(check, blkno, slot, &node->sq8, check->code,
					 ix->nodes.fine ? VecamNodeFine(&ix->nodes, node) : NULL);

	level = vecam_node_level(ix, &node->sq8, check->code);
	if (node->level != level)
		vecam_check_report(check, 24, blkno, slot, "level %u, not %d",
						   node->level, level);
	if (check->has_mean &&
		node->extra != vecam_extra_coordinate(ix, &node->sq8, check->code))
		vecam_check_report(check, 24, blkno, slot,
						   "extra coordinate %g, not %g", node->extra,
						   vecam_extra_coordinate(ix, &node->sq8, check->code));
}

/* Call a function for all nodes that make sense. */
static void
for_each_node(VecamCheck *check, VecamProgressPhase phase,
			  void (*visit) (VecamCheck *check, BlockNumber blkno, int slot,
							 VecamNodeHeader *node))
{
	MemoryContext old = MemoryContextSwitchTo(check->scratch);

	vecam_progress_begin(check->index, phase, check->nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < check->nblocks; blkno++)
	{
		PGAlignedBlock copy;

		CHECK_FOR_INTERRUPTS();
		vecam_progress_update(blkno);
		if (!vecam_check_copy_nodes(check, blkno, (Page) copy.data))
			continue;
		for (int slot = 0; slot < check->ix->nodes.per_page; slot++)
		{
			VecamNodeHeader *node = vecam_check_node_at(check, (Page) copy.data,
														slot);

			if (node == NULL)
				continue;
			CHECK_FOR_INTERRUPTS();
			visit(check, blkno, slot, node);
			MemoryContextReset(check->scratch);
		}
	}
	MemoryContextSwitchTo(old);
}

/*
 * Look at all nodes, then at their edges.
 */
void
vecam_check_nodes(VecamCheck *check)
{
	for_each_node(check, VECAM_PROGRESS_CHECK_NODES, check_node);
	for_each_node(check, VECAM_PROGRESS_CHECK_EDGES, vecam_check_edges);
}

/*
 * Find chunks that are in no node's chain.
 */
void
vecam_check_chunks(VecamCheck *check)
{
	for (Size i = 0; i < check->nchunks; i++)
	{
		VecamRef	ref = check->chunks[i].ref;

		if (!check->chunks[i].linked)
			vecam_check_report(check, 27, VecamChunkBlock(ref),
							   VecamChunkSlot(ref),
							   "chunk in no node's chain");
	}
}

/*
 * A search can come to the node; false if that was known.
 */
bool
vecam_check_reach(VecamCheck *check, VecamRef ref, uint8 generation)
{
	VecamCheckNode *note = vecam_check_node_of(check, ref);

	if (note == NULL || note->generation != generation || note->reached ||
		note->state == VECAM_NODE_FREE || note->state == VECAM_CHECK_BAD_NODE)
		return false;
	note->reached = true;
	check->queue[check->nqueue++] = ref;
	return true;
}

/* The nodes that the edges of a node lead to. */
static void
follow_edges(VecamCheck *check, VecamRef ref)
{
	const VecamNodeLayout *nl = &check->ix->nodes;
	PGAlignedBlock copy;
	VecamNodeHeader *node;

	if (!vecam_check_copy_nodes(check, VecamRefBlock(nl, ref),
								(Page) copy.data))
		return;
	node = vecam_check_node_at(check, (Page) copy.data, VecamRefSlot(nl, ref));
	if (node && node->state == VECAM_NODE_MOVED)
	{
		vecam_check_reach(check, node->forward, node->forward_generation);
		return;
	}
	for (int i = 0; node && i < node->degree; i++)
		vecam_check_reach(check, VecamNodeRefs(nl, node)[i],
						  VecamNodeGenerations(nl, node)[i]);
}

/*
 * Find live nodes that no path leads to from the entry points, which are in the
 * queue.
 */
void
vecam_check_reachability(VecamCheck *check)
{
	const VecamNodeLayout *nl = &check->ix->nodes;

	vecam_progress_begin(check->index, VECAM_PROGRESS_CHECK_PATHS, check->nnodes);
	for (Size done = 0; done < check->nqueue; done++)
	{
		CHECK_FOR_INTERRUPTS();
		vecam_progress_update_rows(done);
		follow_edges(check, check->queue[done]);
	}
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < check->nblocks; blkno++)
	{
		for (int slot = 0; slot < nl->per_page; slot++)
		{
			VecamCheckNode *note = vecam_check_node_of(check,
													   VecamMakeRef(nl, blkno, slot));

			CHECK_FOR_INTERRUPTS();
			if (note && note->state == VECAM_NODE_LIVE && !note->reached)
				vecam_check_report(check, 26, blkno, slot,
								   "no path from the entry points");
		}
	}
}
