/*-------------------------------------------------------------------------
 *
 * sketch.h
 *	  1-bit and 2-bit sketches of a residual x - c (RaBitQ's estimator, with
 *	  the centre at a node as in SymphonyQG).
 *
 * All vectors are in rotated space.  A sketch of x relative to c holds, for
 * the first `dims` coordinates of r = x - c, the levels v[i]:
 *
 *		1 bit:	v[i] = -1/2, +1/2 by the sign of r[i]
 *		2 bits:	v[i] = -3/2, -1/2, +1/2, +3/2
 *
 * and two factors with which, for a query q,
 *
 *		|x - q|^2  ~  |q - c|^2 + add + mul * <v, q>
 *
 * without bias over random rotations: kappa = |r|^2 / <r, v>, with the norm
 * over all n coordinates and the product over the first dims,
 * add = |r|^2 + 2 kappa <v, c>, mul = -2 kappa (Gao and Long, "RaBitQ", SIGMOD
 * 2024; Gao et al., "Practical and asymptotically optimal quantization", 2024,
 * for more bits; Gou et al., "SymphonyQG", SIGMOD 2025).
 *
 * Layout of one sketch: `bits` bit-planes of `words` 64-bit words, most
 * significant plane first; bits beyond dims are zero.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_SKETCH_H
#define VECAM_SKETCH_H

#include "c.h"

typedef struct VecamSketchShape
{
	int			n;				/* coordinates of the vectors */
	int			dims;			/* coordinates sketched, 1..n */
	int			bits;			/* 1 or 2 */
	int			words;			/* 64-bit words in a plane: ceil(dims / 64) */
} VecamSketchShape;

#define VECAM_SKETCH_BYTES(shape) \
	((Size) (shape)->bits * (shape)->words * sizeof(uint64))

typedef struct VecamSketchFactors
{
	float		add;
	float		mul;
} VecamSketchFactors;

StaticAssertDecl(sizeof(VecamSketchFactors) == 8, "VecamSketchFactors is on disk");

/*
 * A query as 4-bit digits: q~[i] = delta * k[i], k[i] = -8 .. 7.  Without an
 * offset, estimates need no count of a sketch's bits.
 */
typedef struct VecamSketchQuery
{
	double		delta;
	double		sum;			/* sum of q~[0 .. dims) */
	const int8 *k;				/* 64 * words, see VecamSketchTerms */
	const uint64 *planes;
} VecamSketchQuery;

/* 64-bit words that hold the digits of a query: 64 bytes of k, and the planes */
#define VECAM_SKETCH_QUERY_WORDS(shape) \
	((Size) (shape)->words * (8 + 4 * (shape)->bits))

/* dims is clamped to 1..n, bits to 1..2. */
extern void vecam_sketch_shape(VecamSketchShape *shape, int n, int dims, int bits);

/*
 * Sketch x relative to c (both n finite coordinates).  The same bits on every
 * machine.  r = 0 gives factors (0, 0), and so do vectors so large that the
 * factors would overflow.
 */
extern void vecam_sketch_encode(const VecamSketchShape *shape,
								const float *x, const float *c,
								uint64 *sketch, VecamSketchFactors *factors);

/*
 * Quantise the first dims coordinates of the rotated query q.  digits is the
 * caller's array of VECAM_SKETCH_QUERY_WORDS words, to which the query refers.
 */
extern void vecam_sketch_query_init(VecamSketchQuery *query,
									const VecamSketchShape *shape,
									const float *q, uint64 *digits);

/*
 * est[r] = estimate of |x_r - q|^2 for count sketches of one centre that lie
 * one after another; centre_distance2 = |q - c|^2.  Estimates may be negative,
 * but are always finite.
 */
extern void vecam_sketch_estimate(const VecamSketchQuery *query,
								  const VecamSketchShape *shape,
								  double centre_distance2, int count,
								  const uint64 *sketches,
								  const VecamSketchFactors *factors,
								  float *est);

#endif							/* VECAM_SKETCH_H */
