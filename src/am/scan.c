/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Index scans: ambeginscan, amrescan, amgettuple, amendscan.
 *
 * Rows come in three groups: those with a distance, by their lower bounds,
 * which the executor rechecks and puts in exact order; those whose distance
 * is undefined, as NaN; those whose vector is NULL.  Every row of the index is
 * returned by a scan that is read to its end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relscan.h"
#include "am/am.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "flat/rowscan.h"
#include "portability/instr_time.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "vecam.h"

typedef enum ScanPhase
{
	PHASE_START,
	PHASE_ROWS,
	PHASE_UNDEFINED,
	PHASE_NULLS,
	PHASE_DONE
} ScanPhase;

/* What the order-by value of a row without a bound is. */
typedef enum QueryKind
{
	QUERY_DEFINED,				/* bounds, NaN, NULL */
	QUERY_UNDEFINED,			/* NaN, NaN, NULL */
	QUERY_NULL					/* NULL for all, also without ORDER BY */
} QueryKind;

typedef struct VecamScanOpaqueData
{
	const VecamOpclass *opclass;
	MemoryContext context;		/* of one scan, reset by amrescan */
	ScanPhase	phase;
	QueryKind	query_kind;
	VecamIndex *ix;
	VecamCodecQuery query;
	VecamRowScan *rows;			/* in the context, as are the tids */
	VecamTidScan *tids;			/* once the rows are exhausted */
	VecamSearchCounters counters;
} VecamScanOpaqueData;

typedef VecamScanOpaqueData *VecamScanOpaque;

/* Of this backend's last search. */
static VecamSearchCounters last_counters;

const VecamSearchCounters *
vecam_last_counters(void)
{
	return &last_counters;
}

/*
 * ambeginscan
 */
IndexScanDesc
vecam_beginscan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);
	VecamScanOpaque so = palloc0(sizeof(VecamScanOpaqueData));

	so->opclass = vecam_opclass(index);
	so->context = AllocSetContextCreate(CurrentMemoryContext, "vecam scan",
										ALLOCSET_DEFAULT_SIZES);
	so->phase = PHASE_START;
	if (norderbys > 0)
	{
		scan->xs_orderbyvals = palloc0(sizeof(Datum) * norderbys);
		scan->xs_orderbynulls = palloc(sizeof(bool) * norderbys);
		memset(scan->xs_orderbynulls, true, sizeof(bool) * norderbys);
	}
	scan->opaque = so;
	return scan;
}

/*
 * amrescan.  The search starts with the first amgettuple.
 */
void
vecam_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
			 ScanKey orderbys, int norderbys)
{
	VecamScanOpaque so = (VecamScanOpaque) scan->opaque;

	if (orderbys && scan->numberOfOrderBys > 0)
		memcpy(scan->orderByData, orderbys,
			   sizeof(ScanKeyData) * scan->numberOfOrderBys);
	if (scan->numberOfOrderBys > 0)
		memset(scan->xs_orderbynulls, true,
			   sizeof(bool) * scan->numberOfOrderBys);
	MemoryContextReset(so->context);
	memset(&so->counters, 0, sizeof(so->counters));
	so->phase = PHASE_START;
}

void
vecam_endscan(IndexScanDesc scan)
{
	VecamScanOpaque so = (VecamScanOpaque) scan->opaque;

	MemoryContextDelete(so->context);
	pfree(so);
}

/*
 * Prepare the query vector; says what kind of a query it is.  *query gets its
 * components, *rotated what the codec makes of them.
 */
static QueryKind
prepare_query(VecamScanOpaque so, ScanKey key, const float **query,
			  float **rotated)
{
	int			dims = so->ix->meta.dims;
	int			query_dims;
	const float *q;

	if (key->sk_flags & SK_ISNULL)
		return QUERY_NULL;

	q = so->opclass->components(key->sk_argument, &query_dims);
	if (query_dims != dims)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different vector dimensions %d and %d",
						dims, query_dims)));
	*query = q;
	*rotated = palloc(sizeof(float) * dims);
	vecam_codec_query_init(&so->query, &so->ix->codec, q, *rotated,
						   palloc(sizeof(int16) * dims));
	return so->query.undefined ? QUERY_UNDEFINED : QUERY_DEFINED;
}

/* Begin the search. */
static void
start_search(IndexScanDesc scan)
{
	VecamScanOpaque so = (VecamScanOpaque) scan->opaque;
	Relation	index = scan->indexRelation;
	const float *query = NULL;
	float	   *rotated = NULL;

	/*
	 * A scan keeps no pin, so VACUUM may let the heap reuse a TID that the
	 * scan is about to return; only an MVCC snapshot makes that harmless.
	 */
	if (!IsMVCCSnapshot(scan->xs_snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("non-MVCC snapshots are not supported with vecam")));

	vecam_count_search(scan);
	so->ix = vecam_checked_index(index, so->opclass);
	so->counters.pages_read = 1;
	so->query_kind = scan->numberOfOrderBys > 0 ?
		prepare_query(so, scan->orderByData, &query, &rotated) : QUERY_NULL;
	so->rows = palloc(sizeof(VecamRowScan));
	vecam_rows_begin(so->rows, index, scan->heapRelation, so->ix, query,
					 so->query_kind == QUERY_DEFINED ? &so->query : NULL,
					 rotated, vecam_lookahead(index),
					 vecam_scan_order == VECAM_ORDER_STRICT,
					 mul_size(vecam_scan_mem, 1024), &so->counters);
	so->phase = PHASE_ROWS;
}

/*
 * Store the order-by values of the row.  Ordering by more than one expression
 * is left to the executor: only the first is known here, and for the others
 * -Infinity is a bound.
 */
static void
store_orderby(IndexScanDesc scan, double value, bool isnull, bool recheck)
{
	int			n = scan->numberOfOrderBys;

	scan->xs_recheckorderby = recheck || n > 1;
	for (int i = 0; i < n; i++)
	{
		if (!scan->xs_orderbynulls[i] && !FLOAT8PASSBYVAL)
			pfree(DatumGetPointer(scan->xs_orderbyvals[i]));
		scan->xs_orderbynulls[i] = (i == 0) && isnull;
		scan->xs_orderbyvals[i] =
			scan->xs_orderbynulls[i] ? (Datum) 0 :
			Float8GetDatum(i == 0 ? value : -get_float8_infinity());
	}
}

/* The next row with a distance. */
static bool
next_row(IndexScanDesc scan, VecamScanOpaque so)
{
	double		bound;
	bool		certain;

	if (!vecam_rows_next(so->rows, &scan->xs_heaptid, &bound, &certain))
		return false;
	if (so->query_kind == QUERY_DEFINED)
		store_orderby(scan, bound, false, !certain);
	else
		store_orderby(scan, get_float8_nan(),
					  so->query_kind == QUERY_NULL, false);
	return true;
}

/* The next row of a list without distances. */
static bool
next_tid(IndexScanDesc scan, VecamScanOpaque so, bool isnull)
{
	if (!vecam_tids_next(so->tids, &scan->xs_heaptid))
		return false;
	store_orderby(scan, get_float8_nan(),
				  isnull || so->query_kind == QUERY_NULL, false);
	return true;
}

/* Go through the phases until one has a row. */
static bool
next_of_any_phase(IndexScanDesc scan, VecamScanOpaque so)
{
	Relation	index = scan->indexRelation;

	if (so->phase == PHASE_START)
		start_search(scan);

	if (so->phase == PHASE_ROWS)
	{
		if (next_row(scan, so))
			return true;
		so->tids = palloc(sizeof(VecamTidScan));
		vecam_tids_begin(so->tids, index, so->ix, VECAM_LIST_UNDEFINED,
						 &so->counters);
		so->phase = PHASE_UNDEFINED;
	}
	if (so->phase == PHASE_UNDEFINED)
	{
		if (next_tid(scan, so, false))
			return true;
		vecam_tids_begin(so->tids, index, so->ix, VECAM_LIST_NULL,
						 &so->counters);
		so->phase = PHASE_NULLS;
	}
	if (so->phase == PHASE_NULLS)
	{
		if (next_tid(scan, so, true))
			return true;
		so->phase = PHASE_DONE;
	}
	return false;
}

/*
 * amgettuple.  Between calls the scan holds no lock and no pin.
 */
bool
vecam_gettuple(IndexScanDesc scan, ScanDirection dir)
{
	VecamScanOpaque so = (VecamScanOpaque) scan->opaque;
	MemoryContext old = MemoryContextSwitchTo(so->context);
	instr_time	start;
	instr_time	elapsed;
	bool		found;

	/* amcanbackward is false, so the executor never asks for another one */
	Assert(ScanDirectionIsForward(dir));

	INSTR_TIME_SET_CURRENT(start);
	found = (vecam_max_scan_tuples < 0 ||
			 so->counters.heap_rows < vecam_max_scan_tuples) &&
		next_of_any_phase(scan, so);
	scan->xs_recheck = false;
	if (found)
	{
		if (!ItemPointerIsValid(&scan->xs_heaptid))
			ereport(ERROR,
					(errcode(ERRCODE_INDEX_CORRUPTED),
					 errmsg("index \"%s\" has a row with an invalid TID",
							RelationGetRelationName(scan->indexRelation)),
					 errhint("Please REINDEX it.")));
		so->counters.heap_rows++;
		if (scan->xs_recheckorderby)
			so->counters.heap_rechecks++;
	}
	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, start);
	so->counters.microseconds += INSTR_TIME_GET_DOUBLE(elapsed) * 1e6;
	last_counters = so->counters;

	MemoryContextSwitchTo(old);
	return found;
}
