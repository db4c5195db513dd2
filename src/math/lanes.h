/*-------------------------------------------------------------------------
 *
 * lanes.h
 *	  The final sum of a floating point kernel, private to src/math.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_LANES_H
#define VECAM_LANES_H

#include "math/kernels.h"

/*
 * Add up the lanes in the one order that all levels use: halves onto halves,
 * as SIMD registers are folded.  Destroys the array.
 */
static inline double
vecam_sum_lanes(double *lanes)
{
	int			half;
	int			i;

	for (half = VECAM_LANES / 2; half >= 1; half /= 2)
	{
		for (i = 0; i < half; i++)
			lanes[i] += lanes[i + half];
	}
	return lanes[0];
}

#endif							/* VECAM_LANES_H */
