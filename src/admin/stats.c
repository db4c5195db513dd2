/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  vecam_stats, vecam_last_search, vecam_simd
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "admin/admin.h"
#include "am/am.h"
#include "catalog/pg_type.h"
#include "math/kernels.h"
#include "miscadmin.h"
#include "page/slots.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(vecam_stats);
PG_FUNCTION_INFO_V1(vecam_last_search);
PG_FUNCTION_INFO_V1(vecam_simd);

typedef struct IndexSurvey
{
	int64		pages[VECAM_NPAGEKINDS];	/* all-zero pages count as free */
	int64		rows[VECAM_NLISTS];
	int64		free_slots[VECAM_NLISTS];
	int64		nodes[VECAM_NODE_MOVED + 1];	/* by state */
	int64		node_rows;
	int64		edges;			/* of live nodes */
	int64		levels[256];	/* live nodes by level */
} IndexSurvey;

/* Count the nodes of a page. */
static void
survey_nodes(const VecamNodeLayout *nl, Page page, IndexSurvey *survey)
{
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		VecamNodeHeader *node = vecam_node_at(nl, page, slot);

		survey->nodes[Min(node->state, VECAM_NODE_MOVED)]++;
		if (node->state != VECAM_NODE_LIVE)
			continue;
		survey->node_rows += node->ntids;
		survey->edges += node->degree;
		survey->levels[node->level]++;
	}
}

/* Count one page.  Takes and drops a share lock. */
static void
survey_page(Relation index, const VecamIndex *ix, BlockNumber blkno,
			BufferAccessStrategy strategy, IndexSurvey *survey)
{
	Buffer		buf = ReadBufferExtended(index, MAIN_FORKNUM, blkno, RBM_NORMAL,
										 strategy);
	Page		page = BufferGetPage(buf);
	VecamPageKind kind = VECAM_PAGE_FREE;

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	if (!PageIsNew(page))
	{
		vecam_page_check(index, blkno, page);
		kind = VecamPageGetOpaque(page)->kind;
	}
	survey->pages[kind]++;
	if (kind == VECAM_PAGE_NODE)
	{
		vecam_node_page_check(index, blkno, page, &ix->nodes);
		survey_nodes(&ix->nodes, page, survey);
	}
	if (kind == VECAM_PAGE_GROWING || kind == VECAM_PAGE_TIDS ||
		kind == VECAM_PAGE_ENTRY)
	{
		VecamSlotPage *slots = VecamPageGetSlots(page);

		if (slots->list == VECAM_LIST_OVERFLOW)
			survey->node_rows += vecam_slots_count_rows(page);
		survey->rows[slots->list] += slots->nlive;
		survey->free_slots[slots->list] += slots->nslots - slots->nlive;
	}
	UnlockReleaseBuffer(buf);
}

static BlockNumber
survey_index(Relation index, const VecamIndex *ix, IndexSurvey *survey)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);

	memset(survey, 0, sizeof(*survey));
	for (BlockNumber blkno = 0; blkno < nblocks; blkno++)
	{
		CHECK_FOR_INTERRUPTS();
		survey_page(index, ix, blkno, strategy, survey);
	}
	FreeAccessStrategy(strategy);
	return nblocks;
}

static const char *
metric_name(int metric)
{
	switch (metric)
	{
		case VECAM_METRIC_L2:
			return "l2";
		case VECAM_METRIC_COSINE:
			return "cosine";
		default:
			return "inner product";
	}
}

static const char *
kind_name(int kind)
{
	switch (kind)
	{
		case VECAM_KIND_FLAT:
			return "flat";
		case VECAM_KIND_HNSW:
			return "hnsw";
		default:
			return "auto";
	}
}

/* Live nodes by level, from 0 to the highest in use, as bigint[]. */
static Datum
level_array(const IndexSurvey *survey)
{
	Datum		elements[256];
	int			n = 0;

	for (int level = 0; level < 256; level++)
	{
		elements[level] = Int64GetDatum(survey->levels[level]);
		if (survey->levels[level] > 0)
			n = level + 1;
	}
	return PointerGetDatum(construct_array(elements, n, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * vecam_stats(index regclass): what the index holds.  Reads all its pages.
 */
Datum
vecam_stats(PG_FUNCTION_ARGS)
{
	Relation	index = vecam_admin_open(PG_GETARG_OID(0));
	VecamIndex *ix = vecam_index_open(index);
	const VecamMetaPageData *meta = &ix->meta;
	const VecamNodeLayout *nl = &ix->nodes;
	IndexSurvey *survey = palloc(sizeof(IndexSurvey));
	BlockNumber nblocks = survey_index(index, ix, survey);
	int64		live = survey->nodes[VECAM_NODE_LIVE];
	int64		rows = survey->node_rows;
	Datum		values[36];
	int			n = 0;

	for (int i = 0; i < VECAM_NROWLISTS; i++)
		rows += survey->rows[i];

	values[n++] = CStringGetTextDatum(kind_name(meta->kind));
	values[n++] = BoolGetDatum(meta->has_graph);
	values[n++] = CStringGetTextDatum(metric_name(meta->metric));
	values[n++] = Int32GetDatum(meta->dims);
	values[n++] = Int32GetDatum(meta->version);
	values[n++] = Int64GetDatum((int64) meta->seed);
	values[n++] = BoolGetDatum(BlockNumberIsValid(meta->mean));
	values[n++] = Int64GetDatum(rows);
	values[n++] = Int64GetDatum(survey->rows[VECAM_LIST_GROWING]);
	values[n++] = Int64GetDatum(survey->node_rows);
	values[n++] = Int64GetDatum(survey->rows[VECAM_LIST_UNDEFINED]);
	values[n++] = Int64GetDatum(survey->rows[VECAM_LIST_NULL]);
	values[n++] = Int64GetDatum(survey->free_slots[VECAM_LIST_GROWING]);
	values[n++] = Int32GetDatum(meta->m);
	values[n++] = Int32GetDatum(nl->m0);
	values[n++] = Int32GetDatum(meta->ef_construction);
	values[n++] = Int32GetDatum(nl->sketch.dims * nl->sketch.bits);
	values[n++] = Int32GetDatum(nl->node_size);
	values[n++] = Int32GetDatum(nl->per_page);
	values[n++] = Int64GetDatum(live);
	values[n++] = Int64GetDatum(survey->nodes[VECAM_NODE_DEAD]);
	values[n++] = Int64GetDatum(survey->nodes[VECAM_NODE_FREE]);
	values[n++] = level_array(survey);
	values[n++] = Float8GetDatum(live > 0 ? (double) survey->edges / live : 0);
	values[n++] = Int32GetDatum(meta->entry_level);
	values[n++] = Int64GetDatum(survey->rows[VECAM_LIST_ENTRIES]);
	values[n++] = Int64GetDatum(nblocks);
	values[n++] = Int64GetDatum(survey->pages[VECAM_PAGE_GROWING]);
	values[n++] = Int64GetDatum(survey->pages[VECAM_PAGE_NODE]);
	values[n++] = Int64GetDatum(survey->pages[VECAM_PAGE_ENTRY]);
	values[n++] = Int64GetDatum(survey->pages[VECAM_PAGE_TIDS]);
	values[n++] = Int64GetDatum(survey->pages[VECAM_PAGE_DIRECTORY]);
	values[n++] = Int64GetDatum(survey->pages[VECAM_PAGE_EXTENT]);
	values[n++] = Int64GetDatum(survey->pages[VECAM_PAGE_FREE]);
	values[n++] = Int32GetDatum(meta->growing_size);
	values[n++] = Float8GetDatum(rows > 0 ? (double) nblocks * BLCKSZ / rows : 0);
	Assert(n == lengthof(values));

	vecam_admin_close(index);
	return vecam_admin_make_row(fcinfo, values, n);
}

/*
 * vecam_last_search(): what this backend's last search did.
 */
Datum
vecam_last_search(PG_FUNCTION_ARGS)
{
	const VecamSearchCounters *c = vecam_last_counters();
	Datum		values[8];
	int			n = 0;

	values[n++] = Int64GetDatum(c->nodes_visited);
	values[n++] = Int64GetDatum(c->distances_estimated);
	values[n++] = Int64GetDatum(c->distances_computed);
	values[n++] = Int64GetDatum(c->pages_read);
	values[n++] = Int64GetDatum(c->heap_rows);
	values[n++] = Int64GetDatum(c->heap_rechecks);
	values[n++] = Int64GetDatum(c->growing_rows);
	values[n++] = Float8GetDatum(rint(c->microseconds * 1000.0) / 1000.0);
	Assert(n == lengthof(values));

	return vecam_admin_make_row(fcinfo, values, n);
}

/*
 * vecam_simd(): the name of the kernels in use.
 */
Datum
vecam_simd(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(vecam_kernels->name));
}
