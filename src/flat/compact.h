/*-------------------------------------------------------------------------
 *
 * compact.h
 *	  Compaction: moving what stands at the end of an index to its start.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_COMPACT_H
#define VECAM_COMPACT_H

#include "page/meta.h"

/* What a compaction did. */
typedef struct VecamCompactStats
{
	int64		nodes_removed;	/* dead ones */
	int64		nodes_moved;
	int64		edges_repaired;
	int64		pages_freed;
	int64		bytes_reclaimed;	/* given back to the file system */
} VecamCompactStats;

extern void vecam_compact_index(Relation index, int64 max_pages,
								void (*delay) (void),
								VecamCompactStats *stats);
extern int64 vecam_count_free_pages(Relation index, void (*delay) (void));
extern void vecam_truncate_index(Relation index);
extern double vecam_index_fragmentation(Relation index, const VecamIndex *ix,
										bool with_free_pages,
										void (*delay) (void));

#endif							/* VECAM_COMPACT_H */
