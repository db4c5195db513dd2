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
 * Thresholds between the levels 1/2 and 3/2 that are tried: 0.55, 0.65 .. 1.45
 * times the root mean square of r.  For a normal distribution 1.0 is the best.
 * Bin t of a histogram holds the magnitudes from threshold t - 1 up to
 * threshold t.
 */
#define TRIALS 10
#define FIRST_TRIAL 0.55
#define TRIAL_STEP 0.1

/* histograms filled in turn, so that additions need not wait for each other */
#define HISTOGRAMS 4

/*
 * Best step of a uniform quantiser of 16 levels for a normal distribution; a
 * squared cosine that is worth no other trial (0.9885 is what to expect); and
 * the smallest root mean square of a query, whose inverse is a float4.
 */
#define NORMAL_STEP 0.335
#define GOOD_COSINE2 0.98
#define SMALLEST_RMS 1e-37

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

typedef struct Histogram
{
	double		sum[TRIALS + 1];	/* of the magnitudes in a bin */
	int			number[TRIALS + 1];
} Histogram;

/* The bins of up to 64 magnitudes; scale is one over the step of a bin. */
static void
choose_bins(int width, const float *x, const float *c, float scale,
			float *magnitude, int *bin)
{
	const float shift = 1.0f - (float) (FIRST_TRIAL / TRIAL_STEP);
	int			j;

	for (j = 0; j < width; j++)
	{
		float		t;

		magnitude[j] = fabsf(x[j] - c[j]);
		t = magnitude[j] * scale + shift;
		t = t > 0.0f ? t : 0.0f;
		bin[j] = (int) (t < (float) TRIALS ? t : (float) TRIALS);
	}
}

/* The magnitudes over dims coordinates in one histogram. */
static void
fill_histogram(int dims, const float *x, const float *c, float scale,
			   Histogram *total)
{
	Histogram	part[HISTOGRAMS];
	int			i;
	int			j;

	memset(part, 0, sizeof(part));
	for (i = 0; i < dims; i += WORD_BITS)
	{
		int			width = Min(dims - i, WORD_BITS);
		float		magnitude[WORD_BITS];
		int			bin[WORD_BITS];

		choose_bins(width, x + i, c + i, scale, magnitude, bin);
		for (j = 0; j < width; j++)
		{
			part[j % HISTOGRAMS].sum[bin[j]] += magnitude[j];
			part[j % HISTOGRAMS].number[bin[j]]++;
		}
	}
	*total = part[0];
	for (i = 1; i < HISTOGRAMS; i++)
	{
		for (j = 0; j <= TRIALS; j++)
		{
			total->sum[j] += part[i].sum[j];
			total->number[j] += part[i].number[j];
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
	double		step = Max(TRIAL_STEP * rms, FLT_MIN);
	double		large = 0.0;
	int			number = 0;
	double		best_cosine = -1.0;
	int			best = 0;
	Histogram	histogram;
	int			t;

	fill_histogram(dims, x, c, (float) (1.0 / step), &histogram);
	for (t = TRIALS - 1; t >= 0; t--)
	{
		double		cosine;

		large += histogram.sum[t + 1];
		number += histogram.number[t + 1];
		cosine = (half_sum + large) / sqrt(dims / 4.0 + 2.0 * number);
		if (cosine > best_cosine)
		{
			best_cosine = cosine;
			best = t;
		}
	}
	return (float) Min((FIRST_TRIAL / TRIAL_STEP + best) * step, FLT_MAX);
}

/* <r, v> and <v, c> over the coordinates sketched */
typedef struct LevelSums
{
	double		rv[VECAM_LANES];
	double		vc[VECAM_LANES];
} LevelSums;

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

		vecam_kernels->sketch_levels(Min(shape->dims - first, WORD_BITS),
									 x + first, c + first, threshold,
									 &sketch[w], &low, sums.rv, sums.vc);
		if (two)
			sketch[shape->words + w] = low;
	}
	compute_factors(residual_norm2(shape->n, x, c), &sums, factors);
}

/* Digits of a query, chosen in float4 as x * inverse. */
typedef struct Digits
{
	double		inverse;
	double		cosine2;		/* squared cosine of the query and k */
	VecamDigitSums sums;
} Digits;

static Digits
make_digits(int dims, const float *q, double norm2, double inverse, int8 *k)
{
	Digits		digits;
	double		product;

	digits.inverse = inverse;
	digits.sums = vecam_kernels->sketch_digits(dims, q, (float) inverse, k);
	product = digits.sums.product / inverse;
	digits.cosine2 = product / norm2 * product / digits.sums.norm2;
	return digits;
}

/*
 * Rotated coordinates are close to normal, and then cutting off the few large
 * ones pays; small dimensions are not.
 */
static Digits
choose_digits(int dims, const float *q, double norm2, int8 *k)
{
	double		cut = (float) (1.0 / (NORMAL_STEP * sqrt(norm2 / dims)));
	Digits		digits = make_digits(dims, q, norm2, cut, k);
	float		lo;
	float		hi;
	double		whole;

	if (digits.cosine2 >= GOOD_COSINE2)
		return digits;
	vecam_kernels->range(dims, q, &lo, &hi);
	whole = (float) Min(7.0 / Max(-lo, hi), FLT_MAX);
	if (make_digits(dims, q, norm2, whole, k).cosine2 > digits.cosine2)
		cut = whole;
	return make_digits(dims, q, norm2, cut, k);
}

void
vecam_sketch_query_init(VecamSketchQuery *query, const VecamSketchShape *shape,
						const float *q, uint64 *digits)
{
	int			dims = shape->dims;
	int			words = shape->words;
	int			stride = shape->bits * words;
	double		norm2 = vecam_kernels->inner_product(dims, q, q);
	int8	   *k = (int8 *) digits;
	uint64	   *planes = digits + 8 * words;
	Digits		chosen;
	int			p;

	query->k = k;
	query->planes = planes;
	query->delta = 0.0;
	query->sum = 0.0;
	memset(k + dims, 0, WORD_BITS * words - dims);
	if (!(norm2 >= SMALLEST_RMS * SMALLEST_RMS * dims && norm2 <= DBL_MAX))
	{
		memset(digits, 0, VECAM_SKETCH_QUERY_WORDS(shape) * sizeof(uint64));
		return;
	}

	chosen = choose_digits(dims, q, norm2, k);
	vecam_kernels->bit_planes(words, k, stride, planes);
	for (p = 0; p < 4 && shape->bits == 2; p++)
		memcpy(planes + p * stride + words, planes + p * stride,
			   words * sizeof(uint64));

	/*
	 * Rounding to the nearest and cutting shrink a vector; stretch it until
	 * <q~, q> = |q|^2, or all estimates would be off in one direction.  The
	 * product is positive: no k has the wrong sign, and the largest is not 0.
	 */
	query->delta = norm2 * chosen.inverse / chosen.sums.product;
	query->sum = query->delta * chosen.sums.sum;
}

void
vecam_sketch_estimate(const VecamSketchQuery *query,
					  const VecamSketchShape *shape, double centre_distance2,
					  int count, const uint64 *sketches,
					  const VecamSketchFactors *factors, float *est)
{
	VecamSketchTerms terms;

	terms.bits = shape->bits;
	terms.words = shape->words;
	terms.k = query->k;
	terms.planes = query->planes;
	terms.centre = centre_distance2;
	terms.delta = query->delta;

	/* v = b - 1/2, or b - 3/2 of the number b of two bits */
	terms.offset = (shape->bits == 1 ? 0.5 : 1.5) * query->sum;
	vecam_kernels->sketch_estimates(&terms, count, sketches,
									(const float *) factors, est);
}
