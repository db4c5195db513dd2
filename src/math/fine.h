/*-------------------------------------------------------------------------
 *
 * fine.h
 *	  Four more bits to each coordinate of an 8-bit code.
 *
 * An 8-bit code (sq8.h) leaves about one per cent of a distance open, so that
 * neighbouring ranks of a result overlap.  With four bits more it is a
 * sixteenth of that, and the order of most rows follows from the codes alone.
 *
 * The finer code of coordinate i is f[i] = 0 .. 15 and stands for
 *
 *		lo + delta * (code[i] + (f[i] - 7.5) / 16)
 *
 * Layout: an upper bound of the residual norm (the upper half of a float4, not
 * aligned; +Infinity: the code says nothing), then ceil(n / 2) bytes, of which
 * byte j holds coordinate j in its low half and j + ceil(n / 2) in its high
 * half.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_FINE_H
#define VECAM_FINE_H

#include "math/sq8.h"

#define VECAM_FINE_BITS 4

#define VECAM_FINE_BYTES(n) (sizeof(uint16) + ((n) + 1) / 2)

/*
 * Refine the code that vecam_sq8_encode made of the n coordinates x with the
 * same input_error.
 */
extern void vecam_fine_encode(int n, const float *x, double input_error,
							  const VecamSq8Header *head, const uint8 *code,
							  uint8 *fine);

/* Let the code say nothing. */
extern void vecam_fine_clear(uint8 *fine);

/* >= |x - x~|, +Infinity where nothing is known */
extern double vecam_fine_residual(const uint8 *fine);

/*
 * Decode x~ to float4, for a finite residual; returns a bound of the norm of
 * what the rounding to float4 loses.
 */
extern double vecam_fine_decode(int n, const VecamSq8Header *head,
								const uint8 *code, const uint8 *fine,
								float *x);

#endif							/* VECAM_FINE_H */
