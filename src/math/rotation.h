/*-------------------------------------------------------------------------
 *
 * rotation.h
 *	  A seeded random orthogonal transform of n coordinates, for every n >= 1.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_ROTATION_H
#define VECAM_ROTATION_H

#include "c.h"

#define VECAM_ROTATION_ROUNDS 4

/* Bytes of the sign table of a rotation of n coordinates. */
#define VECAM_ROTATION_SIGN_BYTES(n) \
	((Size) VECAM_ROTATION_ROUNDS * (((Size) (n) + 7) / 8))

/*
 * What underflow can add to the error of a rotation, absolutely.  Additions do
 * not underflow, and a multiplication is off by 2^-150 at most.  For up to 2^14
 * coordinates this is 2^7 * 2^-150 in norm; that of the scaling then grows by
 * sqrt(T) <= 2^7 in the transform.  Four rounds: about 2^-134 = 4.6e-41.
 */
#define VECAM_ROTATION_UNDERFLOW 1e-40

typedef struct VecamRotation
{
	int			n;
	const uint8 *signs;			/* VECAM_ROTATION_SIGN_BYTES(n) bytes */
} VecamRotation;

/*
 * Fill the caller's sign table from the seed; the generator is our own
 * (splitmix64), so that a seed means the same rotation everywhere and always.
 */
extern void vecam_rotation_signs(int n, uint64 seed, uint8 *signs);

/*
 * Rotate x in place.  The result is bit-identical on all SIMD levels.  Norms
 * near the largest float4 can overflow: then x holds infinities or NaN.
 *
 * The transform is FHT-Kac, as in the RaBitQ library (Gao and Long, SIGMOD
 * 2024), but on exactly n coordinates: in each round random signs, a fast
 * Hadamard transform of the first or (odd rounds) last T coordinates, T the
 * largest power of two not above n, and, unless T = n, a step that pairs
 * coordinate i with i + ceil(n / 2) and rotates the pair.
 */
extern void vecam_rotate(const VecamRotation *rot, float *x);

/*
 * A rigorous bound on |fl(Px) - Px| / |x| for the float4 arithmetic of
 * vecam_rotate, so that lower bounds of distances stay lower bounds.  Callers
 * add VECAM_ROTATION_UNDERFLOW.
 */
extern double vecam_rotation_error(int n);

#endif							/* VECAM_ROTATION_H */
