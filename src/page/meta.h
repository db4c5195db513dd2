/*-------------------------------------------------------------------------
 *
 * meta.h
 *	  The meta page, and what a backend keeps of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_META_H
#define VECAM_META_H

#include "math/bound.h"
#include "page/page.h"

/*
 * An index as one operation sees it: a copy of the meta page, and the codec
 * (rotation and mean) that goes with it.  One chunk of memory, see
 * vecam_index_open.
 */
typedef struct VecamIndex
{
	Size		size;			/* of the chunk */
	VecamMetaPageData meta;
	VecamCodec	codec;			/* its pointers lead into the chunk */
} VecamIndex;

/* Size of the slots of a list. */
static inline int
vecam_slot_size(const VecamMetaPageData *meta, VecamList list)
{
	return list == VECAM_LIST_GROWING ? meta->growing_size :
		sizeof(VecamTidEntry);
}

/* The kind of the slot pages of a list. */
static inline VecamPageKind
vecam_list_kind(VecamList list)
{
	return list == VECAM_LIST_GROWING ? VECAM_PAGE_GROWING : VECAM_PAGE_TIDS;
}

/* meta.c */
extern void vecam_meta_init(VecamMetaPageData *meta, int dims,
							VecamMetric metric, VecamKind kind,
							int m, int ef_construction, uint64 seed);
extern void vecam_meta_fill_page(Page page, const VecamMetaPageData *meta);
extern VecamMetaPageData *vecam_meta_of_buffer(Relation index, Buffer buf);
extern void vecam_meta_read(Relation index, VecamMetaPageData *meta);
extern VecamIndex *vecam_index_build(const VecamMetaPageData *meta,
									 const float *mean);
extern VecamIndex *vecam_index_open(Relation index);

/* extent.c */
extern Size vecam_extent_bytes(Size total, int piece);
extern BlockNumber vecam_mean_write(Relation index, int dims,
									const float *mean);
extern void vecam_mean_read(Relation index, BlockNumber first, int dims,
							float *mean);

#endif							/* VECAM_META_H */
