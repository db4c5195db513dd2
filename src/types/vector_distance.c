/*-------------------------------------------------------------------------
 *
 * vector_distance.c
 *	  Distances between vectors, as SQL functions.
 *
 * All are computed in double and returned without rounding to float4, so
 * finite components never give an infinite distance.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "math/kernels.h"
#include "types/vector.h"

PG_FUNCTION_INFO_V1(l2_distance);
PG_FUNCTION_INFO_V1(vector_l2_squared_distance);
PG_FUNCTION_INFO_V1(inner_product);
PG_FUNCTION_INFO_V1(vector_negative_inner_product);
PG_FUNCTION_INFO_V1(cosine_distance);
PG_FUNCTION_INFO_V1(vector_spherical_distance);
PG_FUNCTION_INFO_V1(l1_distance);

/* Rounding may carry a cosine out of its range; a NaN stays one. */
static inline double
clamp_cosine(double similarity)
{
	if (similarity > 1.0)
		return 1.0;
	if (similarity < -1.0)
		return -1.0;
	return similarity;
}

Datum
l2_distance(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);

	vecam_check_same_dims(a, b);

	PG_RETURN_FLOAT8(sqrt(vecam_kernels->l2_squared(a->dim, a->x, b->x)));
}

Datum
vector_l2_squared_distance(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);

	vecam_check_same_dims(a, b);

	PG_RETURN_FLOAT8(vecam_kernels->l2_squared(a->dim, a->x, b->x));
}

Datum
inner_product(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);

	vecam_check_same_dims(a, b);

	PG_RETURN_FLOAT8(vecam_kernels->inner_product(a->dim, a->x, b->x));
}

Datum
vector_negative_inner_product(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);

	vecam_check_same_dims(a, b);

	PG_RETURN_FLOAT8(-vecam_kernels->inner_product(a->dim, a->x, b->x));
}

/*
 * 1 - cosine similarity; NaN when one of the vectors is zero.
 */
Datum
cosine_distance(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	VecamCosineTerms terms;
	double		similarity;

	vecam_check_same_dims(a, b);
	terms = vecam_kernels->cosine_terms(a->dim, a->x, b->x);

	/*
	 * One square root, so that a vector is at distance 0 from itself.  The
	 * squares of float4 norms lie between 1e-90 and 1e82, so that their
	 * product is in range.
	 */
	similarity = terms.dot / sqrt(terms.norm2_a * terms.norm2_b);

	PG_RETURN_FLOAT8(1.0 - clamp_cosine(similarity));
}

/*
 * The angle between two unit vectors, in units of pi.  Takes their norms on
 * trust.
 */
Datum
vector_spherical_distance(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	double		similarity;

	vecam_check_same_dims(a, b);
	similarity = vecam_kernels->inner_product(a->dim, a->x, b->x);

	PG_RETURN_FLOAT8(acos(clamp_cosine(similarity)) / M_PI);
}

Datum
l1_distance(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);

	vecam_check_same_dims(a, b);

	PG_RETURN_FLOAT8(vecam_kernels->l1(a->dim, a->x, b->x));
}
