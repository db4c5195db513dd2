/*-------------------------------------------------------------------------
 *
 * kernels.h
 *	  Distance kernels and their run-time dispatch.
 *
 * Every kernel gives the same bits on every level: integer kernels are exact,
 * and floating point kernels add into VECAM_LANES double accumulators (element
 * i goes to lane i mod VECAM_LANES), which are then summed in one fixed order,
 * without contraction.  So a query gives the same answer whatever CPU runs it,
 * and index contents do not depend on the machine that wrote them.
 *
 * src/math depends on c.h alone: no palloc, no ereport, no buffers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_KERNELS_H
#define VECAM_KERNELS_H

#include "c.h"

#include "math/sq8.h"

/* Accumulators of a floating point kernel; part of the kernels' definition. */
#define VECAM_LANES 16

typedef enum VecamSimdLevel
{
	VECAM_SIMD_SCALAR,
	VECAM_SIMD_NEON,
	VECAM_SIMD_AVX2,			/* AVX2, FMA and POPCNT */
	VECAM_SIMD_AVX512,			/* AVX2, FMA, POPCNT; AVX-512 F, BW, DQ, VL */
} VecamSimdLevel;

#define VECAM_SIMD_NLEVELS 4

/* dot, |a|^2 and |b|^2 of one pass over two vectors */
typedef struct VecamCosineTerms
{
	double		dot;
	double		norm2_a;
	double		norm2_b;
} VecamCosineTerms;

/* What vectors of small integers are measured by when they are made. */
typedef struct VecamQuantised
{
	double		loss2;			/* sum of (x[i] - scale * k[i])^2 */
	double		sum;			/* of k[i], exact */
	double		norm2;			/* sum of k[i]^2, exact */
} VecamQuantised;

typedef struct VecamDigitSums
{
	double		product;		/* sum of x[i] * inverse * k[i], in float4 */
	int32		sum;			/* of k[i] */
	int32		norm2;			/* sum of k[i]^2 */
} VecamDigitSums;

/*
 * A query, as a digit k[i] = -8 .. 7 for each coordinate, against the sketches
 * of one centre: b[i] is the bit, or the number of two bits, of coordinate i,
 * and with sum = sum of k[i] * b[i] an estimate is
 *
 *		centre + add + mul * (delta * sum - offset)
 *
 * The digits come in two forms.  A plane has one bit of each digit (two's
 * complement, least significant plane first) and repeats itself for each bit
 * of a sketch, so that its words stand opposite those of a sketch.
 */
typedef struct VecamSketchTerms
{
	int			bits;			/* planes of a sketch, 1 or 2 */
	int			words;			/* 64-bit words of one plane */
	const int8 *k;				/* 64 * words, zeros beyond the dimensions */
	const uint64 *planes;		/* 4 planes of bits * words words */
	double		centre;			/* squared distance of query and centre */
	double		delta;
	double		offset;
} VecamSketchTerms;

/*
 * Coefficients of a test that needs no more of a code than its head and its
 * dot product with a query: see screen_codes.
 */
typedef struct VecamScreen
{
	float		norm2;
	float		lo;
	float		product;
	float		residual;
	float		residual2;
	float		constant;
} VecamScreen;

/* Rounding errors of the test, relative to the sum of its terms' magnitudes. */
#define VECAM_SCREEN_SLACK 2e-6f

/* Codes of one call of screen_codes at most: bits of its result. */
#define VECAM_SCREEN_MAX 64

/*
 * The kernels of one level.  n counts elements; pointers need only the
 * alignment of their element type.
 */
typedef struct VecamKernels
{
	VecamSimdLevel level;
	const char *name;			/* "scalar", "neon", "avx2", "avx512" */

	/* float4 x float4, accumulated in double */
	double		(*l2_squared) (int n, const float *a, const float *b);
	double		(*inner_product) (int n, const float *a, const float *b);
	double		(*l1) (int n, const float *a, const float *b);
	VecamCosineTerms (*cosine_terms) (int n, const float *a, const float *b);

	/* sum q[i] * code[i]: float4 query against an 8-bit code, in double */
	double		(*dot_f32_u8) (int n, const float *q, const uint8 *code);

	/*
	 * sum q[i] * code[i] in int32.  The caller keeps n * 255 * max|q[i]|
	 * below 2^31 (see vecam_sq8_query_init).
	 */
	int32		(*dot_i16_u8) (int n, const int16 *q, const uint8 *code);

	/* dots[r] = dot_i16_u8(n, q, codes + r * stride) for each of count codes */
	void		(*dots_i16_u8) (int n, const int16 *q, const uint8 *codes,
								int count, int stride, int32 *dots);

	/*
	 * Bit r says whether code r passes the screen s, for count codes whose
	 * heads h begin stride bytes apart: whether not
	 *
	 *		a + b + c + d + e > slack * (|a| + |b| + |c| + |d| + |e|) + FLT_MIN
	 *
	 * in float4, added from left to right, where a = s.norm2 * h.norm2, b =
	 * s.lo * h.lo, c = s.product * (h.delta * dots[r]), d = h.residual *
	 * (s.residual + s.residual2 * h.residual) and e = s.constant.
	 */
	uint64		(*screen_codes) (const VecamScreen *s,
								 const VecamSq8Header *heads, int count,
								 int stride, const double *dots);

	/* sum a[i] * b[i]; exact for n <= 66,051 */
	uint32		(*dot_u8_u8) (int n, const uint8 *a, const uint8 *b);

	/* popcount(a & b) and popcount(a ^ b) over n 64-bit words */
	uint64		(*popcount_and) (int n, const uint64 *a, const uint64 *b);
	uint64		(*popcount_xor) (int n, const uint64 *a, const uint64 *b);

	/*
	 * est[r] of count sketches that lie one after another.  factors holds the
	 * pairs (add, mul).  The sums are exact, the rest is double; est is
	 * brought into the range of float4.
	 */
	void		(*sketch_estimates) (const VecamSketchTerms *terms, int count,
									 const uint64 *sketches,
									 const float *factors, float *est);

	/*
	 * Smallest and largest of n >= 1 numbers, neither of them -0; false if any
	 * is infinite or NaN.
	 */
	bool		(*range) (int n, const float *x, float *lo, float *hi);

	/*
	 * k[i] = x[i] * inverse in float4, rounded to the nearest, ties to even.
	 * The caller sees to it that no |k[i]| is above 32,767, and gives a scale
	 * that is a float4, so that scale * k[i] is exact.
	 */
	VecamQuantised (*quantise) (int n, const float *x, float inverse,
								double scale, int16 *k);

	/*
	 * The same for the digits of a sketched query, -8 .. 7, which are what
	 * lies beyond them, too.
	 */
	VecamDigitSums (*sketch_digits) (int n, const float *x, float inverse,
									 int8 *k);

	/*
	 * Bit p of the 64 * words bytes k as plane p of 0 .. 3, which are stride
	 * words apart.
	 */
	void		(*bit_planes) (int words, const int8 *k, int stride,
							   uint64 *planes);

	/* Negate x[i] where bit i (least significant first) of signs is set. */
	void		(*flip_signs) (int n, const uint8 *signs, float *x);

	/*
	 * x := H (scale * x) in float4, with H the unnormalised Hadamard matrix
	 * of order 2^log2n, as log2n levels of butterflies of distance 1, 2, 4 ..
	 */
	void		(*fht) (int log2n, float scale, float *x);

	/*
	 * (x[i], x[i + h]) := scale * (x[i] + x[i + h], x[i] - x[i + h]) for
	 * i < n - h, where h = ceil(n / 2), in float4
	 */
	void		(*kac) (int n, float scale, float *x);

	/*
	 * code[i] = the whole part of (x[i] - lo) / delta + 1/2, at most 255, or 0
	 * if delta is.  With v[i] = lo + delta * code[i], (x[i] - v[i])^2 and
	 * v[i]^2 are added to lane i mod VECAM_LANES of loss and norm.  In double,
	 * division by delta as a product; no x[i] is below lo.
	 */
	void		(*encode_sq8) (int n, const float *x, double lo, double delta,
							   uint8 *code, double *loss, double *norm);

	/*
	 * Divides the range of each code by 16: f[i] = 0 .. 15 is where x[i] lies
	 * in it, or nearest to it, and goes to the four bits of fine[i] from bit
	 * shift = 0 or 4 on, which are 0.  v[i] is the middle of the sixteenth;
	 * loss and norm as above.
	 */
	void		(*encode_fine) (int n, const float *x, double lo, double delta,
								const uint8 *code, int shift, uint8 *fine,
								double *loss, double *norm);

	/*
	 * x[i] = origin + step * (16 * code[i] + f), in float4, with f the four
	 * bits of fine[i] from bit shift = 0 or 4 on
	 */
	void		(*decode_fine) (int n, float origin, float step,
								const uint8 *code, const uint8 *fine,
								int shift, float *x);

	/*
	 * x[i] = lo + delta * code[i] in double, at most FLT_MAX, rounded to
	 * float4
	 */
	void		(*decode_sq8) (int n, double lo, double delta,
							   const uint8 *code, float *x);

	/*
	 * The levels v[i] = -3/2, -1/2, 1/2, 3/2 of n <= 64 numbers r[i] = x[i] -
	 * c[i] in float4: positive where r[i] is, large where |r[i]| >=
	 * threshold.  v + 3/2 as a number of two bits goes to bit i of high and
	 * low, and v[i] * r[i] and v[i] * c[i] are added to lane i mod
	 * VECAM_LANES of rv and vc.
	 */
	void		(*sketch_levels) (int n, const float *x, const float *c,
								  float threshold, uint64 *high, uint64 *low,
								  double *rv, double *vc);
} VecamKernels;

/*
 * The kernels in use: the scalar ones until vecam_kernels_init() or
 * vecam_kernels_use() chooses others.
 */
extern PGDLLIMPORT const VecamKernels *vecam_kernels;

/* kernels.c */

/* Does this build have the level, and can this CPU and its OS run it? */
extern bool vecam_simd_supported(VecamSimdLevel level);

/* The fastest supported level. */
extern VecamSimdLevel vecam_simd_best(void);

/* The table of a level, NULL unless vecam_simd_supported(level). */
extern const VecamKernels *vecam_kernels_for(VecamSimdLevel level);

/* Use a level from now on; one that is not supported means the best one. */
extern void vecam_kernels_use(VecamSimdLevel level);

/* Use the best level. */
extern void vecam_kernels_init(void);

/* one table per level, NULL where this build has no such code */
extern const VecamKernels *vecam_kernels_scalar(void);
extern const VecamKernels *vecam_kernels_neon(void);
extern const VecamKernels *vecam_kernels_avx2(void);
extern const VecamKernels *vecam_kernels_avx512(void);

/* The scalar kernels, which are also the definition of all the others. */
extern const VecamKernels vecam_scalar_table;

#if defined(__x86_64__)
/* also good enough for AVX-512: memory limits it */
extern uint64 vecam_avx2_screen_codes(const VecamScreen *s,
									  const VecamSq8Header *heads, int count,
									  int stride, const double *dots);
#endif

#endif							/* VECAM_KERNELS_H */
