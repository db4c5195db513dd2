/*-------------------------------------------------------------------------
 *
 * tids.h
 *	  The heap TIDs of nodes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_TIDS_H
#define VECAM_TIDS_H

#include "access/genam.h"
#include "graph/graph.h"

/* Chunk references: block and slot, whatever the nodes' layout. */
#define VECAM_CHUNK_SLOT_BITS 8
#define VecamChunkBlock(ref)	((BlockNumber) ((ref) >> VECAM_CHUNK_SLOT_BITS))
#define VecamChunkSlot(ref)		((int) ((ref) & 0xFF))
#define VecamMakeChunkRef(blkno, slot) \
	((VecamRef) (((blkno) << VECAM_CHUNK_SLOT_BITS) | (slot)))

typedef enum VecamJoin
{
	VECAM_JOINED,
	VECAM_JOIN_NO_NODE,			/* the node is gone */
	VECAM_JOIN_NO_ROOM,			/* reserve a chunk, then try again */
} VecamJoin;

extern void vecam_chunk_reserve(VecamGraph *graph);
extern VecamJoin vecam_node_add_tid(VecamGraph *graph, const VecamLink *link,
									ItemPointer tid, VecamAlso *also);
extern int	vecam_filter_tids(ItemPointerData *tids, int ntids,
							  IndexBulkDeleteCallback callback,
							  void *callback_state);
extern bool vecam_trim_chunks(VecamGraph *graph, VecamRef node_ref,
							  uint8 generation, VecamRef first,
							  bool merge);
extern bool vecam_move_chunk(VecamGraph *graph, VecamRef chunk_ref,
							 BlockNumber to);
extern int64 vecam_max_chunks(VecamGraph *graph);
extern bool vecam_read_chunk(VecamGraph *graph, VecamRef chunk, VecamRef node,
							 uint8 generation, VecamTidChunk *copy);

#endif							/* VECAM_TIDS_H */
