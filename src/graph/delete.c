/*-------------------------------------------------------------------------
 *
 * delete.c
 *	  Removing dead TIDs from nodes and TID chunks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "graph/tids.h"
#include "page/pagelist.h"
#include "page/progress.h"
#include "page/slots.h"
#include "page/stop.h"
#include "storage/bufmgr.h"

/* What one bulkdelete works with. */
typedef struct DeleteState
{
	VecamGraph	graph;
	VecamStore	store;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
} DeleteState;

/*
 * Filter an array of TIDs of the page in hand.  The first time that one is
 * dropped on the page, the record is started; *array is then that of the image.
 */
static bool
filter_on_page(DeleteState *state, ItemPointerData *tids, uint16 *ntids,
			   VecamPin *pin, VecamChange *change, Page *image)
{
	ItemPointerData kept[Max(VECAM_CHUNK_TIDS, VECAM_NODE_TIDS)];
	int			n;
	Size		tids_at = (char *) tids - (char *) pin->page;
	Size		ntids_at = (char *) ntids - (char *) pin->page;

	for (int i = 0; i < *ntids; i++)
	{
		if (!ItemPointerIsValid(&tids[i]))
			vecam_corrupt(state->store.index, pin->blkno, "invalid TID");
	}
	memcpy(kept, tids, sizeof(ItemPointerData) * *ntids);
	n = vecam_filter_tids(kept, *ntids, state->callback, state->callback_state);
	if (n == *ntids)
		return false;

	state->stats->tuples_removed += *ntids - n;
	if (*image == NULL)
	{
		vecam_change_start(change, &state->store);
		*image = vecam_change_page(change, pin, false);
	}
	memcpy((char *) *image + tids_at, kept, sizeof(ItemPointerData) * n);
	*(uint16 *) ((char *) *image + ntids_at) = n;
	return true;
}

/*
 * Filter the nodes of a page; those without TIDs are dead from now on.
 *
 * WAL: node page.
 */
static void
delete_from_node_page(DeleteState *state, VecamPin *pin)
{
	const VecamNodeLayout *nl = &state->graph.ix->nodes;
	VecamChange change;
	Page		image = NULL;

	for (int slot = 0; slot < nl->per_page; slot++)
	{
		VecamNodeHeader *node = vecam_node_of_pin(&state->graph, pin, slot);

		if (node == NULL)
			break;				/* no node page */
		if (node->state != VECAM_NODE_LIVE ||
			!filter_on_page(state, node->tids, &node->ntids, pin, &change, &image))
			continue;
		node = vecam_node_at(nl, image, slot);
		if (node->ntids == 0 && node->overflow == VECAM_INVALID_REF)
			node->state = VECAM_NODE_DEAD;
	}
	if (image)
		vecam_change_finish(&change);
}

/* Filter the chunks of a page of the overflow list.  WAL: tid page. */
static void
delete_from_chunk_page(DeleteState *state, VecamPin *pin)
{
	VecamSlotPage *slots = vecam_slots_of_buffer(state->store.index, pin->buf,
												 state->graph.ix,
												 VECAM_LIST_OVERFLOW);
	VecamChange change;
	Page		image = NULL;

	for (int i = 0; slots && i < slots->nslots; i++)
	{
		VecamTidChunk *chunk = (VecamTidChunk *) vecam_slot(slots, i);

		if (!vecam_slot_is_live((VecamTidEntry *) chunk))
			continue;
		if (chunk->ntids > VECAM_CHUNK_TIDS)
			vecam_corrupt(state->store.index, pin->blkno, "chunk of %u tids",
						  chunk->ntids);
		filter_on_page(state, chunk->tids, &chunk->ntids, pin, &change, &image);
	}
	if (image)
		vecam_change_finish(&change);
}

/*
 * Remove dead TIDs from all nodes, then from all chunks.  TIDs never move from
 * a chunk to a node, and rows only from the growing list to nodes and chunks,
 * so after the growing list, in this order, none is missed.  Locks one page at
 * a time.
 *
 * Sealers may be adding nodes and chunks faster than this looks at them, so
 * each pass ends where the relation or the list ended when the pass began.  A
 * row that can be dead was in the growing list, or beyond it, when the walk over
 * that began.  If it was there still when the walk came to its page, it has
 * been shown to the callback.  If not, one record had moved it to a node or a
 * chunk by then, whose page existed before this function was called.
 */
void
vecam_nodes_delete_rows(IndexVacuumInfo *info, VecamIndex *ix,
						IndexBulkDeleteResult *stats,
						IndexBulkDeleteCallback callback, void *callback_state)
{
	DeleteState state;
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	BlockNumber nblocks = RelationGetNumberOfBlocks(info->index);
	BlockNumber blkno;
	VecamPin	pin;

	memset(&state, 0, sizeof(state));
	vecam_store_init(&state.store, info->index, VECAM_STORE_LOGGED, 0);
	state.graph.store = &state.store;
	state.graph.ix = ix;
	state.stats = stats;
	state.callback = callback;
	state.callback_state = callback_state;

	vecam_progress_begin(info->index, VECAM_PROGRESS_DELETE_NODES, nblocks);
	for (blkno = VECAM_META_BLKNO + 1; blkno < nblocks; blkno++)
	{
		vecam_vacuum_delay_point();
		vecam_progress_update(blkno);
		vecam_store_pin(&state.store, blkno, BUFFER_LOCK_EXCLUSIVE, &pin);
		delete_from_node_page(&state, &pin);
		vecam_store_unpin(&state.store, &pin);
	}

	vecam_progress_begin(info->index, VECAM_PROGRESS_DELETE_CHUNKS,
						 vecam_list_count_pages(info->index, VECAM_LIST_OVERFLOW));
	VECAM_STOP("vacuum-chunks");
	vecam_index_reread(info->index, ix);
	vecam_list_begin_bounded(walk, info->index, &ix->meta, VECAM_LIST_OVERFLOW);
	while (BlockNumberIsValid(blkno = vecam_list_next(walk)))
	{
		vecam_vacuum_delay_point();
		vecam_store_pin(&state.store, blkno, BUFFER_LOCK_EXCLUSIVE, &pin);
		delete_from_chunk_page(&state, &pin);
		vecam_store_unpin(&state.store, &pin);
		vecam_progress_advance();
	}
	pfree(walk);
}
