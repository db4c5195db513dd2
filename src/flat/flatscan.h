/*-------------------------------------------------------------------------
 *
 * flatscan.h
 *	  Exact search: all rows of the lists, nearest bound first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_FLATSCAN_H
#define VECAM_FLATSCAN_H

#include "flat/candidates.h"
#include "flat/growing.h"
#include "page/counters.h"
#include "page/pagelist.h"

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

	VecamScreen screen;			/* passes rows that may be candidates */
	double		screen_limit;	/* what it was made for */

	/*
	 * Beside a graph: the rows of the growing list that the first pass met, and
	 * in a later pass those of them that it has not met, nor any one before.
	 */
	bool		notes_rows;
	bool		too_many_rows;	/* to be noted */
	ItemPointerData *rows;
	int			nrows;
	int			allocated_rows;
	struct tidset_hash *missing;

	VecamCandidates candidates; /* of the last pass */
	Size		memory;
	int			max_keep;
	bool		collected;		/* a pass has been made */
	bool		started;
	VecamCandidate last;		/* once started: the last one returned */
} VecamFlatScan;

struct tidset_hash;

/* A resumable scan of a list of rows without a code, in no order. */
typedef struct VecamTidScan
{
	Relation	index;
	const VecamIndex *ix;
	VecamSearchCounters *counters;
	VecamListWalk walk;
	int			ntids;
	int			next;
	struct tidset_hash *seen;	/* rows returned */
	ItemPointerData tids[VECAM_SLOTS_PER_PAGE(sizeof(VecamTidEntry))];
} VecamTidScan;

/* flatscan.c */
extern void vecam_flat_begin(VecamFlatScan *scan, Relation index,
							 const VecamIndex *ix,
							 const VecamCodecQuery *query, Size memory,
							 VecamSearchCounters *counters);
extern void vecam_flat_growing_pass(VecamFlatScan *scan);
extern void vecam_flat_offer(VecamFlatScan *scan, double bound,
							 ItemPointer tid);
extern bool vecam_flat_needs_pass(const VecamFlatScan *scan);
extern bool vecam_flat_next(VecamFlatScan *scan, ItemPointer tid,
							double *bound);
extern void vecam_tids_begin(VecamTidScan *scan, Relation index,
							 const VecamIndex *ix, VecamList list,
							 VecamSearchCounters *counters);
extern bool vecam_tids_next(VecamTidScan *scan, ItemPointer tid);

#endif							/* VECAM_FLATSCAN_H */
