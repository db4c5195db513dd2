/*-------------------------------------------------------------------------
 *
 * build.c
 *	  Building an index: ambuild and ambuildempty.
 *
 * Pages are made in memory as far as maintenance_work_mem goes, then in shared
 * buffers, without WAL; at the end the whole relation is logged.  A crash
 * before that leaves an index that no catalog row names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "am/am.h"
#include "am/restore.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "flat/growing.h"
#include "math/kernels.h"
#include "miscadmin.h"
#include "graph/adopt.h"
#include "graph/graph.h"
#include "graph/tids.h"
#include "page/listwriter.h"
#include "page/pagelist.h"
#include "page/progress.h"
#include "page/slots.h"
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

/* Inner product: room for rows longer than any of the sample. */
#define MAX_NORM_FACTOR 1.25

/* Pages between two reports of what is logged; a record has 32 at most. */
#define LOG_PAGES 1024

typedef struct BuildState
{
	Relation	index;
	const VecamOpclass *opclass;
	VecamOptions options;
	MemoryContext context;		/* of the build */
	MemoryContext scratch;		/* reset for every row of the table */
	MemoryContext link_scratch; /* reset for every row that is linked */
	VecamMetaPageData meta;
	VecamIndex *ix;
	VecamRow	row;
	VecamStore	store;
	VecamListWriter lists[VECAM_NLISTS];
	int64		tuples;
	int64		coded;			/* rows with a code */
	BlockNumber heap_blocks;
	BlockNumber first_block;	/* that had a row, or invalid */

	/* once there is a graph */
	bool		has_graph;
	VecamGraph	graph;
	VecamEntrySet entries;
	VecamLink	link;

	/* while a checkpoint is restored */
	VecamRestore *restore;
	VecamAdoption *adoption;	/* NULL: the checkpoint has no nodes */

	/* of the sample */
	double	   *sum;
	double		max_norm2;
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
init_meta(Relation index, const VecamOptions *options, VecamMetaPageData *meta)
{
	vecam_meta_init(meta, column_dimensions(index), vecam_opclass(index)->metric,
					options->kind, options->m, options->ef_construction,
					options->sketch_bits,
					options->rerank == VECAM_RERANK_PAGE, vecam_build_seed);
}

/*
 * Describe the index as a build by its options would make it.
 */
void
vecam_build_meta(Relation index, VecamMetaPageData *meta)
{
	VecamOptions options = vecam_options_of(index);

	init_meta(index, &options, meta);
}

/* Add a row to its list. */
static void
add_to_list(BuildState *state, VecamRow *row)
{
	BlockNumber blkno;
	int			slot;

	if (row->list == VECAM_LIST_GROWING && state->meta.nextents > 0)
	{
		BlockNumber blocks[VECAM_MAX_EXTENTS];

		vecam_extents_write(&state->store, state->ix, row->code, blocks);
		memcpy(VecamGrowingPayload(row->slot.growing), blocks,
			   sizeof(BlockNumber) * state->meta.nextents);
	}
	vecam_writer_put(&state->lists[row->list], row->slot.bytes, &blkno, &slot);
}

/* Link a row; add_to_graph cares for the memory. */
static void
link_row(BuildState *state, ItemPointer tid, const VecamSq8Header *head,
		 const uint8 *code, const uint8 *payload)
{
	VecamGraph *graph = &state->graph;
	VecamLink  *link = &state->link;
	BlockNumber written[VECAM_MAX_EXTENTS];

	vecam_link_prepare(link, graph, head, code, payload,
					   state->meta.ef_construction, true);
	if (link->is_equal)
	{
		if (vecam_node_add_tid(graph, link, tid, NULL) != VECAM_JOINED)
			elog(ERROR, "node %u is gone", link->equal.ref);
		if (payload)
			vecam_extents_give_back(&state->store, state->ix, payload);
		return;
	}

	if (payload == NULL)
	{
		vecam_extents_write(&state->store, state->ix, code, written);
		link->payload = (const uint8 *) written;
	}
	vecam_link_reserve_slot(graph);
	if (!vecam_link_write_node(link, graph, VECAM_NODE_LIVE, tid, NULL))
		elog(ERROR, "no room for a node on page %u", graph->target);
	vecam_link_neighbours(link, graph);
	vecam_entries_add(&state->entries, state->ix, link->ref, link->generation,
					  link->level, link->point.extra, link->point.y, false);
}

/*
 * Link a row into the graph.  `payload` is what goes into the node, or NULL if
 * that is the numbers of extent pages that are not written yet.
 */
static void
add_to_graph(BuildState *state, ItemPointer tid, const VecamSq8Header *head,
			 const uint8 *code, const uint8 *payload)
{
	MemoryContext old = MemoryContextSwitchTo(state->link_scratch);

	link_row(state, tid, head, code, payload);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->link_scratch);
}

static void
start_graph(BuildState *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->context);

	state->has_graph = true;
	state->graph.store = &state->store;
	state->graph.ix = state->ix;
	state->graph.entries = &state->entries;
	state->graph.chunks = &state->lists[VECAM_LIST_OVERFLOW];
	state->graph.target = InvalidBlockNumber;
	vecam_entries_init(&state->entries, state->ix, 0);
	vecam_link_alloc(&state->link, state->ix);
	MemoryContextSwitchTo(old);
}

/*
 * Link the rows that are in the growing list, and free its pages: kind = auto
 * has met more rows than it searches flat, or a checkpoint has no nodes for
 * them.
 */
static void
link_growing_rows(BuildState *state)
{
	VecamListWriter *writer = &state->lists[VECAM_LIST_GROWING];
	PGAlignedBlock copy;
	VecamSlotPage *slots = VecamPageGetSlots((Page) copy.data);
	uint8	   *code = palloc(state->meta.dims);

	if (!state->has_graph)
		start_graph(state);
	vecam_progress_begin(state->index, VECAM_PROGRESS_LINK, writer->nblocks);
	for (Size i = 0; i < writer->nblocks; i++)
	{
		vecam_progress_update(i);
		vecam_store_take_page(&state->store, writer->blocks[i],
							  (Page) copy.data);
		for (int slot = 0; slot < slots->nslots; slot++)
		{
			VecamGrowingEntry *entry = (VecamGrowingEntry *)
				vecam_slot(slots, slot);
			const uint8 *payload = VecamGrowingPayload(entry);

			CHECK_FOR_INTERRUPTS();
			vecam_extents_read(&state->store, state->ix, payload, code);
			add_to_graph(state, &entry->tid, &entry->sq8, code, payload);
		}
	}
	writer->nblocks = 0;
	writer->full = true;
	pfree(code);
}

/*
 * Add a row to the node of the checkpoint that has its code.  If there is none,
 * it waits in the growing list until the graph is whole.
 */
static void
adopt_row(BuildState *state, VecamRow *row)
{
	VecamGrowingEntry *entry = row->slot.growing;

	if (vecam_adopt_row(state->adoption, &entry->tid, &entry->sq8, row->code,
						VecamGrowingPayload(entry)))
		return;
	state->restore->rows_inserted++;
	add_to_list(state, row);
}

static void
add_row(BuildState *state, VecamRow *row)
{
	if (row->list != VECAM_LIST_GROWING)
	{
		add_to_list(state, row);
		return;
	}
	state->coded++;
	if (state->adoption)
	{
		adopt_row(state, row);
		return;
	}
	if (state->restore)
		state->restore->rows_inserted++;
	if (!state->has_graph && state->options.kind == VECAM_KIND_AUTO &&
		state->coded > state->options.flat_threshold)
	{
		link_growing_rows(state);
		vecam_progress_begin(state->index, VECAM_PROGRESS_LOAD,
							 state->heap_blocks);
	}
	if (state->has_graph)
		add_to_graph(state, &row->slot.tid->tid, &row->slot.growing->sq8,
					 row->code, state->meta.nextents > 0 ? NULL : row->code);
	else
		add_to_list(state, row);
}

/* Report the block that a scan of the table, which may begin anywhere, is at. */
static void
report_block(BuildState *state, BlockNumber blkno)
{
	int64		passed;

	if (!BlockNumberIsValid(state->first_block))
		state->first_block = blkno;
	passed = (int64) blkno - state->first_block;
	if (passed < 0)
		passed += state->heap_blocks;
	if (state->tuples % VECAM_PROGRESS_ROWS == 0)
		vecam_progress_update(Max(passed, 0));
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
	add_row(state, &state->row);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->scratch);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 ++state->tuples);
	report_block(state, ItemPointerGetBlockNumber(tid));
}

/* Add a row, as the codec sees it (unit length under cosine), to the sum. */
static void
sample_callback(Relation index, ItemPointer tid, Datum *values, bool *isnull,
				bool tuple_is_alive, void *arg)
{
	BuildState *state = arg;
	MemoryContext old = MemoryContextSwitchTo(state->scratch);
	double		scale = 1;
	double		norm2;
	const float *x;
	int			dims = state->meta.dims;

	CHECK_FOR_INTERRUPTS();
	if (!isnull[0])
	{
		x = vecam_checked_components(state->opclass, values[0], dims);
		norm2 = vecam_kernels->inner_product(dims, x, x);
		state->max_norm2 = Max(state->max_norm2, norm2);
		if (state->meta.metric == VECAM_METRIC_COSINE)
			scale = sqrt(norm2);
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

	vecam_progress_begin(state->index, VECAM_PROGRESS_SAMPLE, samples);
	state->sum = palloc0(sizeof(double) * dims);
	for (BlockNumber i = 0; i < samples; i++)
	{
		BlockNumber blkno = (BlockNumber) ((uint64) i * nblocks / samples);

		vecam_progress_update(i);
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

/* Reserve the meta page's block; its contents come last. */
static void
reserve_meta_page(BuildState *state)
{
	VecamPin	pin;
	VecamChange change;

	vecam_store_alloc(&state->store, &pin);
	if (pin.blkno != VECAM_META_BLKNO)
		elog(ERROR, "index \"%s\" already contains data",
			 RelationGetRelationName(state->index));
	vecam_change_start(&change, &state->store);
	vecam_meta_fill_page(vecam_change_page(&change, &pin, true), &state->meta);
	vecam_change_finish(&change);
	vecam_store_unpin(&state->store, &pin);
}

static void
write_meta_page(BuildState *state)
{
	VecamPin	pin;
	VecamChange change;

	vecam_store_pin(&state->store, VECAM_META_BLKNO, BUFFER_LOCK_EXCLUSIVE,
					&pin);
	vecam_change_start(&change, &state->store);
	vecam_meta_fill_page(vecam_change_page(&change, &pin, true), &state->meta);
	vecam_change_finish(&change);
	vecam_store_unpin(&state->store, &pin);
}

static void
write_entries(BuildState *state)
{
	for (int i = 0; i < state->entries.n; i++)
	{
		char	   *slot = vecam_entry_slot(&state->entries, state->ix, i);
		BlockNumber blkno;
		int			slotno;

		vecam_writer_put(&state->lists[VECAM_LIST_ENTRIES], slot, &blkno,
						 &slotno);
		pfree(slot);
	}
	state->meta.has_graph = true;
	state->meta.entry_level = state->entries.level;
}

/* Write the entry points, the directories and the meta page. */
static void
finish_pages(BuildState *state)
{
	if (state->has_graph && state->coded > 0)
		write_entries(state);
	for (VecamList list = 0; list < VECAM_NLISTS; list++)
		vecam_writer_finish(&state->lists[list], &state->meta.lists[list]);
	write_meta_page(state);
	vecam_store_spill(&state->store);
}

/* Log all pages of the index. */
static void
log_pages(Relation index)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);

	vecam_progress_begin(index, VECAM_PROGRESS_LOG, nblocks);
	for (BlockNumber blkno = 0; blkno < nblocks; blkno += LOG_PAGES)
	{
		log_newpage_range(index, MAIN_FORKNUM, blkno,
						  Min(blkno + LOG_PAGES, nblocks), true);
		vecam_progress_update(Min(blkno + LOG_PAGES, nblocks));
	}
}

/*
 * Take the seed from the checkpoint as well, and ef_construction, so that the
 * rows to come are linked as the graph's are; returns the mean.
 */
static float *
restored_mean(BuildState *state)
{
	VecamCheckpointReader *reader = &state->restore->reader;

	vecam_restore_start(state->restore);
	vecam_restore_check_shape(&reader->head, &state->meta);
	if (reader->head.ef_construction != state->meta.ef_construction)
		ereport(NOTICE,
				(errmsg("index \"%s\" takes ef_construction %u from the checkpoint",
						RelationGetRelationName(state->index),
						reader->head.ef_construction),
				 errdetail("REINDEX would build it with the option's %u.",
						   state->meta.ef_construction)));
	state->meta.ef_construction = reader->head.ef_construction;
	state->meta.seed = reader->head.seed;
	state->meta.max_norm = reader->head.max_norm;
	return reader->mean;
}

/* Write the nodes of the checkpoint. */
static void
restore_nodes(BuildState *state)
{
	VecamRestore *restore = state->restore;
	VecamCheckpointNode node;

	vecam_progress_begin(state->index, VECAM_PROGRESS_RESTORE_NODES,
						 restore->reader.head.nnodes);
	if (!state->has_graph)
		start_graph(state);
	state->adoption = vecam_adopt_begin(&state->graph, &state->link,
										restore->reader.head.nnodes);
	while (vecam_restore_next_node(restore, &node))
	{
		CHECK_FOR_INTERRUPTS();
		vecam_adopt_node(state->adoption, &node);
		vecam_progress_update_rows(state->adoption->nnodes);
	}
	vecam_adopt_edges(state->adoption, state->link_scratch);
}

/* Take out nodes that have no row, and lead to those that nothing leads to. */
static void
repair_restored(BuildState *state)
{
	VecamGraph	graph = state->graph;
	VecamEntrySet entries = state->entries;
	VecamRepairStats stats;

	/* the entry points are chosen already: no more are to be taken for a level */
	entries.level = 0;
	graph.entries = &entries;
	write_meta_page(state);
	vecam_store_spill(&state->store);
	vecam_graph_repair(&graph, &state->link, state->link_scratch, false, false,
					   NULL, &stats);
	entries.level = Max(entries.level, state->entries.level);
	state->entries = entries;
}

/* All rows have been read: complete the graph of the checkpoint. */
static void
finish_restore(BuildState *state)
{
	VecamRestore *restore = state->restore;
	VecamAdoption *adoption = state->adoption;

	restore->nodes_adopted = adoption->adopted;
	restore->nodes_dropped = adoption->nnodes - adoption->adopted;
	if (vecam_adopt_end(adoption, restore->reader.head.entry_level))
		repair_restored(state);
	link_growing_rows(state);
}

/* Fix what all codes depend on: the shape, the seed and the mean. */
static void
prepare_build(BuildState *state, Relation heap, IndexInfo *info)
{
	float	   *mean;

	reserve_meta_page(state);
	if (state->restore)
		mean = restored_mean(state);
	else
	{
		mean = sample_mean(state, heap, info);
		state->meta.max_norm = Min(MAX_NORM_FACTOR * sqrt(state->max_norm2),
								   FLT_MAX);
	}
	if (mean)
		state->meta.mean = vecam_mean_write(&state->store, state->meta.dims,
											mean);
	state->ix = vecam_index_build(&state->meta, mean);
	vecam_row_init(&state->row, state->ix);
	for (VecamList list = 0; list < VECAM_NLISTS; list++)
		vecam_writer_init(&state->lists[list], &state->store, state->ix, list);
	if (state->options.kind == VECAM_KIND_HNSW)
		start_graph(state);
	if (state->restore && state->restore->reader.head.nnodes > 0)
		restore_nodes(state);
}

/*
 * ambuild
 */
IndexBuildResult *
vecam_build(Relation heap, Relation index, IndexInfo *info)
{
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));
	BuildState *state = palloc0(sizeof(BuildState));

	/* TRUNCATE of a table made in this transaction builds in place */
	vecam_cache_forget(index);
	state->index = index;
	state->opclass = vecam_opclass(index);
	state->options = vecam_options_of(index);
	state->context = CurrentMemoryContext;
	state->scratch = AllocSetContextCreate(CurrentMemoryContext,
										   "vecam build row",
										   ALLOCSET_DEFAULT_SIZES);
	state->link_scratch = AllocSetContextCreate(CurrentMemoryContext,
												"vecam build link",
												ALLOCSET_DEFAULT_SIZES);
	state->heap_blocks = RelationGetNumberOfBlocks(heap);
	state->first_block = InvalidBlockNumber;
	vecam_store_init(&state->store, index, VECAM_STORE_MEMORY,
					 mul_size(maintenance_work_mem, 1024));
	state->restore = vecam_restore_of(index);
	if (vecam_build_flat && !state->restore)
		state->options.kind = VECAM_KIND_FLAT;
	init_meta(index, &state->options, &state->meta);
	vecam_progress_start(index);
	prepare_build(state, heap, info);

	vecam_progress_begin(index, VECAM_PROGRESS_LOAD, state->heap_blocks);
	result->heap_tuples = table_index_build_scan(heap, index, info, true, true,
												 build_callback, state, NULL);
	result->index_tuples = state->tuples;
	if (state->adoption)
		finish_restore(state);

	vecam_progress_begin(index, VECAM_PROGRESS_WRITE, VECAM_PROGRESS_UNKNOWN);
	finish_pages(state);
	if (RelationNeedsWAL(index))
		log_pages(index);
	vecam_progress_end();

	MemoryContextDelete(state->scratch);
	MemoryContextDelete(state->link_scratch);
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

	vecam_build_meta(index, &meta);
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
	return (char *) vecam_progress_phase_name(phase);
}
