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
 * amcostestimate.  All the searching happens before the first row; after that
 * each row costs its recheck and its place in the executor's queue.  The heap
 * fetches are added by the caller (cost_index).
 */
void
vecam_costestimate(PlannerInfo *root, IndexPath *path, double loop_count,
				   Cost *startup_cost, Cost *total_cost,
				   Selectivity *selectivity, double *correlation,
				   double *pages)
{
	IndexOptInfo *index = path->indexinfo;
	double		rows = Max(index->tuples, 1.0);
	double		index_pages = Max(index->pages, 1);
	double		random_cost;
	double		seq_cost;
	double		row_cost;

	*selectivity = 1.0;
	*correlation = 0.0;
	*pages = index_pages;

	/* without ORDER BY there is nothing that the index is good for */
	if (path->indexorderbys == NIL)
	{
		*startup_cost = get_float8_infinity();
		*total_cost = get_float8_infinity();
		return;
	}

	get_tablespace_page_costs(index->reltablespace, &random_cost, &seq_cost);
	*startup_cost = random_cost +
		index_pages * seq_cost * FLAT_PAGE_COST_FACTOR +
		rows * cpu_operator_cost * FLAT_ROW_COST_FACTOR;

	row_cost = FETCHES_PER_ROW *
		(cpu_index_tuple_cost +
		 cpu_operator_cost * (RECHECK_OPERATOR_CALLS + 2 * log2(rows + 1)));
	*total_cost = *startup_cost + rows * row_cost;
}
