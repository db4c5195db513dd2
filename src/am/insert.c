/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  aminsert: one row joins the growing segment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "am/sealworker.h"
#include "flat/growing.h"
#include "flat/seal.h"
#include "page/stop.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* What one statement keeps between its rows, in ii_AmCache. */
typedef struct InsertState
{
	const VecamOpclass *opclass;
	VecamIndex *ix;
	VecamRow	row;
	MemoryContext scratch;		/* reset for every row */
	VecamSealDemand *demand;	/* stays from statement to statement */
} InsertState;

/* Growing rows at which inserters help the worker, in multiples of the threshold. */
#define BACK_PRESSURE 4

/* Rows that an inserter then links for one that it adds. */
#define SEALED_PER_ROW 2

static InsertState *
insert_state(Relation index, IndexInfo *info)
{
	MemoryContext old = MemoryContextSwitchTo(info->ii_Context);
	InsertState *state = palloc(sizeof(InsertState));

	state->demand = vecam_seal_demand(RelationGetRelid(index));
	state->opclass = vecam_opclass(index);
	state->ix = vecam_checked_index(index, state->opclass);
	vecam_row_init(&state->row, state->ix);
	state->scratch = AllocSetContextCreate(info->ii_Context,
										   "vecam insert",
										   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(old);
	info->ii_AmCache = state;
	return state;
}

/*
 * The backend has gone on to another page: is the growing list too long?
 */
static void
measure_growing_list(Relation index, Relation heap, InsertState *state)
{
	VecamSealDemand *demand = state->demand;
	int64		rows = vecam_growing_capacity(index, state->ix);

	vecam_index_reread(index, state->ix);
	demand->is_pressing = vecam_wants_seal(index, state->ix, rows,
										   BACK_PRESSURE);
	if (vecam_wants_seal(index, state->ix, rows, 1))
		vecam_start_seal_worker(index, heap, demand);
}

/*
 * Keep the growing list bounded although nobody vacuums: a worker is started
 * when the list is too long, and when it does not keep up, or there is none,
 * each row inserted has a few others linked; unless somebody is in the way.
 */
static void
relieve_growing_list(Relation index, Relation heap, InsertState *state)
{
	VecamSealDemand *demand = state->demand;
	VecamSealer *sealer;

	if (RelationGetTargetBlock(index) != demand->target)
	{
		demand->target = RelationGetTargetBlock(index);
		measure_growing_list(index, heap, state);
	}
	if (!demand->is_pressing)
		return;
	sealer = vecam_sealer_begin(index, VECAM_SEAL_SHARED, false);
	if (sealer == NULL)
		return;
	vecam_seal_rows(sealer, SEALED_PER_ROW, NULL);
	demand->is_pressing = sealer->sealed > 0;
	vecam_sealer_end(sealer);
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
	VECAM_STOP("insert-appended");
	if (state->ix->meta.kind != VECAM_KIND_FLAT)
		relieve_growing_list(index, heap, state);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->scratch);
	return false;
}
