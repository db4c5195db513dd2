/*-------------------------------------------------------------------------
 *
 * compact.c
 *	  vecam_compact, vecam_fragmentation, vecam_reserve
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "admin/admin.h"
#include "compat.h"
#include "flat/compact.h"
#include "flat/seal.h"
#include "miscadmin.h"
#include "page/progress.h"
#include "page/slots.h"
#include "storage/bufmgr.h"
#include "storage/indexfsm.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(vecam_compact);
PG_FUNCTION_INFO_V1(vecam_fragmentation);
PG_FUNCTION_INFO_V1(vecam_reserve);

static Datum
make_row(FunctionCallInfo fcinfo, const VecamCompactStats *stats)
{
	Datum		values[5];

	values[0] = Int64GetDatum(stats->nodes_removed);
	values[1] = Int64GetDatum(stats->nodes_moved);
	values[2] = Int64GetDatum(stats->edges_repaired);
	values[3] = Int64GetDatum(stats->pages_freed);
	values[4] = Int64GetDatum(stats->bytes_reclaimed);
	return vecam_admin_make_row(fcinfo, values, lengthof(values));
}

static void
check_not_null(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

static int64
max_pages_argument(FunctionCallInfo fcinfo)
{
	int64		max_pages = PG_ARGISNULL(1) ? PG_INT64_MAX : PG_GETARG_INT64(1);

	if (max_pages < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_pages must not be negative")));
	return max_pages;
}

/* Make what is free known to the free space map. */
static void
note_free_space(Relation index)
{
	VecamIndex *ix = vecam_index_open(index);
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	IndexBulkDeleteResult counts = {0};

	vecam_progress_begin(index, VECAM_PROGRESS_SURVEY, nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < nblocks; blkno++)
	{
		CHECK_FOR_INTERRUPTS();
		vecam_progress_update(blkno);
		vecam_survey_page(index, ix, blkno, NULL, &counts);
	}
	IndexFreeSpaceMapVacuum(index);
}

static void
no_delay(void)
{
}

/*
 * vecam_compact(index regclass, max_pages bigint, nowait boolean): remove dead
 * nodes, move what is at the end of the index to its start, and give the pages
 * that are free then back.
 */
Datum
vecam_compact(PG_FUNCTION_ARGS)
{
	Relation	table;
	Relation	index;
	VecamUserContext user;
	VecamCompactStats stats;
	int64		max_pages;
	int64		length;

	check_not_null(fcinfo, 0, "index");
	check_not_null(fcinfo, 2, "nowait");
	max_pages = max_pages_argument(fcinfo);
	index = vecam_admin_open_for_maintenance(PG_GETARG_OID(0), &table,
											 PG_GETARG_BOOL(2));
	length = RelationGetNumberOfBlocks(index);
	vecam_admin_become_owner(&user, table);
	vecam_progress_start(index);
	vecam_compact_index(index, max_pages, no_delay, &stats);
	vecam_truncate_index(index);
	length -= RelationGetNumberOfBlocks(index);
	stats.bytes_reclaimed = Max(length, 0) * BLCKSZ;
	note_free_space(index);
	vecam_progress_end();
	vecam_admin_restore_user(&user);

	vecam_admin_close_after_maintenance(index, table);
	PG_RETURN_DATUM(make_row(fcinfo, &stats));
}

/*
 * vecam_fragmentation(index regclass): the share of the index that holds
 * nothing live.  Reads all its pages.
 */
Datum
vecam_fragmentation(PG_FUNCTION_ARGS)
{
	Relation	index = vecam_admin_open(PG_GETARG_OID(0));
	double		result = vecam_index_fragmentation(index,
												   vecam_index_open(index),
												   true, no_delay);

	vecam_admin_close(index);
	PG_RETURN_FLOAT8(result);
}

/*
 * Pages that so many rows of vectors take: as growing rows, which of a graph are
 * no more than wait to be sealed, and as nodes.
 */
static int64
pages_for_rows(const VecamIndex *ix, int64 rows)
{
	int			growing_per_page = VECAM_SLOTS_PER_PAGE(ix->meta.growing_size);
	int64		pages = rows * ix->meta.nextents;
	int64		growing = rows;

	if (ix->meta.kind != VECAM_KIND_FLAT)
	{
		growing = Min(rows, vecam_choose_seal_threshold(ix));
		pages += (rows + ix->nodes.per_page - 1) / ix->nodes.per_page;
	}
	return pages + (growing + growing_per_page - 1) / growing_per_page;
}

/*
 * vecam_reserve(index regclass, rows bigint): see to it that the index has free
 * pages for so many rows more; returns how many were added.
 */
Datum
vecam_reserve(PG_FUNCTION_ARGS)
{
	Relation	table;
	Relation	index = vecam_admin_open_for_maintenance(PG_GETARG_OID(0),
														 &table, false);
	int64		rows = PG_GETARG_INT64(1);
	VecamIndex *ix = vecam_index_open(index);
	VecamUserContext user;
	int64		pages;

	if (rows < 0 || rows > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rows must be between 0 and %d", PG_INT32_MAX)));
	vecam_admin_become_owner(&user, table);
	pages = Max(pages_for_rows(ix, rows) - vecam_count_free_pages(index, no_delay), 0);
	for (int64 i = 0; i < pages; i++)
	{
		Buffer		buf;

		CHECK_FOR_INTERRUPTS();
		buf = vecam_extend_relation(index);
		vecam_record_free_page(index, BufferGetBlockNumber(buf));
		UnlockReleaseBuffer(buf);
	}
	IndexFreeSpaceMapVacuum(index);
	vecam_admin_restore_user(&user);
	vecam_admin_close_after_maintenance(index, table);
	PG_RETURN_INT64(pages);
}
