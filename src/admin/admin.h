/*-------------------------------------------------------------------------
 *
 * admin.h
 *	  What the SQL functions on indexes share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_ADMIN_H
#define VECAM_ADMIN_H

#include "fmgr.h"
#include "utils/relcache.h"

/* open.c */
extern Relation vecam_admin_open(Oid index_oid);
extern void vecam_admin_close(Relation index);
extern Relation vecam_admin_open_for_maintenance(Oid index_oid,
												 Relation *table);
extern void vecam_admin_close_after_maintenance(Relation index,
												Relation table);

#endif							/* VECAM_ADMIN_H */
