/*-------------------------------------------------------------------------
 *
 * heap.h
 *	  The frontier of a search: a priority queue of nodes to expand.
 *
 * An item is one integer, so that one comparison orders two: the estimate, as
 * the upper bits of a float4 made to sort as an unsigned number, then the
 * reference and the generation.
 *
 * A search pushes many more items than it pops.  So only the best ones are in a
 * heap, which is small and stays in the CPU's first cache; all others lie in a
 * heap in the other sense of the word, and are looked at when the best ones are
 * used up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_HEAP_H
#define VECAM_HEAP_H

#include "page/page.h"

typedef uint64 VecamFrontierItem;

/* Items that the heap gets at once, and those at which it has too many. */
#define VECAM_NEAR_ITEMS 128
#define VECAM_MAX_NEAR_ITEMS (2 * VECAM_NEAR_ITEMS)

typedef struct VecamFrontier
{
	VecamFrontierItem near_items[VECAM_MAX_NEAR_ITEMS];	/* a heap, four children */
	int			nnear;
	VecamFrontierItem limit;	/* near items < limit <= far items */
	VecamFrontierItem *far_items;
	int			nfar;
	int			allocated;		/* of far */
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

extern void vecam_frontier_init(VecamFrontier *frontier, Size memory);
extern void vecam_frontier_fill(VecamFrontier *frontier,
								VecamFrontierItem *items, int n, int nnear);
extern void vecam_frontier_split(VecamFrontier *frontier);
extern void vecam_frontier_refill(VecamFrontier *frontier);
extern void vecam_frontier_make_room(VecamFrontier *frontier);
extern VecamFrontierItem vecam_frontier_pop(VecamFrontier *frontier);

static inline bool
vecam_frontier_is_empty(const VecamFrontier *frontier)
{
	return frontier->nnear == 0 && frontier->nfar == 0;
}

/* The item with the smallest estimate; the frontier is not empty. */
static inline VecamFrontierItem
vecam_frontier_top(VecamFrontier *frontier)
{
	if (frontier->nnear == 0)
		vecam_frontier_refill(frontier);
	return frontier->near_items[0];
}

/* The one after it, of more than four near items. */
static inline VecamFrontierItem
vecam_frontier_second(const VecamFrontier *frontier)
{
	const VecamFrontierItem *items = frontier->near_items;

	return Min(Min(items[1], items[2]), Min(items[3], items[4]));
}

/* Is the item none of the best, so that pushing it costs next to nothing? */
static inline bool
vecam_frontier_is_far(const VecamFrontier *frontier, VecamFrontierItem item)
{
	return item >= frontier->limit;
}

static inline void
vecam_frontier_push(VecamFrontier *frontier, VecamFrontierItem item)
{
	VecamFrontierItem *items = frontier->near_items;
	int			i;

	if (vecam_frontier_is_far(frontier, item))
	{
		if (frontier->nfar == frontier->allocated)
			vecam_frontier_make_room(frontier);
		frontier->far_items[frontier->nfar++] = item;
		return;
	}

	i = frontier->nnear++;
	while (i > 0 && items[(i - 1) / 4] > item)
	{
		items[i] = items[(i - 1) / 4];
		i = (i - 1) / 4;
	}
	items[i] = item;
	if (frontier->nnear == VECAM_MAX_NEAR_ITEMS)
		vecam_frontier_split(frontier);
}

#endif							/* VECAM_HEAP_H */
