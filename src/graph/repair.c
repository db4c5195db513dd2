/*-------------------------------------------------------------------------
 *
 * repair.c
 *	  Mending the graph after rows have gone, and freeing dead nodes.
 *
 * A dead node still guides searches; it costs a visit now and then, and its
 * space.  Taking it out means to write some twenty pages that have an edge to
 * it.  So dead nodes are let be until they are one in eight: then most pages
 * have several of the edges, and each is written once for all of them.
 *
 * The caller has the seal lock alone, so nobody else changes nodes but bulkdelete
 * of a concurrent VACUUM, which there is not.  Three passes over the pages:
 *
 *		1	the state of every node
 *		2	nodes that stay and have edges to dead nodes lose those and are
 *			offered the dead ones' neighbours; only such pages are written
 *		3	dead nodes become free: no edge leads to them now
 *
 * Between 2 and 3 nodes that no path leads to get one (reach.c), also if there
 * was nothing to splice.  Each page is changed by one record, after which the
 * graph is valid: readers skip edges to free slots.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "graph/repair.h"
#include "miscadmin.h"
#include "page/pagelist.h"
#include "page/progress.h"
#include "page/slots.h"
#include "page/stop.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

/* Neighbours of dead nodes that are offered for each edge lost. */
#define OFFERS_PER_EDGE 3

/* Dead nodes are taken out when there is one for so many live ones, or more. */
#define LIVE_PER_DEAD 7

/* Does an edge lead to a node that is there and not dead? */
static bool
edge_is_good(VecamRepair *repair, VecamRef ref, uint8 generation)
{
	VecamNodeNote *note = vecam_note_of(repair, ref);

	return note && note->generation == generation &&
		(note->state == VECAM_NODE_LIVE || note->state == VECAM_NODE_BUILDING);
}

/* Call a function for each node of each node page, under a lock. */
static void
for_each_node(VecamRepair *repair, VecamProgressPhase phase, int lockmode,
			  void (*visit) (VecamRepair *repair, VecamRef ref,
							 VecamNodeHeader *node, VecamPin *pin))
{
	VecamGraph *graph = repair->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;

	vecam_progress_begin(graph->store->index, phase, repair->nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < repair->nblocks; blkno++)
	{
		VecamPin	pin;

		CHECK_FOR_INTERRUPTS();
		vecam_progress_update(blkno);
		if (repair->delay)
			repair->delay();
		vecam_store_pin(graph->store, blkno, lockmode, &pin);
		for (int slot = 0; slot < nl->per_page; slot++)
		{
			VecamNodeHeader *node = vecam_node_of_pin(graph, &pin, slot);

			if (node == NULL)
				break;			/* no node page */
			visit(repair, VecamMakeRef(nl, blkno, slot), node, &pin);
		}
		vecam_store_unpin(graph->store, &pin);
	}
}

/* Pass 1. */
static void
note_state(VecamRepair *repair, VecamRef ref, VecamNodeHeader *node, VecamPin *pin)
{
	VecamNodeNote *note = vecam_note_of(repair, ref);

	note->state = node->state;
	note->generation = node->generation;
	note->level = node->level;
	if (node->state == VECAM_NODE_BUILDING && repair->free_orphans)
		note->state = VECAM_NODE_DEAD;
	if (note->state == VECAM_NODE_DEAD)
		repair->ndead++;
	else if (note->state == VECAM_NODE_LIVE)
		repair->stats->live++;
}

/* A neighbour of a dead node, for a node that has lost its edge to that. */
typedef struct Offer
{
	float		estimate;
	VecamRef	ref;
	uint8		generation;
} Offer;

/* The nearest offers found so far, sorted, each node once. */
typedef struct OfferList
{
	int			n;
	int			size;			/* no more than this are kept */
	Offer		offers[FLEXIBLE_ARRAY_MEMBER];
} OfferList;

static void
add_offer(OfferList *list, float estimate, VecamRef ref, uint8 generation)
{
	Offer	   *offers = list->offers;
	int			i;

	if (list->n == list->size && estimate >= offers[list->n - 1].estimate)
		return;
	for (i = 0; i < list->n && offers[i].ref != ref; i++)
		;
	if (i < list->n && offers[i].estimate <= estimate)
		return;
	if (i == list->n && list->n < list->size)
		list->n++;
	/* place i, or the last one, is to be given up */
	for (i = Min(i, list->n - 1); i > 0 && offers[i - 1].estimate > estimate; i--)
		offers[i] = offers[i - 1];
	offers[i].estimate = estimate;
	offers[i].ref = ref;
	offers[i].generation = generation;
}

/*
 * Collect the live neighbours of a dead node; their distances from the point
 * in repair->link are estimated on the dead node's page.  `node` is a copy of
 * the node that has lost its edge.
 */
static void
collect_offers(VecamRepair *repair, VecamNodeHeader *node, VecamRef self,
			   VecamRef dead, uint8 generation, OfferList *list, uint8 *code)
{
	VecamGraph *graph = repair->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamPin	pin;
	VecamNodeHeader *z;

	vecam_store_pin(graph->store, VecamRefBlock(nl, dead), BUFFER_LOCK_SHARE,
					&pin);
	z = vecam_node_of_pin(graph, &pin, VecamRefSlot(nl, dead));
	if (z && z->generation == generation && z->state != VECAM_NODE_FREE)
	{
		float		est[256];
		double		d2 = vecam_sq8_distance2(&repair->link->point.sq8, &z->sq8,
											 vecam_node_code(graph, z, code));

		vecam_sketch_estimate(&repair->link->point.sketch, &nl->sketch, d2,
							  z->degree, VecamNodeSketches(nl, z),
							  VecamNodeFactors(nl, z), est);
		for (int i = 0; i < z->degree; i++)
		{
			VecamRef	to = VecamNodeRefs(nl, z)[i];
			uint8		to_generation = VecamNodeGenerations(nl, z)[i];

			if (nl->has_extras)
			{
				float		diff = VecamNodeExtras(nl, z)[i] -
					repair->link->point.extra;

				est[i] += diff * diff;
			}
			if (list->n == list->size &&
				est[i] >= list->offers[list->n - 1].estimate)
				continue;
			if (to != self && !vecam_node_has_edge(nl, node, to) &&
				edge_is_good(repair, to, to_generation))
				add_offer(list, est[i], to, to_generation);
		}
	}
	vecam_store_unpin(graph->store, &pin);
}

/* Set link->point to the code of a node copy. */
static void
set_point(VecamRepair *repair, const VecamSq8Header *head, float extra,
		  const uint8 *code)
{
	VecamIndex *ix = repair->graph->ix;

	vecam_sq8_decode(ix->meta.dims, head, code, repair->link->point.y);
	vecam_point_set(&repair->link->point, ix, 0, extra);
}

/* Read the offered node's code; false if it is gone. */
static VecamHitCode *
read_offer(VecamRepair *repair, const Offer *offer)
{
	VecamGraph *graph = repair->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	int			dims = graph->ix->meta.dims;
	VecamHitCode *copy = palloc(offsetof(VecamHitCode, code) + dims);
	VecamPin	pin;
	VecamNodeHeader *node;
	bool		found;

	vecam_store_pin(graph->store, VecamRefBlock(nl, offer->ref),
					BUFFER_LOCK_SHARE, &pin);
	node = vecam_node_of_pin(graph, &pin, VecamRefSlot(nl, offer->ref));
	found = node && node->generation == offer->generation &&
		node->state == VECAM_NODE_LIVE;
	if (found)
	{
		vecam_extents_read(graph->store, graph->ix, VecamNodeCode(nl, node),
						   copy->code);
		copy->sq8 = node->sq8;
		copy->extra = node->extra;
		copy->sum = vecam_sq8_code_sum(dims, copy->code);
	}
	vecam_store_unpin(graph->store, &pin);
	return found ? copy : NULL;
}

/*
 * Remove the edges of a node image that lead nowhere; returns how many.  The
 * last edges take their places.
 */
static int
drop_bad_edges(VecamRepair *repair, VecamNodeHeader *node)
{
	const VecamNodeLayout *nl = &repair->graph->ix->nodes;
	int			dropped = 0;

	for (int i = node->degree - 1; i >= 0; i--)
	{
		if (edge_is_good(repair, VecamNodeRefs(nl, node)[i],
						 VecamNodeGenerations(nl, node)[i]))
			continue;
		vecam_node_drop_edge(nl, node, i);
		dropped++;
	}
	return dropped;
}

/* How many edges of the node lead nowhere? */
static int
count_bad_edges(VecamRepair *repair, VecamNodeHeader *node)
{
	const VecamNodeLayout *nl = &repair->graph->ix->nodes;
	int			n = 0;

	for (int i = 0; i < node->degree; i++)
	{
		if (!edge_is_good(repair, VecamNodeRefs(nl, node)[i],
						  VecamNodeGenerations(nl, node)[i]))
			n++;
	}
	return n;
}

/* The nearest offers to a node copy that has lost edges. */
static OfferList *
find_offers(VecamRepair *repair, VecamNodeHeader *copy, VecamRef self)
{
	const VecamNodeLayout *nl = &repair->graph->ix->nodes;
	int			size = count_bad_edges(repair, copy) * OFFERS_PER_EDGE;
	OfferList  *list = palloc(offsetof(OfferList, offers) + sizeof(Offer) * size);
	uint8	   *code = palloc(repair->graph->ix->meta.dims);

	list->n = 0;
	list->size = size;
	for (int i = 0; i < copy->degree; i++)
	{
		VecamRef	to = VecamNodeRefs(nl, copy)[i];
		uint8		generation = VecamNodeGenerations(nl, copy)[i];
		VecamNodeNote *note = vecam_note_of(repair, to);

		if (note && note->state == VECAM_NODE_DEAD &&
			note->generation == generation)
			collect_offers(repair, copy, self, to, generation, list, code);
	}
	return list;
}

/*
 * Let a node copy take offers for the nbad edges that it has lost, in rounds:
 * first those that its other neighbours do not occlude, as when a node's
 * neighbours are chosen, so that it does not end up with its nearest only.
 */
static void
take_offers(VecamRepair *repair, VecamNodeHeader *copy, const VecamHitCode *own,
			const OfferList *list, VecamHitCode **codes, int nbad)
{
	static const double alphas[] = {1.0, 1.35, 2.0, 1e300};
	VecamGraph *graph = repair->graph;
	VecamLink  *link = repair->link;

	for (int round = 0; round < (int) lengthof(alphas); round++)
	{
		for (int i = 0; i < list->n && nbad > 0; i++)
		{
			if (codes[i] == NULL)
				continue;
			link->ref = list->offers[i].ref;
			link->generation = list->offers[i].generation;
			set_point(repair, &codes[i]->sq8, codes[i]->extra, codes[i]->code);
			if (vecam_link_offer_edge(graph, link, copy, link->decoded,
									  vecam_hit_distance2(graph->ix, own, codes[i]),
									  alphas[round]))
			{
				codes[i] = NULL;
				nbad--;
			}
		}
	}
}

static void
swap_edges(const VecamNodeLayout *nl, VecamNodeHeader *node, int i, int j)
{
	VecamNodeHeader *copy = palloc(nl->node_size);

	memcpy(copy, node, nl->node_size);
	vecam_node_copy_edge(nl, node, i, node, j);
	vecam_node_copy_edge(nl, node, j, copy, i);
	pfree(copy);
}

/*
 * Let the edges that the node image keeps stand where they stood before, so
 * that the record has the new ones only.
 */
static void
keep_places(const VecamNodeLayout *nl, VecamNodeHeader *node,
			VecamNodeHeader *before)
{
	for (int i = 0; i < before->degree; i++)
	{
		VecamRef	ref = VecamNodeRefs(nl, before)[i];
		int			j = 0;

		while (j < node->degree && VecamNodeRefs(nl, node)[j] != ref)
			j++;
		if (j < node->degree && j != i && i < node->degree)
			swap_edges(nl, node, i, j);
	}
}

/*
 * Splice: the node loses its bad edges, and takes what it profits from among
 * the neighbours of the dead ones.
 *
 * WAL: node page.
 */
static void
splice_node(VecamRepair *repair, VecamRef ref)
{
	VecamGraph *graph = repair->graph;
	VecamLink  *link = repair->link;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamNodeHeader *copy = palloc(nl->node_size);
	VecamHitCode *own = palloc(offsetof(VecamHitCode, code) +
							   graph->ix->meta.dims);
	OfferList  *list;
	VecamHitCode **codes;
	VecamNodeHeader *node;
	VecamChange change;
	VecamPin	pin;
	int			lost;

	vecam_store_pin(graph->store, VecamRefBlock(nl, ref), BUFFER_LOCK_SHARE,
					&pin);
	memcpy(copy, vecam_node_at(nl, pin.page, VecamRefSlot(nl, ref)),
		   nl->node_size);
	vecam_extents_read(graph->store, graph->ix, VecamNodeCode(nl, copy),
					   own->code);
	vecam_store_unpin(graph->store, &pin);
	own->sq8 = copy->sq8;
	own->extra = copy->extra;
	own->sum = vecam_sq8_code_sum(graph->ix->meta.dims, own->code);

	set_point(repair, &own->sq8, own->extra, own->code);
	list = find_offers(repair, copy, ref);
	codes = palloc(sizeof(VecamHitCode *) * Max(list->n, 1));
	for (int i = 0; i < list->n; i++)
		codes[i] = read_offer(repair, &list->offers[i]);
	lost = drop_bad_edges(repair, copy);
	vecam_sq8_decode(graph->ix->meta.dims, &own->sq8, own->code, link->decoded);

	/*
	 * Work on the copy, then replace the edges: only the holder of the seal
	 * lock changes them, while bulkdelete may take TIDs away meanwhile.
	 */
	take_offers(repair, copy, own, list, codes, lost);
	VECAM_STOP("repair-splice");

	vecam_store_pin(graph->store, VecamRefBlock(nl, ref), BUFFER_LOCK_EXCLUSIVE,
					&pin);
	vecam_change_start(&change, graph->store);
	node = vecam_node_at(nl, vecam_change_page(&change, &pin, false),
						 VecamRefSlot(nl, ref));
	keep_places(nl, copy, node);
	node->degree = copy->degree;
	memcpy(node + 1, copy + 1, nl->node_size - sizeof(VecamNodeHeader));
	vecam_change_finish(&change);
	vecam_store_unpin(graph->store, &pin);
	repair->stats->spliced++;
	repair->stats->edges += lost;
}

/* Does the node at this place of the notes need the work of this pass? */
static bool
is_live(VecamRepair *repair, VecamRef ref)
{
	VecamNodeNote *note = vecam_note_of(repair, ref);

	return note && note->state == VECAM_NODE_LIVE;
}

/*
 * Does the node stay?  So does one that a sealer has left BUILDING and that a
 * growing row still claims: the next sealer goes on with the edges it has.
 */
static bool
is_kept(VecamRepair *repair, VecamRef ref)
{
	VecamNodeNote *note = vecam_note_of(repair, ref);

	return note && (note->state == VECAM_NODE_LIVE ||
					note->state == VECAM_NODE_BUILDING);
}

/* Pass 2: splice the nodes of a page that stay. */
static void
splice_page(VecamRepair *repair, BlockNumber blkno)
{
	VecamGraph *graph = repair->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamPin	pin;
	bool		wanted[MaxOffsetNumber] = {false};
	MemoryContext old;

	vecam_store_pin(graph->store, blkno, BUFFER_LOCK_SHARE, &pin);
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		VecamNodeHeader *node = vecam_node_of_pin(graph, &pin, slot);

		if (node == NULL)
			break;
		wanted[slot] = is_kept(repair, VecamMakeRef(nl, blkno, slot)) &&
			count_bad_edges(repair, node) > 0;
	}
	vecam_store_unpin(graph->store, &pin);

	old = MemoryContextSwitchTo(repair->scratch);
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		if (!wanted[slot])
			continue;
		splice_node(repair, VecamMakeRef(nl, blkno, slot));
		MemoryContextReset(repair->scratch);
	}
	MemoryContextSwitchTo(old);
}

/* Does the entry point name a node that is to stay? */
static bool
entry_is_good(void *arg, const VecamEntryPoint *entry)
{
	VecamRepair *repair = arg;

	return edge_is_good(repair,
						VecamMakeRef(&repair->graph->ix->nodes,
									 ItemPointerGetBlockNumberNoCheck(&entry->node),
									 ItemPointerGetOffsetNumberNoCheck(&entry->node) - 1),
						entry->generation);
}

/*
 * Remove the entry points that are dead nodes, from the set in memory as well,
 * so that no search of this repair begins there.  WAL: entry page.
 */
static void
drop_dead_entries(VecamRepair *repair)
{
	VecamGraph *graph = repair->graph;
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	BlockNumber blkno;

	vecam_entries_filter(graph->entries, graph->ix, entry_is_good, repair);
	vecam_index_reread(graph->store->index, graph->ix);
	vecam_list_begin(walk, graph->store->index, &graph->ix->meta,
					 VECAM_LIST_ENTRIES);
	while (BlockNumberIsValid(blkno = vecam_list_next(walk)))
	{
		VecamPin	pin;
		VecamSlotPage *slots;
		VecamChange change;
		Page		page = NULL;

		vecam_store_pin(graph->store, blkno, BUFFER_LOCK_EXCLUSIVE, &pin);
		slots = vecam_slots_of_buffer(graph->store->index, pin.buf, graph->ix,
									  VECAM_LIST_ENTRIES);
		for (int i = 0; slots && i < slots->nslots; i++)
		{
			VecamEntryPoint *entry = (VecamEntryPoint *) vecam_slot(slots, i);

			if (!vecam_slot_is_live((VecamTidEntry *) entry) ||
				entry_is_good(repair, entry))
				continue;
			if (page == NULL)
			{
				vecam_change_start(&change, graph->store);
				page = vecam_change_page(&change, &pin, false);
			}
			vecam_slots_remove(page, i);
		}
		if (page)
			vecam_change_finish(&change);
		vecam_store_unpin(graph->store, &pin);
	}
	pfree(walk);
}

/*
 * Free a dead node, and its extent pages; with the last node its page becomes
 * free, too.
 *
 * WAL: node page, [extent pages].
 */
static void
free_node(VecamRepair *repair, VecamRef ref)
{
	VecamGraph *graph = repair->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	int			nextents = graph->ix->meta.nextents;
	BlockNumber blocks[VECAM_MAX_EXTENTS];
	VecamPin	extents[VECAM_MAX_EXTENTS];
	VecamPin	pin;
	VecamChange change;
	VecamNodeHeader *node;
	Page		page;
	bool		whole;

	VECAM_STOP("repair-free");
	vecam_store_pin(graph->store, VecamRefBlock(nl, ref), BUFFER_LOCK_EXCLUSIVE,
					&pin);
	node = vecam_node_at(nl, pin.page, VecamRefSlot(nl, ref));
	vecam_extent_blocks(graph->store->index, pin.blkno,
						VecamNodeCode(nl, node), nextents, blocks);
	for (int i = 0; i < nextents; i++)
		vecam_store_pin(graph->store, blocks[i], BUFFER_LOCK_EXCLUSIVE,
						&extents[i]);

	whole = VecamPageGetNodes(pin.page)->nfree + 1 == nl->per_page;
	vecam_change_start(&change, graph->store);
	page = vecam_change_page(&change, &pin, false);
	if (whole)
		vecam_node_page_free(page, nl);
	else
	{
		vecam_node_at(nl, page, VecamRefSlot(nl, ref))->state = VECAM_NODE_FREE;
		VecamPageGetNodes(page)->nfree++;
	}
	for (int i = 0; i < nextents; i++)
		vecam_page_free(vecam_change_page(&change, &extents[i], false));
	vecam_change_finish(&change);

	for (int i = 0; i < nextents; i++)
	{
		vecam_store_unpin(graph->store, &extents[i]);
		vecam_record_free_page(graph->store->index, blocks[i]);
	}
	vecam_store_unpin(graph->store, &pin);
	if (whole)
		vecam_record_free_page(graph->store->index, pin.blkno);
	repair->stats->dead++;
}

/* Call a function for every live node, or every dead one, that needs it. */
static void
for_each_note(VecamRepair *repair, VecamProgressPhase phase,
			  bool (*wanted) (VecamRepair *repair, VecamRef ref),
			  void (*work) (VecamRepair *repair, VecamRef ref))
{
	const VecamNodeLayout *nl = &repair->graph->ix->nodes;

	vecam_progress_begin(repair->graph->store->index, phase, repair->nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < repair->nblocks; blkno++)
	{
		vecam_progress_update(blkno);
		for (int slot = 0; slot < nl->per_page; slot++)
		{
			VecamRef	ref = VecamMakeRef(nl, blkno, slot);
			MemoryContext old;

			if (!wanted(repair, ref))
				continue;
			CHECK_FOR_INTERRUPTS();
			if (repair->delay)
				repair->delay();
			old = MemoryContextSwitchTo(repair->scratch);
			work(repair, ref);
			MemoryContextSwitchTo(old);
			MemoryContextReset(repair->scratch);
		}
	}
}

/* Is the node to become an entry point at the set's (lowered) level? */
static bool
is_new_entry(VecamRepair *repair, VecamRef ref)
{
	return is_live(repair, ref) &&
		vecam_note_of(repair, ref)->level >= repair->graph->entries->level &&
		vecam_note_of(repair, ref)->level < repair->old_entry_level;
}

/*
 * Make a live node an entry point, whatever its level is if `any_level`.
 *
 * WAL: entry page; meta page.
 */
void
vecam_repair_add_entry(VecamRepair *repair, VecamRef ref, bool any_level)
{
	VecamGraph *graph = repair->graph;
	VecamNodeNote note = *vecam_note_of(repair, ref);
	Offer		self = {0, ref, note.generation};
	VecamHitCode *code = read_offer(repair, &self);

	if (code == NULL)
		return;
	set_point(repair, &code->sq8, code->extra, code->code);
	if (vecam_entries_add(graph->entries, graph->ix, ref, note.generation,
						  note.level, code->extra, repair->link->point.y,
						  any_level) &&
		graph->store->mode == VECAM_STORE_LOGGED)
		vecam_entries_store_last(graph->entries, graph->store->index, graph->ix);
}

static void
add_entry(VecamRepair *repair, VecamRef ref)
{
	vecam_repair_add_entry(repair, ref, false);
}

/*
 * Lower the level of entry points if too few are left.  The caller of the
 * repair writes the level to the meta page.
 */
static void
refill_entries(VecamRepair *repair)
{
	VecamEntrySet *set = repair->graph->entries;
	Size		nnotes = (Size) repair->nblocks * repair->graph->ix->nodes.per_page;
	int64		counts[256] = {0};
	int64		n = 0;
	int			level;

	for (Size i = 0; i < nnotes; i++)
	{
		VecamNodeNote *note = vecam_bigarray_at(repair->notes, i);

		if (note->state == VECAM_NODE_LIVE)
			counts[note->level]++;
	}
	for (level = lengthof(counts) - 1; level > 0; level--)
	{
		n += counts[level];
		if (n >= VECAM_MIN_ENTRIES)
			break;
	}
	if (level >= set->level)
		return;
	repair->old_entry_level = set->level;
	set->level = level;
	for_each_note(repair, VECAM_PROGRESS_ADD_ENTRIES, is_new_entry, add_entry);
}

static bool
is_dead(VecamRepair *repair, VecamRef ref)
{
	return vecam_note_of(repair, ref)->state == VECAM_NODE_DEAD;
}

/*
 * Repair the graph.  The caller holds the seal lock; `link` and `scratch` are
 * its tools; `free_orphans` says that no growing row claims a BUILDING node, `all`
 * that dead nodes are to go however few they are.  Memory: maintenance_work_mem,
 * of which notes take four bytes for each place of a node, and reach.c the rest.
 */
void
vecam_graph_repair(VecamGraph *graph, VecamLink *link, MemoryContext scratch,
				   bool free_orphans, bool all, void (*delay) (void),
				   VecamRepairStats *stats)
{
	VecamRepair repair = {0};
	bool		splice;

	memset(stats, 0, sizeof(*stats));
	repair.graph = graph;
	repair.link = link;
	repair.scratch = scratch;
	repair.free_orphans = free_orphans;
	repair.delay = delay;
	repair.stats = stats;
	repair.nblocks = vecam_store_nblocks(graph->store);
	repair.memory = vecam_maintenance_memory();
	repair.notes = vecam_bigarray_create(mul_size(repair.nblocks,
												  graph->ix->nodes.per_page),
										 sizeof(VecamNodeNote), repair.memory / 2);
	for_each_node(&repair, VECAM_PROGRESS_NOTE_NODES, BUFFER_LOCK_SHARE, note_state);
	VECAM_STOP("repair-noted");
	splice = repair.ndead > 0 &&
		(all || repair.ndead * LIVE_PER_DEAD > stats->live);
	if (splice)
	{
		vecam_progress_begin(graph->store->index, VECAM_PROGRESS_SPLICE,
							 repair.nblocks);
		for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < repair.nblocks; blkno++)
		{
			CHECK_FOR_INTERRUPTS();
			vecam_progress_update(blkno);
			if (delay)
				delay();
			splice_page(&repair, blkno);
		}
		VECAM_STOP("repair-spliced");
		drop_dead_entries(&repair);
		VECAM_STOP("repair-entries");
		refill_entries(&repair);
	}
	vecam_repair_reach(&repair);
	if (splice)
		for_each_note(&repair, VECAM_PROGRESS_FREE_NODES, is_dead, free_node);
	vecam_bigarray_free(repair.notes);
}
