/*-------------------------------------------------------------------------
 *
 * kernels_avx512.c
 *	  Kernels for x86-64 CPUs with AVX-512 (F, BW, DQ, VL, VPOPCNTDQ).
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

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")))
#define TARGET_INLINE static inline __attribute__((always_inline)) TARGET

/* VECAM_LANES doubles: lanes 0 .. 7 and 8 .. 15 */
typedef struct Lanes
{
	__m512d		low;
	__m512d		high;
} Lanes;

/* the first count of 16 or 32 or 8 elements; count may exceed that */
#define MASK8(count) ((__mmask8) ((count) >= 8 ? 0xFF : (1u << (count)) - 1))
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

/* The first count floats at p (16 if there are more), and zeros. */
TARGET_INLINE Lanes
lanes_load(const float *p, int count)
{
	return lanes_widen(_mm512_maskz_loadu_ps(MASK16(count), p));
}

TARGET_INLINE Lanes
lanes_load_codes(const uint8 *p, int count)
{
	__m128i		bytes = _mm_maskz_loadu_epi8(MASK16(count), p);
	__m512i		words = _mm512_cvtepu8_epi32(bytes);
	Lanes		w;

	w.low = _mm512_cvtepi32_pd(_mm512_castsi512_si256(words));
	w.high = _mm512_cvtepi32_pd(_mm512_extracti32x8_epi32(words, 1));
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

	for (i = 0; i < n; i += VECAM_LANES)
		acc = lanes_add_squares(acc, lanes_load(a + i, n - i),
								lanes_load(b + i, n - i));
	return lanes_sum(acc);
}

TARGET static double
avx512_inner_product(int n, const float *a, const float *b)
{
	Lanes		acc = lanes_zero();
	int			i;

	for (i = 0; i < n; i += VECAM_LANES)
		acc = lanes_fma(acc, lanes_load(a + i, n - i),
						lanes_load(b + i, n - i));
	return lanes_sum(acc);
}

TARGET static double
avx512_l1(int n, const float *a, const float *b)
{
	Lanes		acc = lanes_zero();
	int			i;

	for (i = 0; i < n; i += VECAM_LANES)
		acc = lanes_add_abs(acc, lanes_load(a + i, n - i),
							lanes_load(b + i, n - i));
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
		Lanes		x = lanes_load(a + i, n - i);
		Lanes		y = lanes_load(b + i, n - i);

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

	for (i = 0; i < n; i += VECAM_LANES)
		acc = lanes_fma(acc, lanes_load(q + i, n - i),
						lanes_load_codes(code + i, n - i));
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

/* The first count words at p (8 if there are more), and zeros. */
TARGET_INLINE __m512i
load_words(const uint64 *p, int count)
{
	return _mm512_maskz_loadu_epi64(MASK8(count), p);
}

TARGET static uint64
avx512_popcount_and(int n, const uint64 *a, const uint64 *b)
{
	__m512i		acc = _mm512_setzero_si512();
	int			i;

	for (i = 0; i < n; i += 8)
	{
		__m512i		x = _mm512_and_si512(load_words(a + i, n - i),
										 load_words(b + i, n - i));

		acc = _mm512_add_epi64(acc, _mm512_popcnt_epi64(x));
	}
	return (uint64) _mm512_reduce_add_epi64(acc);
}

TARGET static uint64
avx512_popcount_xor(int n, const uint64 *a, const uint64 *b)
{
	__m512i		acc = _mm512_setzero_si512();
	int			i;

	for (i = 0; i < n; i += 8)
	{
		__m512i		x = _mm512_xor_si512(load_words(a + i, n - i),
										 load_words(b + i, n - i));

		acc = _mm512_add_epi64(acc, _mm512_popcnt_epi64(x));
	}
	return (uint64) _mm512_reduce_add_epi64(acc);
}

TARGET static void
avx512_plane_sums(int n, const uint64 *planes, const uint64 *rows, int count,
				  int stride, int32 *sums)
{
	int			r;
	int			w;
	int			p;

	for (r = 0; r < count; r++)
	{
		const uint64 *row = rows + (size_t) r * stride;
		__m512i		acc[4];

		for (p = 0; p < 4; p++)
			acc[p] = _mm512_setzero_si512();
		for (w = 0; w < n; w += 8)
		{
			__m512i		x = load_words(row + w, n - w);

			for (p = 0; p < 4; p++)
			{
				__m512i		plane = load_words(planes + p * n + w, n - w);
				__m512i		bits = _mm512_and_si512(x, plane);

				acc[p] = _mm512_add_epi64(acc[p], _mm512_popcnt_epi64(bits));
			}
		}
		acc[0] = _mm512_add_epi64(acc[0], _mm512_slli_epi64(acc[1], 1));
		acc[0] = _mm512_add_epi64(acc[0], _mm512_slli_epi64(acc[2], 2));
		acc[0] = _mm512_sub_epi64(acc[0], _mm512_slli_epi64(acc[3], 3));
		sums[r] = (int32) _mm512_reduce_add_epi64(acc[0]);
	}
}

TARGET static void
avx512_flip_signs(int n, const uint8 *signs, float *x)
{
	const __m512i minus = _mm512_set1_epi32(PG_INT32_MIN);
	int			i;

	for (i = 0; i + 16 <= n; i += 16)
	{
		__mmask16	flip = (__mmask16) (signs[i / 8] |
										(unsigned) signs[i / 8 + 1] << 8);
		__m512i		v = _mm512_loadu_si512(x + i);

		_mm512_storeu_si512(x + i,
							_mm512_mask_xor_epi32(v, flip, v, minus));
	}
	vecam_scalar_table.flip_signs(n - i, signs + i / 8, x + i);
}

/* x and its partners: their sum where upper is 0, partner - x where it is 1 */
TARGET_INLINE __m512
butterfly_within(__m512 x, __m512 partner, __mmask16 upper)
{
	return _mm512_mask_sub_ps(_mm512_add_ps(partner, x), upper, partner, x);
}

/* Levels 1, 2, 4 and 8 of the whole array, and the scaling. */
TARGET_INLINE void
fht_first_levels(int n, float scale, float *x)
{
	const __m512 s = _mm512_set1_ps(scale);
	int			i;

	for (i = 0; i < n; i += 16)
	{
		__m512		v = _mm512_mul_ps(_mm512_loadu_ps(x + i), s);

		v = butterfly_within(v, _mm512_permute_ps(v, 0xB1), 0xAAAA);
		v = butterfly_within(v, _mm512_permute_ps(v, 0x4E), 0xCCCC);
		v = butterfly_within(v, _mm512_shuffle_f32x4(v, v, 0xB1), 0xF0F0);
		v = butterfly_within(v, _mm512_shuffle_f32x4(v, v, 0x4E), 0xFF00);
		_mm512_storeu_ps(x + i, v);
	}
}

TARGET_INLINE void
butterfly(__m512 *a, __m512 *b)
{
	__m512		sum = _mm512_add_ps(*a, *b);

	*b = _mm512_sub_ps(*a, *b);
	*a = sum;
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

TARGET static void
avx512_fht(int log2n, float scale, float *x)
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
avx512_kac(int n, float scale, float *x)
{
	const __m512 s = _mm512_set1_ps(scale);
	int			half = (n + 1) / 2;
	int			i;

	for (i = 0; i < n - half; i += 16)
	{
		__mmask16	m = MASK16(n - half - i);
		__m512		a = _mm512_maskz_loadu_ps(m, x + i);
		__m512		b = _mm512_maskz_loadu_ps(m, x + i + half);

		butterfly(&a, &b);
		_mm512_mask_storeu_ps(x + i, m, _mm512_mul_ps(a, s));
		_mm512_mask_storeu_ps(x + i + half, m, _mm512_mul_ps(b, s));
	}
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
	.plane_sums = avx512_plane_sums,
	.flip_signs = avx512_flip_signs,
	.fht = avx512_fht,
	.kac = avx512_kac,
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
