/*-------------------------------------------------------------------------
 *
 * tids.c
 *	  The heap TIDs of nodes.
 *
 * Rows with equal codes share a node.  The first TIDs stand in the node, the
 * others in chunks of eight, in a chain whose first chunk the node names; a
 * new TID goes into the first chunk, or into a new one before it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "graph/tids.h"
#include "miscadmin.h"
#include "page/pagelist.h"
#include "page/slots.h"
#include "storage/bufmgr.h"

static void
set_node_pointer(const VecamNodeLayout *nl, ItemPointer pointer, VecamRef ref)
{
	ItemPointerSet(pointer, VecamRefBlock(nl, ref), VecamRefSlot(nl, ref) + 1);
}

/* The chunk in a slot of the page in hand; NULL if there is none (any more). */
static VecamTidChunk *
chunk_at(VecamGraph *graph, VecamPin *pin, VecamRef chunk_ref)
{
	VecamSlotPage *slots = VecamPageGetSlots(pin->page);
	VecamTidChunk *chunk;

	if (BufferIsValid(pin->buf) &&
		!vecam_slots_of_buffer(graph->store->index, pin->buf, graph->ix,
							   VECAM_LIST_OVERFLOW))
		return NULL;
	if (VecamChunkSlot(chunk_ref) >= slots->nslots)
		return NULL;

	chunk = (VecamTidChunk *) vecam_slot(slots, VecamChunkSlot(chunk_ref));
	if (!vecam_slot_is_live((VecamTidEntry *) chunk))
		return NULL;
	if (chunk->ntids > VECAM_CHUNK_TIDS)
		vecam_corrupt(graph->store->index, pin->blkno, "chunk of %u tids",
					  chunk->ntids);
	return chunk;
}

/* Does the chunk name this node as its own? */
static bool
names_node(VecamGraph *graph, const VecamTidChunk *chunk, VecamRef node_ref,
		   uint8 generation)
{
	ItemPointerData owner;

	set_node_pointer(&graph->ix->nodes, &owner, node_ref);
	return vecam_same_tid(&chunk->node, &owner) &&
		chunk->generation == generation;
}

/* The chunk in a slot of the page in hand if it names the node. */
static VecamTidChunk *
chunk_of_pin(VecamGraph *graph, VecamPin *pin, VecamRef chunk_ref,
			 VecamRef node_ref, uint8 generation)
{
	VecamTidChunk *chunk = chunk_at(graph, pin, chunk_ref);

	return chunk && names_node(graph, chunk, node_ref, generation) ?
		chunk : NULL;
}

/* Does a chunk name as its node one that was moved to this place? */
static bool
is_chunk_of_moved(VecamGraph *graph, const VecamTidChunk *chunk,
				  VecamRef node_ref, uint8 generation)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamRef	ref = VecamMakeRef(nl, ItemPointerGetBlockNumberNoCheck(&chunk->node),
								   ItemPointerGetOffsetNumberNoCheck(&chunk->node) - 1);
	uint8		ref_generation = chunk->generation;

	vecam_node_follow(graph, &ref, &ref_generation);
	return ref == node_ref && ref_generation == generation;
}

/*
 * Copy a chunk of the node; false if the chunk is not the node's (any more).
 * Compaction moves a node first, and then tells its chunks.  Takes and drops
 * share locks, one at a time.
 */
bool
vecam_read_chunk(VecamGraph *graph, VecamRef chunk, VecamRef node,
				 uint8 generation, VecamTidChunk *copy)
{
	VecamPin	pin;
	VecamTidChunk *found;

	if (VecamChunkBlock(chunk) >= vecam_store_nblocks(graph->store))
		return false;
	vecam_store_pin(graph->store, VecamChunkBlock(chunk), BUFFER_LOCK_SHARE,
					&pin);
	found = chunk_at(graph, &pin, chunk);
	if (found)
		*copy = *found;
	vecam_store_unpin(graph->store, &pin);
	return found && (names_node(graph, copy, node, generation) ||
					 is_chunk_of_moved(graph, copy, node, generation));
}

/*
 * More chunks than this in one chain mean that it is a cycle.
 */
int64
vecam_max_chunks(VecamGraph *graph)
{
	return (int64) vecam_store_nblocks(graph->store) *
		VECAM_SLOTS_PER_PAGE(sizeof(VecamTidChunk));
}

/* A node that takes a row, and what goes with it. */
typedef struct TidTarget
{
	VecamRef	ref;
	uint8		generation;
	const VecamLink *link;		/* the row */
	ItemPointer tid;
	VecamAlso  *also;
} TidTarget;

/*
 * Let the node's codes stand for the row as well, which has the same 8-bit
 * code.
 */
static void
take_codes(VecamGraph *graph, VecamNodeHeader *node, const VecamLink *link)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	int			dims = graph->ix->meta.dims;

	node->sq8.residual = Max(node->sq8.residual, link->head.residual);
	if (nl->fine && memcmp(VecamNodeFine(nl, node), link->payload + dims,
						   VECAM_FINE_BYTES(dims)) != 0)
		vecam_fine_clear(VecamNodeFine(nl, node));
}

/* Start the record: the other page first, then the node's. */
static VecamNodeHeader *
start_node_change(VecamGraph *graph, VecamChange *change, VecamPin *pin,
				  const TidTarget *target)
{
	VecamNodeHeader *node;

	vecam_change_start(change, graph->store);
	if (target->also)
		target->also->apply(vecam_change_page(change, target->also->pin, false),
							target->also->arg);
	node = vecam_node_at(&graph->ix->nodes, vecam_change_page(change, pin, false),
						 VecamRefSlot(&graph->ix->nodes, target->ref));
	take_codes(graph, node, target->link);
	return node;
}

/* The TID fits the node.  WAL: [other page,] node page. */
static void
add_inline(VecamGraph *graph, VecamPin *pin, const TidTarget *target)
{
	VecamChange change;
	VecamNodeHeader *node = start_node_change(graph, &change, pin, target);

	node->tids[node->ntids++] = *target->tid;
	vecam_change_finish(&change);
}

/*
 * The TID fits the node's first chunk: true if it did.
 *
 * WAL: [other page,] node page, tid page.
 */
static bool
add_to_first_chunk(VecamGraph *graph, VecamPin *pin, VecamRef first,
				   const TidTarget *target)
{
	VecamPin	chunk_pin;
	VecamTidChunk *chunk;
	VecamChange change;
	bool		fits;

	if (VecamChunkBlock(first) == pin->blkno ||
		VecamChunkBlock(first) >= vecam_store_nblocks(graph->store))
		vecam_corrupt(graph->store->index, pin->blkno,
					  "tid chunk at block %u", VecamChunkBlock(first));
	vecam_store_pin(graph->store, VecamChunkBlock(first),
					BUFFER_LOCK_EXCLUSIVE, &chunk_pin);
	chunk = chunk_of_pin(graph, &chunk_pin, first, target->ref,
						 target->generation);
	fits = chunk && chunk->ntids < VECAM_CHUNK_TIDS;
	if (fits)
	{
		Page		page;

		start_node_change(graph, &change, pin, target);
		page = vecam_change_page(&change, &chunk_pin, false);
		chunk = (VecamTidChunk *) vecam_slot(VecamPageGetSlots(page),
											 VecamChunkSlot(first));
		chunk->tids[chunk->ntids++] = *target->tid;
		vecam_change_finish(&change);
	}
	vecam_store_unpin(graph->store, &chunk_pin);
	return fits;
}

/* Fill a new chunk that goes before the node's first one. */
static void
form_chunk(VecamGraph *graph, VecamTidChunk *chunk, VecamRef first,
		   const TidTarget *target)
{
	memset(chunk, 0, sizeof(*chunk));
	set_node_pointer(&graph->ix->nodes, &chunk->node, target->ref);
	chunk->generation = target->generation;
	chunk->next = first;
	chunk->ntids = 1;
	chunk->tids[0] = *target->tid;
}

/*
 * Put the TID into a new chunk of the reserved page; false if that is full.
 *
 * WAL: [other page,] node page, tid page.
 */
static bool
add_chunk(VecamGraph *graph, VecamPin *pin, const TidTarget *target)
{
	VecamPin	chunk_pin;
	VecamChange change;
	VecamSlotPage *slots;
	VecamNodeHeader *node;
	Page		page;
	VecamTidChunk chunk;
	int			slot;

	if (!BlockNumberIsValid(graph->chunk_target))
		return false;
	vecam_store_pin(graph->store, graph->chunk_target, BUFFER_LOCK_EXCLUSIVE,
					&chunk_pin);
	slots = vecam_slots_of_buffer(graph->store->index, chunk_pin.buf,
								  graph->ix, VECAM_LIST_OVERFLOW);
	slot = slots ? vecam_slots_find_free(slots) : -1;
	if (slot >= 0)
	{
		node = start_node_change(graph, &change, pin, target);
		page = vecam_change_page(&change, &chunk_pin, false);

		form_chunk(graph, &chunk, node->overflow, target);
		vecam_slots_put(page, slot, &chunk);
		node->overflow = VecamMakeChunkRef(chunk_pin.blkno, slot);
		vecam_change_finish(&change);
	}
	vecam_store_unpin(graph->store, &chunk_pin);
	return slot >= 0;
}

/* During a build: write the chunk with the list's writer, then name it. */
static void
add_chunk_in_build(VecamGraph *graph, const TidTarget *target)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamPin	pin;
	VecamChange change;
	VecamNodeHeader *node;
	VecamTidChunk chunk;
	VecamRef	first;
	BlockNumber blkno;
	int			slot;

	vecam_store_pin(graph->store, VecamRefBlock(nl, target->ref),
					BUFFER_LOCK_SHARE, &pin);
	first = vecam_node_at(nl, pin.page, VecamRefSlot(nl, target->ref))->overflow;
	vecam_store_unpin(graph->store, &pin);

	form_chunk(graph, &chunk, first, target);
	vecam_writer_put(graph->chunks, &chunk, &blkno, &slot);

	vecam_store_pin(graph->store, VecamRefBlock(nl, target->ref),
					BUFFER_LOCK_EXCLUSIVE, &pin);
	node = start_node_change(graph, &change, &pin, target);
	node->overflow = VecamMakeChunkRef(blkno, slot);
	vecam_change_finish(&change);
	vecam_store_unpin(graph->store, &pin);
}

/*
 * See to it that page graph->chunk_target has room for a chunk, which other
 * processes may take.  No page may be in hand.
 */
void
vecam_chunk_reserve(VecamGraph *graph)
{
	Buffer		buf = vecam_list_lock_room(graph->store->index, graph->ix,
										   VECAM_LIST_OVERFLOW);

	graph->chunk_target = BufferGetBlockNumber(buf);
	UnlockReleaseBuffer(buf);
}

/*
 * Add a row's TID to the node link->equal, which has its code, together with a
 * change of also->pin if that is given.  `link` is the row as
 * vecam_link_prepare left it.  Pages in hand: also->pin only.
 */
VecamJoin
vecam_node_add_tid(VecamGraph *graph, const VecamLink *link, ItemPointer tid,
				   VecamAlso *also)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	TidTarget	target = {link->equal.ref, link->equal.generation, link, tid, also};
	VecamPin	pin;
	VecamNodeHeader *node;
	bool		found;
	bool		done = false;

	vecam_store_pin(graph->store, VecamRefBlock(nl, target.ref),
					BUFFER_LOCK_EXCLUSIVE, &pin);
	node = vecam_node_of_pin(graph, &pin, VecamRefSlot(nl, target.ref));
	found = node && node->state == VECAM_NODE_LIVE &&
		node->generation == target.generation;
	if (found && node->ntids < VECAM_NODE_TIDS)
	{
		add_inline(graph, &pin, &target);
		done = true;
	}
	else if (found && node->overflow != VECAM_INVALID_REF)
		done = add_to_first_chunk(graph, &pin, node->overflow, &target);
	if (found && !done && graph->chunks == NULL)
		done = add_chunk(graph, &pin, &target);
	vecam_store_unpin(graph->store, &pin);

	if (!found)
		return VECAM_JOIN_NO_NODE;
	if (!done && graph->chunks)
	{
		add_chunk_in_build(graph, &target);
		done = true;
	}
	return done ? VECAM_JOINED : VECAM_JOIN_NO_ROOM;
}

/*
 * Drop TIDs of an array that the callback calls dead; returns how many stay.
 */
int
vecam_filter_tids(ItemPointerData *tids, int ntids,
				  IndexBulkDeleteCallback callback, void *callback_state)
{
	int			kept = 0;

	for (int i = 0; i < ntids; i++)
	{
		if (!callback(&tids[i], callback_state))
			tids[kept++] = tids[i];
	}
	return kept;
}

/* Let a chunk of a page image take the TIDs and the place of its successor. */
static void
take_over(VecamTidChunk *chunk, const VecamTidChunk *successor)
{
	memcpy(chunk->tids + chunk->ntids, successor->tids,
		   sizeof(ItemPointerData) * successor->ntids);
	chunk->ntids += successor->ntids;
	chunk->next = successor->next;
}

/*
 * Remove a chunk, a copy of which is given.  The one before it takes its TIDs; if
 * it has some, there is one and they fit.
 */
static void
remove_chunk(VecamGraph *graph, VecamRef node_ref, VecamRef before,
			 VecamRef chunk_ref, const VecamTidChunk *chunk)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	bool		from_node = before == VECAM_INVALID_REF;
	bool		same_page = !from_node &&
		VecamChunkBlock(before) == VecamChunkBlock(chunk_ref);
	VecamPin	pin;
	VecamPin	chunk_pin;
	VecamChange change;
	Page		page;
	Page		chunk_page;

	vecam_store_pin(graph->store, from_node ? VecamRefBlock(nl, node_ref) :
					VecamChunkBlock(before), BUFFER_LOCK_EXCLUSIVE, &pin);
	if (!same_page)
		vecam_store_pin(graph->store, VecamChunkBlock(chunk_ref),
						BUFFER_LOCK_EXCLUSIVE, &chunk_pin);

	vecam_change_start(&change, graph->store);
	page = vecam_change_page(&change, &pin, false);
	chunk_page = same_page ? page :
		vecam_change_page(&change, &chunk_pin, false);
	if (from_node)
		vecam_node_at(nl, page, VecamRefSlot(nl, node_ref))->overflow = chunk->next;
	else
		take_over((VecamTidChunk *) vecam_slot(VecamPageGetSlots(page),
											   VecamChunkSlot(before)), chunk);
	vecam_slots_remove(chunk_page, VecamChunkSlot(chunk_ref));
	vecam_change_finish(&change);

	if (!same_page)
		vecam_store_unpin(graph->store, &chunk_pin);
	vecam_store_unpin(graph->store, &pin);
}

/*
 * Remove the empty chunks of a node's chain; with `merge` also those whose TIDs
 * fit the chunk before.  A reader who comes for one that is gone begins the chain
 * again.  The caller holds the seal lock alone, and there is no bulkdelete.  True
 * if no chunk is left.
 *
 * WAL, for each: page of the chunk before it or of the node, tid page.
 */
bool
vecam_trim_chunks(VecamGraph *graph, VecamRef node_ref, uint8 generation,
				  VecamRef first, bool merge)
{
	int			room = 0;		/* in the chunk before */
	VecamRef	before = VECAM_INVALID_REF;
	VecamRef	ref = first;
	VecamTidChunk chunk;
	int64		left = vecam_max_chunks(graph);

	while (ref != VECAM_INVALID_REF && left-- > 0 &&
		   vecam_read_chunk(graph, ref, node_ref, generation, &chunk))
	{
		CHECK_FOR_INTERRUPTS();
		if (chunk.ntids == 0 || (merge && chunk.ntids <= room))
		{
			remove_chunk(graph, node_ref, before, ref, &chunk);
			room -= chunk.ntids;
		}
		else
		{
			before = ref;
			room = VECAM_CHUNK_TIDS - chunk.ntids;
		}
		ref = chunk.next;
	}
	return before == VECAM_INVALID_REF;
}

/* What names a chunk: its node (before is invalid), or the chunk before it. */
typedef struct ChunkPlace
{
	VecamRef	node;
	uint8		generation;
	VecamRef	before;
} ChunkPlace;

/* The first chunk of a node as it is now. */
static VecamRef
first_chunk(VecamGraph *graph, VecamRef ref, uint8 generation)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	VecamRef	first = VECAM_INVALID_REF;
	VecamNodeHeader *node;
	VecamPin	pin;

	if (VecamRefBlock(nl, ref) >= vecam_store_nblocks(graph->store))
		return VECAM_INVALID_REF;
	vecam_store_pin(graph->store, VecamRefBlock(nl, ref), BUFFER_LOCK_SHARE,
					&pin);
	node = vecam_node_of_pin(graph, &pin, VecamRefSlot(nl, ref));
	if (node && node->state == VECAM_NODE_LIVE && node->generation == generation)
		first = node->overflow;
	vecam_store_unpin(graph->store, &pin);
	return first;
}

/*
 * The chunk before this one in its chain, if it is on the same page, which is in
 * hand.  It mostly is, as chunks are added one after another; a walk from the
 * node for each of them would take time quadratic in the length of the chain.
 */
static VecamRef
chunk_before_on_page(VecamGraph *graph, VecamPin *pin, VecamRef chunk_ref)
{
	VecamSlotPage *slots = VecamPageGetSlots(pin->page);

	for (int i = 0; i < slots->nslots; i++)
	{
		VecamRef	ref = VecamMakeChunkRef(pin->blkno, i);
		VecamTidChunk *chunk = chunk_at(graph, pin, ref);

		if (chunk && chunk->next == chunk_ref)
			return ref;
	}
	return VECAM_INVALID_REF;
}

/*
 * Find what names the chunk, a copy of which is given, by a walk from its node;
 * false if nothing does.
 */
static bool
find_chunk_place(VecamGraph *graph, VecamRef chunk_ref,
				 const VecamTidChunk *chunk, ChunkPlace *place)
{
	const VecamNodeLayout *nl = &graph->ix->nodes;
	int64		left = vecam_max_chunks(graph);
	VecamTidChunk copy;
	VecamRef	next;

	place->node = VecamMakeRef(nl, ItemPointerGetBlockNumberNoCheck(&chunk->node),
							   ItemPointerGetOffsetNumberNoCheck(&chunk->node) - 1);
	place->generation = chunk->generation;
	vecam_node_follow(graph, &place->node, &place->generation);
	place->before = VECAM_INVALID_REF;
	next = first_chunk(graph, place->node, place->generation);
	while (next != chunk_ref)
	{
		CHECK_FOR_INTERRUPTS();
		if (next == VECAM_INVALID_REF || left-- == 0 ||
			!vecam_read_chunk(graph, next, place->node, place->generation, &copy))
			return false;
		place->before = next;
		next = copy.next;
	}
	return true;
}

/* The image of a page that may be in the change already. */
static Page
change_once(VecamChange *change, VecamPin *pin, VecamPin **pins, Page *images,
			int *n)
{
	for (int i = 0; i < *n; i++)
	{
		if (pins[i]->blkno == pin->blkno)
			return images[i];
	}
	pins[*n] = pin;
	images[*n] = vecam_change_page(change, pin, false);
	return images[(*n)++];
}

/*
 * Move a chunk from the page in hand to the one in hand, and let what names it,
 * on the page in hand, name its new place.  The three may be the same page.
 *
 * WAL: page of the node or of the chunk before it, old and new tid page.
 */
static void
relink_chunk(VecamGraph *graph, VecamRef chunk_ref, const ChunkPlace *place,
			 VecamPin *before_pin, VecamPin *from_pin, VecamPin *to_pin, int slot)
{
	VecamPin   *pins[3];
	Page		images[3];
	int			n = 0;
	VecamRef	new_ref = VecamMakeChunkRef(to_pin->blkno, slot);
	VecamChange change;
	Page		page;
	Page		from_page;

	vecam_change_start(&change, graph->store);
	page = change_once(&change, before_pin, pins, images, &n);
	if (place->before == VECAM_INVALID_REF)
		vecam_node_at(&graph->ix->nodes, page,
					  VecamRefSlot(&graph->ix->nodes, place->node))->overflow = new_ref;
	else
		((VecamTidChunk *) vecam_slot(VecamPageGetSlots(page),
									  VecamChunkSlot(place->before)))->next = new_ref;
	from_page = change_once(&change, from_pin, pins, images, &n);
	page = change_once(&change, to_pin, pins, images, &n);
	vecam_slots_put(page, slot, vecam_slot(VecamPageGetSlots(from_page),
										   VecamChunkSlot(chunk_ref)));
	vecam_slots_remove(from_page, VecamChunkSlot(chunk_ref));
	vecam_change_finish(&change);
}

/*
 * Move a chunk to page `to`, another one; false if that is full or nothing names
 * the chunk.  The caller has the seal lock alone.
 */
bool
vecam_move_chunk(VecamGraph *graph, VecamRef chunk_ref, BlockNumber to)
{
	BlockNumber from = VecamChunkBlock(chunk_ref);
	ChunkPlace	place;
	VecamTidChunk copy;
	VecamTidChunk *chunk;
	VecamPin	from_pin;
	VecamPin	to_pin;
	VecamPin	before_pin;
	VecamPin   *before = &before_pin;
	BlockNumber before_blkno;
	VecamSlotPage *slots;
	int			slot;

	vecam_store_pin(graph->store, from, BUFFER_LOCK_SHARE, &from_pin);
	chunk = chunk_at(graph, &from_pin, chunk_ref);
	if (chunk)
	{
		copy = *chunk;
		place.before = chunk_before_on_page(graph, &from_pin, chunk_ref);
	}
	vecam_store_unpin(graph->store, &from_pin);
	if (chunk == NULL ||
		(place.before == VECAM_INVALID_REF &&
		 !find_chunk_place(graph, chunk_ref, &copy, &place)))
		return false;

	before_blkno = place.before == VECAM_INVALID_REF ?
		VecamRefBlock(&graph->ix->nodes, place.node) :
		VecamChunkBlock(place.before);
	if (before_blkno != from && before_blkno != to)
		vecam_store_pin(graph->store, before_blkno, BUFFER_LOCK_EXCLUSIVE,
						&before_pin);
	vecam_store_pin(graph->store, to, BUFFER_LOCK_EXCLUSIVE, &to_pin);
	vecam_store_pin(graph->store, from, BUFFER_LOCK_EXCLUSIVE, &from_pin);
	if (before_blkno == from)
		before = &from_pin;
	else if (before_blkno == to)
		before = &to_pin;

	slots = vecam_slots_of_buffer(graph->store->index, to_pin.buf, graph->ix,
								  VECAM_LIST_OVERFLOW);
	slot = slots ? vecam_slots_find_free(slots) : -1;
	if (slot >= 0)
		relink_chunk(graph, chunk_ref, &place, before, &from_pin, &to_pin, slot);
	vecam_store_unpin(graph->store, &from_pin);
	vecam_store_unpin(graph->store, &to_pin);
	if (before == &before_pin)
		vecam_store_unpin(graph->store, &before_pin);
	return slot >= 0;
}
