/*-------------------------------------------------------------------------
 *
 * heap.h
 *	  The frontier of a search: a min-heap of nodes to expand.
 *
 * An item is one integer, so that one comparison orders two: the estimate, as
 * the upper bits of a float4 made to sort as an unsigned number, then the
 * reference and the generation.  The heap has four children to a parent, which
 * halves its depth and keeps siblings in one cache line.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_HEAP_H
#define VECAM_HEAP_H

#include "page/page.h"

typedef uint64 VecamFrontierItem;

typedef struct VecamFrontier
{
	VecamFrontierItem *items;
	int			n;
	int			allocated;
	int			max;			/* beyond it the worse half is dropped */
} VecamFrontier;

/* Bits of the reference and the generation, and of a float4 that are lost. */
#define VECAM_ITEM_NODE_BITS 40
#define VECAM_ITEM_LOST_BITS 8

/*
 * An item.  Of the estimate of the squared distance (not NaN) 15 bits of the
 * mantissa are kept, far more than an estimate is good for.
 */
static inline VecamFrontierItem
vecam_frontier_item(float estimate, VecamRef ref, uint8 generation)
{
	uint32		bits;

	memcpy(&bits, &estimate, sizeof(bits));
	bits ^= (bits & 0x80000000) ? 0xFFFFFFFF : 0x80000000;
	return ((uint64) (bits >> VECAM_ITEM_LOST_BITS) << VECAM_ITEM_NODE_BITS) |
		((uint64) ref << 8) | generation;
}

static inline float
vecam_item_estimate(VecamFrontierItem item)
{
	uint32		bits = (uint32) (item >> VECAM_ITEM_NODE_BITS) << VECAM_ITEM_LOST_BITS;
	float		estimate;

	bits ^= (bits & 0x80000000) ? 0x80000000 : 0xFFFFFFFF;
	memcpy(&estimate, &bits, sizeof(estimate));
	return estimate;
}

/* Reference and generation as one number. */
static inline uint64
vecam_item_node(VecamFrontierItem item)
{
	return item & ((UINT64CONST(1) << VECAM_ITEM_NODE_BITS) - 1);
}

static inline VecamRef
vecam_item_ref(VecamFrontierItem item)
{
	return (VecamRef) (item >> 8);
}

static inline uint8
vecam_item_generation(VecamFrontierItem item)
{
	return (uint8) item;
}

extern void vecam_frontier_init(VecamFrontier *heap, Size memory);
extern void vecam_frontier_make_room(VecamFrontier *heap);
extern VecamFrontierItem vecam_frontier_pop(VecamFrontier *heap);

static inline void
vecam_frontier_push(VecamFrontier *heap, VecamFrontierItem item)
{
	VecamFrontierItem *items;
	int			i;

	if (heap->n == heap->allocated)
		vecam_frontier_make_room(heap);

	items = heap->items;
	i = heap->n++;
	while (i > 0 && items[(i - 1) / 4] > item)
	{
		items[i] = items[(i - 1) / 4];
		i = (i - 1) / 4;
	}
	items[i] = item;
}

#endif							/* VECAM_HEAP_H */
