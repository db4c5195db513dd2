/*-------------------------------------------------------------------------
 *
 * vector_aggregate.c
 *	  avg(vector): transition, combine and final functions.
 *
 * The state is a float8 array, the count followed by the sums; the array of
 * the count alone stands for no input.  SQL can call these functions with any
 * array, so each checks what it is given.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "compat.h"
#include "types/vector.h"
#include "utils/array.h"
#include "utils/float.h"

/* of a state that has one dimension and no bitmap of nulls */
#define STATE_DIM(state)	(ARR_DIMS(state)[0] - 1)
#define STATE_VALUES(state) \
	((float8 *) ((char *) (state) + ARR_OVERHEAD_NONULLS(1)))
#define STATE_COUNT(state)	(STATE_VALUES(state)[0])
#define STATE_SUMS(state)	(STATE_VALUES(state) + 1)

PG_FUNCTION_INFO_V1(vector_accum);
PG_FUNCTION_INFO_V1(vector_combine);
PG_FUNCTION_INFO_V1(vector_avg);

static void
check_state(ArrayType *state, const char *caller)
{
	if (ARR_NDIM(state) != 1 ||
		ARR_DIMS(state)[0] < 1 ||
		ARR_HASNULL(state) ||
		ARR_ELEMTYPE(state) != FLOAT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s: expected state array", caller)));
	if (STATE_DIM(state) > 0)
		vecam_check_dim(STATE_DIM(state));
}

/* A state of the given count for dim sums, which are zero. */
static ArrayType *
alloc_state(int dim, float8 count)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float8) * (Size) (dim + 1);
	ArrayType  *state = (ArrayType *) palloc0(size);

	SET_VARSIZE(state, size);
	state->ndim = 1;
	state->dataoffset = 0;		/* no nulls */
	state->elemtype = FLOAT8OID;
	ARR_DIMS(state)[0] = dim + 1;
	ARR_LBOUND(state)[0] = 1;
	STATE_COUNT(state) = count;
	return state;
}

/*
 * The state to add into: in an aggregate the given one, which is its own to
 * change (as in core's float8_accum); otherwise a copy.
 */
static ArrayType *
writable_state(FunctionCallInfo fcinfo, ArrayType *state)
{
	ArrayType  *result;

	if (AggCheckCallContext(fcinfo, NULL))
		return state;

	result = alloc_state(STATE_DIM(state), STATE_COUNT(state));
	memcpy(STATE_SUMS(result), STATE_SUMS(state),
		   sizeof(float8) * (Size) STATE_DIM(state));
	return result;
}

static inline float8
add_checked(float8 a, float8 b)
{
	float8		sum = a + b;

	if (unlikely(isinf(sum)))
		float_overflow_error();
	return sum;
}

Datum
vector_accum(PG_FUNCTION_ARGS)
{
	ArrayType  *state = PG_GETARG_ARRAYTYPE_P(0);
	Vector	   *v = PG_GETARG_VECTOR_P(1);
	float8	   *sums;

	check_state(state, "vector_accum");

	if (STATE_DIM(state) == 0)
	{
		/* assigned, not added to 0, which would lose the sign of -0 */
		state = alloc_state(v->dim, STATE_COUNT(state));
		sums = STATE_SUMS(state);
		for (int i = 0; i < v->dim; i++)
			sums[i] = v->x[i];
	}
	else
	{
		vecam_check_expected_dim(STATE_DIM(state), v->dim);
		state = writable_state(fcinfo, state);
		sums = STATE_SUMS(state);
		for (int i = 0; i < v->dim; i++)
			sums[i] = add_checked(sums[i], v->x[i]);
	}
	STATE_COUNT(state) += 1.0;

	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * Adds two states, of which either or both may have seen no input.
 */
Datum
vector_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *a = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType  *b = PG_GETARG_ARRAYTYPE_P(1);
	float8	   *sums;

	check_state(a, "vector_combine");
	check_state(b, "vector_combine");

	if (STATE_COUNT(b) == 0.0)
		PG_RETURN_ARRAYTYPE_P(a);
	if (STATE_COUNT(a) == 0.0)
		PG_RETURN_ARRAYTYPE_P(b);

	vecam_check_expected_dim(STATE_DIM(a), STATE_DIM(b));
	a = writable_state(fcinfo, a);
	sums = STATE_SUMS(a);
	for (int i = 0; i < STATE_DIM(a); i++)
		sums[i] = add_checked(sums[i], STATE_SUMS(b)[i]);
	STATE_COUNT(a) += STATE_COUNT(b);

	PG_RETURN_ARRAYTYPE_P(a);
}

/*
 * The mean of a state; NULL for no input, as SQL has it.
 */
Datum
vector_avg(PG_FUNCTION_ARGS)
{
	ArrayType  *state = PG_GETARG_ARRAYTYPE_P(0);
	int			dim;
	Vector	   *result;

	check_state(state, "vector_avg");
	if (STATE_COUNT(state) == 0.0)
		PG_RETURN_NULL();

	dim = STATE_DIM(state);
	vecam_check_dim(dim);
	result = vecam_vector_alloc(dim);
	for (int i = 0; i < dim; i++)
	{
		result->x[i] = (float) (STATE_SUMS(state)[i] / STATE_COUNT(state));
		vecam_check_element(result->x[i]);
	}

	PG_RETURN_VECTOR_P(result);
}
