/*-------------------------------------------------------------------------
 *
 * kernels_avx512.c
 *	  Kernels for x86-64 CPUs with AVX-512 F, BW, DQ and VL.
 *
 * Tails are read with masked loads, which touch no memory behind the mask.  A
 * masked-out element is zero, and adding a zero product does not change a lane
 * (no accumulator is ever -0).  FMA is used only where the product is exact in
 * double.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include "math/kernels.h"

#if defined(__x86_64__)

#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define TARGET __attribute__((target("avx2,fma,popcnt,avx512f,avx512bw,avx512dq,avx512vl")))
#define TARGET_INLINE static inline __attribute__((always_inline)) TARGET

/* VECAM_LANES doubles: lanes 0 .. 7 and 8 .. 15 */
typedef struct Lanes
{
	__m512d		low;
	__m512d		high;
} Lanes;

/* the first count of 16 or 32 elements; count may exceed that */
#define MASK16(count) \
	((__mmask16) ((count) >= 16 ? 0xFFFF : (1u << (count)) - 1))
#define MASK32(count) \
	((__mmask32) ((count) >= 32 ? 0xFFFFFFFF : (1u << (count)) - 1))

TARGET_INLINE Lanes
lanes_zero(void)
{
	Lanes		z;

	z.low = z.high = _mm512_setzero_pd();
	return z;
}

TARGET_INLINE Lanes
lanes_widen(__m512 x)
{
	Lanes		w;

	w.low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
	w.high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
	return w;
}

TARGET_INLINE Lanes
lanes_load(const float *p)
{
	Lanes		x;

	x.low = _mm512_cvtps_pd(_mm256_loadu_ps(p));
	x.high = _mm512_cvtps_pd(_mm256_loadu_ps(p + 8));
	return x;
}

/* The first count < 16 floats at p, and zeros. */
TARGET_INLINE Lanes
lanes_load_tail(const float *p, int count)
{
	return lanes_widen(_mm512_maskz_loadu_ps(MASK16(count), p));
}

TARGET_INLINE Lanes
lanes_of_codes(__m128i bytes)
{
	Lanes		w;

	w.low = _mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(bytes));
	w.high = _mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)));
	return w;
}

/* acc + x * y, for exact products */
TARGET_INLINE Lanes
lanes_fma(Lanes acc, Lanes x, Lanes y)
{
	acc.low = _mm512_fmadd_pd(x.low, y.low, acc.low);
	acc.high = _mm512_fmadd_pd(x.high, y.high, acc.high);
	return acc;
}

/* acc + (x - y)^2 */
TARGET_INLINE Lanes
lanes_add_squares(Lanes acc, Lanes x, Lanes y)
{
	__m512d		d0 = _mm512_sub_pd(x.low, y.low);
	__m512d		d1 = _mm512_sub_pd(x.high, y.high);

	acc.low = _mm512_add_pd(acc.low, _mm512_mul_pd(d0, d0));
	acc.high = _mm512_add_pd(acc.high, _mm512_mul_pd(d1, d1));
	return acc;
}

/* acc + |x - y| */
TARGET_INLINE Lanes
lanes_add_abs(Lanes acc, Lanes x, Lanes y)
{
	__m512d		d0 = _mm512_sub_pd(x.low, y.low);
	__m512d		d1 = _mm512_sub_pd(x.high, y.high);

	acc.low = _mm512_add_pd(acc.low, _mm512_abs_pd(d0));
	acc.high = _mm512_add_pd(acc.high, _mm512_abs_pd(d1));
	return acc;
}

/* the order of vecam_sum_lanes() */
TARGET_INLINE double
lanes_sum(Lanes acc)
{
	__m512d		eight = _mm512_add_pd(acc.low, acc.high);
	__m256d		four = _mm256_add_pd(_mm512_castpd512_pd256(eight),
									 _mm512_extractf64x4_pd(eight, 1));
	__m128d		two = _mm_add_pd(_mm256_castpd256_pd128(four),
								 _mm256_extractf128_pd(four, 1));

	return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

TARGET static double
avx512_l2_squared(int n, const float *a, const float *b)
{
	Lanes		acc = lanes_zero();
	int			i;

	for (i = 0; i + VECAM_LANES <= n; i += VECAM_LANES)
		acc = lanes_add_squares(acc, lanes_load(a + i), lanes_load(b + i));
	if (i < n)
		acc = lanes_add_squares(acc, lanes_load_tail(a + i, n - i),
								lanes_load_tail(b + i, n - i));
	return lanes_sum(acc);
}

TARGET static double
avx512_inner_product(int n, const float *a, const float *b)
{
	Lanes		acc = lanes_zero();
	int			i;

	for (i = 0; i + VECAM_LANES <= n; i += VECAM_LANES)
		acc = lanes_fma(acc, lanes_load(a + i), lanes_load(b + i));
	if (i < n)
		acc = lanes_fma(acc, lanes_load_tail(a + i, n - i),
						lanes_load_tail(b + i, n - i));
	return lanes_sum(acc);
}

TARGET static double
avx512_l1(int n, const float *a, const float *b)
{
	Lanes		acc = lanes_zero();
	int			i;

	for (i = 0; i + VECAM_LANES <= n; i += VECAM_LANES)
		acc = lanes_add_abs(acc, lanes_load(a + i), lanes_load(b + i));
	if (i < n)
		acc = lanes_add_abs(acc, lanes_load_tail(a + i, n - i),
							lanes_load_tail(b + i, n - i));
	return lanes_sum(acc);
}

TARGET static VecamCosineTerms
avx512_cosine_terms(int n, const float *a, const float *b)
{
	Lanes		dot = lanes_zero();
	Lanes		aa = lanes_zero();
	Lanes		bb = lanes_zero();
	VecamCosineTerms terms;
	int			i;

	for (i = 0; i < n; i += VECAM_LANES)
	{
		bool		full = i + VECAM_LANES <= n;
		Lanes		x = full ? lanes_load(a + i) : lanes_load_tail(a + i, n - i);
		Lanes		y = full ? lanes_load(b + i) : lanes_load_tail(b + i, n - i);

		dot = lanes_fma(dot, x, y);
		aa = lanes_fma(aa, x, x);
		bb = lanes_fma(bb, y, y);
	}
	terms.dot = lanes_sum(dot);
	terms.norm2_a = lanes_sum(aa);
	terms.norm2_b = lanes_sum(bb);
	return terms;
}

TARGET static double
avx512_dot_f32_u8(int n, const float *q, const uint8 *code)
{
	Lanes		acc = lanes_zero();
	int			i;

	for (i = 0; i + VECAM_LANES <= n; i += VECAM_LANES)
		acc = lanes_fma(acc, lanes_load(q + i),
						lanes_of_codes(_mm_loadu_si128((const __m128i *) (code + i))));
	if (i < n)
		acc = lanes_fma(acc, lanes_load_tail(q + i, n - i),
						lanes_of_codes(_mm_maskz_loadu_epi8(MASK16(n - i), code + i)));
	return lanes_sum(acc);
}

/* The first count bytes at p (32 if there are more), widened, and zeros. */
TARGET_INLINE __m512i
load_bytes(const uint8 *p, int count)
{
	return _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(MASK32(count), p));
}

TARGET_INLINE __m512i
madd_i16_u8(__m512i acc, const int16 *q, const uint8 *code, int count)
{
	__m512i		x = _mm512_maskz_loadu_epi16(MASK32(count), q);

	return _mm512_add_epi32(acc,
							_mm512_madd_epi16(x, load_bytes(code, count)));
}

TARGET static int32
avx512_dot_i16_u8(int n, const int16 *q, const uint8 *code)
{
	__m512i		acc0 = _mm512_setzero_si512();
	__m512i		acc1 = _mm512_setzero_si512();
	int			i;

	for (i = 0; i + 64 <= n; i += 64)
	{
		acc0 = madd_i16_u8(acc0, q + i, code + i, 32);
		acc1 = madd_i16_u8(acc1, q + i + 32, code + i + 32, 32);
	}
	for (; i < n; i += 32)
		acc0 = madd_i16_u8(acc0, q + i, code + i, n - i);
	return _mm512_reduce_add_epi32(_mm512_add_epi32(acc0, acc1));
}

/* the sums of four registers */
TARGET_INLINE __m128i
sum_four(__m512i a, __m512i b, __m512i c, __m512i d)
{
	__m512i		ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b),
									  _mm512_unpackhi_epi32(a, b));
	__m512i		cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d),
									  _mm512_unpackhi_epi32(c, d));
	__m512i		s = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd),
									 _mm512_unpackhi_epi64(ab, cd));
	__m256i		t = _mm256_add_epi32(_mm512_castsi512_si256(s),
									 _mm512_extracti64x4_epi64(s, 1));

	return _mm_add_epi32(_mm256_castsi256_si128(t),
						 _mm256_extracti128_si256(t, 1));
}

/* acc + the first count of 32 products */
TARGET_INLINE __m512i
madd_codes(__m512i acc, __m512i q, const uint8 *code, int count)
{
	return _mm512_add_epi32(acc, _mm512_madd_epi16(q, load_bytes(code, count)));
}

/* The dots of four codes. */
TARGET_INLINE __m128i
four_dots(intptr_t n, const int16 *q, const uint8 *code0, int stride)
{
	const uint8 *code1 = code0 + stride;
	const uint8 *code2 = code1 + stride;
	const uint8 *code3 = code2 + stride;
	__m512i		acc0 = _mm512_setzero_si512();
	__m512i		acc1 = _mm512_setzero_si512();
	__m512i		acc2 = _mm512_setzero_si512();
	__m512i		acc3 = _mm512_setzero_si512();
	intptr_t	i;

	for (i = 0; i < n; i += 32)
	{
		int			count = Min(n - i, 32);
		__m512i		x = _mm512_maskz_loadu_epi16(MASK32(count), q + i);

		acc0 = madd_codes(acc0, x, code0 + i, count);
		acc1 = madd_codes(acc1, x, code1 + i, count);
		acc2 = madd_codes(acc2, x, code2 + i, count);
		acc3 = madd_codes(acc3, x, code3 + i, count);
	}
	return sum_four(acc0, acc1, acc2, acc3);
}

TARGET static void
avx512_dots_i16_u8(int n, const int16 *q, const uint8 *codes, int count,
				   int stride, int32 *dots)
{
	int			r;

	for (r = 0; r + 4 <= count; r += 4)
		_mm_storeu_si128((__m128i *) (dots + r),
						 four_dots(n, q, codes + (size_t) r * stride, stride));
	for (; r < count; r++)
		dots[r] = avx512_dot_i16_u8(n, q, codes + (size_t) r * stride);
}

TARGET_INLINE __m512i
madd_u8_u8(__m512i acc, const uint8 *a, const uint8 *b, int count)
{
	return _mm512_add_epi32(acc,
							_mm512_madd_epi16(load_bytes(a, count),
											  load_bytes(b, count)));
}

TARGET static uint32
avx512_dot_u8_u8(int n, const uint8 *a, const uint8 *b)
{
	__m512i		acc0 = _mm512_setzero_si512();
	__m512i		acc1 = _mm512_setzero_si512();
	int			i;

	for (i = 0; i + 64 <= n; i += 64)
	{
		acc0 = madd_u8_u8(acc0, a + i, b + i, 32);
		acc1 = madd_u8_u8(acc1, a + i + 32, b + i + 32, 32);
	}
	for (; i < n; i += 32)
		acc0 = madd_u8_u8(acc0, a + i, b + i, n - i);
	return (uint32) _mm512_reduce_add_epi32(_mm512_add_epi32(acc0, acc1));
}

TARGET static uint64
avx512_popcount_and(int n, const uint64 *a, const uint64 *b)
{
	uint64		sum = 0;
	int			i;

	for (i = 0; i < n; i++)
		sum += _mm_popcnt_u64(a[i] & b[i]);
	return sum;
}

TARGET static uint64
avx512_popcount_xor(int n, const uint64 *a, const uint64 *b)
{
	uint64		sum = 0;
	int			i;

	for (i = 0; i < n; i++)
		sum += _mm_popcnt_u64(a[i] ^ b[i]);
	return sum;
}

/*
 * Sketches are summed in groups, which read the query's digits once, and
 * estimated in batches of as many as fit a register.
 */
#define GROUP 4
#define BATCH 16

/*
 * Words after which a byte that began at 128 must be emptied: a digit adds
 * -8 .. 7 for one bit, -24 .. 21 for two.
 */
#define RUN_WORDS(bits) ((bits) == 1 ? 16 : 5)
#define RUN_BIAS (64 * 128)

/*
 * Add the digits k to the bytes of each sketch, for the words first .. end - 1
 * of a plane.  A word of a sketch is the mask that says where its digits go.
 */
TARGET_INLINE void
add_digits(__m512i *acc, const int8 *k, int bits, int words, int first,
		   int end, const uint64 *const *sketch)
{
	int			w;
	int			r;

#define ADD(digits, mask) \
	(acc[r] = _mm512_mask_add_epi8(acc[r], (__mmask64) (mask), acc[r], (digits)))
#pragma GCC unroll 16
	for (w = first; w < end; w++)
	{
		__m512i		digits = _mm512_loadu_si512(k + 64 * w);
		__m512i		twice = _mm512_add_epi8(digits, digits);

		for (r = 0; r < GROUP; r++)
			ADD(bits == 1 ? digits : twice, sketch[r][w]);
		for (r = 0; bits == 2 && r < GROUP; r++)
			ADD(digits, sketch[r][words + w]);
	}
#undef ADD
}

/*
 * The sums of a group: each quarter of the result has a part of all four.
 */
TARGET_INLINE __m512i
group_sums(const int8 *k, int bits, int words, const uint64 *const *sketch)
{
	__m512i		total[GROUP];
	__m512i		x01;
	__m512i		x23;
	int			bias = 0;
	int			first;
	int			r;

	for (r = 0; r < GROUP; r++)
		total[r] = _mm512_setzero_si512();
	for (first = 0; first < words; first += RUN_WORDS(bits))
	{
		__m512i		acc[GROUP];

		for (r = 0; r < GROUP; r++)
			acc[r] = _mm512_set1_epi8(-128);
		if (first + RUN_WORDS(bits) <= words)
			add_digits(acc, k, bits, words, first, first + RUN_WORDS(bits),
					   sketch);
		else
			add_digits(acc, k, bits, words, first, words, sketch);
		for (r = 0; r < GROUP; r++)
			total[r] = _mm512_add_epi64(total[r],
										_mm512_sad_epu8(acc[r], _mm512_setzero_si512()));
		bias += RUN_BIAS / 4;
	}

	/* lanes of 64 bits, of which half is used; then pairs of neighbours */
	x01 = _mm512_mask_shuffle_epi32(total[0], 0xAAAA, total[1], 0xA0);
	x23 = _mm512_mask_shuffle_epi32(total[2], 0xAAAA, total[3], 0xA0);
	x01 = _mm512_add_epi32(_mm512_unpacklo_epi64(x01, x23),
						   _mm512_unpackhi_epi64(x01, x23));
	return _mm512_sub_epi32(x01, _mm512_set1_epi32(bias));
}

/* The quarters of a and of b, neighbours added. */
TARGET_INLINE __m512i
add_quarters(__m512i a, __m512i b)
{
	return _mm512_add_epi32(_mm512_shuffle_i64x2(a, b, 0x88),
							_mm512_shuffle_i64x2(a, b, 0xDD));
}

/* The sums of a batch of which the first count sketches exist. */
TARGET_INLINE __m512i
batch_sums(const int8 *k, int bits, int words, int count,
		   const uint64 *sketches)
{
	__m512i		group[BATCH / GROUP];
	int			r;
	int			j;

	for (r = 0; r < BATCH; r += GROUP)
	{
		const uint64 *sketch[GROUP];

		group[r / GROUP] = _mm512_setzero_si512();
		if (r >= count)
			continue;

		/* beyond the last: the last again */
		for (j = 0; j < GROUP; j++)
			sketch[j] = sketches + (size_t) Min(r + j, count - 1) * bits * words;
		group[r / GROUP] = group_sums(k, bits, words, sketch);
	}
	return add_quarters(add_quarters(group[0], group[1]),
						add_quarters(group[2], group[3]));
}

/* the definition's operations, on eight sketches */
TARGET_INLINE __m256
eight_estimates(const VecamSketchTerms *terms, __m256i sums, __m256 add,
				__m256 mul)
{
	__m512d		vq = _mm512_mul_pd(_mm512_set1_pd(terms->delta),
								   _mm512_cvtepi32_pd(sums));
	__m512d		d2 = _mm512_add_pd(_mm512_set1_pd(terms->centre),
								   _mm512_cvtps_pd(add));

	vq = _mm512_sub_pd(vq, _mm512_set1_pd(terms->offset));
	d2 = _mm512_add_pd(d2, _mm512_mul_pd(_mm512_cvtps_pd(mul), vq));

	/* of a NaN and a number these give the number, their second argument */
	d2 = _mm512_max_pd(d2, _mm512_set1_pd(-FLT_MAX));
	d2 = _mm512_min_pd(d2, _mm512_set1_pd(FLT_MAX));
	return _mm512_cvtpd_ps(d2);
}

TARGET_INLINE void
store_estimates(const VecamSketchTerms *terms, __m512i sums, int count,
				const float *factors, float *est)
{
	const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18,
										   20, 22, 24, 26, 28, 30);
	const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
	__m512		f0 = _mm512_maskz_loadu_ps(MASK16(2 * count), factors);
	__m512		f1 = _mm512_maskz_loadu_ps(count > 8 ? MASK16(2 * count - 16) : 0,
										   factors + 16);
	__m512		add = _mm512_permutex2var_ps(f0, even, f1);
	__m512		mul = _mm512_permutex2var_ps(f0, odd, f1);
	__m256		low = eight_estimates(terms, _mm512_castsi512_si256(sums),
									  _mm512_castps512_ps256(add),
									  _mm512_castps512_ps256(mul));
	__m256		high = eight_estimates(terms,
									   _mm512_extracti64x4_epi64(sums, 1),
									   _mm512_extractf32x8_ps(add, 1),
									   _mm512_extractf32x8_ps(mul, 1));

	_mm512_mask_storeu_ps(est, MASK16(count),
						  _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1));
}

/* bits, and words where they are few, are constants to the compiler. */
TARGET_INLINE void
all_estimates(const VecamSketchTerms *terms, int bits, int words, int count,
			  const uint64 *sketches, const float *factors, float *est)
{
	int			r;

	for (r = 0; r < count; r += BATCH)
	{
		__m512i		sums = batch_sums(terms->k, bits, words, count - r,
									  sketches + (size_t) r * bits * words);

		store_estimates(terms, sums, count - r, factors + 2 * r, est + r);
	}
}

TARGET static void
avx512_sketch_estimates(const VecamSketchTerms *terms, int count,
						const uint64 *sketches, const float *factors,
						float *est)
{
#define CASE(bits, words) \
	case 2 * (words) + (bits) - 1: \
		all_estimates(terms, (bits), (words), count, sketches, factors, est); \
		break
	switch (2 * terms->words + terms->bits - 1)
	{
			CASE(1, 1); CASE(1, 2); CASE(1, 3); CASE(1, 4);
			CASE(1, 5); CASE(1, 6); CASE(1, 7); CASE(1, 8);
			CASE(1, 9); CASE(1, 10); CASE(1, 11); CASE(1, 12);
			CASE(1, 13); CASE(1, 14); CASE(1, 15); CASE(1, 16);
			CASE(2, 1); CASE(2, 2); CASE(2, 3);
			CASE(2, 4); CASE(2, 5); CASE(2, 6);
		default:
			if (terms->bits == 1)
				all_estimates(terms, 1, terms->words, count, sketches,
							  factors, est);
			else
				all_estimates(terms, 2, terms->words, count, sketches,
							  factors, est);
	}
#undef CASE
}

/* Two of each, since a minimum waits four cycles for the one before it. */
typedef struct Range
{
	__m512		low[2];
	__m512		high[2];
	__m512i		magnitude;		/* the largest, as bits */
} Range;

TARGET_INLINE void
extend_range(Range *range, int j, __m512 v)
{
	__m512i		magnitude = _mm512_castps_si512(_mm512_abs_ps(v));

	range->low[j] = _mm512_min_ps(v, range->low[j]);
	range->high[j] = _mm512_max_ps(v, range->high[j]);
	range->magnitude = _mm512_max_epu32(range->magnitude, magnitude);
}

TARGET static bool
avx512_range(int n, const float *x, float *lo, float *hi)
{
	__m512		first = _mm512_set1_ps(x[0]);
	Range		range;
	int			i;

	range.low[0] = range.low[1] = range.high[0] = range.high[1] = first;
	range.magnitude = _mm512_setzero_si512();
	for (i = 0; i + 32 <= n; i += 32)
	{
		extend_range(&range, 0, _mm512_loadu_ps(x + i));
		extend_range(&range, 1, _mm512_loadu_ps(x + i + 16));
	}
	for (; i < n; i += 16)
		extend_range(&range, 0,
					 _mm512_mask_loadu_ps(first, MASK16(n - i), x + i));

	/* no negative zero */
	*lo = _mm512_reduce_min_ps(_mm512_min_ps(range.low[0], range.low[1])) + 0.0f;
	*hi = _mm512_reduce_max_ps(_mm512_max_ps(range.high[0], range.high[1])) + 0.0f;

	/* infinity has the least bits of all that is not finite */
	return _mm512_cmplt_epu32_mask(range.magnitude,
								   _mm512_castps_si512(_mm512_set1_ps(INFINITY))) == 0xFFFF;
}

typedef struct Measures
{
	Lanes		loss;
	Lanes		norm;
	__m512i		sum;
} Measures;

/* acc + (x - scale * k)^2; scale * k is exact */
TARGET_INLINE __m512d
add_loss(__m512d acc, __m256 x, __m512d scale, __m512d k)
{
	__m512d		e = _mm512_fnmadd_pd(scale, k, _mm512_cvtps_pd(x));

	return _mm512_add_pd(acc, _mm512_mul_pd(e, e));
}

/* Sixteen numbers, given by halves. */
TARGET_INLINE __m256i
quantise_sixteen(__m256 x0, __m256 x1, __m512 inverse, __m512d scale,
				 Measures *m)
{
	__m512		x = _mm512_insertf32x8(_mm512_castps256_ps512(x0), x1, 1);
	__m512i		k = _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse));
	__m512d		k0 = _mm512_cvtepi32_pd(_mm512_castsi512_si256(k));
	__m512d		k1 = _mm512_cvtepi32_pd(_mm512_extracti32x8_epi32(k, 1));

	m->loss.low = add_loss(m->loss.low, x0, scale, k0);
	m->loss.high = add_loss(m->loss.high, x1, scale, k1);
	m->norm.low = _mm512_fmadd_pd(k0, k0, m->norm.low);
	m->norm.high = _mm512_fmadd_pd(k1, k1, m->norm.high);
	m->sum = _mm512_add_epi32(m->sum, k);
	return _mm512_cvtepi32_epi16(k);
}

TARGET static VecamQuantised
avx512_quantise(int n, const float *x, float inverse, double scale, int16 *k)
{
	const __m512 inv = _mm512_set1_ps(inverse);
	const __m512d s = _mm512_set1_pd(scale);
	Measures	m = {lanes_zero(), lanes_zero(), _mm512_setzero_si512()};
	VecamQuantised result;
	int			i;

	for (i = 0; i + 16 <= n; i += 16)
		_mm256_storeu_si256((__m256i *) (k + i),
							quantise_sixteen(_mm256_loadu_ps(x + i),
											 _mm256_loadu_ps(x + i + 8),
											 inv, s, &m));
	if (i < n)
	{
		__m512		v = _mm512_maskz_loadu_ps(MASK16(n - i), x + i);

		_mm256_mask_storeu_epi16(k + i, MASK16(n - i),
								 quantise_sixteen(_mm512_castps512_ps256(v),
												  _mm512_extractf32x8_ps(v, 1),
												  inv, s, &m));
	}
	result.loss2 = lanes_sum(m.loss);
	result.norm2 = lanes_sum(m.norm);
	result.sum = (double) _mm512_reduce_add_epi32(m.sum);
	return result;
}

/* Sums of digits are exact in float4. */
typedef struct DigitLanes
{
	__m512		product;
	__m512		sum;
	__m512		norm;
} DigitLanes;

TARGET_INLINE __m128i
sixteen_digits(__m512 x, __m512 inverse, DigitLanes *sums)
{
	__m512		t = _mm512_mul_ps(x, inverse);
	__m512		cut = _mm512_min_ps(_mm512_max_ps(t, _mm512_set1_ps(-8.0f)),
									_mm512_set1_ps(7.0f));
	__m512i		k = _mm512_cvtps_epi32(cut);
	__m512		f = _mm512_cvtepi32_ps(k);

	sums->product = _mm512_add_ps(sums->product, _mm512_mul_ps(t, f));
	sums->sum = _mm512_add_ps(sums->sum, f);
	sums->norm = _mm512_fmadd_ps(f, f, sums->norm);
	return _mm512_cvtepi32_epi8(k);
}

TARGET static VecamDigitSums
avx512_sketch_digits(int n, const float *x, float inverse, int8 *k)
{
	const __m512 inv = _mm512_set1_ps(inverse);
	const __m512 zero = _mm512_setzero_ps();
	DigitLanes	lanes = {zero, zero, zero};
	VecamDigitSums sums;
	int			i;

	for (i = 0; i + 16 <= n; i += 16)
		_mm_storeu_si128((__m128i *) (k + i),
						 sixteen_digits(_mm512_loadu_ps(x + i), inv, &lanes));
	if (i < n)
		_mm_mask_storeu_epi8(k + i, MASK16(n - i),
							 sixteen_digits(_mm512_maskz_loadu_ps(MASK16(n - i),
																  x + i),
											inv, &lanes));
	sums.product = lanes_sum(lanes_widen(lanes.product));
	sums.sum = (int32) _mm512_reduce_add_ps(lanes.sum);
	sums.norm2 = (int32) _mm512_reduce_add_ps(lanes.norm);
	return sums;
}

TARGET static void
avx512_bit_planes(int words, const int8 *k, int stride, uint64 *planes)
{
	int			w;
	int			p;

	for (w = 0; w < words; w++)
	{
		__m512i		v = _mm512_loadu_si512(k + 64 * w);

		for (p = 0; p < 4; p++)
			planes[p * stride + w] =
				_mm512_test_epi8_mask(v, _mm512_set1_epi8((char) (1 << p)));
	}
}

TARGET static void
avx512_flip_signs(int n, const uint8 *signs, float *x)
{
	const __m512i minus = _mm512_set1_epi32(PG_INT32_MIN);
	int			i;

	for (i = 0; i + 16 <= n; i += 16)
	{
		uint16		flip;
		__m512i		v = _mm512_loadu_si512(x + i);

		memcpy(&flip, signs + i / 8, sizeof(flip));
		_mm512_storeu_si512(x + i,
							_mm512_mask_xor_epi32(v, (__mmask16) flip, v, minus));
	}
	vecam_scalar_table.flip_signs(n - i, signs + i / 8, x + i);
}

/*
 * x and its partners: their sum where sign is 1, partner - x where it is -1;
 * the product is exact.
 */
TARGET_INLINE __m512
butterfly_within(__m512 x, __m512 partner, __m512 sign)
{
	return _mm512_fmadd_ps(x, sign, partner);
}

TARGET_INLINE void
butterfly(__m512 *a, __m512 *b)
{
	__m512		sum = _mm512_add_ps(*a, *b);

	*b = _mm512_sub_ps(*a, *b);
	*a = sum;
}

/* 1 and -1 by the bits */
TARGET_INLINE __m512
signs_of_bits(__mmask16 minus)
{
	return _mm512_mask_blend_ps(minus, _mm512_set1_ps(1.0f),
								_mm512_set1_ps(-1.0f));
}

/* Levels 1, 2, 4 and 8 of 16 elements, and the scaling. */
TARGET_INLINE __m512
sixteen_transformed(const float *x, float scale)
{
	__m512		v = _mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(scale));

	v = butterfly_within(v, _mm512_permute_ps(v, 0xB1), signs_of_bits(0xAAAA));
	v = butterfly_within(v, _mm512_permute_ps(v, 0x4E), signs_of_bits(0xCCCC));
	v = butterfly_within(v, _mm512_shuffle_f32x4(v, v, 0xB1),
						 signs_of_bits(0xF0F0));
	return butterfly_within(v, _mm512_shuffle_f32x4(v, v, 0x4E),
							signs_of_bits(0xFF00));
}

/*
 * The first levels of blocks of count * 16 elements (count = 1 .. 16, a power
 * of two, constant), which stay in registers.
 */
TARGET_INLINE void
fht_blocks(int count, int n, float scale, float *x)
{
	__m512		v[16];
	int			i;
	int			h;
	int			j;

	for (i = 0; i < n; i += 16 * count)
	{
#pragma GCC unroll 16
		for (j = 0; j < count; j++)
			v[j] = sixteen_transformed(x + i + 16 * j, scale);
#pragma GCC unroll 4
		for (h = 1; h < count; h *= 2)
		{
#pragma GCC unroll 16
			for (j = 0; j < count; j++)
			{
				if ((j & h) == 0)
					butterfly(&v[j], &v[j + h]);
			}
		}
#pragma GCC unroll 16
		for (j = 0; j < count; j++)
			_mm512_storeu_ps(x + i + 16 * j, v[j]);
	}
}

/* Levels h and 2h in one pass over the array. */
TARGET_INLINE void
fht_two_levels(int n, int h, float *x)
{
	int			i;
	int			j;

	for (i = 0; i < n; i += 4 * h)
	{
		for (j = i; j < i + h; j += 16)
		{
			__m512		a = _mm512_loadu_ps(x + j);
			__m512		b = _mm512_loadu_ps(x + j + h);
			__m512		c = _mm512_loadu_ps(x + j + 2 * h);
			__m512		d = _mm512_loadu_ps(x + j + 3 * h);

			butterfly(&a, &b);
			butterfly(&c, &d);
			butterfly(&a, &c);
			butterfly(&b, &d);
			_mm512_storeu_ps(x + j, a);
			_mm512_storeu_ps(x + j + h, b);
			_mm512_storeu_ps(x + j + 2 * h, c);
			_mm512_storeu_ps(x + j + 3 * h, d);
		}
	}
}

/* The levels from h on. */
TARGET_INLINE void
fht_last_levels(int n, int h, float *x)
{
	int			j;

	for (; 2 * h < n; h *= 4)
		fht_two_levels(n, h, x);
	if (h < n)
	{
		for (j = 0; j < h; j += 16)
		{
			__m512		a = _mm512_loadu_ps(x + j);
			__m512		b = _mm512_loadu_ps(x + j + h);

			butterfly(&a, &b);
			_mm512_storeu_ps(x + j, a);
			_mm512_storeu_ps(x + j + h, b);
		}
	}
}

TARGET static void
avx512_fht(int log2n, float scale, float *x)
{
	int			n = 1 << log2n;

	switch (n)
	{
		case 1:
		case 2:
		case 4:
		case 8:
			vecam_scalar_table.fht(log2n, scale, x);
			break;
		case 16:
			fht_blocks(1, n, scale, x);
			break;
		case 32:
			fht_blocks(2, n, scale, x);
			break;
		case 64:
			fht_blocks(4, n, scale, x);
			break;
		case 128:
			fht_blocks(8, n, scale, x);
			break;
		default:
			fht_blocks(16, n, scale, x);
			fht_last_levels(n, 256, x);
	}
}

TARGET static void
avx512_kac(int n, float scale, float *x)
{
	const __m512 s = _mm512_set1_ps(scale);
	int			half = (n + 1) / 2;
	int			i;

	for (i = 0; i + 16 <= n - half; i += 16)
	{
		__m512		a = _mm512_loadu_ps(x + i);
		__m512		b = _mm512_loadu_ps(x + i + half);

		butterfly(&a, &b);
		_mm512_storeu_ps(x + i, _mm512_mul_ps(a, s));
		_mm512_storeu_ps(x + i + half, _mm512_mul_ps(b, s));
	}
	if (i < n - half)
	{
		__mmask16	m = MASK16(n - half - i);
		__m512		a = _mm512_maskz_loadu_ps(m, x + i);
		__m512		b = _mm512_maskz_loadu_ps(m, x + i + half);

		butterfly(&a, &b);
		_mm512_mask_storeu_ps(x + i, m, _mm512_mul_ps(a, s));
		_mm512_mask_storeu_ps(x + i + half, m, _mm512_mul_ps(b, s));
	}
}

/* The first count bytes at p (16 if there are more), as int32, and zeros. */
TARGET_INLINE __m512i
sixteen_bytes(const uint8 *p, int count)
{
	return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(MASK16(count), p));
}

/* What the encoders need of a code's head, in all lanes. */
typedef struct Scale
{
	__m512d		lo;
	__m512d		delta;
	__m512d		inverse;
} Scale;

TARGET_INLINE Scale
scale_of(double lo, double delta)
{
	Scale		s;

	s.lo = _mm512_set1_pd(lo);
	s.delta = _mm512_set1_pd(delta);
	s.inverse = _mm512_set1_pd(delta > 0.0 ? 1.0 / delta : 0.0);
	return s;
}

/* Add (x - v)^2 and v^2, v = lo + delta * k, to eight lanes. */
TARGET_INLINE void
add_code_squares(Scale s, __m512d x, __m512d k, __mmask8 mask, double *loss,
				 double *norm)
{
	__m512d		v = _mm512_add_pd(s.lo, _mm512_mul_pd(s.delta, k));
	__m512d		e = _mm512_maskz_sub_pd(mask, x, v);

	v = _mm512_maskz_mov_pd(mask, v);
	_mm512_storeu_pd(loss, _mm512_add_pd(_mm512_loadu_pd(loss),
										 _mm512_mul_pd(e, e)));
	_mm512_storeu_pd(norm, _mm512_add_pd(_mm512_loadu_pd(norm),
										 _mm512_mul_pd(v, v)));
}

TARGET_INLINE __m256i
sq8_of(Scale s, __m512d x)
{
	__m512d		t = _mm512_add_pd(_mm512_mul_pd(_mm512_sub_pd(x, s.lo), s.inverse),
								  _mm512_set1_pd(0.5));

	return _mm512_cvttpd_epi32(_mm512_min_pd(t, _mm512_set1_pd(255.0)));
}

TARGET static void
avx512_encode_sq8(int n, const float *x, double lo, double delta, uint8 *code,
				  double *loss, double *norm)
{
	const Scale s = scale_of(lo, delta);
	int			i;

	for (i = 0; i < n; i += VECAM_LANES)
	{
		__mmask16	mask = MASK16(n - i);
		Lanes		a = lanes_load_tail(x + i, n - i);
		__m256i		low = sq8_of(s, a.low);
		__m256i		high = sq8_of(s, a.high);

		add_code_squares(s, a.low, _mm512_cvtepi32_pd(low), (__mmask8) mask,
						 loss, norm);
		add_code_squares(s, a.high, _mm512_cvtepi32_pd(high),
						 (__mmask8) (mask >> 8), loss + 8, norm + 8);
		_mm_mask_storeu_epi8(code + i, mask,
							 _mm512_cvtepi32_epi8(_mm512_inserti32x8(_mm512_castsi256_si512(low),
																	 high, 1)));
	}
}

/* Where eight numbers lie in the range of their codes, in sixteenths. */
TARGET_INLINE __m256i
fine_of(Scale s, __m512d x, __m512d code)
{
	__m512d		t = _mm512_sub_pd(_mm512_mul_pd(_mm512_sub_pd(x, s.lo), s.inverse),
								  code);
	__m256i		f;

	t = _mm512_mul_pd(_mm512_add_pd(t, _mm512_set1_pd(0.5)), _mm512_set1_pd(16.0));
	f = _mm256_max_epi32(_mm512_cvttpd_epi32(t), _mm256_setzero_si256());
	return _mm256_min_epi32(f, _mm256_set1_epi32(15));
}

/* The code with its finer part: c + (f - 7.5) / 16, which is exact. */
TARGET_INLINE __m512d
refined(__m512d code, __m256i f)
{
	__m512d		part = _mm512_sub_pd(_mm512_cvtepi32_pd(f), _mm512_set1_pd(7.5));

	return _mm512_add_pd(code, _mm512_mul_pd(part, _mm512_set1_pd(1.0 / 16.0)));
}

TARGET static void
avx512_encode_fine(int n, const float *x, double lo, double delta,
				   const uint8 *code, int shift, uint8 *fine, double *loss,
				   double *norm)
{
	const Scale s = scale_of(lo, delta);
	const __m128i count = _mm_cvtsi32_si128(shift);
	int			i;

	for (i = 0; i < n; i += VECAM_LANES)
	{
		__mmask16	mask = MASK16(n - i);
		Lanes		a = lanes_load_tail(x + i, n - i);
		Lanes		c = lanes_of_codes(_mm_maskz_loadu_epi8(mask, code + i));
		__m256i		low = fine_of(s, a.low, c.low);
		__m256i		high = fine_of(s, a.high, c.high);
		__m512i		f = _mm512_inserti32x8(_mm512_castsi256_si512(low), high, 1);
		__m128i		bytes = _mm512_cvtepi32_epi8(_mm512_sll_epi32(f, count));

		add_code_squares(s, a.low, refined(c.low, low), (__mmask8) mask, loss,
						 norm);
		add_code_squares(s, a.high, refined(c.high, high),
						 (__mmask8) (mask >> 8), loss + 8, norm + 8);
		_mm_mask_storeu_epi8(fine + i, mask,
							 _mm_or_si128(bytes, _mm_maskz_loadu_epi8(mask, fine + i)));
	}
}

TARGET static void
avx512_decode_fine(int n, float origin, float step, const uint8 *code,
				   const uint8 *fine, int shift, float *x)
{
	const __m128i count = _mm_cvtsi32_si128(shift);
	const __m512i nibble = _mm512_set1_epi32(0x0F);
	const __m512 o = _mm512_set1_ps(origin);
	const __m512 s = _mm512_set1_ps(step);
	int			i;

	for (i = 0; i < n; i += 16)
	{
		__m512i		f = _mm512_and_si512(_mm512_srl_epi32(sixteen_bytes(fine + i, n - i),
														  count), nibble);
		__m512i		k = _mm512_or_si512(_mm512_slli_epi32(sixteen_bytes(code + i, n - i), 4),
										f);

		_mm512_mask_storeu_ps(x + i, MASK16(n - i),
							  _mm512_add_ps(o, _mm512_mul_ps(s, _mm512_cvtepi32_ps(k))));
	}
}

TARGET static void
avx512_decode_sq8(int n, double lo, double delta, const uint8 *code, float *x)
{
	const __m512d l = _mm512_set1_pd(lo);
	const __m512d d = _mm512_set1_pd(delta);
	const __m512d largest = _mm512_set1_pd(FLT_MAX);
	int			i;

	for (i = 0; i < n; i += 16)
	{
		Lanes		k = lanes_widen(_mm512_cvtepi32_ps(sixteen_bytes(code + i, n - i)));
		__m512d		low = _mm512_add_pd(l, _mm512_mul_pd(d, k.low));
		__m512d		high = _mm512_add_pd(l, _mm512_mul_pd(d, k.high));

		low = _mm512_min_pd(low, largest);
		high = _mm512_min_pd(high, largest);
		_mm512_mask_storeu_ps(x + i, MASK16(n - i),
							  _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)),
												 _mm512_cvtpd_ps(high), 1));
	}
}

TARGET static void
avx512_sketch_levels(int n, const float *x, const float *c, float threshold,
					 uint64 *high, uint64 *low, double *rv, double *vc)
{
	const __m512 t = _mm512_set1_ps(threshold);
	const __m512 sign = _mm512_set1_ps(-0.0f);
	Lanes		sum_rv = {_mm512_loadu_pd(rv), _mm512_loadu_pd(rv + 8)};
	Lanes		sum_vc = {_mm512_loadu_pd(vc), _mm512_loadu_pd(vc + 8)};
	int			i;

	*high = *low = 0;
	for (i = 0; i < n; i += 16)
	{
		__mmask16	mask = MASK16(n - i);
		__m512		cc = _mm512_maskz_loadu_ps(mask, c + i);
		__m512		r = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), cc);
		__mmask16	positive = _mm512_cmp_ps_mask(r, _mm512_setzero_ps(), _CMP_GT_OQ);
		__mmask16	large = _mm512_cmp_ps_mask(_mm512_andnot_ps(sign, r), t, _CMP_GE_OQ);
		__m512		size = _mm512_mask_blend_ps(large, _mm512_set1_ps(0.5f),
												_mm512_set1_ps(1.5f));
		Lanes		v = lanes_widen(_mm512_mask_xor_ps(size, (__mmask16) ~positive, size, sign));
		Lanes		wide_r = lanes_widen(r);
		Lanes		wide_c = lanes_widen(cc);

		/* the products are exact */
		sum_rv.low = _mm512_fmadd_pd(v.low, wide_r.low, sum_rv.low);
		sum_rv.high = _mm512_fmadd_pd(v.high, wide_r.high, sum_rv.high);
		sum_vc.low = _mm512_fmadd_pd(v.low, wide_c.low, sum_vc.low);
		sum_vc.high = _mm512_fmadd_pd(v.high, wide_c.high, sum_vc.high);
		*high |= (uint64) (positive & mask) << i;
		*low |= (uint64) ((__mmask16) ~(positive ^ large) & mask) << i;
	}
	_mm512_storeu_pd(rv, sum_rv.low);
	_mm512_storeu_pd(rv + 8, sum_rv.high);
	_mm512_storeu_pd(vc, sum_vc.low);
	_mm512_storeu_pd(vc + 8, sum_vc.high);
}

static const VecamKernels avx512_table = {
	.level = VECAM_SIMD_AVX512,
	.name = "avx512",
	.l2_squared = avx512_l2_squared,
	.inner_product = avx512_inner_product,
	.l1 = avx512_l1,
	.cosine_terms = avx512_cosine_terms,
	.dot_f32_u8 = avx512_dot_f32_u8,
	.dot_i16_u8 = avx512_dot_i16_u8,
	.dots_i16_u8 = avx512_dots_i16_u8,
	.screen_codes = vecam_avx2_screen_codes,
	.dot_u8_u8 = avx512_dot_u8_u8,
	.popcount_and = avx512_popcount_and,
	.popcount_xor = avx512_popcount_xor,
	.sketch_estimates = avx512_sketch_estimates,
	.range = avx512_range,
	.quantise = avx512_quantise,
	.sketch_digits = avx512_sketch_digits,
	.bit_planes = avx512_bit_planes,
	.flip_signs = avx512_flip_signs,
	.fht = avx512_fht,
	.kac = avx512_kac,
	.encode_sq8 = avx512_encode_sq8,
	.encode_fine = avx512_encode_fine,
	.decode_fine = avx512_decode_fine,
	.decode_sq8 = avx512_decode_sq8,
	.sketch_levels = avx512_sketch_levels,
};

const VecamKernels *
vecam_kernels_avx512(void)
{
	return &avx512_table;
}

#else

const VecamKernels *
vecam_kernels_avx512(void)
{
	return NULL;
}

#endif							/* __x86_64__ */
