/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  The access method's routine table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "compat.h"
#include "fmgr.h"

PG_FUNCTION_INFO_V1(vecam_handler);

/*
 * One vector column, ordered by distance.  amoptionalkey lets a scan have no
 * WHERE clause on the column, in return for which every row, NULL or not, must
 * be in the index.  A scan keeps no pins, so there is no index-only scan and
 * no mark/restore; predicate locks cover the whole index.
 */
Datum
vecam_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	am->amstrategies = VECAM_STRATEGY_DISTANCE;
	am->amsupport = VECAM_NPROCS;
	am->amcanorderbyop = true;
	am->amoptionalkey = true;
	am->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL |
		VACUUM_OPTION_PARALLEL_CLEANUP;
	am->amkeytype = InvalidOid;

	am->ambuild = vecam_build;
	am->ambuildempty = vecam_buildempty;
	am->aminsert = vecam_insert;
	am->ambulkdelete = vecam_bulkdelete;
	am->amvacuumcleanup = vecam_vacuumcleanup;
	am->amcostestimate = vecam_costestimate;
	am->amoptions = vecam_options;
	am->amproperty = vecam_property;
	am->ambuildphasename = vecam_buildphasename;
	am->amvalidate = vecam_validate;
	am->ambeginscan = vecam_beginscan;
	am->amrescan = vecam_rescan;
	am->amgettuple = vecam_gettuple;
	am->amendscan = vecam_endscan;

	PG_RETURN_POINTER(am);
}
