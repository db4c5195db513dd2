/*-------------------------------------------------------------------------
 *
 * am.h
 *	  The index access method's parts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_AM_H
#define VECAM_AM_H

#include "access/amapi.h"
#include "access/genam.h"
#include "compat.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "page/counters.h"
#include "page/meta.h"

/* Support function 1 of an operator class describes it. */
#define VECAM_SUPPORT_PROC	1
#define VECAM_NPROCS		1

/* Strategy number of the ordering operator. */
#define VECAM_STRATEGY_DISTANCE 1

/* What an operator class is to the access method. */
typedef struct VecamOpclass
{
	VecamMetric metric;

	/*
	 * The float4 components of a value, as a pointer into it or into a
	 * detoasted copy in the current memory context, and their number.
	 */
	const float *(*components) (Datum value, int *dims);
} VecamOpclass;

/* What decides the order of rows whose 8-bit codes do not. */
typedef enum VecamRerank
{
	VECAM_RERANK_HEAP,			/* the table's vectors */
	VECAM_RERANK_PAGE			/* finer codes; where they do not, the table's */
} VecamRerank;

/* Storage parameters of an index. */
typedef struct VecamOptions
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int			kind;			/* VecamKind */
	int			m;
	int			ef_construction;
	int			flat_threshold;
	int			seal_threshold; /* 0: chosen */
	int			sketch_bits;	/* 0: chosen */
	int			ef_search;		/* 0: not set */
	double		recall;			/* 0: not set */
	double		compact_threshold;
	int			rerank;			/* VecamRerank */
} VecamOptions;

/* build.c */
extern IndexBuildResult *vecam_build(Relation heap, Relation index,
									 IndexInfo *info);
extern void vecam_build_meta(Relation index, VecamMetaPageData *meta);
extern void vecam_buildempty(Relation index);
extern char *vecam_buildphasename(int64 phase);

/* cost.c */
extern void vecam_costestimate(PlannerInfo *root, IndexPath *path,
							   double loop_count, Cost *startup_cost,
							   Cost *total_cost, Selectivity *selectivity,
							   double *correlation, double *pages);

/* insert.c */
extern bool vecam_insert(Relation index, Datum *values, bool *isnull,
						 ItemPointer tid, Relation heap,
						 IndexUniqueCheck check_unique,
						 VECAM_INSERT_UNCHANGED_ARG IndexInfo *info);

/* opclass.c */
extern const VecamOpclass *vecam_opclass(Relation index);
extern VecamIndex *vecam_checked_index(Relation index,
									   const VecamOpclass *opclass);
extern const float *vecam_checked_components(const VecamOpclass *opclass,
											 Datum value, int dims);

/* options.c */
extern void vecam_options_init(void);
extern bytea *vecam_options(Datum reloptions, bool validate);
extern VecamOptions vecam_options_of(Relation index);
extern int	vecam_lookahead(Relation index);
extern bool vecam_wants_seal(Relation index, const VecamIndex *ix,
							 int64 growing_rows, double factor);

/* plan.c */
extern void vecam_plan_init(void);

/* scan.c */
extern IndexScanDesc vecam_beginscan(Relation index, int nkeys, int norderbys);
extern void vecam_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
						 ScanKey orderbys, int norderbys);
extern bool vecam_gettuple(IndexScanDesc scan, ScanDirection dir);
extern void vecam_endscan(IndexScanDesc scan);
extern const VecamSearchCounters *vecam_last_counters(void);

/* vacuum.c */
extern IndexBulkDeleteResult *vecam_bulkdelete(IndexVacuumInfo *info,
											   IndexBulkDeleteResult *stats,
											   IndexBulkDeleteCallback callback,
											   void *callback_state);
extern IndexBulkDeleteResult *vecam_vacuumcleanup(IndexVacuumInfo *info,
												  IndexBulkDeleteResult *stats);

/* validate.c */
extern bool vecam_validate(Oid opclassoid);
extern bool vecam_property(Oid index_oid, int attno, IndexAMProperty prop,
						   const char *propname, bool *res, bool *isnull);

#endif							/* VECAM_AM_H */
