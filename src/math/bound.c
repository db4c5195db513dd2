/*-------------------------------------------------------------------------
 *
 * bound.c
 *	  Codes of stored vectors, and lower bounds of operator distances.
 *
 * Write u for a vector in the space of its metric, u = x or x / |x|, and
 * Y = P(u - mean), all exact.  The code y~ has a residual R >= |Y - y~|, the
 * query's code t~ an error E >= |T - t~|, into which go, relative to the norm:
 * the float4 rounding of the normalisation and of the subtraction, and the
 * error of the rotation.  Then
 *
 *		|Y - T| >= |y~ - t~| - R - E					(triangle inequality)
 *		<Y, T>  =  <y~, t~> + <Y - y~, T> + <y~, T - t~>
 *				<= <y~, t~> + R |T| + |y~| E			(Cauchy-Schwarz)
 *
 * and cosine distance is |Y - T|^2 / 2.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <float.h>
#include <math.h>

#include "math/bound.h"
#include "math/kernels.h"

/* unit roundoff of float4 */
#define FLOAT4_ROUNDOFF (1.0 / 16777216.0)

/* room for roundings in double that are relative to a result */
#define RELATIVE_SLACK 1e-9

/* the same for screens, which are in float4 */
#define SCREEN_ROUNDING 1e-6

/*
 * An upper bound of |x|.  The kernel's squares do not underflow, since float4
 * has no number below 1e-45.
 */
static double
norm_above(int n, const float *x)
{
	return sqrt(vecam_kernels->inner_product(n, x, x)) *
		(1.0 + RELATIVE_SLACK);
}

/*
 * A bound of the relative error of the inner product kernel: of the result
 * against |a| |b|, and so of a squared norm.  The products are exact, there
 * are n / 16 additions in a lane and 4 across.
 */
static double
kernel_error(int n)
{
	return (n / VECAM_LANES + 8) * DBL_EPSILON;
}

void
vecam_codec_init(VecamCodec *codec, int n, VecamMetric metric,
				 const float *mean, const uint8 *signs)
{
	codec->n = n;
	codec->metric = metric;
	codec->mean = mean;
	codec->mean_norm = mean != NULL ? norm_above(n, mean) : 0.0;
	codec->rotation.n = n;
	codec->rotation.signs = signs;
}

/*
 * y = x or x / |x| in float4.  *error gets the distance from the exact vector;
 * false if that is not defined.
 */
static bool
normalise(const VecamCodec *codec, const float *x, float *y, double *error)
{
	int			n = codec->n;
	double		factor;
	double		norm2;
	int			i;

	*error = 0.0;
	if (codec->metric != VECAM_METRIC_COSINE)
	{
		memcpy(y, x, n * sizeof(float));
		return true;
	}

	norm2 = vecam_kernels->inner_product(n, x, x);
	if (!(norm2 > 0.0))
		return false;
	factor = 1.0 / sqrt(norm2);
	for (i = 0; i < n; i++)
		y[i] = (float) ((double) x[i] * factor);

	/* twice the roundoff: underflow and the error of the norm are far less */
	*error = 2.0 * FLOAT4_ROUNDOFF;
	return true;
}

/*
 * Subtract the mean, if asked to, and rotate.  Adds to *error what that loses.
 */
static void
centre_and_rotate(const VecamCodec *codec, bool centre, float *y,
				  double *error)
{
	const float *mean = codec->mean;
	int			n = codec->n;
	double		norm;
	int			i;

	if (centre && mean != NULL)
	{
		for (i = 0; i < n; i++)
			y[i] -= mean[i];
	}
	norm = norm_above(n, y);
	*error += norm * (FLOAT4_ROUNDOFF + vecam_rotation_error(n)) *
		(1.0 + RELATIVE_SLACK) + VECAM_ROTATION_UNDERFLOW;
	vecam_rotate(&codec->rotation, y);
}

bool
vecam_codec_encode(const VecamCodec *codec, const float *x, float *scratch,
				   VecamSq8Header *head, uint8 *code, uint8 *fine)
{
	double		error;

	if (!normalise(codec, x, scratch, &error))
		return false;
	centre_and_rotate(codec, true, scratch, &error);
	vecam_sq8_encode(codec->n, scratch, error, head, code);
	if (fine != NULL)
		vecam_fine_encode(codec->n, scratch, error, head, code, fine);
	return true;
}

void
vecam_codec_query_init(VecamCodecQuery *query, const VecamCodec *codec,
					   const float *q, float *scratch, int16 *q16)
{
	int			n = codec->n;
	bool		inner = codec->metric == VECAM_METRIC_IP;
	double		error;

	memset(query, 0, sizeof(VecamCodecQuery));
	query->metric = codec->metric;
	query->margin = kernel_error(n);
	query->undefined = !normalise(codec, q, scratch, &error);
	if (query->undefined)
		return;

	centre_and_rotate(codec, !inner, scratch, &error);
	vecam_sq8_query_init(&query->sq8, n, scratch, error, q16);
	query->rotated = scratch;
	query->rotated_error = error;
	if (inner)
	{
		query->norm = norm_above(n, q);
		query->mean_norm = codec->mean_norm;
		if (codec->mean != NULL)
			query->mean_dot = vecam_kernels->inner_product(n, codec->mean, q);
	}
}

/*
 * An upper bound of |y~|; the stored square is rounded towards zero, and means
 * infinity at FLT_MAX.
 */
static double
code_norm_above(const VecamSq8Header *head)
{
	return sqrt((double) nextafterf(head->norm2, INFINITY)) *
		(1.0 + RELATIVE_SLACK);
}

static double
inner_product_bound(const VecamCodecQuery *query, const VecamSq8Header *head,
					double dot)
{
	double		residual = head->residual;
	double		code_norm = code_norm_above(head);
	double		loss;
	double		rounding;
	double		bound;

	loss = (residual * query->norm + code_norm * query->sq8.error) *
		(1.0 + RELATIVE_SLACK);

	/* <mean, q> here and <x, q> in the operator, |x| <= |mean| + |Y| */
	rounding = query->margin * query->norm *
		(2.0 * query->mean_norm + code_norm + residual);
	bound = -(vecam_sq8_dot_upper(&query->sq8, head, dot) +
			  query->mean_dot + loss + 2.0 * rounding);

	return isfinite(bound) ? bound : -INFINITY;
}

double
vecam_codec_bound_of_dot(const VecamCodecQuery *query,
						 const VecamSq8Header *head, double dot)
{
	double		distance;
	double		bound;

	if (query->undefined)
		return -INFINITY;
	if (query->metric == VECAM_METRIC_IP)
	{
		if (!query->sq8.finite)
			return -INFINITY;
		return inner_product_bound(query, head, dot);
	}

	distance = vecam_sq8_lower_bound(&query->sq8, head, dot);
	if (!(distance > 0.0))
		return 0.0;
	if (query->metric == VECAM_METRIC_L2)
		return distance * (1.0 - RELATIVE_SLACK);

	/* the operator's dot product and norms: errors of 1 + 1/2 + 1/2 units */
	bound = distance * distance / 2.0 * (1.0 - RELATIVE_SLACK) -
		4.0 * query->margin;
	return bound > 0.0 ? bound : 0.0;
}

double
vecam_codec_bound(const VecamCodecQuery *query, const VecamSq8Header *head,
				  const uint8 *code)
{
	return vecam_codec_bound_of_dot(query, head,
									vecam_sq8_integer_dot(&query->sq8, code));
}

/*
 * L2 and cosine: the bound is above the limit where
 *
 *		|y~ - t~| > radius + residual, radius = (limit as a distance) + E
 *
 * and the screen tests the squares of both sides, for want of a root.
 */
static void
screen_distances(VecamScreen *screen, const VecamCodecQuery *query,
				 double limit)
{
	const VecamSq8Query *sq8 = &query->sq8;
	double		radius;

	if (query->metric == VECAM_METRIC_COSINE)
		limit = sqrt(2.0 * (limit + 4.0 * query->margin));
	radius = limit * (1.0 + SCREEN_ROUNDING) + sq8->error;

	screen->norm2 = 1.0f;
	screen->lo = -2.0 * sq8->sum;
	screen->product = -2.0 * sq8->scale;
	screen->residual = -2.0 * radius;
	screen->residual2 = -1.0f;
	screen->constant = sq8->norm2 * (1.0 - SCREEN_ROUNDING) -
		radius * radius * (1.0 + SCREEN_ROUNDING);
}

/*
 * Inner product: minus the bound is a sum of such terms, but for the norm of
 * the code, which is nowhere above its tangent in the norm's square:
 * |y~| <= (|y~|^2 / touch + touch) / 2.  The unit is chosen so that a square of
 * FLT_MAX, which stands for infinity, overflows.
 */
static void
screen_products(VecamScreen *screen, const VecamCodecQuery *query,
				double limit)
{
	double		touch = Max(query->mean_norm, query->norm);
	double		per_norm = query->sq8.error * (1.0 + RELATIVE_SLACK) +
		2.0 * query->margin * query->norm;
	double		rest = per_norm * touch / 2.0 +
		4.0 * query->margin * query->norm * query->mean_norm;
	double		unit = per_norm / (4.0 * touch);

	screen->norm2 = -2.0f;
	screen->lo = -query->sq8.sum / unit;
	screen->product = -query->sq8.scale / unit;
	screen->residual = -query->norm * (1.0 + 2.0 * query->margin) / unit;
	screen->residual2 = 0.0f;
	screen->constant = (-query->mean_dot - limit - rest - SCREEN_ROUNDING *
						(fabs(query->mean_dot) + fabs(limit) + rest)) / unit;
}

/* Has the coefficient lost bits to the narrow range of float4? */
static bool
is_denormal(float x)
{
	return x != 0.0f && fabsf(x) < FLT_MIN;
}

void
vecam_codec_screen(VecamScreen *screen, const VecamCodecQuery *query,
				   double limit)
{
	if (query->metric == VECAM_METRIC_IP)
		screen_products(screen, query, limit);
	else
		screen_distances(screen, query, limit);

	/* terms that overflow make the sum of magnitudes infinite: all pass */
	if (!query->sq8.finite || is_denormal(screen->lo) ||
		is_denormal(screen->product) || is_denormal(screen->residual))
		screen->constant = -INFINITY;
}

int
vecam_codec_bounds(const VecamCodecQuery *query, const VecamScreen *screen,
				   const VecamSq8Header *heads, const uint8 *codes, int count,
				   int stride, int *rows, double *bounds)
{
	double		dots[VECAM_SQ8_BATCH];
	uint64		passed;
	int			found = 0;
	int			r;

	vecam_sq8_integer_dots(&query->sq8, codes, count, stride, dots);
	passed = vecam_kernels->screen_codes(screen, heads, count, stride, dots);
	for (r = 0; passed != 0; r++, passed >>= 1)
	{
		const char *head = (const char *) heads + (size_t) r * stride;

		if ((passed & 1) == 0)
			continue;
		rows[found] = r;
		bounds[found++] =
			vecam_codec_bound_of_dot(query, (const VecamSq8Header *) head,
									 dots[r]);
	}
	return found;
}

/*
 * The interval of <x, q>, negated, from that of <y~, t> (see the top).
 */
static void
inner_product_interval(const VecamCodecQuery *query, const float *y,
					   double residual, double *lower, double *upper)
{
	int			n = query->sq8.n;
	double		norm = norm_above(n, y);
	double		dot = vecam_kernels->inner_product(n, y, query->rotated) +
		query->mean_dot;
	double		loss;

	/* roundings: of both products here, and of <x, q> in the operator */
	loss = residual * query->norm +
		norm * (query->rotated_error + query->margin * query->norm) +
		2.0 * query->margin * query->norm *
		(2.0 * query->mean_norm + norm + residual);
	loss *= 1.0 + RELATIVE_SLACK;
	*lower = -dot - loss;
	*upper = -dot + loss;
}

bool
vecam_codec_interval(const VecamCodecQuery *query, const VecamSq8Header *head,
					 const uint8 *code, const uint8 *fine, float *scratch,
					 double *lower, double *upper)
{
	int			n = query->sq8.n;
	double		residual = vecam_fine_residual(fine);
	double		distance;
	double		slack;

	if (query->undefined || !query->sq8.finite || !(residual <= FLT_MAX))
		return false;
	residual += vecam_fine_decode(n, head, code, fine, scratch);

	if (query->metric == VECAM_METRIC_IP)
		inner_product_interval(query, scratch, residual, lower, upper);
	else
	{
		distance = sqrt(vecam_kernels->l2_squared(n, scratch, query->rotated));
		slack = residual + query->rotated_error + RELATIVE_SLACK * distance;
		*lower = Max(distance - slack, 0.0);
		*upper = distance + slack;
		if (query->metric == VECAM_METRIC_COSINE)
		{
			/* as in vecam_codec_bound */
			*lower = *lower * *lower / 2.0 * (1.0 - RELATIVE_SLACK) -
				4.0 * query->margin;
			*upper = *upper * *upper / 2.0 * (1.0 + RELATIVE_SLACK) +
				4.0 * query->margin;
			*lower = Max(*lower, 0.0);
		}
	}
	return isfinite(*lower) && isfinite(*upper);
}
