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

#endif							/* VECAM_ADMIN_H */
