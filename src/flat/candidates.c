/*-------------------------------------------------------------------------
 *
 * candidates.c
 *	  The nearest rows of a pass over many.
 *
 * During the pass a bounded max-heap drops what is too far away as early as can
 * be, so that the pass knows at every moment how near a row must be.  Then the
 * same array becomes a min-heap, since a scan takes a few of its candidates
 * only: sorting all of them would cost more than a search in a small index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flat/candidates.h"
#include "utils/memutils.h"

/* Room for candidates at first. */
#define FIRST_SIZE 512

/* What stands on top of a heap. */
typedef enum HeapOrder
{
	LAST_ON_TOP = 1,
	FIRST_ON_TOP = -1
} HeapOrder;

int
vecam_compare_candidates(const VecamCandidate *a, const VecamCandidate *b)
{
	if (a->bound != b->bound)
		return a->bound < b->bound ? -1 : 1;
	return ItemPointerCompare(unconstify(ItemPointerData *, &a->tid),
							  unconstify(ItemPointerData *, &b->tid));
}

/*
 * An empty set, with memory from the current context.
 */
void
vecam_candidates_init(VecamCandidates *set, int keep)
{
	set->allocated = FIRST_SIZE;
	set->items = palloc(sizeof(VecamCandidate) * set->allocated);
	vecam_candidates_reset(set, keep);
}

/*
 * Empty the set, and let it keep so many from now on.
 */
void
vecam_candidates_reset(VecamCandidates *set, int keep)
{
	Assert(keep > 0);
	set->n = 0;
	set->left = 0;
	set->keep = keep;
	set->dropped = false;
}

/*
 * Let c take the place of item i in the heap of n items, and move it down to
 * its own.
 */
static inline void
sift_down(VecamCandidate *items, int n, int i, VecamCandidate c,
		  HeapOrder order)
{
	for (;;)
	{
		int			child = 2 * i + 1;

		if (child >= n)
			break;
		if (child + 1 < n &&
			order * vecam_compare_candidates(&items[child],
											 &items[child + 1]) < 0)
			child++;
		if (order * vecam_compare_candidates(&items[child], &c) <= 0)
			break;
		items[i] = items[child];
		i = child;
	}
	items[i] = c;
}

static void
make_heap(VecamCandidates *set, HeapOrder order)
{
	for (int i = set->n / 2 - 1; i >= 0; i--)
		sift_down(set->items, set->n, i, set->items[i], order);
}

static void
make_room(VecamCandidates *set)
{
	set->allocated = Min(set->allocated * 2, set->keep);
	set->items = repalloc_huge(set->items, sizeof(VecamCandidate) *
							   (Size) set->allocated);
}

/*
 * Add a candidate, unless `keep` others come before it.
 */
void
vecam_candidates_add(VecamCandidates *set, VecamCandidate c)
{
	if (set->n < set->keep)
	{
		if (set->n == set->allocated)
			make_room(set);
		set->items[set->n++] = c;
		return;
	}
	if (!set->dropped)
	{
		make_heap(set, LAST_ON_TOP);
		set->dropped = true;
	}
	if (vecam_compare_candidates(&c, &set->items[0]) < 0)
		sift_down(set->items, set->n, 0, c, LAST_ON_TOP);
}

/*
 * All have been added.
 */
void
vecam_candidates_finish(VecamCandidates *set)
{
	make_heap(set, FIRST_ON_TOP);
	set->left = set->n;
}

/*
 * Take the first of those that are left.
 */
VecamCandidate
vecam_candidates_take(VecamCandidates *set)
{
	VecamCandidate *items = set->items;
	VecamCandidate first = items[0];
	VecamCandidate last = items[--set->left];

	Assert(set->left >= 0);
	items[set->left] = first;
	if (set->left > 0)
		sift_down(items, set->left, 0, last, FIRST_ON_TOP);
	return first;
}
