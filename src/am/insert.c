/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  aminsert: one row joins the growing segment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "flat/seal.h"
#include "page/pagelist.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* What one statement keeps between its rows, in ii_AmCache. */
typedef struct InsertState
{
	const VecamOpclass *opclass;
	VecamIndex *ix;
	VecamRow	row;
	MemoryContext scratch;		/* reset for every row */
	BlockNumber last_target;	/* page of the last row */
} InsertState;

/* Growing rows at which inserters link some, as a multiple of the threshold. */
#define BACK_PRESSURE 4

/* Rows that an inserter links for one that it adds, when there are so many. */
#define SEALED_PER_ROW 2

static InsertState *
insert_state(Relation index, IndexInfo *info)
{
	MemoryContext old = MemoryContextSwitchTo(info->ii_Context);
	InsertState *state = palloc(sizeof(InsertState));

	state->last_target = InvalidBlockNumber;
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
 * The backend has gone on to another page.  If the growing list is much longer
 * than it should be, link twice as many rows as the page takes; unless
 * somebody else is at it.  So the list stays bounded even if nobody vacuums.
 */
static void
relieve_growing_list(Relation index, InsertState *state)
{
	int			per_page = VECAM_SLOTS_PER_PAGE(state->ix->meta.growing_size);
	int64		rows = vecam_list_count_pages(index, VECAM_LIST_GROWING) * per_page;
	VecamSealer *sealer;

	vecam_index_reread(index, state->ix);
	if (!vecam_wants_seal(index, state->ix, rows, BACK_PRESSURE))
		return;
	sealer = vecam_sealer_begin(index, VECAM_SEAL_SHARED, false);
	if (sealer == NULL)
		return;
	vecam_seal_rows(sealer, SEALED_PER_ROW * per_page, NULL);
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
	if (state->ix->meta.kind != VECAM_KIND_FLAT &&
		RelationGetTargetBlock(index) != state->last_target)
	{
		state->last_target = RelationGetTargetBlock(index);
		relieve_growing_list(index, state);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->scratch);
	return false;
}
