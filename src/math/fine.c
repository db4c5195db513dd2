/*-------------------------------------------------------------------------
 *
 * fine.c
 *	  Four more bits to each coordinate of an 8-bit code.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "math/fine.h"
#include "math/kernels.h"
#include "math/lanes.h"

#define LEVELS (1 << VECAM_FINE_BITS)

/* The upper half of +Infinity. */
#define NO_RESIDUAL 0x7F80

/* The upper half of a float4 that is not below x >= 0. */
static uint16
pack_up(double x)
{
	float		f = (float) x;
	uint32		bits;

	if (!(x < FLT_MAX / 2))
		return NO_RESIDUAL;
	if ((double) f < x)
		f = nextafterf(f, INFINITY);
	memcpy(&bits, &f, sizeof(bits));
	return (uint16) ((bits + 0xFFFF) >> 16);
}

static inline uint8 *
nibbles(const uint8 *fine)
{
	return (uint8 *) fine + sizeof(uint16);
}

void
vecam_fine_encode(int n, const float *x, double input_error,
				  const VecamSq8Header *head, const uint8 *code, uint8 *fine)
{
	int			half = (n + 1) / 2;
	double		losses[VECAM_LANES] = {0};
	double		norms[VECAM_LANES] = {0};
	double		loss2;
	double		norm2;
	uint16		packed;

	memset(fine, 0, VECAM_FINE_BYTES(n));
	vecam_fine_clear(fine);
	if (!(head->residual <= FLT_MAX))
		return;
	vecam_kernels->encode_fine(half, x, head->lo, head->delta, code, 0,
							   nibbles(fine), losses, norms);
	vecam_kernels->encode_fine(n - half, x + half, head->lo, head->delta,
							   code + half, 4, nibbles(fine), losses, norms);
	loss2 = vecam_sum_lanes(losses);
	norm2 = vecam_sum_lanes(norms);

	/* n additions, and the roundings of v and e */
	packed = pack_up((sqrt(loss2) * (1.0 + n * DBL_EPSILON) +
					  8.0 * DBL_EPSILON * (sqrt(norm2) + sqrt(n) * fabs(head->lo)) +
					  input_error) * (1.0 + 8.0 * DBL_EPSILON));
	memcpy(fine, &packed, sizeof(packed));
}

void
vecam_fine_clear(uint8 *fine)
{
	uint16		packed = NO_RESIDUAL;

	memcpy(fine, &packed, sizeof(packed));
}

double
vecam_fine_residual(const uint8 *fine)
{
	uint16		packed;
	uint32		bits;
	float		residual;

	memcpy(&packed, fine, sizeof(packed));
	bits = (uint32) packed << 16;
	memcpy(&residual, &bits, sizeof(residual));
	return residual;
}

double
vecam_fine_decode(int n, const VecamSq8Header *head, const uint8 *code,
				  const uint8 *fine, float *x)
{
	int			half = (n + 1) / 2;
	float		step = head->delta / LEVELS;
	float		origin = head->lo - step * ((LEVELS - 1) / 2.0f);
	const uint8 *f = nibbles(fine);
	double		largest;

	vecam_kernels->decode_fine(half, origin, step, code, f, 0, x);
	vecam_kernels->decode_fine(n - half, origin, step, code + half, f, 4,
							   x + half);

	/* five roundings, each of a number within the range of the codes */
	largest = fabs((double) head->lo) + 257.0 * head->delta;
	return sqrt(n) * largest * (8.0 * FLT_EPSILON) + n * FLT_MIN;
}
