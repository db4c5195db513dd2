/*-------------------------------------------------------------------------
 *
 * test_sketch.c
 *	  Residual sketches: layout, factors, and the mean and the spread of the
 *	  estimates' errors over random rotations.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>

#include "math/rotation.h"
#include "math/sketch.h"

#define MAX_DIMS 1600
#define MAX_WORDS (MAX_DIMS / 64)
#define MAX_QUERY_WORDS (16 * MAX_WORDS)

static uint8 signs[VECAM_ROTATION_SIGN_BYTES(MAX_DIMS)];

static void
rotate(int n, float *x)
{
	VecamRotation rot;

	rot.n = n;
	rot.signs = signs;
	vecam_rotate(&rot, x);
}

static double
level_of(const VecamSketchShape *shape, const uint64 *sketch, int i)
{
	int			high = (sketch[i / 64] >> (i % 64)) & 1;
	int			low;

	if (shape->bits == 1)
		return high - 0.5;
	low = (sketch[shape->words + i / 64] >> (i % 64)) & 1;
	return 2 * high + low - 1.5;
}

/* Layout, factors and optimality of one sketch, recomputed from its bits. */
static void
check_sketch(const VecamSketchShape *shape, const float *x, const float *c)
{
	uint64	   *sketch = unit_guarded(VECAM_SKETCH_BYTES(shape));
	VecamSketchFactors factors;
	double		rv = 0.0;
	double		vv = 0.0;
	double		vc = 0.0;
	double		rr = 0.0;
	double		rr_dims = 0.0;
	double		kappa;
	int			i;

	vecam_sketch_encode(shape, x, c, sketch, &factors);
	for (i = 0; i < shape->n; i++)
	{
		double		r = x[i] - c[i];

		rr += r * r;
		if (i < shape->dims)
		{
			double		v = level_of(shape, sketch, i);

			unit_check(v * r >= 0.0, "dims %d: coordinate %d has a wrong sign",
					   shape->dims, i);
			rr_dims += r * r;
			rv += r * v;
			vv += v * v;
			vc += v * c[i];
		}
	}
	for (i = shape->dims; i < shape->words * 64; i++)
		unit_check(((sketch[i / 64] >> (i % 64)) & 1) == 0 &&
				   (shape->bits == 1 ||
					((sketch[shape->words + i / 64] >> (i % 64)) & 1) == 0),
				   "dims %d: bit %d is set", shape->dims, i);
	kappa = rr / rv;
	unit_check(fabs(factors.mul + 2.0 * kappa) <= 1e-6 * kappa,
			   "dims %d: mul %g, not %g", shape->dims, factors.mul, -2.0 * kappa);
	unit_check(fabs(factors.add - rr - 2.0 * kappa * vc) <=
			   1e-6 * (rr + fabs(2.0 * kappa * vc)),
			   "dims %d: add %g, not %g", shape->dims, factors.add,
			   rr + 2.0 * kappa * vc);

	/* 0.798 and 0.939 are the best of a normal distribution */
	if (shape->dims >= 256)
		unit_check(rv / sqrt(rr_dims * vv) > (shape->bits == 1 ? 0.77 : 0.925),
				   "dims %d: cosine %g", shape->dims, rv / sqrt(rr_dims * vv));
	unit_free_guarded();
}

static void
test_sketches(void)
{
	int			bits;
	int			trial;

	for (bits = 1; bits <= 2; bits++)
	{
		unit_case("sketches of %d bits", bits);
		for (trial = 0; trial < 400; trial++)
		{
			float		x[MAX_DIMS];
			float		c[MAX_DIMS];
			VecamSketchShape shape;
			int			n = unit_range(1, MAX_DIMS);

			vecam_sketch_shape(&shape, n,
							   trial % 2 == 0 ? n : unit_range(1, n), bits);
			unit_normal_vector(n, x, 1.0);
			unit_normal_vector(n, c, 2.0);
			check_sketch(&shape, x, c);
		}
	}
}

static void
test_shape(void)
{
	VecamSketchShape shape;

	unit_case("shapes");
	vecam_sketch_shape(&shape, 784, 784, 2);
	unit_check(shape.words == 13 && VECAM_SKETCH_BYTES(&shape) == 208, "784");
	vecam_sketch_shape(&shape, 64, 64, 1);
	unit_check(shape.words == 1 && VECAM_SKETCH_BYTES(&shape) == 8, "64");
	vecam_sketch_shape(&shape, 100, 500, 7);
	unit_check(shape.dims == 100 && shape.bits == 2 && shape.words == 2, "100");
}

/* The digits' two forms agree, and there is nothing beyond the dimensions. */
static void
check_digits(const VecamSketchQuery *query, const VecamSketchShape *shape)
{
	int			n = shape->bits * shape->words;
	int			i;
	int			p;
	int			b;

	for (i = 0; i < 64 * shape->words; i++)
	{
		int			k = query->k[i];

		unit_check(k >= -8 && k <= 7 && (i < shape->dims || k == 0),
				   "dims %d: digit %d is %d", shape->dims, i, k);
		for (p = 0; p < 4; p++)
		{
			for (b = 0; b < shape->bits; b++)
				unit_check(((query->planes[p * n + b * shape->words + i / 64] >>
							 (i % 64)) & 1) == (uint64) ((k >> p) & 1),
						   "dims %d: plane %d of digit %d", shape->dims, p, i);
		}
	}
}

/*
 * Estimates equal their formula with the quantised query.
 */
static void
check_formula(const VecamSketchShape *shape, int count)
{
	int			n = shape->n;
	int			words = shape->bits * shape->words;
	float	   *x = unit_alloc((count + 1) * n * sizeof(float));
	float		c[MAX_DIMS];
	float	   *q = x + (size_t) count * n;
	uint64	   *digits = unit_guarded(VECAM_SKETCH_QUERY_WORDS(shape) *
									  sizeof(uint64));
	uint64	   *sketches = unit_guarded(count * VECAM_SKETCH_BYTES(shape));
	VecamSketchFactors *factors = unit_guarded(count * sizeof(VecamSketchFactors));
	float	   *est = unit_guarded(count * sizeof(float));
	VecamSketchQuery query;
	double		loss = 0.0;
	double		norm2 = 0.0;
	double		product = 0.0;
	int			r;
	int			i;

	unit_normal_vector((count + 1) * n, x, 1.0);
	unit_normal_vector(n, c, 1.0);
	for (r = 0; r < count; r++)
		vecam_sketch_encode(shape, x + (size_t) r * n, c, sketches + r * words,
							&factors[r]);
	vecam_sketch_query_init(&query, shape, q, digits);
	check_digits(&query, shape);
	vecam_sketch_estimate(&query, shape, 10.0, count, sketches, factors, est);
	for (r = 0; r < count; r++)
	{
		double		vq = 0.0;
		double		expected;

		for (i = 0; i < shape->dims; i++)
		{
			int			k = query.k[i];

			vq += query.delta * k * level_of(shape, sketches + r * words, i);
			loss += (q[i] - query.delta * k) * (q[i] - query.delta * k);
			norm2 += (double) q[i] * q[i];
			product += (double) q[i] * query.delta * k;
		}
		expected = 10.0 + factors[r].add + factors[r].mul * vq;
		unit_check(fabs(est[r] - expected) <= 1e-6 * fabs(expected) + 1e-3,
				   "n = %d, row %d: %g, not %g", n, r, est[r], expected);
	}
	unit_check(loss <= 0.04 * norm2, "n = %d: the query loses %g", n,
			   loss / norm2);
	unit_check(fabs(product - norm2) <= 1e-6 * norm2,
			   "n = %d: the quantised query is %g of the query", n,
			   product / norm2);
	free(x);
	unit_free_guarded();
}

static void
test_formula(const VecamSimdLevel *levels, int n_levels)
{
	int			l;
	int			trial;

	for (l = 0; l < n_levels; l++)
	{
		unit_case("estimates follow their formula, level %d", (int) levels[l]);
		vecam_kernels_use(levels[l]);
		for (trial = 0; trial < 60; trial++)
		{
			VecamSketchShape shape;
			int			n = unit_range(1, MAX_DIMS);

			vecam_sketch_shape(&shape, n, unit_range(1, n), 1 + trial % 2);
			check_formula(&shape, trial == 0 ? 150 : unit_range(1, 70));
		}
	}
	vecam_kernels_init();
}

typedef struct Errors
{
	int			count;
	double		relative;		/* sum of (est - d2) / d2 */
	double		relative2;
	double		normalised2;	/* sum of ((est - d2) / predicted sd)^2 */
} Errors;

/*
 * One estimate.  Its predicted standard deviation: with a the cosine of r and
 * v, 2 |r| |q - c orthogonal to r| sqrt((1 - a^2) / a^2) / sqrt(n - 1), and the
 * query's rounding, uniform over a step.
 */
static void
add_error(Errors *errors, const VecamSketchShape *shape, const float *x,
		  const float *c, const float *q)
{
	int			n = shape->n;
	uint64		sketch[2 * MAX_WORDS];
	uint64		digits[MAX_QUERY_WORDS];
	VecamSketchFactors factors;
	VecamSketchQuery query;
	double		centre2 = vecam_kernels->l2_squared(n, q, c);
	double		d2 = vecam_kernels->l2_squared(n, x, q);
	double		rr = vecam_kernels->l2_squared(n, x, c);
	double		rv = 0.0;
	double		vv = 0.0;
	double		along;
	double		a2;
	double		variance;
	double		rounding;
	float		est;
	int			i;

	vecam_sketch_encode(shape, x, c, sketch, &factors);
	vecam_sketch_query_init(&query, shape, q, digits);
	vecam_sketch_estimate(&query, shape, centre2, 1, sketch, &factors, &est);

	for (i = 0; i < shape->dims; i++)
	{
		double		v = level_of(shape, sketch, i);

		rv += v * (x[i] - c[i]);
		vv += v * v;
	}
	a2 = rv * rv / rr / vv;
	along = (rr + centre2 - d2) / 2.0 / sqrt(rr);
	rounding = 2.0 * rr / rv * query.delta * sqrt(vv / 12.0);
	variance = 4.0 * rr * (centre2 - along * along) * (1.0 - a2) / a2 / (n - 1) +
		rounding * rounding;

	errors->count++;
	errors->relative += (est - d2) / d2;
	errors->relative2 += (est - d2) / d2 * (est - d2) / d2;
	errors->normalised2 += (est - d2) * (est - d2) / variance;
}

static void
report_errors(const char *what, const VecamSketchShape *shape,
			  const Errors *errors)
{
	double		mean = errors->relative / errors->count;
	double		sd = sqrt(errors->relative2 / errors->count - mean * mean);
	double		ratio = sqrt(errors->normalised2 / errors->count);

	printf("%s, n = %d, dims %d, %d bits: relative error %+.4f +- %.4f, "
		   "%.3f of the predicted sd\n",
		   what, shape->n, shape->dims, shape->bits, mean, sd, ratio);
	unit_check(fabs(mean) < 0.005, "mean relative error %g", mean);
	unit_check(ratio > 0.85 && ratio < 1.15, "%g of the predicted sd", ratio);
}

/* x and q near c, in random clusters far from zero; a new rotation each time */
static void
test_clustered(int n, int dims, int bits)
{
	VecamSketchShape shape;
	Errors		errors = {0};
	int			trial;
	int			i;

	unit_case("clustered data, n = %d, dims %d, %d bits", n, dims, bits);
	vecam_sketch_shape(&shape, n, dims, bits);
	for (trial = 0; trial < 6000; trial++)
	{
		float		c[MAX_DIMS];
		float		x[MAX_DIMS];
		float		q[MAX_DIMS];

		unit_normal_vector(n, c, 1.0);
		for (i = 0; i < n; i++)
		{
			/* raw coordinates of very different spread */
			double		spread = 0.3 * (1 + i % 7);

			x[i] = (float) (c[i] + spread * unit_normal());
			q[i] = (float) (c[i] + spread * unit_normal());
		}
		vecam_rotation_signs(n, unit_random(), signs);
		rotate(n, c);
		rotate(n, x);
		rotate(n, q);
		add_error(&errors, &shape, x, c, q);
	}
	report_errors("clustered", &shape, &errors);
}

static int
nearest(int n, int rows, const float *x, const float *q, int except)
{
	double		best = INFINITY;
	int			found = -1;
	int			r;

	for (r = 0; r < rows; r++)
	{
		double		d2 = vecam_kernels->l2_squared(n, x + (size_t) r * n, q);

		if (r != except && d2 < best && d2 > 0.0)
		{
			best = d2;
			found = r;
		}
	}
	return found;
}

/* Nodes near a query and their nearest neighbours, as a graph search meets. */
static void
test_real(const char *folder)
{
	enum
	{
		QUERIES = 60,
		SEEDS = 20,
		ROWS = 2000
	};
	int			rows;
	int			n;
	int			n_queries;
	float	   *base = unit_load_u8bin(folder, "mnist-10k.base.u8bin", &rows, &n);
	float	   *queries = unit_load_u8bin(folder, "mnist-10k.query.u8bin",
										  &n_queries, &n);
	int			bits;
	int			i;
	int			seed;

	if (base == NULL || queries == NULL || rows < ROWS || n_queries < QUERIES)
		return;
	for (bits = 1; bits <= 2; bits++)
	{
		VecamSketchShape shape;
		Errors		errors = {0};

		unit_case("real data, %d bits", bits);
		vecam_sketch_shape(&shape, n, n, bits);
		for (i = 0; i < QUERIES; i++)
		{
			const float *query = queries + (size_t) i * n;
			int			node = nearest(n, ROWS, base, query, -1);
			int			neighbour = nearest(n, ROWS, base,
											base + (size_t) node * n, node);

			for (seed = 0; seed < SEEDS; seed++)
			{
				float		c[MAX_DIMS];
				float		x[MAX_DIMS];
				float		q[MAX_DIMS];

				memcpy(c, base + (size_t) node * n, n * sizeof(float));
				memcpy(x, base + (size_t) neighbour * n, n * sizeof(float));
				memcpy(q, query, n * sizeof(float));
				vecam_rotation_signs(n, unit_random(), signs);
				rotate(n, c);
				rotate(n, x);
				rotate(n, q);
				add_error(&errors, &shape, x, c, q);
			}
		}
		report_errors("real", &shape, &errors);
	}
	free(base);
	free(queries);
}

static void
test_degenerate(void)
{
	float		x[100];
	float		c[100];
	uint64		sketch[4];
	uint64		digits[MAX_QUERY_WORDS];
	VecamSketchShape shape;
	VecamSketchFactors factors;
	VecamSketchQuery query;
	float		est;
	int			bits;

	for (bits = 1; bits <= 2; bits++)
	{
		unit_case("degenerate vectors, %d bits", bits);
		vecam_sketch_shape(&shape, 100, 70, bits);
		unit_normal_vector(100, x, 1.0);
		vecam_sketch_encode(&shape, x, x, sketch, &factors);
		unit_check(factors.add == 0.0f && factors.mul == 0.0f, "r = 0");

		memcpy(c, x, sizeof(c));
		c[99] += 3.0f;
		vecam_sketch_encode(&shape, x, c, sketch, &factors);
		unit_check(fabsf(factors.add - 9.0f) < 1e-4f && factors.mul == 0.0f,
				   "r = 0 in the dimensions sketched: %g, %g", factors.add,
				   factors.mul);

		unit_normal_vector(100, x, 1e38);
		vecam_sketch_encode(&shape, x, c, sketch, &factors);
		unit_check(factors.add == 0.0f && factors.mul == 0.0f, "huge r");

		unit_normal_vector(100, x, 1e-42);
		memset(c, 0, sizeof(c));
		vecam_sketch_encode(&shape, x, c, sketch, &factors);
		unit_check(isfinite(factors.add) && isfinite(factors.mul), "tiny r");

		vecam_sketch_query_init(&query, &shape, c, digits);
		vecam_sketch_estimate(&query, &shape, 4.0, 1, sketch, &factors, &est);
		unit_check(fabsf(est - 4.0f) < 1e-5f, "query of zeros: %g", est);
		unit_normal_vector(100, x, 1e38);
		vecam_sketch_query_init(&query, &shape, x, digits);
		vecam_sketch_estimate(&query, &shape, INFINITY, 1, sketch, &factors,
							  &est);
		unit_check(isfinite(est), "huge query: %g", est);
		x[3] = INFINITY;
		vecam_sketch_query_init(&query, &shape, x, digits);
		unit_check(query.delta == 0.0 && query.sum == 0.0, "infinite query");
	}
}

/* Sketches are on disk: the same on all machines, levels and versions. */
static void
test_golden(const VecamSimdLevel *levels, int n_levels)
{
	int			l;
	int			trial;

	for (l = 0; l < n_levels; l++)
	{
		uint64		hash = UNIT_HASH_START;

		unit_case("sketches on disk stay valid, level %d", (int) levels[l]);
		vecam_kernels_use(levels[l]);
		unit_seed(99);
		for (trial = 0; trial < 100; trial++)
		{
			float		x[MAX_DIMS];
			float		c[MAX_DIMS];
			uint64		sketch[2 * MAX_WORDS];
			VecamSketchShape shape;
			VecamSketchFactors factors;
			int			n = unit_range(1, MAX_DIMS);

			vecam_sketch_shape(&shape, n, unit_range(1, n), 1 + trial % 2);
			unit_normal_vector(n, x, 1.0);
			unit_normal_vector(n, c, 1.0);
			vecam_sketch_encode(&shape, x, c, sketch, &factors);
			hash = unit_hash(hash, sketch, VECAM_SKETCH_BYTES(&shape));
			hash = unit_hash(hash, &factors, sizeof(factors));
		}
		unit_check(hash == UINT64CONST(0x51CA18FB3040AE0A), "hash %016llx",
				   (unsigned long long) hash);
	}
	vecam_kernels_init();
}

int
main(int argc, char **argv)
{
	VecamSimdLevel levels[VECAM_SIMD_NLEVELS];
	int			n = unit_levels(levels);
	int			bits;

	unit_seed(5);
	vecam_kernels_init();
	test_shape();
	test_sketches();
	test_formula(levels, n);
	for (bits = 1; bits <= 2; bits++)
	{
		test_clustered(128, 128, bits);
		test_clustered(500, 500, bits);
		test_clustered(768, 768, bits);
		test_clustered(768, 400, bits);
	}
	test_degenerate();
	test_golden(levels, n);
	test_real(argc > 1 ? argv[1] : ".");
	return unit_finish();
}
