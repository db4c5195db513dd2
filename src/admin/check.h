/*-------------------------------------------------------------------------
 *
 * check.h
 *	  vecam_check: does an index keep its invariants?
 *
 * The invariants (INV-n) are those of src/README.md.  All work is done on
 * copies of pages, without a lock, and nothing that stands on a page is used
 * before it has been looked at: a page may hold anything.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_CHECK_H
#define VECAM_CHECK_H

#include "am/am.h"
#include "flat/growing.h"
#include "graph/graph.h"
#include "page/slots.h"
#include "utils/tuplestore.h"

/* In place of a VecamPageKind: reported already, not to be looked at again. */
#define VECAM_CHECK_DAMAGED 255

/* In place of a VecamNodeState, likewise. */
#define VECAM_CHECK_BAD_NODE 255

/* What is known of a block of the index. */
typedef struct VecamCheckBlock
{
	uint8		kind;			/* when it was surveyed; all-zero is free */
	uint8		list;			/* of a slot page */
	bool		owned;			/* something names it */
} VecamCheckBlock;

/* What is known of a slot of a node page; zero for other blocks. */
typedef struct VecamCheckNode
{
	uint8		state;
	uint8		generation;
	uint8		level;
	bool		claimed:1;		/* a growing slot names it */
	bool		reached:1;		/* a search can come to it */
} VecamCheckNode;

/* A TID in the index, and the slot or node that it belongs to. */
typedef struct VecamCheckRow
{
	ItemPointerData tid;
	uint16		slot;
	BlockNumber blkno;
} VecamCheckRow;

/* A TID chunk, in the order of blocks and slots. */
typedef struct VecamCheckChunk
{
	VecamRef	ref;
	bool		linked;			/* it stands in a node's chain */
} VecamCheckChunk;

typedef struct VecamCheck
{
	Relation	index;
	Relation	table;
	VecamIndex *ix;
	bool		has_mean;		/* ix is complete: vectors can be encoded */

	/* findings */
	Tuplestorestate *result;
	TupleDesc	desc;
	int64		nfindings;

	/* what is known so far */
	BlockNumber nblocks;		/* when the check began */
	BlockNumber size;			/* of the relation, when last asked */
	VecamCheckBlock *blocks;
	VecamCheckNode *nodes;		/* nblocks * per_page */
	int64		nnodes;			/* those that are not free */
	VecamCheckRow *rows;
	Size		nrows;
	Size		rows_allocated;
	VecamCheckChunk *chunks;
	Size		nchunks;
	Size		chunks_allocated;
	VecamRef   *queue;			/* nodes that a search can come to */
	Size		nqueue;

	/* tools */
	BufferAccessStrategy strategy;
	MemoryContext scratch;		/* reset for every page */
	uint8	   *code;			/* dims */
	float	   *x;				/* dims */
	float	   *centre;			/* dims */
	uint64	   *sketch;
} VecamCheck;

/* check.c */
extern void vecam_check_report(VecamCheck *check, int invariant,
							   BlockNumber blkno, int slot,
							   const char *fmt,...) pg_attribute_printf(5, 6);
extern void vecam_check_copy_page(VecamCheck *check, BlockNumber blkno,
								  Page copy);
extern bool vecam_check_block_exists(VecamCheck *check, BlockNumber blkno);
extern void vecam_check_add_row(VecamCheck *check, ItemPointer tid,
								BlockNumber blkno, int slot);

/* checkpages.c */
extern bool vecam_check_meta(VecamCheck *check);
extern void vecam_check_mean(VecamCheck *check);
extern void vecam_check_survey(VecamCheck *check);
extern void vecam_check_lists(VecamCheck *check);
extern void vecam_check_owners(VecamCheck *check);
extern VecamSlotPage *vecam_check_slots(VecamCheck *check, Page copy,
										VecamList list);
extern bool vecam_check_own(VecamCheck *check, int invariant,
							BlockNumber blkno, VecamPageKind kind,
							BlockNumber by, int slot, Page copy);

/* checkcodes.c */
extern bool vecam_check_read_code(VecamCheck *check, const uint8 *payload,
								  uint8 *code);
extern bool vecam_check_own_code(VecamCheck *check, BlockNumber blkno,
								 int slot, const uint8 *payload, uint8 *code);
extern void vecam_check_code(VecamCheck *check, BlockNumber blkno, int slot,
							 const VecamSq8Header *head, const uint8 *code,
							 const uint8 *fine);
extern void vecam_check_growing_slot(VecamCheck *check, BlockNumber blkno,
									 int slot, VecamGrowingEntry *entry);

/* checkgraph.c */
extern VecamCheckNode *vecam_check_node_of(VecamCheck *check, VecamRef ref);
extern void vecam_check_note_node(VecamCheck *check, BlockNumber blkno,
								  int slot, VecamNodeHeader *node);
extern void vecam_check_note_chunk(VecamCheck *check, BlockNumber blkno,
								   int slot, VecamTidChunk *chunk);
extern bool vecam_check_copy_nodes(VecamCheck *check, BlockNumber blkno,
								   Page copy);
extern VecamNodeHeader *vecam_check_node_at(VecamCheck *check, Page copy,
											int slot);
extern bool vecam_check_reach(VecamCheck *check, VecamRef ref,
							  uint8 generation);
extern void vecam_check_nodes(VecamCheck *check);
extern void vecam_check_chunks(VecamCheck *check);
extern void vecam_check_reachability(VecamCheck *check);

/* checkedges.c */
extern void vecam_check_edges(VecamCheck *check, BlockNumber blkno, int slot,
							  VecamNodeHeader *node);
extern void vecam_check_entry(VecamCheck *check, BlockNumber blkno, int slot,
							  VecamEntryPoint *entry);

/* checkrows.c */
extern void vecam_check_tids(VecamCheck *check);
extern void vecam_check_table(VecamCheck *check, Snapshot snapshot);

#endif							/* VECAM_CHECK_H */
