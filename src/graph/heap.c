/*-------------------------------------------------------------------------
 *
 * heap.c
 *	  The frontier of a search: a priority queue of nodes to expand.
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
vecam_frontier_init(VecamFrontier *frontier, Size memory)
{
	frontier->nnear = 0;
	frontier->limit = PG_UINT64_MAX;
	frontier->nfar = 0;
	frontier->allocated = FIRST_SIZE;
	frontier->max = Max(FIRST_SIZE,
						Min(memory / sizeof(VecamFrontierItem), INT_MAX / 4));
	frontier->far_items = palloc(sizeof(VecamFrontierItem) * frontier->allocated);
}

static inline void
swap_items(VecamFrontierItem *a, VecamFrontierItem *b)
{
	VecamFrontierItem t = *a;

	*a = *b;
	*b = t;
}

/*
 * Move the k smallest of n > k items to the front, the next one behind them
 * (Hoare's selection, with the middle one of three as the pivot).
 */
static void
select_items(VecamFrontierItem *items, int n, int k)
{
	int			lo = 0;
	int			hi = n - 1;

	while (lo < hi)
	{
		int			mid = lo + (hi - lo) / 2;
		int			i = lo;
		int			j = hi;
		VecamFrontierItem pivot;

		if (items[mid] < items[lo])
			swap_items(&items[mid], &items[lo]);
		if (items[hi] < items[lo])
			swap_items(&items[hi], &items[lo]);
		if (items[hi] < items[mid])
			swap_items(&items[hi], &items[mid]);
		pivot = items[mid];
		while (i <= j)
		{
			while (items[i] < pivot)
				i++;
			while (items[j] > pivot)
				j--;
			if (i <= j)
				swap_items(&items[i++], &items[j--]);
		}
		if (k <= j)
			hi = j;
		else if (k >= i)
			lo = i;
		else
			return;
	}
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

/* Let an item sink from place i, which is free, to where it belongs. */
static inline void
sift_down(VecamFrontierItem *items, int n, int i, VecamFrontierItem item)
{
	while (4 * i + 1 < n)
	{
		int			child = smallest_child(items, 4 * i + 1, n);

		if (items[child] >= item)
			break;
		items[i] = items[child];
		i = child;
	}
	items[i] = item;
}

static void
make_heap(VecamFrontier *frontier)
{
	for (int i = (frontier->nnear + 2) / 4 - 1; i >= 0; i--)
		sift_down(frontier->near_items, frontier->nnear, i, frontier->near_items[i]);
}

/*
 * Put n items into an empty frontier, the nnear (VECAM_NEAR_ITEMS at most) best
 * of them near.  The array is changed.
 */
void
vecam_frontier_fill(VecamFrontier *frontier, VecamFrontierItem *items, int n,
					int nnear)
{
	if (nnear < n)
	{
		select_items(items, n, nnear);
		frontier->limit = items[nnear];
	}
	for (int i = 0; i < n; i++)
		vecam_frontier_push(frontier, items[i]);
}

/*
 * The heap is full: its worse half becomes far.
 */
void
vecam_frontier_split(VecamFrontier *frontier)
{
	int			nmoved = frontier->nnear - VECAM_NEAR_ITEMS;

	while (frontier->nfar + nmoved > frontier->allocated)
		vecam_frontier_make_room(frontier);
	select_items(frontier->near_items, frontier->nnear, VECAM_NEAR_ITEMS);
	frontier->limit = frontier->near_items[VECAM_NEAR_ITEMS];
	memcpy(frontier->far_items + frontier->nfar, frontier->near_items + VECAM_NEAR_ITEMS,
		   sizeof(VecamFrontierItem) * nmoved);
	frontier->nfar += nmoved;
	frontier->nnear = VECAM_NEAR_ITEMS;
	make_heap(frontier);
}

/*
 * The heap is empty: the best of the far items, of which there are some, are
 * the near ones now.
 */
void
vecam_frontier_refill(VecamFrontier *frontier)
{
	int			n = Min(frontier->nfar, VECAM_NEAR_ITEMS);

	frontier->limit = PG_UINT64_MAX;
	if (n < frontier->nfar)
	{
		select_items(frontier->far_items, frontier->nfar, n);
		frontier->limit = frontier->far_items[n];
	}
	memcpy(frontier->near_items, frontier->far_items, sizeof(VecamFrontierItem) * n);
	frontier->nnear = n;

	/* close the gap with the last ones */
	frontier->nfar -= n;
	memmove(frontier->far_items, frontier->far_items + Max(n, frontier->nfar),
			sizeof(VecamFrontierItem) * Min(n, frontier->nfar));
	make_heap(frontier);
}

/*
 * Make room for more far items: more memory, or else without the worse half.
 */
void
vecam_frontier_make_room(VecamFrontier *frontier)
{
	if (frontier->allocated < frontier->max)
	{
		frontier->allocated = Min(frontier->max, frontier->allocated * 2);
		frontier->far_items = repalloc_huge(frontier->far_items,
									  sizeof(VecamFrontierItem) *
									  (Size) frontier->allocated);
		return;
	}
	select_items(frontier->far_items, frontier->nfar, frontier->nfar / 2);
	frontier->nfar /= 2;
}

/*
 * Take the item with the smallest estimate; the frontier is not empty.
 */
VecamFrontierItem
vecam_frontier_pop(VecamFrontier *frontier)
{
	VecamFrontierItem top = vecam_frontier_top(frontier);
	int			n = --frontier->nnear;

	if (n > 0)
		sift_down(frontier->near_items, n, 0, frontier->near_items[n]);
	return top;
}
