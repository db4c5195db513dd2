/*-------------------------------------------------------------------------
 *
 * listwriter.h
 *	  Writing a list while an index is built.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_LISTWRITER_H
#define VECAM_LISTWRITER_H

#include "page/meta.h"
#include "page/store.h"

typedef struct VecamListWriter
{
	VecamStore *store;
	VecamList	list;
	int			slot_size;
	bool		full;			/* the last block has no room (or none is) */
	BlockNumber *blocks;		/* slot pages so far */
	Size		nblocks;
	Size		allocated;
} VecamListWriter;

extern void vecam_writer_init(VecamListWriter *writer, VecamStore *store,
							  const VecamIndex *ix, VecamList list);
extern void vecam_writer_put(VecamListWriter *writer, const void *entry,
							 BlockNumber *blkno, int *slot);
extern void vecam_writer_finish(VecamListWriter *writer, VecamListRoot *root);
extern BlockNumber vecam_writer_page(VecamStore *store, Page image);

#endif							/* VECAM_LISTWRITER_H */
