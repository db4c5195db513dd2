/*-------------------------------------------------------------------------
 *
 * kernels_neon.c
 *	  Kernels for AArch64, whose base architecture has NEON with doubles.
 *
 * FMA is used only where the product is exact in double.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <float.h>

#include "math/estimate.h"
#include "math/kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

#define NEON_INLINE static inline __attribute__((always_inline))

#define PAIRS (VECAM_LANES / 2)

/* VECAM_LANES doubles: v[k] holds lanes 2k and 2k + 1 */
typedef struct Lanes
{
	float64x2_t v[PAIRS];
} Lanes;

NEON_INLINE Lanes
lanes_zero(void)
{
	Lanes		z;
	int			k;

	for (k = 0; k < PAIRS; k++)
		z.v[k] = vdupq_n_f64(0.0);
	return z;
}

NEON_INLINE Lanes
lanes_load(const float *p)
{
	Lanes		x;
	int			k;

	for (k = 0; k < PAIRS; k += 2)
	{
		float32x4_t four = vld1q_f32(p + 2 * k);

		x.v[k] = vcvt_f64_f32(vget_low_f32(four));
		x.v[k + 1] = vcvt_high_f64_f32(four);
	}
	return x;
}

/* count < 16 floats and zeros, which change no lane: none is ever -0 */
NEON_INLINE Lanes
lanes_load_tail(const float *p, int count)
{
	float		tail[VECAM_LANES] = {0};

	memcpy(tail, p, count * sizeof(float));
	return lanes_load(tail);
}

NEON_INLINE Lanes
lanes_load_codes(const uint8 *p)
{
	uint8x16_t	bytes = vld1q_u8(p);
	uint16x8_t	words[2];
	Lanes		x;
	int			k;

	words[0] = vmovl_u8(vget_low_u8(bytes));
	words[1] = vmovl_u8(vget_high_u8(bytes));
	for (k = 0; k < 2; k++)
	{
		uint32x4_t	low = vmovl_u16(vget_low_u16(words[k]));
		uint32x4_t	high = vmovl_u16(vget_high_u16(words[k]));

		x.v[4 * k] = vcvtq_f64_u64(vmovl_u32(vget_low_u32(low)));
		x.v[4 * k + 1] = vcvtq_f64_u64(vmovl_u32(vget_high_u32(low)));
		x.v[4 * k + 2] = vcvtq_f64_u64(vmovl_u32(vget_low_u32(high)));
		x.v[4 * k + 3] = vcvtq_f64_u64(vmovl_u32(vget_high_u32(high)));
	}
	return x;
}

/* acc + x * y, for exact products */
NEON_INLINE Lanes
lanes_fma(Lanes acc, Lanes x, Lanes y)
{
	int			k;

	for (k = 0; k < PAIRS; k++)
		acc.v[k] = vfmaq_f64(acc.v[k], x.v[k], y.v[k]);
	return acc;
}

/* acc + (x - y)^2 */
NEON_INLINE Lanes
lanes_add_squares(Lanes acc, Lanes x, Lanes y)
{
	int			k;

	for (k = 0; k < PAIRS; k++)
	{
		float64x2_t d = vsubq_f64(x.v[k], y.v[k]);

		acc.v[k] = vaddq_f64(acc.v[k], vmulq_f64(d, d));
	}
	return acc;
}

/* acc + |x - y| */
NEON_INLINE Lanes
lanes_add_abs(Lanes acc, Lanes x, Lanes y)
{
	int			k;

	for (k = 0; k < PAIRS; k++)
		acc.v[k] = vaddq_f64(acc.v[k], vabdq_f64(x.v[k], y.v[k]));
	return acc;
}

/* the order of vecam_sum_lanes() */
NEON_INLINE double
lanes_sum(Lanes acc)
{
	int			half;
	int			k;

	for (half = PAIRS / 2; half >= 1; half /= 2)
	{
		for (k = 0; k < half; k++)
			acc.v[k] = vaddq_f64(acc.v[k], acc.v[k + half]);
	}
	return vgetq_lane_f64(acc.v[0], 0) + vgetq_lane_f64(acc.v[0], 1);
}

static double
neon_l2_squared(int n, const float *a, const float *b)
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

static double
neon_inner_product(int n, const float *a, const float *b)
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

static double
neon_l1(int n, const float *a, const float *b)
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

static VecamCosineTerms
neon_cosine_terms(int n, const float *a, const float *b)
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

static double
neon_dot_f32_u8(int n, const float *q, const uint8 *code)
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

static int32
neon_dot_i16_u8(int n, const int16 *q, const uint8 *code)
{
	int32x4_t	acc0 = vdupq_n_s32(0);
	int32x4_t	acc1 = vdupq_n_s32(0);
	int32		sum = 0;
	int			i;

	for (i = 0; i + 16 <= n; i += 16)
	{
		uint8x16_t	bytes = vld1q_u8(code + i);
		int16x8_t	c0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));
		int16x8_t	c1 = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(bytes)));
		int16x8_t	q0 = vld1q_s16(q + i);
		int16x8_t	q1 = vld1q_s16(q + i + 8);

		acc0 = vmlal_s16(acc0, vget_low_s16(q0), vget_low_s16(c0));
		acc1 = vmlal_high_s16(acc1, q0, c0);
		acc0 = vmlal_s16(acc0, vget_low_s16(q1), vget_low_s16(c1));
		acc1 = vmlal_high_s16(acc1, q1, c1);
	}
	for (; i < n; i++)
		sum += (int32) q[i] * (int32) code[i];
	return sum + vaddvq_s32(vaddq_s32(acc0, acc1));
}

static void
neon_dots_i16_u8(int n, const int16 *q, const uint8 *codes, int count,
				 int stride, int32 *dots)
{
	int			r;

	for (r = 0; r < count; r++)
		dots[r] = neon_dot_i16_u8(n, q, codes + (size_t) r * stride);
}

/* a + b + c + d + e */
static inline float32x4_t
sum_terms(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d,
		  float32x4_t e)
{
	return vaddq_f32(vaddq_f32(vaddq_f32(vaddq_f32(a, b), c), d), e);
}

/* The screen of four codes, as four bits. */
static inline uint64
screen_four(const VecamScreen *s, const float *heads, float32x4_t dots)
{
	static const uint32 weights[4] = {1, 2, 4, 8};
	float32x4x4_t h = vld4q_f32(heads); /* lo, delta, norm2, residual */
	float32x4_t a = vmulq_n_f32(h.val[2], s->norm2);
	float32x4_t b = vmulq_n_f32(h.val[0], s->lo);
	float32x4_t c = vmulq_n_f32(vmulq_f32(h.val[1], dots), s->product);
	float32x4_t d = vaddq_f32(vdupq_n_f32(s->residual),
							  vmulq_n_f32(h.val[3], s->residual2));
	float32x4_t e = vdupq_n_f32(s->constant);
	float32x4_t threshold;
	uint32x4_t	beyond;

	d = vmulq_f32(h.val[3], d);
	threshold = sum_terms(vabsq_f32(a), vabsq_f32(b), vabsq_f32(c),
						  vabsq_f32(d), vabsq_f32(e));
	threshold = vaddq_f32(vmulq_n_f32(threshold, VECAM_SCREEN_SLACK),
						  vdupq_n_f32(FLT_MIN));
	beyond = vcgtq_f32(sum_terms(a, b, c, d, e), threshold);
	return vaddvq_u32(vbicq_u32(vld1q_u32(weights), beyond));
}

static uint64
neon_screen_codes(const VecamScreen *s, const VecamSq8Header *heads, int count,
				  int stride, const double *dots)
{
	const char *head = (const char *) heads;
	uint64		passed = 0;
	int			r;

	for (r = 0; r + 4 <= count; r += 4)
	{
		float		four[4 * 4];
		float32x4_t dot;
		int			k;

		for (k = 0; k < 4; k++)
		{
			memcpy(four + 4 * k, head, sizeof(VecamSq8Header));
			head += stride;
		}
		dot = vcombine_f32(vcvt_f32_f64(vld1q_f64(dots + r)),
						   vcvt_f32_f64(vld1q_f64(dots + r + 2)));
		passed |= screen_four(s, four, dot) << r;
	}
	if (r < count)
		passed |= vecam_scalar_table.screen_codes(s, (const VecamSq8Header *) head,
												  count - r, stride, dots + r) << r;
	return passed;
}

static uint32
neon_dot_u8_u8(int n, const uint8 *a, const uint8 *b)
{
	uint32x4_t	acc0 = vdupq_n_u32(0);
	uint32x4_t	acc1 = vdupq_n_u32(0);
	uint32		sum = 0;
	int			i;

	for (i = 0; i + 16 <= n; i += 16)
	{
		uint8x16_t	x = vld1q_u8(a + i);
		uint8x16_t	y = vld1q_u8(b + i);

		acc0 = vpadalq_u16(acc0, vmull_u8(vget_low_u8(x), vget_low_u8(y)));
		acc1 = vpadalq_u16(acc1, vmull_high_u8(x, y));
	}
	for (; i < n; i++)
		sum += (uint32) a[i] * (uint32) b[i];
	return sum + vaddvq_u32(vaddq_u32(acc0, acc1));
}

/* numbers of set bits in the bytes of two words */
NEON_INLINE uint8x16_t
byte_counts(uint64x2_t x)
{
	return vcntq_u8(vreinterpretq_u8_u64(x));
}

static uint64
neon_popcount_and(int n, const uint64 *a, const uint64 *b)
{
	uint64		sum = 0;
	int			i;

	for (i = 0; i + 2 <= n; i += 2)
	{
		uint64x2_t	x = vandq_u64(vld1q_u64((const uint64_t *) a + i),
								  vld1q_u64((const uint64_t *) b + i));

		/* 16 bytes of 8 bits: at most 128 */
		sum += vaddvq_u8(byte_counts(x));
	}
	if (i < n)
		sum += __builtin_popcountll(a[i] & b[i]);
	return sum;
}

static uint64
neon_popcount_xor(int n, const uint64 *a, const uint64 *b)
{
	uint64		sum = 0;
	int			i;

	for (i = 0; i + 2 <= n; i += 2)
	{
		uint64x2_t	x = veorq_u64(vld1q_u64((const uint64_t *) a + i),
								  vld1q_u64((const uint64_t *) b + i));

		sum += vaddvq_u8(byte_counts(x));
	}
	if (i < n)
		sum += __builtin_popcountll(a[i] ^ b[i]);
	return sum;
}

/* What two words share with those of the four planes, weighted, per byte. */
NEON_INLINE int8x16_t
weighted_counts(uint64x2_t words, const uint64x2_t *planes)
{
	uint8x16_t	c0 = byte_counts(vandq_u64(words, planes[0]));
	uint8x16_t	c1 = byte_counts(vandq_u64(words, planes[1]));
	uint8x16_t	c2 = byte_counts(vandq_u64(words, planes[2]));
	uint8x16_t	c3 = byte_counts(vandq_u64(words, planes[3]));

	/* between -64 and 56 */
	c0 = vaddq_u8(c0, vshlq_n_u8(c1, 1));
	c0 = vaddq_u8(c0, vshlq_n_u8(c2, 2));
	return vreinterpretq_s8_u8(vsubq_u8(c0, vshlq_n_u8(c3, 3)));
}

/* one word and a zero */
NEON_INLINE uint64x2_t
load_word(const uint64 *p)
{
	return vcombine_u64(vld1_u64((const uint64_t *) p), vdup_n_u64(0));
}

/* sum of k[i] over the set bits i of n words; planes are stride words apart */
NEON_INLINE int32
digits_of_bits(int n, const uint64 *planes, int stride, const uint64 *row)
{
	int32x4_t	acc = vdupq_n_s32(0);
	uint64x2_t	p[4];
	int			w;
	int			j;

	for (w = 0; w + 2 <= n; w += 2)
	{
		for (j = 0; j < 4; j++)
			p[j] = vld1q_u64((const uint64_t *) planes + j * stride + w);
		acc = vpadalq_s16(acc, vpaddlq_s8(weighted_counts(vld1q_u64((const uint64_t *) row + w), p)));
	}
	if (w < n)
	{
		for (j = 0; j < 4; j++)
			p[j] = load_word(planes + j * stride + w);
		acc = vpadalq_s16(acc, vpaddlq_s8(weighted_counts(load_word(row + w), p)));
	}
	return vaddvq_s32(acc);
}

static void
neon_sketch_estimates(const VecamSketchTerms *terms, int count,
					 const uint64 *sketches, const float *factors, float *est)
{
	int			words = terms->words;
	int			stride = terms->bits * words;
	int			r;

	for (r = 0; r < count; r++)
	{
		const uint64 *row = sketches + (size_t) r * stride;
		int32		sum = digits_of_bits(words, terms->planes, stride, row);

		if (terms->bits == 2)
			sum = 2 * sum + digits_of_bits(words, terms->planes, stride,
										   row + words);
		est[r] = vecam_estimate_of_sum(terms, sum, factors + 2 * r);
	}
}

/* The preparation of a query is left to the compiler's vectoriser. */
static bool
neon_range(int n, const float *x, float *lo, float *hi)
{
	return vecam_scalar_table.range(n, x, lo, hi);
}

static VecamQuantised
neon_quantise(int n, const float *x, float inverse, double scale, int16 *k)
{
	return vecam_scalar_table.quantise(n, x, inverse, scale, k);
}

static VecamDigitSums
neon_sketch_digits(int n, const float *x, float inverse, int8 *k)
{
	return vecam_scalar_table.sketch_digits(n, x, inverse, k);
}

static void
neon_bit_planes(int words, const int8 *k, int stride, uint64 *planes)
{
	vecam_scalar_table.bit_planes(words, k, stride, planes);
}

static void
neon_flip_signs(int n, const uint8 *signs, float *x)
{
	static const uint32_t bits[8] = {1, 2, 4, 8, 16, 32, 64, 128};
	const uint32x4_t low = vld1q_u32(bits);
	const uint32x4_t high = vld1q_u32(bits + 4);
	const uint32x4_t minus = vdupq_n_u32(0x80000000);
	int			i;

	for (i = 0; i + 8 <= n; i += 8)
	{
		uint32x4_t	s = vdupq_n_u32(signs[i / 8]);
		uint32x4_t	a = vreinterpretq_u32_f32(vld1q_f32(x + i));
		uint32x4_t	b = vreinterpretq_u32_f32(vld1q_f32(x + i + 4));

		a = veorq_u32(a, vandq_u32(vtstq_u32(s, low), minus));
		b = veorq_u32(b, vandq_u32(vtstq_u32(s, high), minus));
		vst1q_f32(x + i, vreinterpretq_f32_u32(a));
		vst1q_f32(x + i + 4, vreinterpretq_f32_u32(b));
	}
	vecam_scalar_table.flip_signs(n - i, signs + i / 8, x + i);
}

NEON_INLINE void
butterfly(float32x4_t *a, float32x4_t *b)
{
	float32x4_t sum = vaddq_f32(*a, *b);

	*b = vsubq_f32(*a, *b);
	*a = sum;
}

/*
 * Butterflies of distance 1 and 2 within two registers.  Even and odd elements
 * are gathered from both, so that one addition and one subtraction serve them.
 */
NEON_INLINE void
butterflies_within(float32x4_t *a, float32x4_t *b)
{
	float32x4_t even = vuzp1q_f32(*a, *b);
	float32x4_t odd = vuzp2q_f32(*a, *b);
	float32x4_t sum = vaddq_f32(even, odd);
	float32x4_t diff = vsubq_f32(even, odd);

	/* now a0+a1 a2+a3 b0+b1 b2+b3, and the same with differences */
	even = vuzp1q_f32(sum, diff);
	odd = vuzp2q_f32(sum, diff);
	sum = vaddq_f32(even, odd);
	diff = vsubq_f32(even, odd);

	/* now results 0 and 1 of a and b interleaved, and 2 and 3 */
	*a = vuzp1q_f32(sum, diff);
	*b = vuzp2q_f32(sum, diff);
}

/* Levels 1, 2 and 4 of the whole array, and the scaling. */
NEON_INLINE void
fht_first_levels(int n, float scale, float *x)
{
	int			i;

	for (i = 0; i < n; i += 8)
	{
		float32x4_t a = vmulq_n_f32(vld1q_f32(x + i), scale);
		float32x4_t b = vmulq_n_f32(vld1q_f32(x + i + 4), scale);

		butterflies_within(&a, &b);
		butterfly(&a, &b);
		vst1q_f32(x + i, a);
		vst1q_f32(x + i + 4, b);
	}
}

/* Levels h and 2h in one pass over the array. */
NEON_INLINE void
fht_two_levels(int n, int h, float *x)
{
	int			i;
	int			j;

	for (i = 0; i < n; i += 4 * h)
	{
		for (j = i; j < i + h; j += 4)
		{
			float32x4_t a = vld1q_f32(x + j);
			float32x4_t b = vld1q_f32(x + j + h);
			float32x4_t c = vld1q_f32(x + j + 2 * h);
			float32x4_t d = vld1q_f32(x + j + 3 * h);

			butterfly(&a, &b);
			butterfly(&c, &d);
			butterfly(&a, &c);
			butterfly(&b, &d);
			vst1q_f32(x + j, a);
			vst1q_f32(x + j + h, b);
			vst1q_f32(x + j + 2 * h, c);
			vst1q_f32(x + j + 3 * h, d);
		}
	}
}

static void
neon_fht(int log2n, float scale, float *x)
{
	int			n = 1 << log2n;
	int			h;
	int			j;

	if (n < 8)
	{
		vecam_scalar_table.fht(log2n, scale, x);
		return;
	}
	fht_first_levels(n, scale, x);
	for (h = 8; 2 * h < n; h *= 4)
		fht_two_levels(n, h, x);
	if (h < n)
	{
		for (j = 0; j < h; j += 4)
		{
			float32x4_t a = vld1q_f32(x + j);
			float32x4_t b = vld1q_f32(x + j + h);

			butterfly(&a, &b);
			vst1q_f32(x + j, a);
			vst1q_f32(x + j + h, b);
		}
	}
}

static void
neon_kac(int n, float scale, float *x)
{
	int			half = (n + 1) / 2;
	int			i;

	for (i = 0; i + 4 <= n - half; i += 4)
	{
		float32x4_t a = vld1q_f32(x + i);
		float32x4_t b = vld1q_f32(x + i + half);

		butterfly(&a, &b);
		vst1q_f32(x + i, vmulq_n_f32(a, scale));
		vst1q_f32(x + i + half, vmulq_n_f32(b, scale));
	}
	for (; i < n - half; i++)
	{
		float		a = x[i];
		float		b = x[i + half];

		x[i] = (a + b) * scale;
		x[i + half] = (a - b) * scale;
	}
}

static void
neon_encode_sq8(int n, const float *x, double lo, double delta, uint8 *code,
				double *loss, double *norm)
{
	vecam_scalar_table.encode_sq8(n, x, lo, delta, code, loss, norm);
}

static void
neon_encode_fine(int n, const float *x, double lo, double delta,
				 const uint8 *code, int shift, uint8 *fine, double *loss,
				 double *norm)
{
	vecam_scalar_table.encode_fine(n, x, lo, delta, code, shift, fine, loss,
								   norm);
}

static void
neon_decode_fine(int n, float origin, float step, const uint8 *code,
				 const uint8 *fine, int shift, float *x)
{
	vecam_scalar_table.decode_fine(n, origin, step, code, fine, shift, x);
}

/* The compiler does well enough with these. */
static void
neon_decode_sq8(int n, double lo, double delta, const uint8 *code, float *x)
{
	vecam_scalar_table.decode_sq8(n, lo, delta, code, x);
}

static void
neon_sketch_levels(int n, const float *x, const float *c, float threshold,
				   uint64 *high, uint64 *low, double *rv, double *vc)
{
	vecam_scalar_table.sketch_levels(n, x, c, threshold, high, low, rv, vc);
}

static const VecamKernels neon_table = {
	.level = VECAM_SIMD_NEON,
	.name = "neon",
	.l2_squared = neon_l2_squared,
	.inner_product = neon_inner_product,
	.l1 = neon_l1,
	.cosine_terms = neon_cosine_terms,
	.dot_f32_u8 = neon_dot_f32_u8,
	.dot_i16_u8 = neon_dot_i16_u8,
	.dots_i16_u8 = neon_dots_i16_u8,
	.screen_codes = neon_screen_codes,
	.dot_u8_u8 = neon_dot_u8_u8,
	.popcount_and = neon_popcount_and,
	.popcount_xor = neon_popcount_xor,
	.sketch_estimates = neon_sketch_estimates,
	.range = neon_range,
	.quantise = neon_quantise,
	.sketch_digits = neon_sketch_digits,
	.bit_planes = neon_bit_planes,
	.flip_signs = neon_flip_signs,
	.fht = neon_fht,
	.kac = neon_kac,
	.encode_sq8 = neon_encode_sq8,
	.encode_fine = neon_encode_fine,
	.decode_fine = neon_decode_fine,
	.decode_sq8 = neon_decode_sq8,
	.sketch_levels = neon_sketch_levels,
};

const VecamKernels *
vecam_kernels_neon(void)
{
	return &neon_table;
}

#else

const VecamKernels *
vecam_kernels_neon(void)
{
	return NULL;
}

#endif							/* __aarch64__ */
