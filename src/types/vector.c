/*-------------------------------------------------------------------------
 *
 * vector.c
 *	  The vector type: allocation, checks and arithmetic.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "compat.h"
#include "math/kernels.h"
#include "types/vector.h"
#include "utils/float.h"
#include "utils/varbit.h"

PG_FUNCTION_INFO_V1(vector_dims);
PG_FUNCTION_INFO_V1(vector_norm);
PG_FUNCTION_INFO_V1(l2_normalize);
PG_FUNCTION_INFO_V1(subvector);
PG_FUNCTION_INFO_V1(binary_quantize);
PG_FUNCTION_INFO_V1(vector_add);
PG_FUNCTION_INFO_V1(vector_sub);
PG_FUNCTION_INFO_V1(vector_mul);
PG_FUNCTION_INFO_V1(vector_concat);

/*
 * Allocates a vector of dim zeros.  The caller has checked dim.
 */
Vector *
vecam_vector_alloc(int dim)
{
	Vector	   *result = (Vector *) palloc0(VECTOR_SIZE(dim));

	SET_VARSIZE(result, VECTOR_SIZE(dim));
	result->dim = (int16) dim;
	return result;
}

/*
 * Whether dim is a possible number of dimensions; otherwise an error.
 */
bool
vecam_dim_is_valid(int dim, struct Node *escontext)
{
	if (dim < 1)
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("vector must have at least 1 dimension")));

	if (dim > VECTOR_MAX_DIM)
		ereturn(escontext, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("vector cannot have more than %d dimensions",
						VECTOR_MAX_DIM)));
	return true;
}

/*
 * Whether dim is what typmod (-1: anything) asks for; otherwise an error.
 */
bool
vecam_dim_is_expected(int32 typmod, int dim, struct Node *escontext)
{
	if (typmod != -1 && typmod != dim)
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, dim)));
	return true;
}

/*
 * Whether value can be a component; otherwise an error.
 */
bool
vecam_element_is_valid(float value, struct Node *escontext)
{
	if (isnan(value))
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("NaN not allowed in vector")));

	if (isinf(value))
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("infinite value not allowed in vector")));
	return true;
}

void
vecam_check_dim(int dim)
{
	(void) vecam_dim_is_valid(dim, NULL);
}

void
vecam_check_expected_dim(int32 typmod, int dim)
{
	(void) vecam_dim_is_expected(typmod, dim, NULL);
}

void
vecam_check_element(float value)
{
	(void) vecam_element_is_valid(value, NULL);
}

/*
 * Raises an error unless a and b have as many dimensions.
 */
void
vecam_check_same_dims(const Vector *a, const Vector *b)
{
	if (a->dim != b->dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different vector dimensions %d and %d",
						a->dim, b->dim)));
}

/* The Euclidean norm; neither overflows nor underflows in double. */
static double
norm_of(const Vector *v)
{
	return sqrt(vecam_kernels->inner_product(v->dim, v->x, v->x));
}

/* Raises an error when a sum, difference or product is out of range. */
static void
check_overflow(const Vector *v)
{
	for (int i = 0; i < v->dim; i++)
	{
		if (unlikely(isinf(v->x[i])))
			float_overflow_error();
	}
}

/* Raises an error when a product of two components other than 0 became 0. */
static void
check_underflow(const Vector *product, const Vector *a, const Vector *b)
{
	for (int i = 0; i < product->dim; i++)
	{
		if (unlikely(product->x[i] == 0) && a->x[i] != 0 && b->x[i] != 0)
			float_underflow_error();
	}
}

Datum
vector_dims(PG_FUNCTION_ARGS)
{
	Vector	   *v = PG_GETARG_VECTOR_P(0);

	PG_RETURN_INT32(v->dim);
}

Datum
vector_norm(PG_FUNCTION_ARGS)
{
	Vector	   *v = PG_GETARG_VECTOR_P(0);

	PG_RETURN_FLOAT8(norm_of(v));
}

/*
 * Scales a vector to norm 1; a zero vector stays as it is.
 */
Datum
l2_normalize(PG_FUNCTION_ARGS)
{
	Vector	   *v = PG_GETARG_VECTOR_P(0);
	Vector	   *result = vecam_vector_alloc(v->dim);
	double		norm = norm_of(v);

	if (norm > 0)
	{
		for (int i = 0; i < v->dim; i++)
			result->x[i] = (float) (v->x[i] / norm);
	}

	PG_RETURN_VECTOR_P(result);
}

/*
 * Components start .. start + count - 1, counted from 1, as far as there are
 * any (like substring); an error when there are none.
 */
Datum
subvector(PG_FUNCTION_ARGS)
{
	Vector	   *v = PG_GETARG_VECTOR_P(0);
	int64		start = PG_GETARG_INT32(1);
	int64		end = start + PG_GETARG_INT32(2);
	int			dim;
	Vector	   *result;

	/* 64 bits, because both arguments may be near the limits of theirs */
	start = Max(start, 1);
	end = Min(end, (int64) v->dim + 1);
	dim = (int) Max(end - start, 0);

	vecam_check_dim(dim);
	result = vecam_vector_alloc(dim);
	memcpy(result->x, v->x + (start - 1), sizeof(float) * (Size) dim);

	PG_RETURN_VECTOR_P(result);
}

/*
 * One bit per component: whether it is positive.
 */
Datum
binary_quantize(PG_FUNCTION_ARGS)
{
	Vector	   *v = PG_GETARG_VECTOR_P(0);
	Size		size = VARBITTOTALLEN(v->dim);
	VarBit	   *result = (VarBit *) palloc0(size);
	uint8	   *bits = VARBITS(result);

	SET_VARSIZE(result, size);
	VARBITLEN(result) = v->dim;
	for (int i = 0; i < v->dim; i++)
	{
		if (v->x[i] > 0)
			bits[i / BITS_PER_BYTE] |= HIGHBIT >> (i % BITS_PER_BYTE);
	}

	PG_RETURN_VARBIT_P(result);
}

Datum
vector_add(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	Vector	   *result;

	vecam_check_same_dims(a, b);
	result = vecam_vector_alloc(a->dim);
	for (int i = 0; i < a->dim; i++)
		result->x[i] = a->x[i] + b->x[i];
	check_overflow(result);

	PG_RETURN_VECTOR_P(result);
}

Datum
vector_sub(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	Vector	   *result;

	vecam_check_same_dims(a, b);
	result = vecam_vector_alloc(a->dim);
	for (int i = 0; i < a->dim; i++)
		result->x[i] = a->x[i] - b->x[i];
	check_overflow(result);

	PG_RETURN_VECTOR_P(result);
}

/*
 * The product component by component.
 */
Datum
vector_mul(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	Vector	   *result;

	vecam_check_same_dims(a, b);
	result = vecam_vector_alloc(a->dim);
	for (int i = 0; i < a->dim; i++)
		result->x[i] = a->x[i] * b->x[i];
	check_overflow(result);
	check_underflow(result, a, b);

	PG_RETURN_VECTOR_P(result);
}

Datum
vector_concat(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	int			dim = a->dim + b->dim;
	Vector	   *result;

	vecam_check_dim(dim);
	result = vecam_vector_alloc(dim);
	memcpy(result->x, a->x, sizeof(float) * (Size) a->dim);
	memcpy(result->x + a->dim, b->x, sizeof(float) * (Size) b->dim);

	PG_RETURN_VECTOR_P(result);
}
