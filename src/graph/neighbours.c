/*-------------------------------------------------------------------------
 *
 * neighbours.c
 *	  Choosing the neighbours of a node.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "graph/graph.h"

/*
 * Rounds of the choice: how much nearer to a chosen neighbour than to the node
 * a candidate may be, as a ratio of squared distances.
 */
static const double alphas[] = {1.0, 1.15, 1.35, 1.6, 2.0, 3.0, 1e300};

/*
 * The squared distance between two codes, extra coordinates included.
 */
double
vecam_hit_distance2(const VecamIndex *ix, const VecamHitCode *a,
					const VecamHitCode *b)
{
	double		diff = (double) a->extra - b->extra;

	return vecam_sq8_sums_distance2(ix->meta.dims, &a->sq8, a->code, a->sum,
									&b->sq8, b->code, b->sum) + diff * diff;
}

/*
 * Choose up to `want` neighbours among the hits, which are sorted by distance;
 * their numbers go to chosen[].  Returns how many.
 *
 * HNSW's heuristic (Malkov & Yashunin, algorithm 4) keeps a candidate unless a
 * kept one is nearer to it than the node is; that leaves slots empty, and an
 * empty slot is work wasted on every visit.  So rounds of growing tolerance
 * follow until all slots are filled (graded alpha, as in DiskANN's and
 * SymphonyQG's refinements).
 */
int
vecam_choose_neighbours(const VecamIndex *ix, VecamHit *hits, int nhits,
						int want, int *chosen)
{
	double	   *occlusion = palloc0(sizeof(double) * nhits);
	int		   *compared = palloc0(sizeof(int) * nhits);
	bool	   *used = palloc0(sizeof(bool) * nhits);
	int			n = 0;

	for (int round = 0; round < (int) lengthof(alphas) && n < want; round++)
	{
		for (int i = 0; i < nhits && n < want; i++)
		{
			if (used[i] || occlusion[i] > alphas[round])
				continue;
			while (compared[i] < n && occlusion[i] <= alphas[round])
			{
				double		d2 = vecam_hit_distance2(ix, hits[i].code,
													 hits[chosen[compared[i]++]].code);

				occlusion[i] = Max(occlusion[i],
								   d2 > 0 ? hits[i].distance2 / d2 : 1e30);
			}
			if (occlusion[i] <= alphas[round])
			{
				used[i] = true;
				chosen[n++] = i;
			}
		}
	}
	pfree(occlusion);
	pfree(compared);
	pfree(used);
	return n;
}
