/*-------------------------------------------------------------------------
 *
 * heap.c
 *	  The frontier of a search: a min-heap of nodes to expand.
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
					Min(memory / sizeof(VecamFrontierItem), INT_MAX / 4));
	heap->items = palloc(sizeof(VecamFrontierItem) * heap->allocated);
}

static int
compare_items(const void *a, const void *b)
{
	VecamFrontierItem x = *(const VecamFrontierItem *) a;
	VecamFrontierItem y = *(const VecamFrontierItem *) b;

	return (x > y) - (x < y);
}

/*
 * Make room for another item: more memory, or else without the worse half.
 */
void
vecam_frontier_make_room(VecamFrontier *heap)
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

/* The smallest of the up to four children that begin at `first`. */
static inline int
smallest_child(const VecamFrontierItem *items, int first, int n)
{
	int			left;
	int			right;

	if (first + 4 > n)
	{
		left = first;
		for (right = first + 1; right < n; right++)
			left = items[right] < items[left] ? right : left;
		return left;
	}
	left = items[first + 1] < items[first] ? first + 1 : first;
	right = items[first + 3] < items[first + 2] ? first + 3 : first + 2;
	return items[right] < items[left] ? right : left;
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

	while (4 * i + 1 < heap->n)
	{
		int			child = smallest_child(items, 4 * i + 1, heap->n);

		if (items[child] >= last)
			break;
		items[i] = items[child];
		i = child;
	}
	items[i] = last;
	return top;
}
