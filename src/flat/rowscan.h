/*-------------------------------------------------------------------------
 *
 * rowscan.h
 *	  All rows with a distance, from the growing list and from the graph.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_ROWSCAN_H
#define VECAM_ROWSCAN_H

#include "flat/flatscan.h"
#include "graph/graph.h"
#include "graph/tids.h"

struct tidset_hash;

/* A row that may be returned next. */
typedef struct VecamRowCandidate
{
	bool		valid;
	double		bound;			/* not above the operator's value */
	double		upper;			/* not below it; +Infinity: not known */
	ItemPointerData tid;
} VecamRowCandidate;

/* A walk over the TID chunks of a node. */
typedef struct VecamChunkWalk
{
	VecamRef	node;
	uint8		generation;
	VecamRef	next;			/* invalid at the end of the chain */
	int64		left;			/* against cycles */
	uint32		changes;		/* entry_changes before the chain was begun */
	VecamTidChunk chunk;		/* the one read last */
} VecamChunkWalk;

typedef struct VecamRowScan
{
	Relation	index;
	Relation	heap;
	VecamIndex *ix;
	Size		memory;
	bool		strict;			/* drop rows that are found too late */
	VecamSearchCounters *counters;
	uint32		changes;		/* entry_changes when the scan began */

	VecamFlatScan growing;
	VecamRowCandidate next_growing;

	/* if there is a graph */
	bool		has_graph;
	bool		searches;		/* there was one when the scan began */
	bool		swept;			/* the graph is exhausted, sweep is under way */
	VecamStore	store;
	VecamGraph	graph;
	VecamPoint	point;
	VecamCodecQuery routing;	/* inner product: the query in code space */
	VecamSearch search;
	VecamRowCandidate next_graph;
	VecamHit	hit;			/* whose TIDs are being returned */
	int			next_tid;
	VecamChunkWalk chunks;
	int			next_chunk_tid;
	VecamFlatScan sweep;
	struct tidset_hash *seen;	/* rows of the growing list, and those
								 * returned; NULL: none so far */

	bool		started;
	double		last_bound;		/* once started */
	double		max_upper;		/* of the rows returned */
} VecamRowScan;

extern void vecam_rows_begin(VecamRowScan *scan, Relation index,
							 Relation heap, VecamIndex *ix, const float *q,
							 const VecamCodecQuery *query,
							 const float *rotated, int lookahead,
							 bool strict, Size memory,
							 VecamSearchCounters *counters);
extern bool vecam_rows_next(VecamRowScan *scan, ItemPointer tid,
							double *bound, bool *certain);

#endif							/* VECAM_ROWSCAN_H */
