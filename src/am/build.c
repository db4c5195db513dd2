/*-------------------------------------------------------------------------
 *
 * build.c
 *	  Building an index: ambuild and ambuildempty.
 *
 * Pages are filled in memory and written once, through shared buffers, without
 * WAL; at the end the whole relation is logged.  A crash before that leaves an
 * index that no catalog row names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "am/am.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "flat/growing.h"
#include "math/kernels.h"
#include "miscadmin.h"
#include "page/pagelist.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "vecam.h"

/*
 * Blocks of the table from which the mean is computed.  It only makes codes
 * tighter, so a few thousand rows are plenty.
 */
#define SAMPLE_BLOCKS 256

/* Phases in pg_stat_progress_create_index, after "initializing" (1). */
#define PHASE_SAMPLE	2
#define PHASE_LOAD		3
#define PHASE_WRITE		4

/* A list while it is built: the page being filled, and the blocks written. */
typedef struct BuildList
{
	PGAlignedBlock page;
	bool		filling;
	BlockNumber *blocks;
	Size		nblocks;
	Size		allocated;
} BuildList;

typedef struct BuildState
{
	Relation	index;
	const VecamOpclass *opclass;
	MemoryContext scratch;		/* reset for every row */
	VecamMetaPageData meta;
	VecamIndex *ix;
	VecamRow	row;
	BuildList	lists[VECAM_NLISTS];
	int64		tuples;

	/* for the mean */
	double	   *sum;
	int64		nsampled;
} BuildState;

/*
 * The dimensions of the indexed column, from its typmod.
 */
static int
column_dimensions(Relation index)
{
	int			dims = TupleDescAttr(index->rd_att, 0)->atttypmod;

	if (dims < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column does not have dimensions"),
				 errhint("Declare the column as vector(n), or index an expression that is cast to vector(n).")));
	return dims;
}

static void
init_meta(Relation index, const VecamOpclass *opclass, VecamMetaPageData *meta)
{
	VecamOptions options = vecam_options_of(index);

	if (options.kind == VECAM_KIND_HNSW)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("kind \"hnsw\" is not supported by this version of vecam"),
				 errhint("Use kind \"flat\" or \"auto\".")));
	vecam_meta_init(meta, column_dimensions(index), opclass->metric,
					options.kind, options.m, options.ef_construction,
					vecam_build_seed);
}

/* Write a page image to a new block of the index; returns its number. */
static BlockNumber
write_page(Relation index, Page image)
{
	Buffer		buf = vecam_alloc_page(index);
	BlockNumber blkno = BufferGetBlockNumber(buf);

	memcpy(BufferGetPage(buf), image, BLCKSZ);
	MarkBufferDirty(buf);
	UnlockReleaseBuffer(buf);
	return blkno;
}

/* Write the page that is being filled. */
static void
flush_list(BuildState *state, VecamList list)
{
	BuildList  *bl = &state->lists[list];

	if (!bl->filling)
		return;
	if (bl->nblocks == bl->allocated)
	{
		bl->allocated = Max(1024, bl->allocated * 2);
		if (bl->blocks)
			bl->blocks = repalloc_huge(bl->blocks,
									   sizeof(BlockNumber) * bl->allocated);
		else
			bl->blocks = palloc(sizeof(BlockNumber) * bl->allocated);
	}
	bl->blocks[bl->nblocks++] = write_page(state->index, (Page) bl->page.data);
	bl->filling = false;
}

/* Write the code of a long row to extent pages and name them in its slot. */
static void
write_extents(BuildState *state, VecamRow *row)
{
	BlockNumber blocks[VECAM_MAX_EXTENTS];
	PGAlignedBlock page;
	int			nextents = state->meta.nextents;

	for (int i = 0; i < nextents; i++)
	{
		Size		bytes = vecam_extent_bytes(state->meta.dims, i);

		vecam_page_init((Page) page.data, VECAM_PAGE_EXTENT);
		memcpy(PageGetContents((Page) page.data),
			   row->code + (Size) i * VECAM_PAGE_CAPACITY, bytes);
		vecam_page_set_used((Page) page.data, bytes);
		blocks[i] = write_page(state->index, (Page) page.data);
	}
	memcpy(VecamGrowingPayload(row->slot.growing), blocks,
		   sizeof(BlockNumber) * nextents);
}

static void
add_row(BuildState *state, VecamRow *row)
{
	BuildList  *bl = &state->lists[row->list];
	Page		page = (Page) bl->page.data;
	int			slot;

	if (row->list == VECAM_LIST_GROWING && state->meta.nextents > 0)
		write_extents(state, row);

	if (!bl->filling)
	{
		vecam_slots_init(page, row->list,
						 vecam_slot_size(&state->meta, row->list));
		bl->filling = true;
	}
	slot = vecam_slots_find_free(VecamPageGetSlots(page));
	vecam_slots_put(page, slot, row->slot.bytes);
	if (vecam_slots_find_free(VecamPageGetSlots(page)) < 0)
		flush_list(state, row->list);
}

static void
build_callback(Relation index, ItemPointer tid, Datum *values, bool *isnull,
			   bool tuple_is_alive, void *arg)
{
	BuildState *state = arg;
	MemoryContext old = MemoryContextSwitchTo(state->scratch);
	const float *x = NULL;

	CHECK_FOR_INTERRUPTS();
	if (!isnull[0])
		x = vecam_checked_components(state->opclass, values[0],
									 state->meta.dims);
	vecam_row_form(&state->row, state->ix, tid, x);
	MemoryContextSwitchTo(old);

	add_row(state, &state->row);
	MemoryContextReset(state->scratch);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 ++state->tuples);
}

/* Add a row, as the codec sees it (unit length under cosine), to the sum. */
static void
sample_callback(Relation index, ItemPointer tid, Datum *values, bool *isnull,
				bool tuple_is_alive, void *arg)
{
	BuildState *state = arg;
	MemoryContext old = MemoryContextSwitchTo(state->scratch);
	double		scale = 1;
	const float *x;
	int			dims = state->meta.dims;

	CHECK_FOR_INTERRUPTS();
	if (!isnull[0])
	{
		x = vecam_checked_components(state->opclass, values[0], dims);
		if (state->meta.metric == VECAM_METRIC_COSINE)
			scale = sqrt(vecam_kernels->inner_product(dims, x, x));
		if (scale > 0)
		{
			for (int i = 0; i < dims; i++)
				state->sum[i] += x[i] / scale;
			state->nsampled++;
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->scratch);
}

/*
 * The mean of a sample of the table's rows, palloc'd, or NULL if it has none.
 * Blocks are taken at equal distances over the whole table.
 */
static float *
sample_mean(BuildState *state, Relation heap, IndexInfo *info)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(heap);
	BlockNumber samples = Min(nblocks, SAMPLE_BLOCKS);
	int			dims = state->meta.dims;
	float	   *mean;

	state->sum = palloc0(sizeof(double) * dims);
	for (BlockNumber i = 0; i < samples; i++)
	{
		BlockNumber blkno = (BlockNumber) ((uint64) i * nblocks / samples);

		table_index_build_range_scan(heap, state->index, info, false, false,
									 false, blkno, 1, sample_callback, state,
									 NULL);
	}
	if (state->nsampled == 0)
		return NULL;

	mean = palloc(sizeof(float) * dims);
	for (int i = 0; i < dims; i++)
		mean[i] = state->sum[i] / state->nsampled;
	return mean;
}

/* Write the directory pages of a list, last first, and root them. */
static void
write_directory(BuildState *state, VecamList list)
{
	BuildList  *bl = &state->lists[list];
	VecamListRoot *root = &state->meta.lists[list];
	Size		npages = (bl->nblocks + VECAM_DIRECTORY_CAPACITY - 1) /
		VECAM_DIRECTORY_CAPACITY;
	PGAlignedBlock image;
	Page		page = (Page) image.data;

	for (Size p = npages; p-- > 0;)
	{
		Size		first = p * VECAM_DIRECTORY_CAPACITY;
		Size		end = Min(first + VECAM_DIRECTORY_CAPACITY, bl->nblocks);

		vecam_directory_init(page, list, p);
		VecamPageGetOpaque(page)->next = root->head;
		for (Size i = first; i < end; i++)
			vecam_directory_put(page, bl->blocks[i]);
		root->head = write_page(state->index, page);
		if (!BlockNumberIsValid(root->target))
			root->target = root->head;
	}
}

/* Reserve the meta page's block; its contents come last. */
static void
reserve_meta_page(Relation index)
{
	PGAlignedBlock image;

	memset(image.data, 0, BLCKSZ);
	if (write_page(index, (Page) image.data) != VECAM_META_BLKNO)
		elog(ERROR, "index \"%s\" already contains data",
			 RelationGetRelationName(index));
}

static void
write_meta_page(Relation index, const VecamMetaPageData *meta)
{
	Buffer		buf = ReadBuffer(index, VECAM_META_BLKNO);

	LockBuffer(buf, BUFFER_LOCK_EXCLUSIVE);
	vecam_meta_fill_page(BufferGetPage(buf), meta);
	MarkBufferDirty(buf);
	UnlockReleaseBuffer(buf);
}

/* Write what is left in memory, then the directories and the meta page. */
static void
finish_pages(BuildState *state)
{
	for (VecamList list = 0; list < VECAM_NLISTS; list++)
	{
		flush_list(state, list);
		write_directory(state, list);
	}
	write_meta_page(state->index, &state->meta);
}

static void
set_phase(int phase)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, phase);
}

/* Fix what all codes depend on: the shape, the seed and the mean. */
static void
prepare_build(BuildState *state, Relation heap, IndexInfo *info)
{
	float	   *mean;

	reserve_meta_page(state->index);
	set_phase(PHASE_SAMPLE);
	mean = sample_mean(state, heap, info);
	if (mean)
		state->meta.mean = vecam_mean_write(state->index, state->meta.dims,
											mean);
	state->ix = vecam_index_build(&state->meta, mean);
	vecam_row_init(&state->row, state->ix);
}

/*
 * ambuild
 */
IndexBuildResult *
vecam_build(Relation heap, Relation index, IndexInfo *info)
{
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));
	BuildState *state = palloc0(sizeof(BuildState));

	state->index = index;
	state->opclass = vecam_opclass(index);
	state->scratch = AllocSetContextCreate(CurrentMemoryContext,
										   "vecam build row",
										   ALLOCSET_DEFAULT_SIZES);
	init_meta(index, state->opclass, &state->meta);
	prepare_build(state, heap, info);

	set_phase(PHASE_LOAD);
	result->heap_tuples = table_index_build_scan(heap, index, info, true, true,
												 build_callback, state, NULL);
	result->index_tuples = state->tuples;

	set_phase(PHASE_WRITE);
	finish_pages(state);
	if (RelationNeedsWAL(index))
		log_newpage_range(index, MAIN_FORKNUM, 0,
						  RelationGetNumberOfBlocks(index), true);

	MemoryContextDelete(state->scratch);
	return result;
}

/*
 * ambuildempty: the init fork of an unlogged index.  It is logged although the
 * index is not, since it must exist after a crash and on a standby.
 */
void
vecam_buildempty(Relation index)
{
	VecamMetaPageData meta;
	Buffer		buf;

	init_meta(index, vecam_opclass(index), &meta);
	buf = vecam_extend_init_fork(index);

	START_CRIT_SECTION();
	vecam_meta_fill_page(BufferGetPage(buf), &meta);
	MarkBufferDirty(buf);
	log_newpage_buffer(buf, true);
	END_CRIT_SECTION();

	UnlockReleaseBuffer(buf);
}

/*
 * ambuildphasename
 */
char *
vecam_buildphasename(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case PHASE_SAMPLE:
			return "sampling rows for the mean";
		case PHASE_LOAD:
			return "encoding rows";
		case PHASE_WRITE:
			return "writing pages";
		default:
			return NULL;
	}
}
