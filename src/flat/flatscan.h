/*-------------------------------------------------------------------------
 *
 * flatscan.h
 *	  Exact search: all rows of the lists, nearest bound first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_FLATSCAN_H
#define VECAM_FLATSCAN_H

#include "flat/growing.h"
#include "page/counters.h"
#include "page/pagelist.h"

typedef struct VecamCandidate
{
	double		bound;			/* never above the operator's value */
	ItemPointerData tid;
} VecamCandidate;

/*
 * A resumable scan of rows in the order of (bound, TID): of the growing list,
 * or of another source, whose pass offers all its rows.
 */
typedef struct VecamFlatScan
{
	void		(*pass) (struct VecamFlatScan *scan);
	void	   *source;			/* of another source's pass */
	Relation	index;
	const VecamIndex *ix;
	const VecamCodecQuery *query;	/* NULL: every bound is 0 */
	VecamSearchCounters *counters;
	VecamListWalk walk;
	uint8	   *code;			/* a long code, put together */

	VecamCandidate *items;
	int			nitems;
	int			allocated;
	int			next;			/* next item to return */
	int			keep;			/* candidates that a pass shall keep */
	int			max_keep;
	bool		dropped;		/* the pass has left rows out */
	VecamCandidate limit;		/* once dropped: candidates beyond are no use */
	bool		collected;		/* a pass has been made */
	bool		started;
	VecamCandidate last;		/* once started: the last one returned */
} VecamFlatScan;

/* A resumable scan of a list of rows without a code, in no order. */
typedef struct VecamTidScan
{
	Relation	index;
	const VecamIndex *ix;
	VecamSearchCounters *counters;
	VecamListWalk walk;
	int			ntids;
	int			next;
	ItemPointerData tids[VECAM_SLOTS_PER_PAGE(sizeof(VecamTidEntry))];
} VecamTidScan;

/* flatscan.c */
extern void vecam_flat_begin(VecamFlatScan *scan, Relation index,
							 const VecamIndex *ix,
							 const VecamCodecQuery *query, Size memory,
							 VecamSearchCounters *counters);
extern void vecam_flat_offer(VecamFlatScan *scan, double bound,
							 ItemPointer tid);
extern bool vecam_flat_next(VecamFlatScan *scan, ItemPointer tid,
							double *bound);
extern void vecam_tids_begin(VecamTidScan *scan, Relation index,
							 const VecamIndex *ix, VecamList list,
							 VecamSearchCounters *counters);
extern bool vecam_tids_next(VecamTidScan *scan, ItemPointer tid);

#endif							/* VECAM_FLATSCAN_H */
