/*-------------------------------------------------------------------------
 *
 * test_sq8.c
 *	  The 8-bit codes: what the header promises, checked in long double, for
 *	  ordinary and hostile vectors.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>

#include "math/sq8.h"

static const int sizes[] = {
	1, 2, 3, 5, 15, 16, 17, 31, 64, 100, 128, 300, 784, 1023, 1024, 1025, 1536,
	4096, 16000
};

typedef enum Kind
{
	NORMAL,
	OFFSET,						/* far from zero, narrow */
	OUTLIER,
	CONSTANT,
	ZERO,
	HUGE_VALUES,
	TINY,
	DENORMAL,
	EXTREMES,					/* ranges up to twice the largest number */
	NEIGHBOURS,					/* two adjacent numbers */
	N_KINDS
} Kind;

static void
make_vector(int n, Kind kind, float *x)
{
	float		common = (float) unit_normal();
	int			i;

	for (i = 0; i < n; i++)
	{
		double		z = unit_normal();

		switch (kind)
		{
			case OFFSET:
				z = 1000.0 + z;
				break;
			case CONSTANT:
				z = common;
				break;
			case ZERO:
				z = 0.0;
				break;
			case HUGE_VALUES:
				z *= 5e37;
				break;
			case TINY:
				z *= 1e-36;
				break;
			case DENORMAL:
				/* ranges of some hundred of the smallest number */
				z *= 6e-44;
				break;
			case EXTREMES:
				z = z > 0 ? FLT_MAX : FLT_MAX * Min(common, 1.0) - FLT_MAX;
				z = Max(z, -FLT_MAX);
				break;
			case NEIGHBOURS:
				z = z > 0 ? common : nextafterf(common, INFINITY);
				break;
			default:
				break;
		}
		x[i] = (float) z;
	}
	if (kind == OUTLIER)
		x[unit_range(0, n - 1)] = 1e6f;
}

typedef struct Exact
{
	long double loss;			/* |x - x~| */
	long double norm2;			/* |x~|^2 */
} Exact;

static long double
decoded(const VecamSq8Header *head, uint8 code)
{
	return (long double) head->lo + (long double) head->delta * code;
}

static Exact
measure(int n, const float *x, const VecamSq8Header *head, const uint8 *code)
{
	Exact		exact = {0.0L, 0.0L};
	int			i;

	for (i = 0; i < n; i++)
	{
		long double v = decoded(head, code[i]);

		exact.loss += (x[i] - v) * (x[i] - v);
		exact.norm2 += v * v;
	}
	exact.loss = sqrtl(exact.loss);
	return exact;
}

static void
check_code(int n, const float *x, Kind kind)
{
	VecamSq8Header head;
	uint8	   *code = unit_guarded(n);
	float	   *y = unit_guarded(n * sizeof(float));
	double		input_error = 0.125;
	Exact		exact;
	long double decode_error = 0.0L;
	int			i;

	vecam_sq8_encode(n, x, 0.0, &head, code);
	exact = measure(n, x, &head, code);
	unit_check(head.residual >= exact.loss &&
			   head.residual <= exact.loss * 1.000001L + 1e-44L +
			   4e-15L * sqrtl(exact.norm2),
			   "n = %d, kind %d: residual %g, loss %Lg", n, kind,
			   head.residual, exact.loss);
	unit_check(head.norm2 <= exact.norm2 && isfinite(head.norm2) &&
			   (head.norm2 >= exact.norm2 * 0.9999998L - 1e-44L ||
				head.norm2 == FLT_MAX),
			   "n = %d, kind %d: norm2 %g, exact %Lg", n, kind,
			   head.norm2, exact.norm2);

	/*
	 * Half a step, and what the rounding of the step makes of 255 of them: up
	 * to 128 times the smallest number where that is the step.
	 */
	for (i = 0; i < n; i++)
		unit_check(fabsl(x[i] - decoded(&head, code[i])) <=
				   0.50002L * head.delta + 2e-43L,
				   "n = %d, kind %d: coordinate %d lost too much", n, kind, i);

	vecam_sq8_decode(n, &head, code, y);
	for (i = 0; i < n; i++)
	{
		decode_error = fabsl(y[i] - decoded(&head, code[i]));
		unit_check(isfinite(y[i]) &&
				   (decode_error <= fabsl((long double) y[i]) / 16777216 + 1e-45L ||
					y[i] == FLT_MAX),
				   "n = %d, kind %d: coordinate %d decoded badly", n, kind, i);
	}

	vecam_sq8_encode(n, x, input_error, &head, code);
	unit_check(head.residual >= exact.loss + input_error &&
			   head.residual <= (exact.loss + input_error) * 1.000001L +
			   4e-15L * sqrtl(exact.norm2),
			   "n = %d, kind %d: the input's error is lost", n, kind);
}

static void
test_encoding(void)
{
	Kind		kind;
	size_t		s;

	for (kind = NORMAL; kind < N_KINDS; kind++)
	{
		unit_case("codes and residuals, kind %d", kind);
		for (s = 0; s < lengthof(sizes); s++)
		{
			float	   *x = unit_guarded(sizes[s] * sizeof(float));

			make_vector(sizes[s], kind, x);
			check_code(sizes[s], x, kind);
			unit_free_guarded();
		}
	}
}

static void
test_quality(void)
{
	float		x[784];
	uint8		code[784];
	VecamSq8Header head;
	double		norm;

	unit_case("8 bits lose less than a percent");
	unit_normal_vector(784, x, 1.0);
	norm = sqrt(vecam_kernels->inner_product(784, x, x));
	vecam_sq8_encode(784, x, 0.0, &head, code);
	unit_check(head.residual < 0.01 * norm, "residual %g of %g",
			   head.residual, norm);
}

static void
test_decoding_limits(void)
{
	int			trial;
	int			i;

	unit_case("decoded vectors are finite");
	for (trial = 0; trial < 1000; trial++)
	{
		float		x[32];
		float		y[32];
		uint8		code[32];
		VecamSq8Header head;

		make_vector(32, EXTREMES, x);
		vecam_sq8_encode(32, x, 0.0, &head, code);
		vecam_sq8_decode(32, &head, code, y);
		for (i = 0; i < 32; i++)
			unit_check(isfinite(y[i]), "lo %g, delta %g, code %d",
					   head.lo, head.delta, code[i]);
	}
}

static void
test_special_headers(void)
{
	float		x[20] = {0};
	uint8		code[20];
	VecamSq8Header head;
	VecamSq8Header plus;
	int			i;

	unit_case("constant vectors");
	for (i = 0; i < 20; i++)
		x[i] = 2.5f;
	vecam_sq8_encode(20, x, 0.0, &head, code);
	unit_check(head.lo == 2.5f && head.delta == 0.0f && code[7] == 0 &&
			   head.norm2 <= 125.0f && head.norm2 > 124.999f,
			   "lo %g, delta %g", head.lo, head.delta);

	unit_case("zeros of either sign have one code");
	memset(x, 0, sizeof(x));
	vecam_sq8_encode(20, x, 0.0, &plus, code);
	for (i = 0; i < 20; i++)
		x[i] = -0.0f;
	vecam_sq8_encode(20, x, 0.0, &head, code);
	unit_check(memcmp(&head, &plus, sizeof(head)) == 0, "headers differ");

	unit_case("infinite and NaN coordinates");
	for (i = 0; i < 3; i++)
	{
		memset(x, 0, sizeof(x));
		x[5] = 1.0f;
		x[i == 0 ? 0 : i == 1 ? 17 : 19] = i == 0 ? INFINITY :
			i == 1 ? NAN : -INFINITY;
		memset(code, 1, sizeof(code));
		vecam_sq8_encode(20, x, 0.0, &head, code);
		unit_check(isinf(head.residual) && isfinite(head.lo) &&
				   isfinite(head.norm2) && head.delta == 0.0f &&
				   code[0] == 0 && code[19] == 0, "case %d", i);
	}

	unit_case("an infinite or NaN input error");
	x[0] = x[17] = x[19] = 0.0f;
	vecam_sq8_encode(20, x, INFINITY, &head, code);
	unit_check(isinf(head.residual), "residual %g", head.residual);
	vecam_sq8_encode(20, x, NAN, &head, code);
	unit_check(isinf(head.residual), "residual %g", head.residual);
}

static double
dot_upper(const VecamSq8Query *query, const VecamSq8Header *head,
		  const uint8 *code)
{
	return vecam_sq8_dot_upper(query, head, vecam_sq8_integer_dot(query, code));
}

static double
lower_bound(const VecamSq8Query *query, const VecamSq8Header *head,
			const uint8 *code)
{
	return vecam_sq8_lower_bound(query, head,
								 vecam_sq8_integer_dot(query, code));
}

static void
check_pair(int n, Kind kx, Kind kq)
{
	float	   *x = unit_guarded(n * sizeof(float));
	float	   *q = unit_guarded(n * sizeof(float));
	uint8	   *code = unit_guarded(n);
	int16	   *q16 = unit_guarded(n * sizeof(int16));
	VecamSq8Header head;
	VecamSq8Query query;
	long double loss2 = 0.0L;
	long double dot = 0.0L;
	long double magnitude = 0.0L;
	long double exact2 = 0.0L;
	long double size2 = 0.0L;
	long double true2 = 0.0L;
	double		d2;
	double		bound;
	int			i;

	make_vector(n, kx, x);
	make_vector(n, kq, q);
	vecam_sq8_encode(n, x, 0.0, &head, code);
	vecam_sq8_query_init(&query, n, q, 0.0, q16);
	for (i = 0; i < n; i++)
	{
		long double v = decoded(&head, code[i]);
		long double t = (long double) query.scale * q16[i];

		loss2 += (q[i] - t) * (q[i] - t);
		dot += v * t;
		magnitude += fabsl(t) * (fabsl((long double) head.lo) +
								 (long double) head.delta * code[i]);
		exact2 += (v - t) * (v - t);
		size2 += v * v + t * t;
		true2 += ((long double) x[i] - q[i]) * ((long double) x[i] - q[i]);
	}

	unit_check(query.finite && query.error >= sqrtl(loss2) &&
			   query.error <= sqrtl(loss2) * 1.000001L +
			   4e-15L * sqrtl(size2),
			   "n = %d, kinds %d, %d: error %g, exact %Lg", n, kx, kq,
			   query.error, sqrtl(loss2));
	unit_check(fabsl(vecam_sq8_dot(&query, &head, code) - dot) <=
			   1e-14L * magnitude,
			   "n = %d, kinds %d, %d: dot %g, exact %Lg", n, kx, kq,
			   vecam_sq8_dot(&query, &head, code), dot);
	/* integers cancel exactly, long double sums to some 1e-17 of the terms */
	unit_check(dot_upper(&query, &head, code) >=
			   dot - 1e-17L * magnitude &&
			   dot_upper(&query, &head, code) <=
			   dot + 1e-13L * magnitude,
			   "n = %d, kinds %d, %d: dot_upper", n, kx, kq);

	d2 = vecam_sq8_distance2(&query, &head, code);
	unit_check(d2 >= 0.0 && d2 <= exact2 &&
			   (d2 >= exact2 - 3e-7L * size2 - 1e-44L ||
				head.norm2 == FLT_MAX),
			   "n = %d, kinds %d, %d: distance2 %g, exact %Lg", n, kx, kq, d2,
			   exact2);
	bound = lower_bound(&query, &head, code);
	unit_check(bound >= 0.0 && bound <= sqrtl(true2),
			   "n = %d, kinds %d, %d: bound %g, distance %Lg", n, kx, kq,
			   bound, sqrtl(true2));
	unit_free_guarded();
}

static void
test_queries(const VecamSimdLevel *levels, int n_levels)
{
	int			l;
	Kind		kx;
	Kind		kq;
	size_t		s;

	for (l = 0; l < n_levels; l++)
	{
		unit_case("queries and lower bounds, level %d", (int) levels[l]);
		vecam_kernels_use(levels[l]);
		for (kx = NORMAL; kx < N_KINDS; kx++)
		{
			for (kq = NORMAL; kq < N_KINDS; kq++)
			{
				for (s = 0; s < lengthof(sizes) - 1; s++)
					check_pair(sizes[s], kx, kq);
			}
		}
		check_pair(16000, NORMAL, NORMAL);
		check_pair(16000, EXTREMES, EXTREMES);
	}
	vecam_kernels_init();
}

static void
test_tightness(void)
{
	int			trial;

	unit_case("the lower bound is tight for ordinary vectors");
	for (trial = 0; trial < 200; trial++)
	{
		float		x[1536];
		float		q[1536];
		uint8		code[1536];
		int16		q16[1536];
		int			n = unit_range(0, 1) == 0 ? 100 : 1536;
		VecamSq8Header head;
		VecamSq8Query query;
		double		distance;
		double		bound;

		unit_normal_vector(n, x, 1.0);
		unit_normal_vector(n, q, 1.0);
		distance = sqrt(vecam_kernels->l2_squared(n, x, q));
		vecam_sq8_encode(n, x, 0.0, &head, code);
		vecam_sq8_query_init(&query, n, q, 0.0, q16);
		bound = lower_bound(&query, &head, code);
		unit_check(bound > 0.985 * distance, "n = %d: bound %g, distance %g",
				   n, bound, distance);
		unit_check(query.error < 0.002 * sqrt(query.norm2),
				   "n = %d: query error %g of %g", n, query.error,
				   sqrt(query.norm2));
	}
}

static void
test_no_promise(void)
{
	float		x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	float		bad[8] = {1, 2, 3, INFINITY, 5, 6, 7, 8};
	uint8		code[8];
	int16		q16[8];
	VecamSq8Header head;
	VecamSq8Query query;
	int			i;

	unit_case("no bound without a finite code, query or error");
	vecam_sq8_encode(8, x, 0.0, &head, code);
	vecam_sq8_query_init(&query, 8, bad, 0.0, q16);
	unit_check(!query.finite &&
			   lower_bound(&query, &head, code) == -INFINITY,
			   "infinite query");
	vecam_sq8_query_init(&query, 8, x, INFINITY, q16);
	unit_check(!query.finite &&
			   lower_bound(&query, &head, code) == -INFINITY,
			   "infinite error");
	vecam_sq8_query_init(&query, 8, x, 0.0, q16);
	vecam_sq8_encode(8, bad, 0.0, &head, code);
	unit_check(query.finite &&
			   lower_bound(&query, &head, code) == -INFINITY,
			   "infinite code");

	unit_case("no header, however damaged, gives NaN");
	for (i = 0; i < 100000; i++)
	{
		uint64		bits[2];
		double		bound;

		bits[0] = unit_random();
		bits[1] = unit_random();
		memcpy(&head, bits, sizeof(head));
		bound = lower_bound(&query, &head, code);
		unit_check(!isnan(bound), "lo %g, delta %g, norm2 %g, residual %g",
				   head.lo, head.delta, head.norm2, head.residual);
	}
}

static void
test_code_distance(void)
{
	size_t		s;

	unit_case("distances of two codes");
	for (s = 0; s < lengthof(sizes); s++)
	{
		int			n = sizes[s];
		float	   *x = unit_alloc(2 * n * sizeof(float));
		uint8	   *a = unit_guarded(n);
		uint8	   *b = unit_guarded(n);
		VecamSq8Header ha;
		VecamSq8Header hb;
		long double exact = 0.0L;
		uint64		sum = 0;
		double		d2;
		int			i;

		unit_normal_vector(2 * n, x, 1.0);
		vecam_sq8_encode(n, x, 0.0, &ha, a);
		vecam_sq8_encode(n, x + n, 0.0, &hb, b);
		for (i = 0; i < n; i++)
		{
			long double d = decoded(&ha, a[i]) - decoded(&hb, b[i]);

			exact += d * d;
			sum += a[i];
		}
		d2 = vecam_sq8_code_distance2(n, &ha, a, &hb, b);
		unit_check(vecam_sq8_code_sum(n, a) == sum, "n = %d: sum", n);
		unit_check(fabsl(d2 - exact) <= 2.5e-7L * (ha.norm2 + hb.norm2),
				   "n = %d: %g, exact %Lg", n, d2, exact);
		unit_check(d2 == vecam_sq8_code_distance2(n, &hb, b, &ha, a),
				   "n = %d: not symmetric", n);
		d2 = vecam_sq8_code_distance2(n, &ha, a, &ha, a);
		unit_check(d2 >= 0.0 && d2 <= 5e-7 * ha.norm2,
				   "n = %d: a code is %g from itself", n, d2);
		free(x);
		unit_free_guarded();
	}
}

/* Codes are on disk: the same on all machines, today and later. */
static void
test_golden(void)
{
	float		x[784];
	uint8		code[784];
	VecamSq8Header head;
	uint64		hash = UNIT_HASH_START;
	int			trial;

	unit_case("codes on disk stay valid");
	unit_seed(77);
	for (trial = 0; trial < 50; trial++)
	{
		int			n = 784 - trial;

		unit_normal_vector(n, x, 1.0);
		vecam_sq8_encode(n, x, 1e-6, &head, code);
		hash = unit_hash(hash, &head, sizeof(head));
		hash = unit_hash(hash, code, n);
	}
	unit_check(hash == UINT64CONST(0x8A43CCB63F096787), "hash %016llx",
			   (unsigned long long) hash);
}

int
main(void)
{
	VecamSimdLevel levels[VECAM_SIMD_NLEVELS];
	int			n = unit_levels(levels);

	unit_seed(3);
	vecam_kernels_init();
	test_encoding();
	test_quality();
	test_decoding_limits();
	test_special_headers();
	test_queries(levels, n);
	test_tightness();
	test_no_promise();
	test_code_distance();
	test_golden();
	return unit_finish();
}
