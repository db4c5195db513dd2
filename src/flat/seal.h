/*-------------------------------------------------------------------------
 *
 * seal.h
 *	  Moving rows from the growing list into the graph.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_SEAL_H
#define VECAM_SEAL_H

#include "flat/growing.h"
#include "graph/graph.h"

/* What a sealer may do to the graph, and beside whom. */
typedef enum VecamSealMode
{
	VECAM_SEAL_SHARED,			/* link rows, beside others who do */
	VECAM_SEAL_EXCLUSIVE,		/* also free what is dead; alone */
} VecamSealMode;

/* The right to change the graph, and what one holder of it works with. */
typedef struct VecamSealer
{
	VecamSealMode mode;
	bool		wait;			/* for pages that others are sealing */
	Relation	index;
	VecamIndex *ix;
	VecamStore	store;
	VecamGraph	graph;
	VecamEntrySet entries;
	uint32		entry_changes;	/* what the meta page should count by now */
	VecamLink	link;
	int			ef_construction;
	MemoryContext context;		/* of the sealer */
	MemoryContext scratch;		/* reset for every row */
	int64		sealed;			/* rows so far */
} VecamSealer;

extern VecamSealer *vecam_sealer_begin(Relation index, VecamSealMode mode,
									   bool wait);
extern void vecam_sealer_end(VecamSealer *sealer);
extern void vecam_seal_rows(VecamSealer *sealer, int64 max_rows,
							void (*delay) (void));
extern void vecam_sealer_trim_chunks(VecamSealer *sealer, bool merge,
									 void (*delay) (void));
extern void vecam_sealer_finish_rows(VecamSealer *sealer,
									 void (*delay) (void));
extern void vecam_sealer_yield(VecamSealer *sealer, long microseconds);
extern void vecam_sealer_repair(VecamSealer *sealer, bool sealed, bool all,
								void (*delay) (void),
								VecamRepairStats *stats);
extern int	vecam_choose_seal_threshold(const VecamIndex *ix);

#endif							/* VECAM_SEAL_H */
