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
 * That is done when a plan is about to be executed.  A planner hook would come
 * too late for the first query of a session, which loads this library while it
 * is planned, and whose plan may be kept as long as the session lasts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "am/am.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"
#include "utils/rel.h"

static ExecutorStart_hook_type previous_start = NULL;

/*
 * The locks of a kept plan are those of its tables, so the index is locked here,
 * until the end of the transaction, as the executor would do next.
 */
static bool
is_vecam_index(Oid relid)
{
	Relation	index = index_open(relid, AccessShareLock);
	bool		result = index->rd_indam->ambuild == vecam_build;

	index_close(index, NoLock);
	return result;
}

/*
 * Make NULL of what the scan computes only because it orders by it.  The plan
 * may be a kept one: the constant must live as long.
 */
static void
drop_unseen_distance(IndexScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(scan));
	ListCell   *lc;

	foreach(lc, scan->scan.plan.targetlist)
	{
		TargetEntry *column = lfirst_node(TargetEntry, lc);

		if (column->resjunk &&
			equal(column->expr, linitial(scan->indexorderbyorig)))
			column->expr = (Expr *) makeNullConst(exprType((Node *) column->expr),
												  -1, InvalidOid);
	}
	MemoryContextSwitchTo(old);
}

/*
 * Is the plan one of ours whose rows go to a Limit only?  WITH TIES compares
 * their order columns.
 */
static bool
is_limited_scan(Plan *plan)
{
	IndexScan  *scan;

	if (!IsA(plan, Limit) || !IsA(outerPlan(plan), IndexScan) ||
		((Limit *) plan)->limitOption != LIMIT_OPTION_COUNT)
		return false;
	scan = (IndexScan *) outerPlan(plan);
	return list_length(scan->indexorderbyorig) == 1 &&
		is_vecam_index(scan->indexid);
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

static void
start_query(QueryDesc *query, int eflags)
{
	ListCell   *lc;

	walk_plan(query->plannedstmt->planTree);
	foreach(lc, query->plannedstmt->subplans)
		walk_plan(lfirst(lc));

	if (previous_start)
		previous_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/*
 * Install the hook; once per backend, at load.
 */
void
vecam_plan_init(void)
{
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = start_query;
}
