/*-------------------------------------------------------------------------
 *
 * bound.h
 *	  Codes of stored vectors, and lower bounds of the distances that the SQL
 *	  operators return.
 *
 * A codec turns a stored vector x into an SQ8 code of a rotated vector:
 *
 *		L2				P(x - mean)
 *		cosine			P(x / |x| - mean)
 *		inner product	P(x - mean)
 *
 * and a query q into a 16-bit code of P(q - mean), P(q / |q| - mean) and P q
 * respectively.  From the two it computes a bound that is never above
 *
 *		L2				sqrt(l2_squared(x, q))
 *		cosine			1 - clamp(dot / sqrt(norm2_x * norm2_q), -1, 1)
 *		inner product	-inner_product(x, q)
 *
 * as those are evaluated in double by the kernels of kernels.h, rounding
 * errors of both sides included: an index scan may hand the bound to the
 * executor's reorder queue, which raises an error if a bound turns out to lie
 * above the operator's value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_BOUND_H
#define VECAM_BOUND_H

#include "c.h"

#include "math/fine.h"
#include "math/kernels.h"
#include "math/metric.h"
#include "math/rotation.h"
#include "math/sq8.h"

typedef struct VecamCodec
{
	int			n;				/* coordinates, 1 or more */
	VecamMetric metric;
	const float *mean;			/* n finite coordinates, or NULL for zero */
	double		mean_norm;		/* >= |mean| */
	VecamRotation rotation;		/* of n coordinates */
} VecamCodec;

typedef struct VecamCodecQuery
{
	VecamSq8Query sq8;
	VecamMetric metric;
	bool		undefined;		/* the distance to every vector is NaN */
	const float *rotated;		/* the query in the space of the codes */
	double		rotated_error;	/* of it */
	double		margin;			/* rounding error of the operator, relative */
	double		norm;			/* inner product: >= |q| */
	double		mean_dot;		/* inner product: <mean, q> */
	double		mean_norm;		/* inner product: >= |mean| */
} VecamCodecQuery;

/*
 * Set up a codec.  mean (may be NULL) and signs (VECAM_ROTATION_SIGN_BYTES(n)
 * bytes, see vecam_rotation_signs) are kept by reference.
 */
extern void vecam_codec_init(VecamCodec *codec, int n, VecamMetric metric,
							 const float *mean, const uint8 *signs);

/*
 * Encode the stored vector x (n finite coordinates) into head and n code
 * bytes, and into a finer code unless `fine` is NULL.  scratch (n floats, may not overlap x) returns the rotated vector.
 * False, with nothing written but scratch, when the metric gives this vector
 * no distance: the zero vector under cosine.
 *
 * Vectors too large for the arithmetic get an infinite residual, hence the
 * trivial bound.
 */
extern bool vecam_codec_encode(const VecamCodec *codec, const float *x,
							   float *scratch, VecamSq8Header *head,
							   uint8 *code, uint8 *fine);

/*
 * Prepare a query q (n finite coordinates).  The query refers to q16 (n
 * elements) and scratch, which must live as long as it does; scratch (n
 * floats) returns the rotated query.  query->undefined is set, and nothing else may be used,
 * where vecam_codec_encode would return false.
 */
extern void vecam_codec_query_init(VecamCodecQuery *query,
								   const VecamCodec *codec, const float *q,
								   float *scratch, int16 *q16);

/*
 * The bound of one stored vector: never NaN, and never above the operator's
 * value.  Where nothing is known it is 0 for L2 and cosine and -Infinity for
 * the inner product and for an undefined query.
 */
extern double vecam_codec_bound(const VecamCodecQuery *query,
								const VecamSq8Header *head,
								const uint8 *code);

/* The same, given vecam_sq8_integer_dot of query->sq8 and the code. */
extern double vecam_codec_bound_of_dot(const VecamCodecQuery *query,
									   const VecamSq8Header *head, double dot);

/*
 * An interval that holds the operator's value for a stored vector, by its
 * finer code; false if that says nothing.  scratch: n floats.
 */
extern bool vecam_codec_interval(const VecamCodecQuery *query,
								 const VecamSq8Header *head,
								 const uint8 *code, const uint8 *fine,
								 float *scratch, double *lower,
								 double *upper);

/*
 * Prepare a screen for many stored vectors, which passes all whose bound is not
 * above the limit, and hardly any other.  query->undefined must not be set.
 */
extern void vecam_codec_screen(VecamScreen *screen,
							   const VecamCodecQuery *query, double limit);

/*
 * The bounds of those among count stored vectors that the screen passes, count
 * being at most VECAM_SQ8_BATCH, heads and codes beginning stride bytes apart.
 * Returns how many they are, and in rows and bounds (with room for count)
 * their numbers, in ascending order, and what vecam_codec_bound gives for them.
 */
extern int	vecam_codec_bounds(const VecamCodecQuery *query,
							   const VecamScreen *screen,
							   const VecamSq8Header *heads,
							   const uint8 *codes, int count, int stride,
							   int *rows, double *bounds);

#endif							/* VECAM_BOUND_H */
