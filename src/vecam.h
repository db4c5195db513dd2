/*-------------------------------------------------------------------------
 *
 * vecam.h
 *	  Module-wide settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_H
#define VECAM_H

#include "postgres.h"

/* vecam.c */
extern PGDLLIMPORT int vecam_scan_mem;	/* vecam.scan_mem, kilobytes */
extern PGDLLIMPORT int vecam_seal_workers;	/* vecam.seal_workers, 0: none */
extern PGDLLIMPORT int vecam_build_seed;	/* vecam.build_seed */
extern PGDLLIMPORT bool vecam_build_flat;	/* vecam.build_flat */
extern PGDLLIMPORT int vecam_ef_search; /* vecam.ef_search, 0: not set */
extern PGDLLIMPORT double vecam_recall; /* vecam.recall */
extern PGDLLIMPORT bool vecam_recall_is_set;
extern PGDLLIMPORT int vecam_scan_order;	/* vecam.scan_order */
extern PGDLLIMPORT int vecam_max_scan_tuples;	/* -1: no limit */

typedef enum VecamScanOrder
{
	VECAM_ORDER_STRICT,			/* sorted; rows found too late are dropped */
	VECAM_ORDER_RELAXED			/* rows found too late are returned late */
} VecamScanOrder;

#endif							/* VECAM_H */
