/*-------------------------------------------------------------------------
 *
 * test_fine.c
 *	  Finer codes: what they lose is within what they say they lose.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>

#include "math/fine.h"

#define MAX_DIMS 1600

typedef enum Kind
{
	NORMAL,
	FAR,						/* far from zero, close together */
	HUGE_VALUES,
	TINY,
	DENORMAL,
	CONSTANT,
	OUTLIER,
	LEVELS_ONLY,				/* multiples of a step: exact codes */
	N_KINDS
} Kind;

typedef struct Coded
{
	int			n;
	float		x[MAX_DIMS];
	VecamSq8Header head;
	uint8		code[MAX_DIMS];
	uint8		fine[VECAM_FINE_BYTES(MAX_DIMS)];
} Coded;

static void
make_vector(Kind kind, int n, float *x)
{
	static const double scales[N_KINDS] = {
		1.0, 1e-4, 1e37, 1e-36, 1e-44, 0.0, 1.0, 1.0
	};
	double		centre = kind == FAR ? 100.0 : kind == CONSTANT ? unit_normal() : 0.0;
	int			i;

	for (i = 0; i < n; i++)
	{
		x[i] = (float) (centre + scales[kind] * unit_normal());
		if (kind == LEVELS_ONLY)
			x[i] = (float) unit_range(0, 255) * 0.25f;
	}
	if (kind == OUTLIER)
		x[unit_range(0, n - 1)] = (float) (-1e6 * unit_uniform());
}

static void
encode(Coded *c, double input_error)
{
	vecam_sq8_encode(c->n, c->x, input_error, &c->head, c->code);
	vecam_fine_encode(c->n, c->x, input_error, &c->head, c->code, c->fine);
}

/* The finer code of a coordinate, by the layout that fine.h describes. */
static int
level_of(const Coded *c, int i)
{
	int			half = (c->n + 1) / 2;
	const uint8 *bytes = c->fine + sizeof(uint16);

	return i < half ? bytes[i] & 0x0F : bytes[i - half] >> 4;
}

/* What the code stands for, exactly but for the rounding of long double. */
static long double
value_of(const Coded *c, int i)
{
	return c->head.lo + (long double) c->head.delta *
		(c->code[i] + (level_of(c, i) - 7.5L) / 16);
}

/* |x - x~|, and |x~ - decoded| */
static void
measure_losses(const Coded *c, const float *decoded, long double *loss,
			   long double *rounding)
{
	long double loss2 = 0;
	long double rounding2 = 0;
	int			i;

	for (i = 0; i < c->n; i++)
	{
		long double v = value_of(c, i);

		loss2 += (c->x[i] - v) * (c->x[i] - v);
		rounding2 += (decoded[i] - v) * (decoded[i] - v);
	}
	*loss = sqrtl(loss2);
	*rounding = sqrtl(rounding2);
}

static void
check_losses(Coded *c, double input_error)
{
	float		decoded[MAX_DIMS];
	double		residual;
	double		error;
	long double loss;
	long double rounding;

	encode(c, input_error);
	residual = vecam_fine_residual(c->fine);
	unit_check(isfinite(residual), "n = %d: no residual", c->n);
	error = vecam_fine_decode(c->n, &c->head, c->code, c->fine, decoded);
	measure_losses(c, decoded, &loss, &rounding);
	unit_check(residual >= loss + input_error,
			   "n = %d: residual %g, but %Lg are lost and %g were before",
			   c->n, residual, loss, input_error);
	unit_check(error >= rounding, "n = %d: error %g, but %Lg are rounded off",
			   c->n, error, rounding);

	/* a bound of everything would hold as well: the residual has 8 bits */
	unit_check(residual <= (loss + input_error) * 1.01 + c->head.delta +
			   1e-12 * (sqrt(c->head.norm2) + fabsf(c->head.lo)) + FLT_MIN,
			   "n = %d: residual %g for a loss of %Lg", c->n, residual, loss);
}

static void
test_losses(void)
{
	static Coded c;
	Kind		kind;

	for (kind = NORMAL; kind < N_KINDS; kind++)
	{
		unit_case("residual and rounding bound what is lost, kind %d", kind);
		for (c.n = 1; c.n <= MAX_DIMS; c.n += c.n < 70 ? 1 : 61)
		{
			make_vector(kind, c.n, c.x);
			check_losses(&c, 0.0);
			check_losses(&c, kind == HUGE_VALUES ? 1e30 : 1e-3);
		}
	}
}

/* A coordinate loses a thirty-second of a step, in the middle of the range. */
static void
test_quality(void)
{
	static Coded c;
	int			used[16] = {0};
	int			i;

	unit_case("a sixteenth of what the 8-bit code loses");
	c.n = 784;
	make_vector(NORMAL, c.n, c.x);
	encode(&c, 0.0);
	for (i = 0; i < c.n; i++)
	{
		used[level_of(&c, i)]++;
		unit_check(fabsl(c.x[i] - value_of(&c, i)) <= c.head.delta / 31.9L,
				   "coordinate %d: %g has code %d and %d", i, c.x[i], c.code[i],
				   level_of(&c, i));
	}
	unit_check(vecam_fine_residual(c.fine) < c.head.residual / 15,
			   "residuals %g and %g", vecam_fine_residual(c.fine),
			   c.head.residual);
	for (i = 0; i < 16; i++)
		unit_check(used[i] > 20, "level %d is used %d times", i, used[i]);
}

/* Where the code says nothing: vectors without a residual, and cleared ones. */
static void
test_nothing(void)
{
	static Coded c;
	Coded		before;
	int			i;

	unit_case("codes that say nothing");
	c.n = 33;
	make_vector(NORMAL, c.n, c.x);
	encode(&c, INFINITY);
	unit_check(isinf(vecam_fine_residual(c.fine)), "input error of infinity");
	encode(&c, NAN);
	unit_check(isinf(vecam_fine_residual(c.fine)), "input error of NaN");
	encode(&c, 0.0);
	unit_check(isfinite(vecam_fine_residual(c.fine)), "a plain vector");
	before = c;
	vecam_fine_clear(c.fine);
	unit_check(vecam_fine_residual(c.fine) == INFINITY, "cleared");
	for (i = 0; i < c.n; i++)
		unit_check(level_of(&c, i) == level_of(&before, i), "level %d cleared", i);
	c.x[7] = INFINITY;
	encode(&c, 0.0);
	unit_check(isinf(vecam_fine_residual(c.fine)), "an infinite coordinate");
	c.x[7] = NAN;
	encode(&c, 0.0);
	unit_check(isinf(vecam_fine_residual(c.fine)), "a coordinate of NaN");
	c.x[7] = 1.0f;
	encode(&c, 3e38);
	unit_check(isinf(vecam_fine_residual(c.fine)), "an error beyond float4's range");
}

/* The code ends where its size says it ends, on every level. */
static void
test_size(const VecamSimdLevel *levels, int n_levels)
{
	static Coded c;
	int			l;

	unit_case("codes of exactly VECAM_FINE_BYTES are written and read");
	for (l = 0; l < n_levels; l++)
	{
		vecam_kernels_use(levels[l]);
		for (c.n = 1; c.n <= 100; c.n++)
		{
			uint8	   *code = unit_guarded(c.n);
			uint8	   *fine = unit_guarded(VECAM_FINE_BYTES(c.n));
			float	   *x = unit_guarded(c.n * sizeof(float));
			float		expected[100];

			make_vector(NORMAL, c.n, c.x);
			encode(&c, 0.0);
			memcpy(code, c.code, c.n);
			vecam_fine_encode(c.n, c.x, 0.0, &c.head, code, fine);
			unit_check(memcmp(fine, c.fine, VECAM_FINE_BYTES(c.n)) == 0,
					   "n = %d: other bytes", c.n);
			vecam_fine_decode(c.n, &c.head, code, fine, x);
			vecam_kernels_use(VECAM_SIMD_SCALAR);
			vecam_fine_decode(c.n, &c.head, c.code, c.fine, expected);
			vecam_kernels_use(levels[l]);
			unit_check(memcmp(x, expected, c.n * sizeof(float)) == 0,
					   "n = %d, level %d: decoded otherwise", c.n,
					   (int) levels[l]);
			unit_free_guarded();
		}
	}
	vecam_kernels_init();
}

int
main(void)
{
	VecamSimdLevel levels[VECAM_SIMD_NLEVELS];
	int			n = unit_levels(levels);

	vecam_kernels_init();
	unit_seed(6);
	test_losses();
	test_quality();
	test_nothing();
	test_size(levels, n);
	return unit_finish();
}
