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
#include "page/cache.h"
#include "page/node.h"
#include "page/page.h"

/*
 * An index as one operation sees it: a copy of the meta page, and the codec
 * (rotation and mean) that goes with it.
 */
typedef struct VecamIndex
{
	VecamMetaPageData meta;
	VecamNodeLayout nodes;
	const float *rotated_mean;	/* inner product: P mean, or NULL */
	double		rotated_mean_sum;
	VecamCodec	codec;
	VecamIndexCache *cache;		/* of the backend; NULL during the build */
} VecamIndex;

/* Size of the slots of a list. */
static inline int
vecam_slot_size(const VecamIndex *ix, VecamList list)
{
	switch (list)
	{
		case VECAM_LIST_GROWING:
			return ix->meta.growing_size;
		case VECAM_LIST_OVERFLOW:
			return sizeof(VecamTidChunk);
		case VECAM_LIST_ENTRIES:
			return VECAM_ENTRY_HEAD + ix->nodes.sketch_bytes;
		default:
			return sizeof(VecamTidEntry);
	}
}

/* meta.c */
extern void vecam_meta_init(VecamMetaPageData *meta, int dims,
							VecamMetric metric, VecamKind kind, int m,
							int ef_construction, int sketch_bits,
							bool want_fine, uint64 seed);
extern void vecam_meta_fill_page(Page page, const VecamMetaPageData *meta);
extern const char *vecam_meta_damage(Relation index, Page page);
extern VecamMetaPageData *vecam_meta_of_buffer(Relation index, Buffer buf);
extern void vecam_meta_read(Relation index, VecamMetaPageData *meta);
extern VecamIndex *vecam_index_build(const VecamMetaPageData *meta,
									 const float *mean);
extern VecamIndex *vecam_index_open(Relation index);
extern void vecam_index_reread(Relation index, VecamIndex *ix);
extern void vecam_meta_count_entry_change(Relation index);

struct VecamStore;

/* extent.c */
extern Size vecam_extent_bytes(Size total, int piece);
extern BlockNumber vecam_extent_write(struct VecamStore *store,
									  const void *data, Size bytes,
									  BlockNumber next);
extern void vecam_extents_write(struct VecamStore *store, const VecamIndex *ix,
								const uint8 *code, BlockNumber *blocks);
extern void vecam_extents_give_back(struct VecamStore *store,
									const VecamIndex *ix,
									const uint8 *payload);
extern void vecam_extents_read(struct VecamStore *store, const VecamIndex *ix,
							   const uint8 *payload, uint8 *code);
extern void vecam_extent_blocks(Relation index, BlockNumber owner,
								const uint8 *payload, int nextents,
								BlockNumber *blocks);
extern BlockNumber vecam_mean_write(struct VecamStore *store, int dims,
									const float *mean);
extern void vecam_mean_read(Relation index, BlockNumber first, int dims,
							float *mean);

#endif							/* VECAM_META_H */
