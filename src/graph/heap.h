/*-------------------------------------------------------------------------
 *
 * heap.h
 *	  The frontier of a search: a binary min-heap of nodes to expand.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_HEAP_H
#define VECAM_HEAP_H

#include "page/page.h"

typedef struct VecamFrontierItem
{
	float		estimate;		/* of the squared distance */
	VecamRef	ref;
	uint8		generation;
} VecamFrontierItem;

typedef struct VecamFrontier
{
	VecamFrontierItem *items;
	int			n;
	int			allocated;
	int			max;			/* beyond it the worse half is dropped */
} VecamFrontier;

extern void vecam_frontier_init(VecamFrontier *heap, Size memory);
extern void vecam_frontier_push(VecamFrontier *heap, float estimate,
								VecamRef ref, uint8 generation);
extern VecamFrontierItem vecam_frontier_pop(VecamFrontier *heap);

#endif							/* VECAM_HEAP_H */
