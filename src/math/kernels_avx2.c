/*-------------------------------------------------------------------------
 *
 * kernels_avx2.c
 *	  Kernels for x86-64 CPUs with AVX2, FMA and POPCNT.
 *
 * The functions carry their target themselves, so that no compiler flag is
 * needed and nothing else in the module is compiled for these instructions.
 * Floating point kernels use FMA only where the product is exact in double.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <float.h>

#include "math/kernels.h"

#if defined(__x86_64__)

#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define TARGET __attribute__((target("avx2,fma,popcnt")))
#define TARGET_INLINE static inline __attribute__((always_inline)) TARGET

/* VECAM_LANES doubles: v[k] holds lanes 4k .. 4k + 3 */
typedef struct Lanes
{
	__m256d		v[4];
} Lanes;

/* A window into this gives a mask of the first 0 .. 16 of 16 elements. */
static const int32 tail_masks[2 * VECAM_LANES] = {
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
};

TARGET_INLINE Lanes
lanes_zero(void)
{
	Lanes		z;

	z.v[0] = z.v[1] = z.v[2] = z.v[3] = _mm256_setzero_pd();
	return z;
}

TARGET_INLINE Lanes
lanes_load(const float *p)
{
	Lanes		x;

	x.v[0] = _mm256_cvtps_pd(_mm_loadu_ps(p));
	x.v[1] = _mm256_cvtps_pd(_mm_loadu_ps(p + 4));
	x.v[2] = _mm256_cvtps_pd(_mm_loadu_ps(p + 8));
	x.v[3] = _mm256_cvtps_pd(_mm_loadu_ps(p + 12));
	return x;
}

TARGET_INLINE __m256d
masked_load(const float *p, const int32 *mask)
{
	__m128i		m = _mm_loadu_si128((const __m128i *) mask);

	return _mm256_cvtps_pd(_mm_maskload_ps(p, m));
}

/*
 * The first count < 16 floats at p and zeros.  Zeros do not change a lane: no
 * accumulator is ever -0.  A masked load touches no memory behind the mask.
 */
TARGET_INLINE Lanes
lanes_load_tail(const float *p, int count)
{
	const int32 *mask = tail_masks + VECAM_LANES - count;
	Lanes		x;

	x.v[0] = masked_load(p, mask);
	x.v[1] = masked_load(p + 4, mask + 4);
	x.v[2] = masked_load(p + 8, mask + 8);
	x.v[3] = masked_load(p + 12, mask + 12);
	return x;
}

TARGET_INLINE __m256d
four_codes(const uint8 *p)
{
	int32		bytes;

	memcpy(&bytes, p, sizeof(bytes));
	return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes)));
}

TARGET_INLINE Lanes
lanes_load_codes(const uint8 *p)
{
	Lanes		x;

	x.v[0] = four_codes(p);
	x.v[1] = four_codes(p + 4);
	x.v[2] = four_codes(p + 8);
	x.v[3] = four_codes(p + 12);
	return x;
}

/* acc + x * y, for exact products */
TARGET_INLINE Lanes
lanes_fma(Lanes acc, Lanes x, Lanes y)
{
	acc.v[0] = _mm256_fmadd_pd(x.v[0], y.v[0], acc.v[0]);
	acc.v[1] = _mm256_fmadd_pd(x.v[1], y.v[1], acc.v[1]);
	acc.v[2] = _mm256_fmadd_pd(x.v[2], y.v[2], acc.v[2]);
	acc.v[3] = _mm256_fmadd_pd(x.v[3], y.v[3], acc.v[3]);
	return acc;
}

TARGET_INLINE __m256d
add_square(__m256d acc, __m256d x, __m256d y)
{
	__m256d		d = _mm256_sub_pd(x, y);

	return _mm256_add_pd(acc, _mm256_mul_pd(d, d));
}

/* acc + (x - y)^2 */
TARGET_INLINE Lanes
lanes_add_squares(Lanes acc, Lanes x, Lanes y)
{
	acc.v[0] = add_square(acc.v[0], x.v[0], y.v[0]);
	acc.v[1] = add_square(acc.v[1], x.v[1], y.v[1]);
	acc.v[2] = add_square(acc.v[2], x.v[2], y.v[2]);
	acc.v[3] = add_square(acc.v[3], x.v[3], y.v[3]);
	return acc;
}

TARGET_INLINE __m256d
add_abs(__m256d acc, __m256d x, __m256d y)
{
	__m256d		d = _mm256_sub_pd(x, y);

	return _mm256_add_pd(acc, _mm256_andnot_pd(_mm256_set1_pd(-0.0), d));
}

/* acc + |x - y| */
TARGET_INLINE Lanes
lanes_add_abs(Lanes acc, Lanes x, Lanes y)
{
	acc.v[0] = add_abs(acc.v[0], x.v[0], y.v[0]);
	acc.v[1] = add_abs(acc.v[1], x.v[1], y.v[1]);
	acc.v[2] = add_abs(acc.v[2], x.v[2], y.v[2]);
	acc.v[3] = add_abs(acc.v[3], x.v[3], y.v[3]);
	return acc;
}

/* the order of vecam_sum_lanes() */
TARGET_INLINE double
lanes_sum(Lanes acc)
{
	__m256d		eight0 = _mm256_add_pd(acc.v[0], acc.v[2]);
	__m256d		eight1 = _mm256_add_pd(acc.v[1], acc.v[3]);
	__m256d		four = _mm256_add_pd(eight0, eight1);
	__m128d		two = _mm_add_pd(_mm256_castpd256_pd128(four),
								 _mm256_extractf128_pd(four, 1));

	return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

TARGET static double
avx2_l2_squared(int n, const float *a, const float *b)
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
avx2_inner_product(int n, const float *a, const float *b)
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
avx2_l1(int n, const float *a, const float *b)
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
avx2_cosine_terms(int n, const float *a, const float *b)
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
avx2_dot_f32_u8(int n, const float *q, const uint8 *code)
{
	Lanes		acc = lanes_zero();
	int			i;

	for (i = 0; i + VECAM_LANES <= n; i += VECAM_LANES)
		acc = lanes_fma(acc, lanes_load(q + i), lanes_load_codes(code + i));
	if (i < n)
	{
		uint8		tail[VECAM_LANES] = {0};

		memcpy(tail, code + i, n - i);
		acc = lanes_fma(acc, lanes_load_tail(q + i, n - i),
						lanes_load_codes(tail));
	}
	return lanes_sum(acc);
}

TARGET_INLINE int32
sum_epi32(__m256i x)
{
	__m128i		s = _mm_add_epi32(_mm256_castsi256_si128(x),
								  _mm256_extracti128_si256(x, 1));

	s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
	s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1));
	return _mm_cvtsi128_si32(s);
}

/* sixteen bytes, widened to 16 bits */
TARGET_INLINE __m256i
widen_codes(const uint8 *p)
{
	return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *) p));
}

TARGET_INLINE __m256i
madd_i16_u8(__m256i acc, const int16 *q, const uint8 *code)
{
	__m256i		x = _mm256_loadu_si256((const __m256i *) q);

	return _mm256_add_epi32(acc, _mm256_madd_epi16(x, widen_codes(code)));
}

TARGET static int32
avx2_dot_i16_u8(int n, const int16 *q, const uint8 *code)
{
	__m256i		acc0 = _mm256_setzero_si256();
	__m256i		acc1 = _mm256_setzero_si256();
	__m256i		acc2 = _mm256_setzero_si256();
	__m256i		acc3 = _mm256_setzero_si256();
	int32		sum = 0;
	int			i;

	for (i = 0; i + 64 <= n; i += 64)
	{
		acc0 = madd_i16_u8(acc0, q + i, code + i);
		acc1 = madd_i16_u8(acc1, q + i + 16, code + i + 16);
		acc2 = madd_i16_u8(acc2, q + i + 32, code + i + 32);
		acc3 = madd_i16_u8(acc3, q + i + 48, code + i + 48);
	}
	for (; i + 16 <= n; i += 16)
		acc0 = madd_i16_u8(acc0, q + i, code + i);
	for (; i < n; i++)
		sum += (int32) q[i] * (int32) code[i];
	acc0 = _mm256_add_epi32(_mm256_add_epi32(acc0, acc1),
							_mm256_add_epi32(acc2, acc3));
	return sum + sum_epi32(acc0);
}

/*
 * The last n % 16 elements of the query, behind zeros: for a window that ends
 * where the codes end.
 */
TARGET_INLINE __m256i
load_query_tail(const int16 *q, int n)
{
	int16		window[16] = {0};
	int			tail = n % 16;

	memcpy(window + 16 - tail, q + n - tail, tail * sizeof(int16));
	return _mm256_loadu_si256((const __m256i *) window);
}

/* the sums of four registers */
TARGET_INLINE __m128i
sum_four(__m256i a, __m256i b, __m256i c, __m256i d)
{
	__m256i		s = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b),
									  _mm256_hadd_epi32(c, d));

	return _mm_add_epi32(_mm256_castsi256_si128(s),
						 _mm256_extracti128_si256(s, 1));
}

/* acc + sixteen products */
TARGET_INLINE __m256i
madd_codes(__m256i acc, __m256i q, const uint8 *code)
{
	return _mm256_add_epi32(acc, _mm256_madd_epi16(q, widen_codes(code)));
}

/* The dots of four codes of n >= 16; tail is load_query_tail(q, n). */
TARGET_INLINE __m128i
four_dots(intptr_t n, const int16 *q, __m256i tail, const uint8 *code0,
		  int stride)
{
	const uint8 *code1 = code0 + stride;
	const uint8 *code2 = code1 + stride;
	const uint8 *code3 = code2 + stride;
	__m256i		acc0 = _mm256_setzero_si256();
	__m256i		acc1 = _mm256_setzero_si256();
	__m256i		acc2 = _mm256_setzero_si256();
	__m256i		acc3 = _mm256_setzero_si256();
	intptr_t	i;

	for (i = 0; i + 16 <= n; i += 16)
	{
		__m256i		x = _mm256_loadu_si256((const __m256i *) (q + i));

		acc0 = madd_codes(acc0, x, code0 + i);
		acc1 = madd_codes(acc1, x, code1 + i);
		acc2 = madd_codes(acc2, x, code2 + i);
		acc3 = madd_codes(acc3, x, code3 + i);
	}
	if (i < n)
	{
		acc0 = madd_codes(acc0, tail, code0 + n - 16);
		acc1 = madd_codes(acc1, tail, code1 + n - 16);
		acc2 = madd_codes(acc2, tail, code2 + n - 16);
		acc3 = madd_codes(acc3, tail, code3 + n - 16);
	}
	return sum_four(acc0, acc1, acc2, acc3);
}

TARGET static void
avx2_dots_i16_u8(int n, const int16 *q, const uint8 *codes, int count,
				 int stride, int32 *dots)
{
	int			r = 0;

	if (n >= 16)
	{
		__m256i		tail = load_query_tail(q, n);

		for (; r + 4 <= count; r += 4)
			_mm_storeu_si128((__m128i *) (dots + r),
							 four_dots(n, q, tail,
									   codes + (size_t) r * stride, stride));
	}
	for (; r < count; r++)
		dots[r] = avx2_dot_i16_u8(n, q, codes + (size_t) r * stride);
}

/* a + b + c + d + e */
TARGET_INLINE __m128
sum_terms(__m128 a, __m128 b, __m128 c, __m128 d, __m128 e)
{
	return _mm_add_ps(_mm_add_ps(_mm_add_ps(_mm_add_ps(a, b), c), d), e);
}

TARGET_INLINE __m128
abs_ps(__m128 x)
{
	return _mm_andnot_ps(_mm_set1_ps(-0.0f), x);
}

/* The screen of four codes, as four bits. */
TARGET_INLINE int
screen_four(const VecamScreen *s, const char *heads, int stride, __m128 dots)
{
	__m128		lo = _mm_loadu_ps((const float *) heads);
	__m128		delta = _mm_loadu_ps((const float *) (heads + stride));
	__m128		norm2 = _mm_loadu_ps((const float *) (heads + 2 * stride));
	__m128		residual = _mm_loadu_ps((const float *) (heads + 3 * stride));
	__m128		a;
	__m128		b;
	__m128		c;
	__m128		d;
	__m128		e = _mm_set1_ps(s->constant);
	__m128		threshold;

	/* until here they were the heads of four codes */
	_MM_TRANSPOSE4_PS(lo, delta, norm2, residual);
	a = _mm_mul_ps(_mm_set1_ps(s->norm2), norm2);
	b = _mm_mul_ps(_mm_set1_ps(s->lo), lo);
	c = _mm_mul_ps(_mm_set1_ps(s->product), _mm_mul_ps(delta, dots));
	d = _mm_mul_ps(_mm_set1_ps(s->residual2), residual);
	d = _mm_mul_ps(residual, _mm_add_ps(_mm_set1_ps(s->residual), d));
	threshold = _mm_mul_ps(_mm_set1_ps(VECAM_SCREEN_SLACK),
						   sum_terms(abs_ps(a), abs_ps(b), abs_ps(c),
									 abs_ps(d), abs_ps(e)));
	threshold = _mm_add_ps(threshold, _mm_set1_ps(FLT_MIN));
	return _mm_movemask_ps(_mm_cmp_ps(sum_terms(a, b, c, d, e), threshold,
									  _CMP_NGT_UQ));
}

TARGET uint64
vecam_avx2_screen_codes(const VecamScreen *s, const VecamSq8Header *heads,
						int count, int stride, const double *dots)
{
	const char *head = (const char *) heads;
	uint64		passed = 0;
	int			r;

	for (r = 0; r + 4 <= count; r += 4)
	{
		__m128		four = _mm256_cvtpd_ps(_mm256_loadu_pd(dots + r));

		passed |= (uint64) screen_four(s, head, stride, four) << r;
		head += 4 * (size_t) stride;
	}
	if (r < count)
		passed |= vecam_scalar_table.screen_codes(s, (const VecamSq8Header *) head,
												  count - r, stride, dots + r) << r;
	return passed;
}

TARGET_INLINE __m256i
madd_u8_u8(__m256i acc, const uint8 *a, const uint8 *b)
{
	return _mm256_add_epi32(acc, _mm256_madd_epi16(widen_codes(a),
												   widen_codes(b)));
}

TARGET static uint32
avx2_dot_u8_u8(int n, const uint8 *a, const uint8 *b)
{
	__m256i		acc0 = _mm256_setzero_si256();
	__m256i		acc1 = _mm256_setzero_si256();
	uint32		sum = 0;
	int			i;

	for (i = 0; i + 32 <= n; i += 32)
	{
		acc0 = madd_u8_u8(acc0, a + i, b + i);
		acc1 = madd_u8_u8(acc1, a + i + 16, b + i + 16);
	}
	if (i + 16 <= n)
	{
		acc0 = madd_u8_u8(acc0, a + i, b + i);
		i += 16;
	}
	for (; i < n; i++)
		sum += (uint32) a[i] * (uint32) b[i];
	return sum + (uint32) sum_epi32(_mm256_add_epi32(acc0, acc1));
}

TARGET static uint64
avx2_popcount_and(int n, const uint64 *a, const uint64 *b)
{
	uint64		sum = 0;
	int			i;

	for (i = 0; i < n; i++)
		sum += _mm_popcnt_u64(a[i] & b[i]);
	return sum;
}

TARGET static uint64
avx2_popcount_xor(int n, const uint64 *a, const uint64 *b)
{
	uint64		sum = 0;
	int			i;

	for (i = 0; i < n; i++)
		sum += _mm_popcnt_u64(a[i] ^ b[i]);
	return sum;
}

/* Sketches whose partial sums are kept on the stack between column blocks. */
#define SKETCH_BATCH 64

/* Sketches whose sums are made together. */
#define GROUP 4

/* Words of one column block. */
#define BLOCK_WORDS 4

/* The first words (0 .. 4) of four, and zeros. */
TARGET_INLINE __m256i
load_words(const uint64 *p, int words)
{
	static const int64 masks[2 * BLOCK_WORDS] = {-1, -1, -1, -1, 0, 0, 0, 0};
	__m256i		m;

	if (words >= BLOCK_WORDS)
		return _mm256_loadu_si256((const __m256i *) p);
	m = _mm256_loadu_si256((const __m256i *) (masks + BLOCK_WORDS - words));
	return _mm256_maskload_epi64((const long long *) p, m);
}

/* The numbers of set bits of 0 .. 15, times a plane's weight. */
TARGET_INLINE __m256i
weight_table(int16 weight)
{
	const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3,
											1, 2, 2, 3, 2, 3, 3, 4,
											0, 1, 1, 2, 1, 2, 2, 3,
											1, 2, 2, 3, 2, 3, 3, 4);

	/* no carry from the low byte of a pair: 4 * 8 < 256 */
	return _mm256_mullo_epi16(counts, _mm256_set1_epi16(weight));
}

/*
 * The negative plane's counts are taken from 32, to stay unsigned; this is what
 * it adds in one word of 16 nibbles.
 */
#define NEGATIVE_BIAS 32
#define WORD_BIAS (16 * NEGATIVE_BIAS)

typedef struct BlockPlanes
{
	__m256i		low[4];			/* low nibbles of the bytes of each plane */
	__m256i		high[4];
	__m256i		table[4];
	__m256i		shift;			/* 1 for words of the high bits */
} BlockPlanes;

/* The words (4 numbers) of each plane, or what stands opposite of them. */
TARGET_INLINE BlockPlanes
split_planes(const __m256i *planes, __m256i shift)
{
	const __m256i nibble = _mm256_set1_epi8(0x0F);
	BlockPlanes b;
	int			p;

	for (p = 0; p < 4; p++)
	{
		b.low[p] = _mm256_and_si256(planes[p], nibble);
		b.high[p] = _mm256_and_si256(_mm256_srli_epi16(planes[p], 4), nibble);
	}
	b.table[0] = weight_table(1);
	b.table[1] = weight_table(2);
	b.table[2] = weight_table(4);
	b.table[3] = _mm256_sub_epi8(_mm256_set1_epi8(NEGATIVE_BIAS),
								 weight_table(8));
	b.shift = shift;
	return b;
}

/* weighted numbers of the bits that the nibbles share with plane p */
TARGET_INLINE __m256i
plane_counts(const BlockPlanes *b, int p, __m256i low, __m256i high)
{
	return _mm256_add_epi8(_mm256_shuffle_epi8(b->table[p],
											   _mm256_and_si256(low, b->low[p])),
						   _mm256_shuffle_epi8(b->table[p],
											   _mm256_and_si256(high, b->high[p])));
}

/* The sums of four words, biased. */
TARGET_INLINE __m256i
block_sums(const BlockPlanes *b, __m256i words)
{
	const __m256i nibble = _mm256_set1_epi8(0x0F);
	__m256i		low = _mm256_and_si256(words, nibble);
	__m256i		high = _mm256_and_si256(_mm256_srli_epi16(words, 4), nibble);
	__m256i		c01 = _mm256_add_epi8(plane_counts(b, 0, low, high),
									  plane_counts(b, 1, low, high));
	__m256i		c23 = _mm256_add_epi8(plane_counts(b, 2, low, high),
									  plane_counts(b, 3, low, high));

	/* 2 * (4 * (1 + 2 + 4) + 32) = 120 at most: no byte overflows */
	return _mm256_sllv_epi64(_mm256_sad_epu8(_mm256_add_epi8(c01, c23),
											 _mm256_setzero_si256()),
							 b->shift);
}

/* 1 in the lanes of the four words from w on that are high bits */
TARGET_INLINE __m256i
high_bit_shift(int bits, int words, int w)
{
	const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
	__m256i		high;

	if (bits == 1)
		return _mm256_setzero_si256();
	high = _mm256_cmpgt_epi64(_mm256_set1_epi64x(words - w), lane);
	return _mm256_srli_epi64(high, 63);
}

/* The words of the query opposite the four words from w on of a sketch. */
TARGET_INLINE BlockPlanes
load_block(const VecamSketchTerms *terms, int w)
{
	int			n = terms->bits * terms->words;
	__m256i		planes[4];
	int			p;

	for (p = 0; p < 4; p++)
		planes[p] = load_words(terms->planes + (size_t) p * n + w, n - w);
	return split_planes(planes, high_bit_shift(terms->bits, terms->words, w));
}

/* The same for a tail of one or two words, which repeat; for 0, anything. */
TARGET_INLINE BlockPlanes
load_tail_block(const VecamSketchTerms *terms, int w, int tail)
{
	const __m256i order = tail == 1 ?
		_mm256_setr_epi32(0, 1, 0, 1, 0, 1, 0, 1) :
		_mm256_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3);
	__m256i		shift = high_bit_shift(terms->bits, terms->words, w);
	int			n = terms->bits * terms->words;
	__m256i		planes[4];
	int			p;

	for (p = 0; p < 4; p++)
	{
		planes[p] = load_words(terms->planes + (size_t) p * n + w, tail);
		planes[p] = _mm256_permutevar8x32_epi32(planes[p], order);
	}
	return split_planes(planes, _mm256_permutevar8x32_epi32(shift, order));
}

/* The sums over the lanes of a group of registers of numbers below 2^32. */
TARGET_INLINE __m128i
group_sums(const __m256i *x)
{
	__m256i		x01 = _mm256_or_si256(x[0], _mm256_slli_epi64(x[1], 32));
	__m256i		x23 = _mm256_or_si256(x[2], _mm256_slli_epi64(x[3], 32));
	__m256i		four = _mm256_add_epi32(_mm256_unpacklo_epi64(x01, x23),
										_mm256_unpackhi_epi64(x01, x23));

	return _mm_add_epi32(_mm256_castsi256_si128(four),
						 _mm256_extracti128_si256(four, 1));
}

/* One word of each of a group of sketches. */
TARGET_INLINE __m128i
single_word_sums(const BlockPlanes *b, const uint64 *const *sketch, int w)
{
	const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
	__m256i		words = _mm256_setr_epi64x((int64) sketch[0][w],
										   (int64) sketch[1][w],
										   (int64) sketch[2][w],
										   (int64) sketch[3][w]);

	words = _mm256_permutevar8x32_epi32(block_sums(b, words), even);
	return _mm256_castsi256_si128(words);
}

TARGET_INLINE __m256i
load_two_by_two(const uint64 *a, const uint64 *b)
{
	return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *) a)),
								   _mm_loadu_si128((const __m128i *) b), 1);
}

/* Two words of each of a group of sketches. */
TARGET_INLINE __m128i
double_word_sums(const BlockPlanes *b, const uint64 *const *sketch, int w)
{
	const __m256i order = _mm256_setr_epi32(0, 4, 2, 6, 0, 4, 2, 6);
	__m256i		s01 = block_sums(b, load_two_by_two(sketch[0] + w,
													sketch[1] + w));
	__m256i		s23 = block_sums(b, load_two_by_two(sketch[2] + w,
													sketch[3] + w));
	__m256i		s0213 = _mm256_add_epi64(_mm256_unpacklo_epi64(s01, s23),
										 _mm256_unpackhi_epi64(s01, s23));

	return _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(s0213, order));
}

/*
 * The partial sums of count sketches over the blocks that start before word
 * end.  Blocks of columns outside, sketches inside: the nibbles of the query's
 * planes then stay in registers over all sketches.
 */
TARGET_INLINE void
sum_blocks(const VecamSketchTerms *terms, int end, int count,
		   const uint64 *sketches, __m256i *acc)
{
	int			n = terms->bits * terms->words;
	int			w;
	int			r;

	for (r = 0; r < SKETCH_BATCH; r++)
		acc[r] = _mm256_setzero_si256();
	for (w = 0; w < end; w += BLOCK_WORDS)
	{
		BlockPlanes b = load_block(terms, w);

		for (r = 0; r < count; r++)
		{
			__m256i		words = load_words(sketches + (size_t) r * n + w,
										   n - w);

			acc[r] = _mm256_add_epi64(acc[r], block_sums(&b, words));
		}
	}
}

/* The estimates of a group from its sums: the definition's operations. */
TARGET_INLINE __m128
group_estimates(const VecamSketchTerms *terms, __m128i sums,
				const float *factors)
{
	const __m256i split = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
	__m256		f = _mm256_permutevar8x32_ps(_mm256_loadu_ps(factors), split);
	__m256d		add = _mm256_cvtps_pd(_mm256_castps256_ps128(f));
	__m256d		mul = _mm256_cvtps_pd(_mm256_extractf128_ps(f, 1));
	__m256d		vq = _mm256_mul_pd(_mm256_set1_pd(terms->delta),
								   _mm256_cvtepi32_pd(sums));
	__m256d		d2 = _mm256_add_pd(_mm256_set1_pd(terms->centre), add);

	vq = _mm256_sub_pd(vq, _mm256_set1_pd(terms->offset));
	d2 = _mm256_add_pd(d2, _mm256_mul_pd(mul, vq));

	/* of a NaN and a number these give the number, their second argument */
	d2 = _mm256_max_pd(d2, _mm256_set1_pd(-FLT_MAX));
	d2 = _mm256_min_pd(d2, _mm256_set1_pd(FLT_MAX));
	return _mm256_cvtpd_ps(d2);
}

/* The same for a group of which the first count sketches exist. */
TARGET_INLINE void
store_estimates(const VecamSketchTerms *terms, __m128i sums, int count,
				const float *factors, float *est)
{
	if (count >= GROUP)
		_mm_storeu_ps(est, group_estimates(terms, sums, factors));
	else
	{
		float		some_factors[2 * GROUP] = {0};
		float		some_est[GROUP];

		memcpy(some_factors, factors, count * 2 * sizeof(float));
		_mm_storeu_ps(some_est, group_estimates(terms, sums, some_factors));
		memcpy(est, some_est, count * sizeof(float));
	}
}

/*
 * A tail of one or two words is taken from four or two sketches at a time; one
 * of three words is a block, to whose bias a fourth word adds.
 */
TARGET_INLINE void
batch_estimates(const VecamSketchTerms *terms, int count,
				const uint64 *sketches, const float *factors, float *est)
{
	int			n = terms->bits * terms->words;
	int			tail = n % BLOCK_WORDS == 3 ? 0 : n % BLOCK_WORDS;
	int			bias = (terms->bits == 1 ? n : n + n / 2) +
		(n % BLOCK_WORDS == 3);
	__m256i		acc[SKETCH_BATCH];
	BlockPlanes b;
	int			r;
	int			j;

	sum_blocks(terms, n - tail, count, sketches, acc);
	b = load_tail_block(terms, n - tail, tail);
	for (r = 0; r < count; r += GROUP)
	{
		const uint64 *sketch[GROUP];
		__m128i		sums = group_sums(acc + r);

		/* beyond the last: the last again */
		for (j = 0; j < GROUP; j++)
			sketch[j] = sketches + (size_t) Min(r + j, count - 1) * n;
		if (tail == 1)
			sums = _mm_add_epi32(sums, single_word_sums(&b, sketch, n - 1));
		else if (tail == 2)
			sums = _mm_add_epi32(sums, double_word_sums(&b, sketch, n - 2));
		sums = _mm_sub_epi32(sums, _mm_set1_epi32(bias * WORD_BIAS));
		store_estimates(terms, sums, count - r, factors + 2 * r, est + r);
	}
}

TARGET static void
avx2_sketch_estimates(const VecamSketchTerms *terms, int count,
					  const uint64 *sketches, const float *factors, float *est)
{
	int			n = terms->bits * terms->words;
	int			r;

	for (r = 0; r < count; r += SKETCH_BATCH)
		batch_estimates(terms, Min(count - r, SKETCH_BATCH),
						sketches + (size_t) r * n, factors + 2 * r, est + r);
}

/* Four of each, since a minimum waits four cycles for the one before it. */
typedef struct Range
{
	__m256		low[4];
	__m256		high[4];
	__m256i		magnitude;		/* the largest, as bits */
} Range;

TARGET_INLINE void
extend_range(Range *range, int j, __m256 v)
{
	const __m256i mask = _mm256_set1_epi32(PG_INT32_MAX);
	__m256i		magnitude = _mm256_and_si256(_mm256_castps_si256(v), mask);

	range->low[j] = _mm256_min_ps(v, range->low[j]);
	range->high[j] = _mm256_max_ps(v, range->high[j]);
	range->magnitude = _mm256_max_epi32(range->magnitude, magnitude);
}

/* What the lanes have: false if a number is not finite. */
TARGET_INLINE bool
fold_range(const Range *range, float *lo, float *hi)
{
	/* infinity has the least bits of all that is not finite */
	const __m256i infinity = _mm256_castps_si256(_mm256_set1_ps(INFINITY));
	float		low[8];
	float		high[8];
	int			i;

	_mm256_storeu_ps(low, _mm256_min_ps(_mm256_min_ps(range->low[0], range->low[1]),
										_mm256_min_ps(range->low[2], range->low[3])));
	_mm256_storeu_ps(high, _mm256_max_ps(_mm256_max_ps(range->high[0], range->high[1]),
										 _mm256_max_ps(range->high[2], range->high[3])));
	for (i = 1; i < 8; i++)
	{
		low[0] = Min(low[0], low[i]);
		high[0] = Max(high[0], high[i]);
	}
	/* no negative zero */
	*lo = low[0] + 0.0f;
	*hi = high[0] + 0.0f;
	return _mm256_movemask_epi8(_mm256_cmpgt_epi32(infinity, range->magnitude)) == -1;
}

TARGET static bool
avx2_range(int n, const float *x, float *lo, float *hi)
{
	Range		range;
	int			i;
	int			j;

	for (j = 0; j < 4; j++)
		range.low[j] = range.high[j] = _mm256_set1_ps(x[0]);
	range.magnitude = _mm256_setzero_si256();
	for (i = 0; i + 32 <= n; i += 32)
	{
		for (j = 0; j < 4; j++)
			extend_range(&range, j, _mm256_loadu_ps(x + i + 8 * j));
	}
	for (; i + 8 <= n; i += 8)
		extend_range(&range, 0, _mm256_loadu_ps(x + i));
	for (; i < n; i++)
		extend_range(&range, 1, _mm256_set1_ps(x[i]));
	return fold_range(&range, lo, hi);
}

/* Four numbers of a quantised vector: what they add to loss and norm. */
TARGET_INLINE void
measure_four(__m128 x, __m256d scale, __m128i k, __m256d *loss, __m256d *norm)
{
	__m256d		d = _mm256_cvtepi32_pd(k);
	/* scale * k is exact */
	__m256d		e = _mm256_fnmadd_pd(scale, d, _mm256_cvtps_pd(x));

	*loss = _mm256_add_pd(*loss, _mm256_mul_pd(e, e));
	*norm = _mm256_fmadd_pd(d, d, *norm);
}

/* Sixteen 32-bit numbers as 16-bit ones, in order. */
TARGET_INLINE __m256i
pack_epi16(__m256i a, __m256i b)
{
	return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
}

TARGET_INLINE __m256i
round_to_even(const float *x, __m256 inverse)
{
	return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse));
}

typedef struct Measures
{
	Lanes		loss;
	Lanes		norm;
	__m256i		sum;
} Measures;

TARGET_INLINE __m256i
quantise_sixteen(const float *x, __m256 inverse, __m256d scale, Measures *m)
{
	__m256i		k0 = round_to_even(x, inverse);
	__m256i		k1 = round_to_even(x + 8, inverse);

	measure_four(_mm_loadu_ps(x), scale, _mm256_castsi256_si128(k0),
				 &m->loss.v[0], &m->norm.v[0]);
	measure_four(_mm_loadu_ps(x + 4), scale, _mm256_extracti128_si256(k0, 1),
				 &m->loss.v[1], &m->norm.v[1]);
	measure_four(_mm_loadu_ps(x + 8), scale, _mm256_castsi256_si128(k1),
				 &m->loss.v[2], &m->norm.v[2]);
	measure_four(_mm_loadu_ps(x + 12), scale, _mm256_extracti128_si256(k1, 1),
				 &m->loss.v[3], &m->norm.v[3]);
	m->sum = _mm256_add_epi32(m->sum, _mm256_add_epi32(k0, k1));
	return pack_epi16(k0, k1);
}

TARGET static VecamQuantised
avx2_quantise(int n, const float *x, float inverse, double scale, int16 *k)
{
	const __m256 inv = _mm256_set1_ps(inverse);
	const __m256d s = _mm256_set1_pd(scale);
	Measures	m = {lanes_zero(), lanes_zero(), _mm256_setzero_si256()};
	VecamQuantised result;
	int			i;

	for (i = 0; i + VECAM_LANES <= n; i += VECAM_LANES)
		_mm256_storeu_si256((__m256i *) (k + i),
							quantise_sixteen(x + i, inv, s, &m));
	if (i < n)
	{
		float		tail[VECAM_LANES] = {0};
		int16		tail_k[VECAM_LANES];

		memcpy(tail, x + i, (n - i) * sizeof(float));
		_mm256_storeu_si256((__m256i *) tail_k,
							quantise_sixteen(tail, inv, s, &m));
		memcpy(k + i, tail_k, (n - i) * sizeof(int16));
	}
	result.loss2 = lanes_sum(m.loss);
	result.norm2 = lanes_sum(m.norm);
	result.sum = (double) sum_epi32(m.sum);
	return result;
}

typedef struct DigitLanes
{
	__m256		product[2];
	__m256i		sum;
	__m256i		norm;
} DigitLanes;

/* Eight digits, and what they add to the products. */
TARGET_INLINE __m256i
eight_digits(const float *x, __m256 inverse, __m256 *product)
{
	__m256		t = _mm256_mul_ps(_mm256_loadu_ps(x), inverse);
	__m256		cut = _mm256_min_ps(_mm256_max_ps(t, _mm256_set1_ps(-8.0f)),
									_mm256_set1_ps(7.0f));
	__m256i		k = _mm256_cvtps_epi32(cut);

	*product = _mm256_add_ps(*product,
							 _mm256_mul_ps(t, _mm256_cvtepi32_ps(k)));
	return k;
}

TARGET_INLINE __m128i
sixteen_digits(const float *x, __m256 inverse, DigitLanes *sums)
{
	__m256i		k0 = eight_digits(x, inverse, &sums->product[0]);
	__m256i		k1 = eight_digits(x + 8, inverse, &sums->product[1]);
	__m256i		k = pack_epi16(k0, k1);

	sums->sum = _mm256_add_epi32(sums->sum,
								 _mm256_madd_epi16(k, _mm256_set1_epi16(1)));
	sums->norm = _mm256_add_epi32(sums->norm, _mm256_madd_epi16(k, k));
	return _mm_packs_epi16(_mm256_castsi256_si128(k),
						   _mm256_extracti128_si256(k, 1));
}

TARGET static VecamDigitSums
avx2_sketch_digits(int n, const float *x, float inverse, int8 *k)
{
	const __m256 inv = _mm256_set1_ps(inverse);
	float		product[VECAM_LANES];
	DigitLanes	lanes;
	VecamDigitSums sums;
	int			i;

	lanes.product[0] = lanes.product[1] = _mm256_setzero_ps();
	lanes.sum = lanes.norm = _mm256_setzero_si256();
	for (i = 0; i + VECAM_LANES <= n; i += VECAM_LANES)
		_mm_storeu_si128((__m128i *) (k + i),
						 sixteen_digits(x + i, inv, &lanes));
	if (i < n)
	{
		float		tail[VECAM_LANES] = {0};
		int8		tail_k[VECAM_LANES];

		memcpy(tail, x + i, (n - i) * sizeof(float));
		_mm_storeu_si128((__m128i *) tail_k, sixteen_digits(tail, inv, &lanes));
		memcpy(k + i, tail_k, n - i);
	}
	_mm256_storeu_ps(product, lanes.product[0]);
	_mm256_storeu_ps(product + 8, lanes.product[1]);
	sums.product = lanes_sum(lanes_load(product));
	sums.sum = sum_epi32(lanes.sum);
	sums.norm2 = sum_epi32(lanes.norm);
	return sums;
}

TARGET static void
avx2_bit_planes(int words, const int8 *k, int stride, uint64 *planes)
{
	int			w;
	int			p;

	for (w = 0; w < words; w++)
	{
		const __m256i *half = (const __m256i *) (k + 64 * w);
		/* bit 3 of each byte becomes its sign */
		__m256i		a = _mm256_slli_epi16(_mm256_loadu_si256(half), 4);
		__m256i		b = _mm256_slli_epi16(_mm256_loadu_si256(half + 1), 4);

		for (p = 3; p >= 0; p--)
		{
			planes[p * stride + w] = (uint32) _mm256_movemask_epi8(a) |
				(uint64) (uint32) _mm256_movemask_epi8(b) << 32;
			a = _mm256_add_epi8(a, a);
			b = _mm256_add_epi8(b, b);
		}
	}
}

/* Negate the eight floats at x whose sign bits the shifts bring to the top. */
TARGET_INLINE void
flip_eight(float *x, __m256i signs, __m256i shifts)
{
	const __m256i minus = _mm256_set1_epi32(PG_INT32_MIN);
	__m256i		v = _mm256_loadu_si256((const __m256i *) x);
	__m256i		top = _mm256_and_si256(_mm256_sllv_epi32(signs, shifts), minus);

	_mm256_storeu_si256((__m256i *) x, _mm256_xor_si256(v, top));
}

TARGET static void
avx2_flip_signs(int n, const uint8 *signs, float *x)
{
	const __m256i eight = _mm256_set1_epi32(8);
	const __m256i shift0 = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
	const __m256i shift1 = _mm256_sub_epi32(shift0, eight);
	const __m256i shift2 = _mm256_sub_epi32(shift1, eight);
	const __m256i shift3 = _mm256_sub_epi32(shift2, eight);
	int			i;

	for (i = 0; i + 32 <= n; i += 32)
	{
		int32		bits;
		__m256i		s;

		memcpy(&bits, signs + i / 8, sizeof(bits));
		s = _mm256_set1_epi32(bits);
		flip_eight(x + i, s, shift0);
		flip_eight(x + i + 8, s, shift1);
		flip_eight(x + i + 16, s, shift2);
		flip_eight(x + i + 24, s, shift3);
	}
	for (; i + 8 <= n; i += 8)
		flip_eight(x + i, _mm256_set1_epi32(signs[i / 8]), shift0);
	vecam_scalar_table.flip_signs(n - i, signs + i / 8, x + i);
}

/*
 * Butterflies of distance 1, 2, 4 within two registers.  Even and odd elements
 * are gathered from both, so that one addition and one subtraction serve them.
 */
TARGET_INLINE void
butterflies_within(__m256 *a, __m256 *b)
{
	__m256		even = _mm256_shuffle_ps(*a, *b, 0x88);
	__m256		odd = _mm256_shuffle_ps(*a, *b, 0xDD);
	__m256		sum = _mm256_add_ps(even, odd);
	__m256		diff = _mm256_sub_ps(even, odd);

	/* now a0+a1 a2+a3 b0+b1 b2+b3, and the same with differences */
	even = _mm256_shuffle_ps(sum, diff, 0x88);
	odd = _mm256_shuffle_ps(sum, diff, 0xDD);
	sum = _mm256_add_ps(even, odd);
	diff = _mm256_sub_ps(even, odd);

	/* now results 0 and 1 of a and b interleaved, and 2 and 3 */
	even = _mm256_shuffle_ps(sum, diff, 0x88);
	odd = _mm256_shuffle_ps(sum, diff, 0xDD);

	/* now a and b in order again; their halves are 4 apart */
	sum = _mm256_permute2f128_ps(even, odd, 0x20);
	diff = _mm256_permute2f128_ps(even, odd, 0x31);
	even = _mm256_add_ps(sum, diff);
	odd = _mm256_sub_ps(sum, diff);
	*a = _mm256_permute2f128_ps(even, odd, 0x20);
	*b = _mm256_permute2f128_ps(even, odd, 0x31);
}

TARGET_INLINE void
butterfly(__m256 *a, __m256 *b)
{
	__m256		sum = _mm256_add_ps(*a, *b);

	*b = _mm256_sub_ps(*a, *b);
	*a = sum;
}

/* Levels 1, 2, 4 and 8 of the whole array, and the scaling. */
TARGET_INLINE void
fht_first_levels(int n, float scale, float *x)
{
	const __m256 s = _mm256_set1_ps(scale);
	int			i;

	for (i = 0; i < n; i += 16)
	{
		__m256		a = _mm256_mul_ps(_mm256_loadu_ps(x + i), s);
		__m256		b = _mm256_mul_ps(_mm256_loadu_ps(x + i + 8), s);

		butterflies_within(&a, &b);
		butterfly(&a, &b);
		_mm256_storeu_ps(x + i, a);
		_mm256_storeu_ps(x + i + 8, b);
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
		for (j = i; j < i + h; j += 8)
		{
			__m256		a = _mm256_loadu_ps(x + j);
			__m256		b = _mm256_loadu_ps(x + j + h);
			__m256		c = _mm256_loadu_ps(x + j + 2 * h);
			__m256		d = _mm256_loadu_ps(x + j + 3 * h);

			butterfly(&a, &b);
			butterfly(&c, &d);
			butterfly(&a, &c);
			butterfly(&b, &d);
			_mm256_storeu_ps(x + j, a);
			_mm256_storeu_ps(x + j + h, b);
			_mm256_storeu_ps(x + j + 2 * h, c);
			_mm256_storeu_ps(x + j + 3 * h, d);
		}
	}
}

TARGET static void
avx2_fht(int log2n, float scale, float *x)
{
	int			n = 1 << log2n;
	int			h;
	int			j;

	if (n < 16)
	{
		vecam_scalar_table.fht(log2n, scale, x);
		return;
	}
	fht_first_levels(n, scale, x);
	for (h = 16; 2 * h < n; h *= 4)
		fht_two_levels(n, h, x);
	if (h < n)
	{
		for (j = 0; j < h; j += 8)
		{
			__m256		a = _mm256_loadu_ps(x + j);
			__m256		b = _mm256_loadu_ps(x + j + h);

			butterfly(&a, &b);
			_mm256_storeu_ps(x + j, a);
			_mm256_storeu_ps(x + j + h, b);
		}
	}
}

TARGET static void
avx2_kac(int n, float scale, float *x)
{
	const __m256 s = _mm256_set1_ps(scale);
	int			half = (n + 1) / 2;
	int			i;

	for (i = 0; i + 8 <= n - half; i += 8)
	{
		__m256		a = _mm256_loadu_ps(x + i);
		__m256		b = _mm256_loadu_ps(x + i + half);

		butterfly(&a, &b);
		_mm256_storeu_ps(x + i, _mm256_mul_ps(a, s));
		_mm256_storeu_ps(x + i + half, _mm256_mul_ps(b, s));
	}
	for (; i < n - half; i++)
	{
		float		a = x[i];
		float		b = x[i + half];

		x[i] = (a + b) * scale;
		x[i + half] = (a - b) * scale;
	}
}

TARGET_INLINE __m256i
eight_bytes(const uint8 *p)
{
	return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *) p));
}

TARGET static void
avx2_decode_fine(int n, float origin, float step, const uint8 *code,
				 const uint8 *fine, int shift, float *x)
{
	const __m128i count = _mm_cvtsi32_si128(shift);
	const __m256i nibble = _mm256_set1_epi32(0x0F);
	const __m256 o = _mm256_set1_ps(origin);
	const __m256 s = _mm256_set1_ps(step);
	int			i;

	for (i = 0; i + 8 <= n; i += 8)
	{
		__m256i		f = _mm256_and_si256(_mm256_srl_epi32(eight_bytes(fine + i),
														  count), nibble);
		__m256i		k = _mm256_or_si256(_mm256_slli_epi32(eight_bytes(code + i), 4),
										f);

		_mm256_storeu_ps(x + i, _mm256_add_ps(o, _mm256_mul_ps(s, _mm256_cvtepi32_ps(k))));
	}
	vecam_scalar_table.decode_fine(n - i, origin, step, code + i, fine + i,
								   shift, x + i);
}

/* What the encoders need of a code's head, in all lanes. */
typedef struct Scale
{
	__m256d		lo;
	__m256d		delta;
	__m256d		inverse;
} Scale;

TARGET_INLINE Scale
scale_of(double lo, double delta)
{
	Scale		s;

	s.lo = _mm256_set1_pd(lo);
	s.delta = _mm256_set1_pd(delta);
	s.inverse = _mm256_set1_pd(delta > 0.0 ? 1.0 / delta : 0.0);
	return s;
}

/* Add (x - v)^2 and v^2, v = lo + delta * k, to four lanes. */
TARGET_INLINE void
add_code_squares(Scale s, __m256d x, __m256d k, double *loss, double *norm)
{
	__m256d		v = _mm256_add_pd(s.lo, _mm256_mul_pd(s.delta, k));
	__m256d		e = _mm256_sub_pd(x, v);

	_mm256_storeu_pd(loss, _mm256_add_pd(_mm256_loadu_pd(loss),
										 _mm256_mul_pd(e, e)));
	_mm256_storeu_pd(norm, _mm256_add_pd(_mm256_loadu_pd(norm),
										 _mm256_mul_pd(v, v)));
}

/* Sixteen numbers 0 .. 255 as bytes, in order. */
TARGET_INLINE __m128i
pack_bytes(const __m128i *k)
{
	return _mm_packus_epi16(_mm_packs_epi32(k[0], k[1]),
							_mm_packs_epi32(k[2], k[3]));
}

TARGET static void
avx2_encode_sq8(int n, const float *x, double lo, double delta, uint8 *code,
				double *loss, double *norm)
{
	const Scale s = scale_of(lo, delta);
	int			i;
	int			j;

	for (i = 0; i + VECAM_LANES <= n; i += VECAM_LANES)
	{
		__m128i		k[4];

		for (j = 0; j < 4; j++)
		{
			__m256d		a = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4 * j));
			__m256d		t = _mm256_add_pd(_mm256_mul_pd(_mm256_sub_pd(a, s.lo),
														s.inverse),
										  _mm256_set1_pd(0.5));

			k[j] = _mm256_cvttpd_epi32(_mm256_min_pd(t, _mm256_set1_pd(255.0)));
			add_code_squares(s, a, _mm256_cvtepi32_pd(k[j]), loss + 4 * j,
							 norm + 4 * j);
		}
		_mm_storeu_si128((__m128i *) (code + i), pack_bytes(k));
	}
	vecam_scalar_table.encode_sq8(n - i, x + i, lo, delta, code + i, loss, norm);
}

/*
 * Where four numbers lie in the range of their codes, in sixteenths; adds the
 * squares as well.
 */
TARGET_INLINE __m128i
fine_of(Scale s, __m256d x, __m256d code, double *loss, double *norm)
{
	__m256d		t = _mm256_sub_pd(_mm256_mul_pd(_mm256_sub_pd(x, s.lo), s.inverse),
								  code);
	__m256d		part;
	__m128i		f;

	t = _mm256_mul_pd(_mm256_add_pd(t, _mm256_set1_pd(0.5)), _mm256_set1_pd(16.0));
	f = _mm_max_epi32(_mm256_cvttpd_epi32(t), _mm_setzero_si128());
	f = _mm_min_epi32(f, _mm_set1_epi32(15));
	part = _mm256_mul_pd(_mm256_sub_pd(_mm256_cvtepi32_pd(f), _mm256_set1_pd(7.5)),
						 _mm256_set1_pd(1.0 / 16.0));
	add_code_squares(s, x, _mm256_add_pd(code, part), loss, norm);
	return f;
}

TARGET static void
avx2_encode_fine(int n, const float *x, double lo, double delta,
				 const uint8 *code, int shift, uint8 *fine, double *loss,
				 double *norm)
{
	const Scale s = scale_of(lo, delta);
	const __m128i count = _mm_cvtsi32_si128(shift);
	int			i;
	int			j;

	for (i = 0; i + VECAM_LANES <= n; i += VECAM_LANES)
	{
		__m128i		bytes = _mm_loadu_si128((const __m128i *) (code + i));
		__m128i		old = _mm_loadu_si128((const __m128i *) (fine + i));
		__m128i		f[4];

		for (j = 0; j < 4; j++)
		{
			f[j] = fine_of(s, _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4 * j)),
						   _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(bytes)),
						   loss + 4 * j, norm + 4 * j);
			bytes = _mm_srli_si128(bytes, 4);
		}
		/* no bit leaves its byte, as f is below 16 */
		_mm_storeu_si128((__m128i *) (fine + i),
						 _mm_or_si128(old, _mm_sll_epi16(pack_bytes(f), count)));
	}
	vecam_scalar_table.encode_fine(n - i, x + i, lo, delta, code + i, shift,
								   fine + i, loss, norm);
}

/* Four of the numbers, which are exact in float4. */
TARGET_INLINE __m128
decode_four(__m256d lo, __m256d delta, __m128i code)
{
	__m256d		v = _mm256_add_pd(lo, _mm256_mul_pd(delta, _mm256_cvtepi32_pd(code)));

	return _mm256_cvtpd_ps(_mm256_min_pd(v, _mm256_set1_pd(FLT_MAX)));
}

TARGET static void
avx2_decode_sq8(int n, double lo, double delta, const uint8 *code, float *x)
{
	const __m256d l = _mm256_set1_pd(lo);
	const __m256d d = _mm256_set1_pd(delta);
	int			i;

	for (i = 0; i + 8 <= n; i += 8)
	{
		__m256i		k = eight_bytes(code + i);

		_mm_storeu_ps(x + i, decode_four(l, d, _mm256_castsi256_si128(k)));
		_mm_storeu_ps(x + i + 4, decode_four(l, d, _mm256_extracti128_si256(k, 1)));
	}
	vecam_scalar_table.decode_sq8(n - i, lo, delta, code + i, x + i);
}

/* sum[0 .. 8] += v * x, whose products are exact */
TARGET_INLINE void
add_products(double *sum, __m256 v, __m256 x)
{
	__m256d		low = _mm256_loadu_pd(sum);
	__m256d		high = _mm256_loadu_pd(sum + 4);

	low = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(v)),
						  _mm256_cvtps_pd(_mm256_castps256_ps128(x)), low);
	high = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)),
						   _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)), high);
	_mm256_storeu_pd(sum, low);
	_mm256_storeu_pd(sum + 4, high);
}

TARGET static void
avx2_sketch_levels(int n, const float *x, const float *c, float threshold,
				   uint64 *high, uint64 *low, double *rv, double *vc)
{
	const __m256 t = _mm256_set1_ps(threshold);
	const __m256 sign = _mm256_set1_ps(-0.0f);
	uint64		rest_high;
	uint64		rest_low;
	int			i;

	*high = *low = 0;
	for (i = 0; i + 8 <= n; i += 8)
	{
		__m256		cc = _mm256_loadu_ps(c + i);
		__m256		r = _mm256_sub_ps(_mm256_loadu_ps(x + i), cc);
		__m256		positive = _mm256_cmp_ps(r, _mm256_setzero_ps(), _CMP_GT_OQ);
		__m256		large = _mm256_cmp_ps(_mm256_andnot_ps(sign, r), t, _CMP_GE_OQ);
		__m256		size = _mm256_blendv_ps(_mm256_set1_ps(0.5f),
											_mm256_set1_ps(1.5f), large);
		__m256		v = _mm256_xor_ps(size, _mm256_andnot_ps(positive, sign));
		uint64		p = (uint8) _mm256_movemask_ps(positive);
		uint64		l = (uint8) _mm256_movemask_ps(large);

		add_products(rv + i % 16, v, r);
		add_products(vc + i % 16, v, cc);
		*high |= p << i;
		*low |= (~(p ^ l) & 0xFF) << i;
	}
	if (i == n)
		return;

	/* the rest begins with lane 0 or 8, of which it has fewer than 8 */
	vecam_scalar_table.sketch_levels(n - i, x + i, c + i, threshold,
									 &rest_high, &rest_low,
									 rv + i % 16, vc + i % 16);
	*high |= rest_high << i;
	*low |= rest_low << i;
}

static const VecamKernels avx2_table = {
	.level = VECAM_SIMD_AVX2,
	.name = "avx2",
	.l2_squared = avx2_l2_squared,
	.inner_product = avx2_inner_product,
	.l1 = avx2_l1,
	.cosine_terms = avx2_cosine_terms,
	.dot_f32_u8 = avx2_dot_f32_u8,
	.dot_i16_u8 = avx2_dot_i16_u8,
	.dots_i16_u8 = avx2_dots_i16_u8,
	.screen_codes = vecam_avx2_screen_codes,
	.dot_u8_u8 = avx2_dot_u8_u8,
	.popcount_and = avx2_popcount_and,
	.popcount_xor = avx2_popcount_xor,
	.sketch_estimates = avx2_sketch_estimates,
	.range = avx2_range,
	.quantise = avx2_quantise,
	.sketch_digits = avx2_sketch_digits,
	.bit_planes = avx2_bit_planes,
	.flip_signs = avx2_flip_signs,
	.fht = avx2_fht,
	.kac = avx2_kac,
	.encode_sq8 = avx2_encode_sq8,
	.encode_fine = avx2_encode_fine,
	.decode_fine = avx2_decode_fine,
	.decode_sq8 = avx2_decode_sq8,
	.sketch_levels = avx2_sketch_levels,
};

const VecamKernels *
vecam_kernels_avx2(void)
{
	return &avx2_table;
}

#else

const VecamKernels *
vecam_kernels_avx2(void)
{
	return NULL;
}

#endif							/* __x86_64__ */
