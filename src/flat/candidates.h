/*-------------------------------------------------------------------------
 *
 * candidates.h
 *	  The nearest rows of a pass over many.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_CANDIDATES_H
#define VECAM_CANDIDATES_H

#include "postgres.h"

#include <math.h>

#include "storage/itemptr.h"

typedef struct VecamCandidate
{
	double		bound;			/* never above the operator's value */
	ItemPointerData tid;
} VecamCandidate;

/*
 * The first `keep` of the candidates that were added, in the order of (bound,
 * TID).  First candidates are added, then they are taken in order.
 */
typedef struct VecamCandidates
{
	VecamCandidate *items;		/* those not taken yet, then the others */
	int			n;
	int			left;			/* while they are taken: how many are not yet */
	int			allocated;
	int			keep;
	bool		dropped;		/* more were added: items is a max-heap */
} VecamCandidates;

extern int	vecam_compare_candidates(const VecamCandidate *a,
									 const VecamCandidate *b);
extern void vecam_candidates_init(VecamCandidates *set, int keep);
extern void vecam_candidates_reset(VecamCandidates *set, int keep);
extern void vecam_candidates_add(VecamCandidates *set, VecamCandidate c);
extern void vecam_candidates_finish(VecamCandidates *set);
extern VecamCandidate vecam_candidates_take(VecamCandidates *set);

/* While they are added: the bound above which a candidate would be dropped. */
static inline double
vecam_candidates_limit(const VecamCandidates *set)
{
	return set->dropped ? set->items[0].bound : INFINITY;
}

#endif							/* VECAM_CANDIDATES_H */
