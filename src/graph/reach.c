/*-------------------------------------------------------------------------
 *
 * reach.c
 *	  Leading searches to every node (INV-26).
 *
 * Marks spread from the entry points along the edges, as a search would go if
 * it never stopped.  Pages with nodes whose edges are still to be followed are
 * read in the order of their blocks, again and again from the first one, and a
 * mark that is set on a page further on is met in the same round.  So a graph
 * whose nodes have many edges takes little more than one pass over its pages,
 * and often less, since it ends when all live nodes are marked; and no graph
 * takes more reads of pages than it has nodes.
 *
 * If some live nodes are left, they are islands: nothing leads to them from
 * outside.  Each is given one edge, an anchor, from a near node that is reached,
 * to a node from which all of it is reached.  Those edges must not make way for
 * it on which others depend, so each reached node's parent is known by then,
 * the one whose edge it was first reached by: edges to children stay, and
 * without any of the others all is reached as before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "graph/repair.h"
#include "miscadmin.h"
#include "page/progress.h"
#include "port/pg_bitutils.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

/* A list of nodes. */
typedef struct RefList
{
	VecamBigArray *refs;		/* VecamRef */
	Size		n;
} RefList;

static Size
count_notes(VecamRepair *repair)
{
	return (Size) repair->nblocks * repair->graph->ix->nodes.per_page;
}

static Size
count_words(VecamRepair *repair)
{
	return repair->nblocks / 64 + 1;
}

static VecamRef *
parent_at(VecamRepair *repair, Size i)
{
	return vecam_bigarray_at(repair->parents, i);
}

/*
 * Mark the node that an edge of `parent` leads to, unless it has this mark, or
 * a better one, already.
 */
static void
mark_node(VecamRepair *repair, VecamRef ref, uint8 generation, VecamMark mark,
		  VecamRef parent)
{
	BlockNumber blkno = VecamRefBlock(&repair->graph->ix->nodes, ref);
	VecamNodeNote *note;
	Size		i;

	if (!vecam_note_index(repair, ref, &i))
		return;
	note = vecam_bigarray_at(repair->notes, i);
	if (note->mark >= mark || note->generation != generation ||
		note->state == VECAM_NODE_FREE || note->state == VECAM_NODE_MOVED)
		return;
	note->mark = mark;
	note->pending = true;
	repair->pending[blkno / 64] |= UINT64CONST(1) << (blkno % 64);
	if (mark == VECAM_MARK_REACHED)
	{
		if (note->state == VECAM_NODE_LIVE)
			repair->nunreached--;
		if (repair->parents)
			*parent_at(repair, i) = parent;
	}
}

/*
 * The first block from this one on that has pending nodes, or the first of
 * all; InvalidBlockNumber if there is none.
 */
static BlockNumber
next_pending(VecamRepair *repair, BlockNumber blkno)
{
	Size		nwords = count_words(repair);
	Size		word = blkno / 64;
	uint64		bits = repair->pending[word] & (~UINT64CONST(0) << (blkno % 64));

	/* the word that this begins in is looked at once more at the end */
	for (Size i = 0; bits == 0 && i < nwords; i++)
	{
		word = word + 1 < nwords ? word + 1 : 0;
		bits = repair->pending[word];
	}
	if (bits == 0)
		return InvalidBlockNumber;
	return (BlockNumber) (word * 64 + pg_rightmost_one_pos64(bits));
}

/* Follow the edges of a page's pending nodes. */
static void
follow_page(VecamRepair *repair, BlockNumber blkno, VecamMark mark)
{
	VecamGraph *graph = repair->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamPin	pin;

	repair->pending[blkno / 64] &= ~(UINT64CONST(1) << (blkno % 64));
	vecam_store_pin(graph->store, blkno, BUFFER_LOCK_SHARE, &pin);
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		VecamRef	ref = VecamMakeRef(nl, blkno, slot);
		VecamNodeNote *note = vecam_note_of(repair, ref);
		VecamNodeHeader *node;

		if (!note->pending)
			continue;
		note->pending = false;
		node = vecam_node_of_pin(graph, &pin, slot);
		for (int i = 0; node && i < node->degree; i++)
			mark_node(repair, VecamNodeRefs(nl, node)[i],
					  VecamNodeGenerations(nl, node)[i], mark, ref);
	}
	vecam_store_unpin(graph->store, &pin);
}

/* Spread a mark from the pending nodes as far as their edges lead. */
static void
spread(VecamRepair *repair, VecamMark mark)
{
	BlockNumber blkno = VECAM_META_BLKNO;

	while (BlockNumberIsValid(blkno = next_pending(repair, blkno)))
	{
		if (mark == VECAM_MARK_REACHED && repair->nunreached == 0)
			break;
		CHECK_FOR_INTERRUPTS();
		if (repair->delay)
			repair->delay();
		follow_page(repair, blkno, mark);
		if (mark == VECAM_MARK_REACHED)
			vecam_progress_update(repair->stats->live - repair->nunreached);
	}
}

static void
spread_from_entries(VecamRepair *repair)
{
	const VecamNodeLayout *nl = &repair->graph->ix->nodes;
	VecamEntrySet *set = repair->graph->entries;

	for (int i = 0; i < set->n; i++)
	{
		ItemPointer node = &set->heads[i].node;

		mark_node(repair,
				  VecamMakeRef(nl, ItemPointerGetBlockNumberNoCheck(node),
							   ItemPointerGetOffsetNumberNoCheck(node) - 1),
				  set->heads[i].generation, VECAM_MARK_REACHED,
				  VECAM_INVALID_REF);
	}
	spread(repair, VECAM_MARK_REACHED);
}

/* Let each reached node know its parent. */
static void
find_parents(VecamRepair *repair)
{
	Size		n = count_notes(repair);

	repair->parents = vecam_bigarray_create(n, sizeof(VecamRef),
											repair->memory / 4);
	for (Size i = 0; i < n; i++)
	{
		VecamNodeNote *note = vecam_bigarray_at(repair->notes, i);

		if (note->mark == VECAM_MARK_REACHED && note->state == VECAM_NODE_LIVE)
			repair->nunreached++;
		note->mark = VECAM_MARK_NONE;
	}
	spread_from_entries(repair);
}

static VecamRef *
ref_at(RefList *list, Size i)
{
	return vecam_bigarray_at(list->refs, i);
}

/*
 * Find nodes from which all that are not reached can be.  Each of the list is
 * not to be reached from those before it.  So the last one is not to be reached
 * at all; and if one that is looked at in reverse order has not been reached
 * from those behind it, then it is not to be reached from any other node either.
 */
static void
find_island_nodes(VecamRepair *repair, RefList *list)
{
	const VecamNodeLayout *nl = &repair->graph->ix->nodes;

	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < repair->nblocks; blkno++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int slot = 0; slot < nl->per_page; slot++)
		{
			VecamRef	ref = VecamMakeRef(nl, blkno, slot);
			VecamNodeNote *note = vecam_note_of(repair, ref);

			if (note->state != VECAM_NODE_LIVE || note->mark != VECAM_MARK_NONE)
				continue;
			*ref_at(list, list->n++) = ref;
			mark_node(repair, ref, note->generation, VECAM_MARK_ISLAND,
					  VECAM_INVALID_REF);
			spread(repair, VECAM_MARK_ISLAND);
		}
	}
}

/* Is the edge one by which its node was reached? */
static bool
leads_to_child(void *arg, VecamRef from, VecamRef to)
{
	VecamRepair *repair = arg;
	VecamNodeNote *note = vecam_note_of(repair, to);
	Size		i;

	return note && note->mark == VECAM_MARK_REACHED &&
		vecam_note_index(repair, to, &i) && *parent_at(repair, i) == from;
}

/*
 * Give a node an anchor from a near one, and edges from its neighbours as when
 * it was linked first.  Where none of those near it has room for an anchor the
 * node becomes an entry point.
 */
static void
link_island_node(VecamRepair *repair, VecamRef ref)
{
	VecamGraph *graph = repair->graph;
	VecamLink  *link = repair->link;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	uint8	   *code = palloc(graph->ix->meta.dims);
	VecamSq8Header head;
	VecamNodeHeader *node;
	VecamPin	pin;

	vecam_store_pin(graph->store, VecamRefBlock(nl, ref), BUFFER_LOCK_SHARE,
					&pin);
	node = vecam_node_at(nl, pin.page, VecamRefSlot(nl, ref));
	head = node->sq8;
	vecam_extents_read(graph->store, graph->ix, VecamNodeCode(nl, node), code);
	vecam_store_unpin(graph->store, &pin);

	/* what this search finds is reached, as it begins at the entry points */
	vecam_link_prepare(link, graph, &head, code, code,
					   graph->ix->meta.ef_construction, false);
	link->ref = ref;
	link->generation = vecam_note_of(repair, ref)->generation;
	vecam_link_neighbours(link, graph);
	if (link->anchor == VECAM_INVALID_REF)
		vecam_repair_add_entry(repair, ref, true);
	mark_node(repair, ref, link->generation, VECAM_MARK_REACHED, link->anchor);
	repair->stats->linked++;
}

static void
link_islands(VecamRepair *repair)
{
	RefList		list;

	list.n = 0;
	list.refs = vecam_bigarray_create(repair->nunreached, sizeof(VecamRef),
									  repair->memory / 4);
	find_island_nodes(repair, &list);

	repair->link->is_needed = leads_to_child;
	repair->link->needed_arg = repair;
	while (list.n-- > 0)
	{
		VecamRef	ref = *ref_at(&list, list.n);
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		if (vecam_note_of(repair, ref)->mark == VECAM_MARK_REACHED)
			continue;
		if (repair->delay)
			repair->delay();
		old = MemoryContextSwitchTo(repair->scratch);
		link_island_node(repair, ref);
		MemoryContextSwitchTo(old);
		MemoryContextReset(repair->scratch);
		spread(repair, VECAM_MARK_REACHED);
	}
	repair->link->is_needed = NULL;
	vecam_bigarray_free(list.refs);
}

/*
 * See to it that every live node is reached from the entry points of
 * repair->graph.  Memory: a bit for each page; half of repair->memory if some are
 * not reached, for four bytes for each place of a node.
 */
void
vecam_repair_reach(VecamRepair *repair)
{
	repair->nunreached = repair->stats->live;
	vecam_progress_begin(repair->graph->store->index, VECAM_PROGRESS_FOLLOW_EDGES,
						 repair->stats->live);
	repair->pending = palloc_extended(sizeof(uint64) * count_words(repair),
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	spread_from_entries(repair);
	if (repair->nunreached > 0)
	{
		find_parents(repair);
		vecam_progress_begin(repair->graph->store->index,
							 VECAM_PROGRESS_LINK_UNREACHED, repair->stats->live);
		link_islands(repair);
		vecam_bigarray_free(repair->parents);
	}
	pfree(repair->pending);
}
