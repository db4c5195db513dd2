/*-------------------------------------------------------------------------
 *
 * growing.h
 *	  Rows in the lists: forming, appending and removing them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_GROWING_H
#define VECAM_GROWING_H

#include "access/genam.h"
#include "page/slots.h"

/*
 * A row as the index stores it.  Made once, filled for one row after another.
 */
typedef struct VecamRow
{
	VecamList	list;
	union
	{
		VecamTidEntry *tid;		/* every slot starts so */
		VecamGrowingEntry *growing;
		char	   *bytes;		/* slot of the list */
	}			slot;
	uint8	   *code;			/* dims bytes: in the slot, or for extents */
	uint8	   *fine;			/* finer code, in the slot, or NULL */
	float	   *scratch;		/* dims */
} VecamRow;

/* Where code and finer code, or extent block numbers, stand in a growing slot. */
#define VecamGrowingPayload(entry)	((uint8 *) ((entry) + 1))

/* growing.c */
extern void vecam_row_init(VecamRow *row, const VecamIndex *ix);
extern void vecam_row_form(VecamRow *row, const VecamIndex *ix,
						   ItemPointer tid, const float *x);
extern void vecam_row_append(Relation index, const VecamIndex *ix,
							 VecamRow *row);
extern int64 vecam_growing_capacity(Relation index, const VecamIndex *ix);

/* growvacuum.c */
extern void vecam_list_delete_rows(IndexVacuumInfo *info, const VecamIndex *ix,
								   VecamList list,
								   IndexBulkDeleteResult *stats,
								   IndexBulkDeleteCallback callback,
								   void *callback_state);
extern void vecam_list_free_empty_pages(IndexVacuumInfo *info,
										const VecamIndex *ix, VecamList list,
										IndexBulkDeleteResult *stats);

extern void vecam_survey_page(Relation index, const VecamIndex *ix,
							  BlockNumber blkno,
							  BufferAccessStrategy strategy,
							  IndexBulkDeleteResult *stats);

#endif							/* VECAM_GROWING_H */
