/*-------------------------------------------------------------------------
 *
 * rotation.c
 *	  Random rotation by signs, Hadamard transforms and Kac steps.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "math/kernels.h"
#include "math/rotation.h"

/* unit roundoff of float4 */
#define FLOAT4_ROUNDOFF (1.0 / 16777216.0)

#define SQRT_HALF 0.70710678118654752440f

static int
floor_log2(int n)
{
	int			log2n = 0;

	while (n >> (log2n + 1) != 0)
		log2n++;
	return log2n;
}

/* Steele, Lea and Flood, "Fast splittable pseudorandom number generators" */
static uint64
splitmix64(uint64 *state)
{
	uint64		z = (*state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

void
vecam_rotation_signs(int n, uint64 seed, uint8 *signs)
{
	Size		size = VECAM_ROTATION_SIGN_BYTES(n);
	uint64		state = seed;
	uint64		word = 0;
	Size		i;

	/* byte by byte, so that the table does not depend on byte order */
	for (i = 0; i < size; i++)
	{
		if (i % 8 == 0)
			word = splitmix64(&state);
		signs[i] = (uint8) (word >> (8 * (i % 8)));
	}
}

void
vecam_rotate(const VecamRotation *rot, float *x)
{
	const VecamKernels *kernels = vecam_kernels;
	int			n = rot->n;
	int			log2t = floor_log2(n);
	int			t = 1 << log2t;
	Size		stride = ((Size) n + 7) / 8;
	float		scale;
	int			round;

	/* 1 / sqrt(t), by products that are exact but for the last */
	scale = ldexpf(log2t % 2 == 0 ? 1.0f : SQRT_HALF, -(log2t / 2));

	for (round = 0; round < VECAM_ROTATION_ROUNDS; round++)
	{
		kernels->flip_signs(n, rot->signs + round * stride, x);
		kernels->fht(log2t, scale, round % 2 == 0 ? x : x + (n - t));
		if (t != n)
			kernels->kac(n, SQRT_HALF, x);
	}
}

/*
 * Each rounding step leaves an error of at most one unit roundoff of the norm
 * it acts on, and what follows it is orthogonal.  In one round: the scaling
 * (the constant and the product, 2), log2 T levels of butterflies, and the Kac
 * step (a sum, the constant and a product, 3).  The one unit added stands for
 * the products of these small errors.
 */
double
vecam_rotation_error(int n)
{
	double		units = floor_log2(n) + 2 + 3 + 1;

	return VECAM_ROTATION_ROUNDS * units * FLOAT4_ROUNDOFF;
}
