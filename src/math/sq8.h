/*-------------------------------------------------------------------------
 *
 * sq8.h
 *	  8-bit scalar quantisation with the norm of what the code loses.
 *
 * A code stands for the vector x~ with x~[i] = lo + delta * code[i], exactly.
 * residual is an upper bound of |x - x~| that includes the rounding errors of
 * the rotation in front of it, hence for any query q
 *
 *		|x~ - q~| - residual - |q - q~|  <=  |x - q|
 *
 * Encoding is one C routine without contraction: the same bits everywhere.
 * Rounding errors of the evaluation in double are allowed for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_SQ8_H
#define VECAM_SQ8_H

#include "c.h"

typedef struct VecamSq8Header
{
	float		lo;
	float		delta;			/* 0 for a constant vector */
	float		norm2;			/* |x~|^2, rounded towards zero, finite */
	float		residual;		/* >= |x - x~|; +Infinity: no bound known */
} VecamSq8Header;

StaticAssertDecl(sizeof(VecamSq8Header) == 16, "VecamSq8Header is on disk");

/*
 * Encode the n coordinates x.  input_error is a bound of the distance between
 * x and the vector that it stands for (rotation_error * |x| and the like); it
 * goes into the residual.  x may hold infinite or NaN coordinates (overflow of
 * the rotation): the code is then all zero and the residual infinite.
 */
extern void vecam_sq8_encode(int n, const float *x, double input_error,
							 VecamSq8Header *head, uint8 *code);

/*
 * Decode to float4: rounded from double once per coordinate, and kept finite.
 */
extern void vecam_sq8_decode(int n, const VecamSq8Header *head,
							 const uint8 *code, float *x);

/*
 * Elements in one call of the integer dot product; longer codes go in pieces.
 * The shorter the piece, the finer the query's quantisation: the products of
 * 1,024 elements leave 13 bits and a sign for the query.
 */
#define VECAM_SQ8_BLOCK 1024

/*
 * A query quantised to 16-bit integers: q~[i] = scale * q16[i].
 */
typedef struct VecamSq8Query
{
	int			n;
	double		scale;
	double		sum;			/* sum of q~[i] */
	double		norm2;			/* |q~|^2 */
	double		error;			/* >= |q - q~|, input_error included */
	bool		finite;			/* false: no bound can be given */
	const int16 *q16;			/* the caller's array of n */
} VecamSq8Query;

/*
 * Quantise the query x (n coordinates) into the caller's q16 array.
 */
extern void vecam_sq8_query_init(VecamSq8Query *query, int n, const float *x,
								 double input_error, int16 *q16);

/* <x~, q~>, exact up to double rounding */
extern double vecam_sq8_dot(const VecamSq8Query *query,
							const VecamSq8Header *head, const uint8 *code);

/* |x~ - q~|^2, never above the true value, >= 0 */
extern double vecam_sq8_distance2(const VecamSq8Query *query,
								  const VecamSq8Header *head, const uint8 *code);

/*
 * sum q16[i] * code[i], exact: the "dot" of the functions below.  It is what
 * costs time, so that who needs several results of one code computes it once.
 */
extern double vecam_sq8_integer_dot(const VecamSq8Query *query,
									const uint8 *code);

/* Codes of one call of vecam_sq8_integer_dots at most. */
#define VECAM_SQ8_BATCH 64

/* The same of count codes that begin stride bytes apart. */
extern void vecam_sq8_integer_dots(const VecamSq8Query *query,
								   const uint8 *codes, int count, int stride,
								   double *dots);

/* vecam_sq8_distance2 of a code with this dot */
extern double vecam_sq8_distance2_of_dot(const VecamSq8Query *query,
										 const VecamSq8Header *head,
										 double dot);

/* <x~, q~>, never below the true value */
extern double vecam_sq8_dot_upper(const VecamSq8Query *query,
								  const VecamSq8Header *head, double dot);

/*
 * A lower bound of |x - q|, >= 0; -Infinity where no bound can be given.
 */
extern double vecam_sq8_lower_bound(const VecamSq8Query *query,
									const VecamSq8Header *head, double dot);

/* The sum of n <= 2^24 code bytes. */
extern uint32 vecam_sq8_code_sum(int n, const uint8 *code);

/*
 * |x~ - y~|^2 of two codes (graph linking), >= 0.  Accurate to about 1e-7 of
 * the larger squared norm, which is what the headers keep.  The second form is
 * for callers that keep the codes' sums (vecam_sq8_code_sum).
 */
extern double vecam_sq8_code_distance2(int n,
									   const VecamSq8Header *ha, const uint8 *a,
									   const VecamSq8Header *hb, const uint8 *b);
extern double vecam_sq8_sums_distance2(int n, const VecamSq8Header *ha,
									   const uint8 *a, uint32 sum_a,
									   const VecamSq8Header *hb,
									   const uint8 *b, uint32 sum_b);

#endif							/* VECAM_SQ8_H */
