/*-------------------------------------------------------------------------
 *
 * bench_kernels.c
 *	  Nanoseconds per call of the kernels and of what is built on them.
 *
 * usage: bench_kernels [dimensions [sketches of a node]]
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <time.h>

#include "math/bound.h"
#include "math/sketch.h"

#define MAX_DIMS 16000
#define MAX_ROWS 64
#define REPEATS 15
#define MIN_SECONDS 0.001

static float a[MAX_DIMS];
static float b[MAX_DIMS];
static float scratch[MAX_DIMS] pg_attribute_aligned(64);
static uint8 code_a[MAX_DIMS];
static uint8 fine_a[VECAM_FINE_BYTES(MAX_DIMS)];
static uint8 code_b[MAX_DIMS];
static int16 q16[MAX_DIMS];
static uint8 four_codes[4 * MAX_DIMS];
static int32 dots[4];
static VecamScreen screen;
static VecamSq8Header heads[MAX_ROWS];
static double head_dots[MAX_ROWS];
static uint64 words[(16 + 2 * MAX_ROWS) * (MAX_DIMS / 64 + 1)];
static float est[MAX_ROWS];
static VecamSketchFactors factors[MAX_ROWS];
static uint8 signs[VECAM_ROTATION_SIGN_BYTES(MAX_DIMS)];

/* keeps results from being optimised away */
static volatile double sink;

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* Print the best of a few runs of the statement. */
#define BENCH(name, statement) \
	do { \
		double best = 1e9; \
		int repeat; \
		for (repeat = 0; repeat < REPEATS; repeat++) \
		{ \
			double start = now(); \
			double seconds; \
			long calls = 0; \
			do \
			{ \
				int k; \
				for (k = 0; k < 100; k++) \
				{ \
					statement; \
				} \
				calls += 100; \
				seconds = now() - start; \
			} while (seconds < MIN_SECONDS); \
			best = Min(best, seconds / calls); \
		} \
		printf("  %-28s %10.1f ns\n", name, best * 1e9); \
	} while (0)

static void
bench_level(const VecamKernels *kernels, int n)
{
	int			n_words = (n + 63) / 64;
	VecamRotation rot;
	int			log2n = 0;

	while (2 << log2n <= n)
		log2n++;
	rot.n = n;
	rot.signs = signs;
	vecam_rotation_signs(n, 1, signs);
	printf("%s, %d dimensions\n", kernels->name, n);
	BENCH("l2_squared", sink = kernels->l2_squared(n, a, b));
	BENCH("inner_product", sink = kernels->inner_product(n, a, b));
	BENCH("l1", sink = kernels->l1(n, a, b));
	BENCH("cosine_terms", sink = kernels->cosine_terms(n, a, b).dot);
	BENCH("dot_f32_u8", sink = kernels->dot_f32_u8(n, a, code_a));
	BENCH("dot_i16_u8", sink = kernels->dot_i16_u8(n, q16, code_a));
	BENCH("dots_i16_u8, 4 codes",
		  kernels->dots_i16_u8(Min(n, VECAM_SQ8_BLOCK), q16, four_codes, 4, n,
							   dots));
	BENCH("screen_codes, 64",
		  sink = kernels->screen_codes(&screen, heads, MAX_ROWS,
									   sizeof(VecamSq8Header), head_dots));
	BENCH("dot_u8_u8", sink = kernels->dot_u8_u8(n, code_a, code_b));
	BENCH("popcount_and", sink = kernels->popcount_and(n_words, words,
													   words + n_words));
	BENCH("popcount_xor", sink = kernels->popcount_xor(n_words, words,
													   words + n_words));
	BENCH("range", sink = kernels->range(n, a, scratch, scratch + 1));
	BENCH("quantise", sink = kernels->quantise(n, a, 1000.0f, 0.001f, q16).sum);
	BENCH("sketch_digits",
		  sink = kernels->sketch_digits(n, a, 3.0f, (int8 *) words).sum);
	BENCH("bit_planes", kernels->bit_planes(n_words, (int8 *) words, n_words,
											words + 8 * n_words));
	BENCH("flip_signs", kernels->flip_signs(n, signs, scratch));
	BENCH("fht", kernels->fht(log2n, 0.01f, scratch));
	memcpy(scratch, a, n * sizeof(float));
	BENCH("kac", kernels->kac(n, 0.5f, scratch));
	memcpy(scratch, a, n * sizeof(float));
	BENCH("vecam_rotate", vecam_rotate(&rot, scratch));
}

static void
bench_codec(int n)
{
	VecamCodec	codec;
	VecamCodecQuery query;
	VecamSq8Header head;

	vecam_codec_init(&codec, n, VECAM_METRIC_L2, b, signs);
	BENCH("vecam_sq8_encode", vecam_sq8_encode(n, a, 0.0, &head, code_a));
	BENCH("vecam_codec_encode", vecam_codec_encode(&codec, a, scratch, &head,
												   code_a, NULL));
	BENCH("the same with finer codes",
		  vecam_codec_encode(&codec, a, scratch, &head, code_a, fine_a));
	BENCH("vecam_codec_query_init", vecam_codec_query_init(&query, &codec, b,
														   scratch, q16));
	BENCH("vecam_sq8_query_init",
		  vecam_sq8_query_init(&query.sq8, n, a, 0.0, q16));
	BENCH("vecam_codec_bound", sink = vecam_codec_bound(&query, &head, code_a));
	BENCH("vecam_sq8_code_sum", sink = vecam_sq8_code_sum(n, code_a));
	BENCH("vecam_sq8_code_distance2",
		  sink = vecam_sq8_code_distance2(n, &head, code_a, &head, code_b));
	BENCH("vecam_sq8_decode", vecam_sq8_decode(n, &head, code_a, scratch));
}

static void
bench_sketches(int n, int rows)
{
	VecamSketchShape shape;
	VecamSketchQuery query;
	uint64	   *digits = words;
	uint64	   *sketches = words + 16 * ((n + 63) / 64);
	int			bits;

	for (bits = 1; bits <= 2; bits++)
	{
		printf(" %d-bit sketches\n", bits);
		vecam_sketch_shape(&shape, n, n, bits);
		BENCH("vecam_sketch_encode", vecam_sketch_encode(&shape, a, b, sketches,
														 factors));
		BENCH("vecam_sketch_query_init", vecam_sketch_query_init(&query, &shape,
																 a, digits));
		BENCH("vecam_sketch_estimate, all",
			  vecam_sketch_estimate(&query, &shape, 1.0, rows, sketches,
									factors, est));
	}
}

int
main(int argc, char **argv)
{
	int			n = argc > 1 ? atoi(argv[1]) : 784;
	int			rows = argc > 2 ? atoi(argv[2]) : 32;
	VecamSimdLevel levels[VECAM_SIMD_NLEVELS];
	int			n_levels = unit_levels(levels);
	size_t		i;
	int			l;

	if (n < 1 || n > MAX_DIMS)
	{
		fprintf(stderr, "dimensions must be between 1 and %d\n", MAX_DIMS);
		return 2;
	}
	if (rows < 1 || rows > MAX_ROWS)
	{
		fprintf(stderr, "sketches must be between 1 and %d\n", MAX_ROWS);
		return 2;
	}
	unit_normal_vector(n, a, 1.0);
	unit_normal_vector(n, b, 1.0);
	for (i = 0; i < lengthof(words); i++)
		words[i] = unit_random();
	for (l = 0; l < n_levels; l++)
	{
		vecam_kernels_use(levels[l]);
		bench_level(vecam_kernels, n);
		bench_codec(n);
		bench_sketches(n, rows);
	}
	return 0;
}
