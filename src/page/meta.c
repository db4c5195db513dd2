/*-------------------------------------------------------------------------
 *
 * meta.c
 *	  The meta page, and the copy of it that a backend keeps.
 *
 * What the meta page says of the index's shape never changes after the build,
 * so a backend keeps it, with the rotation and the mean that it implies, in
 * the relation cache entry.  What does change (the list roots) is read anew by
 * every operation: one page access.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "page/meta.h"
#include "page/record.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* Where the payload of a growing slot begins. */
#define PAYLOAD sizeof(VecamGrowingEntry)

/*
 * Describe a new, empty index; with finer codes if they are wanted and fit.
 */
void
vecam_meta_init(VecamMetaPageData *meta, int dims, VecamMetric metric,
				VecamKind kind, int m, int ef_construction,
				int sketch_bits, bool want_fine, uint64 seed)
{
	VecamNodeLayout nodes;

	memset(meta, 0, sizeof(*meta));
	meta->magic = VECAM_MAGIC;
	meta->version = VECAM_VERSION;
	meta->seed = seed;
	meta->dims = dims;
	meta->metric = metric;
	meta->kind = kind;
	meta->m = m;
	meta->ef_construction = ef_construction;
	meta->sketch_bits = sketch_bits;
	meta->mean = InvalidBlockNumber;

	if (dims > VECAM_INLINE_DIMS)
		meta->nextents = (dims + VECAM_PAGE_CAPACITY - 1) / VECAM_PAGE_CAPACITY;
	Assert(meta->nextents <= VECAM_MAX_EXTENTS);
	vecam_node_layout(&nodes, dims, metric, meta->nextents, m, sketch_bits,
					  want_fine && kind != VECAM_KIND_FLAT);
	meta->node_size = nodes.node_size;
	meta->fine_bits = nodes.fine ? VECAM_FINE_BITS : 0;
	meta->growing_size = PAYLOAD +
		TYPEALIGN(sizeof(uint32), nodes.payload_bytes);

	for (int i = 0; i < VECAM_NLISTS; i++)
	{
		meta->lists[i].head = InvalidBlockNumber;
		meta->lists[i].target = InvalidBlockNumber;
	}
}

/*
 * Write the meta page into an image that the caller owns.
 */
void
vecam_meta_fill_page(Page page, const VecamMetaPageData *meta)
{
	vecam_page_init(page, VECAM_PAGE_META);
	memcpy(VecamPageGetMeta(page), meta, sizeof(*meta));
	vecam_page_set_used(page, sizeof(*meta));
}

/* The shape must be one that vecam_meta_init makes for the column (INV-2). */
static const char *
shape_damage(Relation index, const VecamMetaPageData *meta)
{
	VecamMetaPageData expected;
	int32		typmod = TupleDescAttr(index->rd_att, 0)->atttypmod;

	if (meta->dims < 1 || meta->dims > VECAM_MAX_DIMS ||
		meta->metric > VECAM_METRIC_IP || meta->kind > VECAM_KIND_HNSW ||
		meta->m < 2 || meta->m > VECAM_MAX_M ||
		meta->ef_construction < VECAM_MIN_EF_CONSTRUCTION ||
		meta->ef_construction > VECAM_MAX_EF_CONSTRUCTION ||
		(typmod > 0 && meta->dims != typmod))
		return psprintf("%u dimensions, metric %u, kind %u, m %u, ef_construction %u",
						meta->dims, meta->metric, meta->kind, meta->m,
						meta->ef_construction);

	vecam_meta_init(&expected, meta->dims, meta->metric, meta->kind, meta->m,
					0, meta->sketch_bits, meta->fine_bits > 0, 0);
	for (int i = 0; i < VECAM_NLISTS; i++)
	{
		if (BlockNumberIsValid(meta->lists[i].head) !=
			BlockNumberIsValid(meta->lists[i].target))
			return psprintf("list %d has directory pages %u and %u",
							i, meta->lists[i].head, meta->lists[i].target);
	}
	if (meta->growing_size != expected.growing_size ||
		meta->fine_bits != expected.fine_bits ||
		meta->nextents != expected.nextents ||
		meta->node_size != expected.node_size)
		return psprintf("growing entries of %u bytes, %u extents and nodes of %u bytes for %u dimensions",
						meta->growing_size, meta->nextents, meta->node_size,
						meta->dims);
	return NULL;
}

/*
 * What is wrong with a meta page, or NULL.  Of a version that this code does
 * not know, nothing but that it is one.
 */
const char *
vecam_meta_damage(Relation index, Page page)
{
	VecamMetaPageData *meta = VecamPageGetMeta(page);
	const char *damage;

	if (PageIsNew(page))
		return "not a meta page";
	damage = vecam_page_damage(page);
	if (damage)
		return damage;
	if (VecamPageGetOpaque(page)->kind != VECAM_PAGE_META)
		return "not a meta page";
	if (meta->magic != VECAM_MAGIC)
		return psprintf("magic number %08X", meta->magic);
	return meta->version == VECAM_VERSION ? shape_damage(index, meta) : NULL;
}

/*
 * The contents of the meta page in a buffer that the caller has locked; errors
 * out unless it is a meta page of a version that this code reads.
 */
VecamMetaPageData *
vecam_meta_of_buffer(Relation index, Buffer buf)
{
	Page		page = BufferGetPage(buf);
	VecamMetaPageData *meta = VecamPageGetMeta(page);
	const char *damage = vecam_meta_damage(index, page);

	if (damage)
		vecam_corrupt(index, VECAM_META_BLKNO, "%s", damage);
	if (meta->version != VECAM_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" has format version %u, but this vecam reads version %u",
						RelationGetRelationName(index), meta->version,
						VECAM_VERSION),
				 errhint("Please REINDEX it.")));
	return meta;
}

/*
 * Copy the meta page.  Takes and drops a share lock on it.
 */
void
vecam_meta_read(Relation index, VecamMetaPageData *meta)
{
	Buffer		buf = ReadBuffer(index, VECAM_META_BLKNO);

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	*meta = *vecam_meta_of_buffer(index, buf);
	UnlockReleaseBuffer(buf);
}

/* What inner product needs of the mean to know a row's norm from its code. */
static void
set_rotated_mean(VecamIndex *ix, float *rotated)
{
	int			dims = ix->meta.dims;

	memcpy(rotated, ix->codec.mean, sizeof(float) * dims);
	vecam_rotate(&ix->codec.rotation, rotated);
	ix->rotated_mean = rotated;
	ix->rotated_mean_sum = 0;
	for (int i = 0; i < dims; i++)
		ix->rotated_mean_sum += rotated[i];
}

/*
 * Make the view of an index from its meta page and mean (dims float4; NULL
 * exactly if the meta page names none), as one chunk in the current memory
 * context.
 */
VecamIndex *
vecam_index_build(const VecamMetaPageData *meta, const float *mean)
{
	int			dims = meta->dims;
	Size		mean_size = mean ? MAXALIGN(sizeof(float) * dims) : 0;
	VecamIndex *ix = palloc0(MAXALIGN(sizeof(VecamIndex)) + 2 * mean_size +
							 VECAM_ROTATION_SIGN_BYTES(dims));
	char	   *tail = (char *) ix + MAXALIGN(sizeof(VecamIndex));
	uint8	   *signs = (uint8 *) tail + 2 * mean_size;

	ix->meta = *meta;
	vecam_node_layout(&ix->nodes, dims, meta->metric, meta->nextents, meta->m,
					  meta->sketch_bits, meta->fine_bits > 0);
	if (mean)
		memcpy(tail, mean, sizeof(float) * dims);
	vecam_rotation_signs(dims, meta->seed, signs);
	vecam_codec_init(&ix->codec, dims, meta->metric,
					 mean ? (float *) tail : NULL, signs);
	if (mean && meta->metric == VECAM_METRIC_IP)
		set_rotated_mean(ix, (float *) (tail + mean_size));
	return ix;
}

/* Read the index into a new entry of the backend's cache. */
static VecamIndexCache *
load_index(Relation index, const VecamMetaPageData *meta)
{
	VecamIndexCache *cache;
	MemoryContext old;
	float	   *mean = NULL;

	if (BlockNumberIsValid(meta->mean))
	{
		mean = palloc(sizeof(float) * meta->dims);
		vecam_mean_read(index, meta->mean, meta->dims, mean);
	}
	cache = vecam_cache_create(index);
	old = MemoryContextSwitchTo(cache->context);
	cache->ix = vecam_index_build(meta, mean);
	cache->ix->cache = cache;
	MemoryContextSwitchTo(old);
	if (mean)
		pfree(mean);
	return cache;
}

/*
 * Is the entry one of this index?  Files may be built anew in place, and their
 * numbers come again some day.
 */
static bool
is_of_index(const VecamIndexCache *cache, Relation index,
			const VecamMetaPageData *meta)
{
	return cache && cache->ix && cache->relid == RelationGetRelid(index) &&
		cache->ix->meta.fine_bits == meta->fine_bits &&
		memcmp(&cache->ix->meta, meta,
			   offsetof(VecamMetaPageData, max_norm)) == 0;
}

/*
 * The view of the index in the current memory context, to be used while that
 * lives, with list roots as they are now.  Takes and drops a share lock on
 * the meta page.
 */
VecamIndex *
vecam_index_open(Relation index)
{
	VecamMetaPageData meta;
	VecamIndexCache *cache = vecam_cache_find(index);
	VecamIndex *ix;

	vecam_meta_read(index, &meta);
	if (!is_of_index(cache, index, &meta))
		cache = load_index(index, &meta);

	vecam_cache_use(cache);
	ix = palloc(sizeof(VecamIndex));
	*ix = *cache->ix;
	ix->meta = meta;
	return ix;
}

/*
 * Bring the list roots and what else changes up to date.
 */
void
vecam_index_reread(Relation index, VecamIndex *ix)
{
	vecam_meta_read(index, &ix->meta);
}

/*
 * Let everybody know that the list of entry points has changed; after the
 * change, so that what is loaded in between counts as old.  Takes and drops an
 * exclusive lock on the meta page.
 *
 * WAL: meta page.
 */
void
vecam_meta_count_entry_change(Relation index)
{
	Buffer		buf = ReadBuffer(index, VECAM_META_BLKNO);
	VecamRecord *record;

	LockBuffer(buf, BUFFER_LOCK_EXCLUSIVE);
	record = vecam_record_start(index);
	VecamPageGetMeta(vecam_record_page(record, buf, false))->entry_changes++;
	vecam_record_finish(record);
	UnlockReleaseBuffer(buf);
}
