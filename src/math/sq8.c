/*-------------------------------------------------------------------------
 *
 * sq8.c
 *	  8-bit scalar quantisation with the norm of what the code loses.
 *
 * Codes and residuals go to disk and decide which rows share a node, so the
 * encoder has one definition: double arithmetic in VECAM_LANES accumulators,
 * in plain C without contraction.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "math/kernels.h"
#include "math/lanes.h"
#include "math/sq8.h"

/*
 * A bound of the relative error of a sum of n non-negative terms in the lanes,
 * each term off by a few units: n / 16 additions in a lane, 4 across.
 */
static inline double
sum_error(int n)
{
	return (n / VECAM_LANES + 16) * DBL_EPSILON;
}

/* The smallest float4 that is not below x >= 0. */
static float
float_up(double x)
{
	float		f;

	if (!(x <= FLT_MAX))
		return INFINITY;
	f = (float) x;
	return (double) f < x ? nextafterf(f, INFINITY) : f;
}

/* The largest finite float4 that is not above x >= 0. */
static float
float_down(double x)
{
	float		f;

	if (x >= FLT_MAX)
		return FLT_MAX;
	f = (float) x;
	return (double) f > x ? nextafterf(f, 0.0f) : f;
}

void
vecam_sq8_encode(int n, const float *x, double input_error,
				 VecamSq8Header *head, uint8 *code)
{
	double		losses[VECAM_LANES] = {0};
	double		norms[VECAM_LANES] = {0};
	float		lo;
	float		hi;
	double		loss2;
	double		norm2;
	double		residual;

	if (!vecam_kernels->range(n, x, &lo, &hi))
	{
		memset(code, 0, n);
		head->lo = head->delta = head->norm2 = 0.0f;
		head->residual = INFINITY;
		return;
	}

	/* 0 also where the range is too narrow for float4: the residual has it */
	head->lo = lo;
	head->delta = (float) (((double) hi - (double) lo) / 255.0);
	vecam_kernels->encode_sq8(n, x, lo, head->delta, code, losses, norms);

	/* to the relative error sum_error() but for the rounding of x~ itself */
	loss2 = vecam_sum_lanes(losses);
	norm2 = vecam_sum_lanes(norms);
	head->norm2 = float_down(norm2 * (1.0 - sum_error(n)));
	residual = sqrt(loss2) * (1.0 + sum_error(n)) +
		4.0 * DBL_EPSILON * sqrt(norm2) + input_error;
	head->residual = float_up(residual * (1.0 + 4.0 * DBL_EPSILON));
}

void
vecam_sq8_decode(int n, const VecamSq8Header *head, const uint8 *code,
				 float *x)
{
	/* the rounding of delta can lead past the largest coordinate */
	vecam_kernels->decode_sq8(n, head->lo, head->delta, code, x);
}

/*
 * The largest |q16| for which a block of products cannot overflow an int32.
 */
static int
query_levels(int n)
{
	int			block = Min(n, VECAM_SQ8_BLOCK);
	int			levels = PG_INT32_MAX / (block * 255);

	return Min(levels, PG_INT16_MAX);
}

void
vecam_sq8_query_init(VecamSq8Query *query, int n, const float *x,
					 double input_error, int16 *q16)
{
	float		lo;
	float		hi;
	double		largest;
	VecamQuantised quantised = {0};

	memset(query, 0, sizeof(VecamSq8Query));
	query->n = n;
	query->q16 = q16;
	query->finite = vecam_kernels->range(n, x, &lo, &hi) &&
		isfinite(input_error);
	largest = Max(-(double) lo, (double) hi);
	if (!query->finite || largest == 0.0)
		memset(q16, 0, n * sizeof(int16));
	if (!query->finite)
		return;

	/*
	 * A float4 scale with a float4 inverse.  Their rounding leads above the
	 * largest level by far less than one half.
	 */
	if (largest > 0.0)
	{
		query->scale = Max((float) (largest / query_levels(n)), FLT_MIN);
		quantised = vecam_kernels->quantise(n, x,
											(float) (1.0 / query->scale),
											query->scale, q16);
	}
	query->sum = query->scale * quantised.sum;
	query->norm2 = query->scale * query->scale * quantised.norm2;
	query->error = sqrt(quantised.loss2) * (1.0 + sum_error(n)) +
		4.0 * DBL_EPSILON * sqrt(query->norm2) + input_error;
	query->error *= 1.0 + 4.0 * DBL_EPSILON;
}

double
vecam_sq8_integer_dot(const VecamSq8Query *query, const uint8 *code)
{
	const VecamKernels *kernels = vecam_kernels;
	int			n = query->n;
	double		dot = 0.0;
	int			i;

	for (i = 0; i < n; i += VECAM_SQ8_BLOCK)
		dot += kernels->dot_i16_u8(Min(n - i, VECAM_SQ8_BLOCK),
								   query->q16 + i, code + i);
	return dot;
}

void
vecam_sq8_integer_dots(const VecamSq8Query *query, const uint8 *codes,
					   int count, int stride, double *dots)
{
	const VecamKernels *kernels = vecam_kernels;
	int			n = query->n;
	int32		sums[VECAM_SQ8_BATCH];
	int			i;
	int			r;

	kernels->dots_i16_u8(Min(n, VECAM_SQ8_BLOCK), query->q16, codes, count,
						 stride, sums);
	for (r = 0; r < count; r++)
		dots[r] = sums[r];
	for (i = VECAM_SQ8_BLOCK; i < n; i += VECAM_SQ8_BLOCK)
	{
		kernels->dots_i16_u8(Min(n - i, VECAM_SQ8_BLOCK), query->q16 + i,
							 codes + i, count, stride, sums);
		for (r = 0; r < count; r++)
			dots[r] += sums[r];
	}
}

/*
 * <x~, q~> = lo * sum(q~) + delta * scale * sum(q16 * code); *magnitude gets
 * the sum of the terms' absolute values, to which the rounding errors relate.
 */
static inline double
split_dot(const VecamSq8Query *query, const VecamSq8Header *head, double dot,
		  double *magnitude)
{
	double		offset = (double) head->lo * query->sum;
	double		product = (double) head->delta * query->scale * dot;

	*magnitude = fabs(offset) + fabs(product);
	return offset + product;
}

double
vecam_sq8_dot(const VecamSq8Query *query, const VecamSq8Header *head,
			  const uint8 *code)
{
	double		magnitude;

	return split_dot(query, head, vecam_sq8_integer_dot(query, code),
					 &magnitude);
}

double
vecam_sq8_distance2_of_dot(const VecamSq8Query *query,
						   const VecamSq8Header *head, double dot)
{
	double		magnitude;
	double		product = split_dot(query, head, dot, &magnitude);
	double		norms = (double) head->norm2 + query->norm2;
	double		d2 = norms - 2.0 * product -
		16.0 * DBL_EPSILON * (norms + 2.0 * magnitude);

	return d2 > 0.0 ? d2 : 0.0;
}

double
vecam_sq8_distance2(const VecamSq8Query *query, const VecamSq8Header *head,
					const uint8 *code)
{
	return vecam_sq8_distance2_of_dot(query, head,
									  vecam_sq8_integer_dot(query, code));
}

double
vecam_sq8_dot_upper(const VecamSq8Query *query, const VecamSq8Header *head,
					double dot)
{
	double		magnitude;
	double		product = split_dot(query, head, dot, &magnitude);

	return product + 8.0 * DBL_EPSILON * magnitude;
}

double
vecam_sq8_lower_bound(const VecamSq8Query *query, const VecamSq8Header *head,
					  double dot)
{
	double		distance;
	double		bound;

	if (!query->finite || !(head->residual <= FLT_MAX))
		return -INFINITY;

	/*
	 * The rounding of the root and of the subtractions is relative to the
	 * root, and so small that the allowance in distance2 covers it too.
	 */
	distance = sqrt(vecam_sq8_distance2_of_dot(query, head, dot));
	bound = distance - (double) head->residual - query->error;
	return bound > 0.0 ? bound : 0.0;
}

uint32
vecam_sq8_code_sum(int n, const uint8 *code)
{
	uint32		sum = 0;
	int			i;

	for (i = 0; i < n; i++)
		sum += code[i];
	return sum;
}

double
vecam_sq8_sums_distance2(int n, const VecamSq8Header *ha, const uint8 *a,
						 uint32 sum_a, const VecamSq8Header *hb,
						 const uint8 *b, uint32 sum_b)
{
	double		lo_a = ha->lo;
	double		lo_b = hb->lo;
	double		delta_a = ha->delta;
	double		delta_b = hb->delta;
	double		codes = (double) vecam_kernels->dot_u8_u8(n, a, b);
	double		dot;
	double		d2;

	dot = n * lo_a * lo_b + lo_a * delta_b * sum_b + lo_b * delta_a * sum_a +
		delta_a * delta_b * codes;
	d2 = (double) ha->norm2 + (double) hb->norm2 - 2.0 * dot;
	return d2 > 0.0 ? d2 : 0.0;
}

double
vecam_sq8_code_distance2(int n, const VecamSq8Header *ha, const uint8 *a,
						 const VecamSq8Header *hb, const uint8 *b)
{
	return vecam_sq8_sums_distance2(n, ha, a, vecam_sq8_code_sum(n, a),
									hb, b, vecam_sq8_code_sum(n, b));
}
