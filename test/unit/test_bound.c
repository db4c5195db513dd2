/*-------------------------------------------------------------------------
 *
 * test_bound.c
 *	  No bound is ever above the distance that the SQL operator returns, and
 *	  that distance is within every interval: a million pairs for each metric,
 *	  and real data.  No screen holds back a row whose bound is within its limit.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>

#include "math/bound.h"

#define MAX_DIMS 1600
#define MAX_ROWS 10000

/* at least a million pairs a metric, in rounds of so many */
#define ROUND_VECTORS 64
#define ROUNDS 256

typedef enum Kind
{
	NORMAL,
	CLUSTERED,					/* near-duplicates far from zero */
	ULPS,						/* equal but for the last bits */
	EQUAL,
	HUGE_VALUES,				/* up to 3e38 */
	LARGE,						/* norms that float4 squares cannot hold */
	TINY,
	DENORMAL,
	CONSTANT,
	OUTLIER,
	MIXED,						/* each vector with a scale of its own */
	SPARSE,
	N_KINDS
} Kind;

static const char *const metric_names[] = {"l2", "cosine", "inner product"};

static uint8 signs[VECAM_ROTATION_SIGN_BYTES(MAX_DIMS)];

/* What the SQL operator computes. */
static double
operator_distance(VecamMetric metric, int n, const float *x, const float *q)
{
	VecamCosineTerms terms;
	double		similarity;

	switch (metric)
	{
		case VECAM_METRIC_L2:
			return sqrt(vecam_kernels->l2_squared(n, x, q));
		case VECAM_METRIC_IP:
			return -vecam_kernels->inner_product(n, x, q);
		case VECAM_METRIC_COSINE:
			break;
	}
	terms = vecam_kernels->cosine_terms(n, x, q);
	similarity = terms.dot / sqrt(terms.norm2_a * terms.norm2_b);
	return 1.0 - (similarity > 1.0 ? 1.0 : similarity < -1.0 ? -1.0 : similarity);
}

static float
limited(double x)
{
	return (float) Min(Max(x, -3e38), 3e38);
}

static double
kind_scale(Kind kind)
{
	switch (kind)
	{
		case HUGE_VALUES:
			return 1e38;
		case LARGE:
			return 1e20;
		case TINY:
			return 1e-36;
		case DENORMAL:
			return 1e-44;
		case MIXED:
			return pow(10.0, unit_range(-40, 36));
		default:
			return 1.0;
	}
}

/* One vector of a kind, near the common vector where the kind asks for it. */
static void
make_vector(int n, Kind kind, const float *common, float *x)
{
	double		scale = kind_scale(kind);
	double		constant = unit_normal();
	double		closeness = pow(10.0, -unit_range(0, 8));
	int			i;

	for (i = 0; i < n; i++)
	{
		double		z = scale * unit_normal();

		if (kind == CLUSTERED)
			z = 100.0 * common[i] + closeness * z;
		else if (kind == ULPS)
			z = nextafterf(common[i], z > 0 ? INFINITY : -INFINITY);
		else if (kind == EQUAL)
			z = common[i];
		else if (kind == CONSTANT)
			z = constant;
		else if (kind == SPARSE && unit_range(0, 19) != 0)
			z = 0.0;
		x[i] = limited(z);
	}
	if (kind == OUTLIER)
		x[unit_range(0, n - 1)] = limited(1e6 * unit_normal());
}

typedef struct Workspace
{
	float		scratch[MAX_DIMS];
	float		decoded[MAX_DIMS];
	int16		q16[MAX_DIMS];
	VecamSq8Header head[MAX_ROWS];
	bool		defined[MAX_ROWS];
	uint8	   *codes;			/* rows x n */
	uint8	   *fines;			/* rows x VECAM_FINE_BYTES(n) */
	long		intervals;		/* that said something, of the last check_query */
	double		width;			/* sum of them, in the scale of the looseness */
} Workspace;

static Workspace work;

static uint8 *
fine_of(int n, int row)
{
	return work.fines + (size_t) row * VECAM_FINE_BYTES(n);
}

static void
encode_rows(const VecamCodec *codec, int rows, const float *x)
{
	int			n = codec->n;
	int			r;

	for (r = 0; r < rows; r++)
		work.defined[r] = vecam_codec_encode(codec, x + (size_t) r * n,
											 work.scratch, &work.head[r],
											 work.codes + (size_t) r * n,
											 fine_of(n, r));
}

static bool
is_zero(int n, const float *x)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		if (x[i] != 0.0f)
			return false;
	}
	return true;
}

/*
 * The first of the rows as they stand in a page, head and code in slots of one
 * size; returns how many, and in numbers which.
 */
static int
fill_slots(const VecamCodec *codec, int rows, int size, uint8 *slots,
		   int *numbers)
{
	int			n = codec->n;
	int			count = 0;
	int			r;

	for (r = 0; r < rows && count < VECAM_SQ8_BATCH; r++)
	{
		uint8	   *slot = slots + (size_t) count * size;

		if (!work.defined[r])
			continue;
		memcpy(slot, &work.head[r], sizeof(VecamSq8Header));
		memcpy(slot + sizeof(VecamSq8Header), work.codes + (size_t) r * n, n);
		numbers[count++] = r;
	}
	return count;
}

/*
 * A screen lets pass every row whose bound is not above the limit, and gives
 * the same bounds.  Returns how many other rows it lets pass that are beyond
 * the limit by more than `tolerance`.
 */
static int
check_screen(const VecamCodecQuery *query, double limit, double tolerance,
			 const uint8 *slots, int count, int size, const double *bounds,
			 const char *what)
{
	const VecamSq8Header *heads = (const VecamSq8Header *) slots;
	const uint8 *codes = slots + sizeof(VecamSq8Header);
	VecamScreen screen;
	int			rows[VECAM_SQ8_BATCH];
	double		passed_bounds[VECAM_SQ8_BATCH];
	int			passed;
	int			beyond = 0;
	int			i = 0;
	int			r;

	vecam_codec_screen(&screen, query, limit);
	passed = vecam_codec_bounds(query, &screen, heads, codes, count, size,
								rows, passed_bounds);
	for (r = 0; r < count; r++)
	{
		bool		passes = i < passed && rows[i] == r;

		unit_check(passes || bounds[r] > limit,
				   "%s, n = %d: bound %.17g is held back, limit %.17g",
				   what, query->sq8.n, bounds[r], limit);
		if (!passes)
			continue;
		unit_check(memcmp(&passed_bounds[i], &bounds[r], sizeof(double)) == 0,
				   "%s, n = %d: bound %.17g, not %.17g", what, query->sq8.n,
				   passed_bounds[i], bounds[r]);
		beyond += bounds[r] - limit > tolerance;
		i++;
	}
	unit_check(i == passed, "%s: %d rows passed, %d are there", what, passed, i);
	return beyond;
}

/* Screens at the bounds of some of the rows, and a little below. */
static int
check_screens(const VecamCodec *codec, const VecamCodecQuery *query, int rows,
			  double tolerance, const char *what)
{
	int			size = sizeof(VecamSq8Header) + TYPEALIGN(4, codec->n);
	uint8	   *slots = unit_guarded((size_t) size * VECAM_SQ8_BATCH);
	int			numbers[VECAM_SQ8_BATCH];
	double		bounds[VECAM_SQ8_BATCH];
	int			count = fill_slots(codec, rows, size, slots, numbers);
	int			beyond = 0;
	int			r;

	for (r = 0; r < count; r++)
		bounds[r] = vecam_codec_bound(query, &work.head[numbers[r]],
									  work.codes + (size_t) numbers[r] * codec->n);
	for (r = unit_range(0, 15); r < count; r += 16)
	{
		beyond += check_screen(query, bounds[r], tolerance, slots, count, size,
							   bounds, what);
		check_screen(query, nextafter(bounds[r], -INFINITY), tolerance, slots,
					 count, size, bounds, what);
	}
	check_screen(query, INFINITY, tolerance, slots, count, size, bounds, what);
	unit_free_guarded();
	return beyond;
}

/* The interval of a row: its width, or 0 if the finer code says nothing. */
static double
check_interval(const VecamCodecQuery *query, int row, double distance,
			   const char *what)
{
	int			n = query->sq8.n;
	double		lower;
	double		upper;

	if (!vecam_codec_interval(query, &work.head[row],
							  work.codes + (size_t) row * n, fine_of(n, row),
							  work.decoded, &lower, &upper))
		return 0.0;
	unit_check(lower <= distance && distance <= upper,
			   "%s, n = %d: interval %.17g .. %.17g, distance %.17g",
			   what, n, lower, upper, distance);
	unit_check(query->metric == VECAM_METRIC_IP || lower >= 0.0,
			   "%s, n = %d: interval from %g", what, n, lower);
	work.intervals++;
	return upper - lower;
}

/*
 * Compare the bounds of all rows with the operator for one query.  Returns the
 * sum over the rows of (distance - bound) / scale, with the scale that the
 * looseness of a code relates to: |x|^2 + |q|^2 for the inner product.
 */
static double
check_query(const VecamCodec *codec, int rows, const float *x, const float *q,
			const char *what)
{
	int			n = codec->n;
	VecamMetric metric = codec->metric;
	VecamCodecQuery query;
	double		looseness = 0.0;
	int			r;

	work.intervals = 0;
	work.width = 0.0;
	vecam_codec_query_init(&query, codec, q, work.scratch, work.q16);
	unit_check(query.undefined == (metric == VECAM_METRIC_COSINE && is_zero(n, q)),
			   "%s, n = %d: undefined is %d", what, n, query.undefined);
	if (query.undefined)
		return 0.0;
	for (r = 0; r < rows; r++)
	{
		const float *row = x + (size_t) r * n;
		double		distance;
		double		bound;
		double		width;
		double		scale;

		unit_check(work.defined[r] ||
				   (metric == VECAM_METRIC_COSINE && is_zero(n, row)),
				   "%s, n = %d: a vector is called undefined", what, n);
		if (!work.defined[r])
			continue;
		distance = operator_distance(metric, n, row, q);
		bound = vecam_codec_bound(&query, &work.head[r],
								  work.codes + (size_t) r * n);
		unit_check(bound <= distance, "%s, n = %d: bound %.17g, distance %.17g",
				   what, n, bound, distance);
		unit_check(metric == VECAM_METRIC_IP || bound >= 0.0,
				   "%s, n = %d: bound %g", what, n, bound);
		width = check_interval(&query, r, distance, what);
		scale = metric == VECAM_METRIC_IP ?
			vecam_kernels->inner_product(n, q, q) +
			vecam_kernels->inner_product(n, row, row) : Max(distance, DBL_MIN);
		looseness += (distance - bound) / scale;
		work.width += width / scale;
	}
	check_screens(codec, &query, rows, INFINITY, what);
	return looseness;
}

/* A mean like one of the data, or none, or an unrelated one. */
static const float *
choose_mean(int n, int rows, const float *x, float *mean)
{
	int			choice = unit_range(0, 3);
	int			i;
	int			r;

	if (choice == 0)
		return NULL;
	for (i = 0; i < n; i++)
	{
		double		sum = 0.0;

		for (r = 0; r < rows; r++)
			sum += x[(size_t) r * n + i];
		mean[i] = choice == 1 ? (float) unit_normal() : limited(sum / rows);
	}
	return mean;
}

static void
check_round(VecamMetric metric, Kind kind)
{
	static const int dims[] = {
		1, 2, 3, 4, 5, 7, 16, 17, 33, 64, 100, 128, 200, 300, 384, 784, 1025, 1536
	};
	int			n = dims[unit_range(0, lengthof(dims) - 1)];
	size_t		size = (size_t) ROUND_VECTORS * n * sizeof(float);
	float	   *x = unit_alloc(size);
	float	   *q = unit_alloc(size);
	float		common[MAX_DIMS];
	float		mean[MAX_DIMS];
	VecamCodec	codec;
	char		what[40];
	int			i;

	snprintf(what, sizeof(what), "kind %d", kind);
	unit_normal_vector(n, common, 1.0);
	for (i = 0; i < ROUND_VECTORS; i++)
	{
		/* queries: of the kind, or plain, or one of the vectors */
		int			choice = unit_range(0, 3);

		make_vector(n, kind, common, x + (size_t) i * n);
		if (choice == 0)
			memcpy(q + (size_t) i * n, x + (size_t) i * n, n * sizeof(float));
		else
			make_vector(n, choice == 1 ? NORMAL : kind, common,
						q + (size_t) i * n);
	}
	vecam_rotation_signs(n, unit_random(), signs);
	vecam_codec_init(&codec, n, metric,
					 choose_mean(n, ROUND_VECTORS, x, mean), signs);
	encode_rows(&codec, ROUND_VECTORS, x);
	for (i = 0; i < ROUND_VECTORS; i++)
		check_query(&codec, ROUND_VECTORS, x, q + (size_t) i * n, what);
	free(x);
	free(q);
}

static void
test_synthetic(VecamMetric metric)
{
	int			round;

	unit_case("%d pairs of %s", ROUNDS * ROUND_VECTORS * ROUND_VECTORS,
			  metric_names[metric]);
	for (round = 0; round < ROUNDS; round++)
		check_round(metric, (Kind) (round % N_KINDS));
}

/* Bounds of nothing would pass the other tests. */
static void
test_tightness(VecamMetric metric)
{
	enum
	{
		DIMS = 512,
		ROWS = 100
	};
	/* of codes without rotation the bounds would be no better than these */
	static const double limits[] = {0.02, 0.04, 0.01};
	float	   *x = unit_alloc(2 * ROWS * DIMS * sizeof(float));
	double		looseness = 0.0;
	double		width = 0.0;
	long		intervals = 0;
	VecamCodec	codec;
	int			i;

	unit_case("bounds of %s are tight", metric_names[metric]);
	unit_normal_vector(2 * ROWS * DIMS, x, 1.0);
	vecam_rotation_signs(DIMS, 5, signs);
	vecam_codec_init(&codec, DIMS, metric, NULL, signs);
	encode_rows(&codec, ROWS, x);
	for (i = 0; i < ROWS; i++)
	{
		looseness += check_query(&codec, ROWS, x, x + (ROWS + i) * DIMS, "tight");
		width += work.width;
		intervals += work.intervals;
	}
	looseness /= ROWS * ROWS;
	unit_check(looseness > 0.0 && looseness < limits[metric],
			   "mean looseness %g", looseness);

	/* both ends of a sixteenth of the residual, and some rounding */
	width /= ROWS * ROWS;
	unit_check(intervals == ROWS * ROWS, "%ld intervals", intervals);
	unit_check(width > 0.0 && width < looseness / 4,
			   "mean width of the intervals %g, looseness %g", width, looseness);
	free(x);
}

/* A screen that lets all pass would be as right, but of no use. */
static void
test_screens_hold_back(VecamMetric metric)
{
	enum
	{
		DIMS = 128,
		ROWS = 64
	};
	float	   *x = unit_alloc(2 * ROWS * DIMS * sizeof(float));
	int			beyond = 0;
	VecamCodec	codec;
	int			i;

	unit_case("screens of %s hold back", metric_names[metric]);
	unit_normal_vector(2 * ROWS * DIMS, x, 1.0);
	vecam_rotation_signs(DIMS, 5, signs);
	vecam_codec_init(&codec, DIMS, metric, NULL, signs);
	encode_rows(&codec, ROWS, x);
	for (i = 0; i < ROWS; i++)
	{
		VecamCodecQuery query;

		vecam_codec_query_init(&query, &codec, x + (ROWS + i) * DIMS,
							   work.scratch, work.q16);
		beyond += check_screens(&codec, &query, ROWS,
								metric == VECAM_METRIC_COSINE ? 1e-4 : 1e-2,
								"hold back");
	}
	unit_check(beyond == 0, "%d rows pass that are far beyond", beyond);
	free(x);
}

static void
test_undefined(void)
{
	float		zero[10] = {0};
	float		denormal[10] = {0};
	double		lower;
	double		upper;
	VecamCodec	codec;
	VecamCodecQuery query;

	unit_case("zero vectors");
	denormal[3] = 1e-45f;
	vecam_rotation_signs(10, 1, signs);
	vecam_codec_init(&codec, 10, VECAM_METRIC_COSINE, NULL, signs);
	encode_rows(&codec, 1, zero);
	unit_check(!work.defined[0], "cosine of zero is defined");
	encode_rows(&codec, 1, denormal);
	unit_check(work.defined[0], "cosine of the smallest vector is undefined");
	vecam_codec_query_init(&query, &codec, zero, work.scratch, work.q16);
	unit_check(query.undefined &&
			   vecam_codec_bound(&query, &work.head[0], work.codes) == -INFINITY &&
			   !vecam_codec_interval(&query, &work.head[0], work.codes,
									 work.fines, work.decoded, &lower, &upper),
			   "cosine with zero is defined");
	vecam_codec_init(&codec, 10, VECAM_METRIC_L2, NULL, signs);
	encode_rows(&codec, 1, zero);
	unit_check(work.defined[0] && work.head[0].residual < 1e-30f,
			   "zero has residual %g", work.head[0].residual);
	vecam_codec_query_init(&query, &codec, zero, work.scratch, work.q16);
	unit_check(!query.undefined &&
			   vecam_codec_bound(&query, &work.head[0], work.codes) == 0.0,
			   "l2 of two zeros");
}

static void
test_damaged(VecamMetric metric)
{
	float		x[16];
	uint8		code[16];
	uint8		fine[VECAM_FINE_BYTES(16)];
	double		lower;
	double		upper;
	VecamCodec	codec;
	VecamCodecQuery query;
	int			i;

	unit_case("no code, however damaged, gives NaN for %s",
			  metric_names[metric]);
	unit_normal_vector(16, x, 1.0);
	vecam_rotation_signs(16, 5, signs);
	vecam_codec_init(&codec, 16, metric, x, signs);
	vecam_codec_query_init(&query, &codec, x, work.scratch, work.q16);
	for (i = 0; i < 100000; i++)
	{
		VecamSq8Header head;
		uint64		bits[5];
		double		bound;
		int			b;

		for (b = 0; b < (int) lengthof(bits); b++)
			bits[b] = unit_random();
		memcpy(&head, bits, sizeof(head));
		memcpy(code, &bits[2], sizeof(code));
		bound = vecam_codec_bound(&query, &head, code);
		unit_check(!isnan(bound), "lo %g, delta %g, norm2 %g, residual %g",
				   head.lo, head.delta, head.norm2, head.residual);
		memcpy(fine, &bits[3], sizeof(fine));
		unit_check(!vecam_codec_interval(&query, &head, code, fine, work.decoded,
										 &lower, &upper) ||
				   (isfinite(lower) && isfinite(upper)),
				   "lo %g, delta %g, finer residual %g: interval %g .. %g",
				   head.lo, head.delta, vecam_fine_residual(fine), lower, upper);
	}
}

/* Codes and bounds do not depend on the CPU. */
static void
test_levels(const VecamSimdLevel *levels, int n_levels)
{
	uint64		expected = 0;
	uint64		fine_expected = 0;
	int			l;

	unit_case("codes, bounds and intervals are the same bits on every level");
	for (l = 0; l < n_levels; l++)
	{
		uint64		hash = UNIT_HASH_START;
		uint64		fine_hash = UNIT_HASH_START;
		int			trial;

		unit_seed(4242);
		vecam_kernels_use(levels[l]);
		for (trial = 0; trial < 300; trial++)
		{
			int			n = unit_range(1, MAX_DIMS);
			float		x[3 * MAX_DIMS];
			VecamCodec	codec;
			VecamCodecQuery query;
			double		bound;
			double		interval[2];

			unit_normal_vector(3 * n, x, 1.0);
			vecam_rotation_signs(n, trial, signs);
			vecam_codec_init(&codec, n, (VecamMetric) (trial % 3), x, signs);
			encode_rows(&codec, 1, x + n);
			vecam_codec_query_init(&query, &codec, x + 2 * n, work.scratch,
								   work.q16);
			bound = vecam_codec_bound(&query, &work.head[0], work.codes);
			unit_check(vecam_codec_interval(&query, &work.head[0], work.codes,
											work.fines, work.decoded,
											&interval[0], &interval[1]),
					   "n = %d: no interval", n);
			hash = unit_hash(hash, &work.head[0], sizeof(VecamSq8Header));
			hash = unit_hash(hash, work.codes, n);
			hash = unit_hash(hash, &bound, sizeof(bound));
			fine_hash = unit_hash(fine_hash, work.fines, VECAM_FINE_BYTES(n));
			fine_hash = unit_hash(fine_hash, interval, sizeof(interval));
		}
		if (l == 0)
		{
			expected = hash;
			fine_expected = fine_hash;
		}
		unit_check(hash == expected && fine_hash == fine_expected, "level %d",
				   (int) levels[l]);
	}
	unit_check(expected == UINT64CONST(0x74EE2920F0D99CDF), "hash %016llx",
			   (unsigned long long) expected);
	unit_check(fine_expected == UINT64CONST(0xE6EEDDBE47F89D7A), "hash of the finer codes %016llx",
			   (unsigned long long) fine_expected);
	vecam_kernels_init();
}

static void
test_real(const char *folder)
{
	enum
	{
		QUERIES = 100
	};
	int			rows;
	int			n;
	int			n_queries;
	float	   *x = unit_load_u8bin(folder, "mnist-10k.base.u8bin", &rows, &n);
	float	   *q = unit_load_u8bin(folder, "mnist-10k.query.u8bin", &n_queries, &n);
	float		mean[MAX_DIMS];
	VecamMetric metric;
	int			i;

	if (x == NULL || q == NULL || rows > MAX_ROWS || n_queries < QUERIES)
		return;
	vecam_rotation_signs(n, 11, signs);
	for (i = 0; i < n; i++)
	{
		double		sum = 0.0;
		int			r;

		for (r = 0; r < rows; r++)
			sum += x[(size_t) r * n + i];
		mean[i] = (float) (sum / rows);
	}
	for (metric = VECAM_METRIC_L2; metric <= VECAM_METRIC_IP; metric++)
	{
		double		looseness = 0.0;
		double		width = 0.0;
		long		intervals = 0;
		VecamCodec	codec;

		unit_case("%d pairs of %s of real data", rows * QUERIES,
				  metric_names[metric]);
		vecam_codec_init(&codec, n, metric,
						 metric == VECAM_METRIC_COSINE ? NULL : mean, signs);
		encode_rows(&codec, rows, x);
		for (i = 0; i < QUERIES; i++)
		{
			looseness += check_query(&codec, rows, x, q + (size_t) i * n, "real");
			width += work.width;
			intervals += work.intervals;
		}
		unit_check(intervals == (long) rows * QUERIES, "%ld intervals", intervals);
		printf("%s: mean looseness of %d bounds: %.5f, mean width of intervals: %.5f\n",
			   metric_names[metric], rows * QUERIES, looseness / rows / QUERIES,
			   width / rows / QUERIES);
	}
	free(x);
	free(q);
}

int
main(int argc, char **argv)
{
	VecamSimdLevel levels[VECAM_SIMD_NLEVELS];
	int			n = unit_levels(levels);
	VecamMetric metric;

	work.codes = unit_alloc((size_t) MAX_ROWS * MAX_DIMS);
	work.fines = unit_alloc((size_t) MAX_ROWS * VECAM_FINE_BYTES(MAX_DIMS));
	vecam_kernels_init();
	test_levels(levels, n);
	unit_seed(4);
	test_undefined();
	for (metric = VECAM_METRIC_L2; metric <= VECAM_METRIC_IP; metric++)
	{
		test_synthetic(metric);
		test_tightness(metric);
		test_screens_hold_back(metric);
		test_damaged(metric);
	}
	test_real(argc > 1 ? argv[1] : ".");
	return unit_finish();
}
