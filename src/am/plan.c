/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  Plans without distances that nobody looks at.
 *
 * A query's ORDER BY expression is a column of its plan even when the query
 * does not select it, so that the index scan computes the distance of every row
 * it returns, only for it to be thrown away.  Fetching a vector from the TOAST
 * table for that costs more than finding the row.  Where nothing above the
 * index scan but a Limit can look at the column, it is made NULL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "am/am.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "utils/rel.h"

static planner_hook_type previous_planner = NULL;

static bool
is_vecam_index(Oid relid)
{
	Relation	index = index_open(relid, NoLock);
	bool		result = index->rd_indam->ambuild == vecam_build;

	index_close(index, NoLock);
	return result;
}

/* Make NULL of what the scan computes only because it orders by it. */
static void
drop_unseen_distance(IndexScan *scan)
{
	ListCell   *lc;

	if (list_length(scan->indexorderbyorig) != 1 ||
		!is_vecam_index(scan->indexid))
		return;
	foreach(lc, scan->scan.plan.targetlist)
	{
		TargetEntry *column = lfirst_node(TargetEntry, lc);

		if (column->resjunk &&
			equal(column->expr, linitial(scan->indexorderbyorig)))
			column->expr = (Expr *) makeNullConst(exprType((Node *) column->expr),
												  -1, InvalidOid);
	}
}

/*
 * Is the plan one whose rows go to a Limit only?  WITH TIES compares their order
 * columns.
 */
static bool
is_limited_scan(Plan *plan)
{
	return IsA(plan, Limit) && IsA(outerPlan(plan), IndexScan) &&
		((Limit *) plan)->limitOption == LIMIT_OPTION_COUNT;
}

/* Visit a plan and what is below it. */
static void
walk_plan(Plan *plan)
{
	if (plan == NULL)
		return;
	check_stack_depth();
	if (is_limited_scan(plan))
		drop_unseen_distance((IndexScan *) outerPlan(plan));
	walk_plan(outerPlan(plan));
	walk_plan(innerPlan(plan));
	if (IsA(plan, SubqueryScan))
		walk_plan(((SubqueryScan *) plan)->subplan);
}

static PlannedStmt *
plan_query(Query *query, const char *query_string, int cursor_options,
		   ParamListInfo params)
{
	PlannedStmt *result = previous_planner ?
		previous_planner(query, query_string, cursor_options, params) :
		standard_planner(query, query_string, cursor_options, params);
	ListCell   *lc;

	walk_plan(result->planTree);
	foreach(lc, result->subplans)
		walk_plan(lfirst(lc));
	return result;
}

/*
 * Install the hook; once per backend, at load.
 */
void
vecam_plan_init(void)
{
	previous_planner = planner_hook;
	planner_hook = plan_query;
}
