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

/*
 * The finer codes of some coordinates, one to a lane, and what they add to
 * |x - x~|^2 and |x~|^2.  A coordinate lies between the ends of the codes but
 * for the rounding of delta, so a level is far from the limits of an int.
 */
static inline void
encode_lanes(int count, const float *x, const VecamSq8Header *head,
			 double inverse, const uint8 *code, uint8 *level, double *loss,
			 double *norm)
{
	double		lo = head->lo;
	double		delta = head->delta;

	for (int j = 0; j < count; j++)
	{
		double		c = code[j];
		int			f = (int) (((x[j] - lo) * inverse - c + 0.5) * LEVELS);
		double		v;
		double		e;

		f = f < 0 ? 0 : f;
		f = f < LEVELS ? f : LEVELS - 1;
		v = lo + delta * (c + (f - (LEVELS - 1) / 2.0) / LEVELS);
		e = x[j] - v;
		level[j] = (uint8) f;
		loss[j] += e * e;
		norm[j] += v * v;
	}
}

/* The finer codes of one half of the coordinates, into bits `shift` and up. */
static void
encode_half(int n, const float *x, const VecamSq8Header *head,
			const uint8 *code, int shift, uint8 *fine, double *loss,
			double *norm)
{
	double		inverse = head->delta > 0.0f ? 1.0 / head->delta : 0.0;
	uint8		level[VECAM_LANES];
	int			full = n - n % VECAM_LANES;
	int			i;

	for (i = 0; i < full; i += VECAM_LANES)
	{
		encode_lanes(VECAM_LANES, x + i, head, inverse, code + i, level, loss, norm);
		for (int j = 0; j < VECAM_LANES; j++)
			fine[i + j] |= (uint8) (level[j] << shift);
	}
	encode_lanes(n - full, x + full, head, inverse, code + full, level, loss, norm);
	for (int j = 0; j < n - full; j++)
		fine[full + j] |= (uint8) (level[j] << shift);
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
	encode_half(half, x, head, code, 0, nibbles(fine), losses, norms);
	encode_half(n - half, x + half, head, code + half, 4, nibbles(fine), losses,
				norms);
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
