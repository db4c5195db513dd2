/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  aminsert: one row joins the growing segment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "flat/growing.h"
#include "utils/memutils.h"

/* What one statement keeps between its rows, in ii_AmCache. */
typedef struct InsertState
{
	const VecamOpclass *opclass;
	VecamIndex *ix;
	VecamRow	row;
	MemoryContext scratch;		/* reset for every row */
} InsertState;

static InsertState *
insert_state(Relation index, IndexInfo *info)
{
	MemoryContext old = MemoryContextSwitchTo(info->ii_Context);
	InsertState *state = palloc(sizeof(InsertState));

	state->opclass = vecam_opclass(index);
	state->ix = vecam_index_open(index);
	vecam_row_init(&state->row, state->ix);
	state->scratch = AllocSetContextCreate(info->ii_Context,
										   "vecam insert",
										   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(old);
	info->ii_AmCache = state;
	return state;
}

/*
 * aminsert.  When it returns, a scan finds the row; no lock is kept.
 */
bool
vecam_insert(Relation index, Datum *values, bool *isnull, ItemPointer tid,
			 Relation heap, IndexUniqueCheck check_unique,
			 VECAM_INSERT_UNCHANGED_ARG IndexInfo *info)
{
	InsertState *state = info->ii_AmCache;
	MemoryContext old;
	const float *x = NULL;

	if (state == NULL)
		state = insert_state(index, info);

	old = MemoryContextSwitchTo(state->scratch);
	if (!isnull[0])
		x = vecam_checked_components(state->opclass, values[0],
									 state->ix->meta.dims);
	vecam_row_form(&state->row, state->ix, tid, x);
	vecam_row_append(index, state->ix, &state->row);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->scratch);
	return false;
}
