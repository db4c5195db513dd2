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

#include <immintrin.h>
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

/* Rows whose partial sums are kept on the stack between column blocks. */
#define ROW_BATCH 64

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
 * it adds to a row's sum in one column block of 64 nibbles.
 */
#define NEGATIVE_BIAS 32
#define BLOCK_BIAS (64 * NEGATIVE_BIAS)

typedef struct BlockPlanes
{
	__m256i		low[4];			/* low nibbles of the bytes of each plane */
	__m256i		high[4];
	__m256i		table[4];
} BlockPlanes;

TARGET_INLINE BlockPlanes
load_planes(int n, const uint64 *planes, int words)
{
	const __m256i nibble = _mm256_set1_epi8(0x0F);
	BlockPlanes b;
	int			p;

	for (p = 0; p < 4; p++)
	{
		__m256i		x = load_words(planes + (size_t) p * n, words);

		b.low[p] = _mm256_and_si256(x, nibble);
		b.high[p] = _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble);
	}
	b.table[0] = weight_table(1);
	b.table[1] = weight_table(2);
	b.table[2] = weight_table(4);
	b.table[3] = _mm256_sub_epi8(_mm256_set1_epi8(NEGATIVE_BIAS),
								 weight_table(8));
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

/* One column block of one row: four 64-bit partial sums, biased. */
TARGET_INLINE __m256i
block_sums(const BlockPlanes *b, __m256i row)
{
	const __m256i nibble = _mm256_set1_epi8(0x0F);
	__m256i		low = _mm256_and_si256(row, nibble);
	__m256i		high = _mm256_and_si256(_mm256_srli_epi16(row, 4), nibble);
	__m256i		c01 = _mm256_add_epi8(plane_counts(b, 0, low, high),
									  plane_counts(b, 1, low, high));
	__m256i		c23 = _mm256_add_epi8(plane_counts(b, 2, low, high),
									  plane_counts(b, 3, low, high));

	/* 2 * (4 * (1 + 2 + 4) + 32) = 120 at most: no byte overflows */
	return _mm256_sad_epu8(_mm256_add_epi8(c01, c23), _mm256_setzero_si256());
}

/*
 * Blocks of columns outside, rows inside: the nibbles of the query's planes
 * then stay in registers over all rows.
 */
TARGET static void
batch_plane_sums(int n, const uint64 *planes, const uint64 *rows, int count,
				 int stride, int32 *sums)
{
	__m256i		acc[ROW_BATCH];
	int			blocks = (n + BLOCK_WORDS - 1) / BLOCK_WORDS;
	int			w;
	int			r;

	for (r = 0; r < count; r++)
		acc[r] = _mm256_setzero_si256();
	for (w = 0; w < n; w += BLOCK_WORDS)
	{
		int			words = n - w;
		BlockPlanes b = load_planes(n, planes + w, words);

		for (r = 0; r < count; r++)
		{
			__m256i		row = load_words(rows + (size_t) r * stride + w, words);

			acc[r] = _mm256_add_epi64(acc[r], block_sums(&b, row));
		}
	}
	for (r = 0; r < count; r++)
		sums[r] = sum_epi32(acc[r]) - blocks * BLOCK_BIAS;
}

TARGET static void
avx2_plane_sums(int n, const uint64 *planes, const uint64 *rows, int count,
				int stride, int32 *sums)
{
	int			r;

	for (r = 0; r < count; r += ROW_BATCH)
		batch_plane_sums(n, planes, rows + (size_t) r * stride,
						 Min(count - r, ROW_BATCH), stride, sums + r);
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
	.plane_sums = avx2_plane_sums,
	.flip_signs = avx2_flip_signs,
	.fht = avx2_fht,
	.kac = avx2_kac,
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
