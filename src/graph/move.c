/*-------------------------------------------------------------------------
 *
 * move.c
 *	  Moving nodes to other slots, for compaction.
 *
 * One record copies a node to a free slot of an earlier block and leaves its
 * old slot MOVED, with a reference to the new one.  From then on each TID is in
 * the new place only.  Whoever comes to the old slot follows the reference, so
 * that the graph is as good as before.
 *
 * Later, for many moves at once, a pass over the pages rewrites what names an
 * old slot: edges, entry points, TID chunks.  Then nothing does, and the old
 * slots become free.  The meta page says that there are moves to be finished;
 * after a crash the next VACUUM or compaction does so.
 *
 * The caller holds the seal lock alone, but may give it back between any two
 * calls of `pause`: sealers follow references, too, so they make no new edge to
 * an old slot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "graph/tids.h"
#include "miscadmin.h"
#include "page/bigarray.h"
#include "page/pagelist.h"
#include "page/progress.h"
#include "page/slots.h"
#include "page/stop.h"
#include "storage/bufmgr.h"

/* References are followed so many times: each leads to an earlier block. */
#define MAX_FORWARDS 32

/* Moves that are finished in one pass, at least. */
#define MIN_MOVES 1024

typedef struct Move
{
	VecamRef	from;
	VecamRef	to;
	uint8		from_generation;
	uint8		to_generation;
	char		status;
} Move;

#define SH_PREFIX moves
#define SH_ELEMENT_TYPE Move
#define SH_KEY_TYPE VecamRef
#define SH_KEY from
#define SH_HASH_KEY(tb, key) murmurhash32(key)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A pass that finishes moves. */
typedef struct FinishState
{
	VecamGraph *graph;
	moves_hash *moves;
	void		(*pause) (void *arg);
	void	   *arg;
	int64		edges;			/* rewritten */
} FinishState;

/* If the node was moved, say where to; false if it was not. */
static bool
read_forward(VecamGraph *graph, VecamRef *ref, uint8 *generation)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	BlockNumber blkno = VecamRefBlock(nl, *ref);
	VecamNodeHeader *node;
	VecamPin	pin;
	bool		moved;

	if (blkno == VECAM_META_BLKNO || blkno >= vecam_store_nblocks(graph->store))
		return false;
	vecam_store_pin(graph->store, blkno, BUFFER_LOCK_SHARE, &pin);
	node = vecam_node_of_pin(graph, &pin, VecamRefSlot(nl, *ref));
	moved = node && node->state == VECAM_NODE_MOVED &&
		node->generation == *generation;
	if (moved)
	{
		*ref = node->forward;
		*generation = node->forward_generation;
	}
	vecam_store_unpin(graph->store, &pin);
	return moved;
}

/*
 * Follow a node to where it has been moved, if it has.  Takes and drops share
 * locks.
 */
void
vecam_node_follow(VecamGraph *graph, VecamRef *ref, uint8 *generation)
{
	int			left = MAX_FORWARDS;

	while (left-- > 0 && read_forward(graph, ref, generation))
		;
}

/* Say in the meta page whether there may be moved nodes.  WAL: meta page. */
static void
set_moving(VecamGraph *graph, bool moving)
{
	VecamPin	pin;
	VecamChange change;

	vecam_store_pin(graph->store, VECAM_META_BLKNO, BUFFER_LOCK_EXCLUSIVE,
					&pin);
	vecam_change_start(&change, graph->store);
	VecamPageGetMeta(vecam_change_page(&change, &pin, false))->moving = moving;
	vecam_change_finish(&change);
	vecam_store_unpin(graph->store, &pin);
	graph->ix->meta.moving = moving;
}

static int
find_free_slot(const VecamNodeLayout *nl, Page page)
{
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		if (vecam_node_at(nl, page, slot)->state == VECAM_NODE_FREE)
			return slot;
	}
	return -1;
}

/* Let the slot of a page image hold a copy of the node. */
static uint8
copy_node(const VecamNodeLayout *nl, Page page, int slot,
		  const VecamNodeHeader *node)
{
	VecamNodeHeader *copy = vecam_node_at(nl, page, slot);
	uint8		generation = vecam_node_next_generation(page, nl, slot);

	vecam_node_page_use_slot(page, nl, slot);
	memcpy(copy, node, nl->node_size);
	copy->generation = generation;
	VecamPageGetNodes(page)->nfree--;
	return generation;
}

/* Leave a reference in place of the node. */
static void
leave_reference(VecamNodeHeader *node, VecamRef to, uint8 generation)
{
	node->state = VECAM_NODE_MOVED;
	node->degree = 0;
	node->ntids = 0;
	node->overflow = VECAM_INVALID_REF;
	node->forward = to;
	node->forward_generation = generation;
}

/*
 * Move the node in a slot of page `from` to page `to`, an earlier one, both
 * exclusively in hand.  False if that is full, or the slot has no node that can
 * be moved: a BUILDING one is named by its row.
 *
 * WAL: two node pages.
 */
static bool
move_node(VecamGraph *graph, VecamPin *from, int slot, VecamPin *to)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamNodeHeader *node = vecam_node_at(nl, from->page, slot);
	int			free_slot = find_free_slot(nl, to->page);
	VecamChange change;
	Page		page;
	uint8		generation;

	if (free_slot < 0)
		return false;
	vecam_change_start(&change, graph->store);
	page = vecam_change_page(&change, to, false);
	generation = copy_node(nl, page, free_slot, node);
	page = vecam_change_page(&change, from, false);
	leave_reference(vecam_node_at(nl, page, slot),
					VecamMakeRef(nl, to->blkno, free_slot), generation);
	vecam_change_finish(&change);
	return true;
}

static bool
is_movable(const VecamNodeHeader *node)
{
	return node->state == VECAM_NODE_LIVE || node->state == VECAM_NODE_DEAD;
}

/*
 * Move the nodes of block `from` to block `to`, an earlier one, as many as
 * there is room for; `left` gets how many had to stay for lack of it.  Returns
 * how many were moved.
 */
int
vecam_move_nodes(VecamGraph *graph, BlockNumber from, BlockNumber to, int *left)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamPin	from_pin;
	VecamPin	to_pin;
	int			moved = 0;

	Assert(to < from);
	if (!graph->ix->meta.moving)
	{
		set_moving(graph, true);
		VECAM_STOP("move-begun");
	}
	*left = 0;
	vecam_store_pin(graph->store, to, BUFFER_LOCK_EXCLUSIVE, &to_pin);
	vecam_store_pin(graph->store, from, BUFFER_LOCK_EXCLUSIVE, &from_pin);
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		VecamNodeHeader *node = vecam_node_of_pin(graph, &from_pin, slot);

		if (node == NULL)
			break;
		if (is_movable(node) && vecam_node_of_pin(graph, &to_pin, 0) &&
			move_node(graph, &from_pin, slot, &to_pin))
			moved++;
		else if (is_movable(node))
			++*left;
	}
	vecam_store_unpin(graph->store, &from_pin);
	vecam_store_unpin(graph->store, &to_pin);
	VECAM_STOP("move-copied");
	return moved;
}

/*
 * Make a free page a node page; false if it is not free any more.
 *
 * WAL: node page.
 */
bool
vecam_make_node_page(VecamGraph *graph, BlockNumber blkno)
{
	VecamPin	pin;
	VecamChange change;

	pin.blkno = blkno;
	pin.buf = vecam_claim_free_page(graph->store->index, blkno);
	if (!BufferIsValid(pin.buf))
		return false;
	pin.page = BufferGetPage(pin.buf);
	vecam_change_start(&change, graph->store);
	vecam_node_page_init(vecam_change_page(&change, &pin, true),
						 &graph->ix->nodes);
	vecam_change_finish(&change);
	vecam_store_unpin(graph->store, &pin);
	return true;
}

/* Note the moved nodes of a page, if it is a node page. */
static void
collect_moves(FinishState *state, BlockNumber blkno)
{
	VecamGraph *graph = state->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamPin	pin;

	vecam_store_pin(graph->store, blkno, BUFFER_LOCK_SHARE, &pin);
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		VecamNodeHeader *node = vecam_node_of_pin(graph, &pin, slot);
		Move	   *move;
		bool		found;

		if (node == NULL)
			break;
		if (node->state != VECAM_NODE_MOVED)
			continue;
		move = moves_insert(state->moves, VecamMakeRef(nl, blkno, slot), &found);
		move->from_generation = node->generation;
		move->to = node->forward;
		move->to_generation = node->forward_generation;
	}
	vecam_store_unpin(graph->store, &pin);
}

/* Where a reference has to lead now; false if it is right as it is. */
static bool
look_up(FinishState *state, VecamRef *ref, uint8 *generation)
{
	bool		moved = false;

	for (int left = MAX_FORWARDS; left > 0; left--)
	{
		Move	   *move = moves_lookup(state->moves, *ref);

		if (move == NULL || move->from_generation != *generation)
			break;
		*ref = move->to;
		*generation = move->to_generation;
		moved = true;
	}
	return moved;
}

static bool
leads_to_moved(FinishState *state, VecamNodeHeader *node)
{
	const VecamNodeLayout *nl = &state->graph->ix->nodes;

	if (node->state == VECAM_NODE_MOVED)
	{
		VecamRef	ref = node->forward;
		uint8		generation = node->forward_generation;

		return look_up(state, &ref, &generation);
	}
	for (int i = 0; i < node->degree; i++)
	{
		VecamRef	ref = VecamNodeRefs(nl, node)[i];
		uint8		generation = VecamNodeGenerations(nl, node)[i];

		if (look_up(state, &ref, &generation))
			return true;
	}
	return false;
}

/*
 * Let the edges of a node image lead to where their nodes are now.  An edge
 * that another one has become equal to goes.
 */
static void
rewrite_node(FinishState *state, VecamNodeHeader *node, VecamRef self)
{
	const VecamNodeLayout *nl = &state->graph->ix->nodes;

	if (node->state == VECAM_NODE_MOVED)
	{
		uint8		generation = node->forward_generation;

		look_up(state, &node->forward, &generation);
		node->forward_generation = generation;
		return;
	}
	for (int i = node->degree - 1; i >= 0; i--)
	{
		VecamRef	ref = VecamNodeRefs(nl, node)[i];
		uint8		generation = VecamNodeGenerations(nl, node)[i];

		if (!look_up(state, &ref, &generation))
			continue;
		if (ref == self || vecam_node_has_edge(nl, node, ref))
			vecam_node_drop_edge(nl, node, i);
		else
		{
			VecamNodeRefs(nl, node)[i] = ref;
			VecamNodeGenerations(nl, node)[i] = generation;
		}
		state->edges++;
	}
}

/*
 * Rewrite the edges of a page's nodes, whatever their state, and the references
 * of moved ones, of which some may not have been collected.  WAL: node page.
 */
static void
rewrite_page(FinishState *state, BlockNumber blkno)
{
	VecamGraph *graph = state->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamChange change;
	VecamPin	pin;
	Page		page = NULL;

	vecam_store_pin(graph->store, blkno, BUFFER_LOCK_EXCLUSIVE, &pin);
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		VecamNodeHeader *node = vecam_node_of_pin(graph, &pin, slot);

		if (node == NULL)
			break;
		if (node->state == VECAM_NODE_FREE || !leads_to_moved(state, node))
			continue;
		if (page == NULL)
		{
			vecam_change_start(&change, graph->store);
			page = vecam_change_page(&change, &pin, false);
		}
		rewrite_node(state, vecam_node_at(nl, page, slot),
					 VecamMakeRef(nl, blkno, slot));
	}
	if (page)
		vecam_change_finish(&change);
	vecam_store_unpin(graph->store, &pin);
	if (page)
		VECAM_STOP("move-rewritten");
}

/*
 * A slot of a list whose slots begin with a node's place and have its
 * generation at `generation`: let it name the place where the node is now.
 */
static bool
rewrite_pointer(FinishState *state, ItemPointer pointer, uint8 *generation)
{
	const VecamNodeLayout *nl = &state->graph->ix->nodes;
	VecamRef	ref = VecamMakeRef(nl, ItemPointerGetBlockNumberNoCheck(pointer),
								   ItemPointerGetOffsetNumberNoCheck(pointer) - 1);

	if (!look_up(state, &ref, generation))
		return false;
	ItemPointerSet(pointer, VecamRefBlock(nl, ref), VecamRefSlot(nl, ref) + 1);
	return true;
}

/* The slots of one page of entry points or of TID chunks.  WAL: that page. */
static bool
rewrite_slots(FinishState *state, VecamList list, BlockNumber blkno)
{
	VecamGraph *graph = state->graph;
	VecamChange change;
	VecamPin	pin;
	VecamSlotPage *slots;
	Page		page;
	bool		changed = false;

	vecam_store_pin(graph->store, blkno, BUFFER_LOCK_EXCLUSIVE, &pin);
	if (vecam_slots_of_buffer(graph->store->index, pin.buf, graph->ix, list))
	{
		vecam_change_start(&change, graph->store);
		page = vecam_change_page(&change, &pin, false);
		slots = VecamPageGetSlots(page);
		for (int i = 0; i < slots->nslots; i++)
		{
			VecamTidEntry *slot = vecam_slot(slots, i);

			if (!vecam_slot_is_live(slot))
				continue;
			changed |= list == VECAM_LIST_ENTRIES ?
				rewrite_pointer(state, &slot->tid,
								&((VecamEntryPoint *) slot)->generation) :
				rewrite_pointer(state, &slot->tid,
								&((VecamTidChunk *) slot)->generation);
		}
		if (changed)
			vecam_change_finish(&change);
	}
	vecam_store_unpin(graph->store, &pin);
	return changed;
}

/* All pages of entry points or of TID chunks; true if one has changed. */
static bool
rewrite_list(FinishState *state, VecamList list)
{
	VecamGraph *graph = state->graph;
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	BlockNumber blkno;
	bool		changed = false;

	vecam_index_reread(graph->store->index, graph->ix);
	vecam_list_begin(walk, graph->store->index, &graph->ix->meta, list);
	while (BlockNumberIsValid(blkno = vecam_list_next(walk)))
	{
		CHECK_FOR_INTERRUPTS();
		state->pause(state->arg);
		changed |= rewrite_slots(state, list, blkno);
	}
	pfree(walk);
	return changed;
}

/*
 * Free the moved slots of a page that were collected; without another node the
 * page becomes free.
 *
 * WAL: node page.
 */
static void
free_moved(FinishState *state, BlockNumber blkno)
{
	VecamGraph *graph = state->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamChange change;
	VecamPin	pin;
	Page		page;
	VecamNodePage *nodes;
	int			nfreed = 0;

	vecam_store_pin(graph->store, blkno, BUFFER_LOCK_EXCLUSIVE, &pin);
	if (vecam_node_of_pin(graph, &pin, 0) == NULL)
	{
		vecam_store_unpin(graph->store, &pin);
		return;
	}
	vecam_change_start(&change, graph->store);
	page = vecam_change_page(&change, &pin, false);
	nodes = VecamPageGetNodes(page);
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		VecamNodeHeader *node = vecam_node_at(nl, page, slot);

		if (node->state != VECAM_NODE_MOVED ||
			!moves_lookup(state->moves, VecamMakeRef(nl, blkno, slot)))
			continue;
		node->state = VECAM_NODE_FREE;
		node->forward = VECAM_INVALID_REF;
		node->forward_generation = 0;
		nfreed++;
	}
	nodes->nfree += nfreed;
	if (nodes->nfree == nl->per_page)
		vecam_node_page_free(page, nl);
	if (nfreed > 0)
		vecam_change_finish(&change);
	vecam_store_unpin(graph->store, &pin);
	if (nfreed > 0)
		VECAM_STOP("move-freed");
}

/* Call a function for every block, with pauses. */
static void
for_each_block(FinishState *state, VecamProgressPhase phase,
			   void (*work) (FinishState *state, BlockNumber blkno))
{
	BlockNumber nblocks = vecam_store_nblocks(state->graph->store);

	vecam_progress_begin(state->graph->store->index, phase, nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < nblocks; blkno++)
	{
		CHECK_FOR_INTERRUPTS();
		vecam_progress_update(blkno);
		state->pause(state->arg);
		work(state, blkno);
	}
}

/*
 * Collect moved nodes, up to as many as memory allows; the pages of a block are
 * taken as a whole.  True if there are more.
 */
static bool
collect_all(FinishState *state, Size memory)
{
	BlockNumber nblocks = vecam_store_nblocks(state->graph->store);
	Size		most = Max(memory / (2 * sizeof(Move)), MIN_MOVES);

	vecam_progress_begin(state->graph->store->index,
						 VECAM_PROGRESS_COLLECT_MOVES, nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < nblocks; blkno++)
	{
		CHECK_FOR_INTERRUPTS();
		if (state->moves->members >= most)
			return true;
		vecam_progress_update(blkno);
		state->pause(state->arg);
		collect_moves(state, blkno);
	}
	return false;
}

/* Rewrite what names the moves collected, and free their slots. */
static void
finish_collected(FinishState *state)
{
	VecamGraph *graph = state->graph;

	VECAM_STOP("move-collected");
	for_each_block(state, VECAM_PROGRESS_REWRITE, rewrite_page);
	if (rewrite_list(state, VECAM_LIST_ENTRIES))
		vecam_meta_count_entry_change(graph->store->index);
	VECAM_STOP("move-entries");
	rewrite_list(state, VECAM_LIST_OVERFLOW);
	VECAM_STOP("move-chunks");
	for_each_block(state, VECAM_PROGRESS_FREE_MOVED, free_moved);
}

/*
 * Finish all moves: nothing refers to a moved node's old slot any more, and it
 * is free.  In one pass, as many as maintenance_work_mem has room for.  Returns
 * the number of edges rewritten.
 */
int64
vecam_finish_moves(VecamGraph *graph, void (*pause) (void *arg), void *arg)
{
	FinishState state = {graph, NULL, pause, arg, 0};
	bool		more = graph->ix->meta.moving;

	if (!more)
		return 0;
	while (more)
	{
		state.moves = moves_create(CurrentMemoryContext, MIN_MOVES, NULL);
		more = collect_all(&state, vecam_maintenance_memory());
		finish_collected(&state);
		moves_destroy(state.moves);
	}
	set_moving(graph, false);
	return state.edges;
}
