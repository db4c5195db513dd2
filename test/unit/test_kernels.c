/*-------------------------------------------------------------------------
 *
 * test_kernels.c
 *	  Every kernel on every level against the scalar kernels, bit for bit, and
 *	  the scalar kernels against plain definitions.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>

#define MAX_DIMS 16385

typedef enum Flavour
{
	NORMAL,
	WIDE,						/* exponents from the denormal to the huge */
	CANCELLING,					/* a and b equal but for the last bits */
	N_FLAVOURS
} Flavour;

typedef struct Arrays
{
	float	   *a;
	float	   *b;
	uint8	   *ca;
	uint8	   *cb;
	int16	   *q;
	uint64	   *wa;
	uint64	   *wb;
} Arrays;

static int
next_dims(int n)
{
	int			power;

	if (n < 300)
		return n + 1;
	for (power = 512; power <= 16384; power *= 2)
	{
		if (n < power - 1)
			return power - 1;
		if (n <= power)
			return n + 1;
	}
	return MAX_DIMS + 1;
}

static float
wide_number(void)
{
	float		x;

	do
	{
		uint32		bits = (uint32) unit_random();

		memcpy(&x, &bits, sizeof(x));
	} while (!isfinite(x));
	return unit_range(0, 15) == 0 ? 0.0f : x;
}

static void
fill(Arrays *v, int n, Flavour flavour)
{
	int			levels = Min(32767, PG_INT32_MAX / (n * 255));
	int			i;

	for (i = 0; i < n; i++)
	{
		v->a[i] = flavour == WIDE ? wide_number() : (float) unit_normal();
		v->b[i] = flavour == WIDE ? wide_number() : (float) unit_normal();
		if (flavour == CANCELLING)
			v->b[i] = nextafterf(v->a[i], v->b[i]);
		v->ca[i] = flavour == WIDE ? 255 : (uint8) unit_random();
		v->cb[i] = flavour == WIDE ? 255 : (uint8) unit_random();
		/* the largest sums of both signs that the contract allows */
		v->q[i] = (int16) (flavour == NORMAL ? unit_range(-levels, levels) :
						   flavour == WIDE ? levels : -levels);
		v->wa[i] = unit_random();
		v->wb[i] = flavour == WIDE ? ~UINT64CONST(0) : unit_random();
	}
}

static void
allocate(Arrays *v, int n)
{
	v->a = unit_guarded(n * sizeof(float));
	v->b = unit_guarded(n * sizeof(float));
	v->ca = unit_guarded(n);
	v->cb = unit_guarded(n);
	v->q = unit_guarded(n * sizeof(int16));
	v->wa = unit_guarded(n * sizeof(uint64));
	v->wb = unit_guarded(n * sizeof(uint64));
}

static bool
same_bits(double a, double b)
{
	return memcmp(&a, &b, sizeof(double)) == 0;
}

static void
compare_vectors(const VecamKernels *k, const Arrays *v, int n)
{
	const VecamKernels *s = vecam_kernels_scalar();
	VecamCosineTerms ct = k->cosine_terms(n, v->a, v->b);
	VecamCosineTerms cs = s->cosine_terms(n, v->a, v->b);

#define SAME_DOUBLE(call) \
	unit_check(same_bits(k->call, s->call), "n = %d: " #call " %.17g, not %.17g", \
			   n, k->call, s->call)
	SAME_DOUBLE(l2_squared(n, v->a, v->b));
	SAME_DOUBLE(inner_product(n, v->a, v->b));
	SAME_DOUBLE(l1(n, v->a, v->b));
	SAME_DOUBLE(dot_f32_u8(n, v->a, v->ca));
	unit_check(same_bits(ct.dot, cs.dot) &&
			   same_bits(ct.norm2_a, cs.norm2_a) &&
			   same_bits(ct.norm2_b, cs.norm2_b),
			   "n = %d: cosine_terms differ", n);
	unit_check(same_bits(cs.dot, s->inner_product(n, v->a, v->b)) &&
			   same_bits(cs.norm2_a, s->inner_product(n, v->a, v->a)) &&
			   same_bits(cs.norm2_b, s->inner_product(n, v->b, v->b)),
			   "n = %d: cosine_terms are not inner products", n);

#define SAME_INTEGER(call) \
	unit_check(k->call == s->call, "n = %d: " #call " %lld, not %lld", \
			   n, (long long) k->call, (long long) s->call)
	SAME_INTEGER(dot_i16_u8(n, v->q, v->ca));
	SAME_INTEGER(dot_u8_u8(n, v->ca, v->cb));
	SAME_INTEGER(popcount_and(n, v->wa, v->wb));
	SAME_INTEGER(popcount_xor(n, v->wa, v->wb));
}

static void
test_vectors(const VecamKernels *k)
{
	Flavour		flavour;
	int			n;

	for (flavour = NORMAL; flavour < N_FLAVOURS; flavour++)
	{
		unit_case("%s kernels against scalar, flavour %d", k->name, flavour);
		for (n = 1; n <= MAX_DIMS; n = next_dims(n))
		{
			Arrays		v;

			allocate(&v, n);
			fill(&v, n, flavour);
			compare_vectors(k, &v, n);
			unit_free_guarded();
		}
	}
}

/* Neither end nor beginning on any boundary but that of the element type. */
static void
test_unaligned(const VecamKernels *k)
{
	enum
	{
		LENGTH = 200
	};
	Arrays		whole;
	int			offset;

	unit_case("%s kernels on unaligned arrays", k->name);
	allocate(&whole, LENGTH);
	fill(&whole, LENGTH, NORMAL);
	for (offset = 0; offset < 64; offset++)
	{
		Arrays		v = whole;

		v.a += offset;
		v.b += 63 - offset;
		v.ca += offset;
		v.cb += 63 - offset;
		v.q += offset;
		v.wa += offset;
		v.wb += 63 - offset;
		compare_vectors(k, &v, LENGTH - 63);
	}
	unit_free_guarded();
}

static bool
close_to(double value, long double exact, long double magnitude, int n)
{
	long double slack = (n / VECAM_LANES + 8) * (long double) DBL_EPSILON;

	return fabsl((long double) value - exact) <= slack * magnitude;
}

/* The floating point kernels in long double, in plain order. */
static void
check_float_definitions(const Arrays *v, int n)
{
	const VecamKernels *s = vecam_kernels_scalar();
	long double l2 = 0.0L;
	long double ip = 0.0L;
	long double ip_abs = 0.0L;
	long double l1 = 0.0L;
	long double dot = 0.0L;
	long double dot_abs = 0.0L;
	int			i;

	for (i = 0; i < n; i++)
	{
		long double d = (long double) v->a[i] - (long double) v->b[i];
		long double p = (long double) v->a[i] * (long double) v->b[i];
		long double c = (long double) v->a[i] * v->ca[i];

		l2 += d * d;
		l1 += fabsl(d);
		ip += p;
		ip_abs += fabsl(p);
		dot += c;
		dot_abs += fabsl(c);
	}
	unit_check(close_to(s->l2_squared(n, v->a, v->b), l2, l2, n),
			   "n = %d: l2_squared", n);
	unit_check(close_to(s->inner_product(n, v->a, v->b), ip, ip_abs, n),
			   "n = %d: inner_product", n);
	unit_check(close_to(s->l1(n, v->a, v->b), l1, l1, n), "n = %d: l1", n);
	unit_check(close_to(s->dot_f32_u8(n, v->a, v->ca), dot, dot_abs, n),
			   "n = %d: dot_f32_u8", n);
}

static int
count_bits(uint64 x)
{
	int			count = 0;

	for (; x != 0; x &= x - 1)
		count++;
	return count;
}

static void
check_integer_definitions(const Arrays *v, int n)
{
	const VecamKernels *s = vecam_kernels_scalar();
	int64		iu = 0;
	uint64		uu = 0;
	uint64		both = 0;
	uint64		differing = 0;
	int			i;

	for (i = 0; i < n; i++)
	{
		iu += (int64) v->q[i] * v->ca[i];
		uu += (uint64) v->ca[i] * v->cb[i];
		both += count_bits(v->wa[i] & v->wb[i]);
		differing += count_bits(v->wa[i] ^ v->wb[i]);
	}
	unit_check(s->dot_i16_u8(n, v->q, v->ca) == iu, "n = %d: dot_i16_u8", n);
	unit_check(s->dot_u8_u8(n, v->ca, v->cb) == uu, "n = %d: dot_u8_u8", n);
	unit_check(s->popcount_and(n, v->wa, v->wb) == both,
			   "n = %d: popcount_and", n);
	unit_check(s->popcount_xor(n, v->wa, v->wb) == differing,
			   "n = %d: popcount_xor", n);
}

static void
test_definitions(void)
{
	Flavour		flavour;
	int			n;

	for (flavour = NORMAL; flavour < N_FLAVOURS; flavour++)
	{
		unit_case("scalar kernels against definitions, flavour %d", flavour);
		for (n = 1; n <= MAX_DIMS; n = next_dims(n))
		{
			Arrays		v;

			allocate(&v, n);
			fill(&v, n, flavour);
			check_float_definitions(&v, n);
			check_integer_definitions(&v, n);
			unit_free_guarded();
		}
	}
}

/* Distances of a vector from itself and of swapped arguments. */
static void
test_identities(const VecamKernels *k)
{
	int			n;

	unit_case("%s kernels: identities", k->name);
	for (n = 1; n <= 300; n++)
	{
		Arrays		v;

		allocate(&v, n);
		fill(&v, n, WIDE);
		unit_check(k->l2_squared(n, v.a, v.a) == 0.0, "n = %d: l2 of equals", n);
		unit_check(k->l1(n, v.a, v.a) == 0.0, "n = %d: l1 of equals", n);
		unit_check(same_bits(k->l2_squared(n, v.a, v.b),
							 k->l2_squared(n, v.b, v.a)),
				   "n = %d: l2 is not symmetric", n);
		unit_check(same_bits(k->inner_product(n, v.a, v.b),
							 k->inner_product(n, v.b, v.a)),
				   "n = %d: inner product is not symmetric", n);
		unit_check(k->popcount_xor(n, v.wa, v.wa) == 0,
				   "n = %d: xor of equals", n);
		unit_free_guarded();
	}
}

/* Batches of codes against the scalar kernel for one. */
static void
check_dots(const VecamKernels *k, int n, int count, int stride)
{
	const VecamKernels *s = vecam_kernels_scalar();
	size_t		size = count > 0 ? (size_t) (count - 1) * stride + n : 0;
	int			levels = Min(32767, PG_INT32_MAX / (n * 255));
	int			choice = unit_range(0, 3);
	uint8	   *codes = unit_guarded(size);
	int16	   *q = unit_guarded(n * sizeof(int16));
	int32	   *dots = unit_guarded(count * sizeof(int32));
	size_t		i;
	int			r;

	/* in some of the cases the largest sums of either sign */
	for (i = 0; i < size; i++)
		codes[i] = choice < 2 ? 255 : (uint8) unit_random();
	for (i = 0; i < (size_t) n; i++)
		q[i] = (int16) (choice == 0 ? levels : choice == 1 ? -levels :
						unit_range(-levels, levels));
	k->dots_i16_u8(n, q, codes, count, stride, dots);
	for (r = 0; r < count; r++)
		unit_check(dots[r] == s->dot_i16_u8(n, q, codes + (size_t) r * stride),
				   "n = %d, count %d, stride %d: code %d", n, count, stride, r);
	unit_free_guarded();
}

static void
test_dots(const VecamKernels *k)
{
	static const int counts[] = {0, 1, 3, 4, 5, 7, 8, 64};
	size_t		c;
	int			n;

	unit_case("%s dots_i16_u8", k->name);
	for (n = 1; n <= 1024; n = n < 140 ? n + 1 : n + 97)
	{
		for (c = 0; c < lengthof(counts); c++)
			check_dots(k, n, counts[c], n + unit_range(0, 40));
	}
	check_dots(k, 1024, 9, 1100);
}

/* A number whose products stay in range, or now and then any. */
static float
screen_number(void)
{
	return unit_range(0, 9) == 0 ? wide_number() : (float) unit_normal();
}

static bool
is_ordinary(int n, const float *x)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		if (!(fabsf(x[i]) > 1e-6f && fabsf(x[i]) < 1e6f))
			return false;
	}
	return true;
}

/*
 * The screen's test in double, where float4 neither overflows nor underflows
 * and rounding does not decide.
 */
static void
check_screen_definition(const VecamScreen *s, const VecamSq8Header *h,
						double dot, bool passes)
{
	float		numbers[] = {
		s->norm2, s->lo, s->product, s->residual, s->residual2, s->constant,
		h->lo, h->delta, h->norm2, h->residual
	};
	double		terms[5];
	double		sum = 0.0;
	double		magnitude = 0.0;
	int			i;

	if (!is_ordinary(lengthof(numbers), numbers))
		return;
	terms[0] = (double) s->norm2 * h->norm2;
	terms[1] = (double) s->lo * h->lo;
	terms[2] = (double) s->product * h->delta * dot;
	terms[3] = h->residual * (s->residual + (double) s->residual2 * h->residual);
	terms[4] = s->constant;
	for (i = 0; i < 5; i++)
	{
		sum += terms[i];
		magnitude += fabs(terms[i]);
	}
	if (fabs(sum - VECAM_SCREEN_SLACK * magnitude) > 1e-6 * magnitude)
		unit_check(passes == (sum < VECAM_SCREEN_SLACK * magnitude),
				   "sum %g of %g: passes is %d", sum, magnitude, passes);
}

static void
check_screen(const VecamKernels *k, int count, int stride)
{
	const VecamKernels *scalar = vecam_kernels_scalar();
	size_t		size = count > 0 ?
		(size_t) (count - 1) * stride + sizeof(VecamSq8Header) : 0;
	char	   *heads = unit_guarded(size);
	double	   *dots = unit_guarded(count * sizeof(double));
	VecamScreen s;
	uint64		passed;
	int			r;

	s.norm2 = screen_number();
	s.lo = screen_number();
	s.product = screen_number();
	s.residual = screen_number();
	s.residual2 = screen_number();
	s.constant = unit_range(0, 20) == 0 ? -INFINITY : screen_number();
	for (r = 0; r < count; r++)
	{
		float		head[4];
		int			i;

		for (i = 0; i < 4; i++)
			head[i] = unit_range(0, 99) == 0 ? INFINITY : screen_number();
		memcpy(heads + (size_t) r * stride, head, sizeof(head));
		dots[r] = unit_range(-1000000, 1000000);
	}
	passed = k->screen_codes(&s, (VecamSq8Header *) heads, count, stride, dots);
	unit_check(passed == scalar->screen_codes(&s, (VecamSq8Header *) heads,
											  count, stride, dots),
			   "count %d, stride %d: differs from scalar", count, stride);
	for (r = 0; r < count; r++)
	{
		const char *head = heads + (size_t) r * stride;

		check_screen_definition(&s, (const VecamSq8Header *) head, dots[r],
								(passed >> r) & 1);
	}
	unit_check(count == VECAM_SCREEN_MAX || passed >> count == 0,
			   "count %d: %llx", count, (unsigned long long) passed);
	unit_free_guarded();
}

static void
test_screen(const VecamKernels *k)
{
	int			count;
	int			trial;

	unit_case("%s screen_codes", k->name);
	for (count = 0; count <= VECAM_SCREEN_MAX; count++)
	{
		for (trial = 0; trial < 50; trial++)
			check_screen(k, count, sizeof(VecamSq8Header) +
						 4 * unit_range(0, 30));
	}
}

/* random digits in both of their forms */
static void
random_digits(VecamSketchTerms *terms, int bits, int words, bool smallest)
{
	int8	   *k = unit_guarded(64 * words);
	int			n = bits * words;
	uint64	   *planes = unit_guarded(4 * n * sizeof(uint64));
	int			i;
	int			p;
	int			b;

	memset(planes, 0, 4 * n * sizeof(uint64));
	for (i = 0; i < 64 * words; i++)
	{
		k[i] = (int8) (smallest ? -8 : unit_range(-8, 7));
		for (p = 0; p < 4; p++)
		{
			for (b = 0; b < bits; b++)
				planes[p * n + b * words + i / 64] |=
					(uint64) ((k[i] >> p) & 1) << (i % 64);
		}
	}
	terms->bits = bits;
	terms->words = words;
	terms->k = k;
	terms->planes = planes;
}

static int32
plain_sketch_sum(const int8 *k, int bits, int words, const uint64 *sketch)
{
	int32		sum = 0;
	int			b;
	int			i;

	for (b = 0; b < bits; b++)
	{
		for (i = 0; i < 64 * words; i++)
		{
			if ((sketch[b * words + i / 64] >> (i % 64)) & 1)
				sum += k[i] << (bits - 1 - b);
		}
	}
	return sum;
}

static float
plain_estimate(const VecamSketchTerms *terms, const uint64 *sketch,
			   const float *factors)
{
	int32		sum = plain_sketch_sum(terms->k, terms->bits, terms->words,
									   sketch);
	double		product = factors[1] * (terms->delta * sum - terms->offset);
	double		d2 = terms->centre + factors[0] + product;

	if (!(d2 > -FLT_MAX))
		return -FLT_MAX;
	return d2 < FLT_MAX ? (float) d2 : FLT_MAX;
}

/* terms: the digits and the numbers */
static void
check_sketch_estimates(const VecamKernels *k, const VecamSketchTerms *terms,
					   bool ones, float scale, int count)
{
	size_t		stride = terms->bits * terms->words;
	uint64	   *sketches = unit_guarded(count * stride * sizeof(uint64));
	float	   *factors = unit_guarded(2 * count * sizeof(float));
	float	   *est = unit_guarded(count * sizeof(float));
	size_t		i;
	int			r;

	for (i = 0; i < count * stride; i++)
		sketches[i] = ones ? ~UINT64CONST(0) : unit_random();
	for (r = 0; r < 2 * count; r++)
		factors[r] = scale * (float) unit_normal();
	k->sketch_estimates(terms, count, sketches, factors, est);
	for (r = 0; r < count; r++)
	{
		float		expected = plain_estimate(terms, sketches + r * stride,
											  factors + 2 * r);

		unit_check(memcmp(&est[r], &expected, sizeof(float)) == 0,
				   "%d words, count %d: estimate %d is %.9g, not %.9g",
				   terms->words, count, r, est[r], expected);
	}
}

static void
check_sketches(const VecamKernels *k, int bits, int words, int count)
{
	bool		ones = unit_range(0, 3) == 0;
	VecamSketchTerms terms;

	random_digits(&terms, bits, words, ones);
	terms.centre = unit_uniform();
	terms.delta = unit_uniform();
	terms.offset = unit_normal();
	check_sketch_estimates(k, &terms, ones, 1.0f, count);

	/* too large for float4, for double, and infinity less infinity */
	terms.delta = 1e30;
	check_sketch_estimates(k, &terms, ones, 1e30f, count);
	terms.delta = 1e300;
	check_sketch_estimates(k, &terms, ones, 1e30f, count);
	terms.centre = INFINITY;
	check_sketch_estimates(k, &terms, ones, 1e30f, count);
	unit_free_guarded();
}

static void
test_sketches(const VecamKernels *k)
{
	static const int counts[] = {0, 1, 2, 31, 32, 63, 64, 65, 130};
	int			bits;
	int			words;
	size_t		c;

	for (bits = 1; bits <= 2; bits++)
	{
		unit_case("%s sketch_estimates of %d bits", k->name, bits);
		for (words = 1; words <= 40; words++)
		{
			for (c = 0; c < lengthof(counts); c++)
				check_sketches(k, bits, words, counts[c]);
		}
		check_sketches(k, bits, 250, 5);
		check_sketches(k, bits, 257, 3);
	}
}

/*
 * Codes and finer codes against a plain computation of both, to the bit; some
 * coordinates are all equal, where delta is 0.
 */
static void
check_encoders(const VecamKernels *k, int n, int shift, double range)
{
	float	   *x = unit_guarded(n * sizeof(float));
	uint8	   *code = unit_guarded(n);
	uint8	   *fine = unit_guarded(n);
	double		sums[4][VECAM_LANES] = {{0}};
	double		expected[4][VECAM_LANES] = {{0}};
	float		lo = wide_number();
	float		delta = (float) (range / 255.0);
	double		inverse = delta > 0.0f ? 1.0 / (double) delta : 0.0;
	int			i;

	for (i = 0; i < n; i++)
	{
		double		part = (double) (unit_random() % 1001) / 1000.0;

		x[i] = (float) fmin(lo + range * part, FLT_MAX);
		x[i] = x[i] < lo ? lo : x[i];
		fine[i] = (uint8) ((i & 15) << (4 - shift));
	}
	k->encode_sq8(n, x, lo, delta, code, sums[0], sums[1]);
	k->encode_fine(n, x, lo, delta, code, shift, fine, sums[2], sums[3]);
	for (i = 0; i < n; i++)
	{
		double		place = ((double) x[i] - lo) * inverse;
		double		c = floor(place + 0.5) < 255.0 ? floor(place + 0.5) : 255.0;
		double		f = trunc((place - c + 0.5) * 16.0);
		double		v = (double) delta * c + lo;
		int			lane = i % VECAM_LANES;

		f = f < 0.0 ? 0.0 : f > 15.0 ? 15.0 : f;
		unit_check(code[i] == c && ((fine[i] >> shift) & 15) == f,
				   "n = %d, shift %d: code %d and %d, not %g and %g", n, shift,
				   code[i], (fine[i] >> shift) & 15, c, f);
		unit_check(((fine[i] >> (4 - shift)) & 15) == (i & 15),
				   "n = %d, shift %d: other bits of %d changed", n, shift, i);
		expected[0][lane] += (x[i] - v) * (x[i] - v);
		expected[1][lane] += v * v;
		v = (double) delta * (c + (f - 7.5) / 16.0) + lo;
		expected[2][lane] += (x[i] - v) * (x[i] - v);
		expected[3][lane] += v * v;
	}
	unit_check(memcmp(sums, expected, sizeof(sums)) == 0,
			   "n = %d, shift %d: other sums", n, shift);
	unit_free_guarded();
}

static void
test_encoders(const VecamKernels *k)
{
	int			n;

	unit_case("%s encoders", k->name);
	for (n = 0; n <= MAX_DIMS; n = n < 100 ? n + 1 : next_dims(n))
	{
		check_encoders(k, n, 0, fabsf(wide_number()));
		check_encoders(k, n, 4, fabsf(wide_number()));
		check_encoders(k, n, 4, 0.0);
	}
}

/* one half of the coordinates of a finer code */
static void
check_decode_fine(const VecamKernels *k, int n, int shift)
{
	uint8	   *code = unit_guarded(n);
	uint8	   *fine = unit_guarded(n);
	float	   *x = unit_guarded(n * sizeof(float));
	float		origin = wide_number();
	float		step = fabsf(wide_number());
	int			i;

	for (i = 0; i < n; i++)
	{
		code[i] = (uint8) unit_random();
		fine[i] = (uint8) unit_random();
	}
	k->decode_fine(n, origin, step, code, fine, shift, x);
	for (i = 0; i < n; i++)
	{
		float		product = step * (float) (16 * code[i] + ((fine[i] >> shift) & 15));
		float		expected = origin + product;

		unit_check(memcmp(&x[i], &expected, sizeof(float)) == 0,
				   "n = %d, shift %d: x[%d] = %.9g, not %.9g", n, shift, i,
				   x[i], expected);
	}
	unit_free_guarded();
}

static void
test_decode_fine(const VecamKernels *k)
{
	int			n;

	unit_case("%s decode_fine", k->name);
	for (n = 0; n <= MAX_DIMS; n = n < 100 ? n + 1 : next_dims(n))
	{
		check_decode_fine(k, n, 0);
		check_decode_fine(k, n, 4);
	}
}

static void
check_decode_sq8(const VecamKernels *k, int n, double lo, double delta)
{
	uint8	   *code = unit_guarded(n);
	float	   *x = unit_guarded(n * sizeof(float));
	int			i;

	for (i = 0; i < n; i++)
		code[i] = (uint8) unit_random();
	k->decode_sq8(n, lo, delta, code, x);
	for (i = 0; i < n; i++)
	{
		double		product = delta * code[i];
		double		sum = lo + product;
		float		expected = (float) (sum < FLT_MAX ? sum : FLT_MAX);

		unit_check(memcmp(&x[i], &expected, sizeof(float)) == 0,
				   "n = %d: x[%d] = %.9g, not %.9g", n, i, x[i], expected);
	}
	unit_free_guarded();
}

static void
test_decode_sq8(const VecamKernels *k)
{
	int			n;

	unit_case("%s decode_sq8", k->name);
	for (n = 0; n <= MAX_DIMS; n = n < 100 ? n + 1 : next_dims(n))
	{
		check_decode_sq8(k, n, wide_number(), fabsf(wide_number()));
		check_decode_sq8(k, n, -FLT_MAX, FLT_MAX / 100);
	}
}

/* levels of n numbers, as the definition in kernels.h has them */
static void
check_sketch_levels(const VecamKernels *k, int n, float threshold)
{
	float	   *x = unit_guarded(n * sizeof(float));
	float	   *c = unit_guarded(n * sizeof(float));
	double		rv[VECAM_LANES];
	double		vc[VECAM_LANES];
	double		expected_rv[VECAM_LANES];
	double		expected_vc[VECAM_LANES];
	uint64		high;
	uint64		low;
	int			i;

	for (i = 0; i < VECAM_LANES; i++)
	{
		expected_rv[i] = rv[i] = fabs(unit_normal());
		expected_vc[i] = vc[i] = fabs(unit_normal());
	}
	for (i = 0; i < n; i++)
	{
		c[i] = (float) unit_normal();
		/* some components vanish, and some are the threshold itself */
		x[i] = unit_range(0, 9) == 0 ? c[i] : (float) unit_normal();
		if (unit_range(0, 9) == 0)
		{
			c[i] = 0.0f;
			x[i] = threshold;
		}
	}
	k->sketch_levels(n, x, c, threshold, &high, &low, rv, vc);
	for (i = 0; i < n; i++)
	{
		float		r = x[i] - c[i];
		double		size = fabsf(r) >= threshold ? 1.5 : 0.5;
		double		v = r > 0.0f ? size : -size;
		int			number = (int) (v + 1.5);

		expected_rv[i % VECAM_LANES] += v * r;
		expected_vc[i % VECAM_LANES] += v * c[i];
		unit_check((int) (high >> i & 1) == number / 2 && (int) (low >> i & 1) == number % 2,
				   "n = %d: level of %g is %d", n, r, number);
	}
	unit_check(n == 64 || (high >> n == 0 && low >> n == 0), "n = %d: bits beyond it", n);
	unit_check(memcmp(rv, expected_rv, sizeof(rv)) == 0 &&
			   memcmp(vc, expected_vc, sizeof(vc)) == 0, "n = %d: sums", n);
	unit_free_guarded();
}

static void
test_sketch_levels(const VecamKernels *k)
{
	int			n;
	int			round;

	unit_case("%s sketch_levels", k->name);
	for (n = 0; n <= 64; n++)
	{
		for (round = 0; round < 20; round++)
			check_sketch_levels(k, n, (float) fabs(unit_normal()));
		check_sketch_levels(k, n, INFINITY);
	}
}

static void
random_floats(int n, float *x)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		/* wide, but not so that sums of 2^14 of them overflow */
		x[i] = wide_number();
		while (fabsf(x[i]) > 1e30f)
			x[i] *= 1e-8f;
	}
}

static void
check_same_floats(int n, const float *x, const float *y, const char *what)
{
	unit_check(memcmp(x, y, n * sizeof(float)) == 0, "n = %d: %s", n, what);
}

static void
check_quantised(const VecamKernels *k, int n, const float *x, float inverse)
{
	const VecamKernels *s = vecam_kernels_scalar();
	int			words = (n + 63) / 64;
	double		scale = (float) (1.0 / inverse);
	int16	   *q = unit_guarded(n * sizeof(int16));
	int16	   *q_s = unit_guarded(n * sizeof(int16));
	int8	   *d = unit_guarded(64 * words);
	int8	   *d_s = unit_guarded(64 * words);
	uint64	   *planes = unit_guarded((3 * (words + 1) + words) * sizeof(uint64));
	VecamQuantised m = k->quantise(n, x, inverse, scale, q);
	VecamQuantised m_s = s->quantise(n, x, inverse, scale, q_s);
	VecamDigitSums g = k->sketch_digits(n, x, inverse, d);
	VecamDigitSums g_s = s->sketch_digits(n, x, inverse, d_s);
	int			i;
	int			p;

	unit_check(memcmp(q, q_s, n * sizeof(int16)) == 0 &&
			   same_bits(m.loss2, m_s.loss2) && m.sum == m_s.sum &&
			   m.norm2 == m_s.norm2, "n = %d: quantise differs", n);
	unit_check(memcmp(d, d_s, n) == 0 && same_bits(g.product, g_s.product) &&
			   g.sum == g_s.sum && g.norm2 == g_s.norm2,
			   "n = %d: sketch_digits differs", n);
	for (i = 0; i < n; i++)
	{
		double		t = nearbyint(x[i] * inverse);

		unit_check(q[i] == t && d[i] == Min(Max(t, -8), 7),
				   "n = %d: element %d of %g is %d and %d", n, i,
				   (double) (x[i] * inverse), q[i], d[i]);
	}
	for (i = n; i < 64 * words; i++)
		d[i] = (int8) unit_random();
	k->bit_planes(words, d, words + 1, planes);
	for (p = 0; p < 4; p++)
	{
		for (i = 0; i < 64 * words; i++)
			unit_check(((planes[p * (words + 1) + i / 64] >> (i % 64)) & 1) ==
					   (uint64) ((d[i] >> p) & 1), "n = %d: plane %d of %d",
					   n, p, i);
	}
}

static void
check_range(const VecamKernels *k, int n, float *x)
{
	static const float outside[] = {INFINITY, -INFINITY, NAN};
	float		lo = x[0];
	float		hi = x[0];
	float		lo_k;
	float		hi_k;
	bool		finite;
	int			i;

	for (i = 1; i < n; i++)
	{
		lo = Min(lo, x[i]);
		hi = Max(hi, x[i]);
	}
	finite = k->range(n, x, &lo_k, &hi_k);
	unit_check(finite && lo_k == lo && hi_k == hi,
			   "n = %d: range %g .. %g, not %g .. %g", n, lo_k, hi_k, lo, hi);
	x[unit_range(0, n - 1)] = outside[unit_range(0, 2)];
	unit_check(!k->range(n, x, &lo_k, &hi_k), "n = %d: range is finite", n);
	memset(x, 0, n * sizeof(float));
	x[0] = -0.0f;
	finite = k->range(n, x, &lo_k, &hi_k);
	unit_check(finite && !signbit(lo_k) && !signbit(hi_k), "n = %d: range has a negative zero", n);
}

static void
test_quantising(const VecamKernels *k)
{
	int			n;

	unit_case("%s range, quantise, sketch_digits and bit_planes", k->name);
	for (n = 1; n <= MAX_DIMS; n = next_dims(n))
	{
		float	   *x = unit_guarded(n * sizeof(float));
		int			i;

		for (i = 0; i < n; i++)
			x[i] = (float) unit_normal() * 5.0f;
		check_quantised(k, n, x, 1.0f);
		check_quantised(k, n, x, 1000.0f);
		/* ties, and the largest level */
		for (i = 0; i < n; i++)
			x[i] = unit_range(-65534, 65534) / 2.0f;
		check_quantised(k, n, x, 1.0f);
		random_floats(n, x);
		check_range(k, n, x);
		unit_free_guarded();
	}
}

static void
test_transforms(const VecamKernels *k)
{
	const VecamKernels *s = vecam_kernels_scalar();
	int			log2n;
	int			n;

	unit_case("%s fht", k->name);
	for (log2n = 0; log2n <= 14; log2n++)
	{
		int			order = 1 << log2n;
		float	   *x = unit_guarded(order * sizeof(float));
		float	   *y = unit_guarded(order * sizeof(float));

		random_floats(order, x);
		memcpy(y, x, order * sizeof(float));
		k->fht(log2n, 0.3f, x);
		s->fht(log2n, 0.3f, y);
		check_same_floats(order, x, y, "differs from scalar");
		unit_free_guarded();
	}

	unit_case("%s flip_signs and kac", k->name);
	for (n = 1; n <= MAX_DIMS; n = next_dims(n))
	{
		float	   *x = unit_guarded(n * sizeof(float));
		float	   *y = unit_guarded(n * sizeof(float));
		uint8	   *signs = unit_guarded((n + 7) / 8);
		int			i;

		for (i = 0; i < (n + 7) / 8; i++)
			signs[i] = (uint8) unit_random();
		random_floats(n, x);
		memcpy(y, x, n * sizeof(float));
		k->flip_signs(n, signs, x);
		for (i = 0; i < n; i++)
			y[i] = (signs[i / 8] >> (i % 8)) & 1 ? -y[i] : y[i];
		check_same_floats(n, x, y, "flip_signs differs from its definition");
		k->kac(n, 0.7f, x);
		s->kac(n, 0.7f, y);
		check_same_floats(n, x, y, "kac differs from scalar");
		unit_free_guarded();
	}
}

/* H is symmetric and H H = n I; entry (i, j) is (-1)^popcount(i & j). */
static void
test_hadamard(void)
{
	int			log2n;

	unit_case("scalar fht is the Hadamard transform");
	for (log2n = 0; log2n <= 7; log2n++)
	{
		int			order = 1 << log2n;
		float		x[128];
		int			column;
		int			i;

		for (column = 0; column < order; column++)
		{
			memset(x, 0, sizeof(x));
			x[column] = 1.0f;
			vecam_kernels_scalar()->fht(log2n, 0.5f, x);
			for (i = 0; i < order; i++)
				unit_check(x[i] == (count_bits(i & column) % 2 ? -0.5f : 0.5f),
						   "order %d, entry %d, %d", order, i, column);
		}
	}
}

static void
test_dispatch(void)
{
	VecamSimdLevel best = vecam_simd_best();
	int			level;

	unit_case("dispatch");
	unit_check(vecam_kernels == vecam_kernels_scalar(),
			   "the kernels before initialisation are not the scalar ones");
	vecam_kernels_init();
	unit_check(vecam_kernels->level == best, "initialised to another level");
	for (level = 0; level < VECAM_SIMD_NLEVELS; level++)
	{
		const VecamKernels *k = vecam_kernels_for((VecamSimdLevel) level);

		unit_check((k != NULL) == vecam_simd_supported((VecamSimdLevel) level),
				   "level %d: table and support disagree", level);
		unit_check(k == NULL || (int) k->level == level,
				   "level %d: table of another level", level);
		vecam_kernels_use((VecamSimdLevel) level);
		unit_check(vecam_kernels == (k != NULL ? k : vecam_kernels_for(best)),
				   "level %d: not in use", level);
	}
}

int
main(void)
{
	VecamSimdLevel levels[VECAM_SIMD_NLEVELS];
	int			n = unit_levels(levels);
	int			i;

	unit_seed(1);
	test_dispatch();
	test_definitions();
	test_hadamard();
	for (i = 0; i < n; i++)
	{
		const VecamKernels *k = vecam_kernels_for(levels[i]);

		test_vectors(k);
		test_unaligned(k);
		test_identities(k);
		test_sketches(k);
		test_quantising(k);
		test_dots(k);
		test_screen(k);
		test_encoders(k);
		test_decode_fine(k);
		test_decode_sq8(k);
		test_sketch_levels(k);
		test_transforms(k);
	}
	return unit_finish();
}
