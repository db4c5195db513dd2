/*-------------------------------------------------------------------------
 *
 * test_heap.c
 *	  The frontier of a search: items sort by estimate, the best comes first.
 *
 * It is the one part of src/graph that needs no server but for its
 * memory, which this program provides.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "unit.h"

#include <float.h>

#include "graph/heap.h"

/* the C library's, not the server's */
#undef qsort

#define ITEMS 20000

void *
palloc(Size size)
{
	return unit_alloc(size);
}

void *
repalloc_huge(void *pointer, Size size)
{
	void	   *result = realloc(pointer, size);

	if (result == NULL)
		exit(2);
	return result;
}

/* Most are of the usual kind; some are as far out as an estimate can be. */
static float
random_estimate(void)
{
	uint32		bits = (uint32) unit_random();
	float		wide;

	if (unit_range(0, 3) != 0)
		return (float) (1000.0 * unit_uniform());
	memcpy(&wide, &bits, sizeof(wide));
	return isnan(wide) ? 0.0f : wide;
}

static VecamFrontierItem
random_item(float estimate)
{
	return vecam_frontier_item(estimate, (VecamRef) unit_random(),
							   (uint8) unit_random());
}

static void
test_items(void)
{
	static const float edges[] = {
		-INFINITY, -FLT_MAX, -1.0f, -1e-30f, 0.0f, 1e-30f, 1.0f, 3e4f, FLT_MAX,
		INFINITY
	};
	int			i;

	unit_case("an item keeps its node, and its estimate to 15 bits");
	for (i = 0; i < ITEMS; i++)
	{
		float		estimate = random_estimate();
		VecamRef	ref = (VecamRef) unit_random();
		uint8		generation = (uint8) unit_random();
		VecamFrontierItem item = vecam_frontier_item(estimate, ref, generation);
		float		kept = vecam_item_estimate(item);

		unit_check(vecam_item_ref(item) == ref &&
				   vecam_item_generation(item) == generation &&
				   vecam_item_node(item) == (((uint64) ref << 8) | generation),
				   "node %u, %u", ref, generation);
		unit_check(isinf(estimate) ? kept == estimate :
				   fabs((double) kept - estimate) <=
				   fabs((double) estimate) / 32768 + FLT_MIN,
				   "%.9g becomes %.9g", estimate, kept);
	}

	unit_case("items sort by estimate");
	for (i = 0; i < ITEMS; i++)
	{
		float		a = random_estimate();
		float		b = random_estimate();

		unit_check(fabs((double) a - b) <= Max(fabsf(a), fabsf(b)) / 32768.0 + FLT_MIN ||
				   (random_item(a) < random_item(b)) == (a < b), "%.9g and %.9g",
				   a, b);
	}
	for (i = 1; i < (int) lengthof(edges); i++)
		unit_check(random_item(edges[i - 1]) < random_item(edges[i]),
				   "%g and %g", edges[i - 1], edges[i]);
}

static int
compare_items(const void *a, const void *b)
{
	VecamFrontierItem x = *(const VecamFrontierItem *) a;
	VecamFrontierItem y = *(const VecamFrontierItem *) b;

	return (x > y) - (x < y);
}

/* Near ones, far ones, and few different ones. */
static VecamFrontierItem
some_item(int flavour)
{
	switch (flavour % 3)
	{
		case 0:
			return random_item(random_estimate());
		case 1:
			return random_item((float) unit_uniform());
		default:
			return vecam_frontier_item((float) unit_range(0, 9),
									   unit_range(0, 3), 1);
	}
}

/* Pushes and pops in turn against a sorted array, best item last. */
static void
test_order(int size, double push_share, int flavour)
{
	VecamFrontier frontier;
	VecamFrontierItem *model = unit_alloc((ITEMS + 1) * sizeof(VecamFrontierItem));
	int			n = 0;
	int			i;

	unit_case("the smallest item comes first, %d items, %.0f %% pushes, flavour %d",
			  size, 100 * push_share, flavour);
	vecam_frontier_init(&frontier, (Size) 1 << 30);
	for (i = 0; i < size; i++)
	{
		if (n == 0 || unit_uniform() < push_share)
		{
			VecamFrontierItem item = some_item(flavour);
			int			at = n++;

			vecam_frontier_push(&frontier, item);
			for (; at > 0 && model[at - 1] < item; at--)
				model[at] = model[at - 1];
			model[at] = item;
		}
		else
		{
			unit_check(vecam_frontier_top(&frontier) == model[n - 1],
					   "step %d: the top", i);
			unit_check(vecam_frontier_pop(&frontier) == model[--n],
					   "step %d: pop", i);
		}
		unit_check(frontier.nnear + frontier.nfar == n &&
				   vecam_frontier_is_empty(&frontier) == (n == 0),
				   "step %d: %d and %d items, not %d", i, frontier.nnear,
				   frontier.nfar, n);
	}
	while (n > 0)
		unit_check(vecam_frontier_pop(&frontier) == model[--n], "the rest: pop");
	unit_check(vecam_frontier_is_empty(&frontier), "items are left");
	free(frontier.far_items);
	free(model);
}

/*
 * An item that is called far is none that pop would give before as many others
 * as were near.
 */
static void
test_far(void)
{
	VecamFrontier frontier;
	int			i;

	unit_case("far items come after the near ones");
	vecam_frontier_init(&frontier, (Size) 1 << 30);
	for (i = 0; i < ITEMS; i++)
	{
		VecamFrontierItem item = random_item((float) unit_uniform());

		unit_check(!vecam_frontier_is_far(&frontier, item) ||
				   (frontier.nnear > 0 && vecam_frontier_top(&frontier) < item),
				   "step %d: far, but better than all", i);
		vecam_frontier_push(&frontier, item);
		if (i % 5 == 0)
			vecam_frontier_pop(&frontier);
	}
	unit_check(frontier.nfar > ITEMS / 2, "%d far items", frontier.nfar);
	free(frontier.far_items);
}

/* Full memory: the better half of what is far stays, in order. */
static void
test_limit(void)
{
	VecamFrontier frontier;
	VecamFrontierItem *pushed = unit_alloc(ITEMS * sizeof(VecamFrontierItem));
	int			limit = 4096;
	int			i;

	unit_case("a full frontier keeps the better half");
	vecam_frontier_init(&frontier, limit * sizeof(VecamFrontierItem));
	for (i = 0; i < ITEMS; i++)
	{
		pushed[i] = random_item((float) unit_uniform());
		vecam_frontier_push(&frontier, pushed[i]);
		unit_check(frontier.nfar <= limit && frontier.allocated <= limit,
				   "%d items in room for %d", frontier.nfar, frontier.allocated);
	}
	unit_check(frontier.nfar >= limit / 2, "%d items are left", frontier.nfar);
	qsort(pushed, ITEMS, sizeof(VecamFrontierItem), compare_items);
	for (i = 0; i < limit / 2; i++)
		unit_check(vecam_frontier_pop(&frontier) == pushed[i], "item %d", i);
	free(frontier.far_items);
	free(pushed);
}

int
main(void)
{
	/* around the sizes at which the heap is split and filled */
	static const int sizes[] = {
		1, 2, 3, 5, 6, 21, 22, VECAM_MAX_NEAR_ITEMS - 1, VECAM_MAX_NEAR_ITEMS,
		VECAM_MAX_NEAR_ITEMS + 1, 3 * VECAM_NEAR_ITEMS + 1, ITEMS
	};
	int			i;
	int			flavour;

	unit_seed(7);
	test_items();
	for (i = 0; i < (int) lengthof(sizes); i++)
	{
		for (flavour = 0; flavour < 3; flavour++)
		{
			test_order(sizes[i], 1.0, flavour);
			test_order(sizes[i], 0.6, flavour);
		}
	}
	test_far();
	test_limit();
	return unit_finish();
}
