/*-------------------------------------------------------------------------
 *
 * repair.h
 *	  What the steps of a repair know of the graph.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_REPAIR_H
#define VECAM_REPAIR_H

#include "graph/graph.h"
#include "page/bigarray.h"

/* How far a node can be reached, see reach.c. */
typedef enum VecamMark
{
	VECAM_MARK_NONE,
	VECAM_MARK_ISLAND,			/* from a node that nothing leads to */
	VECAM_MARK_REACHED			/* from the entry points */
} VecamMark;

typedef struct VecamNodeNote
{
	uint8		state;
	uint8		generation;
	uint8		level;
	uint8		mark:7;
	uint8		pending:1;		/* its edges are to be followed */
} VecamNodeNote;

typedef struct VecamRepair
{
	VecamGraph *graph;
	VecamLink  *link;
	MemoryContext scratch;
	bool		free_orphans;	/* BUILDING nodes belong to no row */
	void		(*delay) (void);
	VecamRepairStats *stats;
	BlockNumber nblocks;
	VecamBigArray *notes;		/* VecamNodeNote[nblocks * per_page] */
	int64		ndead;
	int			old_entry_level;
	int64		nunreached;		/* live nodes that are not VECAM_MARK_REACHED */
	uint64	   *pending;		/* a bit for each block that has such nodes */
	VecamBigArray *parents;		/* VecamRef, of reached nodes; NULL: not wanted */
	Size		memory;
} VecamRepair;

/* The place of a reference among the notes; false if there is no such node. */
static inline bool
vecam_note_index(const VecamRepair *repair, VecamRef ref, Size *i)
{
	const VecamNodeLayout *nl = &repair->graph->ix->nodes;
	BlockNumber blkno = VecamRefBlock(nl, ref);
	int			slot = VecamRefSlot(nl, ref);

	*i = (Size) blkno * nl->per_page + slot;
	return blkno < repair->nblocks && slot < nl->per_page;
}

/*
 * What is noted of a node, or NULL; good until another note is asked for.
 */
static inline VecamNodeNote *
vecam_note_of(const VecamRepair *repair, VecamRef ref)
{
	Size		i;

	return vecam_note_index(repair, ref, &i) ?
		vecam_bigarray_at(repair->notes, i) : NULL;
}

/* repair.c */
extern void vecam_repair_add_entry(VecamRepair *repair, VecamRef ref,
								   bool any_level);

/* reach.c */
extern void vecam_repair_reach(VecamRepair *repair);

#endif							/* VECAM_REPAIR_H */
