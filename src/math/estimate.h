/*-------------------------------------------------------------------------
 *
 * estimate.h
 *	  From the sum of a sketch to its estimate, private to src/math.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_ESTIMATE_H
#define VECAM_ESTIMATE_H

#include <float.h>

#include "math/kernels.h"

/* factors: add and mul */
static inline float
vecam_estimate_of_sum(const VecamSketchTerms *terms, int32 sum,
					  const float *factors)
{
	double		vq = terms->delta * (double) sum - terms->offset;
	double		d2 = terms->centre + (double) factors[0] +
		(double) factors[1] * vq;

	/* NaN, of infinities, becomes the smallest number */
	d2 = d2 > -FLT_MAX ? d2 : -FLT_MAX;
	return (float) (d2 < FLT_MAX ? d2 : FLT_MAX);
}

#endif							/* VECAM_ESTIMATE_H */
