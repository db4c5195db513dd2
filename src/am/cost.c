/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  amcostestimate
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "am/am.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "page/pagelist.h"
#include "utils/float.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

/*
 * A code is read in order and compared by a few dozen vector instructions: per
 * page and per row far cheaper than what the planner's units stand for, which
 * is a tuple deformed and a function called.
 */
#define FLAT_PAGE_COST_FACTOR	0.5
#define FLAT_ROW_COST_FACTOR	0.5

/*
 * Rows fetched for one that is returned, and what their recheck costs in units
 * of a distance function's call (vecam--1.0.sql gives those COST 100).
 */
#define FETCHES_PER_ROW			1.4
#define RECHECK_OPERATOR_CALLS	100

/*
 * A hop of a graph search: one page, seldom from disk, and estimates for the
 * neighbours on it.
 */
#define HOP_PAGE_COST_FACTOR	0.25
#define HOP_OPERATOR_CALLS		32

/* Hops of a search that looks ahead by L rows, and for each row after that. */
#define HOPS_PER_LOOKAHEAD		1.7
#define HOPS_PER_ROW			1.2

/* What the planner is told of an index's contents. */
typedef struct IndexShape
{
	double		flat_pages;		/* read from end to end */
	double		flat_rows;
	double		hops;			/* before the first row */
	double		hops_per_row;
} IndexShape;

/*
 * Find out what a search has to read.  The planner has locked the index.
 */
static void
get_shape(IndexOptInfo *info, double rows, IndexShape *shape)
{
	Relation	index;
	VecamIndex *ix;

	shape->flat_pages = Max(info->pages, 1);
	shape->flat_rows = rows;
	shape->hops = 0;
	shape->hops_per_row = 0;
	if (info->hypothetical)
		return;

	index = index_open(info->indexoid, NoLock);
	ix = vecam_index_open(index);
	if (ix->meta.has_graph)
	{
		shape->flat_pages = vecam_list_count_pages(index, VECAM_LIST_GROWING) +
			vecam_list_count_pages(index, VECAM_LIST_ENTRIES);
		shape->flat_rows = Min(rows, shape->flat_pages *
							   VECAM_SLOTS_PER_PAGE(ix->meta.growing_size));
		shape->hops = Min(rows, HOPS_PER_LOOKAHEAD * vecam_lookahead(index));
		shape->hops_per_row = HOPS_PER_ROW;
	}
	pfree(ix);
	index_close(index, NoLock);
}

/*
 * amcostestimate.  The search happens before the first row; after that each
 * row costs some more of it, its recheck and its place in the executor's
 * queue.  The heap fetches are added by the caller (cost_index).
 */
void
vecam_costestimate(PlannerInfo *root, IndexPath *path, double loop_count,
				   Cost *startup_cost, Cost *total_cost,
				   Selectivity *selectivity, double *correlation,
				   double *pages)
{
	IndexOptInfo *index = path->indexinfo;
	double		rows = Max(index->tuples, 1.0);
	double		random_cost;
	double		seq_cost;
	double		hop_cost;
	double		row_cost;
	IndexShape	shape;

	*selectivity = 1.0;
	*correlation = 0.0;
	*pages = Max(index->pages, 1);

	/*
	 * Without ORDER BY there is nothing that the index is good for.  Nor with
	 * two of them: the executor's queue does not look at the second value of
	 * rows whose first one is NULL (cmp_orderbyvals in nodeIndexscan.c).
	 */
	if (list_length(path->indexorderbys) != 1)
	{
		*startup_cost = get_float8_infinity();
		*total_cost = get_float8_infinity();
		return;
	}

	get_tablespace_page_costs(index->reltablespace, &random_cost, &seq_cost);
	get_shape(index, rows, &shape);
	hop_cost = random_cost * HOP_PAGE_COST_FACTOR +
		cpu_operator_cost * HOP_OPERATOR_CALLS;
	*startup_cost = random_cost +
		shape.flat_pages * seq_cost * FLAT_PAGE_COST_FACTOR +
		shape.flat_rows * cpu_operator_cost * FLAT_ROW_COST_FACTOR +
		shape.hops * hop_cost;

	row_cost = FETCHES_PER_ROW *
		(cpu_index_tuple_cost +
		 cpu_operator_cost * (RECHECK_OPERATOR_CALLS + 2 * log2(rows + 1))) +
		shape.hops_per_row * hop_cost;
	*total_cost = *startup_cost + rows * row_cost;
}
