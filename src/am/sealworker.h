/*-------------------------------------------------------------------------
 *
 * sealworker.h
 *	  The background worker that links growing rows into the graph: what the
 *	  backend that starts it and the worker itself share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_SEALWORKER_H
#define VECAM_SEALWORKER_H

#include "fmgr.h"
#include "postmaster/bgworker.h"
#include "storage/lock.h"
#include "utils/relcache.h"

/* What a worker is told, in bgw_extra. */
typedef struct SealRequest
{
	Oid			database;
	Oid			index;
	int			max_workers;	/* of the cluster, as the starter's setting says */
} SealRequest;

StaticAssertDecl(sizeof(SealRequest) <= BGW_EXTRALEN,
				 "a request must fit bgw_extra");

/* What a backend remembers of an index's growing list between two rows. */
typedef struct VecamSealDemand
{
	Oid			index;			/* hash key */
	BlockNumber target;			/* page of the last row when it looked */
	bool		is_pressing;	/* so long that inserters help */
	BackgroundWorkerHandle *worker; /* the one that it started last */
	TimestampTz started;		/* when */
} VecamSealDemand;

/* sealstart.c */
extern VecamSealDemand *vecam_seal_demand(Oid index);
extern void vecam_start_seal_worker(Relation index, Relation heap,
									VecamSealDemand *demand);

/* sealworker.c */
extern void vecam_seal_worker_tag(LOCKTAG *tag, Oid database, Oid index);
extern void vecam_seal_place_tag(LOCKTAG *tag, int n);
extern PGDLLEXPORT void vecam_seal_worker_main(Datum arg);

#endif							/* VECAM_SEALWORKER_H */
