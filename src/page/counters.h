/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  What a search did, for vecam_last_search().
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_COUNTERS_H
#define VECAM_COUNTERS_H

#include "postgres.h"

typedef struct VecamSearchCounters
{
	int64		nodes_visited;	/* graph nodes expanded */
	int64		distances_estimated;	/* from sketches */
	int64		distances_computed; /* from codes */
	int64		pages_read;		/* index pages, cached or not */
	int64		heap_rows;		/* rows handed to the executor */
	int64		heap_rechecks;	/* those whose distance it must compute */
	int64		growing_rows;	/* rows of the growing segment scanned */
	double		microseconds;	/* inside the access method */
} VecamSearchCounters;

#endif							/* VECAM_COUNTERS_H */
