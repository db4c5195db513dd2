/*-------------------------------------------------------------------------
 *
 * kernels_scalar.c
 *	  The kernels in portable C: the definition of what every level computes.
 *
 * The loops over VECAM_LANES accumulators are written for the compiler's
 * vectoriser, which keeps the order of operations within each lane.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "math/estimate.h"
#include "math/kernels.h"
#include "math/lanes.h"

static double
scalar_l2_squared(int n, const float *a, const float *b)
{
	double		acc[VECAM_LANES] = {0};
	int			full = n - n % VECAM_LANES;
	int			i;
	int			j;

	for (i = 0; i < full; i += VECAM_LANES)
	{
		for (j = 0; j < VECAM_LANES; j++)
		{
			double		d = (double) a[i + j] - (double) b[i + j];

			acc[j] += d * d;
		}
	}
	for (j = 0; j < n - full; j++)
	{
		double		d = (double) a[full + j] - (double) b[full + j];

		acc[j] += d * d;
	}
	return vecam_sum_lanes(acc);
}

static double
scalar_inner_product(int n, const float *a, const float *b)
{
	double		acc[VECAM_LANES] = {0};
	int			full = n - n % VECAM_LANES;
	int			i;
	int			j;

	for (i = 0; i < full; i += VECAM_LANES)
	{
		for (j = 0; j < VECAM_LANES; j++)
			acc[j] += (double) a[i + j] * (double) b[i + j];
	}
	for (j = 0; j < n - full; j++)
		acc[j] += (double) a[full + j] * (double) b[full + j];
	return vecam_sum_lanes(acc);
}

static double
scalar_l1(int n, const float *a, const float *b)
{
	double		acc[VECAM_LANES] = {0};
	int			full = n - n % VECAM_LANES;
	int			i;
	int			j;

	for (i = 0; i < full; i += VECAM_LANES)
	{
		for (j = 0; j < VECAM_LANES; j++)
			acc[j] += fabs((double) a[i + j] - (double) b[i + j]);
	}
	for (j = 0; j < n - full; j++)
		acc[j] += fabs((double) a[full + j] - (double) b[full + j]);
	return vecam_sum_lanes(acc);
}

static VecamCosineTerms
scalar_cosine_terms(int n, const float *a, const float *b)
{
	double		dot[VECAM_LANES] = {0};
	double		aa[VECAM_LANES] = {0};
	double		bb[VECAM_LANES] = {0};
	int			full = n - n % VECAM_LANES;
	VecamCosineTerms terms;
	int			i;
	int			j;

	for (i = 0; i < n; i += VECAM_LANES)
	{
		int			width = i < full ? VECAM_LANES : n - full;

		for (j = 0; j < width; j++)
		{
			double		x = a[i + j];
			double		y = b[i + j];

			dot[j] += x * y;
			aa[j] += x * x;
			bb[j] += y * y;
		}
	}
	terms.dot = vecam_sum_lanes(dot);
	terms.norm2_a = vecam_sum_lanes(aa);
	terms.norm2_b = vecam_sum_lanes(bb);
	return terms;
}

static double
scalar_dot_f32_u8(int n, const float *q, const uint8 *code)
{
	double		acc[VECAM_LANES] = {0};
	int			full = n - n % VECAM_LANES;
	int			i;
	int			j;

	for (i = 0; i < full; i += VECAM_LANES)
	{
		for (j = 0; j < VECAM_LANES; j++)
			acc[j] += (double) q[i + j] * (double) code[i + j];
	}
	for (j = 0; j < n - full; j++)
		acc[j] += (double) q[full + j] * (double) code[full + j];
	return vecam_sum_lanes(acc);
}

static int32
scalar_dot_i16_u8(int n, const int16 *q, const uint8 *code)
{
	int32		sum = 0;
	int			i;

	for (i = 0; i < n; i++)
		sum += (int32) q[i] * (int32) code[i];
	return sum;
}

static void
scalar_dots_i16_u8(int n, const int16 *q, const uint8 *codes, int count,
				   int stride, int32 *dots)
{
	int			r;

	for (r = 0; r < count; r++)
		dots[r] = scalar_dot_i16_u8(n, q, codes + (size_t) r * stride);
}

static bool
passes_screen(const VecamScreen *s, const VecamSq8Header *h, double dot)
{
	float		a = s->norm2 * h->norm2;
	float		b = s->lo * h->lo;
	float		c = s->product * (h->delta * (float) dot);
	float		d = h->residual * (s->residual + s->residual2 * h->residual);
	float		e = s->constant;
	float		sum = a + b + c + d + e;
	float		magnitude = fabsf(a) + fabsf(b) + fabsf(c) + fabsf(d) + fabsf(e);

	/* not <=: what is not a number passes */
	return !(sum > VECAM_SCREEN_SLACK * magnitude + FLT_MIN);
}

static uint64
scalar_screen_codes(const VecamScreen *s, const VecamSq8Header *heads,
					int count, int stride, const double *dots)
{
	uint64		passed = 0;
	int			r;

	for (r = 0; r < count; r++)
	{
		const char *head = (const char *) heads + (size_t) r * stride;

		passed |= (uint64) passes_screen(s, (const VecamSq8Header *) head,
										 dots[r]) << r;
	}
	return passed;
}

static uint32
scalar_dot_u8_u8(int n, const uint8 *a, const uint8 *b)
{
	uint32		sum = 0;
	int			i;

	for (i = 0; i < n; i++)
		sum += (uint32) a[i] * (uint32) b[i];
	return sum;
}

/* without an instruction for it: sums of 2, 4, 8 bits, then of the bytes */
static inline uint64
popcount64(uint64 x)
{
	x -= (x >> 1) & UINT64CONST(0x5555555555555555);
	x = (x & UINT64CONST(0x3333333333333333)) +
		((x >> 2) & UINT64CONST(0x3333333333333333));
	x = (x + (x >> 4)) & UINT64CONST(0x0F0F0F0F0F0F0F0F);
	return (x * UINT64CONST(0x0101010101010101)) >> 56;
}

static uint64
scalar_popcount_and(int n, const uint64 *a, const uint64 *b)
{
	uint64		sum = 0;
	int			i;

	for (i = 0; i < n; i++)
		sum += popcount64(a[i] & b[i]);
	return sum;
}

static uint64
scalar_popcount_xor(int n, const uint64 *a, const uint64 *b)
{
	uint64		sum = 0;
	int			i;

	for (i = 0; i < n; i++)
		sum += popcount64(a[i] ^ b[i]);
	return sum;
}

/* sum of k[i] over the set bits i of n words; planes are stride words apart */
static int32
digits_of_bits(int n, const uint64 *planes, int stride, const uint64 *row)
{
	int32		sum = 0;
	int			w;

	for (w = 0; w < n; w++)
	{
		sum += (int32) popcount64(row[w] & planes[w]);
		sum += (int32) popcount64(row[w] & planes[stride + w]) * 2;
		sum += (int32) popcount64(row[w] & planes[2 * stride + w]) * 4;
		sum -= (int32) popcount64(row[w] & planes[3 * stride + w]) * 8;
	}
	return sum;
}

static void
scalar_sketch_estimates(const VecamSketchTerms *terms, int count,
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

static bool
scalar_range(int n, const float *x, float *min, float *max)
{
	float		lo[VECAM_LANES];
	float		hi[VECAM_LANES];
	float		poison[VECAM_LANES] = {0};
	int			full = n - n % VECAM_LANES;
	int			i;
	int			j;

	for (j = 0; j < VECAM_LANES; j++)
		lo[j] = hi[j] = x[0];
	for (i = 0; i < full; i += VECAM_LANES)
	{
		for (j = 0; j < VECAM_LANES; j++)
		{
			float		v = x[i + j];

			lo[j] = v < lo[j] ? v : lo[j];
			hi[j] = v > hi[j] ? v : hi[j];
			/* 0 for every finite number, else NaN */
			poison[j] += v * 0.0f;
		}
	}
	for (i = full; i < n; i++)
	{
		lo[0] = x[i] < lo[0] ? x[i] : lo[0];
		hi[0] = x[i] > hi[0] ? x[i] : hi[0];
		poison[0] += x[i] * 0.0f;
	}
	for (j = 1; j < VECAM_LANES; j++)
	{
		lo[0] = lo[j] < lo[0] ? lo[j] : lo[0];
		hi[0] = hi[j] > hi[0] ? hi[j] : hi[0];
		poison[0] += poison[j];
	}
	/* no negative zero: headers are compared bit by bit */
	*min = lo[0] + 0.0f;
	*max = hi[0] + 0.0f;
	return poison[0] == 0.0f;
}

/* Adding this leaves no bits behind the point of a float4 below 2^22. */
#define ROUNDER 12582912.0f

static inline int
round_to_even(float t)
{
	return (int) ((t + ROUNDER) - ROUNDER);
}

static VecamQuantised
scalar_quantise(int n, const float *x, float inverse, double scale, int16 *k)
{
	double		loss[VECAM_LANES] = {0};
	VecamQuantised result = {0};
	int			i;

	for (i = 0; i < n; i++)
	{
		int			ki = round_to_even(x[i] * inverse);
		double		e = (double) x[i] - scale * (double) ki;

		k[i] = (int16) ki;
		loss[i % VECAM_LANES] += e * e;
		result.sum += (double) ki;
		result.norm2 += (double) ki * (double) ki;
	}
	result.loss2 = vecam_sum_lanes(loss);
	return result;
}

static VecamDigitSums
scalar_sketch_digits(int n, const float *x, float inverse, int8 *k)
{
	float		product[VECAM_LANES] = {0};
	double		lanes[VECAM_LANES];
	VecamDigitSums sums = {0};
	int			i;

	for (i = 0; i < n; i++)
	{
		float		t = x[i] * inverse;
		int			digit = round_to_even(Min(Max(t, -8.0f), 7.0f));

		k[i] = (int8) digit;
		product[i % VECAM_LANES] += t * (float) digit;
		sums.sum += digit;
		sums.norm2 += digit * digit;
	}
	for (i = 0; i < VECAM_LANES; i++)
		lanes[i] = product[i];
	sums.product = vecam_sum_lanes(lanes);
	return sums;
}

/* One bit of each of 64 bytes. */
static uint64
pack_bit(const int8 *k, int bit)
{
	uint64		word = 0;
	int			i;

	for (i = 0; i < 64; i++)
		word |= (uint64) (((uint8) k[i] >> bit) & 1) << i;
	return word;
}

static void
scalar_bit_planes(int words, const int8 *k, int stride, uint64 *planes)
{
	int			w;
	int			p;

	for (w = 0; w < words; w++)
	{
		for (p = 0; p < 4; p++)
			planes[p * stride + w] = pack_bit(k + 64 * w, p);
	}
}

static void
scalar_flip_signs(int n, const uint8 *signs, float *x)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		uint32		bits;

		memcpy(&bits, &x[i], sizeof(bits));
		bits ^= (uint32) ((signs[i / 8] >> (i % 8)) & 1) << 31;
		memcpy(&x[i], &bits, sizeof(bits));
	}
}

static void
scalar_fht(int log2n, float scale, float *x)
{
	int			n = 1 << log2n;
	int			h;
	int			i;
	int			j;

	for (i = 0; i < n; i++)
		x[i] *= scale;
	for (h = 1; h < n; h *= 2)
	{
		for (i = 0; i < n; i += 2 * h)
		{
			for (j = i; j < i + h; j++)
			{
				float		a = x[j];
				float		b = x[j + h];

				x[j] = a + b;
				x[j + h] = a - b;
			}
		}
	}
}

static void
scalar_kac(int n, float scale, float *x)
{
	int			half = (n + 1) / 2;
	int			i;

	for (i = 0; i < n - half; i++)
	{
		float		a = x[i];
		float		b = x[i + half];

		x[i] = (a + b) * scale;
		x[i + half] = (a - b) * scale;
	}
}

static inline void
encode_sq8_lanes(int count, const float *x, double lo, double delta,
				 double inverse, uint8 *code, double *loss, double *norm)
{
	int			j;

	for (j = 0; j < count; j++)
	{
		double		t = ((double) x[j] - lo) * inverse + 0.5;
		int			c = (int) (t < 255.0 ? t : 255.0);
		double		v = lo + delta * (double) c;
		double		e = (double) x[j] - v;

		code[j] = (uint8) c;
		loss[j] += e * e;
		norm[j] += v * v;
	}
}

static void
scalar_encode_sq8(int n, const float *x, double lo, double delta, uint8 *code,
				  double *loss, double *norm)
{
	double		inverse = delta > 0.0 ? 1.0 / delta : 0.0;
	int			i;

	for (i = 0; i + VECAM_LANES <= n; i += VECAM_LANES)
		encode_sq8_lanes(VECAM_LANES, x + i, lo, delta, inverse, code + i, loss,
						 norm);
	encode_sq8_lanes(n - i, x + i, lo, delta, inverse, code + i, loss, norm);
}

/*
 * A coordinate lies between the ends of the codes but for the rounding of delta,
 * so f is far from the limits of an int.
 */
static inline void
encode_fine_lanes(int count, const float *x, double lo, double delta,
				  double inverse, const uint8 *code, int shift, uint8 *fine,
				  double *loss, double *norm)
{
	int			j;

	for (j = 0; j < count; j++)
	{
		double		c = code[j];
		int			f = (int) ((((double) x[j] - lo) * inverse - c + 0.5) * 16.0);
		double		v;
		double		e;

		f = f < 0 ? 0 : f;
		f = f < 15 ? f : 15;
		v = lo + delta * (c + (f - 7.5) / 16.0);
		e = (double) x[j] - v;
		fine[j] |= (uint8) (f << shift);
		loss[j] += e * e;
		norm[j] += v * v;
	}
}

static void
scalar_encode_fine(int n, const float *x, double lo, double delta,
				   const uint8 *code, int shift, uint8 *fine, double *loss,
				   double *norm)
{
	double		inverse = delta > 0.0 ? 1.0 / delta : 0.0;
	int			i;

	for (i = 0; i + VECAM_LANES <= n; i += VECAM_LANES)
		encode_fine_lanes(VECAM_LANES, x + i, lo, delta, inverse, code + i,
						  shift, fine + i, loss, norm);
	encode_fine_lanes(n - i, x + i, lo, delta, inverse, code + i, shift,
					  fine + i, loss, norm);
}

static void
scalar_decode_fine(int n, float origin, float step, const uint8 *code,
				   const uint8 *fine, int shift, float *x)
{
	int			i;

	for (i = 0; i < n; i++)
		x[i] = origin +
			step * (float) (16 * code[i] + ((fine[i] >> shift) & 0x0F));
}

static void
scalar_decode_sq8(int n, double lo, double delta, const uint8 *code, float *x)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		double		v = lo + delta * (double) code[i];

		x[i] = (float) (v < FLT_MAX ? v : FLT_MAX);
	}
}

/*
 * The level of a component r as a number v + 3/2 = 0 .. 3.  Arithmetic, since
 * signs are random and branches on them would be mispredicted.
 */
static inline int
level_number(float r, float threshold)
{
	int			large = fabsf(r) >= threshold;
	int			positive = r > 0.0f;

	return 1 - large + positive * (1 + 2 * large);
}

static void
scalar_sketch_levels(int n, const float *x, const float *c, float threshold,
					 uint64 *high, uint64 *low, double *rv, double *vc)
{
	int			i;

	*high = *low = 0;
	for (i = 0; i < n; i++)
	{
		float		r = x[i] - c[i];
		int			k = level_number(r, threshold);
		double		v = k - 1.5;

		rv[i % VECAM_LANES] += v * (double) r;
		vc[i % VECAM_LANES] += v * (double) c[i];
		*high |= (uint64) (k >> 1) << i;
		*low |= (uint64) (k & 1) << i;
	}
}

const VecamKernels vecam_scalar_table = {
	.level = VECAM_SIMD_SCALAR,
	.name = "scalar",
	.l2_squared = scalar_l2_squared,
	.inner_product = scalar_inner_product,
	.l1 = scalar_l1,
	.cosine_terms = scalar_cosine_terms,
	.dot_f32_u8 = scalar_dot_f32_u8,
	.dot_i16_u8 = scalar_dot_i16_u8,
	.dots_i16_u8 = scalar_dots_i16_u8,
	.screen_codes = scalar_screen_codes,
	.dot_u8_u8 = scalar_dot_u8_u8,
	.popcount_and = scalar_popcount_and,
	.popcount_xor = scalar_popcount_xor,
	.sketch_estimates = scalar_sketch_estimates,
	.range = scalar_range,
	.quantise = scalar_quantise,
	.sketch_digits = scalar_sketch_digits,
	.bit_planes = scalar_bit_planes,
	.flip_signs = scalar_flip_signs,
	.fht = scalar_fht,
	.kac = scalar_kac,
	.encode_sq8 = scalar_encode_sq8,
	.encode_fine = scalar_encode_fine,
	.decode_fine = scalar_decode_fine,
	.decode_sq8 = scalar_decode_sq8,
	.sketch_levels = scalar_sketch_levels,
};

const VecamKernels *
vecam_kernels_scalar(void)
{
	return &vecam_scalar_table;
}
