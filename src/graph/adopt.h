/*-------------------------------------------------------------------------
 *
 * adopt.h
 *	  The nodes of a checkpoint in an index that is being built.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_ADOPT_H
#define VECAM_ADOPT_H

#include "graph/graph.h"
#include "page/bigarray.h"
#include "page/checkpoint.h"

/* A place of the table that finds a node by its code. */
typedef struct VecamCodePlace
{
	uint32		hash;
	uint32		node;			/* ordinal + 1; 0: empty */
} VecamCodePlace;

typedef struct VecamAdoption
{
	VecamGraph *graph;
	VecamLink  *link;			/* tools of the build */
	uint32		nnodes;			/* written so far */
	uint32		max_nodes;
	VecamBigArray *blocks;		/* BlockNumber, of the nodes in their order */
	VecamBigArray *notes;		/* uint8, of each node: adopted, reached */
	VecamBigArray *places;		/* VecamCodePlace[nplaces] */
	Size		nplaces;
	uint8	   *code;			/* put together from extent pages */
	int64		adopted;
} VecamAdoption;

/* adopt.c */
extern VecamAdoption *vecam_adopt_begin(VecamGraph *graph, VecamLink *link,
										uint32 nnodes);
extern void vecam_adopt_node(VecamAdoption *adoption,
							 const VecamCheckpointNode *node);
extern void vecam_adopt_edges(VecamAdoption *adoption, MemoryContext scratch);
extern bool vecam_adopt_row(VecamAdoption *adoption, ItemPointer tid,
							const VecamSq8Header *head, const uint8 *code,
							const uint8 *payload);
extern bool vecam_adopt_end(VecamAdoption *adoption, int entry_level);

#endif							/* VECAM_ADOPT_H */
