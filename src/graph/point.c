/*-------------------------------------------------------------------------
 *
 * point.c
 *	  A vector that a search looks for, or that is being linked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "graph/graph.h"
#include "math/kernels.h"

/*
 * Allocate a point in the current memory context.
 */
void
vecam_point_alloc(VecamPoint *point, const VecamIndex *ix)
{
	int			dims = ix->meta.dims;

	point->y = palloc(sizeof(float) * dims);
	point->q16 = palloc(sizeof(int16) * dims);
	point->digits = palloc(sizeof(uint64) *
						   VECAM_SKETCH_QUERY_WORDS(&ix->nodes.sketch));
}

/*
 * Prepare a point whose y has been set; `error` is how far y may be from what
 * it stands for.
 */
void
vecam_point_set(VecamPoint *point, const VecamIndex *ix, double error,
				float extra)
{
	VecamSq8Query sq8;

	vecam_sq8_query_init(&sq8, ix->meta.dims, point->y, error, point->q16);
	vecam_point_share(point, ix, &sq8, extra);
}

/*
 * Prepare a point whose y has been set, and quantised by others.
 */
void
vecam_point_share(VecamPoint *point, const VecamIndex *ix,
				  const VecamSq8Query *sq8, float extra)
{
	point->norm2 = vecam_kernels->inner_product(ix->meta.dims, point->y,
												point->y);
	point->extra = extra;
	point->sq8 = *sq8;
	vecam_sketch_query_init(&point->sketch, &ix->nodes.sketch, point->y,
							point->digits);
}

/*
 * The coordinate sqrt(M^2 - |x|^2) that makes the nearest neighbour of
 * (q, 0) the one of largest inner product (Bachrach et al., RecSys 2014); 0
 * for rows longer than M, and for the other metrics.  It guides searches only,
 * so |x| is taken from the code.
 */
float
vecam_extra_coordinate(const VecamIndex *ix, const VecamSq8Header *head,
					   const uint8 *code)
{
	int			dims = ix->meta.dims;
	double		m2 = (double) ix->meta.max_norm * ix->meta.max_norm;
	double		norm2;

	if (ix->meta.metric != VECAM_METRIC_IP)
		return 0;

	norm2 = head->norm2;
	if (ix->rotated_mean)
	{
		double		dot = head->delta *
			vecam_kernels->dot_f32_u8(dims, ix->rotated_mean, code) +
			head->lo * ix->rotated_mean_sum;

		norm2 += 2 * dot + ix->codec.mean_norm * ix->codec.mean_norm;
	}
	return norm2 < m2 ? sqrt(m2 - norm2) : 0;
}
