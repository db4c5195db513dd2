/*-------------------------------------------------------------------------
 *
 * sketch.c
 *	  1-bit and 2-bit residual sketches and estimates from them.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "math/kernels.h"
#include "math/lanes.h"
#include "math/sketch.h"

#define WORD_BITS 64

/*
 * Thresholds between the levels 1/2 and 3/2 that are tried, in units of the
 * root mean square of r; for a normal distribution the best is 1.0.
 */
#define TRIALS 10
#define FIRST_TRIAL 0.55
#define TRIAL_STEP 0.1

/* best step of a uniform quantiser of 16 levels for a normal distribution */
#define NORMAL_STEP 0.335

/* sketches estimated in one batch */
#define BATCH_ROWS 64

void
vecam_sketch_shape(VecamSketchShape *shape, int n, int dims, int bits)
{
	shape->n = n;
	shape->dims = Min(Max(dims, 1), n);
	shape->bits = Min(Max(bits, 1), 2);
	shape->words = (shape->dims + WORD_BITS - 1) / WORD_BITS;
}

/* |x - c|^2 over count coordinates */
static double
residual_norm2(int count, const float *x, const float *c)
{
	return vecam_kernels->l2_squared(count, x, c);
}

/*
 * For each trial threshold the sum and the number of the magnitudes not below
 * it, over dims coordinates.
 */
static void
trial_sums(int dims, const float *x, const float *c, const float *threshold,
		   float *sum, float *number)
{
	float		sums[TRIALS][VECAM_LANES] = {{0}};
	float		numbers[TRIALS][VECAM_LANES] = {{0}};
	float		magnitude[VECAM_LANES];
	int			i;
	int			j;
	int			t;

	for (i = 0; i < dims; i += VECAM_LANES)
	{
		/* the zeros that fill up the last block lie below every threshold */
		int			width = Min(dims - i, VECAM_LANES);

		memset(magnitude, 0, sizeof(magnitude));
		for (j = 0; j < width; j++)
			magnitude[j] = fabsf(x[i + j] - c[i + j]);
		for (t = 0; t < TRIALS; t++)
		{
			for (j = 0; j < VECAM_LANES; j++)
			{
				bool		large = magnitude[j] >= threshold[t];

				sums[t][j] += large ? magnitude[j] : 0.0f;
				numbers[t][j] += large ? 1.0f : 0.0f;
			}
		}
	}
	for (t = 0; t < TRIALS; t++)
	{
		sum[t] = number[t] = 0.0f;
		for (j = 0; j < VECAM_LANES; j++)
		{
			sum[t] += sums[t][j];
			number[t] += numbers[t][j];
		}
	}
}

/*
 * The threshold between the two magnitudes of levels that maximises the cosine
 * of r and v: <r, v> = (sum |r|) / 2 + sum of the large |r|, and
 * |v|^2 = dims / 4 + 2 * number of the large.
 */
static float
choose_threshold(int dims, const float *x, const float *c)
{
	double		rms = sqrt(residual_norm2(dims, x, c) / dims);
	double		half_sum = 0.5 * vecam_kernels->l1(dims, x, c);
	double		best_cosine = -1.0;
	float		threshold[TRIALS];
	float		sum[TRIALS];
	float		number[TRIALS];
	float		best = FLT_MAX;
	int			t;

	for (t = 0; t < TRIALS; t++)
	{
		double		tau = (FIRST_TRIAL + TRIAL_STEP * t) * rms;

		/* positive, so that zeros are never large */
		threshold[t] = (float) Min(Max(tau, FLT_MIN), FLT_MAX);
	}
	trial_sums(dims, x, c, threshold, sum, number);
	for (t = 0; t < TRIALS; t++)
	{
		double		cosine = (half_sum + sum[t]) /
			sqrt(dims / 4.0 + 2.0 * number[t]);

		if (cosine > best_cosine)
		{
			best_cosine = cosine;
			best = threshold[t];
		}
	}
	return best;
}

/* <r, v> and <v, c> over the coordinates sketched */
typedef struct LevelSums
{
	double		rv[VECAM_LANES];
	double		vc[VECAM_LANES];
} LevelSums;

/*
 * The bits of up to 64 coordinates: *high gets the signs, *low whether the
 * magnitude is large on the positive and small on the negative side.
 */
static void
encode_word(int width, const float *x, const float *c, float threshold,
			uint64 *high, uint64 *low, LevelSums *sums)
{
	int			j;

	*high = *low = 0;
	for (j = 0; j < width; j++)
	{
		float		r = x[j] - c[j];
		float		magnitude = fabsf(r);
		bool		positive = r > 0.0f;
		bool		large = magnitude >= threshold;
		double		level = large ? 1.5 : 0.5;

		*high |= (uint64) positive << j;
		*low |= (uint64) (large == positive) << j;
		sums->rv[j % VECAM_LANES] += level * (double) magnitude;
		sums->vc[j % VECAM_LANES] += (positive ? level : -level) * (double) c[j];
	}
}

static void
compute_factors(double norm2, LevelSums *sums, VecamSketchFactors *factors)
{
	double		rv = vecam_sum_lanes(sums->rv);
	double		vc = vecam_sum_lanes(sums->vc);
	double		kappa;
	double		add;

	/* r may vanish in the coordinates sketched, and only there */
	kappa = rv > 0.0 ? norm2 / rv : 0.0;
	add = norm2 + 2.0 * kappa * vc;

	factors->add = factors->mul = 0.0f;
	if (fabs(add) <= FLT_MAX && 2.0 * kappa <= FLT_MAX)
	{
		factors->add = (float) add;
		factors->mul = (float) (-2.0 * kappa);
	}
}

void
vecam_sketch_encode(const VecamSketchShape *shape, const float *x,
					const float *c, uint64 *sketch,
					VecamSketchFactors *factors)
{
	bool		two = shape->bits == 2;
	float		threshold = INFINITY;
	LevelSums	sums;
	int			w;

	memset(&sums, 0, sizeof(sums));
	if (two)
		threshold = choose_threshold(shape->dims, x, c);
	for (w = 0; w < shape->words; w++)
	{
		int			first = w * WORD_BITS;
		uint64		low;

		encode_word(Min(shape->dims - first, WORD_BITS), x + first, c + first,
					threshold, &sketch[w], &low, &sums);
		if (two)
			sketch[shape->words + w] = low;
	}
	compute_factors(residual_norm2(shape->n, x, c), &sums, factors);
}

/* q / delta, rounded to the nearest of -8 .. 7 */
static inline int
quantise(float q, double inverse)
{
	double		t = floor((double) q * inverse + 0.5);

	return (int) Min(Max(t, -8.0), 7.0);
}

static double
quantisation_loss(int dims, const float *q, double delta)
{
	double		loss = 0.0;
	int			i;

	for (i = 0; i < dims; i++)
	{
		double		e = (double) q[i] - delta * quantise(q[i], 1.0 / delta);

		loss += e * e;
	}
	return loss;
}

/*
 * The step of the query's quantisation; 0 for a query that is zero or not
 * finite.  Rotated coordinates are close to normal, and then cutting off the
 * few large ones pays; small dimensions are not.
 */
static double
choose_step(int dims, const float *q)
{
	double		rms = sqrt(vecam_kernels->inner_product(dims, q, q) / dims);
	double		largest = 0.0;
	double		whole;
	double		cut;
	int			i;

	if (!(rms > 0.0 && rms <= FLT_MAX))
		return 0.0;
	for (i = 0; i < dims; i++)
		largest = Max(largest, fabs((double) q[i]));
	whole = largest / 7.0;
	cut = NORMAL_STEP * rms;
	return quantisation_loss(dims, q, cut) < quantisation_loss(dims, q, whole) ?
		cut : whole;
}

void
vecam_sketch_query_init(VecamSketchQuery *query, const VecamSketchShape *shape,
						const float *q, uint64 *planes)
{
	int			dims = shape->dims;
	int64		sum = 0;
	int			i;
	int			p;

	memset(planes, 0, 4 * shape->words * sizeof(uint64));
	query->planes = planes;
	query->sum = 0.0;
	query->delta = choose_step(dims, q);
	if (query->delta == 0.0)
		return;
	for (i = 0; i < dims; i++)
	{
		int			k = quantise(q[i], 1.0 / query->delta);

		sum += k;
		for (p = 0; p < 4; p++)
			planes[p * shape->words + i / WORD_BITS] |=
				(uint64) ((k >> p) & 1) << (i % WORD_BITS);
	}
	query->sum = query->delta * (double) sum;
}

/* est[r] of one batch, whose plane sums come in pairs if there are 2 bits */
static void
estimate_batch(const VecamSketchQuery *query, int bits, int count,
			   const int32 *sums, double centre_distance2,
			   const VecamSketchFactors *factors, float *est)
{
	int			r;

	for (r = 0; r < count; r++)
	{
		double		vq;
		double		d2;

		/* v = b - 1/2, or 2 b1 + b0 - 3/2 */
		if (bits == 1)
			vq = query->delta * sums[r] - 0.5 * query->sum;
		else
			vq = query->delta * (2.0 * sums[2 * r] + sums[2 * r + 1]) -
				1.5 * query->sum;
		d2 = centre_distance2 + factors[r].add + factors[r].mul * vq;
		est[r] = (float) Min(Max(d2, -FLT_MAX), FLT_MAX);
	}
}

void
vecam_sketch_estimate(const VecamSketchQuery *query,
					  const VecamSketchShape *shape, double centre_distance2,
					  int count, const uint64 *sketches,
					  const VecamSketchFactors *factors, float *est)
{
	int32		sums[2 * BATCH_ROWS];
	int			bits = shape->bits;
	int			words = shape->words;
	int			r;

	for (r = 0; r < count; r += BATCH_ROWS)
	{
		int			rows = Min(count - r, BATCH_ROWS);

		/* the planes of a sketch are rows of their own */
		vecam_kernels->plane_sums(words, query->planes,
								  sketches + (Size) r * bits * words,
								  rows * bits, words, sums);
		estimate_batch(query, bits, rows, sums, centre_distance2,
					   factors + r, est + r);
	}
}
