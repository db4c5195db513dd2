/*-------------------------------------------------------------------------
 *
 * heap.c
 *	  The frontier of a search: a binary min-heap of nodes to expand.
 *
 * lib/binaryheap and lib/pairingheap compare through a function pointer and
 * keep one pointer or node per element; a search pushes dozens of elements per
 * page, so this one is inlined and flat.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "graph/heap.h"
#include "utils/memutils.h"

#define FIRST_SIZE 1024

/*
 * An empty frontier that may use about `memory` bytes, from the current memory
 * context.
 */
void
vecam_frontier_init(VecamFrontier *heap, Size memory)
{
	heap->n = 0;
	heap->allocated = FIRST_SIZE;
	heap->max = Max(FIRST_SIZE,
					Min(memory / sizeof(VecamFrontierItem), INT_MAX / 2));
	heap->items = palloc(sizeof(VecamFrontierItem) * heap->allocated);
}

static int
compare_items(const void *a, const void *b)
{
	float		x = ((const VecamFrontierItem *) a)->estimate;
	float		y = ((const VecamFrontierItem *) b)->estimate;

	return (x > y) - (x < y);
}

/* Make room for another item. */
static void
make_room(VecamFrontier *heap)
{
	if (heap->allocated < heap->max)
	{
		heap->allocated = Min(heap->max, heap->allocated * 2);
		heap->items = repalloc_huge(heap->items,
									sizeof(VecamFrontierItem) *
									(Size) heap->allocated);
		return;
	}

	/* a sorted array is a heap */
	qsort(heap->items, heap->n, sizeof(VecamFrontierItem), compare_items);
	heap->n /= 2;
}

void
vecam_frontier_push(VecamFrontier *heap, float estimate, VecamRef ref,
					uint8 generation)
{
	VecamFrontierItem *items;
	int			i;

	if (heap->n == heap->allocated)
		make_room(heap);

	items = heap->items;
	i = heap->n++;
	while (i > 0 && items[(i - 1) / 2].estimate > estimate)
	{
		items[i] = items[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	items[i].estimate = estimate;
	items[i].ref = ref;
	items[i].generation = generation;
}

/*
 * Take the item with the smallest estimate; the frontier is not empty.
 */
VecamFrontierItem
vecam_frontier_pop(VecamFrontier *heap)
{
	VecamFrontierItem *items = heap->items;
	VecamFrontierItem top = items[0];
	VecamFrontierItem last = items[--heap->n];
	int			i = 0;

	for (;;)
	{
		int			child = 2 * i + 1;

		if (child >= heap->n)
			break;
		if (child + 1 < heap->n &&
			items[child + 1].estimate < items[child].estimate)
			child++;
		if (items[child].estimate >= last.estimate)
			break;
		items[i] = items[child];
		i = child;
	}
	items[i] = last;
	return top;
}
